package gateway

import (
	"context"

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

var _ Encoder = (*answer)(nil)
