package storetest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"holdfast/authz"
	"holdfast/store/records"
)

var lives = []rule{
	{"a clearing ends the hold and posts what it says", clearingPosts},
	{"partial clearings shrink the hold and the last one ends it", partialClearings},
	{"what is cleared above the tolerance is posted and flagged", overTolerance},
	{"a clearing that nobody authorized is posted and flagged", forcePost},
	{"a clearing after a reversal is posted and flagged", clearedAfterReversal},
	{"a reversal that names a clearing posts it back", clearingReversed},
	{"the advice of a financial request posts in its place", financialAdvised},
	{"an increment adds to the hold and is declined alone", increments},
	{"an increment without what it adds to is an authorization", incrementAlone},
	{"a reversal of an increment spares the authorization, whichever comes first", incrementReversed},
	{"a request that its tombstone refused stays refused", refusalStands},
	{"a reversal of all takes what a declined authorization was raised by", allOfDeclined},
	{"a replacement states the whole", replacements},
	{"a decline in stand-in releases what we held", adviceDeclined},
	{"a request needs no funds for what its advice holds", advisedShort},
	{"a reversal may state what goes back", returned},
	{"a clearing is found by the network's id and by the approval code", ladder},
	{"purchases that others approved with one code and amount are two", sameCode},
	{"a clearing of two candidates is posted and flagged", ambiguousClearing},
	{"a clearing of an unknown card is flagged", unknownCard},
	{"a pump's hold is what the program has, until the advice", pump},
	{"an approved part must be all that there is", part},
}

// cleared makes the clearing of a request, with its RRN, or of none.
func (b *bench) cleared(of *authz.Request, h Holder, amount int64, parts ...int) *authz.Entry {
	b.t.Helper()
	c := b.Request(h, authz.FinancialAdvice, amount)
	c.StoodIn = true
	if of != nil {
		c.Trace.RRN, c.Trace.MCC, c.Transaction = of.Trace.RRN, of.Trace.MCC, of.Transaction
	}
	if len(parts) == 2 {
		c.Part, c.Parts = parts[0], parts[1]
	}
	return b.entry(h, c, authz.AdviceAccepted)
}

func (b *bench) clear(of *authz.Request, h Holder, amount int64, parts ...int) *authz.Entry {
	b.t.Helper()
	return b.decided(b.cleared(of, h, amount, parts...), authz.Committed, authz.AdviceAccepted)
}

// books checks Alice's ledger and what is held of it.
func (b *bench) books(ledger, held int64) {
	b.t.Helper()
	b.balance(b.Alice.Balance, ledger, held)
}

func (b *bench) balance(id authz.BalanceID, ledger, held int64) {
	b.t.Helper()
	var l, h int64
	b.view(func(r records.Row) { l, h = r.Int(0), r.Int(1) }, "SELECT ledger, held FROM balances WHERE id = $1", int64(id))
	if l != ledger || h != held {
		b.t.Errorf("balance %d has ledger %d and held %d, want %d and %d", id, l, h, ledger, held)
	}
}

func (b *bench) view(row func(records.Row), sql string, args ...any) {
	b.t.Helper()
	ctx := context.Background()
	if err := b.Store.View(ctx, func(q records.Querier) error {
		return q.Query(ctx, func(r records.Row) error { row(r); return nil }, sql, args...)
	}); err != nil {
		b.t.Fatal(err)
	}
}

// cases checks the open cases of the queue.
func (b *bench) cases(want ...authz.Case) {
	b.t.Helper()
	var found, wanted []string
	b.view(func(r records.Row) { found = append(found, authz.Case(r.Int(0)).String()) },
		"SELECT kind FROM exceptions WHERE state = 'OPEN' ORDER BY authorization_id, kind")
	for _, c := range want {
		wanted = append(wanted, c.String())
	}
	slices.Sort(found)
	slices.Sort(wanted)
	if !slices.Equal(found, wanted) {
		b.t.Errorf("open cases: %s; want %s", strings.Join(found, " "), strings.Join(wanted, " "))
	}
}

