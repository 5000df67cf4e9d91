package arbiter

import (
	"fmt"
	"slices"

	"holdfast/authz"
	"holdfast/authz/money"
)

// derived are the cases that follow from the rows of a life: they are withdrawn when a row that comes later explains
// them. The other cases are of the moment.
var derived = []authz.Case{authz.ForcePost, authz.LateClearing, authz.ClearedAndReversed, authz.OverTolerance,
	authz.CurrencyDiffers, authz.FinalAboveOriginal}

func (l *life) raise(m *member, c authz.Case, what string) {
	if !slices.ContainsFunc(l.cases, func(x Exception) bool { return x.Row == m.ID && x.Case == c }) {
		l.cases = append(l.cases, Exception{Row: m.ID, Case: c, Partner: m.Partner, What: what})
	}
}

// judge looks for what people should know of a life with clearings. Credits come without an authorization as a rule.
func (l *life) judge() {
	first, shares, percent, atLeast := (*member)(nil), int64(0), int64(0), int64(0)
	for _, c := range l.clearings {
		if c.held == 0 || c.Transaction.Credit() {
			continue
		}
		if first == nil || c.ID < first.ID {
			first = c
		}
		shares += authz.Scale(l.share(c), c.value(), c.held)
		percent = max(percent, c.Step.Percent)
		atLeast = max(atLeast, authz.Scale(c.Step.AtLeast, c.Amount, c.value()))
		if c.Currency != l.currency {
			shares-- // rounded up at most by so much
		}
	}
	if first == nil {
		return
	}
	if l.late != nil {
		l.raise(first, authz.LateClearing, "cleared after the hold had expired")
	}
	// A reversal says that there was an authorization, even when that has not come.
	authorized := slices.ContainsFunc(l.members, func(m *member) bool { return m.Kind == authz.Reversal && !m.Step.Partial })
	kept, holds, known := int64(0), authorized, authorized
	for _, g := range l.legs {
		if !g.counted() || g.last.Transaction.Credit() {
			continue
		}
		authorized, known = true, known || g.last.Currency == first.Currency
		if !g.replaced {
			kept += g.kept
		}
		holds = holds || !g.last.posts()
	}
	t := authz.Tolerance{Percent: percent}
	if atLeast > 0 {
		t.AtLeast = money.Amount{Minor: atLeast, Currency: l.currency}
	}
	switch {
	case !authorized:
		l.raise(first, authz.ForcePost, "cleared without an authorization")
		return
	case !known:
		l.raise(first, authz.CurrencyDiffers, "cleared in another currency than authorized")
	}
	switch {
	case !holds: // told again as it ended
	case kept == 0:
		l.raise(first, authz.ClearedAndReversed, "reversed, and cleared all the same")
	case !t.Allows(shares, kept, l.currency):
		l.raise(first, authz.OverTolerance, fmt.Sprintf("cleared %s of %s", money.Amount{Minor: shares, Currency: l.currency},
			money.Amount{Minor: kept, Currency: l.currency}))
	}
}

// report brings the queue of exceptions to what is to be said of the life now.
func (a *Arbiter) report(e *authz.Entry, l *life, me *member) error {
	if e.Request.Kind != authz.Authorization && e.Request.Kind != authz.Financial && l.need() > 0 {
		if err := a.belowZero(l, me); err != nil {
			return err
		}
	}
	for _, x := range l.cases {
		x.At = e.Request.ReceivedAt
		if err := a.t.Raise(x); err != nil {
			return err
		}
	}
	for _, m := range l.members {
		if m == me || m.Kind != authz.FinancialAdvice && m.Kind != authz.Reversal {
			continue
		}
		gone := int64(0)
		for _, c := range derived {
			if !slices.ContainsFunc(l.cases, func(x Exception) bool { return x.Row == m.ID && x.Case == c }) {
				gone |= 1 << c
			}
		}
		if err := a.t.Withdraw(m.ID, gone); err != nil {
			return err
		}
	}
	return nil
}

// belowZero asks people to look at what took more than there was.
func (a *Arbiter) belowZero(l *life, m *member) error {
	for _, of := range []struct {
		id   authz.BalanceID
		what string
	}{{m.Balance, "the user's balance"}, {m.Deposit, "the partner's deposit"}} {
		if of.id == 0 {
			continue
		}
		b, err := a.account(of.id)
		if err != nil {
			return err
		}
		if b.Available() < 0 {
			l.raise(m, authz.BelowZero, of.what+" is below zero")
		}
	}
	return nil
}
