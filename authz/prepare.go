package authz

import (
	"context"
	"errors"
	"strings"

	"holdfast/authz/money"
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
	taken := l.a.since(now)
	ready = batch[:0:len(batch)]
	for _, it := range batch {
		if undoing, ahead := l.marked(it.req.Dup); undoing && !ahead {
			// The journal still has the approval: as a stored answer it would leave after all.
			l.finish(it, &Decision{ID: it.req.ID, Reason: Inoperative, Cause: errUndoing})
			continue
		}
		if !it.void && (it.answered.Load() || !it.req.Deadline.After(now)) {
			if !it.answered.Load() {
				l.a.stats.late.Add(1) // the others were counted when they were answered
			}
			l.finish(it, &Decision{ID: it.req.ID, Reason: DecisionLate, Cause: errLate})
			l.a.dropped.Add(1)
			continue
		}
		it.spans = spans{at: l.a.since(it.req.ReceivedAt)}
		it.spans.end(StageWaited, taken)
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
	l.mark(batch, StageChecked)
	if err := l.place(ctx, holds); err != nil {
		return err
	}
	if parts := partial(batch); len(parts) > 0 {
		if err := l.place(ctx, parts); err != nil {
			return err
		}
	}
	l.mark(batch, StageHeld)
	for _, it := range batch {
		it.fund(l.a)
	}
	return nil
}

// snapshots finds the card of every item, first in the cache, then in one look-up for the rest.
func (l *lane) snapshots(ctx context.Context, batch []*item) error {
	var missing []*item
	for _, it := range batch {
		if it.known || !it.routed && !it.void { // what another node has held is undone also where no program is known yet
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
		l.a.price(r, e.Card, &it.terms)
		r.fill(e.Card, &it.terms)
	}
	switch {
	case it.void:
		return false
	case r.Kind == Reversal:
		e.Decision.Reason = ReversalAccepted
		it.refer(l.a)
		return false
	case r.Kind == AuthorizationAdvice || r.Kind == FinancialAdvice:
		it.refer(l.a)
		return it.advise(l.a)
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
	if e.Decision.Reason != Approved {
		return false
	}
	e.Life, e.Restart = life(l.a.cfg.Lives, &it.terms, r)
	switch {
	case r.Transaction.Credit():
		e.Hold, _ = r.Hold(it.card.Currency)
		e.AtOnce = r.Kind == Financial || it.terms.CreditAtOnce && r.Transaction != Refund
		return false
	case r.Transaction.Debit():
		it.want(it.wanted(), false)
	case r.Transaction == Inquiry:
		it.want(0, false)
	default:
		return false
	}
	if r.Phase.Continues() {
		e.Deferred, it.hold.Amount = true, 0
	}
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

// wanted is what the request wants held. A status check at a pump asks for one unit or less and means the fill to
// come, for which the program has an amount.
func (it *item) wanted() int64 {
	amount, _ := it.req.Hold(it.card.Currency)
	return max(amount, it.req.Fill)
}

// fill makes a status check at a pump of a request for one unit or less, where the program has an amount for it. One
// for nothing, in the card's currency, asks no more than whether the card is good everywhere else.
func (r *Request) fill(c *Card, t *Terms) {
	unit := int64(1)
	for range r.Amount.Currency.Exponent() {
		unit *= 10
	}
	nothing := r.Transaction == Verification && r.Amount == money.Amount{Currency: c.Currency} &&
		strings.HasPrefix(r.Trace.ProcessingCode, "00")
	if t.PumpHold <= 0 || r.Kind != Authorization || r.Trace.MCC != pumpMCC || r.Transaction != Purchase && !nothing ||
		r.Amount.Minor > unit {
		r.Fill = 0
		return
	}
	r.Transaction, r.Fill = Purchase, t.PumpHold
}

// refer prepares what the journal needs to find what the message is about.
func (it *item) refer(a *Authorizer) {
	e := &it.entry
	if code := it.req.ApprovalCode; code != "" {
		e.CodeFrom, e.CodeTo, _ = a.codes.window(code, it.req.ReceivedAt)
	}
	e.Tolerance, e.FXToUser = tolerance(a.cfg.Tolerances, it.req), it.terms.FXToUser
}

// advise takes an advice as it is: what the sender approved binds us whatever the card or the funds
// say; what it declined, also of a clearing, or what we cannot attach to a balance, is only recorded. A clearing is money whoever
// decided it; it moves what is held, which only the journal knows, so nothing is placed in the cache for it.
func (it *item) advise(a *Authorizer) bool {
	r, e := it.req, &it.entry
	e.Decision.Reason = AdviceRecorded
	if !r.StoodIn || e.Card == nil || !r.Transaction.Debit() && !r.Transaction.Credit() {
		return false
	}
	amount, ok := r.Hold(e.Card.Currency)
	if !ok || amount <= 0 {
		return false
	}
	e.Decision.Reason = AdviceAccepted
	e.Life, e.Restart = life(a.cfg.Lives, &it.terms, r)
	if r.Kind == FinancialAdvice || r.Transaction.Credit() {
		e.Hold = amount
		return false
	}
	it.want(amount, true)
	return true
}

func (it *item) want(amount int64, forced bool) {
	c := &it.card
	it.hold = Hold{Op: it.req.ID, Balance: c.Balance, Deposit: c.Deposit, Amount: amount, Forced: forced}
	it.entry.Hold = amount
}

// partial lowers the holds that were refused to what there is, where the program and the terminal take a part.
func partial(batch []*item) (again []*Hold) {
	for _, it := range batch {
		if it.hold.Result != HoldDepositShort && it.hold.Result != HoldFundsShort || !it.divisible() {
			continue
		}
		part := it.hold.UserWas
		if it.hold.Deposit != 0 {
			part = min(part, it.hold.DepoWas)
		}
		billed, _ := it.req.Hold(it.card.Currency)
		if it.req.Cash > 0 { // what is handed out in cash is given whole or not at all
			part = min(part, portion(billed, it.req.Amount.Minor-it.req.Cash, it.req.Amount.Minor))
		}
		if part <= 0 || ApprovedTransaction(ApprovedPart, part, it.req.Amount.Minor, billed) == 0 {
			continue
		}
		it.entry.Wanted, it.entry.Hold, it.hold.Amount = it.hold.Amount, part, part
		again = append(again, &it.hold)
	}
	return again
}

// divisible reports whether a part of the amount is of use: of goods whose amount is final, or that a pump gives out.
func (it *item) divisible() bool {
	r := it.req
	goods := r.Transaction == Purchase || r.Transaction == Cashback
	return it.terms.PartApproval && r.PartialOK && goods && (r.Phase == PhaseFinal || r.Fill > 0)
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
			if it.entry.Wanted > 0 {
				d.Reason = ApprovedPart
			}
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
	case it.req.Kind == AuthorizationAdvice || it.req.Kind == FinancialAdvice:
		d.ApprovalCode, d.Amount = it.req.ApprovalCode, it.entry.Hold
	case d.Reason.Funded():
		d.ApprovalCode, d.Amount = a.codes.of(d.ID, it.req.DigitsOnly), it.entry.Hold
		billed, _ := it.req.Hold(d.Currency)
		d.ApprovedTransaction = ApprovedTransaction(d.Reason, d.Amount, it.req.Amount.Minor, billed)
	case d.Reason.Approval():
		d.ApprovalCode = a.codes.of(d.ID, it.req.DigitsOnly)
	case d.Reason.Short():
		it.entry.Code = a.codes.of(d.ID, it.req.DigitsOnly)
	}
}
