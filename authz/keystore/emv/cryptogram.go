package emv

import (
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"

	"holdfast/authz/keystore/retail"
)

// ErrVersion says that a cryptogram is of a version that is not served.
var ErrVersion = errors.New("check cryptogram: its version is not served")

// Version is the cryptogram version number that a card names in its issuer application data, with the scheme whose
// layout that data has: both schemes use some of the same numbers.
type Version uint8

// The versions served.
const (
	CVN10   Version = iota + 1 // card key, no session key; zeros as padding; ARPC method 1
	CVN18                      // common session key; ARPC method 2
	MChip10                    // session key from counter and unpredictable number; ARPC method 1 with the card key
	MChip11                    // the same, and the counters of the card are signed, too
	MChip14                    // common session key; ARPC method 1 with the card key
)

// Chip is a chip's part of a message, ready to be checked.
type Chip struct {
	Version       Version
	ATC           uint16
	Unpredictable []byte
	Cryptogram    []byte
	Kind          Kind
	Sequence      string // two digits; empty when the chip data have none
	Amount        int64  // authorised, in minor units of Currency
	Currency      string // three digits
	signed        []byte // what the cryptogram is over, without padding
}

// Kind is the kind of a cryptogram, the upper two bits of tag 9F27.
type Kind uint8

// The kinds: the card declines, approves offline, or asks us.
const (
	AAC  Kind = 0x00
	TC   Kind = 0x40
	ARQC Kind = 0x80
)

// elements are what every cryptogram is over, in their order, with their sizes in bytes.
var elements = []struct {
	tag  Tag
	size int
}{{TagAmount, 6}, {TagOther, 6}, {TagCountry, 2}, {TagTVR, 5}, {TagCurrency, 2}, {TagDate, 3}, {TagType, 1},
	{TagUnpredictable, 4}, {TagAIP, 2}, {TagATC, 2}}

// Read takes a chip's part out of its data objects. The error is ErrData, or ErrVersion.
func Read(o Objects) (*Chip, error) {
	c := &Chip{}
	for _, e := range elements {
		v, ok := o.Fixed(e.tag, e.size)
		if !ok {
			return nil, ErrData
		}
		c.signed = append(c.signed, v...)
	}
	var ok bool
	if c.Amount, ok = number(o[TagAmount]); !ok {
		return nil, ErrData
	}
	currency, ok := number(o[TagCurrency])
	if !ok || currency > 999 {
		return nil, ErrData
	}
	c.Currency = fmt.Sprintf("%03d", currency)
	c.Unpredictable = o[TagUnpredictable]
	c.ATC = binary.BigEndian.Uint16(o[TagATC])
	if c.Cryptogram, ok = o.Fixed(TagCryptogram, retail.BlockSize); !ok {
		return nil, ErrData
	}
	info, ok := o.Fixed(TagCryptogramIs, 1)
	if !ok {
		return nil, ErrData
	}
	c.Kind = Kind(info[0] & 0xc0)
	if s, ok := o.Fixed(TagSequence, 1); ok && s[0]>>4 <= 9 && s[0]&15 <= 9 {
		c.Sequence = string([]byte{'0' + s[0]>>4, '0' + s[0]&15})
	}
	return c, c.application(o[TagIAD])
}

// number reads packed decimal digits.
func number(packed []byte) (n int64, ok bool) {
	for _, b := range packed {
		if b>>4 > 9 || b&15 > 9 {
			return 0, false
		}
		n = n*100 + int64(b>>4)*10 + int64(b&15)
	}
	return n, true
}

// application reads the issuer application data. One scheme begins them with their length 06 (or 1F and more for
// format 2), the key index, the version and the card's results in four bytes; the other with the key index, the
// version, and the results in six bytes, and may add counters.
func (c *Chip) application(iad []byte) error {
	switch {
	case len(iad) >= 7 && iad[0] == 6 && iad[2] == 0x0a:
		c.Version, c.signed = CVN10, append(c.signed, iad[3:7]...)
	case len(iad) >= 7 && iad[0] == 6 && iad[2] == 0x12:
		c.Version, c.signed = CVN18, append(c.signed, iad...)
	case len(iad) >= 8 && iad[1] == 0x10:
		c.Version, c.signed = MChip10, append(c.signed, iad[2:8]...)
	case len(iad) >= 18 && iad[1] == 0x11:
		c.Version, c.signed = MChip11, append(append(c.signed, iad[2:8]...), iad[10:18]...)
	case len(iad) >= 8 && iad[1] == 0x14:
		c.Version, c.signed = MChip14, append(c.signed, iad[2:8]...)
	case len(iad) >= 3:
		return ErrVersion
	default:
		return ErrData
	}
	return nil
}

