package sim_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/authz/money"
	"holdfast/store/litestore"
	"holdfast/store/records"
	"holdfast/store/storetest"
)

// template is what the seeds have in common.
type template struct {
	*storetest.World

	file     []byte
	programs []authz.Program
	currency money.Currency
	dir      string
}

// newTemplate makes the world. Carol's card has a PIN.
func newTemplate(t *testing.T) *template {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.db")
	s, err := litestore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	m := &template{World: storetest.NewWorld(t, s), dir: memoryFolder(t), currency: storetest.EUR(t)}
	ctx := t.Context()
	err = s.Update(ctx, func(q records.Querier) error {
		_, err := q.Exec(ctx, "UPDATE cards SET has_pin = 1 WHERE id = $1", int64(m.Carol.Card))
		return err
	})
	if err == nil {
		err = s.View(ctx, func(q records.Querier) (err error) { m.programs, err = records.Programs(ctx, q); return err })
	}
	if err = errors.Join(err, s.Close()); err == nil {
		m.file, err = os.ReadFile(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// memoryFolder is a folder in memory where there is one: a simulation does not test the disk.
func memoryFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "holdfast-sim-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// node is one switch: an authorizer behind stores of its own view.
type node struct {
	s      *sim
	number int
	lives  atomic.Int64 // counts the starts
	living atomic.Int64 // which of them is alive; 0: none
	dying  atomic.Bool  // a nemesis is at it
	debts  *debts       // in its own folder

	authorizer *authz.Authorizer
	die        context.CancelFunc
	ticks      sync.WaitGroup
}

// start brings the node up on what the journal has.
func (n *node) start() {
	var last authz.ID
	ctx := context.Background()
	if err := n.s.store.View(ctx, func(q records.Querier) (err error) { last, err = records.LastID(ctx, q); return err }); err != nil {
		n.s.failf("start node %d: %v", n.number, err)
		return
	}
	life := n.lives.Add(1)
	dying, die := context.WithCancel(ctx)
	st := &stores{n: n, life: life, dying: dying}
	a, err := authz.New(authz.Config{Node: n.number, LastID: last, Now: n.s.now, Overlap: n.s.remote, Verifier: verifier{}, Debts: st},
		st, st, st, n.s.Keys)
	if err != nil {
		die()
		n.s.failf("start node %d: %v", n.number, err)
		return
	}
	a.Route(n.s.programs)
	n.authorizer, n.die = a, die
	n.living.Store(life)
	phase := time.Duration(n.number) * 7_000_013
	n.ticks.Go(func() { every(dying, phase, tickEvery, func() { a.Expire(n.s.now()) }) })
	n.ticks.Go(func() { every(dying, phase, payEvery, func() { st.pay(dying, a, last) }) })
	n.ticks.Go(func() {
		every(dying, phase, careEvery, func() {
			if !a.Healthy() {
				a.Probe(dying)
			}
		})
	})
}

// How often a node looks at deadlines and at its journal's health, as in the program; the rest keeps the ticks apart.
const (
	tickEvery = 20*time.Millisecond + 77*time.Nanosecond
	careEvery = time.Second + 131*time.Nanosecond
)

// every calls f from time to time until ctx ends.
func every(ctx context.Context, phase, period time.Duration, f func()) {
	wait(phase)
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f()
		}
	}
}

// kill ends the node as a power cut does: nothing that it does from now on has an effect.
func (n *node) kill() {
	if n.living.Swap(0) == 0 {
		return
	}
	n.s.book.died(n.number)
	n.s.story("node %d dies", n.number)
	n.die()
	n.ticks.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = n.authorizer.Close(ctx) // it says that it was cut off
	if !n.s.remote {
		n.s.cache.forget()
	}
}

// stop ends the node in peace.
func (n *node) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := n.authorizer.Close(ctx); err != nil {
		n.s.failf("stop node %d: %v", n.number, err)
	}
	n.living.Store(0)
	n.die()
	n.ticks.Wait()
}

// submit gives a request to the node; false when nobody is there. told is called when the answer leaves.
func (n *node) submit(r *authz.Request, told func(*authz.Decision)) bool {
	life := n.living.Load()
	if life == 0 {
		return false
	}
	n.authorizer.Submit(r, &link{n, life, told})
	return true
}

// link is where the answers of one life of a node leave.
type link struct {
	n    *node
	life int64
	told func(*authz.Decision)
}

// Decided implements [authz.Waiter].
func (l *link) Decided(d *authz.Decision) {
	if l.n.living.Load() == l.life {
		l.told(d)
	}
}

// verifier finds every PIN wrong and every cryptogram right, with the amount as the counter of the chip.
type verifier struct{}

func (verifier) Verify(_ context.Context, r *authz.Request, c *authz.Card) (p authz.Proof, err error) {
	if !r.Evidence.PINBlock.IsZero() && c.HasPIN && !c.PINExhausted() {
		p.PIN = keystore.Wrong
	}
	if !r.Evidence.Chip.IsZero() {
		p.Chip, p.ATC = keystore.Right, uint16(r.Amount.Minor)
	}
	return p, nil
}

func (verifier) Authenticate(*authz.Request, *authz.Card, bool) []byte { return nil }
