package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"holdfast/authz/keystore"
	"holdfast/switch/iso"
)

// MACRule is how messages with a peer are authenticated (DE 64 or 128). A code covers all bytes of a message in front of
// it, as they are on the wire, without the frame and its header.
type MACRule struct {
	Form keystore.MACForm
	// Demand says which messages must have a code. What has one is verified in any case, and answered with one.
	Demand MACDemand
}

// MACDemand says which messages of a peer must have an authentication code.
type MACDemand uint8

// What may be demanded. A peer that has no key yet cannot authenticate the message that brings the first one, so network
// management is asked for codes only while there is a key. A change of keys then needs one whatever else does.
const (
	MACNone         MACDemand = iota // those that the peer chooses
	MACTransactions                  // all but network management, and changes of keys
	MACAll                           // all
)

// MACs authenticate messages. No key leaves them.
type MACs interface {
	// HasMACKey reports whether there is a key to authenticate by, shared with the peer.
	HasMACKey(peer string) bool
	// MAC is the code of a message. Without a key the error is keystore.ErrKey.
	MAC(peer string, form keystore.MACForm, by keystore.MACKey, message []byte) ([]byte, error)
	// VerifyMAC judges a code, and tells which key it is by. Without a key the error is keystore.ErrKey.
	VerifyMAC(peer string, form keystore.MACForm, message, code []byte, at time.Time) (keystore.Verdict, keystore.MACKey, error)
}

// Stats is what a gateway has counted since it was made.
type Stats struct {
	MACMissing int64 // messages refused for want of an authentication code
	MACWrong   int64 // messages refused because of a wrong one
	MACKeyless int64 // messages refused because there is no key to verify them by
}

// counters is Stats as it is counted.
type counters struct{ missing, wrong, keyless atomic.Int64 }

// Stats reads the counters, each by itself.
func (g *Gateway) Stats() Stats {
	return Stats{MACMissing: g.count.missing.Load(), MACWrong: g.count.wrong.Load(), MACKeyless: g.count.keyless.Load()}
}

// sealing is how an answer is authenticated. The zero value says that it is not.
type sealing struct {
	rule *MACRule
	by   keystore.MACKey
}

// authentic reports whether a message may be acted on as far as its authentication goes; otherwise the exchange has ended.
// It is called before anything is done, with the bytes as they came: after the form (a message that cannot be read is not
// acted on) and before all else. Not even what has happened is taken from somebody who may not be the peer.
func (e *exchange) authentic(t mti, raw []byte) bool {
	l, g := e.session.place, e.session.g
	rule := l.peer.MAC
	if !e.message.HasMAC() {
		if rule.demands(t, e.message.At(l.profile.Places.NetworkCode), g.cfg.MACs.HasMACKey(l.peer.Name)) {
			e.answer.seal.rule = rule
			e.forged(t, macWrong, &g.count.missing, nil)
			return false
		}
		return true
	}
	e.answer.seal.rule = rule
	covered, code, _ := e.message.MAC(raw) // no code where something follows it, which it would not cover
	verdict, by, err := g.cfg.MACs.VerifyMAC(l.peer.Name, rule.Form, covered, []byte(code), e.x.ReceivedAt())
	switch {
	case err != nil:
		e.forged(t, macKeyless, &g.count.keyless, err)
	case verdict != keystore.Right:
		e.forged(t, macWrong, &g.count.wrong, nil)
	default:
		e.answer.seal.by = by
		return true
	}
	return false
}

// demands reports whether a message must have a code.
func (r *MACRule) demands(t mti, networkCode string, keyed bool) bool {
	if t.class() != classNetwork {
		return r.Demand != MACNone
	}
	if !keyed || !t.meant() && r.Demand != MACAll {
		return false
	}
	return r.Demand == MACAll || r.Demand == MACTransactions && managements[networkCode] == manageKey
}

// forged ends the exchange of a message whose origin is in doubt. It may be a peer whose key is out of step as well as a
// forger, so it is answered, counted and told, and the link stays.
func (e *exchange) forged(t mti, v verdict, count *atomic.Int64, cause error) {
	count.Add(1)
	if write, left := e.session.g.forgeries.take(e.x.ReceivedAt().Unix()); write {
		e.session.g.log.Warn("message authentication", slog.String("peer", e.session.place.peer.Name), slog.String("mti", string(t)),
			slog.String("verdict", verdicts[v].name), slog.Bool("has_code", e.message.HasMAC()), slog.Any("cause", cause),
			slog.Int64("left_out", left))
	}
	if !t.meant() {
		e.x.Silent() // nobody waits for an answer to an answer
		return
	}
	e.conclude(v)
}

// append appends a message of ours, with its authentication code where there is to be one. Without a key it goes as it
// is: the peer must hear that we have none.
func (s *Session) append(dst []byte, m *iso.Message, seal sealing) ([]byte, error) {
	if seal.rule == nil {
		return m.Append(dst)
	}
	out, err := m.AppendMAC(dst, func(covered []byte) ([]byte, error) {
		return s.g.cfg.MACs.MAC(s.place.peer.Name, seal.rule.Form, seal.by, covered)
	})
	if errors.Is(err, keystore.ErrKey) {
		m.Unset(64)
		m.Unset(128)
		return m.Append(dst)
	}
	return out, err
}

// ours is a message of our own.
type ours struct {
	session *Session
	message *iso.Message
}

// Append implements [Encoder]. Our own messages are of network management.
func (o ours) Append(dst []byte) ([]byte, error) {
	var seal sealing
	if rule := o.session.place.peer.MAC; rule != nil && rule.Demand == MACAll {
		seal.rule = rule
	}
	return o.session.append(dst, o.message, seal)
}

// validate names what is wrong with the rule for messages of a dialect.
func (r *MACRule) validate(d *iso.Dialect) error {
	if err := r.Form.Validate(); err != nil {
		return fmt.Errorf("mac: %w", err)
	}
	if err := d.CheckMAC(r.Form.Bytes); err != nil {
		return fmt.Errorf("mac: dialect %s has no room for %d bytes: %w", d.Name(), r.Form.Bytes, err)
	}
	return nil
}
