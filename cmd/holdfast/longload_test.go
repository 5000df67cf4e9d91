//go:build faults

package main

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/authz/pan"
	"holdfast/switch/client"
	"holdfast/switch/frame"
)

// longLoad sends payments to two nodes for a long time, on schedule whatever the answers do. What it remembers of each
// is one byte.
type longLoad struct {
	t     *testing.T
	site  *site
	cards []pan.Number

	addresses [2]atomic.Pointer[string] // a node that starts again listens elsewhere
	rate      atomic.Int64              // payments a second of all links; 0: as many as have room
	approvals [2]atomic.Int64           // by node
	refusals  atomic.Int64
	left      atomic.Int64 // not sent: the link had no room
	slowest   atomic.Int64 // answer, in nanoseconds
	stop      chan struct{}
	wg        sync.WaitGroup

	mu     sync.Mutex
	fates  []fate   // by serial number
	silent [][]byte // requests without an answer
}

// fate is what a payment came to.
type fate byte

const (
	unsent fate = iota
	underWay
	wasApproved
	wasRefused
	unanswered
)

const (
	longLinks  = 8                    // of a node
	longWindow = 32                   // requests under way on a link
	longTick   = 5 * time.Millisecond // between two looks at the schedule
)

// begin opens the links.
func (l *longLoad) begin() {
	l.stop = make(chan struct{})
	for node := range l.addresses {
		for i := range longLinks {
			l.wg.Go(func() { l.link(node, i) })
		}
	}
}

// end waits for the last answers.
func (l *longLoad) end() {
	close(l.stop)
	l.wg.Wait()
}

func (l *longLoad) stopped() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

// link keeps a link to a node open.
func (l *longLoad) link(node, number int) {
	for !l.stopped() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		raw, err := client.DialRaw(ctx, *l.addresses[node].Load(), frame.Format{})
		cancel()
		if err != nil {
			lasts(100 * time.Millisecond)
			continue
		}
		d := &longLink{l: l, raw: raw, node: node, next: number, open: map[int64]sent{}, room: make(chan struct{}, 1),
			ended: make(chan struct{})}
		d.drive()
	}
}

// longLink is one life of a link.
type longLink struct {
	l    *longLoad
	raw  *client.Raw
	node int
	next int           // card
	room chan struct{} // an answer has come

	ended chan struct{} // nothing more comes

	mu   sync.Mutex
	open map[int64]sent
	left bool // nothing more is to be sent
}

type sent struct {
	body []byte
	at   time.Time
}

// drive sends on schedule until the link breaks, the switch leaves, or all is over.
func (d *longLink) drive() {
	ctx, cancel := context.WithCancel(context.Background())
	var reading sync.WaitGroup
	reading.Go(func() { d.read(ctx) })
	tick := time.NewTicker(longTick)
	defer tick.Stop()
	due, began := 0.0, time.Now()
	for !d.gone() && !d.l.stopped() {
		select {
		case now := <-tick.C:
			due = min(due+float64(d.l.rate.Load())*now.Sub(began).Seconds()/(2*longLinks), longWindow)
			began = now
		case <-d.room:
		}
		if d.l.rate.Load() == 0 {
			due = longWindow
		}
		for ; due >= 1 && d.pay(); due-- {
		}
	}
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end) && d.waiting() > 0; {
		select {
		case <-d.ended:
			end = time.Time{}
		case <-tick.C:
		}
	}
	cancel()
	_ = d.raw.Close() // whatever it says, nothing more comes
	reading.Wait()
	d.l.mu.Lock()
	defer d.l.mu.Unlock()
	for n, s := range d.open {
		d.l.fates[n] = unanswered
		d.l.silent = append(d.l.silent, s.body)
	}
}

func (d *longLink) gone() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.left
}

func (d *longLink) waiting() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.open)
}

// pay sends a payment, unless there is no room for it.
func (d *longLink) pay() bool {
	l := d.l
	if d.waiting() >= longWindow {
		if l.rate.Load() > 0 {
			l.left.Add(1)
			return true // its time has passed
		}
		return false
	}
	p := l.site.payment(l.cards[d.next%len(l.cards)], 100)
	d.next += 2*longLinks + 1
	body := l.site.message(l.t, p, "0100")
	n, err := strconv.ParseInt(p.rrn, 10, 64)
	if err != nil {
		l.t.Error(err)
		return false
	}
	l.note(n, underWay)
	d.mu.Lock()
	d.open[n] = sent{body, time.Now()}
	d.mu.Unlock()
	if d.raw.Write(body) != nil {
		d.leave()
		return false
	}
	return true
}

func (d *longLink) leave() {
	d.mu.Lock()
	d.left = true
	d.mu.Unlock()
}

func (l *longLoad) note(n int64, f fate) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for int64(len(l.fates)) <= n {
		l.fates = append(l.fates, unsent)
	}
	l.fates[n] = f
}

// read takes the answers until the link ends.
func (d *longLink) read(ctx context.Context) {
	defer close(d.ended)
	defer d.leave()
	for {
		reply, err := d.raw.Read(ctx)
		if err != nil {
			return
		}
		m, err := d.l.site.dialect.Decode(reply)
		if err != nil {
			d.l.t.Errorf("an answer does not decode: %v", err)
			return
		}
		if (m.MTI()[2]-'0')%2 == 0 {
			d.leave() // the only request that a switch makes by itself: nothing more is to be sent
			continue
		}
		d.answered(m.Get(37), m.Get(39))
	}
}

func (d *longLink) answered(rrn, code string) {
	l := d.l
	n, err := strconv.ParseInt(rrn, 10, 64)
	d.mu.Lock()
	s, ok := d.open[n]
	delete(d.open, n)
	d.mu.Unlock()
	if err != nil || !ok {
		l.t.Errorf("an answer for %q, which nobody has asked on this link", rrn)
		return
	}
	for took := int64(time.Since(s.at)); ; {
		if was := l.slowest.Load(); took <= was || l.slowest.CompareAndSwap(was, took) {
			break
		}
	}
	switch code {
	case "00":
		l.note(n, wasApproved)
		l.approvals[d.node].Add(1)
	case "91":
		l.note(n, wasRefused)
		l.refusals.Add(1)
	default:
		l.t.Errorf("RRN %s is answered %s", rrn, code)
	}
	select {
	case d.room <- struct{}{}:
	default:
	}
}
