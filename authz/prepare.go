package authz

import (
	"context"
	"errors"
)

var errCold = errors.New("the cache does not know the balance")

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
	for _, it := range batch {
		if undoing, ahead := l.marked(it.req.Dup); undoing && !ahead {
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
	if err := l.decide(l.a.closing, ready); err != nil {
		l.fail(ready, err, false)
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
		if l.check(ctx, it) {
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
	if err := l.find(ctx, missing, func(it *item) []Tag { return []Tag{it.req.Tag} }); err != nil {
		return err
	}
	// During a rotation of the tag keys a card may still be under its old tag, or be under the next one already.
	return l.find(ctx, missing, func(it *item) []Tag { return l.a.keys.OtherTags(it.req.PAN) })
}

// find looks up those of the items that are not known yet, each by its tags.
func (l *lane) find(ctx context.Context, items []*item, by func(*item) []Tag) error {
	var tags []Tag
	var of []*item
	for _, it := range items {
		if it.known {
			continue
		}
		for _, tag := range by(it) {
			tags, of = append(tags, tag), append(of, it)
		}
	}
	if len(tags) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.a.cfg.CommitTimeout)
	defer cancel()
	return l.a.cards.Find(ctx, tags, func(i int, c Card) {
		of[i].card, of[i].known = c, true
		l.a.cache.put(of[i].req.Tag, c)
	})
}

// check makes the entry of an item and reports whether it needs the cache of balances.
func (l *lane) check(ctx context.Context, it *item) bool {
	r, e := it.req, &it.entry
	*e = Entry{Request: r, Void: it.void, Decision: Decision{ID: r.ID}, Born: l.a.born}
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
	if r.Evidence.Given() && !l.verify(ctx, it) {
		return false
	}
	e.Decision.Reason, e.Decision.Passed = Check(r, e.Card)
	if !r.Proof.zero() {
		e.Counters = countersAfter(&r.Proof, e.Card, e.Decision.Reason)
	}
	if e.Decision.Reason != Approved || !r.Transaction.Debit() && r.Transaction != Inquiry {
		return false
	}
	it.want(r.Transaction.Debit(), false)
	return true
}

// verify holds the evidence against the card, again for each snapshot that the item is decided on. False: it could
// not be told, and the entry says so.
func (l *lane) verify(ctx context.Context, it *item) bool {
	r, e := it.req, &it.entry
	r.Proof = Proof{}
	if !sound(r, e.Card) {
		return true
	}
	var err error
	if r.Proof, err = l.a.cfg.Verifier.Verify(ctx, r, e.Card); err != nil {
		r.Proof = Proof{}
		e.Decision.Reason, e.Decision.Cause = Inoperative, err
		return false
	}
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
	ctx, cancel := context.WithTimeout(ctx, l.a.cfg.CommitTimeout)
	defer cancel()
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
			// The cache lost the balance again while it was taught, or the records have none.
			d.Reason, d.Cause = Inoperative, errCold
		}
	}
	switch {
	case it.req.Kind == AuthorizationAdvice:
		d.ApprovalCode = it.req.ApprovalCode
	case d.Reason.Approval():
		d.ApprovalCode = approvalCode(a.keys, d.ID)
	}
}
