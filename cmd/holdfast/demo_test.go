package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"holdfast/testdata/traces"
	"holdfast/testdata/worlds"
)

// runHoldfast runs the program in this process, with its output held against the one rule that has no exception:
// no number of a card that the demo seeds.
func runHoldfast(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(&env{ctx: t.Context(), stdin: strings.NewReader(""), stdout: &out, stderr: &errs}, args)
	all := out.String() + errs.String()
	for _, number := range regexp.MustCompile(`\b[0-9]{16}\b`).FindAllString(string(worlds.Demo), -1) {
		if strings.Contains(all, number) || strings.Contains(all, hex.EncodeToString([]byte(number))) {
			t.Errorf("holdfast %s printed a card number", args[0])
		}
	}
	return status, out.String(), errs.String()
}

func TestDemoEndsWellAndReadsWell(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	status, out, errs := runHoldfast(t, "demo", "--exit", "--port", "0", "--data", dir)
	if status != exitOK || errs != "" {
		t.Fatalf("status %d, stderr %s\n%s", status, errs, out)
	}
	for _, want := range []string{"APPROVED as before", "REVERSED_BEFORE_ORIGINAL", "PARTNER_DEPOSIT_INSUFFICIENT",
		"INSUFFICIENT_FUNDS", "ADVICE_ACCEPTED", "LOCKED_LOST", "LOCKED_STOLEN", "LOCKED_QUERY", "LOCKED_CONSOLIDATION",
		"LOCKED_INACTIVE", "LOCKED_PIN_TRIES", "LOCKED_FRAUD", "LOCKED_REPLACED", "CARD_NOT_ACTIVATED", "CARD_EXPIRED",
		"EXPIRY_MISMATCH", "CARD_UNKNOWN", "BIN_UNKNOWN",
		"PIN_WRONG", "PIN_BLOCK_INVALID", "CURRENCY_REFUSED", "AMOUNT_INVALID", "NO_REASON_TO_REFUSE",
		"5000.00 -> 4957.40", "1800.45 -> 1836.95", "5.00 -> -30.00", "the books are in order",
		" 0 differences from the expected answers, 0 violations", "The first approval came "} {
		if !strings.Contains(out, want) {
			t.Errorf("the demo does not show %q", want)
		}
	}
	for line := range strings.Lines(out) {
		if width := utf8.RuneCountInString(strings.TrimRight(line, "\n")); width > 120 && !strings.Contains(line, dir) {
			t.Errorf("%d columns: %s", width, line)
		}
		if strings.Contains(line, "\x1b") {
			t.Error("colours without a terminal")
		}
	}

	// The same folder again: its records are there, the day is the same, the balances go on.
	status, out, errs = runHoldfast(t, "demo", "--exit", "--port", "0", "--data", dir)
	if status != exitOK || errs != "" || !strings.Contains(out, "has the demo's records already") || !strings.Contains(out, " 0 differences") {
		t.Errorf("again: status %d, stderr %s\n%s", status, errs, out)
	}
}

