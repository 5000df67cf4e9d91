package server

import (
	"errors"
	"log/slog"
	"net"
	"testing"
	"time"
)

// told hears that something was logged.
type told chan struct{}

func (c told) Write(p []byte) (int, error) {
	select {
	case c <- struct{}{}:
	default:
	}
	return len(p), nil
}

// Goal: a dialer waits for a peer that is not there, keeps up as many links as it was asked for and not one more, and
// ends when it is closed.
func TestADialerKeepsLinksUp(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close() // nobody is there at first
	failed := make(told, 1)
	d, err := NewDialer(DialConfig{Addr: addr, Links: 2, WaitMin: time.Millisecond, WaitMax: 5 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(failed, nil))})
	if err != nil {
		t.Fatal(err)
	}
	type accepted struct {
		conn net.Conn
		err  error
	}
	links := make(chan accepted)
	go func() { // owned by the test, which reads until the end
		for {
			conn, err := d.Accept()
			links <- accepted{conn, err}
			if err != nil {
				return
			}
		}
	}()
	<-failed
	if ln, err = net.Listen("tcp", addr); err != nil {
		d.Close()
		for a := <-links; a.err == nil; a = <-links {
			a.conn.Close()
		}
		t.Skip("somebody else has taken the port: ", err)
	}
	defer ln.Close()
	one, two := <-links, <-links
	if one.err != nil || two.err != nil {
		t.Fatal(one.err, two.err)
	}
	select {
	case <-links:
		t.Fatal("a third link")
	case <-time.After(50 * time.Millisecond):
	}
	one.conn.Close()
	one.conn.Close() // makes room once
	three := <-links
	select {
	case <-links:
		t.Fatal("a fourth link")
	case <-time.After(50 * time.Millisecond):
	}
	d.Close()
	if end := <-links; !errors.Is(end.err, net.ErrClosed) {
		t.Errorf("after Close: %v", end.err)
	}
	two.conn.Close()
	three.conn.Close()
}

// The wait doubles from the least to the greatest, between a half and the whole of it, and a link that lasted ends it.
func TestADialerWaits(t *testing.T) {
	t.Parallel()
	d, err := NewDialer(DialConfig{Addr: "127.0.0.1:1", WaitMin: 100 * time.Millisecond, WaitMax: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if w := d.wait(); w != 0 {
		t.Errorf("at first: %v", w)
	}
	for i, want := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		d.failed(errShort)
		want *= time.Millisecond
		if w := d.wait(); w < want/2 || w > want {
			t.Errorf("after %d failures: %v, want %v to %v", i+1, w, want/2, want)
		}
	}
	d.failures = 1 << 20
	if w := d.wait(); w < time.Second/2 || w > time.Second {
		t.Errorf("after very many: %v", w)
	}
	pipe, _ := net.Pipe()
	d.slots <- struct{}{}
	lasted := &dialled{Conn: pipe, dialer: d, since: time.Now().Add(-time.Second)}
	lasted.Close()
	if w := d.wait(); w != 0 {
		t.Errorf("after a link that lasted: %v", w)
	}
	for _, bad := range []DialConfig{{}, {Addr: "x"}, {Addr: "a:1", Links: -1}, {Addr: "a:1", WaitMin: time.Minute}} {
		if _, err := NewDialer(bad); err == nil {
			t.Errorf("%+v: no error", bad)
		}
	}
}
