package pgstore

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/store/arbiter"
)

// step writes what a row has as a member of a life. Lives are rare beside plain authorizations, so they cost a
// statement each.
func (t *tables) step(r *arbiter.Row) error {
	s := r.Step
	if s == nil {
		return nil
	}
	o, card := &s.Original, authz.CardID(0)
	if r.Entry.Card != nil {
		card = r.Entry.Card.ID
	}
	if len(r.Clues) > 0 {
		if err := t.exec("INSERT INTO clues (card_id, clue, authorization_id, received_at) SELECT $1, unnest($2::text[]), $3, $4",
			int64(card), cleanAll(r.Clues), int64(r.Entry.Request.ID), r.Entry.Request.ReceivedAt.UnixMicro()); err != nil {
			return err
		}
	}
	return t.exec(`INSERT INTO steps (authorization_id, life_id, card_id, original_kind, original_stan, original_transmitted,
 original_local, original_acquirer, original_forwarder, stood_in, partial, final, final_billing, returned, part, parts,
 company, fx_to_user, percent, at_least)
VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20)`, int64(r.Entry.Request.ID), int64(s.Life),
		int64(card), int64(o.Kind), clean(o.STAN), clean(o.Transmitted), clean(o.Local), clean(o.Acquirer), clean(o.Forwarder),
		bit(s.StoodIn), bit(s.Partial), s.Final, s.FinalBilling, s.Returned, int64(s.Part), int64(s.Parts), s.Company,
		bit(s.FXToUser), s.Percent, s.AtLeast)
}

func bit(set bool) int64 {
	if set {
		return 1
	}
	return 0
}

// ByNetworkID implements [arbiter.Reads].
func (t *tables) ByNetworkID(card authz.CardID, id string, since time.Time) ([]arbiter.Stored, error) {
	return t.rows(`a.network_id = $2 AND a.network_id <> '' AND a.card_id = $1 AND a.received_at > $3
ORDER BY a.id DESC LIMIT $4`, int64(card), clean(id), since.UnixMicro(), int64(arbiter.RowsMax))
}

// ByID implements [arbiter.Reads].
func (t *tables) ByID(card authz.CardID, from, to authz.ID) ([]arbiter.Stored, error) {
	return t.rows("a.id >= $2 AND a.id < $3 AND a.card_id = $1 ORDER BY a.id DESC LIMIT $4", int64(card), int64(from), int64(to),
		int64(arbiter.RowsMax))
}

// Steps implements [arbiter.Reads].
func (t *tables) Steps(card authz.CardID, clues []string, since time.Time) ([]arbiter.Stored, error) {
	return t.rows(`a.id = ANY(ARRAY(SELECT authorization_id FROM clues WHERE card_id = $1 AND clue = ANY($2) AND received_at > $3))
AND s.card_id = $1 ORDER BY a.id DESC LIMIT $4`, int64(card), cleanAll(clues), since.UnixMicro(), int64(arbiter.RowsMax))
}

// Life implements [arbiter.Reads].
func (t *tables) Life(life authz.ID) ([]arbiter.Stored, error) {
	return t.rows("a.id = ANY(ARRAY(SELECT authorization_id FROM steps WHERE life_id = $1 UNION SELECT $1::bigint)) LIMIT $2",
		int64(life), int64(arbiter.RowsMax))
}

// Company implements [arbiter.Reads].
func (t *tables) Company(partner authz.PartnerID, c money.Currency) (id authz.BalanceID, err error) {
	err = t.query("SELECT id FROM balances WHERE partner_id = $1 AND user_id IS NULL AND kind = 'COMPANY' AND currency = $2",
		func(r pgx.Rows) error { return r.Scan(&id) }, int64(partner), numeric(c))
	return id, err
}

// Change implements [arbiter.Writes].
func (t *tables) Change(id authz.ID, c arbiter.Change) error {
	t.forget(id)
	if err := t.exec("UPDATE authorizations SET held = $1, state = $2, expires_at = $3, used = $4 WHERE id = $5", c.Held,
		int64(c.State), c.Expires, c.Used, int64(id)); err != nil {
		return err
	}
	return t.exec("UPDATE steps SET company = $1 WHERE authorization_id = $2 AND company <> $1", c.Company, int64(id))
}

