package gateway

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/authz"
	"holdfast/authz/pan"
	"holdfast/switch/iso"
)

// Peer is a network or a simulator, and how it wants to be spoken to. Several links, also of several listeners, may
// share one: a repeat may come on the twin.
type Peer struct {
	Name          string // identifies it in duplicate keys and in the journal; never changes
	Dialect       *iso.Dialect
	RequireSignOn bool          // traffic before a sign-on is refused; so it is where the dialect's profile says it
	Deadline      time.Duration // from the last byte of a request to its answer; default 2 s
	ResponseTime  string        // DE 7 of an answer: "own" time or the request's ("echo"); empty: as the dialect says
	ActionCodes   Codes         // DE 39 where the peer has its own
	BINs          []string      // the cards that the peer may ask for, by the beginning of their numbers; none: all
	FileActions   bool          // the peer may lock and unlock cards
	KeyOverlap    time.Duration // how long a zone key that was replaced is still accepted; default 60 s
	MAC           *MACRule      // nil: DE 64 and 128 are passed over, and no answer has one
}

// DefaultDeadline leaves a network that waits 5 seconds, the shortest in use, time to stand in.
const DefaultDeadline = 2 * time.Second

// DefaultKeyOverlap is longer than any message is on its way.
const DefaultKeyOverlap = 60 * time.Second

// Validate names what is wrong with the peer's settings.
func (p *Peer) Validate() error {
	switch {
	case p.Name == "":
		return errors.New("peer has no name")
	case p.Dialect == nil:
		return fmt.Errorf("peer %s: no dialect", p.Name)
	case p.Deadline < 0 || p.Deadline > time.Minute:
		return fmt.Errorf("peer %s: deadline %v is not within 0 to 1m", p.Name, p.Deadline)
	case p.ResponseTime != "" && p.ResponseTime != "own" && p.ResponseTime != "echo":
		return fmt.Errorf("peer %s: response time %q is not own or echo", p.Name, p.ResponseTime)
	case p.KeyOverlap < 0 || p.KeyOverlap > time.Hour:
		return fmt.Errorf("peer %s: key overlap %v is not within 0 to 1h", p.Name, p.KeyOverlap)
	}
	if err := checkBINs(p.BINs); err != nil {
		return fmt.Errorf("peer %s: %w", p.Name, err)
	}
	own, err := p.ActionCodes.in(p.Dialect.Profile().Forms.ActionCodes)
	if err == nil {
		err = checkNames(p.Dialect.Profile())
	}
	if err != nil {
		return fmt.Errorf("peer %s: %w", p.Name, err)
	}
	if p.MAC != nil {
		if err := p.MAC.validate(p.Dialect); err != nil {
			return fmt.Errorf("peer %s: %w", p.Name, err)
		}
	}
	probe := p.Dialect.New("0110")
	for _, codes := range [][]string{own.reasons[:], own.verdicts[:]} {
		for _, code := range codes {
			if code == "" {
				continue
			}
			if err := probe.Set(39, code); err != nil {
				return fmt.Errorf("peer %s: action code %q: %w", p.Name, code, err)
			}
		}
	}
	return nil
}

// place is what the links of one peer share.
type place struct {
	peer       *Peer
	profile    *iso.Profile
	deadline   time.Duration
	signOn     bool // required
	ownTime    bool
	digitsOnly bool // approval codes
	echo       echoed
	usual      *chosen
	grant      atomic.Pointer[grant]

	mu  sync.Mutex
	day authz.Day // of settlement, once the peer has cut over; 0 before
}

// grant is what may be changed of a peer while it is connected.
type grant struct {
	own         *chosen // its own action codes
	bins        []string
	fileActions bool
}

// grantOf is what a peer's settings grant.
func grantOf(p *Peer) (*grant, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	own, err := p.ActionCodes.in(p.Dialect.Profile().Forms.ActionCodes)
	return &grant{own, p.BINs, p.FileActions}, err
}

// has reports whether the peer may ask for a card.
func (g *grant) has(n pan.Number) bool { return len(g.bins) == 0 || begins(n, g.bins) }

// PeerChange is what is to count of a peer instead of its settings; nil leaves them.
type PeerChange struct {
	ActionCodes Codes
	BINs        *[]string
	FileActions *bool
}

func (c *PeerChange) of(p *Peer) *Peer {
	changed := *p
	if c.ActionCodes != nil {
		changed.ActionCodes = c.ActionCodes
	}
	if c.BINs != nil {
		changed.BINs = *c.BINs
	}
	if c.FileActions != nil {
		changed.FileActions = *c.FileActions
	}
	return &changed
}

// Check names what is wrong with a change of a peer.
func (c *PeerChange) Check(p *Peer) error {
	_, err := grantOf(c.of(p))
	return err
}

// SetPeers has changes of peers count from the next message on, by the peer's name; a peer without one is as it was
// admitted. Action codes that cannot be used are left out and named by the error: they may have been set before there was
// a dialect to hold them against, and what the peer may do counts all the same. Peers that are not known here are ignored.
func (g *Gateway) SetPeers(changes map[string]PeerChange) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var errs []error
	for name, l := range g.places {
		c := changes[name]
		to, err := grantOf(c.of(l.peer))
		if err != nil {
			errs = append(errs, err)
			c.ActionCodes = nil
			if to, err = grantOf(c.of(l.peer)); err != nil {
				continue
			}
		}
		l.grant.Store(to)
	}
	return errors.Join(errs...)
}

func newPlace(p *Peer) (*place, error) {
	to, err := grantOf(p)
	if err != nil {
		return nil, err
	}
	profile := p.Dialect.Profile()
	l := &place{peer: p, profile: profile, deadline: p.Deadline, signOn: p.RequireSignOn || profile.RequireSignOn,
		ownTime: profile.OwnTime, echo: echoOf(p.Dialect), usual: usual(profile),
		digitsOnly: profile.ApprovalAlphabet == "0123456789"}
	l.grant.Store(to)
	if l.deadline == 0 {
		l.deadline = DefaultDeadline
	}
	if p.ResponseTime != "" {
		l.ownTime = p.ResponseTime == "own"
	}
	return l, nil
}

// today is the settlement date that the peer's next transaction is stamped with: that of its last cut-over, and before
// the first one the date of the moment in UTC.
func (l *place) today(now time.Time) authz.Day {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.day == 0 {
		return authz.DayOf(now)
	}
	return l.day
}

// advance makes day the peer's settlement date unless it is later already.
func (l *place) advance(day authz.Day) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.day = max(l.day, day)
}
