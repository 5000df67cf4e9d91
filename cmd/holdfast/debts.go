package main

import (
	"context"
	"errors"
	"time"

	"holdfast/authz"
	"holdfast/store/debtfile"
	"holdfast/store/redisstore"
)

// debts is where a node notes what it has to undo: with the cache, where every node sees it, and where that is away or
// there is none, in its own data folder, where it finds it when it is started again.
type debts struct {
	shared *redisstore.Holds // nil: there is none
	own    *debtfile.File
}

// Owe implements [authz.Debts].
func (d *debts) Owe(ctx context.Context, partner authz.PartnerID, rows []authz.ID) error {
	if d.shared != nil && d.shared.Owe(ctx, partner, rows) == nil {
		return nil
	}
	return d.own.Owe(ctx, partner, rows)
}

// Paid implements [authz.Debts].
func (d *debts) Paid(ctx context.Context, partner authz.PartnerID, rows []authz.ID) error {
	err := d.own.Paid(ctx, partner, rows)
	if d.shared != nil {
		err = errors.Join(err, d.shared.Paid(ctx, partner, rows))
	}
	return err
}

// payDebts undoes what nodes that died had answered otherwise. It returns how many rows are not owed any more.
func (n *node) payDebts(ctx context.Context) (int, error) {
	now := n.clock.Now()
	pay := func(ctx context.Context, partner authz.PartnerID, rows []authz.ID) ([]authz.ID, error) {
		return n.authorizer.PayDebts(ctx, partner, rows, now)
	}
	below := authz.FirstID(now.Add(-n.sweepAge))
	if n.debts.shared == nil {
		below = max(below, n.lastID+1) // in a file of our own nobody still commits what an earlier process began
	}
	paid, err := n.debts.own.Pay(ctx, below, pay)
	if n.debts.shared != nil {
		more, failed := n.debts.shared.Pay(ctx, time.Now().Add(-n.sweepAge), pay)
		paid, err = paid+more, errors.Join(err, failed)
	}
	return paid, err
}
