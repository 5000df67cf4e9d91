package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"holdfast/switch/load"
)

// The whole bench on real servers, which are left as they were. Nothing is said about how fast it is.
func TestBenchMeasuresTheFullStores(t *testing.T) {
	servers := sharedServers(t)
	before := benchLeftovers(t, servers)
	t.Setenv(benchChildVariable, "1")
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("HOLDFAST_POSTGRES_URL", "") // those of the test run count
	t.Setenv("HOLDFAST_REDIS_ADDRESSES", "")
	figures := filepath.Join(t.TempDir(), "bench.json")
	status, stdout, stderr := runBench(t, "--store", "full", "--seconds", "3", "--cards", "50", "--links", "2", "--rate", "100",
		"--partners", "7", "--json", figures)
	if status != exitOK {
		t.Fatalf("exit status %d\n%s\n%s", status, stdout, stderr)
	}
	text, err := os.ReadFile(figures)
	if err != nil {
		t.Fatal(err)
	}
	var r map[string]any
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"approvals_per_second", "p99_ms", "single_p50_ms", "sixteen_p99_ms", "memory_mib", "bound_per_second",
		"bound_redis_per_second", "bound_postgres_per_second", "bound_codec_per_second", "ratio_to_bound", "one_partner_to_many",
		"one_partner_per_second", "many_partners_per_second"} {
		if v, ok := r[key].(float64); !ok || v <= 0 {
			t.Errorf("%s is %v, want a figure above zero", key, r[key])
		}
	}
	for key, want := range map[string]any{"store": "full", "cards": 50.0, "partners": 7.0, "offered_per_second": 100.0,
		"verify_violations": 0.0, "declined": 0.0, "duplicates": 0.0} {
		if r[key] != want {
			t.Errorf("%s is %v, want %v", key, r[key], want)
		}
	}
	cpu, _ := r["cpu_us_per_authorization"].(map[string]any)
	for _, key := range []string{"switch", "redis", "postgres", "generator"} {
		if v, ok := cpu[key].(float64); !ok || v <= 0 {
			t.Errorf("the processor time of %s is %v, want a figure above zero", key, cpu[key])
		}
	}
	if !strings.Contains(stdout, "7 partners") || !strings.Contains(stdout, "alone: redis script") {
		t.Errorf("the table does not say what was measured:\n%s", stdout)
	}
	if after := benchLeftovers(t, servers); !reflect.DeepEqual(after, before) {
		t.Errorf("left behind %q, there were %q before", after, before)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) != 0 {
		t.Errorf("%d files are left behind, %v", len(left), err)
	}
}

// benchLeftovers are the schemas and keys that a bench makes.
func benchLeftovers(t *testing.T, s testServers) []string {
	t.Helper()
	found := s.sql(t, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'bench@_%' ESCAPE '@' ORDER BY 1")
	a, err := dialRedisAdmin(t.Context(), redisConfig{Addresses: []string{s.redis.address}, Password: s.redis.password})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := a.do("KEYS", "holdfast:bench_*")
	if err := errors.Join(err, a.close()); err != nil {
		t.Fatal(err)
	}
	return append(found, keys...)
}

func TestBenchFindsItsServers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, file string
		env        map[string]string
		postgres   string
		redis      redisConfig
		refused    string
	}{
		{name: "none", refused: "HOLDFAST_POSTGRES_URL"},
		{name: "only one of two", env: map[string]string{"HOLDFAST_POSTGRES_URL": "postgres://a"}, refused: "HOLDFAST_REDIS_ADDRESSES"},
		{name: "sockets first", env: map[string]string{"HOLDFAST_TEST_POSTGRES": "postgres://tcp", "HOLDFAST_TEST_POSTGRES_SOCKET": "postgres:///s",
			"HOLDFAST_TEST_REDIS": "redis://:w@h:1/0", "HOLDFAST_TEST_REDIS_SOCKET": "unix://:s%40t@/run/r.sock"},
			postgres: "postgres:///s", redis: redisConfig{Addresses: []string{"/run/r.sock"}, Password: "s@t"}},
		{name: "the program's own before those of tests", env: map[string]string{"HOLDFAST_POSTGRES_URL": "postgres://own",
			"HOLDFAST_REDIS_ADDRESSES": "own:1", "HOLDFAST_REDIS_PASSWORD": "p", "HOLDFAST_TEST_POSTGRES_SOCKET": "postgres:///s",
			"HOLDFAST_TEST_REDIS": "redis://h:1"}, postgres: "postgres://own",
			redis: redisConfig{Addresses: []string{"own:1"}, Password: "p"}},
		{name: "several", env: map[string]string{"HOLDFAST_POSTGRES_URL": "postgres://a", "HOLDFAST_REDIS_ADDRESSES": "a:1,b:1"},
			refused: "one Redis server"},
	} {
		cfg, err := benchServers(c.file, func(name string) string { return c.env[name] })
		if c.refused != "" {
			if u := (usageError{}); !errors.As(err, &u) || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("%s: got %v, want a mistake of the caller about %s", c.name, err, c.refused)
			}
			continue
		}
		if err != nil || cfg.Postgres.URL != c.postgres || !reflect.DeepEqual(cfg.Redis, c.redis) {
			t.Errorf("%s: got %s and %+v, %v", c.name, cfg.Postgres.URL, cfg.Redis, err)
		}
	}
}

