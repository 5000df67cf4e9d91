package authz_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/store/storetest"
)

// ledger is debts that outlive every desk. It asks before it notes and after it has noted.
type ledger struct {
	mu     sync.Mutex
	owed   []authz.ID
	told   int // how often something was noted
	refuse bool
	during func()
}

var errPlanted = errors.New("planted")

func (l *ledger) Owe(_ context.Context, _ authz.PartnerID, rows []authz.ID) error {
	if l.during != nil {
		l.during()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuse {
		return errPlanted
	}
	l.told++
	l.owed = append(l.owed, rows...)
	return nil
}

func (l *ledger) Paid(_ context.Context, _ authz.PartnerID, rows []authz.ID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owed = slices.DeleteFunc(l.owed, func(id authz.ID) bool { return slices.Contains(rows, id) })
	return nil
}

func (l *ledger) rows() []authz.ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.owed)
}

// indebted is a desk with a ledger.
func indebted(t *testing.T) (*desk, *ledger) {
	t.Helper()
	l := &ledger{}
	return newDeskWith(t, func(_ *desk, c *authz.Config) { c.Debts = l }), l
}

// until looks at deadlines until it is so.
func (d *desk) until(what string, so func() bool) {
	d.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !so(); d.advance(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.t.Fatalf("waited for %s", what)
		}
	}
}

// free is when nothing is owed any more.
func (d *desk) free(l *ledger) {
	d.t.Helper()
	d.until("the debts to be paid", func() bool { return len(l.rows()) == 0 })
}

// Goal: a node that dies after it has answered otherwise leaves its debt behind. Method: the outcome is unknown, and the
// node's own entries are refused from then on; another authorizer pays from what is noted.
func TestDebtIsPaidByAnother(t *testing.T) {
	d, l := indebted(t)
	d.journal.Inject(storetest.LostReply)
	dead := make(chan struct{})
	refused := func(context.Context, authz.Journal, []*authz.Entry) (authz.Truth, error) {
		select {
		case <-dead:
		default:
			close(dead)
		}
		return authz.Truth{}, authz.ErrUnavailable
	}
	for range 100 {
		d.journal.Inject(refused)
	}
	r := d.Request(d.Alice, authz.Authorization, 30_00)
	d.expect(r, authz.Inoperative)
	<-dead
	owed := l.rows()
	if !slices.Equal(owed, []authz.ID{r.ID}) {
		t.Fatalf("%v are noted, want %d", owed, r.ID)
	}
	if paid, err := d.a.PayDebts(t.Context(), d.Alice.Partner, owed, d.clock()); err != nil || len(paid) > 0 {
		t.Errorf("who lives has paid %v beside its lane (%v)", paid, err)
	}
	d.advance(time.Second)
	d.until("the debt to be noted anew", func() bool { return len(l.rows()) > 1 })
	other, err := authz.New(authz.Config{Node: 2, Now: d.clock, Debts: l}, d.Store, d.holds, d.Store, d.Keys)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // another one finds it paid
		paid, err := other.PayDebts(t.Context(), d.Alice.Partner, append(owed, r.ID+1), d.clock())
		if err != nil || !slices.Equal(paid, owed) {
			t.Errorf("%v are paid, want %v (%v)", paid, owed, err)
		}
		d.left(100_00, 150_00)
	}
	paid, err := other.PayDebts(t.Context(), d.Alice.Partner, []authz.ID{r.ID + 1}, r.ReceivedAt.Add(2*time.Hour))
	if err != nil || len(paid) != 1 {
		t.Errorf("a row that never came: %v are given up (%v)", paid, err)
	}
	if err := other.Close(t.Context()); err != nil {
		t.Error(err)
	}
	again := *r
	d.free(l)
	d.expect(&again, authz.DecisionLate)
	d.left(100_00, 150_00)
}

// Goal: a debt is noted before its answer leaves, from which moment on no approval may. Method: the deadline passes
// while the journal has the request; when it is noted, the commit ends with an approval.
func TestLateIsNotedBeforeItIsTold(t *testing.T) {
	d, l := indebted(t)
	reached, release, noting := make(chan struct{}), make(chan struct{}), make(chan struct{})
	d.journal.Inject(storetest.Waits(reached, release))
	r := d.Request(d.Alice, authz.Authorization, 30_00)
	r.Deadline = storetest.Epoch.Add(time.Second)
	var w waiter
	l.during = func() {
		if len(w) != 0 {
			t.Error("answered before it is noted")
		}
		close(release)
		for d.a.Stats().Waiting > 0 || d.Available(d.Alice.Balance) != 100_00 {
			<-time.After(time.Millisecond) // until the row is there, and then undone
		}
		close(noting)
	}
	w = d.submit(r)
	<-reached
	d.advance(2 * time.Second)
	<-noting
	if got := d.wait(w); got.Reason != authz.DecisionLate {
		t.Errorf("answered %s", got.Reason)
	}
	d.left(100_00, 150_00)
	if len(w) != 0 {
		t.Error("answered twice")
	}
}

// What is sent, or has no row, is not owed; what is queued is not even noted.
func TestOnlyWhatMayHaveARowIsOwed(t *testing.T) {
	d, l := indebted(t)
	d.expect(d.Request(d.Alice, authz.Authorization, 10_00), authz.Approved)
	d.journal.Inject(storetest.Refused)
	d.expect(d.Request(d.Alice, authz.Authorization, 10_00), authz.Inoperative)
	if l.told != 0 {
		t.Errorf("%d times something was noted", l.told)
	}
	reached, release := make(chan struct{}), make(chan struct{})
	d.journal.Inject(storetest.Waits(reached, release))
	slow, queued := d.Request(d.Alice, authz.Authorization, 200_00), d.Request(d.Alice, authz.Authorization, 20_00)
	slow.Deadline = d.clock().Add(time.Second)
	queued.Deadline = slow.Deadline
	one := d.submit(slow)
	<-reached
	two := d.submit(queued)
	if !overlapped { // there it may be held while the other one commits, and so come to a row
		defer func() {
			if l.told != 1 {
				t.Errorf("%d times something was noted, want once", l.told)
			}
		}()
	}
	d.advance(2 * time.Second)
	for _, w := range []waiter{one, two} {
		if got := d.wait(w); got.Reason != authz.DecisionLate {
			t.Errorf("answered %s", got.Reason)
		}
	}
	if len(l.rows()) == 0 {
		t.Error("what the journal has is not noted")
	}
	close(release)
	d.free(l) // it was declined: there is nothing to undo
	d.left(90_00, 140_00)
}

// A ledger that is away keeps no answer, and this node pays what it owes all the same.
func TestDebtThatCannotBeNoted(t *testing.T) {
	d, l := indebted(t)
	l.refuse = true
	for _, fault := range []storetest.Fault{storetest.LostReply, storetest.Panics} {
		d.journal.Inject(fault)
		r := d.Request(d.Alice, authz.Authorization, 30_00)
		again := *r
		if got := d.decide(r); !got.Reason.Undecided() {
			t.Errorf("answered %s", got.Reason)
		}
		d.expect(&again, authz.DecisionLate)
		d.left(100_00, 150_00)
	}
}
