package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"holdfast/store/pgstore"
	"holdfast/store/records"
	"holdfast/switch/iso"
)

// testServers are a PostgreSQL and a Redis.
type testServers struct {
	postgres string // URL
	login    string // the same for the nodes, when they have a login of their own
	redis    redisServer
	data     string // the folder of servers of the test's own
}

// sharedServers are those of the test run: no test may stop or empty them. Without them the test is skipped, or
// fails where it must run.
func sharedServers(t *testing.T) testServers {
	t.Helper()
	s := testServers{postgres: os.Getenv("HOLDFAST_TEST_POSTGRES")}
	address := os.Getenv("HOLDFAST_TEST_REDIS")
	if s.postgres == "" || address == "" {
		if os.Getenv("CI") == "true" || os.Getenv("HOLDFAST_REQUIRE_STORES") == "1" {
			t.Fatal("HOLDFAST_TEST_POSTGRES or HOLDFAST_TEST_REDIS is not set: scripts/up starts servers")
		}
		t.Skip("HOLDFAST_TEST_POSTGRES or HOLDFAST_TEST_REDIS is not set: scripts/up starts servers")
	}
	s.redis = parseRedis(t, address)
	return s
}

func parseRedis(t *testing.T, address string) redisServer {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal("the address of Redis is not a URL")
	}
	password, _ := u.User.Password()
	return redisServer{u.Host, password}
}

// ownServers starts a pair that the test may stop and kill.
func ownServers(t *testing.T) testServers {
	t.Helper()
	return ownServersIn(t, func(string) {})
}

// ownServersIn starts them in a folder that has been prepared.
func ownServersIn(t *testing.T, prepare func(dir string)) testServers {
	t.Helper()
	sharedServers(t) // or skip: who has no servers does not want to be given some
	dir, err := os.MkdirTemp("", "holdfast-full-")
	if err == nil {
		err = os.Chmod(dir, 0o755) // the user of the servers looks for its data in it
	}
	if err != nil {
		t.Fatal(err)
	}
	command := func(args ...string) ([]byte, error) {
		cmd := exec.Command("go", append([]string{"run", "holdfast/scripts/servers"}, args...)...)
		cmd.Env = append(os.Environ(), "HOLDFAST_RUN="+dir)
		return cmd.CombinedOutput()
	}
	stop := func(args ...string) func() {
		return func() {
			if out, err := command(append([]string{"down"}, args...)...); err != nil {
				t.Errorf("stop the servers: %v\n%s", err, out)
			}
		}
	}
	t.Cleanup(stop("--remove"))
	prepare(dir)
	t.Cleanup(stop()) // before what prepare has made goes
	out, err := command("up")
	if err != nil {
		t.Fatalf("start servers: %v\n%s", err, out)
	}
	s := testServers{data: filepath.Join(dir, "servers")}
	for line := range strings.Lines(string(out)) {
		switch name, value, _ := strings.Cut(strings.TrimSpace(line), "="); name {
		case "HOLDFAST_TEST_POSTGRES":
			s.postgres = value
		case "HOLDFAST_TEST_REDIS":
			s.redis = parseRedis(t, value)
		}
	}
	return s
}

// sql runs a statement on a connection of its own, outside of any schema, and returns the lines of its result.
func (s testServers) sql(t *testing.T, statement string) []string {
	t.Helper()
	cmd := exec.Command("psql", s.postgres, "--no-psqlrc", "--quiet", "--tuples-only", "--no-align",
		"--set=ON_ERROR_STOP=1", "--command="+statement)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", statement, err, errs.String())
	}
	return strings.Fields(out.String())
}

// redisServer is asked one command at a time, on a connection of its own.
type redisServer struct{ address, password string }

// say returns what the server answers, with what is nested laid flat.
func (r redisServer) say(command ...string) ([]string, error) {
	conn, err := net.DialTimeout("tcp", r.address, time.Second)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for _, words := range [][]string{{"AUTH", r.password}, command} {
		fmt.Fprintf(&b, "*%d\r\n", len(words))
		for _, word := range words {
			fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(word), word)
		}
	}
	if _, err := conn.Write(b.Bytes()); err != nil {
		return nil, err
	}
	replies := bufio.NewReader(conn)
	if _, err := redisReply(replies); err != nil {
		return nil, err
	}
	return redisReply(replies)
}

func redisReply(r *bufio.Reader) (flat []string, err error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	kind, rest := line[0], strings.TrimSpace(line[1:])
	switch kind {
	case '-':
		return nil, errors.New(rest)
	case '$', '*':
	default:
		return []string{rest}, nil
	}
	n, err := strconv.Atoi(rest)
	if err != nil || n < 0 {
		return nil, err
	}
	if kind == '$' {
		text := make([]byte, n+2)
		_, err := io.ReadFull(r, text)
		return []string{string(text[:n])}, err
	}
	for range n {
		part, err := redisReply(r)
		if err != nil {
			return nil, err
		}
		flat = append(flat, part...)
	}
	return flat, nil
}

