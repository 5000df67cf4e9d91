package arbiter

import (
	"slices"
	"time"

	"holdfast/authz"
)

// need is what the life takes of the available funds more than it has taken.
func (l *life) need() (more int64) {
	for _, m := range l.members {
		more += m.cost() - m.before()
	}
	return more
}

// cost and before are what a row takes of the user's available funds after and before the fold.
func (m *member) cost() int64 {
	if m.posts() && m.Transaction.Credit() {
		return -m.held
	}
	return m.held - m.company
}

func (m *member) before() int64 {
	if m.posts() && m.Transaction.Credit() {
		return -m.Held
	}
	return m.Held - m.Step.Company
}

// write inserts the row of an entry as a member of its life and brings the others to what the life comes to now.
func (a *Arbiter) write(e *authz.Entry, me *Stored, c *kin, l *life) error {
	m, step := l.member(me), me.Step
	step.Company = m.company
	if c.life != 0 {
		step.Life = c.life
	}
	r := Row{Entry: e, State: m.state, Placed: me.Placed, Undone: me.Placed - m.held, Used: m.used, Original: c.about, Step: &step,
		Clues: me.request().Clues()}
	for _, x := range l.members {
		if x != m {
			r.Given += x.Held - x.held
		}
	}
	if due := l.expires(); due > 0 {
		r.Due = time.UnixMicro(due)
	}
	inserted, err := a.insert(&r)
	if err != nil || !inserted {
		return err
	}
	if r.Undone != 0 {
		if err := a.t.Release(Release{Of: me.ID, By: me.ID, Amount: r.Undone, Why: m.state}); err != nil {
			return err
		}
	}
	if err := a.apply(e, l, e.Request.ID, e.Request.ID); err != nil {
		return err
	}
	if c.ambiguous {
		l.raise(m, authz.Ambiguous, "several transactions fit")
	}
	return a.report(e, l, m)
}

// apply brings rows, balances and ledger to what the fold made of the life. by is the row that caused it, the group
// is of the postings. The row that an entry has just written is as it should be.
func (a *Arbiter) apply(e *authz.Entry, l *life, by, groupID authz.ID) error {
	if err := a.spend(l.spent()); err != nil {
		return err
	}
	g := group{a: a, e: e, id: groupID}
	for _, m := range l.members {
		if err := a.settle(&g, m); err != nil {
			return err
		}
		next := Change{Held: m.held, State: m.state, Company: m.company, Used: m.used}
		if m.state.Open() {
			next.Expires = l.expires()
		}
		fresh := m.ID == by && !e.Void
		if fresh || next == (Change{m.Held, m.State, m.Expires, m.Step.Company, m.Used}) {
			continue
		}
		if err := a.t.Change(m.ID, next); err != nil {
			return err
		}
		if m.Held == m.held {
			continue
		}
		if err := a.t.Release(Release{Of: m.ID, By: by, Amount: m.Held - m.held, Why: m.state}); err != nil {
			return err
		}
	}
	return nil
}

// settle moves what a row costs more or less than before.
func (a *Arbiter) settle(g *group, m *member) error {
	forced := g.e.Request.Kind != authz.Authorization && g.e.Request.Kind != authz.Financial
	if !m.posts() {
		return a.move(m.Balance, m.Deposit, 0, m.held-m.Held, forced)
	}
	s := spend{user: m.cost() - m.before(), company: m.company - m.Step.Company}
	if s == (spend{}) {
		return nil
	}
	b := purse{partner: m.Partner, user: m.Balance, deposit: m.Deposit, currency: g.e.Card.Currency}
	if s.company != 0 {
		var err error
		if b.company, err = a.t.Company(m.Partner, b.currency); err != nil {
			return err
		}
		if err = a.move(b.company, 0, -s.company, 0, true); err != nil {
			return err
		}
	}
	if err := a.move(b.user, b.deposit, -s.user, 0, true); err != nil {
		return err
	}
	return g.post(&b, s, kindOf(g.e, m), m.ID)
}

// kindOf names a group of postings.
func kindOf(e *authz.Entry, m *member) string {
	switch {
	case e.Void || e.Request.Kind == authz.Reversal:
		return "REVERSAL"
	case m.Transaction.Credit():
		return "CREDIT"
	}
	return "CAPTURE"
}

// expires is when what the life holds does: with the first of its rows, or where an increment starts all anew, with the
// last. What stands again after it had ended has lost its own time, and takes that of what has ended now or is refused.
// Microseconds since 1970; 0: never.
func (l *life) expires() (due int64) {
	open := slices.ContainsFunc(l.members, func(m *member) bool { return m.state.Open() })
	restart := slices.ContainsFunc(l.members, func(m *member) bool {
		return m.state.Open() && m.Phase.Continues() && m.Flags&FlagRestart != 0
	})
	for _, m := range l.members {
		switch {
		case !m.state.Open() || m.Expires == 0:
		case due == 0, restart && m.Expires > due, !restart && m.Expires < due:
			due = m.Expires
		}
	}
	for _, m := range l.members {
		if open && due == 0 {
			due = m.Expires
		}
	}
	return due
}
