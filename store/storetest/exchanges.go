package storetest

import (
	"testing"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/store/records"
)

// exchanges are the rules of who bears it that a network bills a clearing at another rate than its authorization.
var exchanges = []rule{
	{"a difference of exchange goes to COMPANY", exchange},
	{"a difference of exchange stays with the user without COMPANY", exchangeAlone},
	{"a difference of exchange stays with the user where the program says so", exchangeToUser},
}

// inDollars makes a request of 100.00 USD that the network bills in cents of euro.
func (b *bench) inDollars(r *authz.Request, billed int64) *authz.Request {
	b.t.Helper()
	usd, err := money.ByAlpha("USD")
	if err != nil {
		b.t.Fatal(err)
	}
	r.Billing = money.Amount{Minor: billed, Currency: r.Amount.Currency}
	r.Amount = money.Amount{Minor: 100_00, Currency: usd}
	return r
}

func (b *bench) exchanged(billed int64, toUser bool) {
	b.t.Helper()
	r := b.inDollars(b.Request(b.Alice, authz.Authorization, 1), 50_00)
	b.decided(b.entry(b.Alice, r, authz.Approved), authz.Committed, authz.Approved)
	c := b.inDollars(b.Request(b.Alice, authz.FinancialAdvice, 1), billed)
	c.StoodIn = true
	c.Trace.RRN = r.Trace.RRN
	e := b.entry(b.Alice, c, authz.AdviceAccepted)
	e.FXToUser = toUser
	b.decided(e, authz.Committed, authz.AdviceAccepted)
}

// company opens the partner's COMPANY balance with 10.00 on it.
func (b *bench) company() (company authz.BalanceID) {
	t, ctx := b.t, b.t.Context()
	t.Helper()
	if err := b.Store.Update(ctx, func(q records.Querier) (err error) {
		if company, err = records.CreatePartnerBalance(ctx, q, b.Alice.Partner, "COMPANY", EUR(t), Epoch); err != nil {
			return err
		}
		return records.Fund(ctx, q, company, 10_00, "RELOAD", Epoch)
	}); err != nil {
		t.Fatal(err)
	}
	return company
}

func exchange(_ *testing.T, b *bench) {
	company := b.company()
	b.exchanged(51_25, false)
	b.books(50_00, 0)
	b.balance(company, 8_75, 0)
	b.balance(b.Deposit, DepositFunds-50_00, 0)
	b.exchanged(49_00, false)
	b.books(0, 0)
	b.balance(company, 9_75, 0)
	b.cases()
}

func exchangeAlone(_ *testing.T, b *bench) {
	b.exchanged(51_25, false)
	b.books(48_75, 0)
}

func exchangeToUser(_ *testing.T, b *bench) {
	company := b.company()
	b.exchanged(51_25, true)
	b.books(48_75, 0)
	b.balance(company, 10_00, 0)
}
