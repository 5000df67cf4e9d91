package keystore

import (
	"bytes"
	"crypto/aes"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"holdfast/authz/keystore/retail"
	"holdfast/authz/pan"
)

// ZoneUse is what a key that a peer sent is for.
type ZoneUse string

// The uses of zone keys.
const (
	ZonePIN ZoneUse = "PIN" // PIN blocks on the link
	ZoneMAC ZoneUse = "MAC" // message authentication on the link
)

// ZoneKey is a zone key as it is kept: sealed, with what may be told of it.
type ZoneKey struct {
	Peer       string
	Use        ZoneUse
	State      string    // pending, active or decrypt-only
	Until      time.Time // of a decrypt-only key: how long it is still accepted
	CheckValue []byte
	Sealed     []byte
}

// OverlapMax bounds how long a key that was replaced is still accepted: messages on their way are seconds old.
const OverlapMax = time.Hour

// zoneTable is the zone keys in use. It changes while the switch runs.
type zoneTable struct {
	mu   sync.RWMutex
	keys map[zoneName]*zone // a zone never changes: another takes its place
}

type zoneName struct {
	peer string
	use  ZoneUse
}

// zone is the keys of one use with one peer.
type zone struct{ pending, active, old *zoneKey }

type zoneKey struct {
	ZoneKey
	key       []byte
	algorithm string
	formats   string
}

// ImportZoneKey takes the key that a peer sends for a use, wrapped under the zone master key of the peer: as a key block of
// TR-31 (version B under a TDES master, D under an AES one), or TDES in electronic code book under a TDES master, AES key
// wrap (RFC 3394) under an AES one. check is the check value that came with it, three bytes or more: with another key it
// is ErrCheckValue, and nothing changes. A key block, which answers for itself, may come without. The key is pending until
// ActivateZoneKey.
func (s *Store) ImportZoneKey(peer string, use ZoneUse, wrapped, check []byte) (ZoneKey, error) {
	master := s.keys().masters[peer]
	if master == nil || use != ZonePIN && use != ZoneMAC {
		return ZoneKey{}, fmt.Errorf("import zone key: %w", ErrKey)
	}
	k := &zoneKey{ZoneKey: ZoneKey{Peer: peer, Use: use, State: statePending},
		algorithm: master.attribute(attrAlgorithm), formats: master.attribute(attrFormats)}
	var err error
	block := len(wrapped) > keyBytesWrapped
	if block {
		k.key, err = master.openKeyBlock(wrapped, use)
	} else {
		k.key, err = unwrap(master.key, k.algorithm, wrapped)
	}
	if err != nil {
		return ZoneKey{}, fmt.Errorf("import zone key: %w", err)
	}
	if k.CheckValue, err = retail.CheckValue(k.key, k.algorithm == algorithmAES); err != nil {
		return ZoneKey{}, fmt.Errorf("import zone key: %w", ErrInput)
	}
	if block && len(check) == 0 {
		check = k.CheckValue
	}
	if len(check) < 3 || len(check) > len(k.CheckValue) || subtle.ConstantTimeCompare(k.CheckValue[:len(check)], check) != 1 {
		return ZoneKey{}, fmt.Errorf("import zone key: %w", ErrCheckValue)
	}
	s.sealZone(k)
	s.keys().zones.change(k.name(), func(z *zone) { z.pending = k })
	return k.ZoneKey, nil
}

// ActivateZoneKey makes the pending key of a use the active one. The one before is accepted until at plus overlap,
// at most [OverlapMax]; so is the imported key of message authentication, whose place the first exchanged one takes. It
// returns what is now to be kept. Without a pending key it is ErrKey.
func (s *Store) ActivateZoneKey(peer string, use ZoneUse, at time.Time, overlap time.Duration) ([]ZoneKey, error) {
	err := ErrKey
	var kept []ZoneKey
	s.keys().zones.change(zoneName{peer, use}, func(z *zone) {
		if z.pending == nil {
			return
		}
		err = nil
		old := z.active
		if old == nil && use == ZoneMAC {
			old = s.importedMAC(peer, z.pending.algorithm)
		}
		if old != nil {
			was := *old
			was.State, was.Until = stateRetired, at.Add(min(max(overlap, 0), OverlapMax))
			z.old = &was
			kept = append(kept, was.ZoneKey)
		}
		now := *z.pending
		now.State = stateActive
		z.active, z.pending = &now, nil
		kept = append(kept, now.ZoneKey)
	})
	if err != nil {
		return nil, fmt.Errorf("activate zone key: %w", err)
	}
	return kept, nil
}