// The generator's card numbers of many partners are the seed's.
func TestBenchCardsOfManyPartners(t *testing.T) {
	t.Parallel()
	const partners = 1000
	for _, i := range []int{0, 1, 999, 1000, 49_999} {
		number, err := fullCard(manyBIN+i%partners, i/partners)
		if err != nil {
			t.Fatal(err)
		}
		var digits [load.CardDigits]byte
		if manyCard(partners)(&digits, i); string(digits[:]) != number.Reveal() {
			t.Errorf("card %d has another number in the seed", i)
		}
	}
}

func TestRedisRepliesAreRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reply string
		want  []string
		fails string
	}{
		{reply: "+OK\r\n", want: []string{"OK"}},
		{reply: "*2\r\n$1\r\n0\r\n*2\r\n$3\r\na\r\n\r\n$-1\r\n", want: []string{"0", "a\r\n", ""}},
		{reply: ":7\r\n", want: []string{"7"}},
		{reply: "-NOAUTH no\r\n", fails: "NOAUTH"},
		{reply: "$99999999999\r\n", fails: "unknown form"},
		{reply: "\r\n", fails: "unknown form"},
		{reply: "~1\r\n", fails: "unknown form"},
		{reply: "$5\r\nab", fails: "EOF"},
	} {
		a := &redisAdmin{replies: bufio.NewReader(strings.NewReader(c.reply))}
		got, err := a.read(nil)
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%q: got %v, want %s", c.reply, err, c.fails)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: got %q, %v", c.reply, got, err)
		}
	}
}

// The processor time is the sum of both parts, and the keys of a prefix go page by page.
func TestRedisAdmin(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	said := make(chan string, 1)
	go func() { // ends when the connection does
		defer close(said)
		in := bufio.NewReader(theirs)
		for _, reply := range []string{"$60\r\n# CPU\r\nused_cpu_sys:1.5\r\nused_cpu_user:2.25\r\nother:4.00000\r\n\r\n",
			"*2\r\n$1\r\n9\r\n*1\r\n$1\r\nk\r\n", ":1\r\n", "*2\r\n$1\r\n0\r\n*0\r\n"} {
			words, err := (&redisAdmin{replies: in}).read(nil)
			if err != nil {
				return
			}
			said <- strings.Join(words, " ")
			if _, err := io.WriteString(theirs, reply); err != nil {
				return
			}
		}
	}()
	a := &redisAdmin{ours, bufio.NewReader(ours)}
	expect := func(want string) {
		if got := <-said; got != want {
			t.Errorf("said %q, want %q", got, want)
		}
	}
	used := make(chan time.Duration, 1)
	go func() {
		d, err := a.cpu()
		if err == nil {
			err = a.remove("p:")
		}
		if err != nil {
			t.Error(err)
		}
		used <- d
	}()
	expect("INFO cpu")
	expect("SCAN 0 MATCH p:* COUNT 1000")
	expect("UNLINK k")
	expect("SCAN 9 MATCH p:* COUNT 1000")
	if d := <-used; d != 3750*time.Millisecond {
		t.Errorf("the server used %v, want 3.75 s", d)
	}
	if err := a.close(); err != nil {
		t.Error(err)
	}
}

func TestFamilyCPUIsOfTheNamedProgram(t *testing.T) {
	t.Parallel()
	if _, ok := readProcess(os.Getpid()); !ok {
		t.Skip("the system does not tell")
	}
	if d := familyCPU(os.Getpid(), "no such program"); d != 0 {
		t.Errorf("a foreign process counts as %v", d)
	}
	p, _ := readProcess(os.Getpid())
	if p.parent != os.Getppid() || p.name == "" {
		t.Errorf("the parent of %q is read as %d, it is %d", p.name, p.parent, os.Getppid())
	}
}
