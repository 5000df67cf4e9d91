package gateway

import (
	"context"
	"fmt"
	"time"

	"holdfast/authz"
	"holdfast/switch/iso"
)

// management is what a message of network management asks for.
type management uint8

const (
	manageNothing management = iota + 1 // it tells what needs no deed of ours
	manageSignOn
	manageSignOff
	manageEcho
	manageCutOver
	manageKey
)

// managements are the codes of DE 70 in 1987, and the function codes of DE 24 from 1993 on, that networks use for the
// same things. Group sign-ons (061, 071) sign this link on, as the state is kept for each link. A cut-over that is
// complete, a target that is not available, a backup, an alternate route and a checkpoint are only told.
var managements = map[string]management{
	"001": manageSignOn, "061": manageSignOn, "071": manageSignOn, "002": manageSignOff, "062": manageSignOff, "072": manageSignOff,
	"101": manageKey, "161": manageKey, "162": manageKey, "201": manageCutOver, "202": manageNothing, "301": manageEcho,
	"270": manageEcho,
	"801": manageSignOn, "802": manageSignOff, "803": manageNothing, "804": manageNothing, "805": manageNothing,
	"806": manageNothing, "811": manageKey, "812": manageKey, "821": manageCutOver, "822": manageNothing, "831": manageEcho,
}

// manage answers network management. The state of sign-on is the link's. What needs no store is answered here at once,
// whatever the state of the stores: an echo says how we are and must not wait to find out.
func (e *exchange) manage() {
	s := e.session
	at := s.place.profile.Places.NetworkCode
	code := e.message.At(at)
	if code == "" {
		e.misread(wrong(at.DE(), iso.KindMissing))
		return
	}
	switch managements[code] {
	case manageSignOn:
		if s.draining.Load() {
			e.end(authz.Inoperative)
			return
		}
		s.signedOn.Store(true)
		s.admitted.Store(true)
	case manageSignOff:
		s.signedOn.Store(false)
	case manageEcho:
		if s.draining.Load() || !s.g.cfg.Ready() {
			e.end(authz.Inoperative)
			return
		}
	case manageCutOver:
		e.cutOver()
		return
	case manageKey:
		e.newKey(code)
		return
	case manageNothing:
	default:
		e.end(authz.TransactionUnknown)
		return
	}
	e.end(authz.NetworkAccepted)
}

// cutOver stamps the new settlement date from the peer's next transaction on, on every link of it, and then writes it
// down. Authorizing never stops for it. The date is that of DE 15, else the day after the present one. A peer that is
// told to send it again finds the date as it is: cutting over to it once more changes nothing.
func (e *exchange) cutOver() {
	l, now := e.session.place, e.x.ReceivedAt()
	if !e.session.admitted.Load() {
		e.end(authz.PeerSignedOff)
		return
	}
	day, stated := settlementDay(e.message.Get(15), now)
	if !stated && e.message.Has(15) {
		e.misread(wrong(15, iso.KindDate))
		return
	}
	if !stated {
		day = l.today(now).Next()
	}
	l.advance(day)
	books := e.session.g.cfg.Books
	if books == nil {
		e.end(authz.NetworkAccepted)
		return
	}
	e.aside(networkRetry, func(ctx context.Context) (verdict, error) {
		return networkDone, books.CutOver(ctx, l.peer.Name, day, now)
	})
}

// signOff makes our message that tells the peer to go elsewhere. Its answer is dropped like any answer that
// we do not wait for.
func (s *Session) signOff() Encoder {
	return ownMessage{s, time.Now().UTC(), s.g.stan.Add(1)%999999 + 1}
}

type ownMessage struct {
	session *Session
	at      time.Time
	stan    uint32
}

// Append implements [Encoder].
func (o ownMessage) Append(dst []byte) ([]byte, error) {
	d := o.session.place.peer.Dialect
	mti, elements := "0800", map[int]string{7: o.at.Format("0102150405"), 11: fmt.Sprintf("%06d", o.stan), 70: "002"}
	switch d.Version() {
	case iso.V1993:
		mti, elements = "1804", map[int]string{11: elements[11], 12: o.at.Format("060102150405"), 24: "802"}
	case iso.V2003:
		mti, elements = "2804", map[int]string{7: elements[7], 11: fmt.Sprintf("%012d", o.stan),
			12: o.at.Format("20060102150405"), 24: "802"}
	}
	m := d.New(mti)
	for de, v := range elements {
		if err := m.Set(de, v); err != nil {
			return dst, err
		}
	}
	return m.Append(dst)
}

var _ Encoder = (*answer)(nil)
