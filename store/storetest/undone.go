package storetest

import (
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
)

var undone = []rule{
	{"a reversal of a new total leaves what it had replaced", newTotalReversed},
	{"what stands again after a reversal still ends with its time", standsAndExpires},
	{"a new total is also of what was cleared before it", newTotalOfCleared},
	{"a reversal may name a clearing by its number alone", clearingNumbered},
	{"a reversed part of a clearing is posted back, and its hold has ended", partReversed},
	{"a clearing that was reversed in part is judged by what is left", clearingCut},
	{"a clearing above what a partial reversal left is posted and flagged", clearedAboveRest},
	{"a clearing is late where nothing that was authorized since covers it", lateOnlyUncovered},
	{"a reversal in another currency undoes what it names, and is flagged", reversedElsewhere},
	{"a reversed credit may take more than there is, and is flagged", creditSpent},
}

func newTotalReversed(_ *testing.T, b *bench) {
	for _, first := range []bool{false, true} {
		r := b.approve(b.Alice, authz.Authorization, 30_00)
		x := b.more(r, authz.PhaseReplacement, 50_00)
		undo := b.Undo(x)
		if first {
			b.reverse(b.Alice, undo)
			b.wants(x, authz.ReversedBefore)
		} else {
			b.wants(x, authz.Approved)
			b.books(UserFunds, 50_00)
			b.reverse(b.Alice, undo)
			b.state(x, authz.StateReversed)
		}
		b.books(UserFunds, 30_00)
		b.state(r, authz.StateAuthorized)
		b.reverse(b.Alice, b.Undo(r))
		b.books(UserFunds, 0)
	}
	b.cases()
}

func standsAndExpires(t *testing.T, b *bench) {
	r := b.lasting(30_00, time.Hour)
	x := b.entry(b.Alice, b.more(r, authz.PhaseReplacement, 50_00), authz.Approved)
	x.Life = 2 * time.Hour
	b.decided(x, authz.Committed, authz.Approved)
	b.reverse(b.Alice, b.Undo(x.Request))
	b.books(UserFunds, 30_00)
	if n := b.expire(x.Request.ReceivedAt.Add(2 * time.Hour)); n != 1 {
		t.Errorf("%d due, want 1", n)
	}
	b.state(r, authz.StateExpired)
	b.books(UserFunds, 0)
}

func newTotalOfCleared(_ *testing.T, b *bench) {
	r := b.approve(b.Alice, authz.Authorization, 60_00)
	b.clear(r, b.Alice, 10_00, 1, 2)
	b.books(90_00, 50_00)
	b.wants(b.more(r, authz.PhaseReplacement, 50_00), authz.Approved)
	b.books(90_00, 40_00)
	b.clear(r, b.Alice, 40_00, 2, 2)
	b.books(50_00, 0)
	b.cases()
}

func clearingNumbered(_ *testing.T, b *bench) {
	for _, first := range []bool{false, true} {
		r := b.approve(b.Alice, authz.Authorization, 30_00)
		c := b.cleared(r, b.Alice, 28_00)
		undo := b.Undo(c.Request)
		undo.Original.Kind = 0
		if first { // of what has yet to come: neither its number nor its amount are the authorization's
			b.reverse(b.Alice, undo)
			b.books(UserFunds, 30_00)
		}
		b.decided(c, authz.Committed, authz.AdviceAccepted)
		if !first {
			b.books(72_00, 0)
			b.reverse(b.Alice, undo)
		}
		b.books(UserFunds, 0)
		b.state(c.Request, authz.StateReversed)
	}
	b.cases()
}

func partReversed(_ *testing.T, b *bench) {
	r := b.approve(b.Alice, authz.Authorization, 30_00)
	c := b.clear(r, b.Alice, 10_00, 1, 2).Request
	b.reverse(b.Alice, b.Undo(c))
	b.books(UserFunds, 20_00)
	b.state(c, authz.StateReversed)
	b.reverse(b.Alice, b.Undo(c)) // another reversal of the same
	b.books(UserFunds, 20_00)
	b.clear(r, b.Alice, 20_00, 2, 2)
	b.books(80_00, 0)
	b.cases()
}

func clearingCut(_ *testing.T, b *bench) {
	r := b.approve(b.Alice, authz.Authorization, 30_00)
	c := b.clear(r, b.Alice, 40_00).Request
	b.cases(authz.OverTolerance)
	for _, final := range []int64{35_00, 30_00} {
		undo := b.Undo(c)
		undo.Partial, undo.Final = true, final
		b.reverse(b.Alice, undo)
		b.books(UserFunds-final, 0)
	}
	b.cases()
}

func clearedAboveRest(_ *testing.T, b *bench) {
	r := b.approve(b.Alice, authz.Authorization, 30_00)
	part := b.Undo(r)
	part.Partial, part.Final = true, 12_50
	b.reverse(b.Alice, part)
	b.clear(r, b.Alice, 12_51)
	b.books(UserFunds-12_51, 0)
	b.cases(authz.OverTolerance)
}

func lateOnlyUncovered(_ *testing.T, b *bench) {
	r := b.lasting(30_00, time.Hour)
	b.expire(r.ReceivedAt.Add(time.Hour))
	b.wants(b.more(r, authz.PhaseIncremental, 20_00), authz.Approved)
	b.books(UserFunds, 20_00)
	b.clear(r, b.Alice, 20_00, 1, 2)
	b.books(80_00, 0)
	b.cases()
	b.clear(r, b.Alice, 30_00, 2, 2)
	b.books(50_00, 0)
	b.cases(authz.LateClearing)
}

func reversedElsewhere(t *testing.T, b *bench) {
	jpy, err := money.ByAlpha("JPY")
	if err != nil {
		t.Fatal(err)
	}
	r := b.approve(b.Alice, authz.Authorization, 30_00)
	b.wants(b.more(r, authz.PhaseIncremental, 20_00), authz.Approved)
	undo := b.Undo(r)
	undo.Amount = money.Amount{Minor: 5200, Currency: jpy} // more than all, if it were cents
	b.reverse(b.Alice, undo)
	b.books(UserFunds, 20_00)
	b.cases(authz.CurrencyDiffers)
}

func creditSpent(_ *testing.T, b *bench) {
	r := b.credit(authz.Financial, authz.Deposit, 25_00, true)
	b.approve(b.Alice, authz.Authorization, 120_00)
	undo := b.Undo(r)
	undo.Transaction = authz.Deposit
	b.reverse(b.Alice, undo)
	b.books(UserFunds, 120_00)
	b.cases(authz.BelowZero)
}
