package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/authz/money"
	"holdfast/store/records"
	"holdfast/switch/gateway"
)

// desk does on the records what peers ask for beside authorizations.
type desk struct {
	store      engine
	keys       *keystore.Store
	authorizer *authz.Authorizer
}

var (
	_ gateway.CardActions = desk{}
	_ gateway.Books       = desk{}
	_ gateway.ZoneKeys    = desk{}
)

// LockOutside implements [gateway.CardActions].
func (d desk) LockOutside(ctx context.Context, a gateway.CardAction) (authz.LockOutcome, authz.LockReason, error) {
	tag := d.keys.Tag(a.PAN) // caches know the card by this one, wherever it is kept
	var done records.FileActionDone
	err := d.store.Update(ctx, func(q records.Querier) (err error) {
		done, err = records.LockOutside(ctx, q, records.FileAction{Peer: a.Peer, MTI: a.MTI, STAN: a.STAN,
			Tags: append([]authz.Tag{tag}, d.keys.OtherTags(a.PAN)...), BIN: a.PAN.BIN(6), Last4: a.PAN.Last4(),
			Wanted: a.Wanted, Inquiry: a.Inquiry, At: a.At})
		return err
	})
	if err == nil && done.Outcome.Changes() {
		// The journal refuses decisions on the old card in any case; that the cache knows saves the detour.
		_ = d.store.Find(ctx, []authz.Tag{done.Tag}, func(_ int, c authz.Card) { d.authorizer.Learn(c, tag) })
	}
	return done.Outcome, done.Lock, err
}

// CutOver implements [gateway.Books].
func (d desk) CutOver(ctx context.Context, peer string, day authz.Day, at time.Time) error {
	return d.store.Update(ctx, func(q records.Querier) error { return records.CutOver(ctx, q, peer, day, at) })
}

// Totals implements [gateway.Books].
func (d desk) Totals(ctx context.Context, peer string, day authz.Day, c money.Currency, counts bool) (t authz.Totals, err error) {
	err = d.store.View(ctx, func(q records.Querier) error {
		t, err = records.Reconcile(ctx, q, peer, day, c, counts)
		return err
	})
	return t, err
}

// zoneUses are the uses of keys as the keystore names them.
var zoneUses = map[gateway.KeyUse]keystore.ZoneUse{gateway.KeyPIN: keystore.ZonePIN, gateway.KeyMAC: keystore.ZoneMAC}

// Offer implements [gateway.ZoneKeys].
func (d desk) Offer(ctx context.Context, peer string, use gateway.KeyUse, wrapped, check []byte) ([]byte, error) {
	ours, err := records.OfferZoneKey(ctx, d.store, d.keys, peer, zoneUses[use], wrapped, check)
	if errors.Is(err, keystore.ErrCheckValue) || errors.Is(err, keystore.ErrKey) || errors.Is(err, keystore.ErrInput) {
		return nil, fmt.Errorf("%w: %w", gateway.ErrKeyCheck, err) // sending the same again would not help
	}
	return ours, err
}

// Activate implements [gateway.ZoneKeys].
func (d desk) Activate(ctx context.Context, peer string, use gateway.KeyUse, at time.Time, overlap time.Duration) error {
	return records.ActivateZoneKey(ctx, d.store, d.keys, peer, zoneUses[use], at, overlap)
}
