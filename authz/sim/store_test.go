package sim_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/authz"
	"holdfast/store/memholds"
)

// stores are the journal, the cards and the cache as one life of a node sees them: every call takes its own time, may
// meet a fault, and has no effect any more once the node is dead.
type stores struct {
	n     *node
	life  int64
	dying context.Context
}

func (st *stores) dead() bool { return st.n.living.Load() != st.life }

// call is one call to a store: what it draws depends on the seed and on what is asked, not on who ran first.
type call struct {
	*rand.Rand
	st    *stores
	fault faultKind
}

func (st *stores) call(what site, id authz.ID) *call {
	s := st.n.s
	try := s.count(what, st.n.number, id)
	c := &call{Rand: s.draw(uint64(what), uint64(st.n.number), uint64(id), try), st: st}
	if c.fault = s.meets(what, c.Rand); c.fault != none {
		s.story("node %d, site %d, id %d meets %d", st.n.number, what, id, c.fault)
	}
	return c
}

// takes waits for a part of the call's time: up to most, and never the same.
func (c *call) takes(ctx context.Context, most time.Duration) bool {
	timer := time.NewTimer(time.Duration(1 + c.Int64N(int64(most))))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-c.st.dying.Done():
	}
	return false
}

// Commit implements [authz.Journal].
func (st *stores) Commit(ctx context.Context, batch []*authz.Entry) (authz.Truth, error) {
	var id authz.ID
	for _, e := range batch {
		id = id*31 + e.Request.ID
		if e.Void {
			id++
		}
	}
	c := st.call(ofJournal, id)
	if !c.takes(ctx, 6*time.Millisecond) || st.dead() {
		return authz.Truth{}, authz.ErrUnavailable
	}
	s := st.n.s
	switch c.fault {
	case refused:
		return authz.Truth{}, authz.ErrUnavailable
	case lostRequest:
		return authz.Truth{}, authz.ErrUnknown
	case lostReply:
		s.commit(copies(batch))
		return authz.Truth{}, authz.ErrUnknown
	case late:
		later, wait := copies(batch), time.Duration(c.Int64N(int64(4*time.Second)))
		s.background.Go(func() {
			<-time.After(wait)
			s.commit(later)
		})
		return authz.Truth{}, authz.ErrUnknown
	case hangs:
		if c.IntN(2) == 0 {
			s.commit(copies(batch))
		}
		c.takes(ctx, time.Minute)
		return authz.Truth{}, authz.ErrUnknown
	case panics:
		if len(batch) > 0 { // a probe is nobody's request
			panic("planted")
		}
		return authz.Truth{}, authz.ErrUnavailable
	}
	truth, err := s.store.Commit(context.Background(), batch)
	if c.fault == slow && !c.takes(context.Background(), 3*time.Second) {
		return authz.Truth{}, authz.ErrUnknown
	}
	if !c.takes(context.Background(), 3*time.Millisecond) {
		return authz.Truth{}, authz.ErrUnknown
	}
	return truth, err
}

// commit has nobody who would hear of it.
func (s *sim) commit(batch []*authz.Entry) {
	if _, err := s.store.Commit(context.Background(), batch); err != nil {
		s.failf("the journal itself fails: %v", err)
	}
}

// copies keeps a commit whose reply is lost from telling its outcome through the entries.
func copies(batch []*authz.Entry) []*authz.Entry {
	out := make([]*authz.Entry, len(batch))
	for i, e := range batch {
		c, r := *e, *e.Request
		c.Request = &r
		if e.Card != nil {
			card := *e.Card
			c.Card = &card
		}
		out[i] = &c
	}
	return out
}

// Balances implements [authz.Journal].
func (st *stores) Balances(ctx context.Context, ids []authz.BalanceID) ([]authz.Balance, error) {
	c := st.call(ofReads, authz.ID(ids[0]))
	if !c.takes(ctx, 2*time.Millisecond) || c.fault != none || st.dead() {
		return nil, authz.ErrUnavailable
	}
	return st.n.s.store.Balances(ctx, ids)
}

// Due is of no use here: no seed is as long as a hold lives.
func (st *stores) Due(context.Context, time.Time, int) ([]authz.Due, error) { return nil, nil }

// Owed implements [authz.Journal].
func (st *stores) Owed(ctx context.Context, rows []authz.ID) ([]authz.Owed, error) {
	c := st.call(ofReads, rows[0])
	if !c.takes(ctx, 2*time.Millisecond) || c.fault != none || st.dead() {
		return nil, authz.ErrUnavailable
	}
	return st.n.s.store.Owed(ctx, rows)
}

// Find implements [authz.Cards].
func (st *stores) Find(ctx context.Context, tags []authz.Tag, found func(int, authz.Card)) error {
	c := st.call(ofReads, authz.ID(st.n.s.holder(tags[0]))) // the tag itself comes from keys of this process
	if !c.takes(ctx, 2*time.Millisecond) || c.fault != none || st.dead() {
		return authz.ErrUnavailable
	}
	return st.n.s.store.Find(ctx, tags, found)
}

