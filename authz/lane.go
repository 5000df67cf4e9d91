package authz

import (
	"sync"
	"sync/atomic"
	"time"
)

// item is one request on its way through its lane.
type item struct {
	req    *Request
	waiter Waiter
	routed bool // a program has its BIN
	terms  Terms

	followers []*item // repeats that came while it was being decided; guarded by lane.mu
	answered  atomic.Bool
	void      bool // our own entry: undo the row of req.ID
	known     bool
	card      Card
	hold      Hold
	entry     Entry
}

func (it *item) answer(d *Decision) bool {
	if it.waiter == nil || !it.answered.CompareAndSwap(false, true) {
		return false
	}
	it.waiter.Decided(d)
	return true
}

// revocable reports whether our own entry may take the row back when its answer cannot be given. A reversal
// or an advice tells what has happened elsewhere: it stands, and its repeat is answered from its row.
func (it *item) revocable() bool {
	return it.req.Kind == Authorization || it.req.Kind == Financial
}

// lane decides the requests of one partner, on at most one goroutine, which ends when there is nothing left.
type lane struct {
	a       *Authorizer
	partner PartnerID

	mu       sync.Mutex
	queue    []*item
	running  bool
	deciding map[DupKey]*item // queued or in work
	doubtful []*item          // voids that could not be committed yet
	undoing  map[DupKey]bool  // keys whose void is not committed yet

	full chan struct{} // overlapMin are queued; one token
}

// push queues the item, or lets it follow one with the same key. False means refused.
func (l *lane) push(it *item) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if leader, ok := l.deciding[it.req.Dup]; ok && !it.void {
		leader.followers = append(leader.followers, it)
		return len(leader.followers) <= followersMax || dropLast(leader)
	}
	limit := l.a.cfg.QueueMax
	if it.void || !it.revocable() {
		limit *= 2 // what undoes or has happened is shed last
	}
	if len(l.queue) >= limit {
		return false
	}
	if !l.running && !l.a.start(l.run) {
		return false
	}
	l.running = true
	l.queue = append(l.queue, it)
	if !it.void {
		l.deciding[it.req.Dup] = it
	}
	if len(l.queue) >= overlapMin {
		select {
		case l.full <- struct{}{}:
		default:
		}
	}
	return true
}

// overlapMin is how many must have come before they are held while another batch commits: a call to a remote
// cache costs more than its work, so small ones wait for the commit and go together.
const overlapMin = 32

// followersMax bounds the repeats that wait for one decision.
const followersMax = 64

func dropLast(leader *item) bool {
	leader.followers = leader.followers[:len(leader.followers)-1]
	return false
}

// take removes up to so many from the queue.
func (l *lane) take(most int) []*item {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.queue), most)
	batch := make([]*item, n)
	copy(batch, l.queue)
	rest := copy(l.queue, l.queue[n:])
	clear(l.queue[rest:])
	l.queue = l.queue[:rest]
	return batch
}

// rest ends the running when nothing is queued.
func (l *lane) rest() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running = len(l.queue) > 0
	return !l.running
}

// run decides batch after batch until nothing is queued. What arrives while a batch commits is the next
// one: under load they grow by themselves, and a request that is alone waits for nobody.
func (l *lane) run() {
	if l.a.cfg.Overlap {
		l.overlap()
		return
	}
	for !l.rest() {
		if batch := l.prepare(l.take(l.a.cfg.BatchMax)); len(batch) > 0 {
			l.commit(batch)
		}
	}
}

// overlap is run with a remote cache: the next holds are placed while the last batch commits.
func (l *lane) overlap() {
	var ready []*item              // held, to be committed next
	var committing <-chan struct{} // closed when the commit has ended; nil: none is under way
	for committing != nil || len(ready) > 0 || !l.rest() {
		if room := l.a.cfg.BatchMax - len(ready); room > 0 {
			ready = append(ready, l.prepare(l.take(room))...)
		}
		if committing == nil && len(ready) > 0 {
			batch, done := ready, make(chan struct{})
			ready, committing = nil, done
			go func() { // owned by overlap, which does not end before it
				defer close(done)
				l.commit(batch)
			}()
		}
		if committing == nil {
			continue
		}
		full := l.full
		if len(ready) >= l.a.cfg.BatchMax {
			full = nil
		}
		select {
		case <-committing:
			committing = nil
		case <-full:
		}
	}
}

// mark, unmark and marked keep the keys whose approval is being undone.
func (l *lane) mark(key DupKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.undoing[key] = true
}

func (l *lane) unmark(key DupKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.undoing, key)
}

func (l *lane) marked(key DupKey) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.undoing[key]
}

// finish answers the item and all that follow it, and opens its key again.
func (l *lane) finish(it *item, d *Decision) {
	l.a.count(d)
	l.mu.Lock()
	followers := it.followers
	it.followers = nil
	if l.deciding[it.req.Dup] == it {
		delete(l.deciding, it.req.Dup)
	}
	l.mu.Unlock()
	it.answer(d)
	if len(followers) == 0 {
		return
	}
	again := *d
	again.Repeated = true
	for _, f := range followers {
		l.a.stats.repeated.Add(1)
		f.answer(&again)
	}
}

func (a *Authorizer) count(d *Decision) {
	a.stats.decided.Add(1)
	switch {
	case d.Repeated:
		a.stats.repeated.Add(1)
	case d.Reason.Undecided():
		a.stats.undecided.Add(1)
	case d.Reason.Approval():
		a.stats.approved.Add(1)
	case d.Reason >= FormatError:
		a.stats.declined.Add(1)
	}
}

// expire answers what is past its deadline. What is still queued stays there and is dropped by
// prepare; what is being committed is undone by commit when it turns out approved.
func (l *lane) expire(now time.Time) {
	var late []*item
	l.mu.Lock()
	for _, it := range l.deciding {
		if !it.req.Deadline.After(now) && !it.answered.Load() {
			late = append(late, it)
		}
		for _, f := range it.followers {
			if !f.req.Deadline.After(now) && !f.answered.Load() {
				late = append(late, f)
			}
		}
	}
	retry := l.doubtful
	l.doubtful = nil
	l.mu.Unlock()
	for _, it := range late {
		if it.answer(&Decision{ID: it.req.ID, Reason: DecisionLate, Cause: errLate}) {
			l.a.stats.late.Add(1)
			l.a.ailing.Store(true)
		}
	}
	for _, it := range retry {
		l.void(it)
	}
}

// void queues our own entry that undoes the row of the request, if there is one. Kept until it works.
func (l *lane) void(it *item) {
	if !l.push(it) {
		l.postpone(it)
	}
}

// postpone keeps a void for the next Expire.
func (l *lane) postpone(it *item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.doubtful = append(l.doubtful, it)
}

// open reports whether the item has not been finished.
func (l *lane) open(it *item) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.deciding[it.req.Dup] == it
}

func (l *lane) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.deciding)
}
