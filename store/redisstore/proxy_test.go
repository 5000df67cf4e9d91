package redisstore_test

import (
	"bytes"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy stands between a store and a server. A plan meets the next script call, once.
type proxy struct {
	address string
	server  string
	plan    atomic.Int32
	// arrived is closed when a call is kept back; then deliver lets it go on, and ran is closed when the
	// server has answered it.
	arrived, deliver, ran chan struct{}

	mu    sync.Mutex
	conns []net.Conn

	wg sync.WaitGroup
}

const (
	forward   int32 = iota
	loseReply       // the server runs the call, and its reply is lost with the connection
	keepBack        // the call reaches the server only when it is told, after the client has gone
)

func startProxy(t testing.TB, server string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{address: l.Addr().String(), server: server,
		arrived: make(chan struct{}), deliver: make(chan struct{}), ran: make(chan struct{})}
	p.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		for _, conn := range p.conns {
			_ = conn.Close()
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) serve(down net.Conn) {
	defer func() { _ = down.Close() }()
	up, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer func() { _ = up.Close() }()
	p.mu.Lock()
	p.conns = append(p.conns, down, up)
	p.mu.Unlock()
	var lose atomic.Bool
	var late chan struct{}
	p.wg.Go(func() {
		defer func() { _ = down.Close() }()
		buffer := make([]byte, 1<<16)
		for {
			n, err := up.Read(buffer)
			if err != nil || lose.Load() {
				if late != nil {
					close(late)
				}
				_ = up.Close()
				return
			}
			if _, err := down.Write(buffer[:n]); err != nil {
				return
			}
		}
	})
	buffer := make([]byte, 1<<16)
	for {
		n, err := down.Read(buffer)
		if err != nil {
			return
		}
		if bytes.Contains(buffer[:n], []byte("evalsha")) {
			switch {
			case p.plan.CompareAndSwap(loseReply, forward):
				lose.Store(true)
			case p.plan.CompareAndSwap(keepBack, forward):
				late = p.ran
				lose.Store(true)
				close(p.arrived)
				<-p.deliver
			}
		}
		if _, err := up.Write(buffer[:n]); err != nil {
			return
		}
		if late != nil {
			<-late // the client has gone, and the server's end stays until it has answered
			return
		}
	}
}
