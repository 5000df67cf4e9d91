package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"holdfast/store/litestore"
	"holdfast/store/records"
	"holdfast/switch/client"
	"holdfast/switch/frame"
	"holdfast/switch/iso"
)

// wireLog is what left the switch's socket: by RRN, the approval code of each approval that arrived.
type wireLog struct {
	mu sync.Mutex

	approved map[string]string
	sent     map[string][]byte // requests without an answer yet
	serial   int
}

// request makes a purchase that no other has the trace of.
func (w *wireLog) request(t *testing.T, d *iso.Dialect, card int) (rrn string, body []byte) {
	t.Helper()
	w.mu.Lock()
	w.serial++
	n := w.serial
	w.mu.Unlock()
	number, err := loadCard(card)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	rrn = fmt.Sprintf("%012d", n)
	m := d.New("0100")
	for de, v := range map[int]string{2: number.Reveal(), 3: "000000", 4: "000000000100", 7: now.Format("0102150405"),
		11: fmt.Sprintf("%06d", n), 12: now.Format("150405"), 13: now.Format("0102"), 14: loadYYMM, 37: rrn, 41: "TERM0001", 49: "978"} {
		if err := m.Set(de, v); err != nil {
			t.Fatal(err)
		}
	}
	if body, err = m.Append(nil); err != nil {
		t.Fatal(err)
	}
	return rrn, body
}

// pay keeps some requests in flight on one link until the link dies.
func (w *wireLog) pay(t *testing.T, d *iso.Dialect, addr string, cards int) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	link, err := client.DialRaw(ctx, addr, frame.Format{})
	if err != nil {
		return
	}
	defer link.Close()
	for range 32 {
		if !w.send(t, d, link, cards) {
			return
		}
	}
	for {
		body, err := link.Read(ctx)
		if err != nil {
			return
		}
		w.answered(t, d, body)
		if !w.send(t, d, link, cards) {
			return
		}
	}
}

func (w *wireLog) send(t *testing.T, d *iso.Dialect, link *client.Raw, cards int) bool {
	rrn, body := w.request(t, d, rand.IntN(cards))
	w.mu.Lock()
	w.sent[rrn] = body
	w.mu.Unlock()
	return link.Write(body) == nil
}

func (w *wireLog) answered(t *testing.T, d *iso.Dialect, body []byte) {
	m, err := d.Decode(body)
	if err != nil {
		t.Errorf("an answer does not decode: %v", err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	rrn := m.Get(37)
	delete(w.sent, rrn)
	if m.Get(39) != "00" {
		return
	}
	if code, again := w.approved[rrn]; again && code != m.Get(38) {
		t.Errorf("RRN %s was approved with two codes", rrn)
	}
	w.approved[rrn] = m.Get(38)
}

// repeat asks again for what was sent and never answered. Each is answered, and what the journal has is
// answered with what the journal says.
func (w *wireLog) repeat(t *testing.T, d *iso.Dialect, addr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	link, err := client.DialRaw(ctx, addr, frame.Format{})
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	w.mu.Lock()
	open := w.sent
	w.mu.Unlock()
	asked := len(open)
	for rrn, body := range open {
		m, err := d.Decode(body)
		if err != nil {
			t.Fatal(err)
		}
		m.SetMTI("0101")
		again, err := m.Append(nil)
		if err != nil || link.Write(again) != nil {
			t.Fatalf("repeat of %s could not be sent", rrn)
		}
		answer, err := link.Read(ctx)
		if err != nil {
			t.Fatalf("repeat of %s: %v", rrn, err)
		}
		w.answered(t, d, answer)
	}
	if len(w.sent) != 0 {
		t.Errorf("%d of %d repeats were not answered", len(w.sent), asked)
	}
}

// audit finds each approval that arrived in the journal, once, with its code, and the books in order.
func (w *wireLog) audit(t *testing.T, dir string) {
	t.Helper()
	r, err := litestore.OpenReader(filepath.Join(dir, dataFile))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	journal := map[string]string{}
	if err := r.View(t.Context(), func(q records.Querier) error {
		return q.Query(t.Context(), func(row records.Row) error {
			if _, twice := journal[row.Text(0)]; twice {
				t.Errorf("RRN %s has two rows", row.Text(0))
			}
			journal[row.Text(0)] = row.Text(1)
			return nil
		}, "SELECT rrn, approval FROM authorizations WHERE state = 3")
	}); err != nil {
		t.Fatal(err)
	}
	for rrn, code := range w.approved {
		if journal[rrn] != code {
			t.Errorf("RRN %s was approved with %s, the journal has %q", rrn, code, journal[rrn])
		}
	}
	violations, err := verifyData(t.Context(), dir, io.Discard)
	if err != nil || violations != 0 {
		t.Errorf("%d violations, %v", violations, err)
	}
	t.Logf("%d approvals arrived, %d open rows", len(w.approved), len(journal))
}

// Killed at a random moment under load, the switch comes back on its own with every approval that left a
// socket, no row twice, the books in order, and an answer for every repeat.
func TestKillLosesNothingThatWasApproved(t *testing.T) {
	t.Setenv(benchChildVariable, "1")
	d, err := iso.Builtin("iso87-ascii")
	if err != nil {
		t.Fatal(err)
	}
	const cards = 500
	dir := t.TempDir()
	if status := run(&env{t.Context(), nil, io.Discard, io.Discard}, []string{"seed", "--data", dir, "--cards", fmt.Sprint(cards)}); status != exitOK {
		t.Fatalf("seed ended with %d", status)
	}
	w := &wireLog{approved: map[string]string{}, sent: map[string][]byte{}}
	for round := range 4 {
		c, err := startChild(t.Context(), dir, io.Discard)
		if err != nil {
			t.Fatalf("start %d: %v", round, err)
		}
		if round > 0 {
			w.repeat(t, d, c.addr)
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { w.pay(t, d, c.addr, cards) })
		}
		timer := time.NewTimer(time.Duration(150+rand.IntN(250)) * time.Millisecond)
		<-timer.C
		if err := c.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		<-c.drain
		_ = c.cmd.Wait() // killed
		w.audit(t, dir)
	}
	if len(w.approved) < 100 {
		t.Errorf("only %d approvals: the test is not looking", len(w.approved))
	}
}
