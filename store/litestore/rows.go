package litestore

import (
	"errors"
	"fmt"
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
 forwarder, terminal, merchant, transmitted, local, processing, mcc, entry_mode, bin, last4, received_at,
 network_id, phase, channel, country, flags, expires_at, used, stages, acceptor)
VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?38,?16,?17,?18,?19,?19,?20,?21,?22,?23,?24,
 ?25,?26,?27,?28,?29,?30,?31,?32,?33,?34,?35,?36,?37,?39,?40,?41,?42,?43,?44,?45,?46,?47)
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
	b.int(q.ReceivedAt.UnixMicro(), r.Placed-r.Undone)
	b.text(q.NetworkID)
	b.int(int64(q.Phase), int64(q.Channel))
	b.text(q.Country)
	b.int(r.Flags(), r.Expires(), r.Used, int64(e.Stages))
	b.text(q.Acceptor)
	if err := run(s); err != nil {
		return false, err
	}
	if a.c.Changes() == 0 {
		return false, nil
	}
	if err := a.settle(e); err != nil {
		return false, err
	}
	return true, a.step(q.ID, card.ID, r)
}

// settle notes what the row moves between the peer and us, for reconciliation.
func (a tables) settle(e *authz.Entry) error {
	q, s := e.Request, e.Settles()
	if s.Day == 0 {
		return nil
	}
	const insert = "INSERT INTO settlements (authorization_id, peer, day, currency, amount, fee, processing) VALUES (?1,?2,?3,?4,?5,?6,?7)"
	return a.exec(insert, func(b *binder) {
		b.int(int64(q.ID))
		b.text(q.Peer)
		b.int(int64(s.Day), numeric(s.Amount.Currency), s.Amount.Minor, s.Fee, s.Processing)
	})
}

const readRow = `SELECT a.id, a.kind, a.peer, a.stan, a.rrn, a.acquirer, a.forwarder, a.terminal, a.transmitted, a.local,
 a.processing, a.amount, a.placed, a.held, a.state, a.received_at, a.balance_id, a.deposit_id, a.partner_id, a.answered,
 a.approval, a.passed, a.user_before, a.deposit_before, a.card_id, a.currency, a.tran, a.network_id, a.phase, a.flags,
 a.expires_at, a.billing_amount, a.billing_currency, a.reason, a.channel, a.used, a.dup,
 s.life_id, s.original_kind, s.original_stan, s.original_transmitted, s.original_local, s.original_acquirer,
 s.original_forwarder, s.stood_in, s.partial, s.final, s.final_billing, s.returned, s.part, s.parts, s.company,
 s.fx_to_user, s.percent, s.at_least
FROM authorizations a LEFT JOIN steps s ON s.authorization_id = a.id `

// columns reads the values of a row from left to right.
type columns struct {
	s *sqlite.Stmt
	n int
}

func (c *columns) int() int64 {
	c.n++
	return c.s.ColumnInt64(c.n - 1)
}

func (c *columns) text() string {
	c.n++
	return c.s.ColumnText(c.n - 1)
}

func (c *columns) null() bool { return c.s.ColumnType(c.n) == sqlite.TypeNull }

func scanRow(s *sqlite.Stmt) (row arbiter.Stored) {
	c := &columns{s: s}
	row.ID, row.Kind, row.Peer = authz.ID(c.int()), authz.Kind(c.int()), c.text()
	row.Trace = authz.Trace{STAN: c.text(), RRN: c.text(), Acquirer: c.text(), Forwarder: c.text(), Terminal: c.text(),
		Transmitted: c.text(), Local: c.text(), ProcessingCode: c.text()}
	row.Amount, row.Placed, row.Held, row.State = c.int(), c.int(), c.int(), authz.State(c.int())
	row.ReceivedAt = time.UnixMicro(c.int())
	row.Balance, row.Deposit, row.Partner = authz.BalanceID(c.int()), authz.BalanceID(c.int()), authz.PartnerID(c.int())
	row.Answered, row.Approval, row.Passed = authz.Reason(c.int()), c.text(), int(c.int())
	row.Known = !c.null()
	row.UserBefore, row.DepositBefore = c.int(), c.int()
	row.Card, row.Currency, row.Transaction = authz.CardID(c.int()), currency(c.int()), authz.Transaction(c.int())
	row.NetworkID, row.Phase, row.Flags, row.Expires = c.text(), authz.Phase(c.int()), c.int(), c.int()
	row.Billing.Minor, row.Billing.Currency, row.Reason = c.int(), currency(c.int()), authz.Reason(c.int())
	row.Channel, row.Used = authz.Channel(c.int()), c.int()
	s.ColumnBytes(c.n, row.Dup[:])
	c.n++
	row.Life, row.HasStep = row.ID, !c.null()
	if row.HasStep {
		row.Step = scanStep(c)
		row.Life = row.Step.Life
	}
	return row
}

