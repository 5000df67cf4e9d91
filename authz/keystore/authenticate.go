package keystore

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"holdfast/authz/keystore/retail"
)

// MACAlgorithm is how messages are authenticated, under a key of either cipher.
type MACAlgorithm string

// The algorithms. Those of ISO 9797-1 need a TDES key.
const (
	MACRetail MACAlgorithm = "iso9797-3" // ISO 9797-1 algorithm 3, the retail MAC
	MACCBC    MACAlgorithm = "iso9797-1" // ISO 9797-1 algorithm 1 with TDES
	MACCMAC   MACAlgorithm = "cmac"      // CMAC (NIST SP 800-38B) of AES or TDES
)

// MACForm is what a peer and we have agreed on.
type MACForm struct {
	Algorithm MACAlgorithm
	// Marked says that data are padded by 80 and zeros (padding 2), not by zeros alone (padding 1). CMAC has a padding
	// of its own.
	Marked bool
	// Bytes is how many of the leftmost bytes are sent: 4 to 8, and to 16 for CMAC under an AES key.
	Bytes int
}

// Validate names what is wrong with the form.
func (f MACForm) Validate() error {
	most := retail.BlockSize
	switch f.Algorithm {
	case MACRetail, MACCBC:
	case MACCMAC:
		most = 2 * retail.BlockSize
		if f.Marked {
			return errors.New("cmac has a padding of its own")
		}
	default:
		return fmt.Errorf("algorithm %q is not %s, %s or %s", f.Algorithm, MACRetail, MACCBC, MACCMAC)
	}
	if f.Bytes < 4 || f.Bytes > most {
		return fmt.Errorf("%d bytes of a code by %s: want 4 to %d", f.Bytes, f.Algorithm, most)
	}
	return nil
}

// MACKey says which key of a zone a message was authenticated by, so that its answer is by the same: while a key is
// replaced, one side has the new one a little before the other.
type MACKey uint8

// The keys of a zone.
const (
	MACKeyActive  MACKey = iota // the one in use; the zero value
	MACKeyBefore                // the one that it has replaced, while that is still accepted
	MACKeyPending               // the one that is to replace it
)

// CheckMAC reports whether messages with a peer can be authenticated so: whether a key for it, or the master key under
// which the peer will send one, is there and of the right cipher. The error is ErrKey.
func (s *Store) CheckMAC(peer string, form MACForm) error {
	r, found := s.keys(), false
	for _, rec := range []*record{r.masters[peer], r.macs[peer]} {
		if rec == nil {
			continue
		}
		found = true
		if aes := rec.attribute(attrAlgorithm) == algorithmAES; aes && form.Algorithm != MACCMAC || !aes && form.Bytes > retail.BlockSize {
			return fmt.Errorf("the %s of %s is a key of %s: %w", rec.Usage, peer, rec.attribute(attrAlgorithm), ErrKey)
		} else if !aes && form.Algorithm == MACRetail && rec.Usage == usageMAC && len(rec.key) != 16 {
			return fmt.Errorf("the %s of %s has not the double length that %s needs: %w", rec.Usage, peer, form.Algorithm, ErrKey)
		}
	}
	if !found {
		return fmt.Errorf("there is neither a zak nor a zmk of %s: %w", peer, ErrKey)
	}
	return nil
}

// HasMACKey reports whether messages with a peer can be authenticated now.
func (s *Store) HasMACKey(peer string) bool { return s.macKeys(peer, time.Time{})[MACKeyActive] != nil }

// MAC is the code of the bytes of a message to a peer, by the active key where the one that is asked for is not there any
// more: a pending one has become the active one. Without a key it is ErrKey.
func (s *Store) MAC(peer string, form MACForm, by MACKey, message []byte) ([]byte, error) {
	keys := s.macKeys(peer, time.Time{})
	k := keys[by]
	if k == nil {
		k = keys[MACKeyActive]
	}
	if k == nil {
		return nil, ErrKey
	}
	return authenticate(k, form, message)
}

// VerifyMAC judges the code of received bytes, and tells which key it is by. Without a key it is ErrKey.
func (s *Store) VerifyMAC(peer string, form MACForm, message, code []byte, at time.Time) (Verdict, MACKey, error) {
	keys := s.macKeys(peer, at)
	if keys == [3]*zoneKey{} {
		return Unseen, MACKeyActive, ErrKey
	}
	if len(code) < form.Bytes {
		return Malformed, MACKeyActive, nil
	}
	for i, k := range keys {
		if k == nil {
			continue
		}
		want, err := authenticate(k, form, message)
		if err != nil {
			return Unseen, MACKeyActive, err
		}
		if subtle.ConstantTimeCompare(want, code[:form.Bytes]) == 1 {
			return Right, MACKey(i), nil
		}
	}
	return Wrong, MACKeyActive, nil
}

// MACWith is the code of a message under a key that is no key of ours: that of a tool which plays a peer. A key that the
// algorithm does not take is ErrKey.
func MACWith(key []byte, aes bool, form MACForm, message []byte) ([]byte, error) {
	k := zoneKey{key: key, algorithm: algorithmTDES}
	if aes {
		k.algorithm = algorithmAES
	}
	return authenticate(&k, form, message)
}

// macKeys are the keys of message authentication that are good at a moment: those that the peer has sent, as accepted
// tells them; the imported one is active until the first of them is.
func (s *Store) macKeys(peer string, at time.Time) [3]*zoneKey {
	keys := s.keys().zones.accepted(zoneName{peer, ZoneMAC}, at)
	if rec := s.keys().macs[peer]; rec != nil && keys[MACKeyActive] == nil {
		keys[MACKeyActive] = &zoneKey{key: rec.key, algorithm: rec.attribute(attrAlgorithm)}
	}
	return keys
}

// importedMAC is the imported key of a peer as one to be kept, sealed, while the first that was exchanged takes its place;
// nil when there is none of that cipher.
func (s *Store) importedMAC(peer, algorithm string) *zoneKey {
	rec := s.keys().macs[peer]
	if rec == nil || rec.attribute(attrAlgorithm) != algorithm {
		return nil
	}
	check, err := retail.CheckValue(rec.key, algorithm == algorithmAES)
	if err != nil {
		return nil
	}
	k := &zoneKey{ZoneKey: ZoneKey{Peer: peer, Use: ZoneMAC, CheckValue: check}, key: rec.key, algorithm: algorithm}
	s.sealZone(k)
	return k
}

func authenticate(k *zoneKey, form MACForm, message []byte) ([]byte, error) {
	aes := k.algorithm == algorithmAES
	if aes && form.Algorithm == MACCMAC {
		code, err := retail.CMAC(k.key, message)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrKey, err)
		}
		return code[:form.Bytes], nil
	}
	var code [retail.BlockSize]byte
	var err error
	switch {
	case aes || form.Bytes > len(code):
		return nil, ErrKey
	case form.Algorithm == MACCMAC:
		code, err = retail.TDESCMAC(k.key, message)
	case form.Algorithm == MACCBC:
		code, err = retail.MAC1(k.key, message, form.Marked)
	case form.Marked:
		code, err = retail.MAC3Marked(k.key, message)
	default:
		code, err = retail.RetailMAC(k.key, message)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return code[:form.Bytes], nil
}
