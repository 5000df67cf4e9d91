package storetest

import (
	"testing"

	"holdfast/authz"
)

var credits = []rule{
	{"a refund's authorization promises and its clearing credits, once", refundPromised},
	{"a reversal drops a promise", promiseReversed},
	{"a financial credit is there at once, and its reversal takes it back", creditAtOnce},
	{"a credit at once is told again by its clearing", creditCleared},
	{"a refund that nobody promised credits", refundAlone},
	{"a refund does not touch the purchase that shares its reference", refundApart},
	{"a clearing that was declined posts nothing and ends no hold", clearingDeclined},
	{"the advice of a financial request that was declined takes back what was posted", financialDeclined},
}

func (b *bench) credit(kind authz.Kind, t authz.Transaction, amount int64, atOnce bool) *authz.Request {
	b.t.Helper()
	r := b.Request(b.Alice, kind, amount)
	r.Transaction = t
	e := b.entry(b.Alice, r, authz.Approved)
	e.AtOnce = atOnce
	b.decided(e, authz.Committed, authz.Approved)
	return r
}

func refundPromised(_ *testing.T, b *bench) {
	r := b.credit(authz.Authorization, authz.Refund, 25_00, false)
	b.books(UserFunds, 0)
	b.state(r, authz.StatePromised)
	c := b.clear(r, b.Alice, 25_00)
	b.books(125_00, 0)
	b.balance(b.Deposit, DepositFunds+25_00, 0)
	b.state(r, authz.StateCleared)
	again := *c.Request
	b.decided(b.entry(b.Alice, &again, authz.AdviceAccepted), authz.Duplicate, authz.AdviceAccepted)
	b.books(125_00, 0)
	b.cases()
}

func promiseReversed(_ *testing.T, b *bench) {
	r := b.credit(authz.Authorization, authz.Refund, 25_00, false)
	undo := b.Undo(r)
	undo.Transaction = authz.Refund
	b.reverse(b.Alice, undo)
	b.state(r, authz.StateReversed)
	b.books(UserFunds, 0)
}

func creditAtOnce(_ *testing.T, b *bench) {
	r := b.credit(authz.Financial, authz.Deposit, 25_00, true)
	b.books(125_00, 0)
	b.approve(b.Alice, authz.Authorization, 120_00)
	undo := b.Undo(r)
	undo.Transaction = authz.Deposit
	b.reverse(b.Alice, undo)
	b.books(UserFunds, 120_00)
	b.state(r, authz.StateReversed)
}

func creditCleared(_ *testing.T, b *bench) {
	r := b.credit(authz.Authorization, authz.OriginalCredit, 25_00, true)
	b.books(125_00, 0)
	b.clear(r, b.Alice, 25_00)
	b.books(125_00, 0)
	b.state(r, authz.StateReplaced)
}

func refundAlone(_ *testing.T, b *bench) {
	c := b.cleared(nil, b.Alice, 5_00)
	c.Request.Transaction = authz.Refund
	b.decided(c, authz.Committed, authz.AdviceAccepted)
	b.books(105_00, 0)
	b.cases()
}

func refundApart(_ *testing.T, b *bench) {
	r := b.approve(b.Alice, authz.Authorization, 30_00)
	c := b.cleared(r, b.Alice, 5_00)
	c.Request.Transaction = authz.Refund
	b.decided(c, authz.Committed, authz.AdviceAccepted)
	b.books(105_00, 30_00)
}

// declined is the advice that a request was declined where it was decided.
func (b *bench) declined(of *authz.Request) {
	b.t.Helper()
	c := b.Request(b.Alice, authz.FinancialAdvice, of.Amount.Minor)
	c.Trace.RRN, c.Trace.MCC, c.Transaction = of.Trace.RRN, of.Trace.MCC, of.Transaction
	e := b.entry(b.Alice, c, authz.AdviceRecorded)
	e.Hold = 0
	b.decided(e, authz.Committed, authz.AdviceRecorded)
	again := *c
	b.decided(b.entry(b.Alice, &again, authz.AdviceRecorded), authz.Duplicate, authz.AdviceRecorded)
}

func clearingDeclined(_ *testing.T, b *bench) {
	b.declined(b.Request(b.Alice, authz.Authorization, 10_00)) // of what we do not know
	r := b.approve(b.Alice, authz.Authorization, 30_00)
	b.declined(r)
	b.books(UserFunds, 30_00)
	b.state(r, authz.StateAuthorized)
	b.cases()
	b.clear(r, b.Alice, 30_00)
	b.books(70_00, 0)
	b.cases()
}

func financialDeclined(_ *testing.T, b *bench) {
	r := b.approve(b.Alice, authz.Financial, 30_00)
	b.books(70_00, 0)
	b.declined(r)
	b.books(UserFunds, 0)
	b.balance(b.Deposit, DepositFunds, 0)
	b.state(r, authz.StateReplaced)
	b.cases()
}
