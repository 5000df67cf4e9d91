package client_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"holdfast/switch/client"
	"holdfast/switch/iso"
	"holdfast/switch/server"
)

// Goal: both sides speak TLS, the client checks whom it speaks to, and a handshake that does not proceed is cut.
func TestTLSLinks(t *testing.T) {
	t.Parallel()
	web := httptest.NewTLSServer(nil) // only for its certificate, which names 127.0.0.1
	certificate, authority := web.TLS.Certificates[0], web.Certificate()
	web.Close()
	dialect, err := iso.Builtin("iso87-ascii")
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, dialect: dialect, respond: approve, addr: ln.Addr().String()}
	s, err := server.New(server.Config{Name: "tls", FrameTimeout: 2 * time.Second}, h, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := s.Serve(ctx, tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{certificate}})); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); serving.Wait() })

	roots := x509.NewCertPool()
	roots.AddCert(authority)
	c := h.dial(client.Config{TLS: &tls.Config{RootCAs: roots}})
	if err := errors.Join(c.SignOn(ctx), c.Echo(ctx), c.Close()); err != nil {
		t.Error(err)
	}
	stranger := client.Config{Addr: h.addr, Dialect: dialect, TLS: &tls.Config{RootCAs: x509.NewCertPool()}}
	if c, err := client.Dial(ctx, stranger); err == nil {
		c.Close()
		t.Error("a certificate of an unknown authority was accepted")
	}
	silent, err := net.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_ = silent.SetReadDeadline(time.Now().Add(10 * time.Second))
	var timeout net.Error
	if _, err := silent.Read(make([]byte, 1)); err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("a handshake that does not begin: %v, want the link closed", err)
	}
}
