package litestore

import (
	"time"

	"zombiezen.com/go/sqlite"

	"holdfast/authz"
	"holdfast/store/arbiter"
)

// tables is the writer's connection as the arbiter sees it.
type tables struct{ c *sqlite.Conn }

var _ arbiter.Tables = tables{}

const insertRow = `INSERT INTO authorizations (id, partner_id, card_id, stan, dup, balance_id, deposit_id,
 peer, kind, tran, amount, currency, billing_amount, billing_currency, placed, held, given, original_id,
 state, reason, answered, approval, passed, user_before, deposit_before, card_version, rrn, acquirer,
 forwarder, terminal, merchant, transmitted, local, processing, mcc, entry_mode, bin, last4, received_at)
VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?15,?16,?17,?18,?19,?19,?20,?21,?22,?23,?24,
 ?25,?26,?27,?28,?29,?30,?31,?32,?33,?34,?35,?36,?37)
ON CONFLICT (dup) DO NOTHING`

// Insert implements [arbiter.Writes].
func (a tables) Insert(r *arbiter.Row) (bool, error) {
	s, err := a.c.Prepare(insertRow)
	if err != nil {
		return false, err
	}
	e, q, t, d := r.Entry, r.Entry.Request, &r.Entry.Request.Trace, &r.Entry.Decision
	b := binder{s: s}
	b.int(int64(q.ID))
	var card authz.Card
	if e.Card != nil {
		card = *e.Card
	}
	b.int(int64(card.Partner), int64(card.ID))
	b.text(t.STAN)
	b.blob(q.Dup[:])
	b.int(int64(card.Balance), int64(card.Deposit))
	b.text(q.Peer)
	b.int(int64(q.Kind), int64(q.Transaction), q.Amount.Minor, numeric(q.Amount.Currency),
		q.Billing.Minor, numeric(q.Billing.Currency), r.Placed, r.Given, int64(r.Original), int64(r.State),
		int64(d.Reason))
	b.text(d.ApprovalCode)
	b.int(int64(d.Passed))
	b.maybe(d.Known, d.UserBefore)
	b.maybe(d.Known && card.Deposit != 0, d.DepositBefore)
	b.int(card.Version)
	b.text(t.RRN, t.Acquirer, t.Forwarder, t.Terminal, t.Merchant, t.Transmitted, t.Local, t.ProcessingCode,
		t.MCC, t.EntryMode, q.PAN.BIN(6), q.PAN.Last4())
	b.int(q.ReceivedAt.UnixMicro())
	if err := run(s); err != nil {
		return false, err
	}
	return a.c.Changes() > 0, nil
}

const readRow = `SELECT id, kind, peer, stan, rrn, acquirer, forwarder, terminal, transmitted, local,
 processing, amount, placed, held, state, received_at, balance_id, deposit_id, partner_id, answered,
 approval, passed, user_before, deposit_before, original_id, card_id, currency FROM authorizations `

func scanRow(s *sqlite.Stmt) arbiter.Stored {
	return arbiter.Stored{
		Record: authz.Record{
			ID: authz.ID(s.ColumnInt64(0)), Kind: authz.Kind(s.ColumnInt64(1)), Peer: s.ColumnText(2),
			Trace: authz.Trace{STAN: s.ColumnText(3), RRN: s.ColumnText(4), Acquirer: s.ColumnText(5),
				Forwarder: s.ColumnText(6), Terminal: s.ColumnText(7), Transmitted: s.ColumnText(8),
				Local: s.ColumnText(9), ProcessingCode: s.ColumnText(10)},
			Amount: s.ColumnInt64(11), Currency: currency(s.ColumnInt64(26)), Placed: s.ColumnInt64(12), Held: s.ColumnInt64(13),
			State: authz.State(s.ColumnInt64(14)), ReceivedAt: time.UnixMicro(s.ColumnInt64(15)),
		},
		Balance: authz.BalanceID(s.ColumnInt64(16)), Deposit: authz.BalanceID(s.ColumnInt64(17)),
		Partner: authz.PartnerID(s.ColumnInt64(18)), Answered: authz.Reason(s.ColumnInt64(19)),
		Approval: s.ColumnText(20), Passed: int(s.ColumnInt64(21)), UserBefore: s.ColumnInt64(22),
		DepositBefore: s.ColumnInt64(23), Known: s.ColumnType(22) != sqlite.TypeNull,
		Original: authz.ID(s.ColumnInt64(24)), Card: authz.CardID(s.ColumnInt64(25)),
	}
}

func (a tables) rows(sql string, bind func(*binder)) ([]arbiter.Stored, error) {
	s, err := a.c.Prepare(readRow + sql)
	if err != nil {
		return nil, err
	}
	b := binder{s: s}
	bind(&b)
	var found []arbiter.Stored
	for {
		more, err := s.Step()
		if err != nil || !more {
			if e := s.Reset(); err == nil {
				err = e
			}
			return found, err
		}
		found = append(found, scanRow(s))
	}
}

// BySTAN implements [arbiter.Reads].
func (a tables) BySTAN(card authz.CardID, stan string) ([]arbiter.Stored, error) {
	return a.rows("WHERE stan = ?2 AND card_id = ?1 ORDER BY id DESC LIMIT ?3", func(b *binder) {
		b.int(int64(card))
		b.text(stan)
		b.int(arbiter.RowsMax)
	})
}

// ByRRN implements [arbiter.Reads].
func (a tables) ByRRN(card authz.CardID, rrn string, since time.Time) ([]arbiter.Stored, error) {
	return a.rows("WHERE rrn = ?2 AND card_id = ?1 AND received_at > ?3 ORDER BY id DESC LIMIT ?4",
		func(b *binder) {
			b.int(int64(card))
			b.text(rrn)
			b.int(since.UnixMicro(), arbiter.RowsMax)
		})
}

// ByKey implements [arbiter.Reads].
func (a tables) ByKey(key authz.DupKey) (*arbiter.Stored, error) {
	rows, err := a.rows("WHERE dup = ?1", func(b *binder) { b.blob(key[:]) })
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

// Shrink implements [arbiter.Writes].
func (a tables) Shrink(id authz.ID, u authz.Undone) error {
	return a.exec("UPDATE authorizations SET held = held - ?1, state = ?2 WHERE id = ?3", func(b *binder) {
		b.int(u.Give, int64(u.State), int64(id))
	})
}

// AnswerLate implements [arbiter.Writes].
func (a tables) AnswerLate(id authz.ID, voided int64) error {
	return a.exec("UPDATE authorizations SET answered = ?1, voided = ?2, approval = '' WHERE id = ?3",
		func(b *binder) { b.int(int64(authz.DecisionLate), voided, int64(id)) })
}

// Tell implements [arbiter.Writes].
func (a tables) Tell(id authz.ID) error {
	return a.exec("INSERT INTO told (id) VALUES (?1) ON CONFLICT (id) DO NOTHING", func(b *binder) { b.int(int64(id)) })
}

// Told implements [arbiter.Reads].
func (a tables) Told(id authz.ID) (bool, error) {
	s, err := a.c.Prepare("SELECT 1 FROM told WHERE id = ?1")
	if err != nil {
		return false, err
	}
	s.BindInt64(1, int64(id))
	there, err := s.Step()
	if err != nil {
		return false, err
	}
	return there, s.Reset()
}

func (a tables) exec(sql string, bind func(*binder)) error {
	s, err := a.c.Prepare(sql)
	if err != nil {
		return err
	}
	b := binder{s: s}
	bind(&b)
	return run(s)
}
