package authz

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/authz/keystore"
)

// Config sets the limits of an [Authorizer].
type Config struct {
	Node          int           // 0 to 511, unique among the nodes that share a journal
	LastID        ID            // the highest in the journal: ids grow from there even when the clock was set back
	BatchMax      int           // requests in one commit; default 256
	QueueMax      int           // requests waiting in a lane; default 8192
	InService     int           // requests that the journal works on at once, of all lanes; default four commits
	WaitMax       time.Duration // behind those, once a queue stands longer than a burst; default 100 ms
	CardsMax      int           // card snapshots kept; default 200,000
	CommitTimeout time.Duration // of one commit; default 5 s
	Lives         []LifeRule    // of holds, by network; those of [Terms] where none fits
	Tolerances    []Tolerance   // of clearings above what was authorized; default [Tolerances]
	Overlap       bool          // place the next holds while a batch commits: worth it when the cache is remote
	Now           func() time.Time
	Verifier      Verifier // of evidence; default: the keystore
	Debts         Debts    // of what is to be undone; default: the node keeps them to itself
}

func (c *Config) defaults() error {
	if c.Now == nil {
		return errors.New("authz: Config.Now is required")
	}
	if c.Node < 0 || c.Node > nodeMax {
		return fmt.Errorf("authz: Config.Node %d is not within 0 to %d", c.Node, nodeMax)
	}
	for _, f := range []struct {
		value *int
		usual int
	}{{&c.BatchMax, 256}, {&c.QueueMax, 8192}, {&c.CardsMax, 200_000}} {
		if *f.value <= 0 {
			*f.value = f.usual
		}
	}
	if c.Tolerances == nil {
		c.Tolerances = Tolerances()
	}
	if c.InService <= 0 {
		c.InService = 4 * c.BatchMax
	}
	for _, f := range []struct {
		value *time.Duration
		usual time.Duration
	}{{&c.CommitTimeout, 5 * time.Second}, {&c.WaitMax, 100 * time.Millisecond}} {
		if *f.value <= 0 {
			*f.value = f.usual
		}
	}
	return nil
}

// Waiter receives the decision of a request, once, on a goroutine of the lane: it must not block.
type Waiter interface{ Decided(d *Decision) }

// Authorizer decides requests, each in the lane of its partner.
type Authorizer struct {
	cfg     Config
	cards   Cards
	holds   Holds
	journal Journal
	keys    *keystore.Store
	ids     ids
	began   time.Time
	born    ID // all ids of this life are above it
	cache   *cardCache
	routes  atomic.Pointer[routes]
	rates   atomic.Pointer[map[pair]string]
	codes   *approvalCodes
	stats   counters
	ailing  atomic.Bool
	open    atomic.Int64  // requests that are being decided
	undone  atomic.Int64  // approvals that are to be undone
	busy    atomic.Int64  // lanes that have work
	dropped atomic.Uint64 // of what is decided: late when its turn came
	pace    pace

	lanes sync.Map // PartnerID -> *lane

	mu      sync.Mutex // guards closed against wg.Go after wg.Wait
	closed  bool
	wg      sync.WaitGroup
	closing context.Context
	cancel  context.CancelFunc
}

// New makes an authorizer that routes by programs. Close ends it.
func New(cfg Config, cards Cards, holds Holds, journal Journal, keys *keystore.Store) (*Authorizer, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	if cfg.Verifier == nil {
		cfg.Verifier = NewVerifier(keys)
	}
	a := &Authorizer{cfg: cfg, cards: cards, holds: holds, journal: journal, keys: keys,
		cache: newCardCache(cfg.CardsMax), codes: newApprovalCodes(keys)}
	a.pace.few, a.pace.inService, a.pace.waitMax = int64(cfg.BatchMax), int64(cfg.InService), cfg.WaitMax
	a.pace.limit.Store(never)
	a.ids.node, a.ids.last = int64(cfg.Node), cfg.LastID.tick()
	a.began = cfg.Now()
	a.born = a.ids.next(a.began)
	a.closing, a.cancel = context.WithCancel(context.Background())
	a.Route(nil)
	return a, nil
}

// Route replaces the table of programs; requests already queued keep their lane.
func (a *Authorizer) Route(programs []Program) { a.routes.Store(newRoutes(programs)) }

// since counts nanoseconds from our beginning, by the monotonic clock where the times have it: a wall clock that is set
// back must not keep what is overdue from being answered.
func (a *Authorizer) since(t time.Time) int64 { return int64(t.Sub(a.began)) }

