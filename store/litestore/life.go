package litestore

import (
	"context"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/store/arbiter"
)

// step writes what the row has as a member of a life.
func (a tables) step(id authz.ID, card authz.CardID, r *arbiter.Row) error {
	s := r.Step
	if s == nil {
		return nil
	}
	for _, clue := range r.Clues {
		if err := a.exec("INSERT INTO clues (card_id, clue, authorization_id, received_at) VALUES (?1, ?2, ?3, ?4)", func(b *binder) {
			b.int(int64(card))
			b.text(clue)
			b.int(int64(id), r.Entry.Request.ReceivedAt.UnixMicro())
		}); err != nil {
			return err
		}
	}
	return a.exec(`INSERT INTO steps (authorization_id, life_id, card_id, original_kind, original_stan, original_transmitted,
 original_local, original_acquirer, original_forwarder, stood_in, partial, final, final_billing, returned, part, parts,
 company, fx_to_user, percent, at_least)
VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20)`, func(b *binder) {
		o := &s.Original
		b.int(int64(id), int64(s.Life), int64(card), int64(o.Kind))
		b.text(o.STAN, o.Transmitted, o.Local, o.Acquirer, o.Forwarder)
		b.bool(s.StoodIn, s.Partial)
		b.int(s.Final, s.FinalBilling, s.Returned, int64(s.Part), int64(s.Parts), s.Company)
		b.bool(s.FXToUser)
		b.int(s.Percent, s.AtLeast)
	})
}

func (b *binder) bool(values ...bool) {
	for _, v := range values {
		if v {
			b.int(1)
		} else {
			b.int(0)
		}
	}
}

// ByNetworkID implements [arbiter.Reads].
func (a tables) ByNetworkID(card authz.CardID, id string, since time.Time) ([]arbiter.Stored, error) {
	return a.rows(`WHERE a.network_id = likely(?2) AND a.network_id <> '' AND a.card_id = likely(?1) AND a.received_at > ?3
 ORDER BY a.id DESC`+limit, func(b *binder) {
		b.int(int64(card))
		b.text(id)
		b.int(since.UnixMicro())
	})
}

// ByID implements [arbiter.Reads].
func (a tables) ByID(card authz.CardID, from, to authz.ID) ([]arbiter.Stored, error) {
	return a.rows("WHERE a.id >= ?2 AND a.id < ?3 AND a.card_id = likely(?1) ORDER BY a.id DESC"+limit, func(b *binder) {
		b.int(int64(card), int64(from), int64(to))
	})
}

// Steps implements [arbiter.Reads].
func (a tables) Steps(card authz.CardID, clues []string, since time.Time) ([]arbiter.Stored, error) {
	return a.rows(`WHERE a.id IN (SELECT authorization_id FROM clues WHERE card_id = likely(?1) AND received_at > ?2
 AND clue IN (likely(?3), likely(?4), likely(?5), likely(?6))) AND s.card_id = likely(?1) ORDER BY a.id DESC`+limit, func(b *binder) {
		b.int(int64(card), since.UnixMicro())
		var few [authz.CluesMax]string
		copy(few[:], clues)
		b.text(few[:]...)
	})
}

// Life implements [arbiter.Reads].
func (a tables) Life(life authz.ID) ([]arbiter.Stored, error) {
	return a.rows("WHERE a.id IN (SELECT authorization_id FROM steps WHERE life_id = likely(?1) UNION SELECT ?1)"+limit,
		func(b *binder) { b.int(int64(life)) })
}

// Company implements [arbiter.Reads].
func (a tables) Company(partner authz.PartnerID, c money.Currency) (id authz.BalanceID, err error) {
	err = a.each("SELECT id FROM balances WHERE partner_id = ?1 AND user_id IS NULL AND kind = 'COMPANY' AND currency = ?2",
		func(b *binder) { b.int(int64(partner), numeric(c)) },
		func(s *sqlite.Stmt) { id = authz.BalanceID(s.ColumnInt64(0)) })
	return id, err
}

// each runs a statement and calls f for each of its rows.
func (a tables) each(sql string, bind func(*binder), f func(*sqlite.Stmt)) error {
	s, err := a.c.Prepare(sql)
	if err != nil {
		return err
	}
	bind(&binder{s: s})
	for {
		more, err := s.Step()
		if err != nil || !more {
			return errOr(err, s.Reset())
		}
		f(s)
	}
}

