package authz_test

import (
	"fmt"
	"strings"
	"testing"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/authz/money"
	"holdfast/store/storetest"
)

// facts are those of a purchase of 30.00 by a card that is in order.
func facts(t *testing.T) *authz.Facts {
	euro := storetest.EUR(t)
	return &authz.Facts{Kind: authz.Authorization, Transaction: authz.Purchase, ReceivedAt: storetest.Epoch, Channel: authz.ChannelPOS,
		Amount: money.Amount{Minor: 30_00, Currency: euro}, BIN: "999999", Processing: "000000", EntryMode: "051", STAN: "000001",
		RRN: "600000000001", Card: 7, CardVersion: 3, Expiry: authz.MonthOf(storetest.Epoch) + 12, Currency: euro, Limited: true,
		UserBefore: 80_00, DepositBefore: 90_00, UserKnown: true, DepositKnown: true}
}

// told is a step in one line, as "name: PASSED amount=30.00 EUR".
func told(s authz.Step) string {
	outcome := "FAILED"
	switch {
	case s.Passed && s.Skipped:
		outcome = "CONFUSED"
	case s.Passed:
		outcome = "PASSED"
	case s.Skipped:
		outcome = "SKIPPED"
	}
	for _, in := range s.Inputs {
		outcome += fmt.Sprintf(" %s=%s", in.Name, in.Value)
	}
	return s.Check + ": " + outcome
}

// Goal: what Check says is explained as it was: all before the check that failed passed, nothing after it was reached.
// Method: cards and requests of which one thing each is wrong.
func TestStepsAreThoseThatCheckMade(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		reason authz.Reason
		spoil  func(*authz.Request, *authz.Card)
		want   string
	}{
		{authz.TransactionUnknown, func(r *authz.Request, _ *authz.Card) { r.Transaction = authz.TransactionUnsupported },
			"transaction is served: FAILED transaction=UNSUPPORTED processing code=000000"},
		{authz.CardRemoved, func(_ *authz.Request, c *authz.Card) { c.State = authz.CardRemovedState },
			"card is not removed: FAILED card=7 in version 3"},
		{authz.LockedStolen, func(_ *authz.Request, c *authz.Card) { c.Lock = authz.LockStolen },
			"card is not locked: FAILED card=7 in version 3 transaction=PURCHASE lock=2"},
		{authz.CardExpired, func(r *authz.Request, c *authz.Card) { c.Expiry = authz.MonthOf(r.ReceivedAt) - 1 },
			"card has not expired: FAILED expiry=2026-10 received in=2026-11"},
		{authz.ExpiryMismatch, func(r *authz.Request, _ *authz.Card) { r.ExpiryGiven = true }, "expiry agrees: FAILED expiry=2027-11"},
		{authz.CVV2Wrong, func(r *authz.Request, _ *authz.Card) { r.Proof.CVV2 = keystore.Wrong },
			"CVV2 is the card's: FAILED entry mode=051"},
		{authz.HolderRestricted, func(_ *authz.Request, c *authz.Card) { c.HolderRestricted = true },
			"user and partner may transact: FAILED card=7 in version 3"},
		{authz.CurrencyRefused, func(r *authz.Request, _ *authz.Card) { r.Amount.Currency = money.Currency{} },
			"currency is the balance's: FAILED amount=3000 balance in=EUR"},
		{authz.AmountInvalid, func(r *authz.Request, _ *authz.Card) { r.Amount.Minor = 0 },
			"amount is above zero: FAILED amount=0.00 EUR transaction=PURCHASE"},
	} {
		f := facts(t)
		r := &authz.Request{Transaction: f.Transaction, ReceivedAt: f.ReceivedAt, Amount: f.Amount}
		c := &authz.Card{State: authz.CardActive, Expiry: f.Expiry, Currency: f.Currency}
		test.spoil(r, c)
		f.Transaction, f.Amount, f.Expiry = r.Transaction, r.Amount, c.Expiry
		if f.Reason, f.Passed = authz.Check(r, c); f.Reason != test.reason {
			t.Fatalf("%s, want %s", f.Reason, test.reason)
		}
		failed := 0
		for i, s := range f.Steps() {
			if !s.Passed && !s.Skipped {
				failed++
				if got := told(s); got != test.want || i != f.Passed+1 {
					t.Errorf("step %d is %q, want %q at %d", i, got, test.want, f.Passed+1)
				}
			}
			if s.Skipped != (i > f.Passed+1) || s.Skipped != (s.Inputs == nil) {
				t.Errorf("%s: step %d is %q", f.Reason, i, told(s))
			}
		}
		if failed != 1 {
			t.Errorf("%s: %d steps failed", f.Reason, failed)
		}
	}
}

// passed is how many checks a request passes that has nothing wrong.
func passed(t *testing.T) int {
	f := facts(t)
	_, n := authz.Check(&authz.Request{Transaction: f.Transaction, ReceivedAt: f.ReceivedAt, Amount: f.Amount},
		&authz.Card{State: authz.CardActive, Expiry: f.Expiry, Currency: f.Currency})
	return n
}