// Release implements [arbiter.Writes].
func (t *tables) Release(r arbiter.Release) error {
	return t.exec(`INSERT INTO releases (of_id, by_id, why, amount) VALUES ($1,$2,$3,$4)
ON CONFLICT (of_id, by_id, why) DO UPDATE SET amount = releases.amount + excluded.amount`, int64(r.Of), int64(r.By), int64(r.Why),
		r.Amount)
}

// Join implements [arbiter.Writes].
func (t *tables) Join(from, into authz.ID) error {
	return t.exec("UPDATE steps SET life_id = $1 WHERE life_id = $2", int64(into), int64(from))
}

// Raise implements [arbiter.Writes].
func (t *tables) Raise(x arbiter.Exception) error {
	return t.exec(`INSERT INTO exceptions (authorization_id, kind, partner_id, what, raised_at) VALUES ($1,$2,$3,$4,$5)
ON CONFLICT (authorization_id, kind) DO UPDATE SET state = 'OPEN', what = excluded.what WHERE exceptions.state = 'WITHDRAWN'`,
		int64(x.Row), int64(x.Case), int64(x.Partner), clean(x.What), x.At.UnixMicro())
}

// Withdraw implements [arbiter.Writes].
func (t *tables) Withdraw(row authz.ID, cases int64) error {
	return t.exec(`UPDATE exceptions SET state = 'WITHDRAWN' WHERE authorization_id = $1 AND state = 'OPEN'
 AND (1::bigint << kind::int) & $2 <> 0`, int64(row), cases)
}

// Due implements [authz.Journal].
func (s *Store) Due(ctx context.Context, now time.Time, most int) (due []authz.Due, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.CommitTimeout)
	defer cancel()
	rows, err := s.lookups.Query(ctx, `SELECT a.id, a.expires_at, a.card_id, a.partner_id, a.balance_id, a.deposit_id, c.currency
FROM authorizations a JOIN cards c ON c.id = a.card_id WHERE a.expires_at > 0 AND a.expires_at <= $1
ORDER BY a.expires_at LIMIT $2`, now.UnixMicro(), int64(most))
	if err != nil {
		return nil, unavailable("find expired holds", err)
	}
	err = each(func(r pgx.Rows) error {
		var d authz.Due
		var at, cur int64
		err := r.Scan(&d.Row, &at, &d.Card.ID, &d.Card.Partner, &d.Card.Balance, &d.Card.Deposit, &cur)
		d.At, d.Card.Currency = time.UnixMicro(at), currency(cur)
		due = append(due, d)
		return err
	})(rows)
	return due, unavailable("find expired holds", err)
}

// Owed implements [authz.Journal].
func (s *Store) Owed(ctx context.Context, ids []authz.ID) (owed []authz.Owed, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.CommitTimeout)
	defer cancel()
	wanted := make([]int64, len(ids))
	for i, id := range ids {
		wanted[i] = int64(id)
	}
	rows, err := s.lookups.Query(ctx, `SELECT w.asked, a.dup, a.answered, a.card_id, a.partner_id, a.balance_id, a.deposit_id, c.currency
FROM (SELECT id AS asked, id FROM unnest($1::bigint[]) AS u (id) UNION SELECT teller, id FROM told WHERE teller = ANY($1)) w
JOIN authorizations a ON a.id = w.id JOIN cards c ON c.id = a.card_id`, wanted)
	if err != nil {
		return nil, unavailable("find rows to be undone", err)
	}
	err = each(func(r pgx.Rows) error {
		var o authz.Owed
		var dup []byte
		var cur int64
		err := r.Scan(&o.Row, &dup, &o.Answered, &o.Card.ID, &o.Card.Partner, &o.Card.Balance, &o.Card.Deposit, &cur)
		copy(o.Dup[:], dup)
		o.Card.Currency = currency(cur)
		owed = append(owed, o)
		return err
	})(rows)
	return owed, unavailable("find rows to be undone", err)
}
