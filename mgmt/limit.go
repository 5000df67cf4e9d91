package mgmt

import (
	"context"
	"net/netip"
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
	// One network has three quarters of it on the public listener.
	ChannelPerSecondMax float64
	Busy                func() bool   // whether authorizations are being decided now; nil: they never are
	TurnAway            time.Duration // how long those who are faster than a pace wait for the refusal at most; 1 s
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
		l.TurnAway = time.Second
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

// identitiesMax bounds the paces of one kind that a gate remembers.
const identitiesMax = 10_000

// gate lets a bounded number of requests of one channel in, and each identity at its pace. Who finds it full is told so at
// once. Who comes a little early waits for its turn: calls that begin together are done together, and an authorization that
// comes in between waits for all of them.
type gate struct {
	places    chan struct{}
	perSecond float64
	busy      func() bool

	mu         sync.Mutex
	all        *rate.Limiter
	most       float64   // of all, when no authorizations are decided
	found      time.Time // when the switch was found busy
	share      float64   // of the calls that came soon after such a moment, lately
	identities paces
	networks   paces // that calls come from
}

func newGate(l ChannelLimits, all float64, busy func() bool) *gate {
	return &gate{places: make(chan struct{}, l.InFlightMax), all: rate.NewLimiter(rate.Limit(all), atOnce),
		most: all, busy: busy, perSecond: l.PerSecondMax, identities: paces{}, networks: paces{}}
}

// paces are those of many, by their names. When too many are remembered all begin anew, which is generous and bounded.
type paces map[string]*rate.Limiter

// of gives one its pace; a new one may take burst at once.
func (p paces) of(name string, perSecond rate.Limit, burst int) *rate.Limiter {
	pace := p[name]
	if pace == nil {
		if len(p) >= identitiesMax {
			clear(p)
		}
		pace = rate.NewLimiter(perSecond, burst)
		p[name] = pace
	}
	return pace
}

const (
	// busyFor is how long a switch that was found busy is taken for busy: calls come in clumps.
	busyFor = 10 * time.Millisecond
	// busyWeight is how many calls back the gate remembers whether the switch was busy, about.
	busyWeight = 64
	// busyLeaves is the share of a channel's pace that is left when the switch always is.
	busyLeaves = 0.25
	// atOnce is how many calls of a channel may begin together.
	atOnce = 2
	// patience is how long a call waits for its turn at most.
	patience = 250 * time.Millisecond
	// networkShare is how much of a channel's pace one network may have where nobody has shown yet who it is, so that a
	// stranger leaves something to the others.
	networkShare = 0.75
)

// next takes one request from the channel's allowance, and tells how long it has to wait for its turn; not ok: that would be
// too long. Authorizations come first: the more of the calls find that there are some, the fewer are let in. from is the
// network of a caller that nobody knows yet; empty where certificates tell who it is.
func (g *gate) next(at time.Time, from string) (wait time.Duration, ok bool) {
	busy, found := g.busy(), 0.0
	g.mu.Lock()
	defer g.mu.Unlock()
	if busy {
		g.found = at
	}
	if at.Sub(g.found) < busyFor {
		found = 1
	}
	g.share += (found - g.share) / busyWeight
	g.all.SetLimitAt(at, rate.Limit(g.most*(1-g.share*(1-busyLeaves))))
	if from != "" {
		most := g.all.Limit() * networkShare
		pace := g.networks.of(from, most, atOnce)
		pace.SetLimitAt(at, most)
		if wait, ok = turn(pace, at, patience); !ok {
			return 0, false
		}
	}
	own := wait
	wait, ok = turn(g.all, at, patience)
	return max(wait, own), ok
}

// network is where a call comes from: the address, of IPv6 the first half of it, since who has one has them all.
func network(remote string) string {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	a := at.Addr().Unmap()
	if half, err := a.Prefix(64); err == nil { // it is IPv6
		return half.String()
	}
	return a.String()
}

// turn is how long the next one at a pace waits, unless that is longer than most: then it has no turn.
func turn(pace *rate.Limiter, at time.Time, most time.Duration) (wait time.Duration, ok bool) {
	r := pace.ReserveN(at, 1)
	if wait = r.DelayFrom(at); wait > most {
		r.CancelAt(at)
		return 0, false
	}
	return wait, true
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

// allow takes one request from an identity's allowance, which is a second's worth at most.
func (g *gate) allow(identity string, at time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.identities.of(identity, rate.Limit(g.perSecond), max(1, int(g.perSecond))).AllowN(at, 1)
}

// refusals of those who were too fast have a pace, too: each costs what it costs to read a request, so the more of them
// there are the longer they wait. Connections are bounded, so that bounds what asking in vain takes of the processors.
type refusals struct {
	pace *rate.Limiter
	most time.Duration
}

const (
	refusalsPerSecond = 250
	refusalsWait      = 50 * time.Millisecond // even when there are few
)

func newRefusals(most time.Duration) refusals {
	return refusals{pace: rate.NewLimiter(refusalsPerSecond, 1), most: most}
}

// delay is how long the next one waits.
func (r refusals) delay(at time.Time) time.Duration {
	wait, ok := turn(r.pace, at, r.most)
	if !ok {
		return r.most
	}
	return min(max(wait, refusalsWait), r.most)
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
