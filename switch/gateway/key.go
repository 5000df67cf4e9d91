package gateway

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"holdfast/switch/iso"
)

// KeyUse is what a zone key is for.
type KeyUse uint8

// The uses of zone keys.
const (
	KeyPIN KeyUse = iota + 1 // PIN blocks on the link
	KeyMAC                   // authentication of messages on the link
)

// ErrKeyCheck says that a check value is not that of the key that came with it.
var ErrKeyCheck = errors.New("the check value is not the key's")

// ZoneKeys keep the keys that peers and we share. No key leaves them.
type ZoneKeys interface {
	// Offer takes a new key of a peer, encrypted under the zone master key that we share with it, as pending: durable,
	// and not yet in use. A key block (TR-31) needs no check value. It returns our own; ErrKeyCheck leaves everything as it
	// was.
	Offer(ctx context.Context, peer string, use KeyUse, wrapped, check []byte) ([]byte, error)
	// Activate puts the pending key into use. What was encrypted under the one before is still accepted for the overlap.
	Activate(ctx context.Context, peer string, use KeyUse, at time.Time, overlap time.Duration) error
}

// The sizes of a key block, in bytes: a key of 16, 24 or 32 bytes, or such a key wrapped with 8 more (RFC 3394), and a
// check value of 3 behind it.
const (
	keyCheckBytes = 3
	keyBytesMin   = 16
	keyBytesMax   = 40
)

// parseKeyBlock reads a key and its check value, as bytes or as hexadecimal characters, or a key block of TR-31, whose
// header says how long it is, with or without one behind it. Blanks behind them do not count.
func parseKeyBlock(v string) (wrapped, check []byte, ok bool) {
	if block, rest, found := cutKeyBlock(v); found {
		check, err := hex.DecodeString(rest)
		return []byte(block), check, err == nil
	}
	raw := []byte(v)
	if text := strings.TrimRight(v, " "); len(text) >= 2*(keyBytesMin+keyCheckBytes) {
		if decoded, err := hex.DecodeString(text); err == nil {
			raw = decoded
		}
	}
	n := len(raw) - keyCheckBytes
	if n < keyBytesMin || n > keyBytesMax || n%8 != 0 {
		return nil, nil, false
	}
	return raw[:n], raw[n:], true
}

// keyBlockMin is shorter than any key block and longer than any other wrapped key.
const keyBlockMin = 64

// cutKeyBlock finds the key block at the beginning of a text: a version, four digits of its length, and a usage, whose
// letter no other wrapped key has: it is no hexadecimal digit.
func cutKeyBlock(v string) (block, rest string, found bool) {
	if len(v) < keyBlockMin || v[0] != 'B' && v[0] != 'D' || !digits(v[1:5], 4) || v[5] != 'P' && v[5] != 'M' {
		return "", "", false
	}
	length, _ := strconv.Atoi(v[1:5]) // four digits
	if length < keyBlockMin || length > len(v) {
		return "", "", false
	}
	return v[:length], strings.TrimRight(v[length:], " "), true
}

// codeMAC is the code of DE 70 for a key of message authentication, as DE 53 beginning with 02 is in any edition; every
// other exchange is of the key for PINs.
const codeMAC = "162"

// newKey takes a new zone key. It is verified and kept as pending before the answer and comes into use only when the
// answer is on the wire, so that the peer never gets to use a key that we do not have, nor we one that it was refused.
// A wrong check value leaves the old key in use. What the peer sends under the new key before that is done is accepted:
// the keystore tries the pending key, too.
func (e *exchange) newKey(code string) {
	s, l := e.session, e.session.place
	at := l.profile.Places.KeyBlock
	wrapped, check, ok := parseKeyBlock(e.message.At(at))
	use := KeyPIN
	if code == codeMAC || strings.HasPrefix(e.message.Get(53), "02") {
		use = KeyMAC
	}
	switch keys := s.g.cfg.Keys; {
	case !s.admitted.Load():
		e.conclude(keyRefused)
	case keys == nil:
		e.conclude(keyRefused)
	case !ok && e.message.At(at) == "":
		e.misread(wrong(at.DE(), iso.KindMissing))
	case !ok:
		e.misread(wrong(at.DE(), iso.KindLength))
	default:
		e.aside(networkRetry, func(ctx context.Context) (verdict, error) {
			ours, err := keys.Offer(ctx, l.peer.Name, use, wrapped, check)
			if errors.Is(err, ErrKeyCheck) {
				s.g.log.Warn("a new zone key is refused", slog.String("peer", l.peer.Name), slog.Any("cause", err))
				return keyRefused, nil
			}
			if err == nil && len(check) == 0 {
				e.answer.tell(at, strings.ToUpper(hex.EncodeToString(ours)))
			}
			if err == nil {
				e.answer.sent = func() { s.activate(use) }
			}
			return networkDone, err
		})
	}
}

// tell adds what stands at a place to the answer, where there is room for it.
func (a *answer) tell(at iso.Place, v string) {
	scratch := a.request.Dialect().New("")
	if scratch.SetAt(at, v) == nil {
		a.more = map[int]string{at.DE(): scratch.Get(at.DE())}
	}
}

// activate puts a pending key into use. It is called on the link's writer goroutine and must not hold it up, so a clerk
// does it; without one, the writer waits for the store within the peer's deadline: a key that the peer uses and we do
// not would cost every PIN.
func (s *Session) activate(use KeyUse) {
	l := s.place
	overlap := l.peer.KeyOverlap
	if overlap == 0 {
		overlap = DefaultKeyOverlap
	}
	work := func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, l.deadline)
		defer cancel()
		if err := s.g.cfg.Keys.Activate(ctx, l.peer.Name, use, time.Now(), overlap); err != nil {
			s.g.log.Error("a new zone key is not in use", slog.String("peer", l.peer.Name), slog.Any("cause", err))
			return
		}
		s.g.log.Info("a new zone key is in use", slog.String("peer", l.peer.Name))
	}
	if !s.g.clerks.start(work) {
		work(context.Background())
	}
}
