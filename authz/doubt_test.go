package authz_test

import (
	"context"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/store/storetest"
)

// A repeat that waits for the same commit hears what the first one heard: an approval whose hold is taken
// back must not leave by another door.
func TestRepeatOfALateApprovalIsNotApproved(t *testing.T) {
	d := newDesk(t)
	reached, release := make(chan struct{}), make(chan struct{})
	d.journal.Inject(storetest.Waits(reached, release))
	r := d.Request(d.Alice, authz.Authorization, 30_00)
	repeat := *r
	repeat.Repeat = true
	r.Deadline = storetest.Epoch.Add(2 * time.Second)
	first := d.submit(r)
	<-reached
	second := d.submit(&repeat) // its own deadline is an hour away
	d.advance(3 * time.Second)
	if got := d.wait(first); got.Reason != authz.DecisionLate {
		t.Errorf("the first is answered %s", got.Reason)
	}
	close(release)
	if got := d.wait(second); got.Reason != authz.DecisionLate {
		t.Errorf("the repeat is answered %s, its hold is undone", got.Reason)
	}
	d.settled()
	third := repeat
	d.expect(&third, authz.DecisionLate)
	d.left(100_00, 150_00)
}

// While the entry that undoes a doubtful approval waits for the journal, the approval must not be given to
// a repeat as the stored answer.
func TestRepeatBeforeItsUndoingIsNotApproved(t *testing.T) {
	d := newDesk(t)
	d.journal.Inject(storetest.LostReply, storetest.Refused)
	r := d.Request(d.Alice, authz.Authorization, 30_00)
	repeat, again := *r, *r
	d.expect(r, authz.Inoperative)
	// Once Bob's is approved the lane has tried to undo. It may share the commit that is refused.
	if got := d.decide(d.Request(d.Bob, authz.Authorization, 1_00)); got.Reason == authz.Inoperative {
		d.expect(d.Request(d.Bob, authz.Authorization, 1_00), authz.Approved)
	} else if got.Reason != authz.Approved {
		t.Errorf("Bob's is decided %s", got.Reason)
	}
	if got := d.decide(&repeat); got.Reason.Approval() {
		t.Errorf("the repeat is answered %s", got.Reason)
	}
	for deadline := time.Now().Add(5 * time.Second); d.Available(d.Alice.Balance) != 100_00 && time.Now().Before(deadline); {
		d.advance(20 * time.Millisecond)
	}
	d.expect(&again, authz.DecisionLate)
	d.left(100_00, 149_00)
}

// Goal: what two nodes were both too late to tell holds nothing, and what one of them told stands. Method: the first node
// loses the reply to its commit, and its void waits; the repeat on the second is committed in time, or after its deadline.
// The second node may not know the card's program yet.
func TestRepeatThatIsLateElsewhereIsUndone(t *testing.T) {
	for i := range 4 {
		late, routed := i%2 == 1, i < 2
		d := newDesk(t)
		undo, undone := make(chan struct{}), make(chan struct{})
		d.journal.Inject(storetest.LostReply, func(ctx context.Context, j authz.Journal, batch []*authz.Entry) (authz.Truth, error) {
			<-undo
			defer close(undone)
			return j.Commit(ctx, batch)
		})
		journal := &storetest.Faulty{Journal: d.journal.Journal}
		other, err := authz.New(authz.Config{Node: 2, Now: d.clock}, d.Store, d.holds, journal, d.Keys)
		if err != nil {
			t.Fatal(err)
		}
		if routed {
			d.route(other)
		}
		r := d.Request(d.Alice, authz.Authorization, 30_00)
		repeat, third := *r, *r
		repeat.Deadline = storetest.Epoch.Add(time.Second)
		d.expect(r, authz.Inoperative)
		reached, release, untelling := make(chan struct{}), make(chan struct{}), make(chan struct{})
		journal.Inject(storetest.Waits(reached, release), storetest.Waits(untelling, undone))
		w := make(waiter, 2)
		other.Submit(&repeat, w)
		<-reached
		want, left := authz.Approved, int64(70_00)
		if late {
			other.Expire(storetest.Epoch.Add(2 * time.Second))
			want, left = authz.DecisionLate, 100_00
		}
		close(release)
		if got := d.wait(w); got.Reason != want {
			t.Errorf("late %v, routed %v: the repeat is answered %s", late, routed, got.Reason)
		}
		if late { // it was told, and is the second node's to undo
			<-untelling
		}
		close(undo)
		<-undone
		// What the second node takes back is nobody's request: it ends on its own, and Close would cut it off.
		for until := time.Now().Add(10 * time.Second); d.Available(d.Alice.Balance) != left && time.Now().Before(until); {
			other.Expire(storetest.Epoch.Add(2 * time.Second))
		}
		if err := other.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if got := d.Available(d.Alice.Balance); got != left {
			t.Errorf("late %v, routed %v: %d left, want %d", late, routed, got, left)
		}
		d.settled()
		d.expect(&third, want)
	}
}

