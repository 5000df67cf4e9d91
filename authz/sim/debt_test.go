package sim_test

import (
	"context"
	"slices"
	"sync"
	"time"

	"holdfast/authz"
)

// debts is a ledger that outlives its nodes: one that both share, where there are two, and one of each.
type debts struct {
	mu   sync.Mutex
	owed map[authz.ID]authz.PartnerID
}

func newDebts() *debts { return &debts{owed: map[authz.ID]authz.PartnerID{}} }

func (d *debts) note(partner authz.PartnerID, rows []authz.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, row := range rows {
		d.owed[row] = partner
	}
}

func (d *debts) forget(rows []authz.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, row := range rows {
		delete(d.owed, row)
	}
}

// due are the rows below an id, in their order.
func (d *debts) due(below authz.ID) (rows []authz.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for row := range d.owed {
		if row < below {
			rows = append(rows, row)
		}
	}
	slices.Sort(rows)
	return rows
}

// Owe implements [authz.Debts]: with the cache when there is one beside the nodes, else in the node's own ledger, as
// the program does.
func (st *stores) Owe(ctx context.Context, partner authz.PartnerID, rows []authz.ID) error {
	s := st.n.s
	if s.remote && st.cached(ctx, slices.Min(rows)^1<<62, func(bool) error { s.debts.note(partner, rows); return nil }) == nil {
		return nil
	}
	if st.dead() {
		return authz.ErrUnavailable
	}
	st.n.debts.note(partner, rows)
	return nil
}

// Paid implements [authz.Debts].
func (st *stores) Paid(ctx context.Context, partner authz.PartnerID, rows []authz.ID) error {
	if st.dead() {
		return authz.ErrUnavailable
	}
	st.n.debts.forget(rows)
	if s := st.n.s; s.remote {
		return st.cached(ctx, slices.Min(rows)^3<<61, func(bool) error { s.debts.forget(rows); return nil })
	}
	return nil
}

// pay undoes what is owed for longer than a commit may take, and in a node's own ledger what an earlier life owes where
// the journal is its own.
func (st *stores) pay(ctx context.Context, a *authz.Authorizer, last authz.ID) {
	s := st.n.s
	below := authz.FirstID(s.now().Add(-sweepAge))
	for _, d := range []*debts{st.n.debts, s.debts} {
		if d == st.n.debts && !s.remote {
			below = max(below, last+1)
		}
		rows := d.due(below)
		if len(rows) == 0 {
			continue
		}
		if paid, err := a.PayDebts(ctx, s.Alice.Partner, rows, s.now()); err == nil && !st.dead() {
			d.forget(paid)
		}
	}
}

var _ authz.Debts = (*stores)(nil)

// payEvery is how often a node looks for debts, as in the program.
const payEvery = time.Second + 173*time.Nanosecond
