package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"sync/atomic"
	"time"

	"holdfast/authz"
	"holdfast/mgmt/sandbox"
	"holdfast/switch/gateway"
	"holdfast/switch/iso"
	"holdfast/switch/server"
)

// clock is the time of a node: the real one, and in sandbox mode as far ahead of it as developers have moved it.
type clock struct{ ahead atomic.Int64 }

// Now is the time.
func (c *clock) Now() time.Time { return stepped(time.Now()).Add(time.Duration(c.ahead.Load())) }

// set moves the time, never back: whoever read how far it was moved may come with it after it was moved further.
func (c *clock) set(ahead time.Duration) {
	for old := c.ahead.Load(); old < int64(ahead) && !c.ahead.CompareAndSwap(old, int64(ahead)); old = c.ahead.Load() {
	}
}

// shifted is an exchange of a time that has been moved.
type shifted struct {
	*server.Exchange
	by time.Duration
}

// ReceivedAt is when the frame came, by the moved clock.
func (s shifted) ReceivedAt() time.Time { return stepped(s.Exchange.ReceivedAt()).Add(s.by) }

// network is the sandbox's own peer of the switch. Its messages take the gateway's way, without a wire.
type network struct {
	authorizer gateway.Authorizer
	dialect    *iso.Dialect
	node       *node
}

// The sandbox's peer.
const (
	sandboxPeer     = "sandbox"
	sandboxDialect  = "iso87-ascii"
	sandboxAcquirer = "999999"
	sandboxTerminal = "SANDBOX1"
	sandboxMerchant = "SANDBOX"
	sandboxMCC      = "5999"
	sandboxWait     = 5 * time.Second
)

func (n *node) sandboxNetwork() (*network, error) {
	d, err := iso.Open(sandboxDialect)
	return &network{n.authorizer, d, n}, err
}

// tap hands requests on and remembers the row of the decision.
type tap struct {
	gateway.Authorizer
	id authz.ID
}

type tapped struct {
	tap  *tap
	next authz.Waiter
}

// Submit implements [gateway.Authorizer].
func (t *tap) Submit(r *authz.Request, w authz.Waiter) { t.Authorizer.Submit(r, &tapped{t, w}) }

// Decided implements [authz.Waiter].
func (t *tapped) Decided(d *authz.Decision) { t.tap.id = d.ID; t.next.Decided(d) }

// loop is an exchange without a wire: its answer goes to who waits.
type loop struct {
	body   []byte
	at     time.Time
	answer chan gateway.Encoder // of one; nil is silence
}

func (l *loop) Body() []byte                     { return l.body }
func (l *loop) ReceivedAt() time.Time            { return l.at }
func (l *loop) Attach(any)                       {}
func (l *loop) Reply(e gateway.Encoder)          { l.answer <- e }
func (l *loop) MalformedReply(e gateway.Encoder) { l.answer <- e }
func (l *loop) Malformed()                       { l.answer <- nil }
func (l *loop) Silent()                          { l.answer <- nil }

// Send implements [sandbox.Network].
func (n *network) Send(ctx context.Context, m *sandbox.Message) (sandbox.Answer, error) {
	body, err := n.write(m)
	if err != nil {
		return sandbox.Answer{}, err
	}
	t := &tap{Authorizer: n.authorizer}
	peer := &gateway.Peer{Name: sandboxPeer, Dialect: n.dialect}
	x := &loop{body: body, at: n.node.clock.Now(), answer: make(chan gateway.Encoder, 1)}
	desk := desk{n.node.store, n.node.keys, n.node.authorizer}
	g, err := gateway.New(gateway.Config{Authorizer: t, Ready: n.node.isReady, Log: n.node.log, Cards: desk, Books: desk, Keys: desk})
	if err == nil {
		g.SharePrograms(n.node.gateway)
		err = g.Admit(peer)
	}
	if err != nil {
		return sandbox.Answer{}, err
	}
	g.Open(peer).Frame(x)
	ctx, cancel := context.WithTimeout(ctx, sandboxWait)
	defer cancel()
	select {
	case e := <-x.answer:
		if e == nil {
			return sandbox.Answer{}, fmt.Errorf("the sandbox's message was not answered: %w", authz.ErrUnavailable)
		}
		return n.read(e, t.id)
	case <-ctx.Done():
		return sandbox.Answer{}, authz.ErrUnknown
	}
}

func (n *network) read(e gateway.Encoder, id authz.ID) (sandbox.Answer, error) {
	text, err := e.Append(nil)
	if err != nil {
		return sandbox.Answer{}, err
	}
	m, err := n.dialect.Decode(text)
	if err != nil {
		return sandbox.Answer{}, err
	}
	return sandbox.Answer{ID: id, Code: m.Get(39), Approval: m.Get(38)}, nil
}

// processing are DE 3 by what the cardholder does.
var processing = map[authz.Transaction]string{authz.Purchase: "000000", authz.Cash: "010000", authz.Refund: "200000"}

// originals are the message types that DE 90 names.
var originals = map[authz.Kind]string{authz.Authorization: "0100", authz.AuthorizationAdvice: "0120", authz.Financial: "0200",
	authz.FinancialAdvice: "0220", authz.Reversal: "0400"}

// write makes the message. A message that follows another has its reference, and says in DE 90 which it was.
func (n *network) write(m *sandbox.Message) ([]byte, error) {
	at := m.At.UTC()
	reference, err := rand.Int(rand.Reader, big.NewInt(1e12))
	if err != nil {
		return nil, err
	}
	rrn := fmt.Sprintf("%012d", reference)
	orElse := func(s, other string) string {
		if s == "" {
			return other
		}
		return s
	}
	e := map[int]string{2: m.Card.Number.Reveal(), 3: orElse(processing[m.Class], "000000"), 4: fmt.Sprintf("%012d", m.Amount.Minor),
		7: at.Format("0102150405"), 11: rrn[6:], 12: at.Format("150405"), 13: at.Format("0102"), 14: m.Card.Expiry.YYMM(),
		18: orElse(m.MCC, sandboxMCC), 22: orElse(m.Entry, "051"), 32: sandboxAcquirer, 37: rrn, 41: sandboxTerminal,
		42: fmt.Sprintf("%-15s", orElse(m.Merchant, sandboxMerchant)), 49: m.Amount.Currency.Numeric()}
	if m.MTI == "0120" {
		e[39] = "00"
	}
	if o := m.Original; o != nil {
		e[37], e[41] = orElse(o.RRN, rrn), orElse(o.Terminal, sandboxTerminal)
		// What we do not know of the original is zeros, which match all.
		e[90] = originals[o.Kind] + fmt.Sprintf("%06s", o.STAN) + fmt.Sprintf("%032d", 0)
		if o.ApprovalCode != "" {
			e[38] = o.ApprovalCode
		}
	}
	if m.Stays != nil {
		e[95] = fmt.Sprintf("%012d", m.Stays.Minor) + fmt.Sprintf("%030d", 0)
	}
	message := n.dialect.New(m.MTI)
	for de, v := range e {
		if err := message.Set(de, v); err != nil {
			return nil, fmt.Errorf("write the sandbox's message: %w", err)
		}
	}
	return message.Append(nil)
}
