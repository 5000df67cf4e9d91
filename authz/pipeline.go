package authz

import (
	"context"
	"errors"
	"fmt"
)

// prepare checks a batch and places its holds. What ends here is answered; the rest goes to commit.
func (l *lane) prepare(batch []*item) (ready []*item) {
	defer func() {
		if p := recover(); p != nil {
			l.malfunction(batch, p)
			ready = nil
		}
	}()
	now := l.a.cfg.Now()
	ready = batch[:0:len(batch)]
	undone := make(map[DupKey]bool) // by a void that the journal meets first
	for _, it := range batch {
		if it.void {
			undone[it.req.Dup] = true
		} else if l.undoing[it.req.Dup] && !undone[it.req.Dup] {
			// The journal still has the approval: as a stored answer it would leave after all.
			l.finish(it, &Decision{ID: it.req.ID, Reason: Inoperative, Cause: errUndoing})
			continue
		}
		if !it.void && (it.answered.Load() || !it.req.Deadline.After(now)) {
			l.a.stats.late.Add(1)
			l.finish(it, &Decision{ID: it.req.ID, Reason: DecisionLate, Cause: errLate})
			continue
		}
		ready = append(ready, it)
	}
	ctx, cancel := context.WithTimeout(l.a.closing, l.a.cfg.CommitTimeout)
	defer cancel()
	if err := l.decide(ctx, ready); err != nil {
		l.fail(ready, err)
		return nil
	}
	return ready
}

// decide looks the cards up, checks, places the holds and fills the entries.
func (l *lane) decide(ctx context.Context, batch []*item) error {
	if err := l.snapshots(ctx, batch); err != nil {
		return err
	}
	holds := make([]*Hold, 0, len(batch))
	for _, it := range batch {
		if l.check(it) {
			holds = append(holds, &it.hold)
		}
	}
	if err := l.place(ctx, holds); err != nil {
		return err
	}
	for _, it := range batch {
		it.fund(l.a)
	}
	return nil
}

// snapshots finds the card of every item, first in the cache, then in one look-up for the rest.
func (l *lane) snapshots(ctx context.Context, batch []*item) error {
	var missing []*item
	for _, it := range batch {
		if it.known || !it.routed {
			continue
		}
		if it.card, it.known = l.a.cache.get(it.req.Tag); !it.known {
			missing = append(missing, it)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	tags := make([]Tag, len(missing))
	for i, it := range missing {
		tags[i] = it.req.Tag
	}
	return l.a.cards.Find(ctx, tags, func(i int, c Card) {
		missing[i].card, missing[i].known = c, true
		l.a.cache.put(tags[i], c)
	})
}

// check makes the entry of an item and reports whether it needs the cache of balances.
func (l *lane) check(it *item) bool {
	r, e := it.req, &it.entry
	*e = Entry{Request: r, Void: it.void, Decision: Decision{ID: r.ID}}
	it.hold = Hold{}
	if it.known {
		e.Card = &it.card
		e.Decision.Currency = it.card.Currency
	}
	switch {
	case it.void:
		return false
	case r.Kind == Reversal:
		e.Decision.Reason = ReversalAccepted
		return false
	case r.Kind == AuthorizationAdvice:
		return it.advise()
	case !it.routed:
		e.Decision.Reason = BINUnknown
		return false
	}
	e.Decision.Reason, e.Decision.Passed = Check(r, e.Card)
	if e.Decision.Reason != Approved || !r.Transaction.Debit() && r.Transaction != Inquiry {
		return false
	}
	it.want(r.Transaction.Debit(), false)
	return true
}

// advise takes an advice as it is: what the sender approved binds us whatever the card or the funds
// say; what it declined, or what we cannot attach to a balance, is only recorded.
func (it *item) advise() bool {
	r, e := it.req, &it.entry
	e.Decision.Reason = AdviceRecorded
	if !r.StoodIn || e.Card == nil || !r.Transaction.Debit() {
		return false
	}
	if amount, ok := r.Hold(e.Card.Currency); !ok || amount <= 0 {
		return false
	}
	e.Decision.Reason = AdviceAccepted
	it.want(true, true)
	return true
}

func (it *item) want(debit, forced bool) {
	c := &it.card
	it.hold = Hold{Op: it.req.ID, Balance: c.Balance, Deposit: c.Deposit, Forced: forced}
	if debit {
		it.hold.Amount, _ = it.req.Hold(c.Currency)
	}
	it.entry.Hold = it.hold.Amount
}

// place puts the holds in the cache, teaching it the balances that it does not know.
func (l *lane) place(ctx context.Context, holds []*Hold) error {
	if len(holds) == 0 {
		return nil
	}
	if err := l.a.holds.Place(ctx, l.partner, holds); err != nil {
		return err
	}
	var cold []*Hold
	var ids []BalanceID
	for _, h := range holds {
		if h.Result == HoldUnknown {
			cold = append(cold, h)
			ids = append(ids, h.Balance)
			if h.Deposit != 0 {
				ids = append(ids, h.Deposit)
			}
		}
	}
	if len(cold) == 0 {
		return nil
	}
	truth, err := l.a.journal.Balances(ctx, ids)
	if err != nil {
		return err
	}
	if err := l.a.holds.Settle(ctx, l.partner, nil, truth); err != nil {
		return err
	}
	return l.a.holds.Place(ctx, l.partner, cold)
}

// fund turns the result of the hold into the decision.
func (it *item) fund(a *Authorizer) {
	d := &it.entry.Decision
	if it.hold.Op != 0 {
		d.UserBefore, d.DepositBefore = it.hold.UserWas, it.hold.DepoWas
		d.Known = it.hold.Result != HoldUnknown
		switch it.hold.Result {
		case HoldPlaced:
			d.Amount = it.hold.Amount
		case HoldDepositShort:
			d.Reason = DepositShort
		case HoldFundsShort:
			d.Reason = FundsShort
		default:
			// The records have the card but not its balance: nothing to hold on.
			d.Reason, d.Cause = Inoperative, ErrNotFound
		}
	}
	switch {
	case it.req.Kind == AuthorizationAdvice:
		d.ApprovalCode = it.req.ApprovalCode
	case d.Reason.Approval():
		d.ApprovalCode = approvalCode(a.keys, d.ID)
	}
}

// commit makes the batch durable, then settles and answers it. What the journal refuses as stale is
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
		truth, err := l.write(ctx, batch)
		if err != nil {
			l.fail(batch, err)
			return
		}
		l.learn(batch, truth)
		stale := l.answer(batch, round == roundsMax)
		if len(stale) == 0 {
			return
		}
		l.a.stats.stale.Add(uint64(len(stale)))
		if err := l.decide(ctx, stale); err != nil {
			l.fail(stale, err)
			return
		}
		batch = stale
	}
}