func (b *bench) state(r *authz.Request, want authz.State) {
	b.t.Helper()
	var found authz.State
	b.view(func(row records.Row) { found = authz.State(row.Int(0)) }, "SELECT state FROM authorizations WHERE id = $1", int64(r.ID))
	if found != want {
		b.t.Errorf("row %d is %s, want %s", r.ID, found, want)
	}
}

func clearingPosts(_ *testing.T, b *bench) {
	r := b.approve(b.Alice, authz.Authorization, 30_00)
	c := b.clear(r, b.Alice, 28_00)
	b.books(72_00, 0)
	b.balance(b.Deposit, DepositFunds-28_00, 0)
	b.state(r, authz.StateCleared)
	again := *c.Request
	b.decided(b.entry(b.Alice, &again, authz.AdviceAccepted), authz.Duplicate, authz.AdviceAccepted)
	b.books(72_00, 0)
	b.cases()
}

func partialClearings(_ *testing.T, b *bench) {
	r := b.approve(b.Alice, authz.Authorization, 30_00)
	b.clear(r, b.Alice, 10_00, 1, 3)
	b.books(90_00, 20_00)
	b.clear(r, b.Alice, 5_00, 2, 3)
	b.books(85_00, 15_00)
	b.state(r, authz.StateAuthorized)
	b.clear(r, b.Alice, 10_00, 3, 3)
	b.books(75_00, 0)
	b.cases()
}

func overTolerance(_ *testing.T, b *bench) {
	for _, c := range []struct {
		mcc              string
		percent, cleared int64
		flagged          bool
	}{{"5812", 20, 12_00, false}, {"5812", 20, 12_01, true}, {"5999", 0, 10_01, true}, {"5999", 0, 10_00, false}} {
		r := b.Request(b.Bob, authz.Authorization, 10_00)
		r.Trace.MCC = c.mcc
		b.decided(b.entry(b.Bob, r, authz.Approved), authz.Committed, authz.Approved)
		e := b.cleared(r, b.Bob, c.cleared)
		e.Tolerance = authz.Tolerance{Percent: c.percent}
		b.decided(e, authz.Committed, authz.AdviceAccepted)
		flagged := false
		b.view(func(row records.Row) { flagged = authz.Case(row.Int(0)) == authz.OverTolerance },
			"SELECT kind FROM exceptions WHERE authorization_id = $1", int64(e.Request.ID))
		if flagged != c.flagged {
			b.t.Errorf("%d cleared of 1000 at %s: flagged %v", c.cleared, c.mcc, flagged)
		}
	}
}

func forcePost(_ *testing.T, b *bench) {
	b.clear(nil, b.Alice, 130_00)
	b.books(-30_00, 0)
	b.cases(authz.ForcePost, authz.BelowZero)
	b.Lock(b.Bob.Card, authz.LockStolen)
	b.clear(nil, b.Bob, 5_00)
	b.cases(authz.ForcePost, authz.BelowZero, authz.ForcePost)
}

func clearedAfterReversal(_ *testing.T, b *bench) {
	r := b.approve(b.Alice, authz.Authorization, 30_00)
	b.reverse(b.Alice, b.Undo(r))
	b.clear(r, b.Alice, 30_00)
	b.books(70_00, 0)
	b.cases(authz.ClearedAndReversed)
}

func clearingReversed(_ *testing.T, b *bench) {
	r := b.approve(b.Alice, authz.Authorization, 30_00)
	c := b.clear(r, b.Alice, 30_00)
	b.books(70_00, 0)
	b.reverse(b.Alice, b.Undo(c.Request))
	b.books(UserFunds, 0)
	b.state(c.Request, authz.StateReversed)
	b.cases()
}

func financialAdvised(_ *testing.T, b *bench) {
	r := b.approve(b.Alice, authz.Financial, 30_00)
	b.books(70_00, 0)
	b.clear(r, b.Alice, 37_20)
	b.books(UserFunds-37_20, 0)
	b.reverse(b.Alice, b.Undo(r))
	b.books(UserFunds, 0)
	b.cases()
}

// more makes an increment or replacement of a request.
func (b *bench) more(of *authz.Request, phase authz.Phase, amount int64) *authz.Request {
	r := b.Request(b.Alice, authz.Authorization, amount)
	r.Phase, r.Trace.RRN = phase, of.Trace.RRN
	return r
}

