package storetest

import (
	"testing"

	"holdfast/authz"
	"holdfast/authz/money"
)

func reversalGivesBack(_ *testing.T, b *bench) {
	r := b.approve(b.Alice, authz.Authorization, 30_00)
	undo := b.Undo(r)
	b.reverse(b.Alice, undo)
	b.left(UserFunds, DepositFunds)
	again := *undo
	b.decided(b.entry(b.Alice, &again, authz.ReversalAccepted), authz.Duplicate, authz.ReversalAccepted)
	b.reverse(b.Alice, b.Undo(r))
	b.left(UserFunds, DepositFunds)
}

func partialReversal(_ *testing.T, b *bench) {
	undo := b.Undo(b.approve(b.Alice, authz.Authorization, 30_00))
	undo.Partial, undo.Final = true, 12_50
	b.reverse(b.Alice, undo)
	b.left(UserFunds-12_50, DepositFunds-12_50)
}

func partialReversals(_ *testing.T, b *bench) {
	r := b.approve(b.Alice, authz.Authorization, 30_00)
	for _, step := range []struct{ final, left int64 }{{20_00, 80_00}, {25_00, 80_00}, {5_00, 95_00}, {0, UserFunds}} {
		undo := b.Undo(r)
		undo.Partial, undo.Final = step.final > 0, step.final
		b.reverse(b.Alice, undo)
		b.left(step.left, step.left+DepositFunds-UserFunds)
	}
}

func reversalOfPosting(_ *testing.T, b *bench) {
	r := b.approve(b.Alice, authz.Financial, 30_00)
	part := b.Undo(r)
	part.Partial, part.Final = true, 10_00
	b.reverse(b.Alice, part)
	b.left(90_00, 140_00)
	b.reverse(b.Alice, b.Undo(r))
	b.left(UserFunds, DepositFunds)
}

func tombstone(_ *testing.T, b *bench) {
	r := b.Request(b.Alice, authz.Authorization, 30_00)
	b.reverse(b.Alice, b.Undo(r))
	e := b.entry(b.Alice, r, authz.Approved)
	b.decided(e, authz.Committed, authz.ReversedBefore)
	if e.Decision.ApprovalCode != "" || e.Decision.Amount != 0 {
		b.t.Errorf("declined with %+v, want no code and no amount", e.Decision)
	}
	b.left(UserFunds, DepositFunds)
}

// Goal: how many reversals a card has had that came first does not hide one. Method: more of them than the 200 that one
// message may make an engine read, and then the requests of the first and the last.
func tombstoneAmongMany(_ *testing.T, b *bench) {
	var requests []*authz.Request
	var reversals []*authz.Entry
	for range 220 {
		r := b.Request(b.Alice, authz.Authorization, 30_00)
		requests, reversals = append(requests, r), append(reversals, b.entry(b.Alice, b.Undo(r), authz.ReversalAccepted))
	}
	b.commit(reversals...)
	for _, r := range []*authz.Request{requests[0], requests[len(requests)-1]} {
		b.decided(b.entry(b.Alice, r, authz.Approved), authz.Committed, authz.ReversedBefore)
	}
	b.approve(b.Alice, authz.Authorization, 20_00)
	b.left(80_00, 130_00)
}

func tombstoneElse(_ *testing.T, b *bench) {
	r := b.Request(b.Alice, authz.Authorization, 30_00)
	b.reverse(b.Alice, b.Undo(r))
	b.approve(b.Alice, authz.Authorization, 20_00)
	b.approve(b.Bob, authz.Authorization, 20_00)
	b.left(80_00, 110_00)
}

func ambiguous(_ *testing.T, b *bench) {
	one := b.approve(b.Alice, authz.Authorization, 10_00)
	two := b.Request(b.Alice, authz.Authorization, 20_00)
	two.Trace = one.Trace
	b.decided(b.entry(b.Alice, two, authz.Approved), authz.Committed, authz.Approved)
	b.reverse(b.Alice, b.Undo(one))
	b.left(70_00, 120_00)
}

