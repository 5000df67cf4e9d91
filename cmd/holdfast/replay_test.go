package main

import (
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// replayLine is a purchase with an expectation that a host which echoes its requests cannot meet.
const replayLine = `{"id":"lunch","note":"lunch with a card","within":"100ms","send":{"mti":"0100","2":"4111111111111111","11":"000102"},"expect":{"39":"00"}}`

// dumbHost takes links and does with what it reads what the function does, until the test ends.
func dumbHost(t *testing.T, talk func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				talk(c)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() { _ = ln.Close(); wg.Wait() })
	return ln.Addr().String()
}

func traceFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "trace.jsonl")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestReplayToHostsThatAnswerWronglyOrNever(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		talk   func(net.Conn)
		within string
		want   string
	}{
		{"never", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, "100ms", "answer: want an answer, got none within 100ms"},
		{"with garbage", func(c net.Conn) { _, _ = c.Write([]byte("\x00\x03abc")); _, _ = io.Copy(io.Discard, c) }, "100ms", "got none within 100ms"},
		{"with what was sent", func(c net.Conn) { _, _ = io.Copy(c, c) }, "100ms", "got none within 100ms"},
		{"by hanging up", func(net.Conn) {}, "20s", "the peer closed the link"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			trace := traceFile(t, strings.Replace(replayLine, "100ms", c.within, 1))
			status, out, errs := runHoldfast(t, "replay", "--addr", dumbHost(t, c.talk), "--trace", trace)
			if status != exitFailed || errs != "" || !strings.Contains(out, c.want) ||
				!strings.Contains(out, "DIFFERENCE  line 1, step 1, lunch, lunch with a card") || !strings.Contains(out, "1 differences") {
				t.Errorf("status %d: %s%s", status, out, errs)
			}
		})
	}
}

func TestReplayToAServedFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if status, _, errs := runHoldfast(t, "seed", "--data", dir, filepath.Join("..", "..", "testdata", "worlds", "demo.yaml")); status != exitOK {
		t.Fatal(errs)
	}
	address := serveFolder(t, dir)
	line := `{"send":{"mti":"0100","2":"4111111111111111","3":"000000","4":"000000000100","7":"0115081354","11":"000102","49":"978"},"expect":{"39":"00","38":"*"}}`
	status, out, errs := runHoldfast(t, "replay", "--json", "--repeat", "3", "--rate", "1000", "--addr", address, "--trace", traceFile(t, line))
	var report struct {
		Sent, Answered, Differing int
		Differences               []any
		LatencyMS                 map[string]float64 `json:"latency_ms"`
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || status != exitOK {
		t.Fatalf("status %d, %v: %s%s", status, err, out, errs)
	}
	if report.Sent != 3 || report.Answered != 3 || report.Differing != 0 || report.Differences == nil || report.LatencyMS["p99"] <= 0 {
		t.Errorf("got %+v", report)
	}
	// As recorded it is a new transaction once, and its own repeat with the same answer after that.
	for range 2 {
		status, out, errs := runHoldfast(t, "replay", "--as-recorded", "--addr", address, "--trace", traceFile(t, line))
		if status != exitOK || !strings.Contains(out, "every answer was the expected one") {
			t.Errorf("as recorded: status %d: %s%s", status, out, errs)
		}
	}
	if status, out, errs := runHoldfast(t, "verify", "--data", dir); status != exitOK {
		t.Errorf("verify: %s%s", out, errs)
	}
}

