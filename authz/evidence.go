package authz

import (
	"context"

	"holdfast/authz/keystore"
)

// Verdict is what the keystore says of one piece of evidence. The zero value says that it was not looked at.
type Verdict = keystore.Verdict

// Proof is what the evidence of a message proves of its card. Evidence is looked at in the order of the checks, up
// to the first that fails: a PIN is not tried on a card whose cryptogram is wrong, so that nobody can guess with it.
type Proof struct {
	Track, Chip, CVV2, PIN Verdict

	ATC uint16 // the chip's transaction counter, when Chip is right
}

// Verifier holds the evidence of a request against its card. It is asked for a request that carries evidence, when
// everything that comes before it has passed. An error says that it could not tell: the request is then undecided,
// never declined for its evidence. It may be asked again for the same request, and changes nothing.
type Verifier interface {
	Verify(ctx context.Context, r *Request, c *Card) (Proof, error)
	// Authenticate is the issuer's answer to the card's chip (tag 91) for an approval or a decline; nil when the
	// message has no cryptogram that is right, or its kind takes no answer.
	Authenticate(r *Request, c *Card, approved bool) []byte
}

func (p Proof) zero() bool { return p == Proof{} }

// PINTriesMax is how many wrong PINs in a row a card takes: the last of them exceeds the tries.
const PINTriesMax = 3

// ATCGapMax is how far the chip's counter may jump: transactions that were never sent to us count too.
const ATCGapMax = 1000

// Counters is what a decision does to the counters of its card. The zero value does nothing.
type Counters struct {
	PINFailed bool   // a try more
	PINPassed bool   // the tries start over
	ATC       uint16 // the highest seen from now on; 0: none
}

// Zero reports whether nothing changes.
func (c Counters) Zero() bool { return c == Counters{} }

// Given reports whether the message carries anything to verify.
func (e *Evidence) Given() bool {
	return !e.CVV2.IsZero() || !e.PINBlock.IsZero() || !e.Track2.IsZero() || !e.Chip.IsZero()
}

// FreshATC reports whether a chip's counter is one that this card has not used: above the highest seen and not too
// far from it.
func (c *Card) FreshATC(atc uint16) bool {
	return atc > c.ATC && (c.ATC == 0 || atc-c.ATC <= ATCGapMax)
}

// PINExhausted reports whether no PIN is tried any more.
func (c *Card) PINExhausted() bool { return c.PINTries >= PINTriesMax }

// countersAfter are the consequences of a proof for the card that it was made on.
func countersAfter(p *Proof, c *Card, reason Reason) (n Counters) {
	if p.Chip == keystore.Right && c.FreshATC(p.ATC) {
		n.ATC = p.ATC
	}
	n.PINFailed = p.PIN == keystore.Wrong && (reason == PINWrong || reason == PINTriesExceeded)
	n.PINPassed = p.PIN == keystore.Right && c.PINTries > 0
	return n
}

// evidenceChecks are the checks of what a message carries, in the order of their precedence. Only the evidence of
// the entry mode counts: what a chip signs is not also asked of the track.
var evidenceChecks = []check{
	{"track is the card's", func(r *Request, _ *Card) Reason {
		return unless(r.Proof.Track != keystore.Wrong && r.Proof.Track != keystore.Malformed, TrackValueWrong)
	}},
	{"chip data can be read", func(r *Request, _ *Card) Reason {
		return unless(r.Proof.Chip != keystore.Malformed, ChipDataWrong)
	}},
	{"cryptogram is the card's", func(r *Request, _ *Card) Reason {
		return unless(r.Proof.Chip != keystore.Wrong, CryptogramWrong)
	}},
	{"cryptogram is new", func(r *Request, c *Card) Reason {
		return unless(r.Proof.Chip != keystore.Right || c.FreshATC(r.Proof.ATC), CryptogramReplayed)
	}},
	{"CVV2 is the card's", func(r *Request, _ *Card) Reason {
		return unless(r.Proof.CVV2 != keystore.Wrong && r.Proof.CVV2 != keystore.Malformed, CVV2Wrong)
	}},
	{"PIN is there where it must be", func(r *Request, c *Card) Reason {
		needed := c.HasPIN && r.Channel == ChannelATM && r.Transaction == Cash
		return unless(!needed || !r.Evidence.PINBlock.IsZero(), PINRequired)
	}},
	{"card has a PIN", func(r *Request, c *Card) Reason {
		return unless(c.HasPIN || r.Evidence.PINBlock.IsZero(), PINNotSet)
	}},
	{"PIN block can be read", func(r *Request, _ *Card) Reason {
		return unless(r.Proof.PIN != keystore.Malformed, PINBlockInvalid)
	}},
	{"PIN tries are left", func(r *Request, c *Card) Reason {
		last := r.Proof.PIN == keystore.Wrong && c.PINTries+1 >= PINTriesMax
		return unless(r.Evidence.PINBlock.IsZero() || !c.PINExhausted() && !last, PINTriesExceeded)
	}},
	{"PIN is the card's", func(r *Request, _ *Card) Reason {
		return unless(r.Proof.PIN != keystore.Wrong, PINWrong)
	}},
}
