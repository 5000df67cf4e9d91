package lifetest

import (
	"slices"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/store/arbiter"
)

// memory is a journal with one card and one balance, small enough to be copied for every branch of the tree. What no
// message of a life asks of an engine is left to the nil inside, and would end the test.
type memory struct {
	arbiter.Tables

	rows   []arbiter.Stored // by their ids
	clues  [][]string       // of the rows
	cases  []raised
	marks  int64
	user   arbiter.Account
	used   []used
	posted int64 // to the user's ledger
	sum    int64 // of all lines: zero
}

type raised struct {
	row  authz.ID
	kind authz.Case
	open bool
}

type used struct {
	arbiter.Window
	amount int64
}

// funds of the user, more than a life ever takes.
const funds = 100_00

// from makes m a copy of another, in its own place.
func (m *memory) from(o *memory) {
	rows, cases, use := append(m.rows[:0], o.rows...), append(m.cases[:0], o.cases...), append(m.used[:0], o.used...)
	clues := append(m.clues[:0], o.clues...)
	*m = *o
	m.rows, m.cases, m.used, m.clues = rows, cases, use, clues
}

func (m *memory) find(fits func(*arbiter.Stored) bool) (found []arbiter.Stored) {
	for i := len(m.rows) - 1; i >= 0; i-- {
		if !fits(&m.rows[i]) {
			continue
		}
		if found == nil {
			found = make([]arbiter.Stored, 0, i+1)
		}
		found = append(found, m.rows[i])
	}
	return found
}

func (m *memory) row(id authz.ID) *arbiter.Stored {
	i := 0
	for m.rows[i].ID != id {
		i++
	}
	return &m.rows[i]
}

// Card implements [arbiter.Reads].
func (m *memory) Card(authz.CardID) (version, marks int64, err error) { return 0, m.marks, nil }

// Account implements [arbiter.Reads].
func (m *memory) Account(authz.BalanceID) (arbiter.Account, error) { return m.user, nil }

// ByKey implements [arbiter.Reads].
func (m *memory) ByKey(key authz.DupKey) (*arbiter.Stored, error) {
	if i := m.taken(key); i >= 0 {
		return &m.rows[i], nil
	}
	return nil, nil
}

func (m *memory) taken(key authz.DupKey) int {
	for i := range m.rows {
		if m.rows[i].Dup == key {
			return i
		}
	}
	return -1
}

// BySTAN implements [arbiter.Reads].
func (m *memory) BySTAN(_ authz.CardID, stan string) ([]arbiter.Stored, error) {
	return m.find(func(s *arbiter.Stored) bool { return s.Trace.STAN == stan }), nil
}

// ByRRN implements [arbiter.Reads].
func (m *memory) ByRRN(_ authz.CardID, rrn string, since time.Time) ([]arbiter.Stored, error) {
	return m.find(func(s *arbiter.Stored) bool { return s.Trace.RRN == rrn && s.ReceivedAt.After(since) }), nil
}

// ByNetworkID implements [arbiter.Reads].
func (m *memory) ByNetworkID(_ authz.CardID, id string, since time.Time) ([]arbiter.Stored, error) {
	return m.find(func(s *arbiter.Stored) bool { return s.NetworkID == id && s.ReceivedAt.After(since) }), nil
}

// Steps implements [arbiter.Reads].
func (m *memory) Steps(_ authz.CardID, clues []string, since time.Time) (found []arbiter.Stored, err error) {
	for i := len(m.rows) - 1; i >= 0; i-- {
		common := slices.ContainsFunc(m.clues[i], func(clue string) bool { return slices.Contains(clues, clue) })
		if s := &m.rows[i]; common && s.HasStep && s.ReceivedAt.After(since) {
			found = append(found, *s)
		}
	}
	return found, nil
}

// Life implements [arbiter.Reads].
func (m *memory) Life(life authz.ID) ([]arbiter.Stored, error) {
	return m.find(func(s *arbiter.Stored) bool { return s.ID == life || s.HasStep && s.Step.Life == life }), nil
}

