package authz_test

import (
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/store/records"
	"holdfast/store/storetest"
)

// agree gives all programs these terms, and rates of exchange.
func (d *desk) agree(t authz.Terms, rates ...authz.Rate) {
	d.t.Helper()
	ctx := d.t.Context()
	err := d.Store.Update(ctx, func(q records.Querier) error {
		programs, err := records.Programs(ctx, q)
		if err != nil {
			return err
		}
		for _, p := range programs {
			if err := records.SetTerms(ctx, q, p.ID, t); err != nil {
				return err
			}
		}
		for _, r := range rates {
			if err := records.SetRate(ctx, q, r, storetest.Epoch); err != nil {
				return err
			}
		}
		if programs, err = records.Programs(ctx, q); err != nil {
			return err
		}
		d.a.Route(programs)
		rates, err = records.Rates(ctx, q, storetest.Epoch.Add(time.Second))
		d.a.SetRates(rates)
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

func alpha(t *testing.T, code string) money.Currency {
	t.Helper()
	c, err := money.ByAlpha(code)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPartIsApprovedWhereAllTakeIt(t *testing.T) {
	d := newDesk(t)
	ask := func(change func(*authz.Request)) *authz.Request {
		r := d.Request(d.Alice, authz.Authorization, 120_00)
		r.PartialOK = true
		change(r)
		return r
	}
	nothing := func(*authz.Request) {}
	d.expect(ask(nothing), authz.FundsShort) // the program does not
	d.agree(authz.Terms{PartApproval: true})
	d.expect(ask(func(r *authz.Request) { r.PartialOK = false }), authz.FundsShort)
	d.expect(ask(func(r *authz.Request) { r.Transaction = authz.Cash }), authz.FundsShort)
	d.expect(ask(func(r *authz.Request) { r.Phase = authz.PhaseEstimated }), authz.FundsShort)

	back := ask(func(r *authz.Request) { r.Transaction, r.Cash = authz.Cashback, 50_00 })
	got := d.expect(back, authz.ApprovedPart)
	if got.ApprovedTransaction != 70_00 || got.Amount != 70_00 || got.ApprovalCode == "" {
		t.Errorf("of 12000 with 5000 in cash %d is approved, want the goods alone", got.ApprovedTransaction)
	}
	undo := d.Undo(back)
	d.expect(undo, authz.ReversalAccepted)

	r := ask(nothing)
	if got = d.expect(r, authz.ApprovedPart); got.ApprovedTransaction != 100_00 || got.Amount != 100_00 {
		t.Errorf("%d is approved, want all that there is", got.ApprovedTransaction)
	}
	d.left(0, 50_00)
	again := *r
	again.Repeat = true
	if got = d.expect(&again, authz.ApprovedPart); got.ApprovedTransaction != 100_00 || !got.Repeated {
		t.Errorf("the repeat is told %d, want the same part", got.ApprovedTransaction)
	}
	d.expect(ask(nothing), authz.DepositShort) // a part of nothing
}

func TestPartIsRoundedDown(t *testing.T) {
	d := newDesk(t)
	d.agree(authz.Terms{PartApproval: true})
	r := d.Request(d.Alice, authz.Authorization, 0)
	r.PartialOK = true
	r.Amount = money.Amount{Minor: 30_000, Currency: alpha(t, "JPY")}
	r.Billing = money.Amount{Minor: 180_01, Currency: storetest.EUR(t)}
	got := d.expect(r, authz.ApprovedPart)
	if got.Amount != 100_00 || got.ApprovedTransaction != 100_00*30_000/180_01 {
		t.Errorf("%d JPY for %d, want %d", got.ApprovedTransaction, got.Amount, 100_00*30_000/180_01)
	}
}

func TestPumpHoldsWhatTheProgramHas(t *testing.T) {
	d := newDesk(t)
	d.agree(authz.Terms{PumpHold: 75_00, PartApproval: true})
	check := func(minor int64) *authz.Request {
		r := d.Request(d.Alice, authz.Authorization, minor)
		r.Trace.MCC = "5542"
		return r
	}
	r := check(1_00)
	if got := d.expect(r, authz.Approved); got.Amount != 75_00 || got.ApprovedTransaction != 1_00 {
		t.Errorf("held %d and approved %d, want 7500 and what was asked", got.Amount, got.ApprovedTransaction)
	}
	d.left(25_00, 75_00)
	second := check(1_00)
	second.PartialOK = true
	if got := d.expect(second, authz.ApprovedPart); got.Amount != 25_00 || got.ApprovedTransaction != 25_00 {
		t.Errorf("held %d and approved %d, want what there is", got.Amount, got.ApprovedTransaction)
	}
	d.expect(d.Undo(second), authz.ReversalAccepted)
	advice := check(37_20)
	advice.Kind, advice.StoodIn, advice.Trace.RRN = authz.AuthorizationAdvice, true, r.Trace.RRN
	d.expect(advice, authz.AdviceAccepted)
	d.left(100_00-37_20, 150_00-37_20)
	d.expect(check(1_01), authz.Approved)
	d.left(100_00-37_20-1_01, 150_00-37_20-1_01)
}

// At a pump nothing is asked for and the fill to come is meant; anywhere else, and where the program has no amount for
// it, nothing is a question about the card. Only an authorization holds: what is posted at once is what it says.
func TestPumpIsAskedForNothing(t *testing.T) {
	d := newDesk(t)
	check := func(minor int64, mcc string) *authz.Request {
		r := d.Request(d.Alice, authz.Authorization, minor)
		r.Trace.MCC = mcc
		if minor == 0 {
			r.Transaction = authz.Verification // as an amount of nothing is read
		}
		return r
	}
	d.expect(check(0, "5542"), authz.NoReasonToRefuse)
	d.agree(authz.Terms{PumpHold: 75_00, PartApproval: true})
	d.expect(check(0, "5999"), authz.NoReasonToRefuse)
	foreign := check(0, "5542")
	foreign.Amount.Currency = alpha(t, "JPY")
	d.expect(foreign, authz.NoReasonToRefuse)
	at := check(1_00, "5542")
	at.Kind = authz.Financial
	d.expect(at, authz.Approved)
	d.left(99_00, 149_00)
	r := check(0, "5542")
	if got := d.expect(r, authz.Approved); got.Amount != 75_00 || got.ApprovedTransaction != 0 {
		t.Errorf("held %d and approved %d, want 7500 and what was asked", got.Amount, got.ApprovedTransaction)
	}
	d.left(24_00, 74_00)
	d.expect(check(0, "5542"), authz.DepositShort)
	second := check(0, "5542")
	second.PartialOK = true
	if got := d.expect(second, authz.ApprovedPart); got.Amount != 24_00 || got.ApprovedTransaction != 24_00 {
		t.Errorf("held %d and approved %d, want what there is", got.Amount, got.ApprovedTransaction)
	}
	d.expect(d.Undo(second), authz.ReversalAccepted)
	undo := d.Undo(r)
	undo.Partial, undo.Final = true, 37_20
	d.expect(undo, authz.ReversalAccepted)
	d.left(99_00-37_20, 149_00-37_20)
}

func TestOwnRatesWithMarkUp(t *testing.T) {
	d := newDesk(t)
	ask := func() *authz.Request {
		r := d.Request(d.Alice, authz.Authorization, 0)
		r.Amount = money.Amount{Minor: 1_000, Currency: alpha(t, "JPY")}
		return r
	}
	rate := authz.Rate{From: alpha(t, "JPY"), To: storetest.EUR(t), Rate: "70062500"} // 0.00625
	d.agree(authz.Terms{}, rate)
	d.expect(ask(), authz.CurrencyRefused) // the program does not convert
	d.agree(authz.Terms{OwnRates: true, MarkUp: 2_50})
	r := ask()
	if got := d.expect(r, authz.Approved); got.Amount != 6_41 || got.ApprovedTransaction != 1_000 { // 6.40625, half up
		t.Errorf("held %d, want 641", got.Amount)
	}
	again := *r
	d.expect(&again, authz.Approved)
	d.left(100_00-6_41, 150_00-6_41)
}

func TestClearingIsFoundByTheCodeThatWeGave(t *testing.T) {
	d := newDesk(t)
	var codes []string
	for range 3 {
		r := d.Request(d.Alice, authz.Authorization, 10_00)
		codes = append(codes, d.expect(r, authz.Approved).ApprovalCode)
		d.advance(time.Second)
	}
	if codes[0] == codes[1] || codes[1] == codes[2] {
		t.Errorf("codes repeat: %v", codes)
	}
	c := d.Request(d.Alice, authz.FinancialAdvice, 10_00)
	c.StoodIn = true
	c.Trace.Terminal, c.ApprovalCode = "OTHER", codes[1]
	d.expect(c, authz.AdviceAccepted)
	d.left(70_00, 120_00) // posted for the hold that it ended
	c = d.Request(d.Alice, authz.FinancialAdvice, 10_00)
	c.StoodIn = true
	c.Trace.Terminal, c.ApprovalCode = "OTHER", "ZZZZZZ"
	d.expect(c, authz.AdviceAccepted)
	d.left(60_00, 110_00)
}

func TestIncrementIsDecidedOnTheWholeLife(t *testing.T) {
	d := newDesk(t)
	r := d.Request(d.Alice, authz.Authorization, 60_00)
	r.Phase = authz.PhaseEstimated
	d.expect(r, authz.Approved)
	more := func(phase authz.Phase, minor int64) *authz.Request {
		m := d.Request(d.Alice, authz.Authorization, minor)
		m.Phase, m.Trace.RRN = phase, r.Trace.RRN
		return m
	}
	if got := d.expect(more(authz.PhaseReplacement, 90_00), authz.Approved); got.ApprovalCode == "" {
		t.Error("a replacement has no approval code")
	}
	d.left(10_00, 60_00)
	if got := d.expect(more(authz.PhaseIncremental, 10_01), authz.FundsShort); got.ApprovalCode != "" || got.Amount != 0 {
		t.Errorf("declined with %+v", got)
	}
	d.expect(more(authz.PhaseIncremental, 10_00), authz.Approved)
	d.left(0, 50_00)
}

func TestRequestAfterItsAdviceNeedsNoMoreFunds(t *testing.T) {
	d := newDesk(t)
	q := d.Request(d.Alice, authz.Authorization, 80_00)
	a := d.Request(d.Alice, authz.AuthorizationAdvice, 80_00)
	a.Trace.RRN, a.StoodIn, a.ApprovalCode = q.Trace.RRN, true, "STAND1"
	d.expect(a, authz.AdviceAccepted)
	if got := d.expect(q, authz.Approved); got.ApprovalCode != "STAND1" {
		t.Errorf("the code is %q, want the network's", got.ApprovalCode)
	}
	d.left(20_00, 70_00)
}

func TestHoldsEndWithTheirTime(t *testing.T) {
	d := newDesk(t)
	d.expect(d.Request(d.Alice, authz.Authorization, 30_00), authz.Approved)
	estimated := d.Request(d.Alice, authz.Authorization, 20_00)
	estimated.Phase = authz.PhaseEstimated
	d.expect(estimated, authz.Approved)
	for _, step := range []struct {
		after time.Duration
		ended int
		left  int64
	}{{7 * 24 * time.Hour, 0, 50_00}, {7*24*time.Hour + time.Minute, 1, 80_00}, {30*24*time.Hour + time.Minute, 1, 100_00}} {
		ended, err := d.a.ExpireHolds(t.Context(), storetest.Epoch.Add(step.after))
		if err != nil || ended != step.ended {
			t.Errorf("after %v %d ended, %v; want %d", step.after, ended, err, step.ended)
		}
		d.left(step.left, step.left+50_00)
	}
	d.expect(d.Request(d.Alice, authz.Authorization, 100_00), authz.Approved) // the cache has learned it
}

func TestCreditsComeToCardsThatAreLockedForAWhile(t *testing.T) {
	d := newDesk(t)
	refund := func() *authz.Request {
		r := d.Request(d.Alice, authz.Financial, 5_00)
		r.Transaction = authz.Refund
		return r
	}
	d.Lock(d.Alice.Card, authz.LockQuery)
	d.expect(refund(), authz.Approved)
	d.left(105_00, 155_00)
	d.Lock(d.Alice.Card, authz.LockStolen)
	d.expect(refund(), authz.LockedStolen)
	c := d.Request(d.Alice, authz.FinancialAdvice, 3_00)
	c.StoodIn = true
	d.expect(c, authz.AdviceAccepted) // what is cleared is posted whatever the card is
	d.left(102_00, 152_00)
}
