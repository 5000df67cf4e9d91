package arbiter

import "holdfast/authz"

// tell takes what has happened elsewhere: an advice, a clearing or a reversal. It joins the life that it is about, or
// begins one for its request to find, and is never refused.
func (a *Arbiter) tell(e *authz.Entry) error {
	if found, err := a.stored(e); err != nil || found {
		return err
	}
	q := e.Request
	if e.Card == nil || q.Kind != authz.Reversal && !q.Transaction.Debit() && !q.Transaction.Credit() ||
		e.Hold == 0 && q.StoodIn {
		return a.record(e)
	}
	if err := a.bearer(e); err != nil {
		return err
	}
	me := row(e)
	c, err := a.gather(e, me)
	if err != nil {
		return err
	}
	if c.ambiguous {
		c = kin{ambiguous: true}
	}
	l := fold(append(c.rows, me), e.Card.Currency)
	if m := l.member(me); m.Kind == authz.AuthorizationAdvice && m.state == authz.StateReversed {
		e.Decision.Reason, me.Reason = authz.AdviceRecorded, authz.AdviceRecorded // what is undone stays undone
	}
	if !c.based() {
		if err := a.t.Mark(e.Card.ID, e.Request.ReceivedAt); err != nil { // its request may still come
			return err
		}
	}
	return a.write(e, me, &c, l)
}

// record keeps a message that can move no money, and asks people to look where it should have.
func (a *Arbiter) record(e *authz.Entry) error {
	inserted, err := a.insert(&Row{Entry: e, State: authz.StateRecorded})
	if err != nil || !inserted || !e.Request.StoodIn {
		return err
	}
	x := Exception{Row: e.Request.ID, Case: authz.CannotApply, What: "no amount in the card's currency", At: e.Request.ReceivedAt}
	if e.Card == nil {
		x.What = "no card has the number"
	} else {
		x.Partner = e.Card.Partner
	}
	return a.t.Raise(x)
}

// bearer leaves the differences of exchange with the user where the partner has no COMPANY balance to bear them.
func (a *Arbiter) bearer(e *authz.Entry) error {
	if e.Request.Kind != authz.FinancialAdvice || e.Request.Amount.Currency == e.Card.Currency || e.FXToUser {
		return nil
	}
	id, err := a.t.Company(e.Card.Partner, e.Card.Currency)
	e.FXToUser = id == 0
	return err
}

// continues decides a request whose amount depends on what came before it: an increment, a new total, or one whose
// advice or reversal overtook it. False: it begins a life of its own and is decided alone.
func (a *Arbiter) continues(e *authz.Entry) (bool, error) {
	if found, err := a.stored(e); err != nil || found {
		return found, err
	}
	decided := e.Decision
	if decided.Reason.Short() { // what was told of it may need no more funds
		e.Decision.Reason = authz.Approved
	}
	me := row(e)
	c, err := a.gather(e, me)
	if err != nil {
		return false, err
	}
	if c.ambiguous {
		c = kin{ambiguous: true}
	}
	if c.life == 0 && !e.Deferred {
		e.Decision = decided
		return false, nil
	}
	l := fold(append(c.rows, me), e.Card.Currency)
	need, least := l.need(), int64(0)
	if need > 0 {
		if least, err = a.least(e.Card); err != nil {
			return false, err
		}
	}
	over, err := a.over(e, l)
	if err != nil {
		return false, err
	}
	switch {
	case over:
		e.Decision.Reason = authz.AmountLimit
	case need > 0 && need > least && e.Deferred:
		e.Decision.Reason = authz.FundsShort
		if d, err := a.short(e.Card.Deposit, need); err != nil || d {
			e.Decision.Reason = authz.DepositShort
		}
	case need > 0 && (need > least) != decided.Reason.Short() && !e.Deferred:
		e.Decision = decided
		return true, a.duplicateOrStale(e)
	case need > 0 && decided.Reason.Short():
		e.Decision = decided
	default:
		l.answer(e, me)
	}
	if !e.Decision.Reason.Approval() {
		e.Decision.ApprovalCode, e.Decision.Amount, e.Decision.ApprovedTransaction = "", 0, 0
		me.Reason, me.Answered, me.Placed, me.State = e.Decision.Reason, e.Decision.Reason, 0, authz.StateDeclined
		l = fold(append(c.rows, me), e.Card.Currency)
	}
	me.Approval = e.Decision.ApprovalCode
	if !c.based() && me.Phase.Continues() {
		if err := a.t.Mark(e.Card.ID, e.Request.ReceivedAt); err != nil { // what it continues may still come
			return false, err
		}
	}
	return true, a.write(e, me, &c, l)
}

// short reports whether a balance has less than is needed.
func (a *Arbiter) short(id authz.BalanceID, need int64) (bool, error) {
	if id == 0 {
		return false, nil
	}
	b, err := a.account(id)
	if err != nil {
		return false, err
	}
	return b.Available() < need, nil
}

// answer is what a request is told that counts in a life: declined when it was undone before it came, else approved
// with the code of who stood in for us.
//
// This is the one place where the order decides: a "request [that] arrives after its tombstone" is refused (iso8583.md,
// 3.8), and what has been answered cannot be called back. A tombstone is a request's own by the ladder's first level
// with one candidate, and "whole when [...] DE4 >= total", so by what has come until then. Where more comes and shows that
// the reversal meant another, with the same reference and amount, the refusal stands, and the request holds nothing.
func (l *life) answer(e *authz.Entry, me *Stored) {
	d, m, g := &e.Decision, l.member(me), l.of(me)
	switch {
	case g.carrier == nil || g.reversed && m.held == 0:
		d.Reason = authz.ReversedBefore
		return
	case g.carrier != m && g.carrier.Approval != "":
		d.ApprovalCode = g.carrier.Approval
	case d.ApprovalCode == "":
		d.ApprovalCode = e.Code
	}
	d.Amount = g.carrier.held
	d.ApprovedTransaction = authz.ApprovedTransaction(d.Reason, e.Hold, m.Amount, m.billed(l.currency))
}

func (l *life) member(s *Stored) *member {
	for _, m := range l.members {
		if m.Stored == s {
			return m
		}
	}
	panic("arbiter: internal error: a row is not in its life")
}

func (l *life) of(s *Stored) *leg {
	for _, g := range l.legs {
		for _, m := range g.members {
			if m.Stored == s {
				return g
			}
		}
	}
	panic("arbiter: internal error: a request is in no leg")
}
