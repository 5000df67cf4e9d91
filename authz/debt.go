package authz

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	// oweWithin is how long an answer may wait for its debt to be noted: it leaves whether it is noted or not.
	oweWithin = 100 * time.Millisecond
	// debtAge is when a row is given up that was to be undone and never came: no commit is under way for so long.
	debtAge = time.Hour
	// renewEvery is how often a node that lives says that it still owes: others pay for the dead only.
	renewEvery = time.Second
)

// owe notes what of a batch is about to be undone, unless it is noted.
func (l *lane) owe(batch []*item) {
	if l.a.cfg.Debts == nil {
		return
	}
	var owed []*item
	l.mu.Lock()
	for _, it := range batch {
		if !it.void && !it.owed && it.revocable() && l.deciding[it.req.Dup] == it {
			it.owed = true
			owed = append(owed, it)
		}
	}
	l.mu.Unlock()
	l.note(owed)
}

// note writes debts down. When that fails they stay in this process only, which pays them if it lives.
func (l *lane) note(owed []*item) {
	if len(owed) == 0 {
		return
	}
	rows := make([]ID, len(owed))
	for i, it := range owed {
		rows[i] = it.req.ID
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.a.closing), oweWithin)
	defer cancel()
	if err := l.a.cfg.Debts.Owe(ctx, l.partner, rows); err != nil {
		l.a.stats.doubtful.Add(1)
	}
}

// renew picks what has to be noted anew of voids that the journal did not take. The caller holds mu.
func (l *lane) renew(voids []*item, now time.Time) (owed []*item) {
	if len(voids) == 0 || now.Sub(l.renewed) < renewEvery {
		return nil
	}
	l.renewed = now
	for _, v := range voids {
		if v.owed {
			owed = append(owed, v)
		}
	}
	return owed
}

// pay has the debt of an item forgotten by the next Expire. The caller holds mu.
func (l *lane) pay(it *item) {
	if it.owed {
		l.paid = append(l.paid, it.req.ID)
		l.earliest.Store(-never)
	}
}

// forget drops debts. One that stays is looked up by [Authorizer.PayDebts] and found paid.
func (l *lane) forget(paid []ID) {
	if len(paid) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.a.closing), oweWithin)
	defer cancel()
	if err := l.a.cfg.Debts.Paid(ctx, l.partner, paid); err != nil {
		l.a.stats.doubtful.Add(1)
	}
}

// beside runs f without keeping the caller, and before Close returns.
func (a *Authorizer) beside(f func()) {
	if !a.start(f) {
		f()
	}
}

// PayDebts undoes rows of a partner that a node owes and has not undone or noted anew for longer than any commit takes,
// so that it must have died, and returns those that are not owed any more. A row that a repeat was told meanwhile stands.
// Several nodes may do it at once; what this one owes since it was started is left to its lanes. A row that is not there
// may still come, and is owed for an hour of now.
func (a *Authorizer) PayDebts(ctx context.Context, partner PartnerID, rows []ID, now time.Time) (paid []ID, err error) {
	rows = slices.DeleteFunc(slices.Clone(rows), func(row ID) bool { return row.Node() == a.cfg.Node && row > a.born })
	if len(rows) == 0 {
		return nil, nil
	}
	found, err := a.journal.Owed(ctx, rows)
	if err != nil {
		return nil, fmt.Errorf("find what is to be undone: %w", err)
	}
	there := make(map[ID]bool, len(found))
	var batch []*Entry
	for i := range found {
		o := &found[i]
		there[o.Row] = true
		if o.Answered.Approval() {
			r := &Request{ID: o.Row, Kind: Authorization, ReceivedAt: o.Row.Time(), Dup: o.Dup}
			batch = append(batch, &Entry{Request: r, Card: &o.Card, Void: true, Decision: Decision{ID: o.Row}})
		}
	}
	if len(batch) > 0 {
		truth, err := a.journal.Commit(ctx, batch)
		if err != nil { // known or not: asked again, they are undone once
			return nil, fmt.Errorf("undo what a node owed: %w", err)
		}
		if err := a.holds.Settle(ctx, partner, nil, truth.Balances); err != nil {
			a.stats.doubtful.Add(1) // the rows are undone: the cache heals by its own means
		}
	}
	for _, row := range rows {
		if there[row] || now.Sub(row.Time()) > debtAge {
			paid = append(paid, row)
		}
	}
	return paid, nil
}
