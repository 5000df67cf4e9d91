package client_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"holdfast/switch/client"
	"holdfast/switch/frame"
	"holdfast/switch/iso"
	"holdfast/switch/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// host is a switch that answers as a test tells it to. It is our own server with a few lines of issuer.
type host struct {
	t       testing.TB
	dialect *iso.Dialect
	format  frame.Format
	addr    string
	respond func(h *host, x *server.Exchange, request *iso.Message)

	mu       sync.Mutex
	links    []server.Link
	received []string // message types, with DE 70 for network management
}

func (h *host) Open(l server.Link) server.Session {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.links = append(h.links, l)
	return h
}

func (h *host) Frame(x *server.Exchange) {
	request, err := h.dialect.Decode(x.Body())
	if err != nil {
		h.t.Errorf("the host was sent what it cannot decode: %v", err)
		x.Malformed()
		return
	}
	h.mu.Lock()
	h.received = append(h.received, request.MTI()+request.Get(70))
	h.mu.Unlock()
	h.respond(h, x, request)
}

func (h *host) Goodbye(func(server.Encoder)) {}
func (h *host) Closed()                      {}

// approve answers at once.
func approve(h *host, x *server.Exchange, request *iso.Message) { x.Reply(answerTo(h.t, request, nil)) }

// answerTo echoes what identifies a request, and sets more.
func answerTo(t testing.TB, request *iso.Message, more map[int]string) *iso.Message {
	mti := request.MTI()
	answer := request.Dialect().New(mti[:2] + string(mti[2]+1) + "0")
	answer.Copy(request, 4, 7, 11, 32, 37, 41, 70)
	set(t, answer, map[int]string{39: "00"})
	set(t, answer, more)
	return answer
}

func set(t testing.TB, m *iso.Message, fields map[int]string) {
	for de, v := range fields {
		if err := m.Set(de, v); err != nil {
			t.Errorf("set: %v", err)
		}
	}
}

// startHost serves until the test ends; addr may be that of a host that was stopped before.
func startHost(t testing.TB, dialect, format, addr string, respond func(*host, *server.Exchange, *iso.Message)) (*host, func()) {
	t.Helper()
	h := &host{t: t, respond: respond}
	var err error
	if h.dialect, err = iso.Builtin(dialect); err != nil {
		t.Fatal(err)
	}
	if h.format, err = frame.Parse(format); err != nil {
		t.Fatal(err)
	}
	s, err := server.New(server.Config{Name: "host", Format: h.format, DrainTimeout: 50 * time.Millisecond}, h, nil)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil && addr != "127.0.0.1:0" {
		t.Skip("somebody else has taken the port: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	h.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := s.Serve(ctx, ln); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	stop := func() { cancel(); serving.Wait() }
	t.Cleanup(stop)
	return h, stop
}

func (h *host) dial(config client.Config) *client.Client {
	h.t.Helper()
	config.Addr, config.Dialect, config.Format = h.addr, h.dialect, h.format
	c, err := client.Dial(context.Background(), config)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.Close() })
	return c
}

func (h *host) request(mti string, fields map[int]string) *iso.Message {
	m := h.dialect.New(mti)
	set(h.t, m, map[int]string{3: "000000", 4: "000000001000", 7: "1122213000", 11: "000001", 41: "TERM0001"})
	set(h.t, m, fields)
	return m
}

func (h *host) seen() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.received...)
}

// forget drops the messages of a type that were received.
func (h *host) forget(mti string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var kept []string
	for _, m := range h.received {
		if m != mti {
			kept = append(kept, m)
		}
	}
	h.received = kept
}
