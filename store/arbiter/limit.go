package arbiter

import (
	"cmp"
	"slices"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/authz/record"
)

// Window is one span of time in which a card's spending in a scope is summed up.
type Window struct {
	Card  authz.CardID
	Scope record.LimitScope
	Span  record.LimitWindow
	Start int64 // microseconds since 1970
}

// use is what is used of a window while the transaction has it.
type use struct {
	amount       int64
	there, dirty bool
}

// spending is what windows lose, or with a negative amount get back.
type spending map[Window]int64

// windows that a moment lies in, of each scope.
func windows(card authz.CardID, scopes []record.LimitScope, at time.Time) (all []Window) {
	for _, scope := range scopes {
		for _, span := range []record.LimitWindow{record.LimitDay, record.LimitWeek, record.LimitMonth} {
			all = append(all, Window{card, scope, span, span.Start(at).UnixMicro()})
		}
	}
	return all
}

func (s spending) add(card authz.CardID, scopes []record.LimitScope, at time.Time, amount int64) {
	for _, w := range windows(card, scopes, at) {
		s[w] += amount
	}
}

// counts reports a message whose approval counts towards the limits of its card: a debit of one that has any. A
// clearing spends what was authorized, and what it adds to that is not the card's to refuse.
func counts(e *authz.Entry) bool {
	return e.Card != nil && e.Card.Limited && e.Request.Transaction.Debit() && e.Request.Kind != authz.FinancialAdvice
}

// scopes of an amount in a currency, on a card in another.
func scopes(channel authz.Channel, of, card money.Currency) []record.LimitScope {
	return record.Scopes(channel, of != card)
}

// spent is what a request that is a life of its own spends.
func spent(e *authz.Entry, amount int64) spending {
	if amount == 0 {
		return nil
	}
	s := make(spending)
	s.add(e.Card.ID, scopes(e.Request.Channel, e.Request.Amount.Currency, e.Card.Currency), e.Request.ReceivedAt, amount)
	return s
}

// spent is what the life spends more than before, each row in the windows in which it was received.
func (l *life) spent() (s spending) {
	for _, m := range l.members {
		if m.used == m.Used {
			continue
		}
		if s == nil {
			s = make(spending)
		}
		s.add(m.Card, scopes(m.Channel, m.Currency, l.currency), m.ReceivedAt, m.used-m.Used)
	}
	return s
}

// limit declines a request that is a life of its own when it asks for more than a limit of its card allows. That comes
// before the funds, so that a card which may not spend so much tells nothing about them.
func (a *Arbiter) limit(e *authz.Entry) error {
	if !counts(e) || e.Hold == 0 || !e.Decision.Reason.Funded() && !e.Decision.Reason.Short() {
		return nil
	}
	amount := max(e.Hold, e.Wanted)
	over, err := a.exceeds(e, amount, spent(e, amount))
	if err != nil || !over {
		return err
	}
	d := &e.Decision
	d.Reason, d.ApprovalCode, d.Amount, d.ApprovedTransaction = authz.AmountLimit, "", 0, 0
	return nil
}

// over reports whether a request makes its life spend more than a limit allows. What was told of it, by who stood in
// for us, has been spent already.
func (a *Arbiter) over(e *authz.Entry, l *life) (bool, error) {
	before, after := int64(0), int64(0)
	for _, m := range l.members {
		before, after = before+m.Used, after+m.used
	}
	if !counts(e) || after <= before {
		return false, nil
	}
	return a.exceeds(e, after, l.spent())
}

// exceeds reports whether a limit is too low for what a transaction comes to at once, or a window for what it spends
// more.
func (a *Arbiter) exceeds(e *authz.Entry, amount int64, more spending) (bool, error) {
	card := e.Card.ID
	limits, read := a.limits[card]
	if !read {
		var err error
		if limits, err = a.t.Limits(card); err != nil {
			return false, err
		}
		if a.limits == nil {
			a.limits = make(map[authz.CardID][]record.Limit)
		}
		a.limits[card] = limits
	}
	if err := a.readUsed(more); err != nil {
		return false, err
	}
	in := scopes(e.Request.Channel, e.Request.Amount.Currency, e.Card.Currency)
	for _, l := range limits {
		if !slices.Contains(in, l.Scope) {
			continue
		}
		if l.Window == record.LimitTransaction {
			if amount > l.Amount {
				return true, nil
			}
			continue
		}
		w := Window{card, l.Scope, l.Window, l.Window.Start(e.Request.ReceivedAt).UnixMicro()}
		if more[w] > 0 && more[w] > l.Amount-a.used[w].amount {
			return true, nil
		}
	}
	return false, nil
}

// readUsed reads what is not in the transaction yet.
func (a *Arbiter) readUsed(of spending) error {
	var unread []Window
	for w := range of {
		if a.used[w] == nil {
			unread = append(unread, w)
		}
	}
	if len(unread) == 0 {
		return nil
	}
	slices.SortFunc(unread, Window.compare)
	found, err := a.t.Used(unread)
	if err != nil {
		return err
	}
	if a.used == nil {
		a.used = make(map[Window]*use)
	}
	for _, w := range unread {
		amount, there := found[w]
		a.used[w] = &use{amount: amount, there: there}
	}
	return nil
}

// spend notes what windows lose or get back. A window that is not kept any more gets nothing back.
func (a *Arbiter) spend(s spending) error {
	if err := a.readUsed(s); err != nil {
		return err
	}
	for w, more := range s {
		u := a.used[w]
		if more == 0 || !u.there && more < 0 {
			continue
		}
		u.amount, u.there, u.dirty = max(0, u.amount+more), true, true
	}
	return nil
}

// flushUsed writes what has changed, in an order that is the same for all.
func (a *Arbiter) flushUsed() error {
	var changed []Window
	for w, u := range a.used {
		if u.dirty {
			changed = append(changed, w)
		}
	}
	slices.SortFunc(changed, Window.compare)
	for _, w := range changed {
		if err := a.t.SetUsed(w, a.used[w].amount); err != nil {
			return err
		}
	}
	return nil
}

func (w Window) compare(o Window) int {
	return cmp.Or(cmp.Compare(w.Card, o.Card), cmp.Compare(w.Scope, o.Scope), cmp.Compare(w.Span, o.Span), cmp.Compare(w.Start, o.Start))
}
