package authz

import (
	"context"
	"errors"
	"fmt"
)

// commit makes the batch durable, then answers and settles it. What the journal refuses as stale is
// decided once more on what it taught.
func (l *lane) commit(batch []*item) {
	defer func() {
		if p := recover(); p != nil {
			l.malfunction(batch, p)
		}
	}()
	ctx, cancel := context.WithTimeout(l.a.closing, l.a.cfg.CommitTimeout)
	defer cancel()
	for round := 1; len(batch) > 0; round++ {
		truth, err := l.journal(ctx, batch, round)
		if err != nil {
			l.fail(batch, err, !errors.Is(err, ErrUnavailable))
			return
		}
		l.learn(batch, truth)
		stale := l.answer(batch, round == roundsMax)
		// Settled after the answers: until then the cache counts the holds as pending, which is as much.
		if err := l.settle(ctx, batch, truth.Balances); err != nil {
			l.a.stats.doubtful.Add(1) // the rows are committed: the cache heals by its own means
		}
		if len(stale) == 0 {
			return
		}
		l.a.stats.stale.Add(uint64(len(stale)))
		if round == roundsMax-1 {
			// What it learned did not help: it may hold something that no truth of the journal replaces.
			if err := l.a.holds.Refresh(ctx, l.partner, truthOf(stale, truth.Balances)); err != nil {
				l.a.stats.doubtful.Add(1)
			}
		}
		l.mark(stale, StageHanded)
		if err := l.decide(ctx, stale); err != nil {
			l.fail(stale, err, false)
			return
		}
		batch = stale
	}
}

// roundsMax is how often a request is decided: on the cache, then on what the journal said, and once more on a
// cache that has forgotten the rest, where another node was faster or where it lied.
const roundsMax = 3

// truthOf picks the balances of the items.
func truthOf(items []*item, truth []Balance) []Balance {
	wanted := make(map[BalanceID]bool, 2*len(items))
	for _, it := range items {
		wanted[it.card.Balance], wanted[it.card.Deposit] = true, true
	}
	var found []Balance
	for _, b := range truth {
		if wanted[b.ID] {
			found = append(found, b)
		}
	}
	return found
}

var errStale = errors.New("the journal refused every time")

func (l *lane) journal(ctx context.Context, batch []*item, round int) (Truth, error) {
	entries := make([]*Entry, len(batch))
	l.mark(batch, StageHanded)
	for i, it := range batch {
		it.entry.Stages = it.spans.pack(round)
		entries[i] = &it.entry
	}
	l.a.stats.batches.Add(1)
	l.a.stats.items.Add(uint64(len(batch)))
	truth, err := l.a.journal.Commit(ctx, entries)
	l.a.ailing.Store(err != nil)
	return truth, err
}

func (l *lane) settle(ctx context.Context, batch []*item, truth []Balance) error {
	ended := make([]*Hold, 0, len(batch))
	for _, it := range batch {
		if it.hold.Op != 0 {
			ended = append(ended, &it.hold)
		}
	}
	if len(ended) == 0 && len(truth) == 0 {
		return nil
	}
	return l.a.holds.Settle(ctx, l.partner, ended, truth)
}

// learn takes the fresh cards into the cache and into the items that were stale because of them.
func (l *lane) learn(batch []*item, truth Truth) {
	for _, c := range truth.Cards {
		for _, it := range batch {
			if it.known && it.card.ID == c.ID {
				it.card = c
				l.a.cache.put(it.req.Tag, c)
			}
		}
	}
}

// answer finishes what the journal decided and returns what is stale.
func (l *lane) answer(batch []*item, last bool) (stale []*item) {
	for _, it := range batch {
		d := &it.entry.Decision
		switch {
		case it.void:
			l.undone(it)
			continue
		case it.entry.Outcome == Stale && !last && !it.answered.Load():
			stale = append(stale, it)
			continue
		case it.entry.Outcome == Stale:
			*d = Decision{ID: it.req.ID, Reason: Inoperative, Cause: errStale}
		case it.entry.Outcome == Duplicate:
			d.Repeated = true
			d = l.duplicate(it, d)
		case d.Reason.Approval() && !it.answer(d):
			// The deadline passed while it committed: the approval was never sent, so it is undone, and
			// the repeats that waited with it hear the same.
			l.undo(it)
			d = &Decision{ID: it.req.ID, Reason: DecisionLate, Cause: errLate}
		}
		l.finish(it, d)
	}
	return stale
}

// duplicate is what a repeat hears: the stored answer, unless that is to be undone. When it cannot leave either, and another
// node wrote the row, which may not have told it, then what we noted to have told is taken back.
func (l *lane) duplicate(it *item, d *Decision) *Decision {
	undoing, _ := l.marked(it.req.Dup)
	switch {
	case !d.Reason.Approval() || !it.revocable():
		return d
	case undoing:
		d = &Decision{ID: it.req.ID, Reason: Inoperative, Cause: errUndoing}
	case !it.entry.Told, it.answer(d):
		return d
	default:
		d = &Decision{ID: it.req.ID, Reason: DecisionLate, Cause: errLate}
	}
	if it.entry.Told {
		l.undo(it)
	}
	return d
}

// fail answers a batch that could not be decided. When it may be in the journal all the same, which is
// doubtful, each of its approvals is undone by our own entry.
func (l *lane) fail(batch []*item, err error, doubtful bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.a.closing), l.a.cfg.CommitTimeout)
	defer cancel()
	_ = l.settle(ctx, batch, nil) // a cache that is away has nothing pending that it would keep
	if doubtful {
		l.owe(batch)
	}
	for _, it := range batch {
		if it.void {
			l.a.stats.doubtful.Add(1)
			l.postpone(it)
			continue
		}
		if doubtful && it.revocable() {
			l.undo(it)
		}
		l.finish(it, &Decision{ID: it.req.ID, Reason: Inoperative, Cause: err})
	}
}

// malfunction answers a batch in which our own code panicked. The process lives: everyone's links are
// in it. The value of the panic may hold anything, so only its type is kept.
func (l *lane) malfunction(batch []*item, p any) {
	l.a.stats.panics.Add(1)
	cause := fmt.Errorf("authz: internal error: panic of type %T", p)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.a.closing), l.a.cfg.CommitTimeout)
	defer cancel()
	_ = l.settle(ctx, batch, nil) // as in fail
	l.owe(batch)
	for _, it := range batch {
		switch {
		case it.void:
			l.postpone(it)
			continue
		case !l.open(it):
			continue // finished before the panic
		case it.revocable():
			l.undo(it)
		}
		l.finish(it, &Decision{ID: it.req.ID, Reason: Malfunction, Cause: cause})
	}
}
