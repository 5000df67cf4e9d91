package cards

import (
	"context"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/mgmt"
	"holdfast/mgmt/orders"
)

// lockIn asks for a lock by the number of its reason in the seed's table.
type lockIn struct {
	ref
	Body struct {
		Reason int `json:"reasonCode" rule:"min=1 max=8"`
	}
}

// lock locks. The same lock again changes nothing and is told to nobody.
func lock(ctx context.Context, c *mgmt.Call, in *lockIn) (Card, error) {
	return lockBy(ctx, c, in, source(c))
}

func lockOutside(ctx context.Context, c *mgmt.Call, in *lockIn) (Card, error) {
	return lockBy(ctx, c, in, record.LockByOutside)
}

func lockBy(ctx context.Context, c *mgmt.Call, in *lockIn, by record.LockSource) (Card, error) {
	k := in.key(c)
	tx, _, err := find(ctx, c, k)
	if err != nil {
		return Card{}, err
	}
	card, changed, err := tx.LockCard(ctx, k.partner, k.card, authz.LockReason(in.Body.Reason), by, c.At)
	if err == nil && changed {
		err = tell(ctx, tx, &card, c.At, c.At)
	}
	return show(&card, c.At), err
}

func unlock(ctx context.Context, c *mgmt.Call, in *ref) (Card, error) {
	k := in.key(c)
	tx, _, err := find(ctx, c, k)
	if err != nil {
		return Card{}, err
	}
	card, err := tx.UnlockCard(ctx, k.partner, k.card, source(c), c.At)
	if err == nil {
		err = tell(ctx, tx, &card, c.At, c.At)
	}
	return show(&card, c.At), err
}

func remove(ctx context.Context, c *mgmt.Call, in *ref) (mgmt.None, error) {
	k := in.key(c)
	tx, _, err := find(ctx, c, k)
	if err == nil {
		_, err = tx.MoveCard(ctx, k.partner, k.card, record.ActRemove, c.At)
	}
	return mgmt.None{}, err
}

func activate(ctx context.Context, c *mgmt.Call, in *ref) (Card, error) {
	k := in.key(c)
	tx, _, err := find(ctx, c, k)
	if err != nil {
		return Card{}, err
	}
	card, err := tx.ActivateCard(ctx, k.partner, k.card, c.At)
	if err == nil && !card.OrderedBy.IsZero() {
		var o record.Order
		if o, err = tx.Order(ctx, card.Partner, card.OrderedBy); err == nil {
			err = orders.Tell(ctx, tx, &o, c.At)
		}
	}
	return show(&card, c.At), err
}