// site is a schema and a key prefix of the test's own, with a world in it, and the nodes that serve it; or the data
// folder of an embedded one.
type site struct {
	testServers
	dir       string // of the nodes' folders
	schema    string // empty: embedded
	listeners []listenerConfig
	dialect   *iso.Dialect // of the payments that the test makes
	serial    atomic.Int64
}

var sites atomic.Int64

// plainListener is what most tests need: one, and no sign-on.
var plainListener = []listenerConfig{{Name: "ascii", Framing: "bin2", Settings: peerSettings{Dialect: "iso87-ascii"}}}

// patient are listeners without haste, for tests that are not about time: a busy machine may decide late.
func patient(listeners []listenerConfig) []listenerConfig {
	listeners = slices.Clone(listeners)
	for i := range listeners {
		listeners[i].Settings.Deadline = 5 * time.Second
	}
	return listeners
}

// openSite makes and seeds a site; seed is what stands on the command line after the configuration, nothing for empty books.
func openSite(t *testing.T, on testServers, listeners []listenerConfig, seed ...string) *site {
	t.Helper()
	s := &site{testServers: on, dir: t.TempDir(), listeners: listeners,
		schema: fmt.Sprintf("full_%d_%d", os.Getpid(), sites.Add(1))}
	var err error
	if s.dialect, err = iso.Builtin("iso87-ascii"); err != nil {
		t.Fatal(err)
	}
	s.sql(t, "CREATE SCHEMA "+s.schema)
	t.Cleanup(func() {
		s.sql(t, "SET client_min_messages = error; DROP SCHEMA "+s.schema+" CASCADE")
		if _, err := s.redis.say("EVAL", "for _, k in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('UNLINK', k) end", "0",
			s.prefix()+"*"); err != nil {
			t.Errorf("empty Redis: %v", err)
		}
	})
	if err := demoKeys(s.folder(1)); err != nil {
		t.Fatal(err)
	}
	commands := [][]string{{"migrate", "--config", s.config(t, 0)}}
	if seed != nil {
		commands = append(commands, append([]string{"seed", "--config", s.config(t, 1)}, seed...))
	}
	for _, args := range commands {
		if status, _, errs := runHoldfast(t, args...); status != exitOK {
			t.Fatalf("%s: status %d: %s", args[0], status, errs)
		}
	}
	return s
}

func (s *site) prefix() string { return s.schema + ":" }

// database is the URL of the schema, for its owner or for the role that nodes have.
func (s *site) database(service bool) string {
	text := s.postgres
	if service && s.login != "" {
		text = s.login
	}
	text += "&search_path=" + s.schema
	if service {
		text += "&role=holdfast_service"
	}
	return text
}

func (s *site) folder(node int) string { return filepath.Join(s.dir, strconv.Itoa(node)) }

// config writes the configuration of a node and returns its path; node 0 owns the schema.
func (s *site) config(t *testing.T, node int) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "data: %q\nlog: warn\n", s.folder(node))
	if s.schema != "" {
		fmt.Fprintf(&b, "store: full\nnode: %d\npostgres: {url: %q}\n", node, s.database(node != 0))
		fmt.Fprintf(&b, "redis: {addresses: [%q], password: %q, prefix: %q, sweepAge: %v}\n",
			s.redis.address, s.redis.password, s.prefix(), sweepAgeMin)
	}
	b.WriteString("listeners:\n")
	for _, l := range s.listeners {
		fmt.Fprintf(&b, "  - {name: %s, address: \"127.0.0.1:0\", dialect: %s, framing: %s, requireSignOn: %t, deadline: %v, linksMax: %d}\n",
			l.Name, l.Settings.Dialect, l.Framing, l.Settings.RequireSignOn, cmp.Or(l.Settings.Deadline, fullDeadline), l.LinksMax)
	}
	path := filepath.Join(s.dir, fmt.Sprintf("node%d.yaml", node))
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// fullDeadline is that of the nodes, unless a listener has its own; fullSlack is what a loaded machine may add to it.
const (
	fullDeadline = time.Second
	fullSlack    = time.Second
)

// fullNode is a switch in a process of its own.
type fullNode struct {
	number    int
	cmd       *exec.Cmd
	addresses map[string]string // by listener
	said      *sink
	drained   chan struct{} // its output has ended
	ended     bool
}

