package main

import (
	"bytes"
	"context"
	"log/slog"
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
	log  *bytes.Buffer
	stop func()
}

func startHost(t *testing.T, dialects ...string) *host {
	t.Helper()
	h := &host{dir: filepath.Join(t.TempDir(), "data"), addr: map[string]string{}, log: &bytes.Buffer{}}
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
	if err := n.route(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, d := range dialects {
		s, err := listenerConfig{Name: d, Address: "127.0.0.1:0", Settings: peerSettings{Dialect: d, RequireSignOn: true,
			FileActions: true}}.setup(nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := n.listen([]listenerSetup{s}); err != nil {
			t.Fatal(err)
		}
		h.addr[d] = n.listeners[len(n.listeners)-1].Addr().String()
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
					skips[s.Name+" "+d] = true
					t.Log(s.Name, d, r.Skipped)
				}
			}
		}
	}
	for name := range skips {
		t.Log("skipped:", name)
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
