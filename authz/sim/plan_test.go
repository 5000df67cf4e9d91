package sim_test

import (
	"context"
	"math/rand/v2"
	"time"

	"holdfast/authz"
	"holdfast/store/records"
	"holdfast/store/storetest"
)

// site is a kind of call that faults meet.
type site uint64

const (
	ofJournal site = iota + 10
	ofReads
	ofCache
)

type faultKind uint8

const (
	none        faultKind = iota
	refused               // surely not done
	lostRequest           // not done, but nobody knows
	lostReply             // done, but nobody knows
	late                  // done after it was given up
	hangs                 // no answer before the caller's patience ends
	slow                  // done and said, after a while
	panics
	faultKinds
)

// fault is what happens to some of the calls for a while.
type fault struct {
	site     site
	kind     faultKind
	from, to time.Duration
	share    float64
}

// meets says which fault a call meets now.
func (s *sim) meets(what site, r *rand.Rand) faultKind {
	now, chance := time.Since(s.began), r.Float64()
	for _, f := range s.faults {
		if f.site == what && now >= f.from && now < f.to && chance < f.share {
			return f.kind
		}
	}
	return none
}

// troubleEnds is when the last fault is over, in the time of the bubble.
const troubleEnds = 10 * time.Second

// plan makes the transactions and the faults, and returns what the nemeses do.
func (s *sim) plan(r *rand.Rand) (trouble []func()) {
	holders := []*storetest.Holder{&s.Alice, &s.Bob, &s.Carol}
	for range 12 + r.IntN(24) {
		s.book.open(holders[r.IntN(len(holders))], span(r, 0, troubleEnds), r)
	}
	for range r.IntN(5) {
		from := span(r, 0, troubleEnds*3/4)
		f := fault{site: ofJournal, kind: faultKind(1 + r.IntN(int(faultKinds)-1)), from: from,
			to: min(from+span(r, 5*time.Millisecond, 3*time.Second), troubleEnds), share: 0.2 + 0.8*r.Float64()}
		switch {
		case s.remote && r.IntN(3) == 0:
			f.site = ofCache
		case r.IntN(6) == 0:
			f.site = ofReads
		}
		s.faults = append(s.faults, f)
	}
	kinds := []func(time.Duration, *rand.Rand) func(){s.crash, s.lock}
	if s.remote {
		kinds = append(kinds, s.spoil, s.spoil)
	}
	for range r.IntN(5) {
		trouble = append(trouble, kinds[r.IntN(len(kinds))](span(r, 0, troubleEnds*3/4), s.draw(2, r.Uint64())))
	}
	return trouble
}

func span(r *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(r.Int64N(int64(to-from)))
}

// wait sleeps in the time of the bubble.
func wait(d time.Duration) { <-time.After(d) }

// crash kills a node and starts it again.
func (s *sim) crash(at time.Duration, r *rand.Rand) func() {
	n, pause := s.nodes[r.IntN(len(s.nodes))], span(r, time.Millisecond, 2*time.Second)
	return func() {
		wait(at)
		if n.living.Load() == 0 || n.dying.Swap(true) {
			return // another one is at it
		}
		n.kill()
		wait(pause)
		n.start()
		n.dying.Store(false)
	}
}

// spoil makes the cache wrong.
func (s *sim) spoil(at time.Duration, r *rand.Rand) func() {
	kind := r.IntN(3)
	return func() {
		wait(at)
		switch kind {
		case 0:
			s.cache.forget()
		case 1:
			s.cache.rewind(s.Alice.Partner, r)
		case 2:
			s.cache.lie(s.template, r)
		}
	}
}

// lock locks a card for a while, beside the switch as another process does.
func (s *sim) lock(at time.Duration, r *rand.Rand) func() {
	h := []*storetest.Holder{&s.Alice, &s.Bob}[r.IntN(2)]
	takes, lasts := span(r, time.Microsecond, 5*time.Millisecond), span(r, 100*time.Millisecond, 3*time.Second)
	return func() {
		wait(at)
		if s.book.locking.Swap(true) {
			return // one at a time
		}
		wait(takes)
		s.setLock(h, authz.LockQuery)
		from := time.Since(s.began)
		wait(lasts)
		s.book.locked(h, from, time.Since(s.began))
		s.setLock(h, authz.LockNone)
		s.book.locking.Store(false)
	}
}

func (s *sim) setLock(h *storetest.Holder, lock authz.LockReason) {
	ctx := context.Background()
	if err := s.store.Update(ctx, func(q records.Querier) error { return records.LockCard(ctx, q, h.Card, lock) }); err != nil {
		s.failf("lock a card: %v", err)
	}
}
