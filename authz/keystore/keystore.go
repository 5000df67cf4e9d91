// Package keystore is every use of a key. Callers ask for an operation (seal a
// card number, tag it, derive a keyed hash) and no key ever leaves the package.
//
// The keys live in one file, readable by its owner only, and are sealed by a
// passphrase when there is one. Each key has one usage, bound to it in the
// file, so that a key for tags can never be loaded as a key for card numbers.
// The file may hold several keys of a usage: one is active, the others only
// open what they once sealed.
package keystore

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"holdfast/authz/pan"
)

// What a caller can tell apart. None of the texts holds a key or a card number.
var (
	// ErrPassphrase: the file is sealed and no passphrase came, or the reverse.
	ErrPassphrase = errors.New("passphrase does not fit the key file")
	// ErrAltered: the file was changed, or the passphrase is wrong. Cryptography
	// cannot tell these two apart.
	ErrAltered = errors.New("wrong passphrase or altered key file")
	// ErrPermissions: others than the owner could read or write the file.
	ErrPermissions = errors.New("key file must be a regular file with mode 0600 or narrower")
	// ErrFormat: the file is not one that this version understands.
	ErrFormat = errors.New("key file has an unknown form")
	// ErrSealedPAN: a sealed card number was altered, belongs to another card,
	// or was sealed under keys that are not here.
	ErrSealedPAN = errors.New("sealed card number does not open")
	// ErrKey: there is no key for it, or the one there is cannot be used.
	ErrKey = errors.New("no key for it")
	// ErrCheckValue: a key that was sent is not the one that its check value names.
	ErrCheckValue = errors.New("the key's check value differs")
	// ErrInput: a PIN, a date or a number is not one that the operation takes.
	ErrInput = errors.New("input has a wrong form")
)

// Tag is a keyed hash of a card number: the same number has the same tag, and
// without the key a tag tells nothing. It finds a card, and is not a secret, but
// it has no business outside the stores.
type Tag [16]byte

// String is the tag in hexadecimal.
func (t Tag) String() string { return hex.EncodeToString(t[:]) }

// LabelApproval is the label of Keyed that has a key of its own: what it makes
// is shown to merchants, so it must share no key with anything else.
const LabelApproval = "approval"

// sealedForm is the first byte of a sealed card number: form, key id (4 bytes),
// then nonce, ciphertext and authentication tag.
const sealedForm = 1

const sealedHeader = 1 + 4

// Store answers for the keys of one file. Its own keys do
// not change once it is open; the keys of its peers' zones do. It is safe for concurrent use.
type Store struct {
	// A function, because fmt shows nothing of what a function has captured. It
	// follows a pointer to a struct when a verb does not suit a pointer.
	keys func() *ring
}

// ring is the keys in the form in which they are used.
type ring struct {
	aeads   map[uint32]cipher.AEAD // by key id, all that may open
	sealer  uint32                 // the active one
	panTag  *macPool
	other   []*macPool // under which a number may be tagged, too
	approve *macPool
	dup     *macPool
	cards   map[uint32]*record // the TDES keys of the cards, by id
	active  map[string]uint32  // of those, the active ones by usage
	masters map[string]*record // zone master keys by peer
	macs    map[string]*record // imported keys of message authentication by peer
	zones   zoneTable

	rsa         []rsaPair
	signer      *authority // the active one
	authorities []*x509.Certificate
}

// newStore turns the records of a file into keys that work. The records have
// been checked: every usage has one active key of the right size.
func newStore(records []record) (*Store, error) {
	r := &ring{aeads: make(map[uint32]cipher.AEAD), cards: make(map[uint32]*record), active: make(map[string]uint32),
		masters: make(map[string]*record), macs: make(map[string]*record)}
	for i := range records {
		if err := r.take(&records[i]); err != nil {
			return nil, fmt.Errorf("load key %d: %w", records[i].ID, err)
		}
	}
	return &Store{keys: func() *ring { return r }}, nil
}

// take puts a key where it works.
func (r *ring) take(rec *record) error {
	active := rec.State == stateActive
	switch rec.Usage {
	case usagePAN:
		block, err := aes.NewCipher(rec.key)
		if err != nil {
			return err
		}
		if r.aeads[rec.ID], err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return err
		}
		if active {
			r.sealer = rec.ID
		}
	case usageTag:
		if pool := newMACPool(rec.key); active {
			r.panTag = pool
		} else {
			r.other = append(r.other, pool)
		}
	case usageApproval, usageDuplicate:
		if pool := newMACPool(rec.key); active && rec.Usage == usageApproval {
			r.approve = pool
		} else if active {
			r.dup = pool
		}
	case usageJWE, usageAuthority:
		return r.loadPair(rec)
	case usageZone:
		if active {
			r.masters[rec.attribute(attrPeer)] = rec
		}
	case usageMAC:
		if active {
			r.macs[rec.attribute(attrPeer)] = rec
		}
	default:
		r.cards[rec.ID] = rec
		if active {
			r.active[rec.Usage] = rec.ID
		}
	}
	return nil
}

