package arbiter

import (
	"slices"

	"holdfast/authz"
)

// reverse takes out of the legs, or of what was cleared, what a reversal undoes.
func (l *life) reverse(r *member) {
	o := &r.Step.Original
	single := o.Kind == authz.Financial || slices.ContainsFunc(l.legs, func(g *leg) bool { return g.first().Kind == authz.Financial })
	clearing := l.namesClearing(r)
	for _, c := range l.clearings {
		// What is cleared beside its authorization is not taken back with it; but the advice of a single-message
		// transaction is that transaction.
		if single || clearing && authz.Names(o, c.Kind, &c.Trace) {
			l.reduce(r, c, c.value(), &c.held)
			if c.held == 0 {
				c.state = authz.StateReversed
			}
		}
	}
	if clearing || o.Kind == authz.FinancialAdvice {
		return
	}
	legs, whole := l.targets(r)
	switch {
	case whole && r.Step.Partial:
		l.reduceAll(r, legs)
		return
	case legs == nil && len(l.legs) > 0:
		l.raise(r, authz.Ambiguous, "the reversal names none of the amounts of its life")
	}
	for _, g := range legs {
		if g.carrier == nil {
			g.reversed = g.reversed || !r.Step.Partial
			continue
		}
		l.reduce(r, g.carrier, g.amount, &g.stays)
		g.reversed = g.reversed || g.stays == 0 && !g.replaced || !r.Step.Partial
	}
}

// namesClearing reports a reversal of a clearing: by its kind, or where that is left out, by a number that a clearing has
// and no amount of the life.
func (l *life) namesClearing(r *member) bool {
	o := &r.Step.Original
	names := func(m *member) bool { return authz.Names(o, m.Kind, &m.Trace) }
	return slices.ContainsFunc(l.clearings, names) &&
		!slices.ContainsFunc(l.legs, func(g *leg) bool { return slices.ContainsFunc(g.members, names) })
}

// reduce brings what stays of a row to what the reversal leaves of it.
func (l *life) reduce(r, of *member, amount int64, stays *int64) {
	step := &r.Step
	foreign := l.foreign(r, of)
	if !step.Partial {
		*stays = 0
		return
	}
	if foreign {
		return
	}
	scale := func(part int64) int64 {
		if of.Currency == l.currency { // also of what asked for nothing, at a pump
			return part
		}
		return authz.Scale(part, of.Amount, of.billed(l.currency))
	}
	if step.Returned > 0 {
		*stays = max(0, *stays-scale(step.Returned))
		return
	}
	final := step.FinalBilling
	if final == 0 || of.Currency == l.currency { // DE 95.2 may be of the settlement; nothing was converted here
		final = scale(step.Final)
	}
	if final > amount {
		l.raise(r, authz.FinalAboveOriginal, "what should stay is more than there was")
	}
	*stays = min(*stays, final)
}

// reduceAll bounds what a life with several amounts comes to.
func (l *life) reduceAll(r *member, legs []*leg) {
	legs = slices.DeleteFunc(legs, func(g *leg) bool { return g.carrier == nil || g.replaced })
	if len(legs) == 0 {
		return
	}
	stays := int64(0)
	for _, g := range legs {
		stays += g.stays
	}
	l.reduce(r, legs[0].carrier, stays, &stays)
	for _, g := range legs {
		g.stays = min(g.stays, stays)
		stays -= g.stays
	}
}

// foreign reports a reversal that states its amount in another currency than the original's: for people to look at.
func (l *life) foreign(r, of *member) bool {
	if r.Currency.IsZero() || r.Currency == of.Currency {
		return false
	}
	l.raise(r, authz.CurrencyDiffers, "the reversal is in another currency than its original")
	return true
}

// targets finds what a reversal is about: the leg that it names; or, where it says at least as much as they come to,
// all that were sent before it; or the one with its amount. Nil: it cannot be told.
func (l *life) targets(r *member) (legs []*leg, whole bool) {
	named := l.named(r)
	if named == nil && r.Step.Original.STAN != "" {
		// By the network's id alone, or the acquirer's reference.
		if named = l.base(); named == nil || named.denies(r) {
			return []*leg{}, false // it is about what has yet to come
		}
	}
	var covered, equal []*leg
	total, comparable := int64(0), true
	for _, g := range l.legs {
		if g.continues() && g.sent().After(r.sent) {
			continue // it was sent after the reversal
		}
		covered = append(covered, g)
		if g.replaced || g.continues() && (!g.counted() || g.reversed) {
			continue
		}
		// What began the life counts though it was declined or reversed: a reversal of its amount is not one of the rest.
		total += g.last.Amount
		comparable = comparable && g.last.Currency == r.Currency
		if g.counted() && !g.reversed && g.last.Amount == r.Amount && g.last.Currency == r.Currency {
			equal = append(equal, g)
		}
	}
	all := comparable && r.Amount > 0 && r.Amount >= total && (named == nil || named.began(r)) ||
		named == nil && r.Amount == 0 && !r.Step.Partial
	switch {
	case len(covered) > 1 && all:
		return covered, true
	case named != nil:
		return []*leg{named}, false
	case len(covered) == 1:
		return covered, false
	case len(equal) == 1:
		return equal, false
	case len(covered) == 0:
		return []*leg{}, false
	}
	return nil, false
}

// denies reports a leg that a reversal is not about though all messages of the life share a reference: its request is
// here and has another number than the one that is named, and none of its amounts is the one that is undone. "Reversal
// of an increment reverses only that increment" (iso8583.md, 3.8), also while that increment has yet to come. With its
// amount, or before the request itself has come, the ladder's level of references decides.
func (g *leg) denies(r *member) bool {
	return g.first().request() && r.Amount > 0 && r.Step.Returned == 0 && r.Currency == g.first().Currency &&
		!slices.ContainsFunc(g.members, func(m *member) bool { return m.Amount == r.Amount || m.Placed == r.Amount })
}

// began reports the leg of the authorization that began the life, named by the reversal itself where it names any: "a
// full reversal of the first authorization may mean all" (iso8583.md, 3.8).
func (g *leg) began(r *member) bool {
	return !g.continues() && (r.Step.Original.STAN == "" || slices.ContainsFunc(g.members, func(m *member) bool {
		return authz.Names(&r.Step.Original, m.Kind, &m.Trace)
	}))
}

// counted reports whether a leg's amount is one that a reversal can mean: approved, or declined for nothing but that
// reversal.
func (g *leg) counted() bool {
	return g.carrier != nil || g.last.request() && g.last.Reason == authz.ReversedBefore
}