// Submit gives the request to its lane. w hears the decision exactly once, at the latest at the first
// Expire after the request's deadline.
func (a *Authorizer) Submit(r *Request, w Waiter) {
	a.stats.submitted.Add(1)
	r.ID = a.ids.next(r.ReceivedAt)
	program, known := a.routes.Load().find(r.PAN.BIN(8))
	if w != nil && !r.Evidence.Chip.IsZero() {
		w = &chipWaiter{a, r, w}
	}
	it := &item{req: r, waiter: w, routed: known, terms: program.Terms}
	l := a.lane(program.Partner)
	if it.revocable() && l.sheds(r) { // before anything is spent on it
		a.stats.shed.Add(1)
		it.answer(&Decision{ID: r.ID, Reason: Inoperative, Cause: errOverload})
		return
	}
	r.Tag = a.keys.Tag(r.PAN)
	r.Dup = dupKey(a.keys, r)
	if !l.push(it) {
		a.stats.shed.Add(1)
		it.answer(&Decision{ID: r.ID, Reason: Inoperative, Cause: errQueueFull})
	}
}

var (
	errOverload  = errors.New("it would wait too long")
	errQueueFull = errors.New("the lane's queue is full")
	errLate      = errors.New("deadline passed")
	errUndoing   = errors.New("an earlier answer to it is being undone")
)

// Expire answers every request whose deadline has passed at now and that is still being decided, and
// retries what could not be undone yet. Its owner calls it some tens of times a second, from one goroutine.
func (a *Authorizer) Expire(now time.Time) {
	dropped := a.dropped.Load()
	a.pace.observe(now, a.open.Load(), a.stats.decided.Load()-dropped)
	a.lanes.Range(func(_, l any) bool {
		l.(*lane).expire(now)
		return true
	})
}

// Healthy reports whether the last that was heard of the journal is that it takes commits. A commit that is
// overdue counts as one that failed.
func (a *Authorizer) Healthy() bool { return !a.ailing.Load() }

// Probe commits nothing, to find out whether the journal takes commits again.
func (a *Authorizer) Probe(ctx context.Context) {
	if _, err := a.journal.Commit(ctx, nil); err == nil {
		a.ailing.Store(false)
	}
}

// Learn replaces the snapshot of a card, for a change made beside the authorizer. The journal would
// refuse a decision on the old one in any case; learning saves the detour.
func (a *Authorizer) Learn(c Card, t Tag) { a.cache.put(t, c) }

// Close stops taking requests, waits until every accepted one is decided, and returns. When ctx ends
// first, what is still open is cut off and its error returned.
func (a *Authorizer) Close(ctx context.Context) error {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	done := make(chan struct{})
	// owned by Close: ends when the lanes have ended
	go func() { a.wg.Wait(); close(done) }()
	defer a.cancel()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		a.cancel()
		<-done
		return ctx.Err()
	}
}

// start runs f as a goroutine that Close waits for, unless closed.
func (a *Authorizer) start(f func()) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return false
	}
	a.wg.Go(f)
	return true
}

func (a *Authorizer) lane(p PartnerID) *lane {
	if l, ok := a.lanes.Load(p); ok {
		return l.(*lane)
	}
	l, _ := a.lanes.LoadOrStore(p, newLane(a, p))
	return l.(*lane)
}

// Stats are counts since the start, and what is in the lanes now.
type Stats struct {
	Submitted, Decided, Approved, Declined, Undecided, Repeated uint64
	Shed, Late, Stale, Batches, BatchItems, Panics, Doubtful    uint64
	Waiting                                                     int
}

type counters struct {
	submitted, decided, approved, declined, undecided, repeated atomic.Uint64
	shed, late, stale, batches, items, panics, doubtful         atomic.Uint64
}

// Stats reads the counters.
func (a *Authorizer) Stats() Stats {
	c := &a.stats
	return Stats{Submitted: c.submitted.Load(), Decided: c.decided.Load(), Approved: c.approved.Load(),
		Declined: c.declined.Load(), Undecided: c.undecided.Load(), Repeated: c.repeated.Load(),
		Shed: c.shed.Load(), Late: c.late.Load(), Stale: c.stale.Load(), Batches: c.batches.Load(),
		BatchItems: c.items.Load(), Panics: c.panics.Load(), Doubtful: c.doubtful.Load(), Waiting: int(a.open.Load())}
}
