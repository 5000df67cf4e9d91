package keystore

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"holdfast/authz/keystore/retail"
	"holdfast/authz/pan"
)

// Verdict is what a piece of evidence was found to be. The zero value says that it was not looked at.
type Verdict uint8

// The verdicts. Malformed says that it could not be read: that is no try.
const (
	Unseen Verdict = iota
	Right
	Wrong
	Malformed
)

var verdictNames = [...]string{"UNSEEN", "RIGHT", "WRONG", "MALFORMED"}

// String is the verdict's stable name.
func (v Verdict) String() string {
	if int(v) >= len(verdictNames) {
		return "UNDEFINED"
	}
	return verdictNames[v]
}

// Sealed is a card's profile as it is kept beside the card: which keys its values are under, its service code and
// the verification value of its PIN. Only the keystore reads it.
type Sealed string

// String says what it is and nothing else.
func (s Sealed) String() string { return "sealed profile" }

// GoString says what it is and nothing else.
func (s Sealed) GoString() string { return s.String() }

// Card is what the keystore must know of a card to judge its evidence.
type Card struct {
	ID      int64
	Number  pan.Number
	Expiry  string // YYMM, as in DE 14
	Profile Sealed
}

// ServiceCode is that of an international chip card without restrictions, for cards of which nothing else is said.
const ServiceCode = "201"

// profile is a Sealed in clear.
type profile struct {
	service       [3]byte
	cvk, pvk, imk uint32
	generation    uint16  // of the CVV2: each has a key of its own
	pvv           [4]byte // of the PIN, when pvk is not 0
}

// profileSize is the plain size: a form, and the fields in their order.
const (
	profileForm = 1
	profileSize = 1 + 3 + 4 + 4 + 4 + 2 + 4
)

// NewProfile is the profile of a card that has no PIN yet, under the active keys. service has three digits.
func (s *Store) NewProfile(cardID int64, service string) (Sealed, error) {
	r := s.keys()
	p := profile{cvk: r.active[usageCVV], imk: r.active[usageChip]}
	if copy(p.service[:], service) != 3 || len(service) != 3 {
		return "", fmt.Errorf("make a card's profile: service code: %w", ErrInput)
	}
	return s.sealProfile(&p, cardID), nil
}

func (s *Store) sealProfile(p *profile, cardID int64) Sealed {
	r := s.keys()
	plain := make([]byte, 0, profileSize)
	defer func() { clear(plain[:cap(plain)]) }()
	plain = append(append(plain, profileForm), p.service[:]...)
	for _, id := range []uint32{p.cvk, p.pvk, p.imk} {
		plain = binary.BigEndian.AppendUint32(plain, id)
	}
	plain = append(binary.BigEndian.AppendUint16(plain, p.generation), p.pvv[:]...)
	out := make([]byte, sealedHeader, sealedHeader+64)
	out[0] = sealedForm
	binary.BigEndian.PutUint32(out[1:], r.sealer)
	return Sealed(r.aeads[r.sealer].Seal(out, nil, plain, profileContext(out, cardID)))
}

func profileContext(header []byte, cardID int64) []byte {
	context := append([]byte("holdfast profile "), header[:sealedHeader]...)
	return binary.BigEndian.AppendUint64(context, uint64(cardID))
}

var errProfile = errors.New("the card's profile does not open")

func (s *Store) openProfile(c *Card) (p profile, err error) {
	sealed := []byte(c.Profile)
	if len(sealed) < sealedHeader || sealed[0] != sealedForm {
		return p, errProfile
	}
	aead, ok := s.keys().aeads[binary.BigEndian.Uint32(sealed[1:])]
	if !ok {
		return p, errProfile
	}
	plain, err := aead.Open(nil, nil, sealed[sealedHeader:], profileContext(sealed, c.ID))
	if err != nil || len(plain) != profileSize || plain[0] != profileForm {
		return p, errProfile
	}
	defer clear(plain)
	copy(p.service[:], plain[1:])
	p.cvk, p.pvk = binary.BigEndian.Uint32(plain[4:]), binary.BigEndian.Uint32(plain[8:])
	p.imk, p.generation = binary.BigEndian.Uint32(plain[12:]), binary.BigEndian.Uint16(plain[16:])
	copy(p.pvv[:], plain[18:])
	return p, nil
}

// Reseal puts a profile under the active sealing key. The card keys that it names stay: they change with the card.
func (s *Store) Reseal(c Card) (Sealed, error) {
	p, err := s.openProfile(&c)
	if err != nil {
		return "", err
	}
	return s.sealProfile(&p, c.ID), nil
}

