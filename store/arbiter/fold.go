package arbiter

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
)

// member is a row of a life, or the one that is about to be written, and what the fold makes of it.
type member struct {
	*Stored
	sent time.Time

	held    int64 // of a hold or posting, in the card's currency
	state   authz.State
	company int64
	used    int64 // of the card's limits
}

// leg is one amount of a life: a request with the advices that tell how it ended, or an advice whose request never
// came. An increment is a leg of its own, and so is a replacement.
type leg struct {
	members []*member
	last    *member // whose word counts
	carrier *member // the same if it approves; else nil
	amount  int64   // approved, in the card's currency
	kept    int64   // of amount, after reversals
	stays   int64   // of kept, after clearings and expiry
	unspent int64   // of kept, what expired or the last clearing left

	replaced, reversed, expired, cleared bool
}

// life is all rows of one transaction, and what they come to together. It depends on the rows and not on the order
// that they came in, but for an expiry, which ends what there is when it comes.
type life struct {
	currency  money.Currency // the card's
	members   []*member      // in the order that they were sent
	legs      []*leg
	clearings []*member
	late      *member
	cases     []Exception
}

// fold decides what every row of a life holds or has posted, and its state. Amounts in the end: what was authorized,
// less what was reversed, cleared or has expired, never below zero, is held; what was cleared is posted.
func fold(rows []*Stored, c money.Currency) *life {
	l := &life{currency: c}
	for _, s := range rows {
		m := &member{Stored: s, state: s.State, sent: authz.SentAt(&s.Trace, s.ReceivedAt)}
		l.members = append(l.members, m)
	}
	slices.SortFunc(l.members, func(a, b *member) int {
		return cmp.Or(a.sent.Compare(b.sent), cmp.Compare(a.Trace.STAN, b.Trace.STAN), bytes.Compare(a.Dup[:], b.Dup[:]))
	})
	l.split()
	l.replace()
	for _, m := range l.members {
		if m.Kind == authz.Reversal {
			l.reverse(m)
		}
	}
	l.replace() // by what is left of the new totals
	for _, g := range l.legs {
		if g.replaced {
			g.stays = 0
		}
		g.kept = g.stays
	}
	l.end()
	l.result()
	l.judge()
	return l
}

func (m *member) request() bool { return m.Kind == authz.Authorization || m.Kind == authz.Financial }

// posts reports a leg's row that moves the ledger with its row, and has no hold.
func (m *member) posts() bool {
	return m.Kind == authz.Financial || m.Kind == authz.FinancialAdvice || m.Flags&FlagAtOnce != 0
}

// approves reports whether the row approved or cleared something, by us or elsewhere.
func (m *member) approves() bool {
	switch m.Kind {
	case authz.Authorization, authz.Financial:
		return m.Reason.Funded() && m.Answered != authz.DecisionLate && m.moves()
	case authz.AuthorizationAdvice:
		return m.Step.StoodIn && m.value() > 0
	case authz.FinancialAdvice:
		return m.value() > 0
	}
	return false
}

func (m *member) moves() bool { return m.Transaction.Debit() || m.Transaction.Credit() }

// billed is the message's amount in the card's currency; 0: it has none.
func (m *member) billed(c money.Currency) int64 {
	switch c {
	case m.Currency:
		return m.Amount
	case m.Billing.Currency:
		return m.Billing.Minor
	}
	return 0
}

// value is what the row stands for in the card's currency: what it placed, or of a promise what it promises.
func (m *member) value() int64 {
	if m.Placed == 0 && m.Transaction.Credit() && !m.posts() {
		return max(m.Billing.Minor, m.Amount)
	}
	return m.Placed
}

