package storetest

import (
	"testing"

	"holdfast/authz"
)

// raised makes a request, an increment of it and the increment's reversal, which have one RRN and have yet to come.
func (b *bench) raised(amount, more int64) (r, i, undo *authz.Request) {
	r = b.Request(b.Alice, authz.Authorization, amount)
	i = b.more(r, authz.PhaseIncremental, more)
	return r, i, b.Undo(i)
}

func (b *bench) wants(r *authz.Request, want authz.Reason) {
	b.t.Helper()
	b.decided(b.entry(b.Alice, r, authz.Approved), authz.Committed, want)
}

func incrementReversed(_ *testing.T, b *bench) {
	r, i, undo := b.raised(30_00, 20_00)
	b.reverse(b.Alice, undo)
	b.wants(r, authz.Approved)
	b.books(UserFunds, 30_00)
	b.wants(i, authz.ReversedBefore)
	b.books(UserFunds, 30_00)
	b.reverse(b.Alice, b.Undo(r))

	r, _, undo = b.raised(30_00, 20_00) // the increment was lost on its way, and is reversed for that
	b.wants(r, authz.Approved)
	b.reverse(b.Alice, undo)
	b.books(UserFunds, 30_00)
	b.state(r, authz.StateAuthorized)
	b.cases()
}

func refusalStands(_ *testing.T, b *bench) {
	r, i, undo := b.raised(30_00, 30_00) // the reference and the amount are the authorization's
	b.wants(r, authz.Approved)
	b.reverse(b.Alice, undo)
	b.books(UserFunds, 0)
	b.wants(i, authz.ReversedBefore)
	b.books(UserFunds, 30_00)
	b.state(r, authz.StateAuthorized)

	r, i, undo = b.raised(30_00, 30_00)
	b.reverse(b.Alice, undo)
	b.wants(r, authz.ReversedBefore)
	b.wants(i, authz.ReversedBefore)
	b.books(UserFunds, 30_00)
	b.state(r, authz.StateDeclined)
}

// declinedElsewhere commits the advice that the network declined a request that we approved.
func (b *bench) declinedElsewhere(r *authz.Request) {
	b.t.Helper()
	e := b.advice(r, b.Alice, r.Amount.Minor)
	e.Request.StoodIn, e.Hold, e.Decision.Reason = false, 0, authz.AdviceRecorded
	b.decided(e, authz.Committed, authz.AdviceRecorded)
}

func allOfDeclined(_ *testing.T, b *bench) {
	for _, first := range []bool{true, false} {
		r, i, _ := b.raised(30_00, 20_00)
		all := b.Undo(r)
		all.Amount.Minor = 50_00
		b.wants(r, authz.Approved)
		if first {
			b.reverse(b.Alice, all)
			b.wants(i, authz.ReversedBefore)
			b.declinedElsewhere(r)
		} else {
			b.wants(i, authz.Approved)
			b.declinedElsewhere(r)
			b.books(UserFunds, 20_00)
			b.reverse(b.Alice, all)
			b.state(i, authz.StateReversed)
		}
		b.books(UserFunds, 0)
	}
}
