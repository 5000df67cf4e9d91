package sim_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/authz/pan"
	"holdfast/store/storetest"
)

// life is what a peer does with a transaction.
type life int

const (
	keeps     life = iota
	repeats        // asks again while it hears nothing, or nothing decided
	twins          // asks on both nodes at once
	undoes         // reverses it, whatever it heard
	shrinks        // reverses a part of it
	overtakes      // its reversal comes first
	standsIn       // decides itself when it hears nothing, and tells so
	advises        // has decided before it asks anybody
	guesses        // a wrong PIN
	replays        // a cryptogram that another transaction has, too
	lives
)

// transaction is one life of one payment.
type transaction struct {
	s      *sim
	number int
	holder *storetest.Holder
	at     time.Duration
	life   life
	amount int64
	stays  int64 // of a part that is reversed
	r      *rand.Rand

	request, advice *message
	reversals       []*message
	shaken          bool // a node died while it worked on it: what nobody was told may be there or not
}

// role is what a message is to its transaction.
type role int

const (
	request role = iota
	advice
	reversal
)

// message is what is sent once or many times, always the same.
type message struct {
	x     *transaction
	role  role
	final int64 // of a reversal: what stays
	r     authz.Request

	mu       sync.Mutex
	sent     time.Duration           // the first time that it reached a node; -1: not yet
	open     map[int]int             // by node: how often it has it and has not answered
	reached  map[[2]int64]bool       // the nodes that had it, each in its life
	answer   *authz.Decision         // the first that decided
	answered time.Duration           // when that left
	codes    map[authz.Reason]string // of the approvals
}

func (b *book) open(h *storetest.Holder, at time.Duration, r *rand.Rand) {
	n := len(b.transactions) + 1
	x := &transaction{s: b.s, number: n, holder: h, at: at, amount: 1_00 + r.Int64N(60_00), life: life(r.IntN(int(lives))),
		r: b.s.draw(3, uint64(n))}
	x.stays = 1 + r.Int64N(x.amount-1)
	kind := authz.Authorization
	if r.IntN(4) == 0 {
		kind = authz.Financial
	}
	switch {
	case x.life == guesses:
		x.holder = &b.s.Carol
	case x.life == standsIn, x.life == advises:
		kind = authz.Authorization // a financial advice is another message
	case x.life == replays:
		x.amount, kind = 1_00+int64(r.IntN(3)), authz.Authorization // the amount is the counter
	}
	x.request = x.message(request, kind, x.amount)
	if x.life == guesses {
		x.request.r.Evidence.PINBlock = pan.NewSecret("12345678")
	}
	if x.life == replays {
		x.request.r.Evidence.Chip = pan.NewSecret("9F3602")
	}
	b.transactions = append(b.transactions, x)
}

// message makes one of the transaction's messages.
func (x *transaction) message(as role, kind authz.Kind, amount int64) *message {
	n := x.number*8 + int(as)
	if as == reversal {
		n += len(x.reversals)
	}
	at := storetest.Epoch.Add(x.at)
	m := &message{x: x, role: as, sent: -1, open: map[int]int{}, reached: map[[2]int64]bool{}, codes: map[authz.Reason]string{}}
	m.r = authz.Request{Kind: kind, Peer: "network", PAN: x.holder.Number, Transaction: authz.Purchase,
		Amount: money.Amount{Minor: amount, Currency: x.s.currency},
		Trace: authz.Trace{STAN: fmt.Sprintf("%06d", n), RRN: fmt.Sprintf("%012d", x.number), Acquirer: "400001",
			Terminal: "TERM0001", Merchant: "MERCHANT0000001", Transmitted: at.Format("0102150405"),
			Local: at.Format("0102150405"), ProcessingCode: "000000", MCC: "5411"}}
	x.s.book.mu.Lock()
	defer x.s.book.mu.Unlock()
	x.s.book.messages = append(x.s.book.messages, m)
	return m
}

func (x *transaction) reverse(final int64) *message {
	m := x.message(reversal, authz.Reversal, x.amount)
	m.final, m.r.Final, m.r.Partial = final, final, final > 0
	m.r.Original = authz.Original{Kind: x.request.r.Kind, STAN: x.request.r.Trace.STAN,
		Transmitted: x.request.r.Trace.Transmitted, Acquirer: "00000400001"}
	x.reversals = append(x.reversals, m)
	return m
}

func (x *transaction) standIn() *message {
	x.advice = x.message(advice, authz.AuthorizationAdvice, x.amount)
	x.advice.r.StoodIn, x.advice.r.ApprovalCode = true, "STANDI"
	return x.advice
}

