package arbiter

import (
	"holdfast/authz"
	"holdfast/authz/money"
)

// spend is what a row costs the balances behind it; below zero it gives back.
type spend struct {
	user, company int64
}

// capture takes what a plain request posts from the ledgers at once, or gives it: a credit.
func (a *Arbiter) capture(e *authz.Entry, amount int64) error {
	if e.Request.Transaction.Credit() {
		amount = -amount
	}
	c := e.Card
	if err := a.move(c.Balance, c.Deposit, -amount, 0, amount < 0); err != nil {
		return err
	}
	g := group{a: a, e: e, id: e.Decision.ID}
	return g.post(&purse{c.Partner, c.Balance, c.Deposit, 0, c.Currency}, spend{user: amount}, "CAPTURE", e.Decision.ID)
}

// purse are the balances that a posting touches, and its currency.
type purse struct {
	partner                authz.PartnerID
	user, deposit, company authz.BalanceID
	currency               money.Currency
}

// group is the lines of one entry.
type group struct {
	a    *Arbiter
	e    *authz.Entry
	id   authz.ID
	line int
}

// post writes what a row costs. The user spends; the partner's deposit settles with the network, or in a program
// without one the user's money itself does. What COMPANY bears settles too.
func (g *group) post(b *purse, s spend, kind string, of authz.ID) error {
	type line struct {
		account string
		balance authz.BalanceID
		amount  int64
	}
	lines := []line{{"BALANCE", b.user, -s.user}, {"SETTLEMENT", 0, s.user}}
	if b.deposit != 0 {
		lines = []line{{"BALANCE", b.user, -s.user}, {"SPENDING", 0, s.user},
			{"BALANCE", b.deposit, -s.user}, {"SETTLEMENT", 0, s.user}}
	}
	lines = append(lines, line{"BALANCE", b.company, -s.company}, line{"SETTLEMENT", 0, s.company})
	for _, l := range lines {
		if l.amount == 0 {
			continue
		}
		g.line++
		if err := g.a.t.Post(Posting{Group: g.id, Line: g.line, Partner: b.partner, Account: l.account, Balance: l.balance,
			Currency: b.currency, Amount: l.amount, Kind: kind, Of: of, At: g.e.Request.ReceivedAt}); err != nil {
			return err
		}
	}
	return nil
}
