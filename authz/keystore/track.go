package keystore

import (
	"strconv"
	"strings"

	"holdfast/authz/keystore/retail"
	"holdfast/authz/pan"
)

// VerifyTrack judges the track that was read, by the stripe or, when chip says so, from the image that a chip keeps
// of it, whose value differs: data of one copied to the other are wrong. What is not there is wrong, too.
func (s *Store) VerifyTrack(c Card, track pan.Secret, chip bool) (Verdict, error) {
	p, err := s.openProfile(&c)
	if err != nil {
		return Unseen, err
	}
	rec := s.keys().cards[p.cvk]
	if rec == nil || rec.Usage != usageCVV {
		return Unseen, ErrKey
	}
	t, err := pan.ParseTrack2(track.Reveal())
	if err != nil {
		return Malformed, nil
	}
	offset, err := strconv.Atoi(rec.attribute(attrOffset))
	rest := t.Discretionary.Reveal()
	if err != nil || !t.Number.Equal(c.Number) || t.Expiry != c.Expiry || t.Service == "" || len(rest) < offset+3 {
		return Wrong, nil
	}
	service := t.Service
	if chip {
		service = retail.ServiceICVV
	}
	value, err := retail.CVV(rec.key, c.Number.Reveal(), t.Expiry, service)
	if err != nil {
		return Unseen, err
	}
	return compare(value, rest[offset:offset+3]), nil
}

// Track2 makes the track for the personaliser of a plastic card: for the stripe, or for the chip's image of it. Where
// its discretionary data begin with the PVV, as usual, that of the card's PIN is there; zeros where there is none.
func (s *Store) Track2(c Card, chip bool) (pan.Secret, error) {
	p, err := s.openProfile(&c)
	if err != nil {
		return pan.Secret{}, err
	}
	rec := s.keys().cards[p.cvk]
	if rec == nil || rec.Usage != usageCVV {
		return pan.Secret{}, ErrKey
	}
	service := string(p.service[:])
	if chip {
		service = retail.ServiceICVV
	}
	value, err := retail.CVV(rec.key, c.Number.Reveal(), c.Expiry, service)
	if err != nil {
		return pan.Secret{}, err
	}
	offset, err := strconv.Atoi(rec.attribute(attrOffset))
	if err != nil {
		return pan.Secret{}, ErrKey
	}
	before := strings.Repeat("0", offset)
	if pvk := s.keys().cards[p.pvk]; pvk != nil && offset == 5 {
		before = pvk.attribute(attrIndex) + string(p.pvv[:])
	}
	return pan.NewSecret(c.Number.Reveal() + "=" + c.Expiry + string(p.service[:]) + before + value), nil
}