// split makes the legs: first of the requests, then every advice finds its own.
func (l *life) split() {
	for _, m := range l.members {
		if m.request() && m.moves() {
			l.legs = append(l.legs, &leg{members: []*member{m}})
		}
		if m.Kind == authz.FinancialAdvice && m.approves() {
			m.held, m.state = m.value(), authz.StateCaptured
			l.clearings = append(l.clearings, m)
		}
	}
	for _, m := range l.members {
		if !m.tells() {
			continue
		}
		g := l.legOf(m)
		switch {
		case m.Kind == authz.FinancialAdvice && (g == nil || g.first().Kind != authz.Financial):
			// What was held stays held when a clearing of it is declined.
		case g != nil:
			g.members = append(g.members, m)
		default:
			l.legs = append(l.legs, &leg{members: []*member{m}})
		}
	}
	slices.SortStableFunc(l.legs, func(a, b *leg) int { return a.sent().Compare(b.sent()) })
	for _, g := range l.legs {
		g.carry()
	}
}

// tells reports an advice that says how a request ended elsewhere: one of an authorization, or one that declines
// what is posted at once.
func (m *member) tells() bool {
	switch {
	case !m.moves():
		return false
	case m.Kind == authz.FinancialAdvice:
		return !m.Step.StoodIn
	}
	return m.Kind == authz.AuthorizationAdvice && (!m.Step.StoodIn || m.value() > 0)
}

func (g *leg) sent() time.Time { return g.members[0].sent }

// first is the leg's message that names it: its request, where it came.
func (g *leg) first() *member { return g.members[0] }

// continues reports a leg that counts beside or in place of an earlier one.
func (g *leg) continues() bool {
	return slices.ContainsFunc(g.members, func(m *member) bool { return m.Phase.Continues() })
}

// carry picks the row that counts: of what we decided and what others decided for us the latter, of several the
// last sent. A decline in stand-in ends what we approved.
func (g *leg) carry() {
	last := g.members[0]
	for _, m := range g.members[1:] {
		if !m.request() && (last.request() || !m.sent.Before(last.sent)) {
			last = m
		}
	}
	g.last = last
	if last.approves() {
		g.carrier, g.amount = last, last.value()
		g.stays = g.amount
	}
}

// legOf finds the leg that a message is about: by the original data that it gives, by its own number, by the
// acquirer's reference where only one leg has it. A message that tells of none is about the authorization that
// began the life, unless it is an increment's.
func (l *life) legOf(m *member) *leg {
	if g := l.named(m); g != nil || m.Phase.Continues() {
		return g
	}
	return l.base()
}

// base is the leg of the authorization that began the life, or nil.
func (l *life) base() *leg {
	for _, g := range l.legs {
		if !g.continues() {
			return g
		}
	}
	return nil
}

// named is legOf without the guess at the end.
func (l *life) named(m *member) *leg {
	anywhere := func(*leg) bool { return true }
	for _, by := range []struct {
		in   func(*leg) bool
		fits func(*member) bool
	}{
		{anywhere, func(x *member) bool { return authz.Names(&m.Step.Original, x.Kind, &x.Trace) }},
		{anywhere, func(x *member) bool { return m.Step.Original.STAN == "" && authz.SameSTAN(&m.Trace, &x.Trace) }},
		{m.alike, func(x *member) bool { return authz.SameRRN(&m.Trace, &x.Trace) }},
	} {
		var found *leg
		count := 0
		for _, g := range l.legs {
			if by.in(g) && slices.ContainsFunc(g.members, by.fits) {
				found = g
				count++
			}
		}
		if count == 1 {
			return found
		}
	}
	return nil
}

// alike reports whether a leg may be meant by a reference that all messages of a life may have: an increment's advice
// is about an increment, another is not, nor is a reversal by a number that no message has; the leg must not deny it either.
func (m *member) alike(g *leg) bool {
	switch {
	case m.Kind != authz.Reversal:
		return g.continues() == m.Phase.Continues()
	case m.Step.Original.STAN != "":
		return !g.continues() && !g.denies(m)
	}
	return true
}

// replacement reports a leg that states a new total.
func (g *leg) replacement() bool {
	return slices.ContainsFunc(g.members, func(m *member) bool { return m.Phase == authz.PhaseReplacement })
}

// replace has a new total count in place of all that was sent before it, unless it was itself reversed: then what it had
// replaced counts again.
func (l *life) replace() {
	later := false
	for _, g := range slices.Backward(l.legs) {
		g.replaced = later && g.carrier != nil && !g.carrier.posts()
		later = later || g.counted() && !g.reversed && g.replacement()
	}
}

