package gateway

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"holdfast/authz"
	"holdfast/switch/iso"
)

// Dialled says what we do on a link that we opened ourselves, beyond serving it like any other.
type Dialled struct {
	// Send sends a frame of our own, and Hangup ends the link; neither may block.
	Send   func(Encoder) bool
	Hangup func()
	// SignOn says that we sign on; until the peer has accepted that, a peer that wants sign-ons is not served.
	SignOn bool
	// EchoEvery is how long after an answer of the peer's to a message of ours it is asked whether it is there; 0 means
	// never.
	EchoEvery time.Duration
	// Within is how long the peer may take to answer; then the link is hung up. 0 means 10 s.
	Within time.Duration
}

// asking is what a session has asked its peer.
type asking struct {
	Dialled
	session *Session

	mu      sync.Mutex
	stan    string // of the message that waits for its answer; "" when none does
	what    *ask
	timer   *time.Timer
	stopped bool
}

// ask is a message of network management of ours.
type ask struct {
	name           string
	code87, code93 string
}

var (
	askSignOn  = ask{"sign-on", "001", "801"}
	askSignOff = ask{"sign-off", "002", "802"}
	askEcho    = ask{"echo", "301", "831"}
)

// OpenDialled starts a session for a link that we opened to the peer, which must have been admitted; otherwise it is nil.
// It signs on at once.
func (g *Gateway) OpenDialled(p *Peer, d Dialled) *Session {
	s := g.Open(p)
	if s == nil {
		return nil
	}
	if d.Within <= 0 {
		d.Within = 10 * time.Second
	}
	s.asking = &asking{Dialled: d, session: s}
	switch {
	case d.SignOn:
		s.asking.ask(&askSignOn)
	default:
		s.asking.later()
	}
	return s
}

// ask sends a message of ours and hangs up if it is not answered in time.
func (a *asking) ask(what *ask) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped {
		return
	}
	m, err := a.session.own(what)
	if err != nil || !a.Send(ours{a.session, m}) {
		a.session.g.log.Warn("could not ask the peer", slog.String("peer", a.session.place.peer.Name), slog.String("what", what.name))
		a.Hangup()
		return
	}
	a.stan, a.what = m.Get(11), what
	a.timer = time.AfterFunc(a.Within, a.unanswered) // owned by asking: stop ends it
}

func (a *asking) unanswered() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped || a.stan == "" {
		return
	}
	a.session.g.log.Warn("the peer does not answer", slog.String("peer", a.session.place.peer.Name), slog.String("what", a.what.name))
	a.Hangup()
}

// answered takes a message that is not meant to be answered: the answer to ours, perhaps.
func (a *asking) answered(m *iso.Message) {
	t := mti(m.MTI())
	a.mu.Lock()
	what := a.what
	if a.stopped || t.class() != classNetwork || t.function() != functionRequest+1 || a.stan == "" || m.Get(11) != a.stan {
		a.mu.Unlock()
		return
	}
	a.stan = ""
	a.timer.Stop()
	a.mu.Unlock()
	s := a.session
	if accepted := s.place.usual.reasons[authz.NetworkAccepted]; m.Get(39) != accepted {
		s.g.log.Warn("the peer refuses", slog.String("peer", s.place.peer.Name), slog.String("what", what.name),
			slog.String("code", m.Get(39)))
		a.Hangup()
		return
	}
	if what == &askSignOn {
		s.signedOn.Store(true)
		s.admitted.Store(true)
	}
	a.later()
}

// later asks again when it is time.
func (a *asking) later() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.EchoEvery > 0 && !a.stopped {
		a.timer = time.AfterFunc(a.EchoEvery, func() { a.ask(&askEcho) }) // owned by asking: stop ends it
	}
}

func (a *asking) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopped = true
	if a.timer != nil {
		a.timer.Stop()
	}
}

// own makes a message of network management of ours.
func (s *Session) own(what *ask) (*iso.Message, error) {
	now, stan := time.Now().UTC(), s.g.stan.Add(1)%999999+1
	d := s.place.peer.Dialect
	mti, elements := "0800", map[int]string{7: now.Format("0102150405"), 11: fmt.Sprintf("%06d", stan), 70: what.code87}
	switch d.Version() {
	case iso.V1993:
		mti, elements = "1804", map[int]string{11: elements[11], 12: now.Format("060102150405"), 24: what.code93}
	case iso.V2003:
		mti, elements = "2804", map[int]string{7: elements[7], 11: fmt.Sprintf("%012d", stan),
			12: now.Format("20060102150405"), 24: what.code93}
	}
	m := d.New(mti)
	for de, v := range elements {
		if err := m.Set(de, v); err != nil {
			return nil, err
		}
	}
	return m, nil
}
