package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/switch/load"
)

// benchChildVariable makes the test binary behave as the program: the bench starts its own executable as the
// switch, and in a test that is this one.
const benchChildVariable = "HOLDFAST_TEST_BENCH_CHILD"

func init() {
	if os.Getenv(benchChildVariable) != "" && len(os.Args) > 1 && (os.Args[1] == "serve" || os.Args[1] == "bench-flood") {
		main()
	}
}

// runBench runs the command line and returns its exit status and what it said.
func runBench(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	status = run(&env{ctx: t.Context(), stdin: strings.NewReader(""), stdout: &out, stderr: &err}, append([]string{"bench"}, args...))
	return status, out.String(), err.String()
}

// The whole bench against a switch in a process of its own. Nothing is said about how fast it is.
func TestBenchMeasuresASwitchAndAuditsIt(t *testing.T) {
	t.Setenv(benchChildVariable, "1")
	t.Setenv("TMPDIR", t.TempDir())
	figures, picture := filepath.Join(t.TempDir(), "bench.json"), filepath.Join(t.TempDir(), "bench.svg")
	status, stdout, stderr := runBench(t, "--seconds", "3", "--cards", "200", "--links", "4", "--rate", "200", "--json", figures,
		"--picture", picture)
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
	for _, key := range []string{"approvals_per_second", "offered_per_second", "p50_ms", "p99_ms", "p999_ms", "single_p50_ms",
		"approved_at_offered_per_second", "sixteen_p50_ms", "sixteen_p99_ms", "approvals_in_journal"} {
		if v, ok := r[key].(float64); !ok || v <= 0 {
			t.Errorf("%s is %v, want a figure above zero", key, r[key])
		}
	}
	for key, want := range map[string]any{"store": "embedded", "seconds": 3.0, "cards": 200.0, "links": 4.0, "offered_per_second": 200.0,
		"verify_violations": 0.0, "declined": 0.0, "duplicates": 0.0} {
		if r[key] != want {
			t.Errorf("%s is %v, want %v", key, r[key], want)
		}
	}
	cpu, _ := r["cpu_us_per_authorization"].(map[string]any)
	for _, key := range []string{"switch", "redis", "postgres", "generator"} {
		if _, ok := cpu[key].(float64); !ok {
			t.Errorf("cpu_us_per_authorization has no %s", key)
		}
	}
	if !strings.Contains(stdout, "open loop at 200/s") || !strings.Contains(stdout, "verify: 0 violations") {
		t.Errorf("the table does not say what was measured:\n%s", stdout)
	}
	checkSVG(t, picture)
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) != 0 {
		t.Errorf("%d files are left behind, %v", len(left), err)
	}
}

// floodFigures is what the bench says of a flood.
type floodFigures struct {
	FloodReport
	Violations int `json:"verify_violations"`
	Declined   int `json:"declined"`
}

