package mgmt

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// crowd is a listener at which somebody always waits.
type crowd struct{}

func (crowd) Accept() (net.Conn, error) { c, _ := net.Pipe(); return c, nil }
func (crowd) Close() error              { return nil }
func (crowd) Addr() net.Addr            { return nil }

// Goal: handshakes do not take the processors from authorizations, however many connect. Method: a few
// connections at once, and then as fast as they are let in; who waits when the listener closes does not wait longer.
func TestConnectionsAreAcceptedAtAPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ln, from := bound(crowd{}, acceptsAtOnce+20), time.Now()
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
