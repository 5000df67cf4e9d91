// Package gateway joins the two sides: one request message in, one response message out.
//
// A [Session] is one link of a [Peer]. It decodes a frame, answers network management itself, types
// everything else into an authz.Request, and builds the response from the decision and the echo of the
// request. The table of action codes in action.go is the only place where a reason becomes DE 39.
//
// # What is answered
//
// A frame that cannot be read is answered "format error" when its message type and STAN can; else it
// is dropped. Either way it costs the link a strike, which the server counts; a frame that can be read and
// says something impossible is answered "format error" too, and costs none. A message type that is
// itself an answer is dropped: it is not ours to answer. Advices and reversals are acknowledged, never
// declined, once their card and their time can be read; what else is wrong with them is logged.
//
// This build answers the 1987 version; it decodes more.
package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"holdfast/authz"
	"holdfast/switch/iso"
)

// Encoder is an answer that is not yet bytes; it is encoded on the link's writer goroutine.
type Encoder = interface {
	Append(dst []byte) ([]byte, error)
}

// Exchange is one frame and the answer that it is owed, as the server offers it: exactly one of the
// last four methods is called, now or later.
type Exchange interface {
	Body() []byte          // valid until Frame returns
	ReceivedAt() time.Time // with a monotonic reading
	Attach(v any)          // kept for Malfunction
	Reply(Encoder)
	MalformedReply(Encoder) // answered, and a strike
	Malformed()             // a strike
	Silent()
}

// Authorizer decides. The waiter hears once, from any goroutine.
type Authorizer interface {
	Submit(r *authz.Request, w authz.Waiter)
}

// Peer is a network or a simulator, and how it wants to be spoken to.
type Peer struct {
	Name          string // identifies it in duplicate keys and in the journal; never changes
	Dialect       *iso.Dialect
	RequireSignOn bool          // traffic before a sign-on is refused
	Deadline      time.Duration // from the last byte of a request to its answer; default 2 s
}

// DefaultDeadline leaves a network that waits 5 seconds, the shortest in use, time to stand in.
const DefaultDeadline = 2 * time.Second

// Gateway makes sessions.
type Gateway struct {
	authorizer Authorizer
	ready      func() bool
	log        *slog.Logger
	stan       atomic.Uint32
}

// New makes a gateway. ready tells whether we can serve: an echo is refused when we cannot, so that the
// peer fails over.
func New(a Authorizer, ready func() bool, log *slog.Logger) *Gateway {
	return &Gateway{authorizer: a, ready: ready, log: log}
}

// Validate names what is wrong with the peer's settings.
func (p *Peer) Validate() error {
	switch {
	case p.Name == "":
		return errors.New("peer has no name")
	case p.Dialect == nil:
		return fmt.Errorf("peer %s: no dialect", p.Name)
	case p.Dialect.Version() != iso.V1987:
		return fmt.Errorf("peer %s: dialect %s is not of the 1987 version, the one that is answered", p.Name, p.Dialect.Name())
	case p.Deadline < 0 || p.Deadline > time.Minute:
		return fmt.Errorf("peer %s: deadline %v is not within 0 to 1m", p.Name, p.Deadline)
	}
	return nil
}

// Open starts a session for a link of the peer.
func (g *Gateway) Open(p *Peer) *Session {
	s := &Session{g: g, peer: p, deadline: p.Deadline}
	if s.deadline == 0 {
		s.deadline = DefaultDeadline
	}
	s.signedOn.Store(!p.RequireSignOn)
	s.admitted.Store(!p.RequireSignOn)
	return s
}
