package main

import (
	"bytes"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/switch/gateway"
	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

// 20: every vector is cut at every offset and every bit of it is flipped, as it is and with a card and a currency of ours,
// so that it could be approved: nothing panics, everything ends, and what is approved is what was sent.
func acceptDamage(t *testing.T, m mode) {
	s := script{mode: m, holders: []holder{{ref: "anna", currency: "EUR", amount: "90000000"}},
		listeners: listenersIn("iso87-ascii")}.open(t)
	var approved, answered, tried atomic.Int64
	d := damage{stage: s, approved: &approved, answered: &answered, tried: &tried}
	for _, v := range isotest.Vectors(t, filepath.Join("..", "..", "switch", "iso")) {
		dialect := v.Dialect(t)
		peer := &gateway.Peer{Name: v.ID, Dialect: dialect, FileActions: true, Deadline: 30 * time.Second}
		if err := s.node.gateway.Admit(peer); err != nil {
			t.Fatal(err)
		}
		d.session, d.dialect = s.node.gateway.Open(peer), dialect
		raw := v.Raw(t)
		d.try(v.ID, raw)
		if ours := d.ours(raw); ours != nil {
			d.try(v.ID+" with our card", ours)
		}
	}
	t.Logf("%d damaged messages, %d answered, %d approved", tried.Load(), answered.Load(), approved.Load())
	if approved.Load() == 0 {
		t.Error("nothing was approved: the test is not looking")
	}
	l := s.dial("iso87-ascii")
	l.ask(l.pays("0100", "anna", 0), "85")
}

// damage tries damaged messages on one session after the other.
type damage struct {
	*stage
	session                   *gateway.Session
	dialect                   *iso.Dialect
	approved, answered, tried *atomic.Int64
}

// ours is a request with our card, a currency of ours and nothing that speaks against it; nil when it is none.
func (d *damage) ours(raw []byte) []byte {
	m, err := d.dialect.Decode(raw)
	if err != nil || m.MTI()[1] != '1' && m.MTI()[1] != '2' || m.MTI()[2] != '0' {
		return nil
	}
	for _, de := range []int{5, 6, 9, 10, 14, 16, 23, 30, 35, 36, 45, 50, 51, 52, 53, 55} {
		m.Unset(de)
	}
	set := amountIn(d.dialect, "EUR", 10_00)
	set[2], set[3] = d.cards["anna"], "000000"
	for de, v := range set {
		if m.Set(de, v) != nil && m.Set(de, "0"+v) != nil { // a dialect with four digits for a currency
			return nil
		}
	}
	out, err := m.Append(nil)
	if err != nil {
		return nil
	}
	return out
}

// try has the session take all that can be made of a message by one cut or one flipped bit, all at once, and waits.
func (d *damage) try(what string, raw []byte) {
	d.t.Helper()
	var wg sync.WaitGroup
	frame := func(body []byte) {
		x := &damagedExchange{damage: d, what: what, body: body, at: time.Now(), ended: wg.Done}
		wg.Add(1)
		d.tried.Add(1)
		d.session.Frame(x)
	}
	for cut := range raw {
		frame(bytes.Clone(raw[:cut]))
	}
	for bit := range len(raw) * 8 {
		flipped := bytes.Clone(raw)
		flipped[bit/8] ^= 1 << (bit % 8)
		frame(flipped)
	}
	done := make(chan struct{})
	// owned by try, which waits for done; when something hangs, the test has failed
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		d.t.Fatalf("%s: something damaged has not ended", what)
	}
}

// damagedExchange is a frame without a link.
type damagedExchange struct {
	*damage
	what  string
	body  []byte
	at    time.Time
	once  atomic.Bool
	ended func()
}

// Body implements [gateway.Exchange].
func (x *damagedExchange) Body() []byte { return x.body }

// ReceivedAt implements [gateway.Exchange].
func (x *damagedExchange) ReceivedAt() time.Time { return x.at }

// Attach implements [gateway.Exchange].
func (x *damagedExchange) Attach(any) {}

// Silent implements [gateway.Exchange].
func (x *damagedExchange) Silent() { x.end() }

// Malformed implements [gateway.Exchange].
func (x *damagedExchange) Malformed() { x.end() }

// MalformedReply implements [gateway.Exchange].
func (x *damagedExchange) MalformedReply(e gateway.Encoder) { x.Reply(e) }

func (x *damagedExchange) end() {
	if x.once.Swap(true) {
		x.t.Errorf("%s: a frame has ended twice", x.what)
		return
	}
	x.ended()
}

// Reply implements [gateway.Exchange]. An approval must be of the card and the amount that were sent, as the answer to a
// request.
func (x *damagedExchange) Reply(e gateway.Encoder) {
	defer x.end()
	x.answered.Add(1)
	raw, err := e.Append(nil)
	if err != nil {
		return // the link would have it answered as a malfunction
	}
	answer, err := x.dialect.Decode(raw)
	if err != nil {
		x.t.Errorf("%s: an answer does not decode", x.what)
		return
	}
	code := answer.Get(39)
	class := answer.MTI()[1]
	if class != '1' && class != '2' || answer.MTI()[2] != '1' || code != "00" && code != "000" && code != "0000" {
		return
	}
	sent, err := x.dialect.Decode(x.body)
	if err != nil {
		x.t.Errorf("%s: approved what does not decode", x.what)
		return
	}
	number, _ := sent.PAN()
	if !number.Equal(panOf(x.cards["anna"])) || sent.Get(4) != answer.Get(4) || sent.Get(2) != answer.Get(2) {
		x.t.Errorf("%s: approved other than was sent", x.what)
	}
	x.approved.Add(1)
}
