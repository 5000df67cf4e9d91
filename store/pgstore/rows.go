package pgstore

import (
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"holdfast/authz"
	"holdfast/store/arbiter"
)

const readRow = `SELECT id, kind, peer, stan, rrn, acquirer, forwarder, terminal, transmitted, local, processing, amount,
 placed, held, state, received_at, balance_id, deposit_id, partner_id, answered, approval, passed, user_before, deposit_before,
 original_id, card_id, currency, dup FROM authorizations WHERE `

func scanRow(r pgx.Rows) (s arbiter.Stored, dup authz.DupKey, err error) {
	var user, deposit pgtype.Int8
	var received, cur int64
	var key []byte
	t := &s.Trace
	err = r.Scan(&s.ID, &s.Kind, &s.Peer, &t.STAN, &t.RRN, &t.Acquirer, &t.Forwarder, &t.Terminal, &t.Transmitted,
		&t.Local, &t.ProcessingCode, &s.Amount, &s.Placed, &s.Held, &s.State, &received, &s.Balance, &s.Deposit,
		&s.Partner, &s.Answered, &s.Approval, &s.Passed, &user, &deposit, &s.Original, &s.Card, &cur, &key)
	s.ReceivedAt, s.Currency = time.UnixMicro(received), currency(cur)
	s.UserBefore, s.DepositBefore, s.Known = user.Int64, deposit.Int64, user.Valid
	copy(dup[:], key)
	return s, dup, err
}

func (t *tables) rows(where string, args ...any) (found []arbiter.Stored, err error) {
	err = t.query(readRow+where, func(r pgx.Rows) error {
		row, _, err := scanRow(r)
		found = append(found, row)
		return err
	}, args...)
	return found, err
}

// ByKey implements [arbiter.Reads]. That a key is free was read at the beginning. Another node may take it since
// only where no card's balance is locked, and then the insert fails.
func (t *tables) ByKey(key authz.DupKey) (*arbiter.Stored, error) {
	row, there := t.keys[key]
	_, waits := t.waiting[key]
	if row != nil || !there && !waits {
		return row, nil
	}
	rows, err := t.rows("dup = $1", key[:])
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

// BySTAN implements [arbiter.Reads].
func (t *tables) BySTAN(card authz.CardID, stan string) ([]arbiter.Stored, error) {
	return t.rows("stan = $2 AND card_id = $1 ORDER BY id DESC LIMIT $3", int64(card), clean(stan), int64(arbiter.RowsMax))
}

// ByRRN implements [arbiter.Reads].
func (t *tables) ByRRN(card authz.CardID, rrn string, since time.Time) ([]arbiter.Stored, error) {
	return t.rows("rrn = $2 AND card_id = $1 AND received_at > $3 ORDER BY id DESC LIMIT $4",
		int64(card), clean(rrn), since.UnixMicro(), int64(arbiter.RowsMax))
}

// Insert implements [arbiter.Writes].
func (t *tables) Insert(r *arbiter.Row) (bool, error) {
	key := r.Entry.Request.Dup
	if _, there := t.keys[key]; there {
		return false, nil
	}
	if _, waits := t.waiting[key]; waits {
		return false, nil
	}
	t.out.rows.add(r)
	t.waiting[key] = struct{}{}
	return true, nil
}

// Shrink implements [arbiter.Writes].
func (t *tables) Shrink(id authz.ID, u authz.Undone) error {
	t.forget(id)
	return t.exec("UPDATE authorizations SET held = held - $1, state = $2 WHERE id = $3", u.Give, int64(u.State), int64(id))
}

// AnswerLate implements [arbiter.Writes].
func (t *tables) AnswerLate(id authz.ID, voided int64) error {
	t.forget(id)
	return t.exec("UPDATE authorizations SET answered = $1, voided = $2, approval = '' WHERE id = $3",
		int64(authz.DecisionLate), voided, int64(id))
}

// Tell implements [arbiter.Writes].
func (t *tables) Tell(id authz.ID) error {
	return t.exec("INSERT INTO told (id) VALUES ($1) ON CONFLICT (id) DO NOTHING", int64(id))
}

// Told implements [arbiter.Reads].
func (t *tables) Told(id authz.ID) (told bool, err error) {
	err = t.query("SELECT id FROM told WHERE id = $1", func(pgx.Rows) error { told = true; return nil }, int64(id))
	return told, err
}

// forget has a row that is about to change read anew.
func (t *tables) forget(id authz.ID) {
	for key, row := range t.keys {
		if row != nil && row.ID == id {
			t.keys[key] = nil
		}
	}
}

// Bury implements [arbiter.Writes].
func (t *tables) Bury(e *authz.Entry) error {
	q, o := e.Request, &e.Request.Original
	if err := t.exec(`INSERT INTO tombstones (id, card_id, peer, original_kind, stan, transmitted, acquirer, forwarder,
 own_stan, rrn, terminal, own_acquirer, local, received_at) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14)`,
		int64(q.ID), int64(e.Card.ID), clean(q.Peer), int64(o.Kind), clean(o.STAN), clean(o.Transmitted), clean(o.Acquirer),
		clean(o.Forwarder), clean(q.Trace.STAN), clean(q.Trace.RRN), clean(q.Trace.Terminal), clean(q.Trace.Acquirer),
		clean(q.Trace.Local), q.ReceivedAt.UnixMicro()); err != nil {
		return err
	}
	return t.Mark(e.Card.ID, e.Request.ReceivedAt)
}

// Mark implements [arbiter.Writes].
func (t *tables) Mark(card authz.CardID, at time.Time) error {
	c := t.cards[card]
	c.marks++
	t.cards[card] = c
	return t.exec("UPDATE cards SET marked_at = greatest(marked_at, $2) WHERE id = $1", int64(card), at.UnixMicro())
}

// Tombstones implements [arbiter.Reads].
func (t *tables) Tombstones(card authz.CardID) (found []arbiter.Tombstone, err error) {
	err = t.query(`SELECT id, peer, original_kind, stan, transmitted, acquirer, forwarder, own_stan, rrn, terminal,
 own_acquirer, local, received_at FROM tombstones WHERE card_id = $1 ORDER BY id DESC LIMIT $2`,
		func(r pgx.Rows) error {
			var g arbiter.Tombstone
			var received int64
			q := &g.Request
			err := r.Scan(&g.ID, &q.Peer, &q.Original.Kind, &q.Original.STAN, &q.Original.Transmitted, &q.Original.Acquirer,
				&q.Original.Forwarder, &q.Trace.STAN, &q.Trace.RRN, &q.Trace.Terminal, &q.Trace.Acquirer, &q.Trace.Local, &received)
			q.ID, q.Kind, q.ReceivedAt = authz.ID(g.ID), authz.Reversal, time.UnixMicro(received)
			found = append(found, g)
			return err
		}, int64(card), int64(arbiter.RowsMax))
	return found, err
}

// UseTombstone implements [arbiter.Writes].
func (t *tables) UseTombstone(id int64, by authz.ID) error {
	return t.exec("UPDATE tombstones SET used_by = $1 WHERE id = $2 AND used_by = 0", int64(by), id)
}