// HasZoneKey reports whether a key of a use has come from a peer and is active.
func (s *Store) HasZoneKey(peer string, use ZoneUse) bool {
	return s.keys().zones.accepted(zoneName{peer, use}, time.Time{})[MACKeyActive] != nil
}

// LoadZoneKeys takes keys as they were kept, in place of all that are here: at the start, and when another node has
// changed them. A key that does not open is ErrKey, and then none is taken.
func (s *Store) LoadZoneKeys(kept []ZoneKey) error {
	zones := make(map[zoneName]*zone)
	for _, k := range kept {
		loaded := &zoneKey{ZoneKey: k}
		master := s.keys().masters[k.Peer]
		if master == nil || s.openZone(loaded) != nil {
			return fmt.Errorf("load zone key of %s: %w", k.Peer, ErrKey)
		}
		loaded.algorithm, loaded.formats = master.attribute(attrAlgorithm), master.attribute(attrFormats)
		z := zones[loaded.name()]
		if z == nil {
			z = &zone{}
			zones[loaded.name()] = z
		}
		switch k.State {
		case statePending:
			z.pending = loaded
		case stateActive:
			z.active = loaded
		case stateRetired:
			z.old = loaded
		default:
			return fmt.Errorf("load zone key of %s: %w", k.Peer, ErrFormat)
		}
	}
	s.keys().zones.mu.Lock()
	defer s.keys().zones.mu.Unlock()
	s.keys().zones.keys = zones
	return nil
}

func (k *zoneKey) name() zoneName { return zoneName{k.Peer, k.Use} }

// sealZone seals a zone key under the active sealing key, bound to its peer and use.
func (s *Store) sealZone(k *zoneKey) {
	r := s.keys()
	header := binary.BigEndian.AppendUint32([]byte{sealedForm}, r.sealer)
	k.Sealed = r.aeads[r.sealer].Seal(header, nil, k.key, k.context(header))
}

// ResealZoneKey puts a kept key under the active sealing key.
func (s *Store) ResealZoneKey(k ZoneKey) (ZoneKey, error) {
	sealed := &zoneKey{ZoneKey: k}
	if err := s.openZone(sealed); err != nil {
		return k, fmt.Errorf("reseal zone key of %s: %w", k.Peer, ErrKey)
	}
	defer clear(sealed.key)
	s.sealZone(sealed)
	return sealed.ZoneKey, nil
}

func (s *Store) openZone(k *zoneKey) error {
	if len(k.Sealed) < sealedHeader {
		return ErrKey
	}
	aead := s.keys().aeads[binary.BigEndian.Uint32(k.Sealed[1:])]
	if aead == nil {
		return ErrKey
	}
	var err error
	k.key, err = aead.Open(nil, nil, k.Sealed[sealedHeader:], k.context(k.Sealed))
	return err
}

func (k *zoneKey) context(header []byte) []byte {
	return fmt.Appendf(nil, "holdfast zone %x %q %q", header[:sealedHeader], k.Peer, k.Use)
}

// change puts a changed copy of a zone in its place.
func (t *zoneTable) change(name zoneName, f func(*zone)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var z zone
	if was := t.keys[name]; was != nil {
		z = *was
	}
	f(&z)
	if t.keys == nil {
		t.keys = make(map[zoneName]*zone)
	}
	t.keys[name] = &z
}

// accepted are the keys of a use that are good at a moment, in the order of [MACKey]: the active one, the one before, and
// the pending one, which the peer uses as soon as it has our answer, and so perhaps before we have activated it. Those
// that are not there are nil. The zero time is before every end.
func (t *zoneTable) accepted(name zoneName, at time.Time) (keys [3]*zoneKey) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	z := t.keys[name]
	if z == nil {
		return keys
	}
	keys[MACKeyActive], keys[MACKeyPending] = z.active, z.pending
	if z.old != nil && at.Before(z.old.Until) {
		keys[MACKeyBefore] = z.old
	}
	return keys
}

