package records

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/authz/pan"
	"holdfast/authz/record"
)

// ErrRange says that no free card number was found: the program's range is nearly full.
var ErrRange = errors.New("the program's BIN range is nearly full")

// numberTries bounds the search for a free number. In a range that is half full each try finds one every second time.
const numberTries = 32

// Numbers of 16 digits: the eight of the range, seven of our own, and the check digit.
const ownDigits = 10_000_000

// NewNumber picks a random card number of 16 digits in the program's range that no card has. Two that pick at once
// may pick the same: the second that issues its card is refused with ErrExists or by the unique tag, and picks again.
func NewNumber(ctx context.Context, q Querier, keys *keystore.Store, program authz.ProgramID) (pan.Number, error) {
	low, high := int64(0), int64(-1)
	if err := q.Query(ctx, func(r Row) error { low, high = r.Int(0), r.Int(1); return nil },
		"SELECT bin_low, bin_high FROM programs WHERE id = $1", int64(program)); err != nil {
		return pan.Number{}, wrap("choose card number", err)
	}
	if high < low {
		return pan.Number{}, fmt.Errorf("choose card number: program: %w", authz.ErrNotFound)
	}
	room := big.NewInt((high - low + 1) * ownDigits)
	for range numberTries {
		choice, err := rand.Int(rand.Reader, room)
		if err != nil {
			return pan.Number{}, wrap("choose card number", err)
		}
		prefix := fmt.Sprintf("%d%07d", low+choice.Int64()/ownDigits, choice.Int64()%ownDigits)
		digit, err := pan.CheckDigit(prefix)
		if err != nil {
			return pan.Number{}, wrap("choose card number", err)
		}
		number, err := pan.Parse(prefix + string(digit))
		if err != nil {
			return pan.Number{}, wrap("choose card number", err)
		}
		if taken, err := numberTaken(ctx, q, keys, number); err != nil || !taken {
			return number, wrap("choose card number", err)
		}
	}
	return pan.Number{}, ErrRange
}

// numberTaken looks a number up under every tag that it may have.
func numberTaken(ctx context.Context, q Querier, keys *keystore.Store, n pan.Number) (taken bool, err error) {
	for _, tag := range append([]keystore.Tag{keys.Tag(n)}, keys.OtherTags(n)...) {
		if err = q.Query(ctx, func(Row) error { taken = true; return nil },
			"SELECT id FROM cards WHERE tag = $1", tag[:]); err != nil || taken {
			return taken, err
		}
	}
	return false, nil
}

func orExists(err error) error {
	if err == nil {
		return ErrExists
	}
	return err
}

// ReadFullCard opens a card's number and derives its CVV2. Who may ask is the caller's to know, and to record.
func ReadFullCard(ctx context.Context, q Querier, keys *keystore.Store, id authz.CardID) (record.FullCard, error) {
	c, err := readSealed(ctx, q, keys, id)
	if err != nil {
		return record.FullCard{}, wrap("read full card", err)
	}
	cvv2, err := keys.CVV2(c)
	month, _ := authz.ParseMonth(c.Expiry) // written from one
	return record.FullCard{Number: c.Number, Expiry: month, CVV2: cvv2}, wrap("read full card", err)
}

// ResetCVV2 gives a card another CVV2 and returns it. Once it is durable, the old one is refused everywhere: the
// card has a new version.
func ResetCVV2(ctx context.Context, q Querier, keys *keystore.Store, id authz.CardID) (cvv2 pan.Secret, err error) {
	err = changeProfile(ctx, q, keys, id, "profile = $1", func(c keystore.Card) (profile keystore.Sealed, err error) {
		profile, cvv2, err = keys.ResetCVV2(c)
		return profile, err
	})
	return cvv2, wrap("reset CVV2", err)
}

// SetPIN gives a card a PIN, in a new version. The tries start over; a lock stays. A PIN that is none is
// keystore.ErrInput.
func SetPIN(ctx context.Context, q Querier, keys *keystore.Store, id authz.CardID, pin pan.Secret) error {
	return wrap("set PIN", changeProfile(ctx, q, keys, id, "profile = $1, has_pin = 1, pin_tries = 0",
		func(c keystore.Card) (keystore.Sealed, error) { return keys.SetPIN(c, pin) }))
}

// changeProfile reads a card's profile once nobody else may change the card, and writes what change makes of it.
func changeProfile(ctx context.Context, q Querier, keys *keystore.Store, id authz.CardID, set string,
	change func(keystore.Card) (keystore.Sealed, error)) error {
	if err := takeCard(ctx, q, id); err != nil {
		return err
	}
	c, err := readSealed(ctx, q, keys, id)
	if err != nil {
		return err
	}
	profile, err := change(c)
	if err != nil {
		return err
	}
	return changeCard(ctx, q, id, set, []byte(profile))
}

// readSealed reads what the keystore must know of a card.
func readSealed(ctx context.Context, q Querier, keys *keystore.Store, id authz.CardID) (c keystore.Card, err error) {
	var sealed []byte
	if err = q.Query(ctx, func(r Row) error {
		sealed = append(sealed, r.Bytes(0)...)
		c = keystore.Card{ID: int64(id), Profile: keystore.Sealed(r.Bytes(1)), Expiry: authz.Month(r.Int(2)).YYMM()}
		return nil
	}, "SELECT sealed, profile, expiry FROM cards WHERE id = $1", int64(id)); err != nil {
		return c, err
	}
	if c.ID == 0 {
		return c, authz.ErrNotFound
	}
	c.Number, err = keys.OpenPAN(sealed, int64(id))
	return c, err
}

// takeCard locks the row of a card's balance, which whoever decides on the card, or changes it, takes first; see
// LockCard.
func takeCard(ctx context.Context, q Querier, id authz.CardID) error {
	n, err := q.Exec(ctx, `UPDATE balances SET version = version + 1
WHERE id = (SELECT balance_id FROM cards WHERE id = $1)`, int64(id))
	if err == nil && n == 0 {
		err = authz.ErrNotFound
	}
	return err
}

// changeCard sets columns of a card that has been taken, in a new version. The card is $2.
func changeCard(ctx context.Context, q Querier, id authz.CardID, set string, value any) error {
	_, err := q.Exec(ctx, "UPDATE cards SET "+set+", version = version + 1 WHERE id = $2", value, int64(id))
	return err
}
