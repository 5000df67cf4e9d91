package authz

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// expiryMax is how many holds one call ends: the next call goes on.
const expiryMax = 256

// ExpireHolds ends holds and promises whose time is over at now, a bounded number, and says how many rows it
// ended. Each is ended by one entry of our own however many nodes ask for it; what was cleared or reversed
// meanwhile is left alone. The time is the journal's: a node whose clock is behind ends less, never twice.
func (a *Authorizer) ExpireHolds(ctx context.Context, now time.Time) (int, error) {
	due, err := a.journal.Due(ctx, now, expiryMax)
	if err != nil {
		return 0, fmt.Errorf("find what has expired: %w", err)
	}
	byPartner := make(map[PartnerID][]*Entry)
	for i := range due {
		d := &due[i]
		r := &Request{ID: a.ids.next(now), Kind: HoldExpiry, ReceivedAt: now, Release: d.Row}
		var b [16]byte
		binary.BigEndian.PutUint64(b[:8], uint64(d.Row))
		binary.BigEndian.PutUint64(b[8:], uint64(d.At.UnixMicro()))
		r.Dup = DupKey(a.keys.Keyed("dup", []byte("expiry"), b[:]))
		byPartner[d.Card.Partner] = append(byPartner[d.Card.Partner], &Entry{Request: r, Card: &d.Card,
			Decision: Decision{ID: r.ID, Reason: AdviceRecorded, Currency: d.Card.Currency}})
	}
	ended, failed := 0, []error(nil)
	for partner, batch := range byPartner {
		truth, err := a.journal.Commit(ctx, batch)
		if err == nil {
			ended += len(batch)
			err = a.holds.Settle(ctx, partner, nil, truth.Balances)
		}
		failed = append(failed, err) // known or not: asked again, they are ended once
	}
	if err := errors.Join(failed...); err != nil {
		return ended, fmt.Errorf("end expired holds: %w", err)
	}
	return ended, nil
}