func scanStep(c *columns) (s arbiter.Step) {
	s.Life = authz.ID(c.int())
	s.Original = authz.Original{Kind: authz.Kind(c.int()), STAN: c.text(), Transmitted: c.text(), Local: c.text(),
		Acquirer: c.text(), Forwarder: c.text()}
	s.StoodIn, s.Partial = c.int() != 0, c.int() != 0
	s.Final, s.FinalBilling, s.Returned = c.int(), c.int(), c.int()
	s.Part, s.Parts, s.Company = int(c.int()), int(c.int()), c.int()
	s.FXToUser, s.Percent, s.AtLeast = c.int() != 0, c.int(), c.int()
	return s
}

// limit is in the text: a parameter there has the statement planned anew for every value.
var limit = fmt.Sprint(" LIMIT ", arbiter.RowsMax)

// rows reads what readRow and a condition select. SQLite looks at the values that are compared with to plan a join, and
// plans it anew whenever they are bound, which costs twenty times what running it does; it does not look into likely().
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
	return a.rows("WHERE a.stan = likely(?2) AND a.card_id = likely(?1) ORDER BY a.id DESC"+limit, func(b *binder) {
		b.int(int64(card))
		b.text(stan)
	})
}

// ByRRN implements [arbiter.Reads].
func (a tables) ByRRN(card authz.CardID, rrn string, since time.Time) ([]arbiter.Stored, error) {
	return a.rows("WHERE a.rrn = likely(?2) AND a.card_id = likely(?1) AND a.received_at > ?3 ORDER BY a.id DESC"+limit,
		func(b *binder) {
			b.int(int64(card))
			b.text(rrn)
			b.int(since.UnixMicro())
		})
}

// ByKey implements [arbiter.Reads].
func (a tables) ByKey(key authz.DupKey) (*arbiter.Stored, error) {
	rows, err := a.rows("WHERE a.dup = likely(?1)", func(b *binder) { b.blob(key[:]) })
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

// AnswerLate implements [arbiter.Writes].
func (a tables) AnswerLate(id authz.ID, voided int64) error {
	return a.exec("UPDATE authorizations SET answered = ?1, voided = ?2, approval = '' WHERE id = ?3",
		func(b *binder) { b.int(int64(authz.DecisionLate), voided, int64(id)) })
}

// Tell implements [arbiter.Writes].
func (a tables) Tell(row, repeat authz.ID) error {
	return a.exec("INSERT INTO told (id, teller) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
		func(b *binder) { b.int(int64(row), int64(repeat)) })
}

// Untell implements [arbiter.Writes].
func (a tables) Untell(row, repeat authz.ID) (bool, error) {
	err := a.exec("DELETE FROM told WHERE id = ?1 AND teller = ?2", func(b *binder) { b.int(int64(row), int64(repeat)) })
	return a.c.Changes() > 0, err
}

// Told implements [arbiter.Reads].
func (a tables) Told(id authz.ID) (told, wanted bool, err error) {
	s, err := a.c.Prepare("SELECT teller FROM told WHERE id = ?1")
	if err != nil {
		return false, false, err
	}
	s.BindInt64(1, int64(id))
	for {
		there, err := s.Step()
		if err != nil || !there {
			return told, wanted, errors.Join(err, s.Reset())
		}
		unwanted := authz.ID(s.ColumnInt64(0)) == arbiter.Unwanted
		told, wanted = told || !unwanted, wanted || unwanted
	}
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
