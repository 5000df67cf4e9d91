package storetest

import (
	"testing"

	"holdfast/authz"
	"holdfast/store/records"
)

// Goal: the times in a row are those of the request that made it. Method: entries of all kinds with stages of their own,
// among them the highest number that they can be, a repeat, one that is written a second time, and one that says nothing.
func stagesKept(t *testing.T, b *bench) {
	next := authz.Stages(1<<62 - 1)
	timed := func(e *authz.Entry) *authz.Entry {
		e.Stages, next = next, next/3
		return e
	}
	entry := func(r *authz.Request, reason authz.Reason) *authz.Entry { return timed(b.entry(b.Alice, r, reason)) }
	want := func(e *authz.Entry, outcome authz.Outcome, stages authz.Stages) {
		t.Helper()
		if e.Outcome != outcome {
			t.Errorf("outcome %d of %s %s, want %d", e.Outcome, e.Request.Kind, e.Decision.Reason, outcome)
		}
		var x records.Explanation
		err := b.Store.View(t.Context(), func(q records.Querier) (err error) {
			x, err = records.Explain(t.Context(), q, e.Decision.ID)
			return err
		})
		if err != nil || x.Stages != stages {
			t.Errorf("the row of %s %s has %x, want %x (%v)", e.Request.Kind, e.Decision.Reason, x.Stages, stages, err)
		}
	}
	approval := entry(b.Request(b.Alice, authz.Authorization, 10_00), authz.Approved)
	first := approval.Stages
	purchase := entry(b.Request(b.Alice, authz.Financial, 5_00), authz.Approved)
	decline := entry(b.Request(b.Alice, authz.Authorization, 900_00), authz.FundsShort)
	silent := b.entry(b.Alice, b.Request(b.Alice, authz.Authorization, 1_00), authz.Approved)
	b.commit(approval, purchase, decline, silent)
	for _, e := range []*authz.Entry{approval, purchase, decline, silent} {
		want(e, authz.Committed, e.Stages)
	}
	advice := timed(b.advice(nil, b.Alice, 7_00))
	clearing := timed(b.cleared(nil, b.Alice, 6_00))
	reversal := entry(b.Undo(approval.Request), authz.ReversalAccepted)
	b.commit(advice, clearing, reversal)
	for _, e := range []*authz.Entry{advice, clearing, reversal} {
		want(e, authz.Committed, e.Stages)
	}
	want(approval, authz.Committed, first) // which the reversal has changed in all else

	again := *approval.Request
	repeat := entry(&again, authz.Approved)
	b.commit(repeat)
	want(repeat, authz.Duplicate, first)

	stale := entry(b.Request(b.Alice, authz.Authorization, UserFunds), authz.Approved)
	if b.commit(stale); stale.Outcome != authz.Stale {
		t.Errorf("outcome %d, want stale", stale.Outcome)
	}
	stale.Decision, stale.Stages = authz.Decision{ID: stale.Request.ID, Reason: authz.FundsShort}, next
	b.commit(stale)
	want(stale, authz.Committed, next)
}