// What has happened outside is never declined: a reversal or an advice that met a fault of ours is applied
// when it is repeated.
func TestReversalAndAdviceSurviveFaults(t *testing.T) {
	for name, fault := range map[string]storetest.Fault{"panic": storetest.Panics, "lost reply": storetest.LostReply,
		"lost request": storetest.LostRequest} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			r := d.Request(d.Alice, authz.Authorization, 30_00)
			d.expect(r, authz.Approved)
			undo := d.Undo(r)
			repeat := *undo
			d.journal.Inject(fault)
			d.decide(undo)
			d.settled()
			d.expect(&repeat, authz.ReversalAccepted)
			d.left(100_00, 150_00)

			advice := d.Request(d.Alice, authz.AuthorizationAdvice, 20_00)
			advice.StoodIn, advice.ApprovalCode = true, "STANDI"
			once := *advice
			d.journal.Inject(fault)
			d.decide(advice)
			d.settled()
			d.expect(&once, authz.AdviceAccepted)
			d.left(80_00, 130_00)
		})
	}
}

// A panic of ours must not lose what is still to be undone, nor keep a key closed for ever.
func TestPanicKeepsWhatIsToBeUndone(t *testing.T) {
	d := newDesk(t)
	d.journal.Inject(storetest.LostReply, storetest.Panics)
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

	reached, release := make(chan struct{}), make(chan struct{})
	d.journal.Inject(func(ctx context.Context, j authz.Journal, batch []*authz.Entry) (authz.Truth, error) {
		close(reached)
		<-release
		panic("planted")
	})
	slow := d.Request(d.Alice, authz.Authorization, 5_00)
	slow.Deadline = d.clock().Add(time.Second)
	w := d.submit(slow)
	<-reached
	d.advance(2 * time.Second)
	if got := d.wait(w); got.Reason != authz.DecisionLate {
		t.Errorf("answered %s at the deadline", got.Reason)
	}
	close(release)
	d.settled()
	if n := d.a.Stats().Waiting; n != 0 {
		t.Errorf("%d keys stay closed", n)
	}
}

// The billing amount counts when the network converted; beside an amount in the card's own currency it
// must not make a purchase cheaper.
func TestBillingAmountInTheSameCurrencyIsNotHeldInstead(t *testing.T) {
	d := newDesk(t)
	r := d.Request(d.Alice, authz.Authorization, 40_00)
	r.Billing = money.Amount{Minor: 1, Currency: storetest.EUR(t)}
	d.expect(r, authz.Approved)
	d.left(60_00, 110_00)
}

// A transaction and its advice are one: reversing it gives back what the advice holds.
func TestReversalAfterAnAdviceGivesBack(t *testing.T) {
	for _, sameSTAN := range []bool{false, true} {
		d := newDesk(t)
		r := d.Request(d.Alice, authz.Authorization, 30_00)
		d.expect(r, authz.Approved)
		advice := d.Request(d.Alice, authz.AuthorizationAdvice, 20_00)
		advice.StoodIn, advice.ApprovalCode = true, "STANDI"
		advice.Trace.RRN = r.Trace.RRN
		if sameSTAN {
			advice.Trace.STAN, advice.Trace.Transmitted = r.Trace.STAN, r.Trace.Transmitted
		}
		d.expect(advice, authz.AdviceAccepted)
		d.left(80_00, 130_00)
		second := d.Request(d.Alice, authz.AuthorizationAdvice, 25_00)
		second.StoodIn, second.ApprovalCode, second.Trace.RRN = true, "STANDI", r.Trace.RRN
		d.expect(second, authz.AdviceAccepted)
		d.left(75_00, 125_00)
		d.expect(d.Undo(r), authz.ReversalAccepted)
		d.left(100_00, 150_00)
	}
}

