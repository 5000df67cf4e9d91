package authz

import "time"

// expire answers what is past its deadline. What is still queued stays there and is dropped by
// prepare; what is being committed is undone by commit when it turns out approved.
func (l *lane) expire(now time.Time) {
	l.overtake(now)
	if l.earliest.Load() > l.a.since(now) {
		return
	}
	var late, owed []*item
	earliest := never
	overdue := func(it *item) {
		switch {
		case it.answered.Load():
		case it.req.Deadline.After(now):
			earliest = min(earliest, l.a.since(it.req.Deadline))
		case l.a.cfg.Debts != nil && it.taken && it.revocable():
			if it.claim() { // before it is noted: what is owed is never sent
				it.owed = true
				owed = append(owed, it)
			}
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
	var paid []ID
	if l.noting == 0 {
		paid, l.paid = l.paid, nil
	} else if len(l.paid) > 0 { // what is forgotten must not overtake what is noted
		l.earliest.Store(-never)
	}
	renew := l.renew(retry, now)
	notes := len(owed)+len(renew) > 0
	if notes {
		l.noting++
	}
	l.mu.Unlock()
	for _, it := range late {
		if it.claim() {
			l.tellLate(it)
		}
	}
	if notes || len(paid) > 0 {
		l.a.beside(func() {
			l.note(owed)
			for _, it := range owed {
				l.tellLate(it)
			}
			l.forget(paid)
			if l.note(renew); notes {
				l.mu.Lock()
				l.noting--
				l.mu.Unlock()
			}
		})
	}
	for _, it := range retry {
		l.void(it)
	}
}

// overtake lets what waits behind a slow commit go beside it.
func (l *lane) overtake(now time.Time) {
	if begun := l.begun.Load(); begun == 0 || l.a.since(now)-begun < int64(overlapAfter) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.commits > 0 {
		l.slow = true
		l.wake()
	}
}

func (l *lane) tellLate(it *item) {
	l.a.stats.late.Add(1)
	l.a.ailing.Store(true)
	it.waiter.Decided(&Decision{ID: it.req.ID, Reason: DecisionLate, Cause: errLate})
}

// undo queues the entry that takes the row of an unsent or doubtful decision back.
func (l *lane) undo(it *item) {
	v := &item{req: it.req, void: true, routed: it.routed, known: it.known, card: it.card}
	v.answered.Store(true)
	l.mu.Lock()
	if _, again := l.undoing[it.req.Dup]; !again {
		l.a.undone.Add(1)
	}
	l.undoing[it.req.Dup] = false // see marked
	v.owed, it.owed = it.owed, false
	l.mu.Unlock()
	l.void(v)
}

// undone is told when the void is committed.
func (l *lane) undone(v *item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, was := l.undoing[v.req.Dup]; was {
		l.a.undone.Add(-1)
	}
	delete(l.undoing, v.req.Dup)
	l.pay(v)
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

// marked reports whether the approval of a key is being undone, and whether the void has been taken from the queue: then
// the journal meets it before whatever is taken later, since they are of one card.
func (l *lane) marked(key DupKey) (undoing, ahead bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ahead, undoing = l.undoing[key]
	return undoing, ahead
}