func (b *bench) advice(of *authz.Request, h Holder, amount int64) *authz.Entry {
	a := b.Request(h, authz.AuthorizationAdvice, amount)
	if of != nil {
		a.Trace.RRN, a.Trace.STAN = of.Trace.RRN, of.Trace.STAN
	}
	a.StoodIn, a.ApprovalCode = true, "STAND1"
	e := b.entry(h, a, authz.AdviceAccepted)
	e.Decision.ApprovalCode = a.ApprovalCode
	return e
}

func adviceReplaces(_ *testing.T, b *bench) {
	r := b.approve(b.Alice, authz.Authorization, 30_00)
	b.decided(b.advice(r, b.Alice, 37_20), authz.Committed, authz.AdviceAccepted)
	b.left(UserFunds-37_20, DepositFunds-37_20)
}

func adviceForced(_ *testing.T, b *bench) {
	b.decided(b.advice(nil, b.Alice, 130_00), authz.Committed, authz.AdviceAccepted)
	b.left(-30_00, 20_00)
	b.decided(b.entry(b.Alice, b.Request(b.Alice, authz.Authorization, 1), authz.Approved), authz.Stale, authz.Approved)
}

func adviceReversed(_ *testing.T, b *bench) {
	e := b.advice(nil, b.Alice, 30_00)
	b.reverse(b.Alice, b.Undo(e.Request))
	b.decided(e, authz.Committed, authz.AdviceRecorded)
	b.left(UserFunds, DepositFunds)
}

// The three messages of a transaction in all orders, with the request's STAN in the advice and without: at the
// end nothing is held. Each message is sent twice, the second time as a repeat.
func everyOrder(t *testing.T, b *bench) {
	for _, order := range []string{"QAR", "QRA", "AQR", "ARQ", "RQA", "RAQ"} {
		for _, sameSTAN := range []bool{true, false} {
			q := b.Request(b.Alice, authz.Authorization, 30_00)
			a := b.Request(b.Alice, authz.AuthorizationAdvice, 37_20)
			a.Trace.RRN, a.StoodIn, a.ApprovalCode = q.Trace.RRN, true, "STAND1"
			if sameSTAN {
				a.Trace.STAN = q.Trace.STAN
			}
			messages := map[rune]*authz.Request{'Q': q, 'A': a, 'R': b.Undo(q)}
			reasons := map[rune]authz.Reason{'Q': authz.Approved, 'A': authz.AdviceAccepted, 'R': authz.ReversalAccepted}
			for _, m := range order + order {
				sent := *messages[m]
				e := b.entry(b.Alice, &sent, reasons[m])
				messages[m].Dup = sent.Dup
				b.commit(e)
				if e.Outcome == authz.Stale {
					t.Errorf("%s: %c is stale", order, m)
				}
			}
			if left := b.Available(b.Alice.Balance); left != UserFunds {
				t.Errorf("%s, same STAN %v: Alice has %d left, want all", order, sameSTAN, left)
			}
		}
	}
	b.left(UserFunds, DepositFunds)
}

func adviceFirst(t *testing.T, b *bench) {
	e := b.advice(nil, b.Alice, 37_20)
	b.decided(e, authz.Committed, authz.AdviceAccepted)
	q := b.Request(b.Alice, authz.Authorization, 30_00)
	q.Trace.RRN = e.Request.Trace.RRN
	late := b.entry(b.Alice, q, authz.Approved)
	b.decided(late, authz.Committed, authz.Approved)
	if late.Decision.ApprovalCode != "STAND1" {
		t.Errorf("the request has code %q, want the network's", late.Decision.ApprovalCode)
	}
	b.left(UserFunds-37_20, DepositFunds-37_20)
	b.approve(b.Alice, authz.Authorization, 1_00)
	b.left(UserFunds-38_20, DepositFunds-38_20)
}

func partialOtherCurrency(t *testing.T, b *bench) {
	usd, err := money.ByAlpha("USD")
	if err != nil {
		t.Fatal(err)
	}
	undo := b.Undo(b.approve(b.Alice, authz.Authorization, 30_00))
	undo.Partial, undo.Final, undo.Amount.Currency = true, 12_50, usd
	b.reverse(b.Alice, undo)
	b.left(70_00, 120_00)
}
