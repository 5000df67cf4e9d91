package authz_test

import (
	"sync"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/pan"
	"holdfast/store/storetest"
)

func other(t *testing.T, bin string) pan.Number {
	t.Helper()
	return numbered(t, bin+"7777777")
}

// numbered completes a card number by its check digit.
func numbered(t testing.TB, digits string) pan.Number {
	t.Helper()
	digit, err := pan.CheckDigit(digits)
	if err != nil {
		t.Fatal(err)
	}
	n, err := pan.Parse(digits + string(digit))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestJournalAwayIsSaidAndNothingIsHeld(t *testing.T) {
	d := newDesk(t)
	d.expect(d.Request(d.Alice, authz.Authorization, 1_00), authz.Approved)
	d.journal.Inject(storetest.Refused, storetest.Refused)
	r := d.Request(d.Alice, authz.Authorization, 30_00)
	repeat := *r
	d.expect(r, authz.Inoperative)
	d.left(99_00, 149_00)
	if d.a.Healthy() {
		t.Error("healthy after a refused commit")
	}
	if d.a.Probe(t.Context()); d.a.Healthy() {
		t.Error("healthy after a refused probe")
	}
	if d.a.Probe(t.Context()); !d.a.Healthy() {
		t.Error("not healthy after a probe that went through")
	}
	d.expect(&repeat, authz.Approved) // nothing was decided, so the repeat is decided
	d.expect(d.Request(d.Alice, authz.Authorization, 69_00), authz.Approved)
	d.left(0, 50_00)
}

// A commit whose reply is lost may have happened: the peer is told that we cannot decide, what was
// written is undone by our own entry, and the repeat is declined.
func TestUnknownCommitIsUndoneEitherWay(t *testing.T) {
	for name, fault := range map[string]storetest.Fault{"applied": storetest.LostReply, "not applied": storetest.LostRequest} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.journal.Inject(fault)
			r := d.Request(d.Alice, authz.Authorization, 30_00)
			repeat := *r
			d.expect(r, authz.Inoperative)
			d.expect(&repeat, authz.DecisionLate)
			d.left(100_00, 150_00)
			d.expect(d.Request(d.Alice, authz.Authorization, 100_00), authz.Approved)
		})
	}
}

func TestVoidIsRetriedUntilItWorks(t *testing.T) {
	d := newDesk(t)
	d.journal.Inject(storetest.LostReply, storetest.Refused, storetest.LostRequest)
	r := d.Request(d.Alice, authz.Authorization, 30_00)
	repeat := *r
	d.expect(r, authz.Inoperative)
	for deadline := time.Now().Add(5 * time.Second); d.Available(d.Alice.Balance) != 100_00; {
		if time.Now().After(deadline) {
			t.Fatal("the approval was never undone")
		}
		d.advance(20 * time.Millisecond)
	}
	d.expect(&repeat, authz.DecisionLate)
}

func TestLateApprovalIsNeverSentAndUndone(t *testing.T) {
	d := newDesk(t)
	reached, release := make(chan struct{}), make(chan struct{})
	d.journal.Inject(storetest.Waits(reached, release))
	r := d.Request(d.Alice, authz.Authorization, 30_00)
	repeat := *r
	r.Deadline = storetest.Epoch.Add(2 * time.Second)
	w := d.submit(r)
	<-reached
	queued := d.Request(d.Alice, authz.Authorization, 5_00)
	queued.Deadline = storetest.Epoch.Add(3 * time.Second)
	q := d.submit(queued)
	d.advance(time.Second)
	if len(w) != 0 {
		t.Fatal("answered before the deadline")
	}
	d.advance(2 * time.Second)
	for _, late := range []waiter{w, q} {
		if got := d.wait(late); got.Reason != authz.DecisionLate {
			t.Errorf("answered %s at the deadline", got.Reason)
		}
	}
	close(release)
	d.settled()
	d.expect(&repeat, authz.DecisionLate)
	d.left(100_00, 150_00)
	if len(w) != 0 || len(q) != 0 {
		t.Error("answered twice")
	}
}

