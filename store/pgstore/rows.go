package pgstore

import (
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"holdfast/authz"
	"holdfast/store/arbiter"
)

const readRow = `SELECT a.id, a.kind, a.peer, a.stan, a.rrn, a.acquirer, a.forwarder, a.terminal, a.transmitted, a.local,
 a.processing, a.amount, a.placed, a.held, a.state, a.received_at, a.balance_id, a.deposit_id, a.partner_id, a.answered,
 a.approval, a.passed, a.user_before, a.deposit_before, a.card_id, a.currency, a.tran, a.network_id, a.phase, a.flags,
 a.expires_at, a.billing_amount, a.billing_currency, a.reason, a.dup, a.channel, a.used,
 s.authorization_id IS NOT NULL, coalesce(s.life_id, a.id),
 coalesce(s.original_kind, 0), coalesce(s.original_stan, ''), coalesce(s.original_transmitted, ''), coalesce(s.original_local, ''),
 coalesce(s.original_acquirer, ''), coalesce(s.original_forwarder, ''), coalesce(s.stood_in, 0) = 1, coalesce(s.partial, 0) = 1,
 coalesce(s.final, 0), coalesce(s.final_billing, 0), coalesce(s.returned, 0), coalesce(s.part, 0), coalesce(s.parts, 0),
 coalesce(s.company, 0), coalesce(s.fx_to_user, 0) = 1, coalesce(s.percent, 0), coalesce(s.at_least, 0)
FROM authorizations a LEFT JOIN steps s ON s.authorization_id = a.id WHERE `

func scanRow(r pgx.Rows) (s arbiter.Stored, err error) {
	var user, deposit pgtype.Int8
	var received, cur, billing int64
	var key []byte
	t, p, o := &s.Trace, &s.Step, &s.Step.Original
	err = r.Scan(&s.ID, &s.Kind, &s.Peer, &t.STAN, &t.RRN, &t.Acquirer, &t.Forwarder, &t.Terminal, &t.Transmitted,
		&t.Local, &t.ProcessingCode, &s.Amount, &s.Placed, &s.Held, &s.State, &received, &s.Balance, &s.Deposit,
		&s.Partner, &s.Answered, &s.Approval, &s.Passed, &user, &deposit, &s.Card, &cur, &s.Transaction, &s.NetworkID,
		&s.Phase, &s.Flags, &s.Expires, &s.Billing.Minor, &billing, &s.Reason, &key, &s.Channel, &s.Used, &s.HasStep, &p.Life,
		&o.Kind, &o.STAN, &o.Transmitted, &o.Local, &o.Acquirer, &o.Forwarder, &p.StoodIn, &p.Partial,
		&p.Final, &p.FinalBilling, &p.Returned, &p.Part, &p.Parts, &p.Company, &p.FXToUser, &p.Percent, &p.AtLeast)
	s.ReceivedAt, s.Currency, s.Billing.Currency, s.Life = time.UnixMicro(received), currency(cur), currency(billing), p.Life
	s.UserBefore, s.DepositBefore, s.Known = user.Int64, deposit.Int64, user.Valid
	copy(s.Dup[:], key)
	return s, err
}

func (t *tables) rows(where string, args ...any) (found []arbiter.Stored, err error) {
	err = t.query(readRow+where, func(r pgx.Rows) error {
		row, err := scanRow(r)
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
	rows, err := t.rows("a.dup = $1", key[:])
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

// BySTAN implements [arbiter.Reads].
func (t *tables) BySTAN(card authz.CardID, stan string) ([]arbiter.Stored, error) {
	return t.rows("a.stan = $2 AND a.card_id = $1 ORDER BY a.id DESC LIMIT $3", int64(card), clean(stan), int64(arbiter.RowsMax))
}

// ByRRN implements [arbiter.Reads].
func (t *tables) ByRRN(card authz.CardID, rrn string, since time.Time) ([]arbiter.Stored, error) {
	return t.rows("a.rrn = $2 AND a.card_id = $1 AND a.received_at > $3 ORDER BY a.id DESC LIMIT $4",
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
	return true, t.step(r)
}

// AnswerLate implements [arbiter.Writes].
func (t *tables) AnswerLate(id authz.ID, voided int64) error {
	t.forget(id)
	return t.exec("UPDATE authorizations SET answered = $1, voided = $2, approval = '' WHERE id = $3",
		int64(authz.DecisionLate), voided, int64(id))
}

// Tell implements [arbiter.Writes].
func (t *tables) Tell(row, repeat authz.ID) error {
	return t.exec("INSERT INTO told (id, teller) VALUES ($1, $2) ON CONFLICT DO NOTHING", int64(row), int64(repeat))
}

// Untell implements [arbiter.Writes].
func (t *tables) Untell(row, repeat authz.ID) (was bool, err error) {
	err = t.query("DELETE FROM told WHERE id = $1 AND teller = $2 RETURNING id", func(pgx.Rows) error { was = true; return nil },
		int64(row), int64(repeat))
	return was, err
}

// Told implements [arbiter.Reads].
func (t *tables) Told(id authz.ID) (told, wanted bool, err error) {
	err = t.query("SELECT teller FROM told WHERE id = $1", func(r pgx.Rows) error {
		var teller authz.ID
		err := r.Scan(&teller)
		told, wanted = told || teller != arbiter.Unwanted, wanted || teller == arbiter.Unwanted
		return err
	}, int64(id))
	return told, wanted, err
}

// forget has a row that is about to change read anew.
func (t *tables) forget(id authz.ID) {
	for key, row := range t.keys {
		if row != nil && row.ID == id {
			t.keys[key] = nil
		}
	}
}

// Mark implements [arbiter.Writes].
func (t *tables) Mark(card authz.CardID, at time.Time) error {
	c := t.cards[card]
	c.marks++
	t.cards[card] = c
	return t.exec("UPDATE cards SET marked_at = greatest(marked_at, $2) WHERE id = $1", int64(card), at.UnixMicro())
}