// What is decided beside Check is explained as well: the BIN before it, and behind it what the journal knows.
func TestStepsBesideCheck(t *testing.T) {
	t.Parallel()
	all := passed(t)
	const numbers = " STAN=000001 RRN=600000000001"
	limits := "limits allow it: PASSED counts towards limits=yes amount=30.00 EUR channel=POS"
	deposit := "deposit covers it: PASSED amount=30.00 EUR available=90.00 EUR"
	balance := "balance covers it: PASSED amount=30.00 EUR available=80.00 EUR"
	fails := func(s string) string { return strings.Replace(s, "PASSED", "FAILED", 1) }
	skips := func(s string) string { return s[:strings.Index(s, ":")] + ": SKIPPED" }
	fits, first := "a repeat says the same: PASSED"+numbers, "its reversal did not come first: PASSED"+numbers
	for _, test := range []struct {
		reason authz.Reason
		change func(*authz.Facts)
		want   []string // the last ones
	}{
		{authz.Approved, func(*authz.Facts) {}, []string{fits, first, limits, deposit, balance}},
		{authz.ApprovedPart, func(f *authz.Facts) { f.Placed, f.Limited, f.DepositKnown = 20_00, false, false },
			[]string{"limits allow it: PASSED counts towards limits=no amount=30.00 EUR channel=POS", "deposit covers it: PASSED deposit=none",
				"balance covers it: PASSED amount=20.00 EUR available=80.00 EUR"}},
		{authz.FundsShort, func(*authz.Facts) {}, []string{limits, deposit, fails(balance)}},
		{authz.DepositShort, func(*authz.Facts) {}, []string{first, limits, fails(deposit), skips(balance)}},
		{authz.AmountLimit, func(*authz.Facts) {}, []string{first, fails(limits), skips(deposit), skips(balance)}},
		{authz.ReversedBefore, func(*authz.Facts) {}, []string{fits, fails(first), skips(limits), skips(deposit), skips(balance)}},
		{authz.RepeatMismatch, func(*authz.Facts) {}, []string{fails(fits), skips(first), skips(limits), skips(deposit), skips(balance)}},
		// The journal's reason in place of another: the check that failed has failed all the same.
		{authz.RepeatMismatch, func(f *authz.Facts) { f.Passed = all - 2 }, []string{"currency is the balance's: FAILED amount=30.00 EUR balance in=EUR",
			"amount is above zero: SKIPPED", fails(fits), skips(first), skips(limits), skips(deposit), skips(balance)}},
		{authz.NoReasonToRefuse, func(f *authz.Facts) { f.Transaction = authz.Verification },
			[]string{first, skips(limits), skips(deposit), skips(balance)}},
		{authz.Approved, func(f *authz.Facts) { f.Transaction = authz.Refund }, []string{first, skips(limits), skips(deposit), skips(balance)}},
	} {
		f := facts(t)
		f.Reason, f.Passed = test.reason, all
		test.change(f)
		steps := f.Steps()
		if len(steps) != all+6 || told(steps[0]) != "a program has the BIN: PASSED BIN=999999" {
			t.Fatalf("%s has %d steps, want %d, and first %q", f.Reason, len(steps), all+6, told(steps[0]))
		}
		for i, s := range steps[len(steps)-len(test.want):] {
			if got := told(s); got != test.want[i] {
				t.Errorf("%s: %q, want %q", f.Reason, got, test.want[i])
			}
		}
	}
	f := facts(t)
	f.Reason, f.Card = authz.BINUnknown, 0
	for i, s := range f.Steps() {
		if want := i > 0; s.Skipped != want || s.Passed || i == 0 && told(s) != "a program has the BIN: FAILED BIN=999999" {
			t.Errorf("of an unknown BIN step %d is %q", i, told(s))
		}
	}
	f.Reason, f.Passed = authz.CardUnknown, 1
	if got := told(f.Steps()[2]); got != "card is known: FAILED card=unknown" {
		t.Errorf("of an unknown card: %q", got)
	}
}

// What tells is not checked, and a row that only takes a key was not either.
func TestNoStepsOfWhatIsNotChecked(t *testing.T) {
	t.Parallel()
	for kind, reason := range map[authz.Kind]authz.Reason{authz.AuthorizationAdvice: authz.AdviceAccepted, authz.HoldExpiry: authz.AdviceRecorded,
		authz.FinancialAdvice: authz.AdviceRecorded, authz.Reversal: authz.ReversalAccepted, authz.Authorization: authz.DecisionLate} {
		f := facts(t)
		if f.Kind, f.Reason = kind, reason; f.Steps() != nil {
			t.Errorf("%s %s has steps", kind, reason)
		}
	}
	f := facts(t)
	if f.Kind, f.Reason = authz.Financial, authz.CardExpired; f.Steps() == nil {
		t.Error("a financial request has no steps")
	}
}
