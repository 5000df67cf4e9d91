package mgmt

import (
	"context"
	"net"
	"runtime"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"holdfast/mgmt/jwe"
	"holdfast/mgmt/problem"
)

// Limits of the door. Zero fields have defaults.
type Limits struct {
	BodyBytesMax   int64         // 64 KiB
	HandlerTimeout time.Duration // for everything behind the gate of one request; 10 s
	InFlightMax    int           // requests of one channel at the same time; 64
	PerSecondMax   float64       // requests a second of one identity; 200
	// ChannelPerSecondMax is for all identities of a channel together, before anybody is asked who it is; 400 for each
	// processor, and never less than for one identity. While authorizations are being decided it falls to a quarter.
	ChannelPerSecondMax float64
	Busy                func() bool   // whether authorizations are being decided now; nil: they never are
	TurnAway            time.Duration // who is faster than a pace waits so long for the refusal; 50 ms
	WritesAtOnce        int           // transactions that change something, of all channels; 4
	Channels            map[Channel]ChannelLimits
	JWE                 jwe.Limits
}

// ChannelLimits are a channel's own, where they differ from the door's.
type ChannelLimits struct {
	InFlightMax  int
	PerSecondMax float64
}

func (l *Limits) fill() {
	if l.BodyBytesMax == 0 {
		l.BodyBytesMax = 64 << 10
	}
	if l.HandlerTimeout == 0 {
		l.HandlerTimeout = 10 * time.Second
	}
	if l.InFlightMax == 0 {
		l.InFlightMax = 64
	}
	if l.PerSecondMax == 0 {
		l.PerSecondMax = 200
	}
	if l.ChannelPerSecondMax == 0 {
		l.ChannelPerSecondMax = channelPerProcessor * float64(runtime.GOMAXPROCS(0))
	}
	l.ChannelPerSecondMax = max(l.ChannelPerSecondMax, l.PerSecondMax)
	if l.WritesAtOnce == 0 {
		l.WritesAtOnce = 4
	}
	if l.Busy == nil {
		l.Busy = func() bool { return false }
	}
	if l.TurnAway == 0 {
		l.TurnAway = 50 * time.Millisecond
	}
}

func (l *Limits) channel(c Channel) ChannelLimits {
	own := l.Channels[c]
	if own.InFlightMax == 0 {
		own.InFlightMax = l.InFlightMax
	}
	if own.PerSecondMax == 0 {
		own.PerSecondMax = l.PerSecondMax
	}
	return own
}

// turns are a store of which few transactions at once may change something: the others wait for their turn, so that what the
// management API writes does not stand in front of the authorizations.
type turns struct {
	Store
	free chan struct{}
}

// Update implements [Store]. Who gets no turn in its time is told that nothing was done.
func (t turns) Update(ctx context.Context, f func(Tx) error) error {
	select {
	case t.free <- struct{}{}:
		defer func() { <-t.free }()
		return t.Store.Update(ctx, f)
	case <-ctx.Done():
		return problem.New(problem.Overloaded)
	}
}

// channelPerProcessor leaves more than half of each processor to authorizations: an encrypted call takes a millisecond of it.
const channelPerProcessor = 400

// identitiesMax bounds the paces that a gate remembers.
const identitiesMax = 10_000

// gate lets a bounded number of requests of one channel in, and each identity at its pace. Who finds it full is
// told so at once: nobody waits at the door.
type gate struct {
	places    chan struct{}
	perSecond float64
	busy      func() bool

	mu    sync.Mutex
	all   *rate.Limiter
	most  float64 // of all, when no authorizations are decided
	share float64 // of the calls that found the switch busy lately
	paces map[string]*rate.Limiter
}

func newGate(l ChannelLimits, all float64, busy func() bool) *gate {
	return &gate{places: make(chan struct{}, l.InFlightMax), all: rate.NewLimiter(rate.Limit(all), max(1, int(all*burstFor.Seconds()))),
		most: all, busy: busy, perSecond: l.PerSecondMax, paces: map[string]*rate.Limiter{}}
}

const (
	// busyWeight is how many calls back the gate remembers whether the switch was busy, about.
	busyWeight = 64
	// busyLeaves is the share of a channel's pace that is left when the switch always is.
	busyLeaves = 0.25
	// burstFor is how much of a channel's pace may come at once: what is let in together is done together.
	burstFor = 60 * time.Millisecond
)

// next takes one request from the channel's allowance. Authorizations come first: the more of the calls find one being
// decided, the fewer are let in.
func (g *gate) next(at time.Time) bool {
	found := 0.0
	if g.busy() {
		found = 1
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.share += (found - g.share) / busyWeight
	g.all.SetLimitAt(at, rate.Limit(g.most*(1-g.share*(1-busyLeaves))))
	return g.all.AllowN(at, 1)
}

// enter takes a place, which has to be given back.
func (g *gate) enter() bool {
	select {
	case g.places <- struct{}{}:
		return true
	default:
		return false
	}
}

func (g *gate) leave() { <-g.places }

// allow takes one request from an identity's allowance, which is a second's worth at most. When too many are
// remembered all begin anew, which is generous and bounded.
func (g *gate) allow(identity string, at time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	pace := g.paces[identity]
	if pace == nil {
		if len(g.paces) >= identitiesMax {
			clear(g.paces)
		}
		pace = rate.NewLimiter(rate.Limit(g.perSecond), max(1, int(g.perSecond)))
		g.paces[identity] = pace
	}
	return pace.AllowN(at, 1)
}

// Connections are accepted at a pace: the handshake of each costs half a millisecond, before anybody knows whose it is.
const (
	acceptsPerSecond = 200
	acceptsAtOnce    = 200
)

// bounded is a listener that has at most so many connections open; the next waits in the system's queue.
type bounded struct {
	net.Listener
	pace   *rate.Limiter
	places chan struct{}
	closed chan struct{}
	once   sync.Once
}

func bound(ln net.Listener, connectionsMax int) net.Listener {
	return &bounded{Listener: ln, pace: rate.NewLimiter(acceptsPerSecond, acceptsAtOnce),
		places: make(chan struct{}, connectionsMax), closed: make(chan struct{})}
}

// Accept implements [net.Listener].
func (b *bounded) Accept() (net.Conn, error) {
	select {
	case b.places <- struct{}{}:
	case <-b.closed:
		return nil, net.ErrClosed
	}
	conn, err := b.Listener.Accept()
	if err != nil {
		<-b.places
		return nil, err
	}
	rest(b.pace.Reserve().Delay(), b.closed)
	return &boundedConn{Conn: conn, leave: sync.OnceFunc(func() { <-b.places })}, nil
}

// rest waits, or until what it is for has ended.
func rest(d time.Duration, ended <-chan struct{}) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ended:
	}
}

// Close implements [net.Listener].
func (b *bounded) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.Listener.Close()
}

type boundedConn struct {
	net.Conn
	leave func()
}

// Close implements [net.Conn].
func (c *boundedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
