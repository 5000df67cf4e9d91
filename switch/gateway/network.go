package gateway

import (
	"fmt"
	"time"

	"holdfast/authz"
)

// manage answers network management: the codes of DE 70 that networks use for the same things.
func (e *exchange) manage() {
	s := e.session
	if !e.message.Has(70) {
		e.misread(fault{70, "is missing"})
		return
	}
	switch e.message.Get(70) {
	case "001", "061", "071":
		if s.draining.Load() {
			e.end(authz.Inoperative)
			return
		}
		s.signedOn.Store(true)
		s.admitted.Store(true)
	case "002", "062", "072":
		s.signedOn.Store(false)
	case "201", "202": // cut-over: authorizing goes on
	case "301", "270":
		if s.draining.Load() || !s.g.ready() {
			e.end(authz.Inoperative)
			return
		}
	default:
		e.end(authz.TransactionUnknown)
		return
	}
	e.end(authz.NetworkAccepted)
}

// signOff makes our 0800 that tells the peer to go elsewhere. Its answer is dropped like any answer that
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
	m := o.session.peer.Dialect.New("0800")
	for de, v := range map[int]string{7: o.at.Format("0102150405"), 11: fmt.Sprintf("%06d", o.stan), 70: "002"} {
		if err := m.Set(de, v); err != nil {
			return dst, err
		}
	}
	return m.Append(dst)
}

var _ Encoder = (*answer)(nil)
