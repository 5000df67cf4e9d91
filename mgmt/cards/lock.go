package cards

import (
	"context"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/mgmt"
)

// lockBody asks for a lock by the number of its reason in the seed's table.
type lockBody struct {
	Reason int `json:"reasonCode" rule:"min=1 max=8"`
}

type (
	lockOwn struct {
		own
		Body lockBody
	}
	lockOf struct {
		of
		Body lockBody
	}
)

// lock locks. The same lock again changes nothing and is told to nobody.
func lock(ctx context.Context, c *mgmt.Call, k key, reason int, by record.LockSource) (Card, error) {
	tx, _, err := find(ctx, c, k)
	if err != nil {
		return Card{}, err
	}
	card, changed, err := tx.LockCard(ctx, k.partner, k.card, authz.LockReason(reason), by, c.At)
	if err == nil && changed {
		err = tell(ctx, tx, record.EventCardLocked, &card, c.At)
	}
	return show(&card, c.At), err
}

func unlock(ctx context.Context, c *mgmt.Call, k key) (Card, error) {
	tx, _, err := find(ctx, c, k)
	if err != nil {
		return Card{}, err
	}
	card, err := tx.UnlockCard(ctx, k.partner, k.card, source(c), c.At)
	if err == nil {
		err = tell(ctx, tx, record.EventCardFree, &card, c.At)
	}
	return show(&card, c.At), err
}

func remove(ctx context.Context, c *mgmt.Call, k key) (mgmt.None, error) {
	tx, _, err := find(ctx, c, k)
	if err == nil {
		_, err = tx.MoveCard(ctx, k.partner, k.card, record.ActRemove, c.At)
	}
	return mgmt.None{}, err
}

func activate(ctx context.Context, c *mgmt.Call, k key) (Card, error) {
	tx, _, err := find(ctx, c, k)
	if err != nil {
		return Card{}, err
	}
	card, err := tx.ActivateCard(ctx, k.partner, k.card, c.At)
	return show(&card, c.At), err
}