// Every expectation of the day is replaced by one that cannot come true, so that each is seen to be able to fail.
func TestEveryStepOfTheDayCanFail(t *testing.T) {
	t.Parallel()
	var planted bytes.Buffer
	steps := map[int]bool{}
	scanner := bufio.NewScanner(bytes.NewReader(traces.Day))
	for number := 1; scanner.Scan(); number++ {
		var step map[string]any
		if json.Unmarshal(scanner.Bytes(), &step) != nil || step["expect"] == nil {
			planted.WriteString(scanner.Text() + "\n")
			continue
		}
		switch expect := step["expect"].(type) {
		case map[string]any:
			if expect["same"] != nil {
				step["expect"] = map[string]any{"same": "groceries"}
			} else {
				expect["39"] = "77"
			}
		case string:
			step["within"] = map[string]string{"closed": "20s", "silence": "100ms"}[expect] // what closes is waited for
			step["expect"] = map[string]string{"closed": "silence", "silence": "closed"}[expect]
		}
		line, err := json.Marshal(step)
		if err != nil {
			t.Fatal(err)
		}
		steps[number] = true
		planted.Write(append(line, '\n'))
	}
	file := filepath.Join(t.TempDir(), "planted.jsonl")
	if err := os.WriteFile(file, planted.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	status, out, errs := runHoldfast(t, "demo", "--exit", "--port", "0", "--trace", file)
	if status != exitFailed {
		t.Errorf("status %d, stderr %s", status, errs)
	}
	for number := range steps {
		if !strings.Contains(out, fmt.Sprintf("DIFFERENCE  line %d,", number)) {
			t.Errorf("line %d: a wrong expectation was not found out", number)
		}
	}
	if len(steps) < 50 {
		t.Errorf("only %d steps were tried", len(steps))
	}
}

// untilText ends a run of the program once it has printed a text.
type untilText struct {
	mu sync.Mutex

	out  bytes.Buffer
	text string
	seen chan struct{} // closed when the text is there
}

// Write implements io.Writer.
func (u *untilText) Write(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	before := strings.Contains(u.out.String(), u.text)
	n, err := u.out.Write(p)
	if !before && strings.Contains(u.out.String(), u.text) {
		close(u.seen)
	}
	return n, err
}

// What the demo tells its user to type must work while it stays up, and a signal must end it well.
func TestDemoStaysUpAndItsAdviceWorks(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := &untilText{text: "verify --data", seen: make(chan struct{})}
	status := make(chan int, 1) // one status, so that the program never waits
	go func() {
		status <- run(&env{ctx: ctx, stdin: strings.NewReader(""), stdout: out, stderr: io.Discard}, []string{"demo", "--port", "0"})
	}()
	select {
	case <-out.seen:
	case code := <-status:
		t.Fatalf("it ended with status %d:\n%s", code, out.out.String())
	}
	out.mu.Lock()
	printed := out.out.String()
	out.mu.Unlock()
	_, advice, _ := strings.Cut(printed, "Ctrl-C")
	commands := 0
	for line := range strings.Lines(strings.ReplaceAll(advice, "\\\n", "")) {
		fields := strings.Fields(line)
		if len(fields) < 3 || !strings.HasPrefix(line, "  ") || fields[0] == "#" {
			continue
		}
		commands++
		for i, f := range fields {
			if strings.HasPrefix(f, "testdata/") {
				fields[i] = filepath.Join("..", "..", f)
			}
		}
		if code, shown, errs := runHoldfast(t, fields[1:]...); code != exitOK {
			t.Errorf("%s: status %d: %s%s", strings.TrimSpace(line), code, shown, errs)
		}
	}
	if commands != 6 {
		t.Errorf("%d commands, want replay, explain, simulate twice, decode and verify:\n%s", commands, advice)
	}
	stop()
	if code := <-status; code != exitOK {
		t.Errorf("status %d after the end", code)
	}
	if _, dir, _ := strings.Cut(printed, "its data in "); dir != "" {
		if _, err := os.Stat(strings.Fields(dir)[0]); err == nil {
			t.Error("the temporary folder is still there")
		}
	}
}

func TestDemoRefuses(t *testing.T) {
	t.Parallel()
	bad := filepath.Join(t.TempDir(), "bad.jsonl")
	if err := os.WriteFile(bad, []byte(`{"link":"mars","send":{"mti":"0800"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, want string
		args       []string
	}{
		{"a port that is none", "--port", []string{"--port", "70000"}},
		{"a trace that is not there", "gone", []string{"--trace", bad + ".gone"}},
		{"a trace with another link", "mars", []string{"--trace", bad}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if status, _, errs := runHoldfast(t, append([]string{"demo", "--exit"}, c.args...)...); status != exitUsage || !strings.Contains(errs, c.want) {
				t.Errorf("status %d: %s", status, errs)
			}
		})
	}
}

// A taken port is passed over. The demo is told to begin at one that this test holds.
func TestDemoPassesOverTakenPorts(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	taken := ln.Addr().(*net.TCPAddr).Port
	trace := filepath.Join(t.TempDir(), "short.jsonl")
	if err := os.WriteFile(trace, []byte(`{"link":"pos","send":{"mti":"0800","7":"0115080657","11":"000101","70":"001"},"expect":{"39":"00"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	status, out, errs := runHoldfast(t, "demo", "--exit", "--trace", trace, "--port", strconv.Itoa(taken))
	if status != exitOK || strings.Contains(out, fmt.Sprintf(":%d ", taken)) {
		t.Errorf("status %d: %s\n%s", status, errs, out)
	}
}
