package authz

import "time"

// expire answers what is past its deadline. What is still queued stays there and is dropped by
// prepare; what is being committed is undone by commit when it turns out approved.
func (l *lane) expire(now time.Time) {
	if l.earliest.Load() > l.a.since(now) {
		return
	}
	var late []*item
	earliest := never
	overdue := func(it *item) {
		switch {
		case it.answered.Load():
		case it.req.Deadline.After(now):
			earliest = min(earliest, l.a.since(it.req.Deadline))
		default:
			late = append(late, it)
		}
	}
	l.mu.Lock()
	for _, it := range l.deciding {
		overdue(it)
		for _, f := range it.followers {
			overdue(f)
		}
	}
	l.earliest.Store(earliest)
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

// undo queues the entry that takes the row of an unsent or doubtful decision back.
func (l *lane) undo(it *item) {
	v := &item{req: it.req, void: true, routed: it.routed, known: it.known, card: it.card}
	v.answered.Store(true)
	l.mark(it.req.Dup)
	l.void(v)
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
	l.undoing[it.req.Dup] = false
	l.earliest.Store(-never)
}

// mark and unmark keep the keys whose approval is being undone. The value tells whether the void has been taken from
// the queue: then the journal meets it before whatever is taken later, since they are of one card.
func (l *lane) mark(key DupKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, again := l.undoing[key]; !again {
		l.a.undone.Add(1)
	}
	l.undoing[key] = false
}

func (l *lane) unmark(key DupKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, was := l.undoing[key]; was {
		l.a.undone.Add(-1)
	}
	delete(l.undoing, key)
}

// marked reports whether the approval of a key is being undone, and whether what is taken now comes after that.
func (l *lane) marked(key DupKey) (undoing, ahead bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ahead, undoing = l.undoing[key]
	return undoing, ahead
}