// Limits implements [arbiter.Reads].
func (m *memory) Limits(authz.CardID) ([]record.Limit, error) {
	return []record.Limit{{Scope: record.LimitGeneral, Window: record.LimitDay, Amount: 1_000_000}}, nil
}

// Used implements [arbiter.Reads].
func (m *memory) Used(windows []arbiter.Window) (map[arbiter.Window]int64, error) {
	found := make(map[arbiter.Window]int64, len(m.used))
	for _, u := range m.used {
		if slices.Contains(windows, u.Window) {
			found[u.Window] = u.amount
		}
	}
	return found, nil
}

// Insert implements [arbiter.Writes].
func (m *memory) Insert(r *arbiter.Row) (bool, error) {
	e, q, d := r.Entry, r.Entry.Request, &r.Entry.Decision
	if m.taken(q.Dup) >= 0 {
		return false, nil
	}
	s := arbiter.Stored{
		Record: authz.Record{ID: q.ID, Life: q.ID, Kind: q.Kind, Transaction: q.Transaction, Peer: q.Peer, Trace: q.Trace,
			NetworkID: q.NetworkID, Approval: d.ApprovalCode, Amount: q.Amount.Minor, Currency: q.Amount.Currency,
			Placed: r.Placed, Held: r.Placed - r.Undone, State: r.State, ReceivedAt: q.ReceivedAt},
		Partner: e.Card.Partner, Card: e.Card.ID, Balance: e.Card.Balance, Deposit: e.Card.Deposit, Phase: q.Phase,
		Billing: q.Billing, Flags: r.Flags(), Channel: q.Channel, Used: r.Used, Expires: r.Expires(), Reason: d.Reason,
		Answered: d.Reason, Dup: q.Dup,
	}
	if r.Step != nil {
		s.HasStep, s.Step, s.Life = true, *r.Step, r.Step.Life
	}
	m.rows, m.clues = append(m.rows, s), append(m.clues, r.Clues)
	return true, nil
}

// Change implements [arbiter.Writes].
func (m *memory) Change(id authz.ID, c arbiter.Change) error {
	s := m.row(id)
	s.Held, s.State, s.Expires, s.Step.Company, s.Used = c.Held, c.State, c.Expires, c.Company, c.Used
	return nil
}

// Release implements [arbiter.Writes]. What was undone is in the rows.
func (m *memory) Release(arbiter.Release) error { return nil }

// Join implements [arbiter.Writes].
func (m *memory) Join(from, into authz.ID) error {
	for i := range m.rows {
		if s := &m.rows[i]; s.HasStep && s.Step.Life == from {
			s.Step.Life, s.Life = into, into
		}
	}
	return nil
}

// Raise implements [arbiter.Writes].
func (m *memory) Raise(x arbiter.Exception) error {
	i := slices.IndexFunc(m.cases, func(c raised) bool { return c.row == x.Row && c.kind == x.Case })
	if i < 0 {
		m.cases = append(m.cases, raised{x.Row, x.Case, true})
	} else {
		m.cases[i].open = true
	}
	return nil
}

// Withdraw implements [arbiter.Writes].
func (m *memory) Withdraw(row authz.ID, cases int64) error {
	for i := range m.cases {
		if c := &m.cases[i]; c.row == row && cases>>c.kind&1 != 0 {
			c.open = false
		}
	}
	return nil
}

// Mark implements [arbiter.Writes].
func (m *memory) Mark(authz.CardID, time.Time) error {
	m.marks++
	return nil
}

// Post implements [arbiter.Writes].
func (m *memory) Post(p arbiter.Posting) error {
	m.sum += p.Amount
	if p.Balance != 0 {
		m.posted -= p.Amount
	}
	return nil
}

// SetAccount implements [arbiter.Writes].
func (m *memory) SetAccount(_ authz.BalanceID, a arbiter.Account) error {
	m.user = a
	return nil
}

// SetUsed implements [arbiter.Writes].
func (m *memory) SetUsed(w arbiter.Window, amount int64) error {
	i := slices.IndexFunc(m.used, func(u used) bool { return u.Window == w })
	if i < 0 {
		m.used = append(m.used, used{w, amount})
	} else {
		m.used[i].amount = amount
	}
	return nil
}