func TestReplayRefuses(t *testing.T) {
	t.Parallel()
	file := traceFile(t, replayLine)
	links := traceFile(t, `{"links":{"a":{"dialect":"iso87-x"},"b":{}}}`+"\n"+strings.Replace(replayLine, `{`, `{"link":"a",`, 1))
	for _, c := range []struct {
		name, want string
		status     int
		args       []string
	}{
		{"no trace", "--trace", exitUsage, []string{"--addr", "127.0.0.1:1"}},
		{"no address", "--addr", exitUsage, []string{"--trace", file}},
		{"a trace that is not there", "gone", exitUsage, []string{"--addr", "127.0.0.1:1", "--trace", file + ".gone"}},
		{"an address that is none", "HOST:PORT", exitUsage, []string{"--addr", "nowhere", "--trace", file}},
		{"a link that is none", "no link x", exitUsage, []string{"--addr", "x=127.0.0.1:1", "--trace", file}},
		{"a link without an address", "link b", exitUsage, []string{"--addr", "a=127.0.0.1:1", "--dialect", "iso87-bcd", "--trace", links}},
		{"an unknown dialect in the trace", "iso87-x", exitUsage, []string{"--addr", "127.0.0.1:1", "--trace", links}},
		{"an unknown framing", "bin9", exitUsage, []string{"--addr", "127.0.0.1:1", "--framing", "bin9", "--trace", file}},
		{"no repetition", "--repeat", exitUsage, []string{"--addr", "127.0.0.1:1", "--repeat", "0", "--trace", file}},
		{"two ways at once", "--as-recorded", exitUsage, []string{"--addr", "127.0.0.1:1", "--fresh", "--as-recorded", "--trace", file}},
		{"a trace that is wrong", "line 1", exitUsage, []string{"--addr", "127.0.0.1:1", "--trace", traceFile(t, "{}")}},
		{"nobody there", "refused", exitFailed, []string{"--addr", "127.0.0.1:1", "--trace", file}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if status, _, errs := runHoldfast(t, append([]string{"replay"}, c.args...)...); status != c.status || !strings.Contains(errs, c.want) {
				t.Errorf("status %d: %s", status, errs)
			}
		})
	}
}

// A log of the network's side agrees with the books of the switch, and each thing that is changed in it is found.
func TestTheWireLogIsHeldAgainstTheBooks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if status, _, errs := runHoldfast(t, "seed", "--data", dir, filepath.Join("..", "..", "testdata", "worlds", "demo.yaml")); status != exitOK {
		t.Fatal(errs)
	}
	log := filepath.Join(dir, "wire.jsonl")
	whole, err := os.ReadFile(filepath.Join("..", "..", "testdata", "traces", "day.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var day strings.Builder
	for line := range strings.Lines(string(whole)) { // the links of the one listener, to which no zone key was given
		if !strings.Contains(line, `"link":"bcd"`) && !strings.Contains(line, `"link":"shop"`) && !strings.Contains(line, `"id":"pin-`) {
			day.WriteString(line)
		}
	}
	if status, out, errs := runHoldfast(t, "replay", "--addr", serveFolder(t, dir), "--trace", traceFile(t, day.String()),
		"--wire", log); status != exitOK {
		t.Fatalf("replay: %s%s", out, errs)
	}
	good, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, old, new, rule string }{
		{"as it was", "", "", ""},
		{"an approval code that the books do not have", `"code":"00","approval":"`, `"code":"00","approval":"X`, ruleCommitted},
		{"an approval of something else", `"event":"received","mti":"0110","stan":"`, `"event":"received","mti":"0110","stan":"9`, ruleCommitted},
		{"a decline that arrived as an approval", `"code":"51"`, `"code":"00"`, ruleCommitted},
		{"an approval that came back as a decline", "", "", ruleOneAnswer},
	} {
		changed := strings.Replace(string(good), c.old, c.new, 1)
		if c.rule == ruleOneAnswer {
			for line := range strings.Lines(changed) {
				if strings.Contains(line, `"event":"received"`) && strings.Contains(line, `"code":"00"`) && strings.Contains(line, `"mti":"0110"`) {
					changed += strings.Replace(line, `"code":"00"`, `"code":"51"`, 1)
					break
				}
			}
		}
		if c.name != "as it was" && changed == string(good) {
			t.Errorf("%s: nothing was changed", c.name)
		}
		if err := os.WriteFile(log, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		status, out, errs := runHoldfast(t, "verify", "--data", dir, "--wire", log)
		if c.rule == "" && (status != exitOK || !strings.Contains(out, "ok    "+ruleCommitted)) {
			t.Errorf("%s: status %d: %s%s", c.name, status, out, errs)
		}
		if c.rule != "" && (status != exitFailed || !strings.Contains(out, "VIOLATION  "+c.rule)) {
			t.Errorf("%s: status %d: %s%s", c.name, status, out, errs)
		}
	}
}