// The flood against a switch in a process of its own. Nothing is said about how fast anything is. The flood has what a busy
// machine leaves of its processors: where that was next to nothing, it is measured again.
func TestBenchMeasuresAFlood(t *testing.T) {
	t.Setenv(benchChildVariable, "1")
	t.Setenv("TMPDIR", t.TempDir())
	var stdout string
	var r floodFigures
	const tries = 4
	for try := 1; ; try++ {
		figures := filepath.Join(t.TempDir(), "flood.json")
		status, out, errs := runBench(t, "--flood", "--seconds", "8", "--cards", "50", "--links", "2", "--rate", "50", "--json", figures)
		starved := status != exitOK && strings.Contains(errs, "no card could be read")
		if status == exitOK {
			text, err := os.ReadFile(figures)
			if err != nil {
				t.Fatal(err)
			}
			stdout, r = out, floodFigures{}
			if err := json.Unmarshal(text, &r); err != nil {
				t.Fatal(err)
			}
			starved = r.Answers[0] > 0 || r.Answers[200] == 0 || r.Answers[400] == 0 || r.Reads == 0 // status 0: no answer within ten seconds
		}
		if starved && r.Violations == 0 && r.Declined == 0 && try < tries {
			t.Logf("try %d: the answers are %v %s", try, r.Answers, errs)
			continue
		}
		if status != exitOK {
			t.Fatalf("exit status %d\n%s\n%s", status, out, errs)
		}
		break
	}
	if r.P99Without <= 0 || r.P99With <= 0 || r.Ratio <= 0 || r.Asked <= 0 || r.Asked > r.Offered || r.Reads <= 0 || r.ISO != 50 || len(r.Turns) != 1 ||
		r.Violations != 0 || r.Declined != 0 {
		t.Errorf("measured %+v", r)
	}
	for status := range r.Answers {
		if !slices.Contains([]int{200, 400, 429, 503}, status) {
			t.Errorf("%d answers are %d", r.Answers[status], status)
		}
	}
	if r.Answers[200] == 0 || r.Answers[400] == 0 {
		t.Errorf("the answers are %v: the flood did not come through", r.Answers)
	}
	if !strings.Contains(stdout, "cards read with JWE") || !strings.Contains(stdout, "verify: 0 violations") {
		t.Errorf("the table does not say what was measured:\n%s", stdout)
	}
}

func checkSVG(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for d := xml.NewDecoder(bytes.NewReader(text)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the picture is not XML: %v", err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "polyline" {
			lines++
		}
	}
	if lines != 2 || bytes.Contains(text, []byte("NaN")) || bytes.Contains(text, []byte("Inf")) {
		t.Errorf("the picture has %d lines, want 2, all of numbers:\n%s", lines, text)
	}
}

func TestBenchRefusesWhatItCannotMeasure(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"--config names":   {"--config", "holdfast.yaml"},
		"--store":          {"--store", "paper"},
		"--partners is -1": {"--partners=-1"},
		"--seconds is 2":   {"--seconds", "2"},
		"--cards is 0":     {"--cards", "0"},
		"--links is 0":     {"--links", "0"},
		"--rate is -1":     {"--rate=-1"},
	} {
		status, _, stderr := runBench(t, args...)
		if status != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit status %d, want %d and %q in\n%s", args, status, exitUsage, want, stderr)
		}
	}
}

// The bench finds fault with what its figures must not hide.
func TestBenchAuditFindsFault(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := benchSeed(t.Context(), dir, 3); err != nil {
		t.Fatal(err)
	}
	for want, counts := range map[string]load.Counts{
		"1 approvals were received, the journal has 0": {Approved: 1},
		"2 messages were declined":                     {Declined: 2},
		"3 answers came twice":                         {Duplicates: 3},
		"4 answers belong to no message":               {Foreign: 4},
	} {
		var stdout, stderr bytes.Buffer
		b := &bench{benchCmd: &benchCmd{}, house: folderHouse(dir), counts: counts,
			env: &env{ctx: t.Context(), stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr}}
		if err := b.audit(); err != nil {
			t.Fatal(err)
		}
		if err := b.publish(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// The generator's card numbers are the seed's.
func TestBenchCardsAreTheSeededOnes(t *testing.T) {
	t.Parallel()
	for _, i := range []int{0, 1, 2, 9, 10, 4711, 99_999, 1_234_567, loadCardsMax - 1} {
		number, err := loadCard(i)
		if err != nil {
			t.Fatal(err)
		}
		var digits [load.CardDigits]byte
		if benchCard(&digits, i); string(digits[:]) != number.Reveal() {
			t.Errorf("card %d has another number in the seed", i)
		}
	}
}

func TestAPictureOfNothingMuchIsStillAPicture(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bench.svg")
	if err := os.WriteFile(path, drawSweep([]sweepPoint{{1, 0, 0}, {1, time.Microsecond, time.Hour}}), 0o600); err != nil {
		t.Fatal(err)
	}
	checkSVG(t, path)
}
