package server_test

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"holdfast/switch/server"
	"holdfast/switch/tlsfile"
	"holdfast/switch/tlsfile/tlstest"
)

// secured is a server on TLS that takes clients of one name, and the configuration of such a client, good for so long.
func secured(t *testing.T, config server.Config, h server.Handler, good time.Duration) (*running, *tls.Config) {
	t.Helper()
	a := tlstest.New(t)
	certificate, key := a.Server("localhost")
	source, err := tlsfile.Server(tlsfile.Files{Certificate: certificate, Key: key, Authorities: a.File, Names: []string{"peer"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := startOn(t, tls.NewListener(ln, source.Listener()), config, h)
	r.dial = func() net.Conn {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		r.conns = append(r.conns, conn)
		return conn
	}
	t.Cleanup(func() { r.stop() })
	mine, mineKey := a.Client("peer", good)
	own, err := tls.LoadX509KeyPair(mine, mineKey)
	if err != nil {
		t.Fatal(err)
	}
	return r, &tls.Config{RootCAs: a.Pool, ServerName: "localhost", Certificates: []tls.Certificate{own}}
}

// Goal: who does not speak TLS, or says nothing, is closed in time, counted and logged, and keeps nobody out.
func TestTLSPortAgainstOthers(t *testing.T) {
	t.Parallel()
	r, config := secured(t, server.Config{FrameTimeout: 2 * time.Second}, onFrame(echo), time.Hour)
	silent, plain, torn, stranger := r.dial(), r.dial(), r.dial(), r.dial()
	if _, err := plain.Write([]byte("\x00\x0dplain message")); err != nil {
		t.Fatal(err)
	}
	if _, err := torn.Write([]byte{22, 3, 1, 2, 0, 1}); err != nil { // a hello that does not go on
		t.Fatal(err)
	}
	refused := make(chan struct{})
	go func() { // owned by the test, which waits for it: the server closes the link
		defer close(refused)
		_, _ = tls.Client(stranger, &tls.Config{RootCAs: config.RootCAs, ServerName: "localhost"}).Read(make([]byte, 1))
	}()
	p := newPeer(t, tls.Client(r.dial(), config), r.format)
	p.send(messages(20)...)
	p.receive(messages(20)...)
	for name, conn := range map[string]net.Conn{"silent": silent, "plain": plain, "torn": torn} {
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if text, err := io.ReadAll(conn); err != nil && strings.Contains(err.Error(), "timeout") || len(text) > 7 { // an alert at most
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
		}
	}
	<-refused
	wantStats(t, r.Stats(), map[string]int64{"FramesIn": 20, "FramesOut": 20, "Panics": 0})
	p.send(message(1))
	p.receive(message(1))
	r.stop()
	if s := r.Stats(); s.Handshakes != 4 {
		t.Errorf("%d handshakes failed, want 4", s.Handshakes)
	}
	if n := strings.Count(r.log.String(), "the handshake failed: "); n != 4 {
		t.Errorf("%d are logged", n)
	}
}

// Goal: a drain over TLS says goodbye, answers what is on its way, and ends the link in order.
func TestTLSLinkDrains(t *testing.T) {
	t.Parallel()
	held := make(chan *server.Exchange, 1)
	r, config := secured(t, server.Config{QuietTimeout: 50 * time.Millisecond}, handler(func(server.Link) server.Session {
		return session{frame: func(x *server.Exchange) { held <- x },
			goodbye: func(send func(server.Encoder)) { send(text("goodbye and thank you")) }}
	}), time.Hour)
	p := newPeer(t, tls.Client(r.dial(), config), r.format)
	p.send(message(1))
	x := <-held
	r.cancel()
	p.receive("goodbye and thank you")
	x.Reply(text(message(1)))
	p.receive(message(1))
	p.receiveEnd()
}

// Goal: a link lives no longer than the certificate that its peer has shown.
func TestTLSLinkEndsWithItsCertificate(t *testing.T) {
	t.Parallel()
	r, config := secured(t, server.Config{}, onFrame(echo), 5*time.Second) // dates have whole seconds
	p := newPeer(t, tls.Client(r.dial(), config), r.format)
	p.send(message(1))
	p.receive(message(1))
	p.receiveEnd()
}

// Goal: links that we dial speak TLS; a peer with another certificate is not spoken to.
func TestDialledTLS(t *testing.T) {
	t.Parallel()
	a := tlstest.New(t)
	mine, mineKey := a.Client("us", time.Hour)
	certificate, key := a.Server("localhost")
	files := tlsfile.Files{Certificate: certificate, Key: key, Authorities: a.File, Names: []string{"us"}}
	network, err := tlsfile.Server(files, nil)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ours := func(name string) *tlsfile.Source {
		s, err := tlsfile.Client(tlsfile.Files{Certificate: mine, Key: mineKey, Authorities: a.File}, name, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	dial := func(name string) *server.Dialer {
		d, err := server.NewDialer(server.DialConfig{Addr: ln.Addr().String(), TLS: ours(name).Config, WaitMin: time.Hour, WaitMax: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	good := startOn(t, dial("localhost"), server.Config{}, onFrame(echo))
	link, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	p := newPeer(t, tls.Server(link, network.Listener()), good.format)
	p.send(message(7))
	p.receive(message(7))
	wantStats(t, good.Stats(), map[string]int64{"Links": 1})
	good.stop()
	link.Close()

	wrong := startOn(t, dial("elsewhere.example"), server.Config{}, onFrame(echo))
	if link, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	if err := tls.Server(link, network.Listener()).Handshake(); err == nil {
		t.Error("a peer of another name was spoken to")
	}
	wantStats(t, wrong.Stats(), map[string]int64{"Accepted": 0})
	wrong.stop()
}
