package mgmt

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// crowd is a listener at which somebody always waits.
type crowd struct{ from func() string }

func (c crowd) Accept() (net.Conn, error) {
	one, _ := net.Pipe()
	return caller{one, c.from()}, nil
}
func (crowd) Close() error   { return nil }
func (crowd) Addr() net.Addr { return nil }

// caller is somebody who says nothing.
type caller struct {
	net.Conn
	from string
}

func (caller) Read([]byte) (int, error) { return 0, io.EOF }

func (c caller) RemoteAddr() net.Addr { return address(c.from) }

type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }

func nowhere() string { return "@" }

// begins has so many connections accepted, and tells when each may be read.
func begins(t *testing.T, ln net.Listener, connections int) (at []time.Duration) {
	t.Helper()
	from := time.Now()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range connections {
		conn, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			_, _ = conn.Read(nil)
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Since(from))
		})
	}
	if took := time.Since(from); took != 0 {
		t.Errorf("to accept them took %v", took)
	}
	wg.Wait()
	return at
}

// Goal: handshakes do not take the processors from authorizations, however many connect, and one network does not take all
// turns. Method: thirty connections at once, each from elsewhere, then all from one place and one from elsewhere.
func TestConnectionsBeginAtAPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		elsewhere := func() string { n++; return fmt.Sprintf("198.51.100.%d:5000", n) }
		for i, at := range begins(t, bound(crowd{elsewhere}, 40), 30) {
			if want := max(0, time.Duration(i+1-beginsAtOnce)) * time.Second / beginsPerSecond; at.Round(time.Millisecond) != want {
				t.Errorf("connection %d begins after %v, want %v", i, at, want)
			}
		}
		for i, at := range begins(t, bound(crowd{nowhere}, 40), 30) {
			want := time.Duration(float64(max(0, i+1-beginsAtOnce)) / networkShare * float64(time.Second) / beginsPerSecond)
			if (at - want).Abs() > time.Millisecond {
				t.Errorf("connection %d of one network begins after %v, want %v", i, at, want)
			}
		}
	})
}

// Goal: a stranger who connects and closes as fast as it can keeps nobody else from beginning, and a connection that is closed
// while it waits ends at once. Method: 400 connections a second for five
// seconds, of which each fortieth is somebody else's.
func TestAStrangerDoesNotTakeAllBeginnings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		ln := bound(crowd{func() string {
			if n++; n%40 == 0 {
				return "198.51.100.7:5000"
			}
			return "203.0.113.9:4000"
		}}, 512)
		var wg sync.WaitGroup
		for range 2000 {
			time.Sleep(time.Second / 400)
			conn, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			other, from := n%40 == 0, time.Now()
			if !other { // of four one at once, the last after a second and a half
				time.AfterFunc(time.Duration(n%4)*500*time.Millisecond, func() { _ = conn.Close() })
			}
			wg.Go(func() {
				_, _ = conn.Read(nil)
				if took := time.Since(from); other && took > 100*time.Millisecond || took > 1500*time.Millisecond {
					t.Errorf("a connection began after %v; of somebody else: %v", took, other)
				}
				_ = conn.Close()
			})
		}
		wg.Wait()
	})
}

// Goal: who has all the connections that one network may have takes those of nobody else. Method: of each eight that
// connect seven are one stranger; the listener has eight places, and then the stranger lets one of its own go.
func TestANetworkHasAShareOfTheConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		ln := bound(crowd{func() string {
			if n++; n%8 == 0 {
				return fmt.Sprintf("198.51.100.%d:5000", n/8)
			}
			return fmt.Sprintf("203.0.113.9:%d", n)
		}}, 8)
		open := map[string][]net.Conn{}
		for range 8 {
			conn, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			from := network(conn.RemoteAddr().String())
			open[from] = append(open[from], conn)
		}
		const stranger = "203.0.113.9"
		if len(open[stranger]) != 6 || len(open["198.51.100.1"]) != 1 || len(open["198.51.100.2"]) != 1 {
			t.Errorf("open are %d of the stranger, and of %d networks in all", len(open[stranger]), len(open))
		}
		for range 2 { // to close twice gives one place back
			_ = open[stranger][0].Close()
		}
		if conn, err := ln.Accept(); err != nil || network(conn.RemoteAddr().String()) != stranger {
			t.Errorf("the stranger's place is not its own again: %v", err)
		}
	})
}