func TestPanicIsAnsweredAndTheLaneLives(t *testing.T) {
	d := newDesk(t)
	d.journal.Inject(storetest.Panics)
	d.expect(d.Request(d.Alice, authz.Authorization, 30_00), authz.Malfunction)
	d.expect(d.Request(d.Alice, authz.Authorization, 100_00), authz.Approved)
	if d.a.Stats().Panics != 1 {
		t.Errorf("%d panics counted", d.a.Stats().Panics)
	}
}

func TestFlushedCacheChangesNothing(t *testing.T) {
	d := newDesk(t)
	for range 5 {
		d.expect(d.Request(d.Alice, authz.Authorization, 20_00), authz.Approved)
		d.holds.Flush()
	}
	d.expect(d.Request(d.Alice, authz.Authorization, 1), authz.FundsShort)
	d.left(0, 50_00)
}

func TestLyingCacheIsCorrected(t *testing.T) {
	d := newDesk(t)
	d.expect(d.Request(d.Alice, authz.Authorization, 20_00), authz.Approved)
	lie := func(available int64) {
		if err := d.holds.Settle(t.Context(), d.Alice.Partner, nil, []authz.Balance{
			{ID: d.Alice.Balance, Available: available, Version: 1000}, {ID: d.Deposit, Available: 1 << 40, Version: 1000}}); err != nil {
			t.Fatal(err)
		}
	}
	lie(1 << 40)
	d.expect(d.Request(d.Alice, authz.Authorization, 80_01), authz.FundsShort)
	lie(1)
	d.expect(d.Request(d.Alice, authz.Authorization, 80_00), authz.Approved)
	d.left(0, 50_00)
}

func TestOverloadIsShedWithAnAnswerAndReversalsLast(t *testing.T) {
	d := newDesk(t)
	reached, release := make(chan struct{}), make(chan struct{})
	d.journal.Inject(storetest.Waits(reached, release))
	w := []waiter{d.submit(d.Request(d.Alice, authz.Authorization, 1))}
	<-reached
	for range 9000 {
		w = append(w, d.submit(d.Request(d.Alice, authz.Authorization, 1)))
	}
	undo := d.submit(d.Undo(d.Request(d.Alice, authz.Authorization, 1)))
	if len(w[len(w)-1]) != 1 || d.a.Stats().Shed == 0 {
		t.Error("a full queue did not shed at once")
	}
	close(release)
	counts := map[authz.Reason]int{}
	for _, one := range w {
		counts[d.wait(one).Reason]++
	}
	if got := d.wait(undo); got.Reason != authz.ReversalAccepted {
		t.Errorf("the reversal was answered %s under overload", got.Reason)
	}
	if counts[authz.Inoperative] == 0 || counts[authz.Approved] < 8192 {
		t.Errorf("answers %v", counts)
	}
}

// Many links at once, each undoing half of what it does: at the end the books are in order (the desk
// verifies) and nothing is held that was not approved and kept.
func TestConcurrentTrafficBalances(t *testing.T) {
	d := newDesk(t)
	type work struct{ auth, undo *authz.Request }
	var jobs []work
	for i := range 300 {
		h := d.Alice
		if i%2 == 1 {
			h = d.Bob
		}
		a := d.Request(h, authz.Authorization, int64(i%7+1)*25)
		var u *authz.Request
		if i%3 != 0 {
			u = d.Undo(a)
		}
		jobs = append(jobs, work{a, u})
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	kept := map[pan.Number]int64{}
	for i := range 8 {
		wg.Go(func() {
			for j := i; j < len(jobs); j += 8 {
				got := d.decide(jobs[j].auth)
				if jobs[j].undo != nil {
					d.decide(jobs[j].undo)
				} else if got.Reason == authz.Approved {
					mu.Lock()
					kept[jobs[j].auth.PAN] += jobs[j].auth.Amount.Minor
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if got, want := d.Available(d.Alice.Balance), int64(storetest.UserFunds)-kept[d.Alice.Number]; got != want {
		t.Errorf("Alice has %d, want %d", got, want)
	}
	if got, want := d.Available(d.Bob.Balance), int64(storetest.UserFunds)-kept[d.Bob.Number]; got != want {
		t.Errorf("Bob has %d, want %d", got, want)
	}
}
