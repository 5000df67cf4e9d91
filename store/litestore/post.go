package litestore

import (
	"holdfast/authz"
)

// posting says which accounts a capture touches.
type posting struct {
	partner       authz.PartnerID
	user, deposit authz.BalanceID
	currency      int64
}

func (s *stored) posting(c *authz.Card) posting {
	return posting{s.partner, s.balance, s.deposit, numeric(c.Currency)}
}

// capture takes a financial request's amount from the ledgers at once and posts it.
func (a *arbiter) capture(e *authz.Entry, amount int64) error {
	c := e.Card
	if err := a.move(c.Balance, c.Deposit, -amount, 0, false); err != nil {
		return err
	}
	return a.post(e, posting{c.Partner, c.Balance, c.Deposit, numeric(c.Currency)}, amount,
		"CAPTURE", e.Decision.ID, e.Decision.ID)
}

// post writes the group of a capture of a row, or with a negative amount of its undoing. The user spends; the
// partner's deposit settles with the network, or in a program without one the user's money itself does.
func (a *arbiter) post(e *authz.Entry, p posting, amount int64, kind string, group, of authz.ID) error {
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
		if err := a.exec(`INSERT INTO postings (group_id, line, partner_id, account, balance_id, currency, amount,
 kind, authorization_id, posted_at) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)`, func(b *binder) {
			b.int(int64(group), int64(i+1), int64(p.partner))
			b.text(l.account)
			b.int(int64(l.balance), p.currency, l.amount)
			b.text(kind)
			b.int(int64(of), e.Request.ReceivedAt.UnixMicro())
		}); err != nil {
			return err
		}
	}
	return nil
}
