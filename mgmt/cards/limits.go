package cards

import (
	"context"

	"holdfast/authz/record"
	"holdfast/mgmt"
)

// Limit bounds what a card may spend in minor units of its currency: all together, or in one way, in one transaction or
// in a window of the calendar in UTC.
type Limit struct {
	Type     string `json:"type" rule:"enum=GENERAL|ECOMMERCE|ATM|FOREIGN"`
	TimeUnit string `json:"timeUnit" rule:"enum=TRANSACTION|DAY|WEEK|MONTH"`
	Amount   int64  `json:"amount" rule:"min=0"`
}

// Limits are all limits of a card. Whoever sets them replaces them all.
type Limits struct {
	Currency string  `json:"currency" rule:"format=currency"`
	Limits   []Limit `json:"limits" rule:"max=16"`
}

type limitsIn struct {
	ref
	Body struct {
		Limits []Limit `json:"limits" rule:"max=16"`
	}
}

func readLimits(ctx context.Context, c *mgmt.Call, in *ref) (Limits, error) {
	tx, card, err := find(ctx, c, in.key(c))
	if err != nil {
		return Limits{}, err
	}
	all, err := tx.Limits(ctx, card.ID)
	l := Limits{Currency: card.Currency.String(), Limits: []Limit{}}
	for _, one := range all {
		l.Limits = append(l.Limits, Limit{string(one.Scope), string(one.Window), one.Amount})
	}
	return l, err
}

func setLimits(ctx context.Context, c *mgmt.Call, in *limitsIn) (Limits, error) {
	tx, card, err := find(ctx, c, in.key(c))
	if err != nil {
		return Limits{}, err
	}
	all := make([]record.Limit, 0, len(in.Body.Limits))
	for _, l := range in.Body.Limits {
		all = append(all, record.Limit{Scope: record.LimitScope(l.Type), Window: record.LimitWindow(l.TimeUnit), Amount: l.Amount})
	}
	if _, err := tx.SetLimits(ctx, card.Partner, card.ID, all, c.At); err != nil {
		return Limits{}, err
	}
	return readLimits(ctx, c, &in.ref)
}