// Change implements [arbiter.Writes].
func (a tables) Change(id authz.ID, c arbiter.Change) error {
	if err := a.exec("UPDATE authorizations SET held = ?1, state = ?2, expires_at = ?3, used = ?4 WHERE id = ?5", func(b *binder) {
		b.int(c.Held, int64(c.State), c.Expires, c.Used, int64(id))
	}); err != nil {
		return err
	}
	return a.exec("UPDATE steps SET company = ?1 WHERE authorization_id = ?2 AND company <> ?1", func(b *binder) {
		b.int(c.Company, int64(id))
	})
}

// Release implements [arbiter.Writes].
func (a tables) Release(r arbiter.Release) error {
	return a.exec(`INSERT INTO releases (of_id, by_id, why, amount) VALUES (?1,?2,?3,?4)
ON CONFLICT (of_id, by_id, why) DO UPDATE SET amount = amount + excluded.amount`, func(b *binder) {
		b.int(int64(r.Of), int64(r.By), int64(r.Why), r.Amount)
	})
}

// Join implements [arbiter.Writes]. A life whose first row has no step gets none: it is named by that row.
func (a tables) Join(from, into authz.ID) error {
	return a.exec("UPDATE steps SET life_id = ?1 WHERE life_id = ?2", func(b *binder) { b.int(int64(into), int64(from)) })
}

// Raise implements [arbiter.Writes].
func (a tables) Raise(x arbiter.Exception) error {
	return a.exec(`INSERT INTO exceptions (authorization_id, kind, partner_id, what, raised_at) VALUES (?1,?2,?3,?4,?5)
ON CONFLICT (authorization_id, kind) DO UPDATE SET state = 'OPEN', what = excluded.what WHERE state = 'WITHDRAWN'`,
		func(b *binder) {
			b.int(int64(x.Row), int64(x.Case), int64(x.Partner))
			b.text(x.What)
			b.int(x.At.UnixMicro())
		})
}

// Withdraw implements [arbiter.Writes].
func (a tables) Withdraw(row authz.ID, cases int64) error {
	return a.exec("UPDATE exceptions SET state = 'WITHDRAWN' WHERE authorization_id = ?1 AND state = 'OPEN' AND (1 << kind) & ?2 <> 0",
		func(b *binder) { b.int(int64(row), cases) })
}

// Due implements [authz.Journal].
func (s *Store) Due(ctx context.Context, now time.Time, most int) ([]authz.Due, error) {
	var due []authz.Due
	err := s.snapshot(ctx, func(c *sqlite.Conn) error {
		return tables{c}.each(`SELECT a.id, a.expires_at, a.card_id, a.partner_id, a.balance_id, a.deposit_id, c.currency
FROM authorizations a JOIN cards c ON c.id = a.card_id WHERE a.expires_at > 0 AND a.expires_at <= ?1 ORDER BY a.expires_at LIMIT ?2`,
			func(b *binder) { b.int(now.UnixMicro(), int64(most)) },
			func(s *sqlite.Stmt) {
				due = append(due, authz.Due{Row: authz.ID(s.ColumnInt64(0)), At: time.UnixMicro(s.ColumnInt64(1)),
					Card: authz.Card{ID: authz.CardID(s.ColumnInt64(2)), Partner: authz.PartnerID(s.ColumnInt64(3)),
						Balance: authz.BalanceID(s.ColumnInt64(4)), Deposit: authz.BalanceID(s.ColumnInt64(5)),
						Currency: currency(s.ColumnInt64(6))}})
			})
	})
	if err != nil {
		return nil, unavailable(fmt.Errorf("find expired holds: %w", err))
	}
	return due, nil
}

// Owed implements [authz.Journal].
func (s *Store) Owed(ctx context.Context, rows []authz.ID) (owed []authz.Owed, err error) {
	err = s.snapshot(ctx, func(c *sqlite.Conn) error {
		for _, row := range rows {
			err := tables{c}.each(`SELECT a.dup, a.answered, a.card_id, a.partner_id, a.balance_id, a.deposit_id, c.currency
FROM authorizations a JOIN cards c ON c.id = a.card_id WHERE a.id IN (SELECT ?1 UNION SELECT id FROM told WHERE teller = ?1)`,
				func(b *binder) { b.int(int64(row)) },
				func(s *sqlite.Stmt) {
					o := authz.Owed{Row: row, Answered: authz.Reason(s.ColumnInt64(1)), Card: authz.Card{
						ID: authz.CardID(s.ColumnInt64(2)), Partner: authz.PartnerID(s.ColumnInt64(3)),
						Balance: authz.BalanceID(s.ColumnInt64(4)), Deposit: authz.BalanceID(s.ColumnInt64(5)),
						Currency: currency(s.ColumnInt64(6))}}
					s.ColumnBytes(0, o.Dup[:])
					owed = append(owed, o)
				})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, unavailable(fmt.Errorf("find rows to be undone: %w", err))
	}
	return owed, nil
}