// openPIN opens a PIN block by the keys of its peer. The caller wipes the PIN, which no one outside may see.
func (t *zoneTable) openPIN(in PIN, number pan.Number) (pin []byte, err error) {
	err = ErrKey
	for _, k := range t.accepted(zoneName{in.Peer, ZonePIN}, in.At) {
		if k == nil {
			continue
		}
		err = retail.ErrPINBlock
		if (len(in.Block.Reveal()) == aes.BlockSize) != (k.algorithm == algorithmAES) {
			continue // a key is for one algorithm
		}
		accept := k.formats
		if in.Form != "" {
			accept = agreedFormat(accept, in.Form)
		}
		if _, pin, err = retail.OpenPINBlock(k.key, []byte(in.Block.Reveal()), number.Reveal(), accept); err == nil {
			return pin, nil
		}
	}
	return nil, err
}

// agreedFormat is the format that a message names, if it is agreed on.
func agreedFormat(formats, form string) string {
	if len(form) == 1 && bytes.IndexByte([]byte(formats), form[0]) >= 0 {
		return form
	}
	return ""
}

// EncryptPIN makes the PIN block that a terminal in the peer's zone would send, in the first format agreed on: for
// simulators, and for PINs that go out.
func (s *Store) EncryptPIN(peer string, number pan.Number, pin pan.Secret) (pan.Secret, error) {
	return s.sealPIN(peer, number, []byte(pin.Reveal()))
}

// TranslatePIN opens a block of one peer and makes one for another in that one's own format: formats are agreed, not
// chosen, since a free choice of them gives PINs away.
func (s *Store) TranslatePIN(in PIN, number pan.Number, to string) (pan.Secret, error) {
	pin, err := s.keys().zones.openPIN(in, number)
	if err != nil {
		return pan.Secret{}, fmt.Errorf("translate PIN block: %w", err)
	}
	return s.sealPIN(to, number, pin)
}

// sealPIN wipes the PIN.
func (s *Store) sealPIN(peer string, number pan.Number, pin []byte) (pan.Secret, error) {
	defer clear(pin)
	k := s.keys().zones.accepted(zoneName{peer, ZonePIN}, time.Time{})[MACKeyActive]
	if k == nil {
		return pan.Secret{}, ErrKey
	}
	format := retail.Format(k.formats[0])
	if k.algorithm == algorithmAES {
		format = retail.ISO4
	}
	block, err := retail.SealPINBlock(k.key, format, pin, number.Reveal())
	if err != nil {
		return pan.Secret{}, ErrInput
	}
	return pan.NewSecret(string(block)), nil
}

// unwrap decrypts a key under a zone master key. The error is ErrInput.
func unwrap(master []byte, algorithm string, wrapped []byte) ([]byte, error) {
	if algorithm == algorithmAES {
		return unwrapAES(master, wrapped)
	}
	if len(wrapped) != 16 {
		return nil, ErrInput
	}
	block, err := retail.TDES(master)
	if err != nil {
		return nil, ErrInput
	}
	key := make([]byte, len(wrapped))
	for at := 0; at < len(key); at += retail.BlockSize {
		block.Decrypt(key[at:], wrapped[at:])
	}
	return key, checkKey(key, algorithm)
}

// checkKey refuses a key that its cipher does not take, or that is single DES in disguise.
func checkKey(key []byte, algorithm string) error {
	switch n := len(key); {
	case algorithm == algorithmAES:
		if n != 16 && n != 24 && n != 32 {
			return ErrInput
		}
	case n != 16 && n != 24, bytes.Equal(key[:8], key[8:16]), bytes.Equal(key[8:16], key[16:]):
		return ErrInput
	}
	return nil
}

// unwrapAES is AES key wrap (RFC 3394, 2.2.2), which notices any change.
func unwrapAES(master, wrapped []byte) ([]byte, error) {
	if len(wrapped) != 24 && len(wrapped) != 32 && len(wrapped) != 40 {
		return nil, ErrInput
	}
	block, err := aes.NewCipher(master)
	if err != nil {
		return nil, ErrInput
	}
	n := len(wrapped)/8 - 1
	var b [aes.BlockSize]byte
	copy(b[:8], wrapped)
	key := bytes.Clone(wrapped[8:])
	for step := 6 * n; step > 0; step-- {
		i := (step - 1) % n * 8
		binary.BigEndian.PutUint64(b[:8], binary.BigEndian.Uint64(b[:8])^uint64(step))
		copy(b[8:], key[i:i+8])
		block.Decrypt(b[:], b[:])
		copy(key[i:], b[8:])
	}
	if subtle.ConstantTimeCompare(b[:8], bytes.Repeat([]byte{0xa6}, 8)) != 1 {
		clear(key)
		return nil, ErrInput
	}
	return key, nil
}
