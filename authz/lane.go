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
	taken     bool // from the queue: it may come to a row; guarded by lane.mu
	owed      bool // noted in Config.Debts; guarded by lane.mu
	known     bool
	card      Card
	hold      Hold
	entry     Entry
	spans     spans
}

func (it *item) answer(d *Decision) bool {
	if !it.claim() {
		return false
	}
	it.waiter.Decided(d)
	return true
}

// claim reports whether the answer is the caller's to give: then nobody else gives one.
func (it *item) claim() bool { return it.waiter != nil && it.answered.CompareAndSwap(false, true) }

// revocable reports whether our own entry may take the row back when its answer cannot be given. A reversal
// or an advice tells what has happened elsewhere: it stands, and its repeat is answered from its row.
func (it *item) revocable() bool {
	return it.req.Kind == Authorization || it.req.Kind == Financial
}

// lane decides the requests of one partner, batch after batch. What arrives while a batch is in work is the next one:
// under load they grow by themselves, and a request that is alone waits for nobody. A batch is held and committed by
// one goroutine, of which there are only as many as there is work for.
type lane struct {
	a       *Authorizer
	partner PartnerID

	mu        sync.Mutex
	queue     []*item
	ready     []*item          // held, to be committed next
	blocked   bool             // nothing of what is ready may go before a commit has ended
	preparing bool             // a batch is being held
	joining   bool             // what is ready waits for it
	commits   int              // batches at the journal
	slow      bool             // for longer than overlapAfter
	cards     map[Tag]int      // in them
	workers   int              // goroutines
	starting  bool             // one of them has not taken its work yet
	deciding  map[DupKey]*item // queued or in work
	doubtful  []*item          // voids that could not be committed yet
	undoing   map[DupKey]bool  // keys whose void is not committed yet; see marked
	paid      []ID             // what is noted as owed and is not any more
	renewed   time.Time        // when what is owed was last noted anew
	noting    int              // debts that are being written down, in so many goes

	waiting  atomic.Int64 // requests in deciding
	begun    atomic.Int64 // when the first of commits began, as [Authorizer.since] counts; 0: there is none
	earliest atomic.Int64 // nothing has a deadline before it, in nanoseconds as [Authorizer.since] counts
}

func newLane(a *Authorizer, partner PartnerID) *lane {
	l := &lane{a: a, partner: partner, cards: make(map[Tag]int), deciding: make(map[DupKey]*item),
		undoing: make(map[DupKey]bool)}
	l.earliest.Store(never)
	return l
}

const (
	// never is a deadline after all others.
	never = int64(1<<63 - 1)
	// followersMax bounds the repeats that wait for one decision.
	followersMax = 64
)

// push queues the item, or lets it follow one with the same key. False means refused.
func (l *lane) push(it *item) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if deadline := l.a.since(it.req.Deadline); !it.void && deadline < l.earliest.Load() {
		l.earliest.Store(deadline)
	}
	if leader, ok := l.deciding[it.req.Dup]; ok && !it.void {
		leader.followers = append(leader.followers, it)
		return len(leader.followers) <= followersMax || dropLast(leader)
	}
	limit := l.a.cfg.QueueMax
	if it.void || !it.revocable() {
		limit *= 2 // there is room for what undoes or has happened when requests have none
	}
	if len(l.queue) >= limit {
		return false
	}
	l.queue = append(l.queue, it)
	if !l.wake() {
		l.queue = l.queue[:len(l.queue)-1]
		return false
	}
	if !it.void {
		l.deciding[it.req.Dup] = it
		l.waiting.Add(1)
		l.a.open.Add(1)
	}
	return true
}

func dropLast(leader *item) bool {
	leader.followers = leader.followers[:len(leader.followers)-1]
	return false
}

// wake starts a goroutine for work that nobody does yet. False means that we close and nobody is there to do it.
// The caller holds mu.
func (l *lane) wake() bool {
	if l.starting || l.next() == rest {
		return true
	}
	if l.workers > 0 {
		l.a.wg.Go(l.run) // Close waits for those that are there, so it waits for one more
	} else {
		if !l.a.start(l.run) {
			return false
		}
		l.a.busy.Add(1)
	}
	l.workers++
	l.starting = true
	return true
}

// run works until nothing is left to do.
func (l *lane) run() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.starting = false
	for s := l.next(); s != rest; s = l.next() {
		if s == prepareNext {
			l.hold(l.take(l.a.cfg.BatchMax - len(l.ready)))
		} else {
			l.write(l.launch())
		}
	}
	if l.workers--; l.workers == 0 {
		l.a.busy.Add(-1)
	}
}

// hold has a batch held. The caller holds mu, also when it returns.
func (l *lane) hold(batch []*item) {
	l.preparing, l.joining = true, l.commits == 0 && len(l.ready) > 0
	l.wake()
	l.mu.Unlock()
	held := l.prepare(batch)
	l.mu.Lock()
	l.preparing, l.joining = false, false
	l.ready = append(l.ready, held...)
	l.blocked = false
}

// write has a batch committed. The caller holds mu, also when it returns.
func (l *lane) write(batch []*item) {
	if len(batch) == 0 {
		return
	}
	if l.commits++; l.commits == 1 {
		l.begun.Store(max(1, l.a.since(l.a.cfg.Now())))
	}
	l.wake()
	l.mu.Unlock()
	l.commit(batch)
	l.mu.Lock()
	l.blocked = false
	if l.commits--; l.commits == 0 {
		l.slow = false
		l.begun.Store(0)
	}
	for _, it := range batch {
		if l.cards[it.req.Tag]--; l.cards[it.req.Tag] == 0 {
			delete(l.cards, it.req.Tag)
		}
	}
}

// take removes up to so many from the queue. The caller holds mu.
func (l *lane) take(most int) []*item {
	n := min(len(l.queue), most)
	batch := make([]*item, n)
	copy(batch, l.queue)
	left := copy(l.queue, l.queue[n:])
	clear(l.queue[left:])
	l.queue = l.queue[:left]
	for _, it := range batch {
		it.taken = true
		if it.void {
			l.undoing[it.req.Dup] = true
		}
	}
	return batch
}

// finish answers the item and all that follow it, and opens its key again.
func (l *lane) finish(it *item, d *Decision) {
	l.a.count(d)
	l.mu.Lock()
	followers := it.followers
	it.followers = nil
	l.pay(it)
	if l.deciding[it.req.Dup] == it {
		delete(l.deciding, it.req.Dup)
		l.waiting.Add(-1)
		l.a.open.Add(-1)
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

// open reports whether the item has not been finished.
func (l *lane) open(it *item) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.deciding[it.req.Dup] == it
}
