package keystore

import (
	"holdfast/authz/keystore/emv"
	"holdfast/authz/pan"
)

// Chip is chip data as they came (DE 55), and what the rest of the message says of the same things.
type Chip struct {
	Data     pan.Secret
	Sequence string // DE 23; empty: that of the chip data, else 00
	Amount   int64  // DE 4, minor units; 0: not compared, as with cash back, of which the card may not know
	Currency string // DE 49, three digits; empty: not compared
}

// VerifyChip judges chip data: they can be read, they ask for a decision, they speak of this transaction, and their
// cryptogram is the card's. atc is the chip's counter; whether it is new is the caller's question.
func (s *Store) VerifyChip(c Card, in Chip) (verdict Verdict, atc uint16, err error) {
	chip, key, err := s.chip(&c, &in)
	if err != nil || chip == nil {
		return Malformed, 0, err
	}
	defer clear(key)
	if chip.Kind != emv.ARQC || !in.agrees(chip) {
		return Malformed, 0, nil
	}
	genuine, err := chip.Genuine(key)
	if err != nil {
		return Unseen, 0, err
	}
	if !genuine {
		return Wrong, 0, nil
	}
	return Right, chip.ATC, nil
}

// IssuerAuthentication is the answer to the card (tag 91) for an approval or a decline; nil when the cryptogram is
// not the card's: nothing is said to a card that is not ours.
func (s *Store) IssuerAuthentication(c Card, in Chip, approved bool) []byte {
	chip, key, err := s.chip(&c, &in)
	if err != nil || chip == nil {
		return nil
	}
	defer clear(key)
	if genuine, err := chip.Genuine(key); err != nil || !genuine || chip.Kind != emv.ARQC {
		return nil
	}
	answer, err := chip.Answer(key, approved)
	if err != nil {
		return nil
	}
	return answer
}

// chip reads the data and derives the key of the card. A nil chip: the data cannot be read.
func (s *Store) chip(c *Card, in *Chip) (*emv.Chip, []byte, error) {
	p, err := s.openProfile(c)
	if err != nil {
		return nil, nil, err
	}
	rec := s.keys().cards[p.imk]
	if rec == nil || rec.Usage != usageChip {
		return nil, nil, ErrKey
	}
	objects, err := emv.Parse([]byte(in.Data.Reveal()))
	if err != nil {
		return nil, nil, nil
	}
	chip, err := emv.Read(objects)
	if err != nil {
		return nil, nil, nil
	}
	key, err := emv.CardKey(rec.key, c.Number.Reveal(), in.sequence(chip))
	if err != nil {
		return nil, nil, nil
	}
	return chip, key, nil
}

// sequence is the last two digits of DE 23, else what the chip says, else 00.
func (in *Chip) sequence(chip *emv.Chip) string {
	switch {
	case len(in.Sequence) >= 2:
		return in.Sequence[len(in.Sequence)-2:]
	case chip.Sequence != "":
		return chip.Sequence
	}
	return "00"
}

// agrees reports whether the card signed the amount and the currency that the message states.
func (in *Chip) agrees(chip *emv.Chip) bool {
	return (in.Amount == 0 || chip.Amount == in.Amount) && (in.Currency == "" || chip.Currency == in.Currency)
}
