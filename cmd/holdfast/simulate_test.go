package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/store/records"
	"holdfast/switch/simulate"
	"holdfast/testdata/worlds"
)

// simulatedDialects are those that every scenario is played in.
var simulatedDialects = []string{"iso87-ascii", "iso93-ascii", "cmf-2003", "mastercard-like"}

// host is a switch with the demo's world and a listener for each dialect.
type host struct {
	dir  string
	node *node
	addr map[string]string // by dialect
	log  *lockedBuffer
	stop func()
}

// startHost starts one with listeners that want a sign-on.
func startHost(t *testing.T, dialects ...string) *host {
	t.Helper()
	var setups []listenerSetup
	for _, d := range dialects {
		s, err := listenerConfig{Name: d, Address: "127.0.0.1:0", Settings: peerSettings{Dialect: d, RequireSignOn: true,
			FileActions: true, Deadline: 5 * time.Second}}.setup(nil)
		if err != nil {
			t.Fatal(err)
		}
		setups = append(setups, s)
	}
	return startSetups(t, setups)
}

func startSetups(t *testing.T, setups []listenerSetup) *host {
	t.Helper()
	h := &host{dir: filepath.Join(t.TempDir(), "data"), addr: map[string]string{}, log: &lockedBuffer{}}
	n, err := openNode(h.dir, slog.New(slog.NewTextHandler(h.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	h.node = n
	w, err := parseWorld(worlds.Demo)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.store.Update(t.Context(), func(q records.Querier) error {
		_, err := seedWorld(t.Context(), q, n.keys, w, time.Now())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(n.route(t.Context()), n.listen(setups)); err != nil {
		t.Fatal(err)
	}
	for i, s := range setups {
		h.addr[s.peer.Dialect.Name()] = n.listeners[i].Addr().String()
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := n.serve(ctx); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	h.stop = sync.OnceFunc(func() { cancel(); serving.Wait() })
	t.Cleanup(h.stop)
	return h
}

// Goal: every scenario that is built in ends as it says, in four dialects, again and again; and what a dialect cannot say
// is skipped there and nowhere else.
func TestScenariosAgainstTheDemoWorld(t *testing.T) {
	t.Parallel()
	h := startHost(t, simulatedDialects...)
	all, err := builtScenarios()
	if err != nil {
		t.Fatal(err)
	}
	skips := map[string]bool{}
	for _, d := range simulatedDialects {
		config, err := (&simulateCmd{Addr: h.addr[d], Dialect: d, Timeout: 5 * time.Second}).config()
		if err != nil {
			t.Fatal(err)
		}
		for round := range 2 {
			for _, s := range all {
				config.Observe = func(o *simulate.Outcome) {
					if len(o.Found) > 0 {
						var text bytes.Buffer
						printOutcome(&text, o, true)
						t.Errorf("%s in %s, round %d:\n%s", s.Name, d, round, text.String())
					}
				}
				r, err := simulate.Run(t.Context(), s, config)
				if err != nil || r.Error != "" {
					t.Errorf("%s in %s: %v, %s", s.Name, d, err, r.Error)
				}
				if r.Skipped != "" {
					skips[s.Name+" in "+d] = true
				}
			}
		}
	}
	// A plain 1987 has no word for an increment, and the public profile of 2003 no room for totals.
	if want := map[string]bool{"hotel in iso87-ascii": true, "reconciliation in cmf-2003": true}; !maps.Equal(skips, want) {
		t.Errorf("skipped: %v, want %v", skips, want)
	}
	h.stop()
	status, out, errs := runHoldfast(t, "verify", "--data", h.dir)
	if status != exitOK {
		t.Errorf("verify: status %d\n%s%s", status, out, errs)
	}
	if strings.Contains(h.log.String(), "4111111111111111") {
		t.Error("the log has a card number")
	}
}

// Goal: the prompt sends what is typed, shows both sides masked, and tells mistakes without ending.
func TestPromptOfANetwork(t *testing.T) {
	t.Parallel()
	h := startHost(t, "iso87-ascii")
	ask := func(script string) (status int, out string) {
		var stdout, stderr bytes.Buffer
		e := &env{ctx: t.Context(), stdin: strings.NewReader(script), stdout: &stdout, stderr: &stderr}
		status = run(e, []string{"simulate", "--addr", h.addr["iso87-ascii"]})
		all := stdout.String() + stderr.String()
		if strings.Contains(all, "4111111111111111") || strings.Contains(all, "9999991000000046") {
			t.Error("the prompt printed a card number")
		}
		return status, all
	}
	status, out := ask(strings.Join([]string{"help", "# nothing", "", "purchase 42.60 mcc=5411", "repeat expect=approved",
		"reversal keep=20.00", "reversal", "card eva 9999991000000046/4912", "purchase 10 card=eva copies=3 expect=approved",
		"message 0800 70=301", "inquiry 48=HELLO", "lock query card=eva", "unlock card=eva", "quit", "echo"}, "\n"))
	for _, want := range []string{"411111******1111", "0110 00", "0110 00, 3 times", "0430 00", "0810 00", "0314 00",
		"retrieval reference number", "eva (999999******0046)"} {
		if !strings.Contains(out, want) {
			t.Errorf("the prompt does not show %q", want)
		}
	}
	if status != exitOK || strings.Contains(out, "DIFFERENCE") || strings.Contains(out, " 11  echo") {
		t.Errorf("status %d\n%s", status, out)
	}
	status, out = ask("buy 1.00\npurchase\nreversal of=9\npurchase ten\nmessage 01\nechoes=1\necho 1\ncard x 4111\nlock SHUT\npurchase 1 copies=x\n")
	if status != exitFailed || strings.Count(out, "\n") < 10 {
		t.Errorf("mistakes: status %d\n%s", status, out)
	}
	if status, out = ask("purchase 1.00 expect=declined\n"); status != exitFailed || !strings.Contains(out, "DIFFERENCE  element 39: want a decline, got 00") {
		t.Errorf("a difference: status %d\n%s", status, out)
	}
}

// Goal: a difference, a host that cannot be reached and a file that makes no sense are told apart by the status, and the
// reports say what happened.
func TestSimulateReports(t *testing.T) {
	t.Parallel()
	h := startHost(t, "iso87-ascii")
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	wrong := file("wrong.yaml", `
cards: {main: 4111111111111111/4912}
steps:
  - {id: buy, send: purchase, amount: 1.00, expect: funds-short}
  - {send: reversal, of: buy, expect: {is: silence, within: 20s}}
  - {send: echo, expect: {code: ["91"], elements: {70: absent, 11: "1", 38: present}}}
  - {send: inquiry, expect: {is: approved, same: buy, amount: 2.00}}
`)
	junit := filepath.Join(dir, "report.xml")
	args := []string{"simulate", "--addr", h.addr["iso87-ascii"], "--junit", junit, "--scenario"}
	status, out, _ := runHoldfast(t, append(args, wrong)...)
	for _, want := range []string{"element 39: want 51 (funds-short), got 00", "answer: want none, got type 0430", "element 39: want 91, got 00",
		"element 70: want absent, got 301", "element 11: want", "element 38: want present, got absent", "element 4: want 2.00 EUR, got 0.00 EUR",
		"element 3: want 000000, got 310000"} {
		if !strings.Contains(out, want) {
			t.Errorf("the report does not say %q", want)
		}
	}
	if status != exitFailed {
		t.Errorf("status %d\n%s", status, out)
	}
	text, err := os.ReadFile(junit)
	if err != nil || !strings.Contains(string(text), `<testsuite name="wrong" tests="4" failures="4" errors="0" skipped="0"`) {
		t.Errorf("JUnit: %v\n%s", err, text)
	}
	status, out, _ = runHoldfast(t, append(args, "purchase", "--scenario", "hotel", "--json")...)
	if status != exitOK || !strings.Contains(out, `{"passed":true`) || !strings.Contains(out, `"skipped":"step 3, increment`) {
		t.Errorf("JSON: status %d\n%s", status, out)
	}
	if status, out, _ = runHoldfast(t, "simulate", "--addr", "127.0.0.1:1", "--scenario", "purchase"); status != exitFailed ||
		!strings.Contains(out, "could not be played: step 1: link main: dial") {
		t.Errorf("nobody there: status %d\n%s", status, out)
	}
	for name, text := range map[string]string{
		"key": "steps: [{send: echo, mod: 1}]", "kind": "steps: [{send: buy}]", "none": "about: nothing",
		"amount": "steps: [{send: purchase}]", "of": "steps: [{send: purchase, amount: 1.00, id: a}, {send: reversal, of: b}]",
		"word": "steps: [{send: echo, expect: fine}]", "card": "cards: {main: 411}\nsteps: [{send: echo}]",
		"decimals": "steps: [{send: purchase, amount: 1.001}]", "element": `steps: [{send: echo, set: {"300": "1"}}]`,
		"lock": "steps: [{send: lock, lock: SHUT}]", "since": "steps: [{send: inquiry, expect: {balance: {since: a, by: 1.00}}}]",
	} {
		if status, out, errs := runHoldfast(t, append(args, file(name+".yaml", text))...); status != exitUsage {
			t.Errorf("%s: status %d\n%s%s", name, status, out, errs)
		}
	}
	if status, out, _ := runHoldfast(t, "simulate", "--list"); status != exitOK || !strings.Contains(out, "ten-at-once") || !strings.Contains(out, "preauth") {
		t.Errorf("--list: status %d", status)
	}
	if status, out, _ := runHoldfast(t, "simulate", "--show", "echo"); status != exitUsage || out != "" {
		t.Errorf("--show of what is not there: status %d", status)
	}
}