// end takes from the legs what was cleared, and ends those whose time was over. An expiry ends what had come before
// it, so that it stands between the clearings of its two sides.
func (l *life) end() {
	var expiries []*member
	for _, m := range l.members {
		if m.Kind == authz.HoldExpiry {
			expiries = append(expiries, m)
		}
	}
	slices.SortFunc(expiries, func(a, b *member) int { return cmp.Compare(a.ID, b.ID) })
	since := authz.ID(0)
	for _, x := range expiries {
		l.clear(since, x.ID)
		for _, g := range l.legs {
			if g.stays > 0 && g.carrier.ID < x.ID && !g.carrier.posts() || g.promised() && g.carrier.ID < x.ID {
				g.unspent += g.stays
				g.stays, g.expired = 0, true
			}
		}
		since = x.ID
	}
	l.clear(since, 1<<63-1)
}

// promised reports a credit that waits for its clearing.
func (g *leg) promised() bool {
	return g.carrier != nil && g.carrier.Transaction.Credit() && !g.carrier.posts() && !g.reversed && !g.cleared && !g.expired
}

// clear takes the clearings with ids of a range out of the legs: each its share, in the order of the legs, and the
// last of a transaction all that is left of what was sent before it.
func (l *life) clear(after, before authz.ID) {
	for _, c := range l.clearings {
		if c.ID <= after || c.ID >= before {
			continue
		}
		share := l.share(c)
		final := c.Step.Parts == 0 || c.Step.Part >= c.Step.Parts
		over := false
		for _, g := range l.legs {
			if g.carrier == nil || g.carrier.Transaction.Credit() != c.Transaction.Credit() {
				continue
			}
			// What is added after a clearing was sent is not of it, but a new total is also of what was cleared before.
			if g.continues() && g.sent().After(c.sent) && (final || !g.replacement()) {
				continue
			}
			if g.carrier.posts() {
				g.replaced, g.stays = true, 0 // what was posted at once is told again, as it ended
				continue
			}
			over = over || g.expired
			taken := min(share, g.stays)
			if final {
				taken = g.stays
			}
			g.unspent += taken - min(share, taken)
			share -= min(share, taken)
			g.stays -= taken
			g.cleared = g.cleared || g.stays == 0 && !g.expired && !g.replaced
		}
		if over && share > 0 { // what has been authorized since does not cover it
			l.late = c
		}
	}
}

// share is what a clearing costs the user: what it says, or after an exchange what was authorized of it, so that
// the difference of the rates is not the user's.
func (l *life) share(c *member) int64 {
	if c.Currency == l.currency || c.Step.FXToUser {
		return c.value()
	}
	for _, g := range l.legs {
		if g.carrier != nil && g.carrier.Currency == c.Currency && g.carrier.Transaction.Credit() == c.Transaction.Credit() {
			return authz.Scale(c.Amount, g.carrier.Amount, g.carrier.billed(l.currency))
		}
	}
	return c.value()
}

// result gives each row its share and its state.
func (l *life) result() {
	for _, g := range l.legs {
		if c := g.carrier; c != nil && c.Flags&FlagLimited != 0 {
			c.used = g.kept - g.unspent
		}
		for _, m := range g.members {
			switch {
			case !m.approves() && m.Answered == authz.DecisionLate && m.Reason.Funded():
				m.state = authz.StateReversed
			case !m.approves():
				continue // as it was written
			case m != g.carrier || g.replaced:
				m.state = authz.StateReplaced
			default:
				m.held, m.state = g.outcome()
			}
		}
	}
	for _, c := range l.clearings {
		c.company = c.held - authz.Scale(c.held, c.value(), l.share(c))
	}
}

func (g *leg) outcome() (int64, authz.State) {
	switch {
	case g.carrier.Transaction.Credit() && !g.carrier.posts() && g.promised():
		return 0, authz.StatePromised
	case g.stays > 0 && g.carrier.posts():
		return g.stays, authz.StateCaptured
	case g.stays > 0:
		return g.stays, authz.StateAuthorized
	case g.cleared:
		return 0, authz.StateCleared
	case g.expired:
		return 0, authz.StateExpired
	}
	return 0, authz.StateReversed
}
