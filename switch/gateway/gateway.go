// Package gateway joins the two sides: one request message in, one response message out.
//
// A [Session] is one link of a [Peer]. It decodes a frame, answers network management itself, types
// everything else into an authz.Request, and builds the response from the decision and the echo of the
// request. What differs between the editions of 1987, 1993 and 2003, and between peers, is read through the dialect's
// profile. The tables of action codes in action.go and codes.go are the only place where a reason becomes DE 39.
//
// # What is answered
//
// A frame that cannot be read is answered "format error" when its message type and STAN can; else it
// is dropped. Either way it costs the link a strike, which the server counts; a frame that can be read and
// says something impossible is answered "format error" too, and costs none. A message type that is
// itself an answer is dropped: it is not ours to answer. A notification is processed and not answered. Advices and
// reversals are acknowledged, never declined, once their card and their time can be read; what else is wrong with them
// is logged.
//
// # Who speaks
//
// With a peer that has a [MACRule], a message whose authentication code is wrong, or is wanted and not there, is answered
// "MAC wrong" and not acted on, advices and reversals included; see mac.go.
//
// # What is not an authorization
//
// File actions (a lock from outside), reconciliation, cut-overs and new keys need a store. They are done by clerks
// beside the link (see clerk.go), each with a deadline, so that none of them holds up an authorization.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/authz"
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

// Config is what a gateway works with.
type Config struct {
	Authorizer Authorizer
	// Ready tells whether we can serve: an echo is refused when we cannot, so that the peer fails over.
	Ready func() bool
	Log   *slog.Logger

	Cards    CardActions    // nil: file actions are refused as unsupported
	Books    Books          // nil: totals are not available, and cut-overs are forgotten at the end
	Keys     ZoneKeys       // nil: new keys are refused
	MACs     MACs           // needed by peers that have a MAC rule
	Programs []ProgramCodes // the first that has a card's BIN counts
}

// Gateway makes sessions.
type Gateway struct {
	cfg       Config
	log       *slog.Logger
	programs  atomic.Pointer[[]programCodes]
	stan      atomic.Uint32
	clerks    clerks
	doubts    [authz.ReasonCount]doubts
	forgeries doubts
	count     counters

	mu     sync.Mutex
	places map[string]*place // by the peer's name
}

// New makes a gateway. Close ends it.
func New(cfg Config) (*Gateway, error) {
	if cfg.Authorizer == nil || cfg.Ready == nil || cfg.Log == nil {
		return nil, errors.New("gateway: Config needs Authorizer, Ready and Log")
	}
	g := &Gateway{cfg: cfg, log: cfg.Log, places: make(map[string]*place)}
	if err := g.SetPrograms(nil); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	g.clerks.open()
	return g, nil
}

// Learn takes the settlement dates that peers have cut over to, by the peer's name: those of an earlier run, and of
// other nodes. An earlier date than the known one is ignored.
func (g *Gateway) Learn(days map[string]authz.Day) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for name, day := range days {
		if l := g.places[name]; l != nil {
			l.advance(day)
		}
	}
}

// Admit makes a peer known, so that its links share what there is of it. A second peer of the name is refused unless it
// is the same one.
func (g *Gateway) Admit(p *Peer) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if l := g.places[p.Name]; l != nil {
		if l.peer != p {
			return fmt.Errorf("peer %s: there are two of the name", p.Name)
		}
		return nil
	}
	l, err := newPlace(p)
	if err == nil && p.MAC != nil && g.cfg.MACs == nil {
		err = fmt.Errorf("peer %s: its messages are to be authenticated, and nobody can", p.Name)
	}
	if err != nil {
		return err
	}
	g.places[p.Name] = l
	return nil
}

// Open starts a session for a link of the peer, which must have been admitted; otherwise it is nil.
func (g *Gateway) Open(p *Peer) *Session {
	g.mu.Lock()
	l := g.places[p.Name]
	g.mu.Unlock()
	if l == nil || l.peer != p {
		return nil
	}
	s := &Session{g: g, place: l}
	s.signedOn.Store(!l.signOn)
	s.admitted.Store(!l.signOn)
	return s
}

// Close waits until the clerks have answered what they were given, takes nothing more, and returns. When ctx ends
// first they are cut off.
func (g *Gateway) Close(ctx context.Context) error { return g.clerks.close(ctx) }
