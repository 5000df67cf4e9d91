package server_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"holdfast/switch/frame"
	"holdfast/switch/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// handler makes sessions with a function.
type handler func(l server.Link) server.Session

func (h handler) Open(l server.Link) server.Session { return h(l) }

// session is a session made of functions; nil ones do nothing.
type session struct {
	frame   func(*server.Exchange)
	goodbye func(func(server.Encoder))
	closed  func()
}

func (s session) Frame(x *server.Exchange) { s.frame(x) }

func (s session) Goodbye(send func(server.Encoder)) {
	if s.goodbye != nil {
		s.goodbye(send)
	}
}

func (s session) Closed() {
	if s.closed != nil {
		s.closed()
	}
}

// rescuer is a session that can answer for its faults.
type rescuer struct {
	session
	malfunction func(*server.Exchange)
}

func (r rescuer) Malfunction(x *server.Exchange) { r.malfunction(x) }

// onFrame is a handler whose sessions only take frames.
func onFrame(f func(*server.Exchange)) handler {
	return func(server.Link) server.Session { return session{frame: f} }
}

// text is an answer.
type text string

func (s text) Append(dst []byte) ([]byte, error) { return append(dst, s...), nil }

func echo(x *server.Exchange) { x.Reply(text(x.Body())) }

// running is a server under test.
type running struct {
	*server.Server
	t      testing.TB
	dial   func() net.Conn
	conns  []net.Conn
	cancel context.CancelFunc
	result chan error
	log    *bytes.Buffer // complete after stop
	format frame.Format
}

// start serves on the loopback until the test ends.
func start(t testing.TB, config server.Config, h server.Handler) *running {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := startOn(t, ln, config, h)
	r.dial = func() net.Conn {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		r.conns = append(r.conns, conn)
		return conn
	}
	t.Cleanup(func() { r.stop() })
	return r
}

func startOn(t testing.TB, ln net.Listener, config server.Config, h server.Handler) *running {
	t.Helper()
	if config.Name == "" {
		config.Name = "test"
	}
	log := &bytes.Buffer{}
	s, err := server.New(config, h, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Server: s, t: t, cancel: cancel, result: make(chan error, 1), log: log, format: config.Format}
	go func() { r.result <- s.Serve(ctx, ln) }() // owned by stop, which waits for the result
	return r
}

// stop drains, and waits for the end of Serve.
func (r *running) stop() {
	r.t.Helper()
	r.cancel()
	for _, conn := range r.conns {
		if half, ok := conn.(*net.TCPConn); ok {
			_ = half.CloseWrite() // ends the server's lingering; it may be closed already
		}
	}
	if err := <-r.result; err != nil {
		r.t.Errorf("Serve: %v", err)
	}
	for _, conn := range r.conns {
		conn.Close()
	}
	r.result <- nil // so that stop may be called again
}

// peer is the other end of a link.
type peer struct {
	t      testing.TB
	conn   net.Conn
	format frame.Format
	reader *frame.Reader
}

func (r *running) peer() *peer { return newPeer(r.t, r.dial(), r.format) }

func newPeer(t testing.TB, conn net.Conn, format frame.Format) *peer {
	return &peer{t, conn, format, frame.NewReader(conn, format, frame.Limits{FrameBytesMin: 1})}
}

func (p *peer) send(bodies ...string) {
	p.t.Helper()
	var out []byte
	for _, body := range bodies {
		var err error
		if out, err = p.format.Append(out, p.format.FirstHeader(nil), []byte(body)); err != nil {
			p.t.Fatal(err)
		}
	}
	p.sendRaw(string(out))
}

func (p *peer) sendRaw(raw string) {
	p.t.Helper()
	if _, err := p.conn.Write([]byte(raw)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) receive(want ...string) {
	p.t.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(10 * time.Second)) // a hanging test says where
	for i, w := range want {
		_, body, err := p.reader.Next()
		if err != nil || string(body) != w {
			p.t.Fatalf("answer %d is %q, %v, want %q", i, body, err, w)
		}
	}
}

// receiveEnd wants the link to be closed in order, without a reset.
func (p *peer) receiveEnd() {
	p.t.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, body, err := p.reader.Next(); err != io.EOF {
		p.t.Fatalf("the link delivered %q, %v, want its end", body, err)
	}
}

// message numbers a body that is long enough to be a frame.
func message(i int) string { return fmt.Sprintf("message %06d", i) }

func messages(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = message(i)
	}
	return out
}

func wantStats(t testing.TB, got server.Stats, want map[string]int64) {
	t.Helper()
	have := map[string]int64{
		"Links": got.Links, "InFlight": got.InFlight, "Accepted": got.Accepted, "Refused": got.Refused,
		"AcceptErrors": got.AcceptErrors, "FramesIn": got.FramesIn, "FramesOut": got.FramesOut,
		"Unsolicited": got.Unsolicited, "KeepAlives": got.KeepAlives, "Malformed": got.Malformed, "Struck": got.Struck,
		"BadLengths": got.BadLengths, "Truncated": got.Truncated, "FrameTimeouts": got.FrameTimeouts,
		"IdleTimeouts": got.IdleTimeouts, "WriteTimeouts": got.WriteTimeouts, "DrainTimeouts": got.DrainTimeouts,
		"Dropped": got.Dropped, "EncodeErrors": got.EncodeErrors, "Panics": got.Panics,
		"InternalErrors": got.InternalErrors,
	}
	for name, n := range want {
		if value, ok := have[name]; !ok || value != n {
			t.Errorf("%s is %d, want %d", name, value, n)
		}
	}
}