// live is the transaction as the peer sees it.
func (x *transaction) live() {
	wait(x.at)
	switch x.life {
	case keeps, guesses, replays:
		x.ask(x.request)
	case repeats:
		x.insist(x.request, 4)
	case twins:
		var both sync.WaitGroup
		beside := x.beside()
		both.Go(func() { x.insist(x.request, 2) })
		both.Go(func() { beside.insist(x.request, 2) })
		both.Wait()
	case undoes:
		x.ask(x.request)
		x.pause()
		x.tell(x.reverse(0))
	case shrinks:
		x.ask(x.request)
		x.pause()
		x.tell(x.reverse(x.stays))
		if x.r.IntN(2) == 0 {
			x.tell(x.reverse(0))
		}
	case overtakes:
		undo := x.reverse(0)
		var both sync.WaitGroup
		beside := x.beside()
		both.Go(func() { x.tell(undo) })
		both.Go(func() { beside.pause(); beside.insist(x.request, 2) })
		both.Wait()
	case standsIn:
		if d := x.ask(x.request); d == nil || d.Reason.Undecided() {
			x.tell(x.standIn())
		}
		if x.r.IntN(3) == 0 {
			x.tell(x.reverse(0))
		}
	case advises:
		x.tell(x.standIn())
		if x.r.IntN(2) == 0 {
			x.ask(x.request) // it was on its way all the time
		}
		if x.r.IntN(2) == 0 {
			x.tell(x.reverse(0))
		}
	}
}

// beside is the same transaction for what happens at the same time: its draws depend on nobody's order.
func (x *transaction) beside() *transaction {
	y := *x
	y.r = x.s.draw(5, uint64(x.number))
	return &y
}

// pause is up to what a person or a line takes.
func (x *transaction) pause() {
	most := 20 * time.Millisecond
	if x.r.IntN(3) == 0 {
		most = 2 * time.Second
	}
	wait(span(x.r, 1, most))
}

// deadline is after which no approval may leave, patience how long a peer waits.
const (
	deadline = time.Second
	patience = 1500 * time.Millisecond
)

// insist repeats the message so many times until it is decided.
func (x *transaction) insist(m *message, times int) {
	for range times {
		if d := x.ask(m); d != nil && !d.Reason.Undecided() {
			return
		}
		x.pause()
	}
}

// tell repeats a message that has to be taken.
func (x *transaction) tell(m *message) {
	for range 100 {
		if d := x.ask(m); d != nil && !d.Reason.Undecided() {
			if m.role == reversal && d.Reason != authz.ReversalAccepted ||
				m.role == advice && d.Reason != authz.AdviceAccepted && d.Reason != authz.AdviceRecorded {
				x.s.failf("%v is answered %s", m, d.Reason)
			}
			return
		}
		x.pause()
		if x.r.IntN(4) == 0 && x.role(reversal, m) {
			x.ask(x.request) // the original comes again meanwhile
		}
	}
	x.s.failf("%v was never taken", m)
}

func (x *transaction) role(r role, m *message) bool { return m.role == r && x.request.wasSent() }

// ask sends the message once to one of the nodes over a line that may lose it or its answer, and returns what is heard.
func (x *transaction) ask(m *message) *authz.Decision {
	n := x.s.nodes[x.r.IntN(len(x.s.nodes))]
	wait(span(x.r, 1, 3*time.Millisecond))
	lost, back := x.r.IntN(12), span(x.r, 1, 3*time.Millisecond)
	if lost == 0 {
		wait(patience)
		return nil
	}
	r := m.r
	r.ReceivedAt = x.s.now()
	r.Deadline = r.ReceivedAt.Add(deadline)
	life := n.living.Load()
	heard := make(chan authz.Decision, 2) // a second answer must not block the lane: it is found out
	r.Repeat = m.given(n, life)
	x.s.story("node %d is given %v", n.number, m)
	if !n.submit(&r, func(d *authz.Decision) { x.s.book.left(m, n, r.Deadline, d); heard <- *d }) {
		m.lost(n.number)
		wait(patience)
		return nil
	}
	select {
	case d := <-heard:
		if lost == 1 {
			wait(patience)
			return nil
		}
		wait(back)
		return &d
	case <-time.After(patience):
		if n.living.Load() == life {
			x.s.failf("%v was not answered by node %d", m, n.number)
		}
		return nil
	}
}

// given notes that a node has the message, and tells whether one had it before.
func (m *message) given(n *node, life int64) (again bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	again = m.sent >= 0
	if now := time.Since(m.x.s.began); m.sent < 0 {
		m.sent = now
	}
	m.open[n.number]++
	m.reached[[2]int64{int64(n.number), life}] = true
	return again
}

// lost notes that a node did not have it after all.
func (m *message) lost(node int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open[node]--
}

func (m *message) wasSent() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sent >= 0
}

// String names the message in findings.
func (m *message) String() string {
	return fmt.Sprintf("%s of transaction %d", [...]string{"the request", "the advice", "a reversal"}[m.role], m.x.number)
}
