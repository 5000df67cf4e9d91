package wirelog

import (
	"io"
	"net"
	"sync"
	"time"

	"holdfast/switch/frame"
	"holdfast/switch/iso"
)

// Tap says how to read what passes on a link.
type Tap struct {
	Log     *Log
	Peer    string // the network's name in the switch's books
	Dialect *iso.Dialect
	Format  frame.Format
}

// Conn is a connection whose frames are logged in both directions.
type Conn struct {
	net.Conn
	in, out *feed
	taps    sync.WaitGroup
	once    sync.Once
	closed  func()
}

// Wrap logs what passes on conn from now on, under the link's name. Close ends it.
func (t Tap) Wrap(conn net.Conn, link string) *Conn {
	c := &Conn{Conn: conn}
	base := Record{Link: link, Peer: t.Peer}
	c.in, c.out = t.listen(c, base, Received), t.listen(c, base, Sent)
	c.closed = func() { t.note(base, Closed) }
	t.note(base, Opened)
	return c
}

func (t Tap) note(r Record, e Event) {
	r.At, r.Event = time.Now().UTC(), e
	t.Log.add(r)
}

// listen starts the reader of one direction.
func (t Tap) listen(c *Conn, base Record, e Event) *feed {
	f := newFeed()
	c.taps.Go(func() { t.follow(f, base, e) })
	return f
}

// follow logs frame after frame. After bytes that it cannot cut it lets the rest pass: the connection is not its.
func (t Tap) follow(from *feed, base Record, e Event) {
	frames := frame.NewReader(from, t.Format, frame.Limits{FrameBytesMin: 1, FrameBytesMax: t.Format.BodyBytesMax()})
	for {
		_, body, err := frames.Next()
		switch {
		case err == nil && body == nil:
			continue
		case err == io.EOF:
			return
		case err != nil:
			t.note(base, Garbled)
			_, _ = io.Copy(io.Discard, from) // ends with the connection
			return
		}
		m, err := t.Dialect.Decode(body)
		if err != nil {
			t.note(base, Garbled)
			continue
		}
		r := of(m)
		r.Link, r.Peer = base.Link, base.Peer
		t.note(r, e)
	}
}

func of(m *iso.Message) Record {
	r := Record{MTI: m.MTI(), STAN: m.Get(11), RRN: m.Get(37), Transmitted: m.Get(7), Acquirer: m.Get(32), Terminal: m.Get(41),
		Processing: m.Get(3), Amount: m.Get(4), Code: m.Get(39), Approval: m.Get(38)}
	if number, ok := m.PAN(); ok {
		r.Last4 = number.Last4()
		if number.Within(r.Terminal) {
			r.Terminal = "" // somebody put the number there
		}
	}
	return r
}

// Read implements [net.Conn].
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.in.put(p[:n])
	}
	return n, err
}

// Write implements [net.Conn]. What is sent is logged before it leaves: an answer must not be faster.
func (c *Conn) Write(p []byte) (int, error) {
	c.out.put(p)
	return c.Conn.Write(p)
}

// CloseWrite ends our side of the connection, where it has sides.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close implements [net.Conn]: it closes the connection, then waits until what passed is logged.
func (c *Conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.in.end()
		c.out.end()
		c.taps.Wait()
		c.closed()
	})
	return err
}
