package authz

import (
	"sync/atomic"
	"time"
)

// pace estimates how long a request would wait, and so decides which are not worth taking. All partners share the
// journal and the processors, so it looks at the whole node: those that are being decided beyond what is in service
// are a queue, and a queue empties as fast as decisions were made while there was one. It learns nothing while there
// is no more than a batch: then decisions come as fast as requests, which says nothing of how many could be made.
//
// A queue may fill for a moment up to half of what the deadlines allow: it is a burst, and all of it is answered, also
// when the machine gives us less meanwhile than it did; where it gives little, what is in service alone is too much for
// that. What was dropped from the queue because it was late is no decision: counted as one, it would have the node take
// more the later it is. A queue that stands has no use, since no more is decided than without it, only later; it is cut
// to [Config].WaitMax.
type pace struct {
	few       int64 // no more than these are one batch, which takes what it takes
	inService int64
	waitMax   time.Duration

	perSecond atomic.Int64 // decisions, while more than a batch was open; 0: not known
	limit     atomic.Int64 // nanoseconds that a request may wait

	// Of Expire alone.
	at           time.Time
	decided      uint64
	busy         bool // at the last moment that was looked at
	first        int  // measurements so far
	firstDecided int64
	firstTook    time.Duration
	standing     time.Time // since when the queue is longer than half of what it may be; zero: it is not
}

const (
	// standingFor is how long a queue may be a burst.
	standingFor = time.Second
	// paceEvery is how much time one measurement covers at least.
	paceEvery = 20 * time.Millisecond
	// paceWeight is how many measurements the average goes back, about.
	paceWeight = 8
)

// observe takes what is open and how much has been decided since the start, without what was dropped.
func (p *pace) observe(now time.Time, open int64, decided uint64) {
	since := now.Sub(p.at)
	if since < paceEvery {
		return
	}
	busy := open > p.few
	if busy && p.busy {
		p.learn(int64(decided-p.decided), since)
	}
	p.at, p.decided, p.busy = now, decided, busy
	switch {
	case p.wait(open) <= p.waitMax/2:
		p.standing = time.Time{}
	case p.standing.IsZero():
		p.standing = now
	}
	limit := int64(never)
	if !p.standing.IsZero() && now.Sub(p.standing) >= standingFor {
		limit = int64(p.waitMax)
	}
	p.limit.Store(limit)
}

// learn takes a measurement into the average. The first ones count only together: a node that has just started, or one
// commit in a short time, says little.
func (p *pace) learn(decided int64, since time.Duration) {
	if p.first++; p.first <= paceWeight {
		p.firstDecided, p.firstTook = p.firstDecided+decided, p.firstTook+since
		if p.first < paceWeight {
			return
		}
		decided, since = p.firstDecided, p.firstTook
	}
	rate := int64(float64(decided) / since.Seconds())
	if known := p.perSecond.Load(); known > 0 {
		rate = known + (rate-known)/paceWeight
	}
	p.perSecond.Store(max(1, rate))
}

// wait estimates how long one would wait behind those that are open, until it is in service.
func (p *pace) wait(open int64) time.Duration { return p.takes(max(0, open-p.inService)) }

// takes estimates how long so many decisions take; 0 when that is not known.
func (p *pace) takes(decisions int64) time.Duration {
	rate := p.perSecond.Load()
	if rate == 0 {
		return 0
	}
	return time.Duration(float64(decisions) / float64(rate) * float64(time.Second))
}

// sheds reports whether a request that comes now is refused. Of partners that differ, those with less than their share
// of what is open are spared: their lanes are shorter than the estimate.
func (l *lane) sheds(r *Request) bool {
	open, p := l.a.open.Load(), &l.a.pace
	if open <= p.few || l.waiting.Load()*l.a.busy.Load() < open {
		return false
	}
	return int64(p.wait(open)) > p.limit.Load() || p.takes(open+l.a.undone.Load()) > r.Deadline.Sub(l.a.cfg.Now())/2
}
