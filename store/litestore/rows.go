package litestore

import (
	"time"

	"zombiezen.com/go/sqlite"

	"holdfast/authz"
)

// row is an authorization row to be written.
type row struct {
	entry    *authz.Entry
	state    authz.State
	placed   int64
	given    int64
	original authz.ID
}

// stored is an authorization row as read.
type stored struct {
	authz.Record
	balance, deposit authz.BalanceID
	partner          authz.PartnerID
	answered         authz.Reason
	approval         string
	passed           int
	userBefore       int64
	depositBefore    int64
	known            bool
	voided           int64
}

const insertRow = `INSERT INTO authorizations (id, partner_id, card_id, stan, dup, balance_id, deposit_id,
 peer, kind, tran, amount, currency, billing_amount, billing_currency, placed, held, given, original_id,
 state, reason, answered, approval, passed, user_before, deposit_before, card_version, rrn, acquirer,
 forwarder, terminal, merchant, transmitted, local, processing, mcc, entry_mode, bin, last4, received_at)
VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?15,?16,?17,?18,?19,?19,?20,?21,?22,?23,?24,
 ?25,?26,?27,?28,?29,?30,?31,?32,?33,?34,?35,?36,?37)
ON CONFLICT (dup) DO NOTHING`

// insert writes the row. When its key is taken, the entry becomes a duplicate of the stored one.
func (a *arbiter) insert(r *row) (bool, error) {
	s, err := a.c.Prepare(insertRow)
	if err != nil {
		return false, err
	}
	e, q, t, d := r.entry, r.entry.Request, &r.entry.Request.Trace, &r.entry.Decision
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
		q.Billing.Minor, numeric(q.Billing.Currency), r.placed, r.given, int64(r.original), int64(r.state),
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
	if a.c.Changes() == 0 {
		_, err := a.stored(e)
		return false, err
	}
	e.Outcome = authz.Committed
	return true, nil
}

const readRow = `SELECT id, kind, peer, stan, rrn, acquirer, forwarder, terminal, transmitted, local,
 processing, amount, placed, held, state, received_at, balance_id, deposit_id, partner_id, answered,
 approval, passed, user_before, deposit_before, voided FROM authorizations `

func scanRow(s *sqlite.Stmt) stored {
	return stored{
		Record: authz.Record{
			ID: authz.ID(s.ColumnInt64(0)), Kind: authz.Kind(s.ColumnInt64(1)), Peer: s.ColumnText(2),
			Trace: authz.Trace{STAN: s.ColumnText(3), RRN: s.ColumnText(4), Acquirer: s.ColumnText(5),
				Forwarder: s.ColumnText(6), Terminal: s.ColumnText(7), Transmitted: s.ColumnText(8),
				Local: s.ColumnText(9), ProcessingCode: s.ColumnText(10)},
			Amount: s.ColumnInt64(11), Placed: s.ColumnInt64(12), Held: s.ColumnInt64(13),
			State: authz.State(s.ColumnInt64(14)), ReceivedAt: time.UnixMicro(s.ColumnInt64(15)),
		},
		balance: authz.BalanceID(s.ColumnInt64(16)), deposit: authz.BalanceID(s.ColumnInt64(17)),
		partner: authz.PartnerID(s.ColumnInt64(18)), answered: authz.Reason(s.ColumnInt64(19)),
		approval: s.ColumnText(20), passed: int(s.ColumnInt64(21)), userBefore: s.ColumnInt64(22),
		depositBefore: s.ColumnInt64(23), known: s.ColumnType(22) != sqlite.TypeNull,
		voided: s.ColumnInt64(24),
	}
}

// rowsMax bounds what one message may make the writer read.
const rowsMax = 200

func (a *arbiter) rows(sql string, bind func(*binder)) ([]stored, error) {
	s, err := a.c.Prepare(readRow + sql)
	if err != nil {
		return nil, err
	}
	b := binder{s: s}
	bind(&b)
	var found []stored
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

func (a *arbiter) rowsBySTAN(card authz.CardID, stan string) ([]stored, error) {
	return a.rows("WHERE stan = ?2 AND card_id = ?1 ORDER BY id DESC LIMIT ?3", func(b *binder) {
		b.int(int64(card))
		b.text(stan)
		b.int(rowsMax)
	})
}

func (a *arbiter) rowsByRRN(card authz.CardID, r *authz.Request) ([]stored, error) {
	if r.Trace.RRN == "" {
		return nil, nil
	}
	return a.rows("WHERE rrn = ?2 AND card_id = ?1 AND received_at > ?3 ORDER BY id DESC LIMIT ?4",
		func(b *binder) {
			b.int(int64(card))
			b.text(r.Trace.RRN)
			b.int(r.ReceivedAt.Add(-authz.MatchWindow).UnixMicro(), rowsMax)
		})
}

// rowByKey finds the row that has the entry's key, or nil.
func (a *arbiter) rowByKey(e *authz.Entry) (*stored, error) {
	rows, err := a.rows("WHERE dup = ?1", func(b *binder) { b.blob(e.Request.Dup[:]) })
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

// stored makes the entry a duplicate when its key is taken: the decision that was answered first counts.
func (a *arbiter) stored(e *authz.Entry) (bool, error) {
	first, err := a.rowByKey(e)
	if err != nil || first == nil {
		return false, err
	}
	e.Outcome = authz.Duplicate
	e.Decision = authz.Decision{ID: first.ID, Reason: first.answered, ApprovalCode: first.approval,
		Amount: first.Placed, Passed: first.passed, UserBefore: first.userBefore,
		DepositBefore: first.depositBefore, Known: first.known}
	if e.Card != nil {
		e.Decision.Currency = e.Card.Currency
	}
	return true, nil
}

// shrink takes what was undone out of the row's hold.
func (a *arbiter) shrink(id authz.ID, u authz.Undone) error {
	return a.exec("UPDATE authorizations SET held = held - ?1, state = ?2 WHERE id = ?3", func(b *binder) {
		b.int(u.Give, int64(u.State), int64(id))
	})
}

// answerLate marks a row whose answer never left: its repeats are told that it came too late.
func (a *arbiter) answerLate(id authz.ID, voided int64) error {
	return a.exec("UPDATE authorizations SET answered = ?1, voided = ?2, approval = '' WHERE id = ?3",
		func(b *binder) { b.int(int64(authz.DecisionLate), voided, int64(id)) })
}

func (a *arbiter) exec(sql string, bind func(*binder)) error {
	s, err := a.c.Prepare(sql)
	if err != nil {
		return err
	}
	b := binder{s: s}
	bind(&b)
	return run(s)
}
