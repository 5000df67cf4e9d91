package arbiter

import (
	"slices"
	"time"

	"holdfast/authz"
)

// kin of a message: the rows of the life that it belongs to.
type kin struct {
	life      authz.ID // 0: it begins one
	rows      []*Stored
	about     authz.ID // the row that was found
	ambiguous bool
}

// based reports whether the life has a request that began it.
func (c *kin) based() bool {
	return slices.ContainsFunc(c.rows, func(s *Stored) bool {
		return (s.Kind == authz.Authorization || s.Kind == authz.Financial) && !s.Phase.Continues()
	})
}

// gather finds the life of a message: forward, the rows that it is about; backward, the rows that came before it and
// are about it. Lives that turn out to be one are joined.
func (a *Arbiter) gather(e *authz.Entry, me *Stored) (kin, error) {
	var c kin
	base := (me.Kind == authz.Authorization || me.Kind == authz.Financial) && !me.Phase.Continues()
	if !base {
		if err := a.forward(e, &c); err != nil || c.ambiguous {
			return c, err
		}
	}
	steps, err := a.t.Steps(e.Card.ID, me.Clues(), e.Request.ReceivedAt.Add(-authz.LifeWindow))
	if err != nil {
		return c, err
	}
	here := []authz.Record{me.Record}
	seen := map[authz.ID]bool{c.life: true} // by the names that the lives had when the steps were read
	for i := range steps {
		s := &steps[i]
		if seen[s.Step.Life] {
			continue
		}
		if i, _ := authz.MatchOriginal(s.request(), here); i != 0 {
			continue
		}
		other := kin{life: s.Step.Life, about: s.ID}
		if other.rows, err = a.life(other.life); err != nil {
			return c, err
		}
		if other.based() && (base || c.based()) {
			continue // it has its own
		}
		seen[other.life] = true
		if err := a.join(&c, &other); err != nil {
			return c, err
		}
	}
	return c, nil
}

// join makes two lives one, named by the row that has no step to change where there is one.
func (a *Arbiter) join(c, other *kin) error {
	if c.life == 0 {
		*c = *other
		return nil
	}
	if slices.ContainsFunc(other.rows, func(s *Stored) bool { return !s.HasStep }) {
		*c, *other = *other, *c
	}
	for _, s := range other.rows {
		s.Step.Life = c.life
	}
	c.rows = append(c.rows, other.rows...)
	return a.t.Join(other.life, c.life)
}

// forward reads the rows of the card that a message may be about and matches them. Each kind of reading is one
// or two levels of the ladder.
func (a *Arbiter) forward(e *authz.Entry, c *kin) error {
	q, card := e.Request, e.Card.ID
	since := func(window time.Duration) time.Time { return q.ReceivedAt.Add(-window) }
	stan := q.Original.STAN
	if stan == "" {
		stan = q.Trace.STAN
	}
	for _, read := range []func() ([]Stored, error){
		func() ([]Stored, error) {
			if q.NetworkID == "" {
				return nil, nil
			}
			return a.t.ByNetworkID(card, q.NetworkID, since(authz.LifeWindow))
		},
		func() ([]Stored, error) { return a.t.BySTAN(card, stan) },
		func() ([]Stored, error) {
			if q.Trace.RRN == "" {
				return nil, nil
			}
			return a.t.ByRRN(card, q.Trace.RRN, since(authz.MatchWindow))
		},
		func() ([]Stored, error) {
			if e.CodeTo == 0 {
				return nil, nil
			}
			return a.t.ByID(card, e.CodeFrom, e.CodeTo)
		},
	} {
		rows, err := read()
		if err != nil {
			return err
		}
		records := make([]authz.Record, len(rows))
		for i := range rows {
			records[i] = rows[i].Record
		}
		i, ambiguous := authz.MatchOriginal(q, records)
		c.ambiguous = ambiguous
		if i >= 0 {
			c.life, c.about = rows[i].Life, rows[i].ID
			c.rows, err = a.life(c.life)
			return err
		}
		if ambiguous {
			return nil
		}
	}
	return nil
}

func (a *Arbiter) life(id authz.ID) ([]*Stored, error) {
	rows, err := a.t.Life(id)
	all := make([]*Stored, len(rows))
	for i := range rows {
		all[i] = &rows[i]
	}
	return all, err
}

// request is the row as a message again, as far as matching asks.
func (s *Stored) request() *authz.Request {
	r := &authz.Request{ID: s.ID, Kind: s.Kind, Peer: s.Peer, ReceivedAt: s.ReceivedAt, Transaction: s.Transaction,
		Trace: s.Trace, NetworkID: s.NetworkID, Phase: s.Phase, Original: s.Step.Original}
	r.Amount.Minor, r.Amount.Currency = s.Amount, s.Currency
	if s.Kind != authz.Authorization {
		r.ApprovalCode = s.Approval
	}
	return r
}

// row is the entry as a row would be read.
func row(e *authz.Entry) *Stored {
	q, d, r := e.Request, &e.Decision, plain(e)
	s := &Stored{
		Record: authz.Record{ID: q.ID, Life: q.ID, Kind: q.Kind, Transaction: q.Transaction, Peer: q.Peer, Trace: q.Trace,
			NetworkID: q.NetworkID, Approval: d.ApprovalCode, Amount: q.Amount.Minor, Currency: q.Amount.Currency,
			State: r.State, Placed: r.Placed, ReceivedAt: q.ReceivedAt},
		Partner: e.Card.Partner, Card: e.Card.ID, Balance: e.Card.Balance, Deposit: e.Card.Deposit, Phase: q.Phase,
		Billing: q.Billing, Flags: r.Flags(), Channel: q.Channel, Reason: d.Reason, Answered: d.Reason, Dup: q.Dup,
	}
	if e.Life > 0 {
		s.Expires = q.ReceivedAt.Add(e.Life).UnixMicro()
	}
	switch q.Kind {
	case authz.AuthorizationAdvice, authz.FinancialAdvice:
		s.State = authz.StateRecorded
		if e.Hold > 0 && (q.Kind == authz.FinancialAdvice || q.Transaction.Debit()) {
			s.Placed = e.Hold
		}
	case authz.Reversal, authz.HoldExpiry:
		s.State = authz.StateRecorded
	}
	s.Step = Step{Life: q.ID, Original: q.Original, StoodIn: q.StoodIn, Partial: q.Partial, Final: q.Final,
		FinalBilling: q.FinalBilling, Returned: q.Returned, Part: q.Part, Parts: q.Parts, FXToUser: e.FXToUser,
		Percent: e.Tolerance.Percent}
	if e.Tolerance.AtLeast.Currency == q.Amount.Currency {
		s.Step.AtLeast = e.Tolerance.AtLeast.Minor
	}
	return s
}