// start starts a node and waits until it listens. It is ended with the test.
func (s *site) start(t *testing.T, number int) *fullNode {
	t.Helper()
	path := s.config(t, number)
	s.shareKeys(t, number)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	n := &fullNode{number: number, addresses: map[string]string{}, said: &sink{}, drained: make(chan struct{})}
	n.cmd = exec.Command(self, "serve", "--config", path)
	n.cmd.Env = append(os.Environ(), benchChildVariable+"=1")
	n.cmd.Stderr = n.said
	out, err := n.cmd.StdoutPipe()
	if err == nil {
		err = n.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.stop(t) })
	listening := make(chan struct{})
	// owned by end, which waits for drained
	go func() {
		defer close(n.drained)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if name, rest, ok := strings.Cut(strings.TrimPrefix(lines.Text(), "holdfast: "), " listens on "); ok {
				n.addresses[name], _, _ = strings.Cut(rest, ",")
				if len(n.addresses) == len(s.listeners) {
					close(listening)
				}
			}
		}
	}()
	select {
	case <-listening:
		return n
	case <-n.drained:
	case <-time.After(childStartWithin):
	}
	t.Fatalf("node %d did not say where it listens: %s", number, n.said.bytes())
	return nil
}

// shareKeys gives a node the keys that the first one has made.
func (s *site) shareKeys(t *testing.T, number int) {
	t.Helper()
	if number == 1 {
		return
	}
	keys, err := os.ReadFile(filepath.Join(s.folder(1), keysFile))
	if err == nil {
		err = os.MkdirAll(s.folder(number), 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(s.folder(number), keysFile), keys, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// stop drains a node: it must end well and within its time.
func (n *fullNode) stop(t *testing.T) {
	t.Helper()
	if n.ended {
		return
	}
	insist := time.AfterFunc(childStopWithin, func() { _ = n.cmd.Process.Kill() })
	defer insist.Stop()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("stop node %d: %v", n.number, err)
	}
	if err := n.end(); err != nil {
		t.Errorf("node %d ended badly: %v", n.number, err)
	}
	n.heard(t)
}

// heard fails for what the race detector found, and sums up what was wrong in the node's view.
func (n *fullNode) heard(t *testing.T) {
	t.Helper()
	said := n.said.bytes()
	if bytes.Contains(said, []byte("DATA RACE")) {
		t.Errorf("node %d said:\n%s", n.number, said)
	}
	causes := map[string]int{}
	for line := range strings.Lines(string(said)) {
		if _, cause, ok := strings.Cut(strings.TrimSpace(line), "cause="); ok {
			causes[cause]++
		}
	}
	for cause, times := range causes {
		t.Logf("node %d, %d times: %.200s", n.number, times, cause)
	}
}

// kill ends a node as a power cut does.
func (n *fullNode) kill(t *testing.T) {
	t.Helper()
	if err := n.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	_ = n.end() // it says that it was killed
	n.heard(t)
}

func (n *fullNode) end() error {
	<-n.drained
	n.ended = true
	return n.cmd.Wait()
}

// open opens the site's database in this process.
func (s *site) open(t *testing.T) *pgstore.Store {
	t.Helper()
	store, err := pgstore.Open(t.Context(), pgstore.Config{URL: s.database(true)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// query reads rows of integers and texts, by column.
func query(ctx context.Context, store books, row func(records.Row), sql string, args ...any) error {
	return store.View(ctx, func(q records.Querier) error {
		return q.Query(ctx, func(r records.Row) error { row(r); return nil }, sql, args...)
	})
}

// verify checks the books and the cache as an operator does.
func (s *site) verify(t *testing.T) {
	t.Helper()
	args := []string{"verify", "--config", s.config(t, 1)}
	if s.schema != "" {
		args = append(args, "--cache")
	}
	if status, out, errs := runHoldfast(t, args...); status != exitOK {
		t.Errorf("verify ended with %d\n%s%s", status, out, errs)
	}
}

// eventually asks again and again until there is no error.
func eventually(t *testing.T, within time.Duration, what string, try func() error) {
	t.Helper()
	late := time.NewTimer(within)
	defer late.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-late.C:
			t.Errorf("waited %v for %s: %v", within, what, err)
			return
		}
	}
}

// withinASecond asks again and again until there is no error, and takes none for what is asked more than a second after a
// moment, however long the answer takes.
func withinASecond(t *testing.T, since time.Time, what string, try func() error) {
	t.Helper()
	for {
		asked := time.Since(since)
		err := try()
		if err == nil {
			return
		}
		if asked > time.Second {
			t.Errorf("%s, asked for after %v: %v", what, asked, err)
			return
		}
	}
}

// A sweeper that took living switches for dead would make the cache lie all the time.
func TestSweepAgeIsLongerThanACommit(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "holdfast.yaml")
	for age, want := range map[string]int{"5s": exitUsage, "6s": exitFailed} { // nobody listens on the second one's port
		text := "store: full\npostgres: {url: \"postgres://127.0.0.1:1/none\"}\nredis: {sweepAge: " + age + "}\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		status, _, errs := runHoldfast(t, "verify", "--config", path)
		if status != want || strings.Contains(errs, "redis.sweepAge") != (want == exitUsage) {
			t.Errorf("sweepAge %s: status %d: %s", age, status, errs)
		}
	}
}
