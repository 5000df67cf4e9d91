package litestore

import "holdfast/store/arbiter"

// Post implements [arbiter.Writes].
func (a tables) Post(p arbiter.Posting) error {
	return a.exec(`INSERT INTO postings (group_id, line, partner_id, account, balance_id, currency, amount, kind,
 authorization_id, posted_at) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)`, func(b *binder) {
		b.int(int64(p.Group), int64(p.Line), int64(p.Partner))
		b.text(p.Account)
		b.int(int64(p.Balance), numeric(p.Currency), p.Amount)
		b.text(p.Kind)
		b.int(int64(p.Of), p.At.UnixMicro())
	})
}