// Place implements [authz.Holds].
func (st *stores) Place(ctx context.Context, partner authz.PartnerID, batch []*authz.Hold) error {
	cache := st.n.s.cache
	return st.cached(ctx, batch[0].Op, func(really bool) error {
		if !really {
			copied := make([]*authz.Hold, len(batch))
			for i, h := range batch {
				c := *h
				copied[i] = &c
			}
			batch = copied
		}
		cache.note(batch, st.n.s.now())
		return cache.holds.Load().Place(ctx, partner, batch)
	})
}

// Settle implements [authz.Holds].
func (st *stores) Settle(ctx context.Context, partner authz.PartnerID, ended []*authz.Hold, truth []authz.Balance) error {
	var op authz.ID
	if len(ended) > 0 {
		op = ended[0].Op
	}
	cache := st.n.s.cache
	return st.cached(ctx, -op, func(bool) error {
		cache.ended(ended)
		cache.learned(truth)
		return cache.holds.Load().Settle(ctx, partner, ended, truth)
	})
}

// Refresh implements [authz.Holds].
func (st *stores) Refresh(ctx context.Context, partner authz.PartnerID, truth []authz.Balance) error {
	return st.cached(ctx, authz.ID(len(truth)), func(bool) error { return st.n.s.cache.holds.Load().Refresh(ctx, partner, truth) })
}

// cached calls the cache, which is remote when there is more than one node. really says that the caller hears of it.
func (st *stores) cached(ctx context.Context, id authz.ID, ask func(really bool) error) error {
	s := st.n.s
	if !s.remote {
		if st.dead() {
			return authz.ErrUnavailable
		}
		return ask(true)
	}
	c := st.call(ofCache, id)
	if !c.takes(ctx, 2*time.Millisecond) || st.dead() {
		return authz.ErrUnavailable
	}
	switch c.fault {
	case refused, lostRequest, hangs, panics:
		return authz.ErrUnavailable
	case lostReply:
		_ = ask(false) // nobody hears
		return authz.ErrUnknown
	case late:
		wait := time.Duration(c.Int64N(int64(2 * time.Second)))
		s.background.Go(func() {
			<-time.After(wait)
			_ = ask(false) // nobody hears
		})
		return authz.ErrUnknown
	}
	err := ask(true)
	if c.fault == slow {
		c.takes(ctx, 2*time.Second)
	}
	c.takes(ctx, time.Millisecond)
	return err
}

// cache is what both nodes share, and what a sweeper and a nemesis do to it.
type cache struct {
	holds atomic.Pointer[memholds.Holds]

	mu     sync.Mutex
	placed map[authz.ID]placed
	past   [][]authz.Balance // truths that were learned
}

type placed struct {
	hold authz.Hold
	at   time.Time
}

func newCache() *cache {
	c := &cache{placed: map[authz.ID]placed{}}
	c.holds.Store(memholds.New())
	return c
}

func (c *cache) note(batch []*authz.Hold, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range batch {
		if _, again := c.placed[h.Op]; !again {
			c.placed[h.Op] = placed{*h, now}
		}
	}
}

func (c *cache) ended(holds []*authz.Hold) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range holds {
		delete(c.placed, h.Op)
	}
}

func (c *cache) learned(truth []authz.Balance) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(truth) > 0 {
		c.past = append(c.past, truth)
	}
}

// forget loses everything, also what is pending.
func (c *cache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holds.Store(memholds.New())
	clear(c.placed)
}

// sweepAge is after how long a hold in flight is nobody's: longer than a commit may take.
const sweepAge = 6 * time.Second

// sweep gives back what a dead node left, and what came after its end was lost.
func (c *cache) sweep(partner authz.PartnerID, now time.Time) {
	c.mu.Lock()
	var orphans []*authz.Hold
	for op, p := range c.placed {
		if now.Sub(p.at) > sweepAge {
			orphans = append(orphans, &p.hold)
			delete(c.placed, op)
		}
	}
	c.mu.Unlock()
	_ = c.holds.Load().Settle(context.Background(), partner, orphans, nil) // it never fails
}

// rewind restores an old state, and lie one that never was.
func (c *cache) rewind(partner authz.PartnerID, r *rand.Rand) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.past) > 0 {
		_ = c.holds.Load().Refresh(context.Background(), partner, c.past[r.IntN(len(c.past))]) // it never fails
	}
}

func (c *cache) lie(w *template, r *rand.Rand) {
	var lies []authz.Balance
	for _, id := range w.balances() {
		lies = append(lies, authz.Balance{ID: id, Available: r.Int64N(300_00) - 50_00, Version: r.Int64N(1000)})
	}
	_ = c.holds.Load().Refresh(context.Background(), w.Alice.Partner, lies) // it never fails
}

var hashSeed = [2]uint64{0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9}

// mix makes one number of some, the same in every run.
func mix(parts ...uint64) uint64 {
	h := hashSeed[0]
	for _, p := range parts {
		h = (h ^ p) * hashSeed[1]
		h ^= h >> 29
	}
	return h
}
