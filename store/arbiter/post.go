package arbiter

import (
	"holdfast/authz"
	"holdfast/authz/money"
)

// posting says which accounts a capture touches.
type posting struct {
	partner       authz.PartnerID
	user, deposit authz.BalanceID
	currency      money.Currency
}

func (s *Stored) posting(c *authz.Card) posting {
	return posting{s.Partner, s.Balance, s.Deposit, c.Currency}
}

// capture takes a financial request's amount from the ledgers at once and posts it.
func (a *Arbiter) capture(e *authz.Entry, amount int64) error {
	c := e.Card
	if err := a.move(c.Balance, c.Deposit, -amount, 0, false); err != nil {
		return err
	}
	return a.post(e, posting{c.Partner, c.Balance, c.Deposit, c.Currency}, amount,
		"CAPTURE", e.Decision.ID, e.Decision.ID)
}

// post writes the group of a capture of a row, or with a negative amount of its undoing. The user spends; the
// partner's deposit settles with the network, or in a program without one the user's money itself does.
func (a *Arbiter) post(e *authz.Entry, p posting, amount int64, kind string, group, of authz.ID) error {
	type line struct {
		account string
		balance authz.BalanceID
		amount  int64
	}
	lines := []line{{"BALANCE", p.user, -amount}, {"SETTLEMENT", 0, amount}}
	if p.deposit != 0 {
		lines = []line{{"BALANCE", p.user, -amount}, {"SPENDING", 0, amount},
			{"BALANCE", p.deposit, -amount}, {"SETTLEMENT", 0, amount}}
	}
	for i, l := range lines {
		if err := a.t.Post(Posting{Group: group, Line: i + 1, Partner: p.partner, Account: l.account, Balance: l.balance,
			Currency: p.currency, Amount: l.amount, Kind: kind, Of: of, At: e.Request.ReceivedAt}); err != nil {
			return err
		}
	}
	return nil
}
