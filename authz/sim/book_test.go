package sim_test

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/authz"
	"holdfast/store/records"
	"holdfast/store/storetest"
)

// book is the second bookkeeper: what was sent, what was answered, and so what may be held.
type book struct {
	s            *sim
	transactions []*transaction
	locking      atomic.Bool

	mu       sync.Mutex
	messages []*message
	locks    []locked
}

type locked struct {
	holder   *storetest.Holder
	from, to time.Duration
}

func newBook(s *sim) *book { return &book{s: s} }

func (b *book) locked(h *storetest.Holder, from, to time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.locks = append(b.locks, locked{h, from, to})
}

// lateBy is how much later than its deadline an answer may leave: a node looks at deadlines every 20 ms, and notes what
// it then owes, for which it has 100 ms.
const lateBy = tickEvery + 100*time.Millisecond + time.Millisecond

// left hears every answer at the moment when it leaves a node that lives.
func (b *book) left(m *message, n *node, deadline time.Time, d *authz.Decision) {
	s, now := b.s, time.Since(b.s.began)
	s.story("node %d answers %v %s of %d: %s (%v)", n.number, m, m.x.holder.Number.Last4(), m.x.amount, d.Reason, d.Cause)
	s.mu.Lock()
	s.trace += mix(uint64(now), uint64(n.number), uint64(m.x.number), uint64(m.role), uint64(d.Reason))
	s.mu.Unlock()
	if over := s.now().Sub(deadline); over > lateBy {
		s.failf("rule in time: %v is answered %s %v after its deadline", m, d.Reason, over)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open[n.number]--
	if d.Reason.Undecided() {
		return
	}
	if first := m.answer; first == nil {
		decided := *d
		m.answer, m.answered = &decided, now
	} else if first.Reason != d.Reason || first.ApprovalCode != d.ApprovalCode || first.Amount != d.Amount {
		s.failf("rule one answer: %v is answered %s %s, then %s %s", m, first.Reason, first.ApprovalCode, d.Reason, d.ApprovalCode)
	}
	b.committed(m, d)
}

// committed finds the row of a decision when it leaves.
func (b *book) committed(m *message, d *authz.Decision) {
	ctx, rows, answered := context.Background(), 0, authz.Undefined
	err := b.s.store.View(ctx, func(q records.Querier) error {
		return q.Query(ctx, func(r records.Row) error {
			rows, answered = rows+1, authz.Reason(r.Int(0))
			return nil
		}, "SELECT answered, approval FROM authorizations WHERE stan = $1", m.r.Trace.STAN)
	})
	if err != nil || rows != 1 || answered != d.Reason {
		b.s.failf("rule committed first: %v is answered %s with %d rows that say %s (%v)", m, d.Reason, rows, answered, err)
	}
}

// died makes what a node had in work uncertain. What it has answered is not: what that owes is paid by others.
func (b *book) died(number int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.messages {
		m.mu.Lock()
		if m.open[number] > 0 {
			m.x.shaken, m.open[number] = true, 0
		}
		m.mu.Unlock()
	}
}

func (x *transaction) messages() []*message {
	all := []*message{x.request}
	if x.advice != nil {
		all = append(all, x.advice)
	}
	return append(all, x.reversals...)
}

func (m *message) approved() bool {
	return m != nil && m.answer != nil && m.answer.Reason == authz.Approved
}

// told reports that an advice is taken and binds us.
func (m *message) told() bool {
	return m != nil && m.answer != nil && (m.answer.Reason == authz.AdviceAccepted || m.answer.Reason == authz.AdviceRecorded)
}

// undone is the least that a reversal which was acknowledged leaves, and when the first one was sent and acknowledged.
func (x *transaction) undone() (stays int64, sent, acknowledged time.Duration) {
	stays, sent, acknowledged = math.MaxInt64, math.MaxInt64, math.MaxInt64
	for _, m := range x.reversals {
		if m.sent >= 0 {
			sent = min(sent, m.sent)
		}
		if m.answer != nil {
			stays, acknowledged = min(stays, m.final), min(acknowledged, m.answered)
		}
	}
	return stays, sent, acknowledged
}

// allowed is what the transaction may hold when everything has settled, by what was told.
func (x *transaction) allowed() []int64 {
	stays, _, acknowledged := x.undone()
	reversed := acknowledged != math.MaxInt64
	switch {
	case reversed && stays == 0:
		return []int64{0}
	case reversed && x.request.approved():
		return []int64{min(stays, x.amount), 0}[:1+btoi(x.request.answered > acknowledged)]
	case reversed:
		return []int64{0, min(stays, x.amount)}
	case x.advice.told(), x.request.approved():
		return []int64{x.amount}
	case x.request.answer == nil && (x.shaken || len(x.request.reached) > 1):
		// Where a repeat on another node met the row and was late itself, the row is left to expire.
		return []int64{0, x.amount}
	}
	return []int64{0}
}

// settled compares what the journal holds with what was told.
func (b *book) settled() {
	held := map[string]int64{}
	ctx := context.Background()
	err := b.s.store.View(ctx, func(q records.Querier) error {
		return q.Query(ctx, func(r records.Row) error { held[r.Text(0)] = r.Int(1); return nil },
			"SELECT rrn, sum(held) FROM authorizations WHERE state IN ($1, $2) GROUP BY rrn",
			int64(authz.StateAuthorized), int64(authz.StateCaptured))
	})
	if err != nil {
		b.s.failf("read the journal: %v", err)
	}
	for _, x := range b.transactions {
		got, fits := held[x.request.r.Trace.RRN], false
		for _, want := range x.allowed() {
			fits = fits || got == want
		}
		if !fits {
			b.s.failf("rule one effect: transaction %d (%v) holds %d, it was told that it may hold %v", x.number, x.history(), got, x.allowed())
		}
	}
	b.possible()
	b.lockHolds()
	b.guesses()
}

// history says what became of the messages.
func (x *transaction) history() (lines []string) {
	for _, m := range x.messages() {
		reason := "nothing"
		if m.answer != nil {
			reason = m.answer.Reason.String()
		}
		lines = append(lines, fmt.Sprintf("%s sent %v, told %s at %v", m, m.sent, reason, m.answered))
	}
	return lines
}

// certain reports that the transaction holds its amount during all of the time, and possibly that it may hold
// something at some moment of it. Both only as far as the peer can know.
func (x *transaction) certain(from, to time.Duration) bool {
	since := time.Duration(math.MaxInt64)
	if x.request.approved() {
		since = x.request.answered
	}
	if x.advice.told() && x.advice.answer.Reason == authz.AdviceAccepted {
		since = min(since, x.advice.answered)
	}
	_, sent, _ := x.undone()
	return since <= from && sent >= to
}

func (x *transaction) possibly(from, to time.Duration) bool {
	since := time.Duration(math.MaxInt64)
	for _, m := range []*message{x.request, x.advice} {
		if m != nil && m.sent >= 0 {
			since = min(since, m.sent)
		}
	}
	until := time.Duration(math.MaxInt64)
	stays, _, acknowledged := x.undone()
	if stays == 0 && len(x.reversals) == 1 {
		until = acknowledged
	}
	if x.advice == nil && x.request.answer != nil && !x.request.answer.Reason.Approval() {
		until = min(until, x.request.answered)
	}
	return since <= to && until >= from
}

// possible holds approvals and declines for want of funds against what others can have held at that time. Which of two
// balances is said to be short does not matter: the one that was looked at first is.
func (b *book) possible() {
	for _, x := range b.transactions {
		if x.request.answer == nil {
			continue
		}
		funds, least, most := int64(storetest.UserFunds), int64(0), int64(0)
		covered := b.taken(x, func(y *transaction) bool { return y.holder == x.holder }, &least, &most, funds)
		overspent := funds-least < x.amount
		if x.holder != &b.s.Carol { // whose program has a deposit
			funds, least, most = storetest.DepositFunds, 0, 0
			deposit := b.taken(x, func(y *transaction) bool { return y.holder != &b.s.Carol }, &least, &most, funds)
			covered, overspent = covered && deposit, overspent || funds-least < x.amount
		}
		reason := x.request.answer.Reason
		if reason == authz.Approved && !x.advice.told() && overspent {
			b.s.failf("rule no overspend: transaction %d is approved with %d", x.number, x.amount)
		}
		if (reason == authz.FundsShort || reason == authz.DepositShort) && covered {
			b.s.failf("rule no false decline: transaction %d is declined %s with %d", x.number, reason, x.amount)
		}
	}
}

// taken adds up what others that share a balance held for certain while x was decided, and what they may have held.
// It reports whether the funds covered x whatever of that is so.
func (b *book) taken(x *transaction, shares func(*transaction) bool, least, most *int64, funds int64) bool {
	from, to := x.request.sent, x.request.answered
	for _, y := range b.transactions {
		if y == x || !shares(y) {
			continue
		}
		if y.certain(from, to) {
			*least += y.amount
		}
		if y.possibly(from, to) {
			*most += y.amount
		}
	}
	if x.advice != nil {
		*most += x.amount // its own, when it comes after its advice
	}
	return funds-*most >= x.amount
}

// lockHolds: nothing that came after a lock call has returned is approved before the lock is taken away.
func (b *book) lockHolds() {
	for _, x := range b.transactions {
		for _, l := range b.locks {
			if x.holder == l.holder && x.request.approved() && x.request.sent > l.from && x.request.answered < l.to {
				b.s.failf("rule lock: transaction %d came %v after the lock and is approved", x.number, x.request.sent-l.from)
			}
		}
	}
}

// guesses: three tries and not one more, each counted; and a counter of a chip is used once.
func (b *book) guesses() {
	wrong, chips := 0, map[[2]int64]int{}
	for _, x := range b.transactions {
		if x.request.answer == nil {
			continue
		}
		if x.request.answer.Reason == authz.PINWrong {
			wrong++
		}
		if x.life == replays && x.request.approved() {
			chips[[2]int64{int64(x.holder.Card), x.amount}]++
		}
	}
	if wrong >= authz.PINTriesMax {
		b.s.failf("rule PIN tries: %d guesses were told that they are wrong and not the last", wrong)
	}
	if c, err := b.s.snapshot(&b.s.Carol); err != nil || int(c.PINTries) < wrong {
		b.s.failf("rule PIN tries: %d guesses, the card has %d (%v)", wrong, c.PINTries, err)
	}
	for chip, n := range chips {
		if n > 1 {
			b.s.failf("rule chip counter: %d of card %d was approved %d times", chip[1], chip[0], n)
		}
	}
}

func (s *sim) snapshot(h *storetest.Holder) (card authz.Card, err error) {
	err = s.store.Find(context.Background(), []authz.Tag{h.Tag}, func(_ int, c authz.Card) { card = c })
	return card, err
}

// spendTheRest: whatever happened to the cache, all that is left can be spent, on any node, and then no more.
func (b *book) spendTheRest() {
	s := b.s
	for i, h := range []*storetest.Holder{&s.Alice, &s.Bob, &s.Carol} {
		s.setLock(h, authz.LockNone)
		left := s.available(h.Balance)
		if i < 2 {
			left = min(left, s.available(s.Deposit))
		}
		for last, amount := range []int64{left, 1} {
			if amount <= 0 {
				continue
			}
			x := &transaction{s: s, number: 1000 + 2*i + last, holder: h, at: time.Since(s.began), amount: amount, r: s.draw(4, uint64(i))}
			x.request = x.message(request, authz.Authorization, amount)
			x.insist(x.request, 8)
			got := x.request.answer
			switch {
			case got == nil:
				s.failf("rule liveness: the rest of %s is not decided", [...]string{"Alice", "Bob", "Carol"}[i])
			case last == 0 && got.Reason != authz.Approved,
				last == 1 && got.Reason != authz.FundsShort && got.Reason != authz.DepositShort:
				s.failf("rule liveness: %d of %d, which is all, is decided %s", amount, left, got.Reason)
			}
		}
	}
}

func (s *sim) available(id authz.BalanceID) int64 {
	truth, err := s.store.Balances(context.Background(), []authz.BalanceID{id})
	if err != nil || len(truth) != 1 {
		s.failf("read balance %d: %v", id, err)
		return 0
	}
	return truth[0].Available
}

// close checks the books.
func (b *book) close() {
	report, err := records.Verify(context.Background(), b.s.store)
	if err != nil {
		b.s.failf("verify: %v", err)
	}
	for _, v := range report.Violations {
		b.s.failf("rule %s: %s", v.Invariant, v.What)
	}
}