// CVV2 derives the value that is printed on the card, or shown: three digits, kept nowhere.
func (s *Store) CVV2(c Card) (pan.Secret, error) {
	p, err := s.openProfile(&c)
	if err != nil {
		return pan.Secret{}, err
	}
	value, err := s.cvv2(&p, &c)
	return pan.NewSecret(value), err
}

func (s *Store) cvv2(p *profile, c *Card) (string, error) {
	rec := s.keys().cards[p.cvk]
	if rec == nil || rec.Usage != usageCVV {
		return "", ErrKey
	}
	expiry := c.Expiry
	if rec.attribute(attrExpiry) == "MMYY" && len(expiry) == 4 {
		expiry = expiry[2:] + expiry[:2]
	}
	key := rec.key
	if p.generation > 0 {
		var err error
		if key, err = hkdf.Key(sha256.New, rec.key, nil, "holdfast cvv2 generation "+strconv.Itoa(int(p.generation)), 16); err != nil {
			return "", ErrKey
		}
		defer clear(key)
	}
	return retail.CVV(key, c.Number.Reveal(), expiry, retail.ServiceCVV2)
}

// resetTries bounds the search for another value: one in a thousand is the same again.
const resetTries = 32

// ResetCVV2 gives the card another CVV2 while its number and expiry stay, and returns the profile to keep.
func (s *Store) ResetCVV2(c Card) (Sealed, pan.Secret, error) {
	p, err := s.openProfile(&c)
	if err != nil {
		return "", pan.Secret{}, err
	}
	before, err := s.cvv2(&p, &c)
	if err != nil {
		return "", pan.Secret{}, err
	}
	for range resetTries {
		p.generation++
		after, err := s.cvv2(&p, &c)
		if err != nil {
			return "", pan.Secret{}, err
		}
		if after != before {
			return s.sealProfile(&p, c.ID), pan.NewSecret(after), nil
		}
	}
	return "", pan.Secret{}, errors.New("reset CVV2: every value was the same")
}

// VerifyCVV2 judges a value that was typed in.
func (s *Store) VerifyCVV2(c Card, given pan.Secret) (Verdict, error) {
	p, err := s.openProfile(&c)
	if err != nil {
		return Unseen, err
	}
	value, err := s.cvv2(&p, &c)
	if err != nil {
		return Unseen, err
	}
	return compare(value, given.Reveal()), nil
}

func compare(want, given string) Verdict {
	if subtle.ConstantTimeCompare([]byte(want), []byte(given)) == 1 {
		return Right
	}
	return Wrong
}

// SetPIN gives the card a PIN of 4 to 12 digits, which came inside an encrypted request, and returns the profile to
// keep. The PIN itself is kept nowhere. A PIN of another form is ErrInput.
func (s *Store) SetPIN(c Card, pin pan.Secret) (Sealed, error) {
	p, err := s.openProfile(&c)
	if err != nil {
		return "", err
	}
	p.pvk = s.keys().active[usagePVV]
	value, err := s.pvv(&p, &c, pin.Reveal())
	if err != nil {
		return "", err
	}
	copy(p.pvv[:], value)
	return s.sealProfile(&p, c.ID), nil
}

func (s *Store) pvv(p *profile, c *Card, pin string) (string, error) {
	rec := s.keys().cards[p.pvk]
	if rec == nil || rec.Usage != usagePVV {
		return "", ErrKey
	}
	value, err := retail.PVV(rec.key, c.Number.Reveal(), rec.attribute(attrIndex)[0], pin)
	if err != nil {
		return "", ErrInput
	}
	return value, nil
}

// PIN is a PIN block as it came.
type PIN struct {
	Peer  string // whose zone key it is under
	Form  string // the format that the message says: 0, 1, 3 or 4; empty: one of those agreed on
	Block pan.Secret
	At    time.Time // when it came: a key that was replaced is good for a while
}

// VerifyPIN judges a PIN block by the card's verification value. A block that does not open by any key of the peer
// is Malformed. An error says that there is no key, or no PIN.
func (s *Store) VerifyPIN(c Card, in PIN) (Verdict, error) {
	p, err := s.openProfile(&c)
	if err != nil {
		return Unseen, err
	}
	if p.pvk == 0 {
		return Unseen, ErrKey
	}
	pin, err := s.keys().zones.openPIN(in, c.Number)
	if errors.Is(err, retail.ErrPINBlock) {
		return Malformed, nil
	}
	if err != nil {
		return Unseen, err
	}
	defer clear(pin)
	value, err := s.pvv(&p, &c, string(pin))
	if err != nil {
		return Unseen, err
	}
	return compare(value, string(p.pvv[:])), nil
}