func increments(_ *testing.T, b *bench) {
	r := b.approve(b.Alice, authz.Authorization, 30_00)
	i := b.more(r, authz.PhaseIncremental, 20_00)
	b.decided(b.entry(b.Alice, i, authz.Approved), authz.Committed, authz.Approved)
	b.books(UserFunds, 50_00)
	b.decided(b.entry(b.Alice, b.more(r, authz.PhaseIncremental, 50_01), authz.Approved), authz.Committed, authz.FundsShort)
	b.books(UserFunds, 50_00)
	b.reverse(b.Alice, b.Undo(i))
	b.books(UserFunds, 30_00)
	b.decided(b.entry(b.Alice, b.more(r, authz.PhaseIncremental, 5_00), authz.Approved), authz.Committed, authz.Approved)
	all := b.Undo(r)
	all.Amount.Minor = 35_00
	b.reverse(b.Alice, all)
	b.books(UserFunds, 0)
	b.decided(b.entry(b.Alice, b.more(r, authz.PhaseIncremental, 7_00), authz.Approved), authz.Committed, authz.Approved)
	b.books(UserFunds, 7_00)
}

func incrementAlone(_ *testing.T, b *bench) {
	nobody := b.Request(b.Alice, authz.Authorization, 1)
	b.decided(b.entry(b.Alice, b.more(nobody, authz.PhaseIncremental, 20_00), authz.Approved), authz.Committed, authz.Approved)
	b.books(UserFunds, 20_00)
	b.clear(nobody, b.Alice, 20_00)
	b.books(80_00, 0)
	b.cases()
}

func replacements(_ *testing.T, b *bench) {
	r := b.approve(b.Alice, authz.Authorization, 60_00)
	b.decided(b.entry(b.Alice, b.more(r, authz.PhaseReplacement, 90_00), authz.Approved), authz.Committed, authz.Approved)
	b.books(UserFunds, 90_00)
	b.decided(b.entry(b.Alice, b.more(r, authz.PhaseReplacement, 100_01), authz.Approved), authz.Committed, authz.FundsShort)
	b.books(UserFunds, 90_00)
	b.decided(b.entry(b.Alice, b.more(r, authz.PhaseReplacement, 15_00), authz.Approved), authz.Committed, authz.Approved)
	b.books(UserFunds, 15_00)
	b.clear(r, b.Alice, 15_00)
	b.books(85_00, 0)
	b.cases()
}

func adviceDeclined(_ *testing.T, b *bench) {
	b.declinedElsewhere(b.approve(b.Alice, authz.Authorization, 30_00))
	b.books(UserFunds, 0)
}

func advisedShort(t *testing.T, b *bench) {
	e := b.advice(nil, b.Alice, 80_00)
	b.decided(e, authz.Committed, authz.AdviceAccepted)
	q := b.Request(b.Alice, authz.Authorization, 80_00)
	q.Trace.RRN = e.Request.Trace.RRN
	late := b.entry(b.Alice, q, authz.FundsShort)
	late.Code = "OURS01"
	b.decided(late, authz.Committed, authz.Approved)
	if late.Decision.ApprovalCode != "STAND1" {
		t.Errorf("the code is %q, want the network's", late.Decision.ApprovalCode)
	}
	b.books(UserFunds, 80_00)
	b.decided(b.entry(b.Alice, b.Request(b.Alice, authz.Authorization, 20_01), authz.FundsShort), authz.Committed, authz.FundsShort)
}

func returned(_ *testing.T, b *bench) {
	r := b.approve(b.Alice, authz.Authorization, 30_00)
	for _, left := range []int64{20_00, 10_00, 0} {
		undo := b.Undo(r)
		undo.Partial, undo.Returned = true, 10_00
		b.reverse(b.Alice, undo)
		b.books(UserFunds, left)
	}
	b.state(r, authz.StateReversed)
}

