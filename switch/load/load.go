package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/switch/frame"
	"holdfast/switch/iso"
)

// Target is where the load goes, and what is in it.
type Target struct {
	Addr    string
	Format  frame.Format
	Dialect *iso.Dialect
	// Wrap, when set, is put around each connection, to log what passes, say.
	Wrap func(net.Conn) net.Conn
	// Cards is how many cards there are. Card writes the digits of card i, as the characters '0' to '9'.
	Cards int
	Card  func(digits *[CardDigits]byte, i int)
	// Expiry is DE 14 of all cards, YYMM, and Currency is DE 49, the number of ISO 4217.
	Expiry, Currency string
}

// Generator makes the messages. Its numbers go on from run to run, so that no message is sent twice. It is used by
// one goroutine; [Generator.Approved] may be called by others.
type Generator struct {
	// Drain is how long answers may take after the last message was due; 0 means 5 s.
	Drain time.Duration

	target   Target
	template *template
	next     uint64 // number of the first message of the next run
	approved atomic.Uint64
}

const (
	defaultDrain = 5 * time.Second
	dialTimeout  = 5 * time.Second
	linksMax     = 1024
	rateMax      = 10_000_000
)

// New encodes the template. The first message has the given number, which is its DE 37; its last six digits are
// DE 11.
func New(t Target, first uint64) (*Generator, error) {
	switch {
	case t.Dialect == nil || t.Card == nil:
		return nil, errors.New("load: the target has no dialect or no cards")
	case t.Cards < 1:
		return nil, fmt.Errorf("load: %d cards, want at least 1", t.Cards)
	}
	tpl, err := newTemplate(&t)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	return &Generator{target: t, template: tpl, next: first}, nil
}

// Approved is how many approvals were received so far, in all runs.
func (g *Generator) Approved() uint64 { return g.approved.Load() }

// OpenLoad is a load at a rate that does not depend on the answers.
type OpenLoad struct {
	Links int
	Rate  float64 // messages per second over all links
	For   time.Duration
	Tick  time.Duration // a link that has sent what was due rests so long; 0: until the next message is due
}

// ClosedLoad keeps a number of messages in flight on each link: an answer releases the next message.
type ClosedLoad struct {
	Links  int
	Window int // on each link
	For    time.Duration
}

// Open offers messages at a rate. The error is about links that could not be opened or broke; the counts hold in
// any case.
func (g *Generator) Open(ctx context.Context, o OpenLoad) (Result, error) {
	total := o.Rate * o.For.Seconds()
	if o.Links < 1 || o.Links > linksMax || o.Rate <= 0 || o.Rate > rateMax || o.Tick < 0 || total < 1 {
		return Result{}, fmt.Errorf("load: %d links and %.1f messages a second for %v cannot be offered", o.Links, o.Rate, o.For)
	}
	shared := &run{generator: g, links: uint64(o.Links), first: g.next, total: uint64(total),
		gap: float64(time.Second) / o.Rate, last: o.For, drain: g.drain(), tick: o.Tick}
	g.next += shared.total
	return shared.all(ctx, (*link).open)
}

// Closed keeps a window of messages in flight.
func (g *Generator) Closed(ctx context.Context, c ClosedLoad) (Result, error) {
	if c.Links < 1 || c.Links > linksMax || c.Window < 1 || c.Window > ringSlots || c.For <= 0 {
		return Result{}, fmt.Errorf("load: %d links with %d in flight for %v cannot be kept", c.Links, c.Window, c.For)
	}
	shared := &run{generator: g, links: uint64(c.Links), first: g.next, window: c.Window, last: c.For, drain: g.drain()}
	result, err := shared.all(ctx, (*link).closed)
	g.next += shared.longest * shared.links
	return result, err
}

func (g *Generator) drain() time.Duration {
	if g.Drain > 0 {
		return g.Drain
	}
	return defaultDrain
}

// run is what the links of one run share.
type run struct {
	generator *Generator
	links     uint64
	first     uint64 // number of the first message
	total     uint64 // messages of an open run
	gap       float64
	window    int
	tick      time.Duration
	last      time.Duration // when the last message is due, after start
	drain     time.Duration
	start     time.Time
	longest   uint64 // messages of the longest link, known at the end
}

// due is when message i of the run is to be sent, after start.
func (r *run) due(i uint64) time.Duration { return time.Duration(float64(i) * r.gap) }

// all opens the links, lets each do its work, and adds up.
func (r *run) all(ctx context.Context, work func(*link, context.Context) error) (Result, error) {
	links := make([]*link, 0, r.links)
	defer func() {
		for _, l := range links {
			_ = l.conn.Close() // nothing is sent any more
		}
	}()
	for i := range r.links {
		l, err := dial(ctx, r, i)
		if err != nil {
			return Result{}, fmt.Errorf("load: open link %d: %w", i, err)
		}
		links = append(links, l)
	}
	stop := context.AfterFunc(ctx, func() {
		for _, l := range links {
			_ = l.conn.Close() // ends the reads and writes in progress
		}
	})
	defer stop()
	r.start = time.Now()
	errs := make([]error, len(links)+1)
	var wg sync.WaitGroup
	for i, l := range links {
		wg.Go(func() { errs[i] = work(l, ctx) })
	}
	wg.Wait()
	if errs[len(links)] = ctx.Err(); errs[len(links)] != nil {
		clear(errs[:len(links)]) // they are only its consequence
	}
	result := Result{Latency: NewLatency(), Late: NewLatency(), Elapsed: r.last}
	for _, l := range links {
		l.finish(&result)
	}
	return result, errors.Join(errs...)
}
