package authz

import "time"

const (
	// commitsMax is how many batches may be at the journal at once: while it makes one durable it reads for the next.
	commitsMax = 2
	// overlapMin is how many are held, or committed, while another commit is under way: a call to a remote cache and
	// a transaction cost as much as the work for so many, so fewer wait and go together.
	overlapMin = 16
	// overlapAfter is how long a commit takes that nobody has to wait for.
	overlapAfter = 10 * time.Millisecond
)

// step is what one goroutine does next.
type step uint8

const (
	rest step = iota
	prepareNext
	commitNext
)

// next says what there is to do. The caller holds mu.
func (l *lane) next() step {
	switch {
	case len(l.ready) > 0 && !l.blocked && !l.joining && l.worth():
		return commitNext
	case l.preparing || len(l.queue) == 0 || len(l.ready) >= l.a.cfg.BatchMax:
		return rest
	case l.commits == 0, l.overlaps(len(l.queue)):
		return prepareNext
	}
	return rest
}

// overlaps reports whether so many go on beside a commit: as many as are worth a step of their own, or any while that
// commit is slow, which may wait for a lock that nobody else needs. The caller holds mu.
func (l *lane) overlaps(n int) bool {
	return l.a.cfg.Overlap && (l.slow || n >= overlapMin)
}

// worth reports whether what is ready should go to the journal now. When nothing is there it goes at once, unless more
// than that waits to be held: a hold costs a fraction of a commit, so that may join. The caller holds mu.
func (l *lane) worth() bool {
	if l.commits > 0 {
		return l.commits < commitsMax && l.overlaps(len(l.ready))
	}
	return l.preparing || len(l.queue) <= len(l.ready) || len(l.ready) >= l.a.cfg.BatchMax
}

// launch picks from what is ready all whose card the journal does not have in work, so that the messages of a card
// keep their order. The caller holds mu.
func (l *lane) launch() (batch []*item) {
	if l.commits == 0 {
		batch, l.ready = l.ready, nil
	} else {
		var stays []*item
		for _, it := range l.ready {
			if l.cards[it.req.Tag] > 0 {
				stays = append(stays, it)
			} else {
				batch = append(batch, it)
			}
		}
		l.ready = stays
	}
	for _, it := range batch {
		l.cards[it.req.Tag]++
	}
	l.blocked = true // what stays, until a commit has ended
	return batch
}
