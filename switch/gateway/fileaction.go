package gateway

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/authz"
	"holdfast/authz/pan"
	"holdfast/switch/iso"
)

// CardAction is a peer's request about a card's lock (seed, "Lock outside").
type CardAction struct {
	Peer, MTI, STAN string
	PAN             pan.Number
	Wanted          authz.LockReason // LockNone asks to lift the lock
	Inquiry         bool             // asks only how the card is locked
	At              time.Time
}

// CardActions change cards on behalf of peers.
type CardActions interface {
	// LockOutside does what authz.Relock allows and writes down who asked for it. When it returns, the effect is
	// durable and no authorization that is received later is decided without it. now is the card's lock afterwards.
	LockOutside(ctx context.Context, a CardAction) (outcome authz.LockOutcome, now authz.LockReason, err error)
}

// fileCardStatus is the name of the one file that we have.
const fileCardStatus = "CARDSTATUS"

// What a file action does, by DE 91 of 1987 and by the function code from 1993 on.
var (
	actionsLock    = []string{"1", "2", "4", "301", "302", "304"} // add, change, replace
	actionsUnlock  = []string{"3", "303"}                         // delete
	actionsInquire = []string{"5", "305"}
)

// fileAction locks or unlocks a card for a peer that may, or tells how it is locked. The effect is durable before the
// answer. It never runs on the link's goroutine nor in a lane: the store may be slow.
func (e *exchange) fileAction(t mti) {
	s, m := e.session, e.message
	l := s.place
	number, has := m.PAN()
	name := strings.ToUpper(strings.TrimSpace(m.Get(101)))
	switch {
	case !l.grant.Load().fileActions || s.g.cfg.Cards == nil:
		e.conclude(fileUnsupported)
		return
	case !m.Has(11) || !has:
		s.logFormat(string(t), wrong(2, iso.KindMissing))
		e.conclude(fileFormat)
		return
	case name != "" && name != fileCardStatus:
		e.conclude(fileUnknown)
		return
	case !l.grant.Load().has(number):
		e.conclude(fileNoRecord)
		return
	}
	a := CardAction{Peer: l.peer.Name, MTI: string(t), STAN: m.Get(11), PAN: number, At: e.x.ReceivedAt()}
	known := false
	switch code := m.At(l.profile.Places.FileCode); {
	case slices.Contains(actionsUnlock, code):
		known = true
	case slices.Contains(actionsInquire, code):
		a.Inquiry, known = true, true
	case slices.Contains(actionsLock, code):
		a.Wanted, known = lockReason(m)
	}
	if !known {
		e.conclude(fileFieldWrong)
		return
	}
	e.aside(fileBusy, func(ctx context.Context) (verdict, error) {
		outcome, now, err := s.g.cfg.Cards.LockOutside(ctx, a)
		if err != nil {
			return 0, err
		}
		if a.Inquiry && outcome != authz.LockNoCard {
			e.answer.more = map[int]string{l.profile.Places.FileData.DE(): fmt.Sprintf("LOCK=%d", now)}
		}
		return fileVerdict(outcome, a.Inquiry || t.repeat()), nil
	})
}

// fileVerdict is how a file action ended. That a card is locked so already is a duplicate, but not for a repeat, whose
// first answer may have been lost, nor for an inquiry.
func fileVerdict(o authz.LockOutcome, mayBe bool) verdict {
	switch {
	case o == authz.LockChanged || o == authz.LockAlready && mayBe:
		return fileDone
	case o == authz.LockStrengthened:
		return fileReplaced
	case o == authz.LockAlready:
		return fileDuplicate
	case o == authz.LockNoCard:
		return fileNoRecord
	}
	return fileRefused
}

// lockReason reads for which of the seed's eight reasons a card is to be locked. From 1993 on DE 25 says it: 3000 lost,
// 3001 stolen, and 3701 to 3708, of the private range, the eight by their numbers. In 1987, and where DE 25 says nothing,
// the record does: LOCK= and the number.
func lockReason(m *iso.Message) (authz.LockReason, bool) {
	places := &m.Dialect().Profile().Places
	if m.Dialect().Version() != iso.V1987 {
		switch code := m.At(places.Reason); {
		case code == "3000":
			return authz.LockLost, true
		case code == "3001":
			return authz.LockStolen, true
		case len(code) == 4 && code[:3] == "370":
			lock := authz.LockReason(code[3] - '0')
			return lock, lock.Valid()
		case code != "":
			return 0, false
		}
	}
	for _, record := range []string{m.At(places.FileData), m.Get(120), m.Get(48)} {
		text, found := strings.CutPrefix(strings.ToUpper(strings.TrimSpace(record)), "LOCK=")
		if found && len(text) == 1 {
			lock := authz.LockReason(text[0] - '0')
			return lock, lock.Valid()
		}
	}
	return 0, false
}