// roundsMax is how often a request is decided: on the cache, then on what the journal said.
const roundsMax = 2

var errStale = errors.New("the journal refused twice")

func (l *lane) write(ctx context.Context, batch []*item) (Truth, error) {
	entries := make([]*Entry, len(batch))
	for i, it := range batch {
		entries[i] = &it.entry
	}
	l.a.stats.batches.Add(1)
	l.a.stats.items.Add(uint64(len(batch)))
	truth, err := l.a.journal.Commit(ctx, entries)
	l.a.ailing.Store(err != nil)
	if err != nil {
		return Truth{}, err
	}
	if err := l.settle(ctx, batch, truth.Balances); err != nil {
		// The rows are committed: the cache heals by its own means, the answers stand.
		l.a.stats.doubtful.Add(1)
	}
	return truth, nil
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
			delete(l.undoing, it.req.Dup)
			continue
		case it.entry.Outcome == Stale && !last && !it.answered.Load():
			stale = append(stale, it)
			continue
		case it.entry.Outcome == Stale:
			*d = Decision{ID: it.req.ID, Reason: Inoperative, Cause: errStale}
		case it.entry.Outcome == Duplicate:
			d.Repeated = true
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

// fail answers a batch that could not be decided. When it may be in the journal all the same, each of
// its approvals is undone by our own entry.
func (l *lane) fail(batch []*item, err error) {
	doubtful := !errors.Is(err, ErrUnavailable)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.a.closing), l.a.cfg.CommitTimeout)
	defer cancel()
	_ = l.settle(ctx, batch, nil) // a cache that is away has nothing pending that it would keep
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

// undo queues the entry that takes the row of an unsent or doubtful decision back.
func (l *lane) undo(it *item) {
	v := &item{req: it.req, void: true, routed: it.routed, known: it.known, card: it.card}
	v.answered.Store(true)
	l.undoing[it.req.Dup] = true
	l.void(v)
}

// malfunction answers a batch in which our own code panicked. The process lives: everyone's links are
// in it. The value of the panic may hold anything, so only its type is kept.
func (l *lane) malfunction(batch []*item, p any) {
	l.a.stats.panics.Add(1)
	cause := fmt.Errorf("authz: internal error: panic of type %T", p)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.a.closing), l.a.cfg.CommitTimeout)
	defer cancel()
	_ = l.settle(ctx, batch, nil) // as in fail
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
