package mgmt

import (
	"fmt"
	"net"
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

type caller struct {
	net.Conn
	from string
}

func (c caller) RemoteAddr() net.Addr { return address(c.from) }

type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }

func nowhere() string { return "@" }

// Goal: handshakes do not take the processors from authorizations, however many connect. Method: a few
// connections at once, and then as fast as they are let in; who waits when the listener closes does not wait longer.
func TestConnectionsAreAcceptedAtAPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ln, from := bound(crowd{nowhere}, acceptsAtOnce+20), time.Now()
		accept := func() {
			t.Helper()
			if _, err := ln.Accept(); err != nil {
				t.Fatal(err)
			}
		}
		for range acceptsAtOnce {
			accept()
		}
		if took := time.Since(from); took != 0 {
			t.Errorf("the first took %v", took)
		}
		for range 10 {
			accept()
		}
		if took, want := time.Since(from), 10*time.Second/acceptsPerSecond; took != want {
			t.Errorf("ten more took %v, want %v", took, want)
		}
		time.AfterFunc(time.Millisecond, func() {
			if err := ln.Close(); err != nil {
				t.Error(err)
			}
		})
		accept()
		if took, want := time.Since(from), 10*time.Second/acceptsPerSecond+time.Millisecond; took != want {
			t.Errorf("closed, it took %v, want %v", took, want)
		}
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