// The advice stood in for its request, whatever became of that: reversing the transaction gives back what it holds.
func TestReversalAfterADeclinedRequestGivesItsAdviceBack(t *testing.T) {
	for _, first := range []string{"advice", "request"} {
		d := newDesk(t)
		r := d.Request(d.Alice, authz.Authorization, 60_00)
		advice := d.Request(d.Alice, authz.AuthorizationAdvice, 60_00)
		advice.StoodIn, advice.ApprovalCode, advice.Trace.RRN = true, "STANDI", r.Trace.RRN
		if first == "request" {
			d.Lock(d.Alice.Card, authz.LockQuery)
			d.expect(r, authz.LockedQuery)
			d.expect(advice, authz.AdviceAccepted)
		} else {
			d.expect(advice, authz.AdviceAccepted)
			d.expect(r, authz.Approved) // what the advice holds is the request's own
		}
		d.left(40_00, 90_00)
		d.expect(d.Undo(r), authz.ReversalAccepted)
		d.left(100_00, 150_00)
	}
}

// Two reversals may overtake one original; its repeat must leave the books in order.
func TestTwoTombstonesAndARepeat(t *testing.T) {
	d := newDesk(t)
	r := d.Request(d.Alice, authz.Authorization, 30_00)
	repeat := *r
	d.expect(d.Undo(r), authz.ReversalAccepted)
	d.expect(d.Undo(r), authz.ReversalAccepted)
	d.expect(r, authz.ReversedBefore)
	d.expect(&repeat, authz.ReversedBefore)
}

// Local time has no year: the same characters a year later are another transaction.
func TestSameTraceAYearLaterIsNew(t *testing.T) {
	d := newDesk(t)
	r := d.Request(d.Alice, authz.Authorization, 30_00)
	later := *r
	d.expect(r, authz.Approved)
	later.ReceivedAt = r.ReceivedAt.AddDate(1, 0, 0)
	later.Deadline = later.ReceivedAt.Add(time.Hour)
	if got := d.expect(&later, authz.Approved); got.Repeated {
		t.Error("a transaction of the next year is taken for a repeat")
	}
	d.left(40_00, 90_00)
}

// An advice that comes after the reversal of its request holds nothing: the order of the two does not matter.
func TestAdviceAfterTheReversalOfItsRequestHoldsNothing(t *testing.T) {
	d := newDesk(t)
	r := d.Request(d.Alice, authz.Authorization, 30_00)
	d.expect(r, authz.Approved)
	d.expect(d.Undo(r), authz.ReversalAccepted)
	advice := d.Request(d.Alice, authz.AuthorizationAdvice, 30_00)
	advice.StoodIn, advice.ApprovalCode, advice.Trace.RRN = true, "STANDI", r.Trace.RRN
	d.expect(advice, authz.AdviceRecorded)
	d.left(100_00, 150_00)
}

// Ids are unique in the journal although the clock was set back before a restart: one that is taken would fail
// the whole batch that it is in.
func TestIDsGrowThoughTheClockWasSetBack(t *testing.T) {
	d := newDesk(t)
	first := d.expect(d.Request(d.Alice, authz.Authorization, 1_00), authz.Approved)
	restarted, err := authz.New(authz.Config{Now: d.clock, LastID: first.ID}, d.Store, d.holds, d.journal, d.Keys)
	if err != nil {
		t.Fatal(err)
	}
	r := d.Request(d.Alice, authz.Authorization, 1_00)
	r.ReceivedAt = first.ID.Time()
	w := make(waiter, 1)
	restarted.Submit(r, w)
	if got := d.wait(w); got.ID <= first.ID || got.Reason != authz.BINUnknown {
		t.Errorf("id %d after %d, decided %s (%v)", got.ID, first.ID, got.Reason, got.Cause)
	}
	if err := restarted.Close(context.Background()); err != nil {
		t.Error(err)
	}
}