// Genuine reports whether the cryptogram is what the card with this key makes of the data.
func (c *Chip) Genuine(card []byte) (bool, error) {
	mac, err := Cryptogram(c.Version, card, c.ATC, c.Unpredictable, c.signed)
	return subtle.ConstantTimeCompare(mac[:], c.Cryptogram) == 1, err
}

// Cryptogram computes the cryptogram of a version over data that are not padded yet.
func Cryptogram(v Version, card []byte, atc uint16, unpredictable, data []byte) (mac [8]byte, err error) {
	key := card
	if v != CVN10 {
		if key, err = sessionKey(v, card, atc, unpredictable); err != nil {
			return mac, err
		}
		defer clear(key)
	}
	if v == CVN10 {
		return retail.RetailMAC(key, data)
	}
	return retail.MAC3Marked(key, data)
}

func sessionKey(v Version, card []byte, atc uint16, unpredictable []byte) ([]byte, error) {
	r := make([]byte, retail.BlockSize)
	binary.BigEndian.PutUint16(r, atc)
	switch v {
	case CVN18, MChip14:
	case MChip10, MChip11:
		if len(unpredictable) != 4 {
			return nil, ErrData
		}
		copy(r[4:], unpredictable)
	default:
		return nil, ErrVersion
	}
	return SessionKey(card, r)
}

// Answer is the issuer authentication data (tag 91) for an approval or a decline. A card of method 1 gets a
// cryptogram over its own and a response code: two ASCII characters ("00", "05") in one scheme, whatever the width of
// DE 39, and a bit field in the other. A card of method 2 gets a MAC of four bytes and the status update itself.
func (c *Chip) Answer(card []byte, approved bool) ([]byte, error) {
	switch c.Version {
	case CVN10:
		code := []byte("05")
		if approved {
			code = []byte("00")
		}
		return method1(card, c.Cryptogram, code)
	case MChip10, MChip11, MChip14:
		code := []byte{0, 0}
		if approved {
			code[1] = 0x10 // the issuer approves
		}
		return method1(card, c.Cryptogram, code)
	case CVN18:
		status := []byte{0, 0, 0, 0}
		if approved {
			status[1] = 0x80 // the issuer approves
		}
		key, err := sessionKey(c.Version, card, c.ATC, nil)
		if err != nil {
			return nil, err
		}
		defer clear(key)
		return Method2(key, c.Cryptogram, status)
	}
	return nil, ErrVersion
}

func method1(card, cryptogram, code []byte) ([]byte, error) {
	arpc, err := Method1(card, cryptogram, code)
	return append(arpc, code...), err
}

// Method1 computes an ARPC of eight bytes over a cryptogram and a response code of two (EMV 4.3, book 2, 8.2.1).
func Method1(key, cryptogram, code []byte) ([]byte, error) {
	if len(cryptogram) != retail.BlockSize || len(code) != 2 {
		return nil, ErrData
	}
	c, err := retail.TDES(key)
	if err != nil {
		return nil, err
	}
	out := append(make([]byte, 0, 10), cryptogram...)
	out[0] ^= code[0]
	out[1] ^= code[1]
	c.Encrypt(out, out)
	return out, nil
}

// Method2 computes issuer authentication data of eight bytes: the MAC of the session key over cryptogram and card
// status update, cut to four bytes, and the update (EMV 4.3, book 2, 8.2.2).
func Method2(session, cryptogram, status []byte) ([]byte, error) {
	if len(cryptogram) != retail.BlockSize || len(status) != 4 {
		return nil, ErrData
	}
	mac, err := retail.MAC3Marked(session, append(append([]byte(nil), cryptogram...), status...))
	if err != nil {
		return nil, err
	}
	return append(mac[:4:4], status...), nil
}
