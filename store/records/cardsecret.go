package records

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/authz/pan"
	"holdfast/authz/record"
)

// NewNumber picks a number for a new card of a program; see [NewNumber]. A range that is nearly full is
// [record.ErrTooMany].
func (t *Tx) NewNumber(ctx context.Context, program authz.ProgramID) (pan.Number, error) {
	n, err := NewNumber(ctx, t.q, t.keys, program)
	if errors.Is(err, ErrRange) {
		err = record.ErrTooMany
	}
	return n, err
}

// FullCard opens a card for its holder: number, expiry and CVC2.
func (t *Tx) FullCard(ctx context.Context, partner authz.PartnerID, id authz.CardID, at time.Time) (record.Card, record.FullCard, error) {
	c, err := t.Card(ctx, partner, id)
	if err == nil {
		_, err = c.Act(record.ActReveal, at)
	}
	if err != nil {
		return c, record.FullCard{}, err
	}
	full, err := ReadFullCard(ctx, t.q, t.keys, id)
	return c, full, err
}

// ResetCVV gives a card another CVC2, in a new version of the card: the old one is refused from the commit on.
func (t *Tx) ResetCVV(ctx context.Context, partner authz.PartnerID, id authz.CardID, at time.Time) (record.Card, error) {
	return t.reform(ctx, partner, id, record.ActResetCVV, at, func() error {
		_, err := ResetCVV2(ctx, t.q, t.keys, id)
		return err
	})
}

// SetPIN gives a card a PIN, in a new version of the card. The wrong tries start over; a lock stays.
func (t *Tx) SetPIN(ctx context.Context, partner authz.PartnerID, id authz.CardID, pin pan.Secret, at time.Time) (record.Card, error) {
	return t.reform(ctx, partner, id, record.ActSetPIN, at, func() error {
		err := SetPIN(ctx, t.q, t.keys, id, pin)
		if errors.Is(err, keystore.ErrInput) {
			return record.Invalid("pin", "want 4 to 12 digits")
		}
		return err
	})
}

func (t *Tx) reform(ctx context.Context, partner authz.PartnerID, id authz.CardID, a record.CardAction, at time.Time,
	change func() error) (record.Card, error) {
	c, err := t.lockCard(ctx, partner, id)
	if err == nil {
		_, err = c.Act(a, at)
	}
	if err == nil {
		err = change()
	}
	if err != nil {
		return c, fmt.Errorf("%s: %w", a, err)
	}
	t.cards[id] = true
	return t.Card(ctx, partner, id)
}

// PresentCard is what stands on a card, for those who play its holder in the sandbox, whatever its state.
func (t *Tx) PresentCard(ctx context.Context, id authz.CardID) (record.FullCard, error) {
	return ReadFullCard(ctx, t.q, t.keys, id)
}
