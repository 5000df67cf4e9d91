package authz

import (
	"context"
	"fmt"
	"strings"

	"holdfast/authz/keystore"
	"holdfast/authz/pan"
)

// Evidencer is the part of a keystore that judges evidence. A hardware module can stand in its place: it holds the
// keys, and what it is given and gives back tells none of them and no PIN.
type Evidencer interface {
	VerifyTrack(c keystore.Card, track pan.Secret, chip bool) (keystore.Verdict, error)
	VerifyChip(c keystore.Card, in keystore.Chip) (keystore.Verdict, uint16, error)
	VerifyCVV2(c keystore.Card, given pan.Secret) (keystore.Verdict, error)
	VerifyPIN(c keystore.Card, in keystore.PIN) (keystore.Verdict, error)
	IssuerAuthentication(c keystore.Card, in keystore.Chip, approved bool) []byte
}

// cardVerifier asks a keystore. All that it does takes some tens of microseconds.
type cardVerifier struct{ keys Evidencer }

// NewVerifier makes the usual [Verifier] over something that judges evidence.
func NewVerifier(keys Evidencer) Verifier { return cardVerifier{keys} }

// Verify implements [Verifier].
func (v cardVerifier) Verify(_ context.Context, r *Request, c *Card) (p Proof, err error) {
	e, card := &r.Evidence, subject(r, c)
	switch {
	case !e.Chip.IsZero():
		if p.Chip, p.ATC, err = v.keys.VerifyChip(card, chip(r)); err != nil {
			return p, fmt.Errorf("verify chip: %w", err)
		}
	case !e.Track2.IsZero():
		if p.Track, err = v.keys.VerifyTrack(card, e.Track2, chipRead(r.Trace.EntryMode)); err != nil {
			return p, fmt.Errorf("verify track: %w", err)
		}
	}
	if failed(p.Chip) || failed(p.Track) || p.Chip == keystore.Right && !c.FreshATC(p.ATC) {
		return p, nil
	}
	if !e.CVV2.IsZero() {
		if p.CVV2, err = v.keys.VerifyCVV2(card, e.CVV2); err != nil {
			return p, fmt.Errorf("verify CVV2: %w", err)
		}
	}
	if failed(p.CVV2) || e.PINBlock.IsZero() || !c.HasPIN || c.PINExhausted() {
		return p, nil
	}
	in := keystore.PIN{Peer: r.Peer, Form: pinForm(e.PINForm), Block: e.PINBlock, At: r.ReceivedAt}
	if p.PIN, err = v.keys.VerifyPIN(card, in); err != nil {
		return p, fmt.Errorf("verify PIN: %w", err)
	}
	return p, nil
}

// Authenticate implements [Verifier].
func (v cardVerifier) Authenticate(r *Request, c *Card, approved bool) []byte {
	return v.keys.IssuerAuthentication(subject(r, c), chip(r), approved)
}

// pinForms are the formats that positions 5 and 6 of DE 53 name, as networks in use number them.
var pinForms = map[string]string{"01": "0", "10": "0", "05": "1", "11": "1", "13": "3", "47": "3", "48": "4"}

// pinForm is the format of a PIN block by the message: one digit of ISO 9564, or DE 53. What it does not name is that
// agreed on with the peer, since a block names its format, too.
func pinForm(said string) string {
	if len(said) == 16 {
		return pinForms[said[4:6]]
	}
	return said
}

func failed(v Verdict) bool { return v == keystore.Wrong || v == keystore.Malformed }

func subject(r *Request, c *Card) keystore.Card {
	return keystore.Card{ID: int64(c.ID), Number: r.PAN, Expiry: c.Expiry.YYMM(), Profile: c.Profile}
}

// chip is the chip data with what the message says of the same. With cash back the card may have signed the purchase
// alone, so the amounts are not compared.
func chip(r *Request) keystore.Chip {
	in := keystore.Chip{Data: r.Evidence.Chip, Sequence: r.Evidence.Sequence, Amount: r.Amount.Minor}
	if r.Amount.Currency.Numeric() != "" {
		in.Currency = r.Amount.Currency.Numeric()
	}
	if r.Transaction == Cashback {
		in.Amount = 0
	}
	return in
}

// chipRead reports whether the entry mode says that the data came from a chip: 05, 07 or 95 in 1987, a 5 for the
// reading in the twelve positions of 1993.
func chipRead(mode string) bool {
	if len(mode) == 12 {
		return mode[6] == '5'
	}
	return strings.HasPrefix(mode, "05") || strings.HasPrefix(mode, "07") || strings.HasPrefix(mode, "95")
}

// chipWaiter adds the answer to the card's chip when the decision is known: of a stored decision, too, since a repeat
// brings the same cryptogram. Who sends a cryptogram a second time is told nothing by the card's key.
type chipWaiter struct {
	a *Authorizer
	r *Request
	w Waiter
}

// Decided implements [Waiter].
func (w *chipWaiter) Decided(d *Decision) {
	if c, known := w.a.cache.get(w.r.Tag); known && !d.Reason.Undecided() && d.Reason != CryptogramReplayed {
		answered := *d // the decision is shared with the repeats that waited
		answered.IssuerAuth = w.a.cfg.Verifier.Authenticate(w.r, &c, d.Reason.Approval())
		d = &answered
	}
	w.w.Decided(d)
}
