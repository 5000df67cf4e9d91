package authz_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/store/storetest"
)

// Goal: a second batch goes to the journal while the first hangs there, but nothing of a card that the first has.
func TestTwoBatchesCommitAtOnceUnlessTheyShareACard(t *testing.T) {
	if !overlapped {
		t.Skip("one batch at a time")
	}
	d := newDesk(t)
	reached, release := make(chan struct{}), make(chan struct{})
	var released atomic.Bool
	watch := func(ctx context.Context, j authz.Journal, batch []*authz.Entry) (authz.Truth, error) {
		for _, e := range batch {
			if e.Request.PAN.Equal(d.Alice.Number) && !released.Load() {
				t.Error("two messages of a card are at the journal at once")
			}
		}
		return j.Commit(ctx, batch)
	}
	d.journal.Inject(storetest.Waits(reached, release), watch, watch, watch)
	first := d.submit(d.Request(d.Alice, authz.Authorization, 10_00))
	<-reached
	d.a.Expire(storetest.Epoch.Add(20 * time.Millisecond))
	d.expect(d.Request(d.Bob, authz.Authorization, 10_00), authz.Approved)
	second := d.submit(d.Request(d.Alice, authz.Authorization, 95_00))
	d.expect(d.Undo(d.Request(d.Carol, authz.Authorization, 1)), authz.ReversalAccepted)
	released.Store(true)
	close(release)
	if got := d.wait(first); got.Reason != authz.Approved {
		t.Errorf("the first is %s", got.Reason)
	}
	if got := d.wait(second); got.Reason != authz.FundsShort {
		t.Errorf("the second is %s, want it decided after the first", got.Reason)
	}
}

// Each is answered at its own deadline, whatever the order in which they came.
func TestEachIsAnsweredAtItsDeadline(t *testing.T) {
	d := newDesk(t)
	reached, release := make(chan struct{}), make(chan struct{})
	d.journal.Inject(storetest.Waits(reached, release))
	var waiters []waiter
	for i, seconds := range []time.Duration{5, 1, 3} {
		r := d.Request(d.Bob, authz.Authorization, 1_00)
		r.Deadline = storetest.Epoch.Add(seconds * time.Second)
		waiters = append(waiters, d.submit(r))
		if i == 0 {
			<-reached
		}
	}
	for second, want := range [][3]int{{0, 0, 0}, {0, 1, 0}, {0, 1, 0}, {0, 1, 1}, {0, 1, 1}, {1, 1, 1}} {
		d.a.Expire(storetest.Epoch.Add(time.Duration(second) * time.Second))
		for i, w := range waiters {
			if len(w) != want[i] {
				t.Errorf("after %d s waiter %d has %d answers, want %d", second, i, len(w), want[i])
			}
		}
	}
	close(release)
	d.settled()
}