func ladder(_ *testing.T, b *bench) {
	r := b.Request(b.Alice, authz.Authorization, 30_00)
	r.NetworkID = "123456789012345"
	b.decided(b.entry(b.Alice, r, authz.Approved), authz.Committed, authz.Approved)
	c := b.cleared(nil, b.Alice, 25_00)
	c.Request.NetworkID = r.NetworkID
	b.decided(c, authz.Committed, authz.AdviceAccepted)
	b.books(75_00, 0)
	r = b.approve(b.Alice, authz.Authorization, 30_00)
	c = b.cleared(nil, b.Alice, 30_00)
	c.Request.ApprovalCode, c.CodeFrom, c.CodeTo = "ABC123", r.ID-1, r.ID+1
	b.decided(c, authz.Committed, authz.AdviceAccepted)
	b.books(45_00, 0)
	b.cases()
}

func sameCode(_ *testing.T, b *bench) {
	for range 3 {
		b.decided(b.advice(nil, b.Alice, 20_00), authz.Committed, authz.AdviceAccepted)
	}
	b.books(UserFunds, 60_00)
}

func ambiguousClearing(_ *testing.T, b *bench) {
	one := b.approve(b.Alice, authz.Authorization, 10_00)
	two := b.Request(b.Alice, authz.Authorization, 20_00)
	two.Trace = one.Trace
	b.decided(b.entry(b.Alice, two, authz.Approved), authz.Committed, authz.Approved)
	b.clear(one, b.Alice, 10_00)
	b.books(90_00, 30_00)
	b.cases(authz.ForcePost, authz.Ambiguous)
}

func unknownCard(_ *testing.T, b *bench) {
	nobody := Holder{Number: b.Alice.Number}
	c := b.Request(nobody, authz.FinancialAdvice, 10_00)
	c.StoodIn = true
	b.decided(b.entry(nobody, c, authz.AdviceRecorded), authz.Committed, authz.AdviceRecorded)
	b.cases(authz.CannotApply)
}

func pump(_ *testing.T, b *bench) {
	r := b.Request(b.Alice, authz.Authorization, 1_00)
	r.Trace.MCC = "5542"
	e := b.entry(b.Alice, r, authz.Approved)
	e.Hold, e.Decision.Amount = 75_00, 75_00
	b.decided(e, authz.Committed, authz.Approved)
	b.books(UserFunds, 75_00)
	b.decided(b.advice(r, b.Alice, 37_20), authz.Committed, authz.AdviceAccepted)
	b.books(UserFunds, 37_20)
	b.clear(r, b.Alice, 37_20)
	b.books(UserFunds-37_20, 0)
	b.cases()
}

func part(t *testing.T, b *bench) {
	entry := func(hold, wanted int64) *authz.Entry {
		e := b.entry(b.Alice, b.Request(b.Alice, authz.Authorization, wanted), authz.ApprovedPart)
		e.Hold, e.Wanted, e.Decision.ApprovalCode, e.Decision.Amount = hold, wanted, "PART01", hold
		return e
	}
	b.decided(entry(UserFunds, 120_00), authz.Committed, authz.ApprovedPart)
	b.books(UserFunds, UserFunds)
	b.decided(entry(1, 20_00), authz.Stale, authz.ApprovedPart) // there is less
	r := b.approve(b.Bob, authz.Authorization, 1_00)
	e := entry(1, 20_00)
	*e.Card, e.Request.PAN = b.card(b.Bob), r.PAN
	b.decided(e, authz.Stale, authz.ApprovedPart) // there is more
	first := entry(10_00, 40_00)
	*first.Card, first.Request.PAN = b.card(b.Carol), b.Carol.Number
	first.Decision.ApprovedTransaction = 10_00
	b.approve(b.Carol, authz.Authorization, 90_00)
	b.decided(first, authz.Committed, authz.ApprovedPart)
	again := *first.Request
	repeat := entry(10_00, 40_00)
	repeat.Request, repeat.Card = &again, first.Card
	b.decided(repeat, authz.Duplicate, authz.ApprovedPart)
	if repeat.Decision.ApprovedTransaction != 10_00 || repeat.Decision.Amount != 10_00 {
		t.Errorf("the repeat is told %d, want 1000", repeat.Decision.ApprovedTransaction)
	}
}