// Seal encrypts a card number for storage beside the card with this id: opening
// it for another card fails, so rows cannot be swapped. Two seals of one number
// differ, and all are equally long. The nonces are random, so a key is good for
// 2^32 seals (NIST SP 800-38D, 8.3).
func (s *Store) Seal(n pan.Number, cardID int64) ([]byte, error) {
	if n.IsZero() {
		return nil, errors.New("seal card number: there is none")
	}
	r := s.keys()
	out := make([]byte, sealedHeader, sealedHeader+64)
	out[0] = sealedForm
	binary.BigEndian.PutUint32(out[1:], r.sealer)

	var plain [1 + pan.DigitsMax]byte // filled up, or the length would tell the number's
	plain[0] = byte(copy(plain[1:], n.Reveal()))
	out = r.aeads[r.sealer].Seal(out, nil, plain[:], sealedContext(out[:sealedHeader], cardID))
	clear(plain[:])
	return out, nil
}

// Sealer reports whether something sealed is under the active key, so that nothing is left to be done when the
// others go.
func (s *Store) Sealer(sealed []byte) bool {
	return len(sealed) >= sealedHeader && binary.BigEndian.Uint32(sealed[1:]) == s.keys().sealer
}

// OpenPAN decrypts what Seal made for the same card. The error is ErrSealedPAN.
func (s *Store) OpenPAN(sealed []byte, cardID int64) (pan.Number, error) {
	if len(sealed) < sealedHeader || sealed[0] != sealedForm {
		return pan.Number{}, ErrSealedPAN
	}
	aead, ok := s.keys().aeads[binary.BigEndian.Uint32(sealed[1:])]
	if !ok {
		return pan.Number{}, ErrSealedPAN
	}
	header, body := sealed[:sealedHeader], sealed[sealedHeader:]
	plain, err := aead.Open(nil, nil, body, sealedContext(header, cardID))
	if err != nil || len(plain) != 1+pan.DigitsMax || int(plain[0]) > pan.DigitsMax {
		return pan.Number{}, ErrSealedPAN
	}
	defer clear(plain)
	n, err := pan.Parse(string(plain[1 : 1+plain[0]]))
	if err != nil {
		return pan.Number{}, ErrSealedPAN
	}
	return n, nil
}

// sealedContext is what a sealed card number is bound to without being in it.
func sealedContext(header []byte, cardID int64) []byte {
	context := append([]byte("holdfast pan "), header...)
	return binary.BigEndian.AppendUint64(context, uint64(cardID))
}

// Tag is the look-up tag of a card number: HMAC-SHA-256, the first 16 bytes.
func (s *Store) Tag(n pan.Number) Tag {
	m := s.keys().panTag.get()
	m.in = append(m.in, n.Reveal()...)
	return m.sum()
}

// OtherTags are the tags of a number under keys that are not active: under one that was, until every card has been
// tagged again, and under one that will be. There are none but during a rotation.
func (s *Store) OtherTags(n pan.Number) []Tag {
	r := s.keys()
	tags := make([]Tag, len(r.other))
	for i, pool := range r.other {
		m := pool.get()
		m.in = append(m.in, n.Reveal()...)
		tags[i] = m.sum()
	}
	return tags
}

// Keyed is a keyed hash of parts under a label: for duplicate keys, approval
// codes, hashes of responses. Labels do not collide with each other, and neither
// do the borders of parts: ("a","b") and ("ab") differ. It is no secret, but
// nobody without the key can compute it.
func (s *Store) Keyed(label string, parts ...[]byte) [16]byte {
	r := s.keys()
	pool := r.dup
	if label == LabelApproval {
		pool = r.approve
	}
	m := pool.get()
	m.in = binary.AppendUvarint(m.in, uint64(len(label)))
	m.in = append(m.in, label...)
	for _, part := range parts {
		m.in = binary.AppendUvarint(m.in, uint64(len(part)))
		m.in = append(m.in, part...)
	}
	return m.sum()
}

// CheckValue names the key of the tags without telling it. A store that keeps
// it beside its cards can refuse to start with the wrong key file, under which
// every card would be unknown. It changes when that key is rotated.
func (s *Store) CheckValue() string { return checkValue(s.keys().panTag) }

// Knows reports whether a check value is that of a tag key in the file, active or not.
func (s *Store) Knows(value string) bool {
	r := s.keys()
	return value == checkValue(r.panTag) ||
		slices.ContainsFunc(r.other, func(p *macPool) bool { return value == checkValue(p) })
}

func checkValue(pool *macPool) string {
	m := pool.get()
	m.in = append(m.in, "check value"...) // no card number: it has letters
	value := m.sum()
	return hex.EncodeToString(value[:8])
}

// String says what it is and nothing else.
func (s *Store) String() string { return "keystore" }

// GoString says what it is and nothing else.
func (s *Store) GoString() string { return "keystore.Store" }

// Format says what it is, for every verb.
func (s *Store) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, s.String()) // fmt's writer cannot fail
}

// LogValue says what it is, for slog.
func (s *Store) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText says what it is, for every encoder.
func (s *Store) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// keySize is the length of the keys that are our own affair: AES-256, and the output of SHA-256.
const keySize = sha256.Size
