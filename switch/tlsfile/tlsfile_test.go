package tlsfile_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/switch/tlsfile"
	"holdfast/switch/tlsfile/tlstest"
)

// meet has a client and a server shake hands and says what each found.
func meet(t *testing.T, server, client *tls.Config) (atServer, atClient error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	two, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	one, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s, c := tls.Server(one, server), tls.Client(two, client)
	var wg sync.WaitGroup
	wg.Go(func() {
		if atServer = s.Handshake(); atServer == nil {
			_, atServer = s.Write([]byte("x"))
		}
		_ = one.Close()
	})
	if atClient = c.Handshake(); atClient == nil { // in TLS 1.3 a refusal comes after the client's own part
		_, atClient = io.ReadFull(c, make([]byte, 1))
	}
	_ = two.Close()
	wg.Wait()
	return atServer, atClient
}

// server is the configuration of a listener that takes the certificates of an authority.
func server(t *testing.T, a *tlstest.Authority, names ...string) *tls.Config {
	t.Helper()
	certificate, key := a.Server("localhost")
	s, err := tlsfile.Server(tlsfile.Files{Certificate: certificate, Key: key, Authorities: a.File, Names: names}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s.Listener()
}

func client(t *testing.T, trusted *tlstest.Authority, certificate, key string) *tls.Config {
	t.Helper()
	s, err := tlsfile.Client(tlsfile.Files{Certificate: certificate, Key: key, Authorities: trusted.File}, "localhost", nil)
	if err != nil {
		t.Fatal(err)
	}
	return s.Config()
}

// Goal: only the peer's certificate comes in. Method: each that is not, in both versions of TLS.
func TestWhoComesIn(t *testing.T) {
	t.Parallel()
	ours, theirs := tlstest.New(t), tlstest.New(t)
	for _, c := range []struct {
		name string
		make func() (certificate, key string)
		ok   bool
	}{
		{"the peer", func() (string, string) { return ours.Client("network.example", time.Hour) }, true},
		{"another name", func() (string, string) { return ours.Client("other.example", time.Hour) }, false},
		{"another authority", func() (string, string) { return theirs.Client("network.example", time.Hour) }, false},
		{"one that has expired", func() (string, string) { return ours.Client("network.example", -time.Minute) }, false},
		{"a server's", func() (string, string) { return ours.Server("network.example") }, false},
		{"none", func() (string, string) { return "", "" }, false},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			certificate, key := c.make()
			config := &tls.Config{RootCAs: ours.Pool, ServerName: "localhost", MaxVersion: version}
			if certificate != "" {
				own, err := tls.LoadX509KeyPair(certificate, key)
				if err != nil {
					t.Fatal(err)
				}
				config.Certificates = []tls.Certificate{own}
			}
			atServer, atClient := meet(t, server(t, ours, "elsewhere.example", "NETWORK.example"), config)
			if (atServer == nil) != c.ok || (atClient == nil) != c.ok {
				t.Errorf("%s, TLS %x: %v, %v", c.name, version, atServer, atClient)
			}
		}
	}
	certificate, key := ours.Client("anybody", time.Hour)
	if atServer, atClient := meet(t, server(t, ours), client(t, ours, certificate, key)); atServer != nil || atClient != nil {
		t.Errorf("where no name is asked for: %v, %v", atServer, atClient)
	}
	if _, atClient := meet(t, server(t, ours), client(t, theirs, certificate, key)); atClient == nil {
		t.Error("a server of an authority that is not trusted is spoken to")
	}
	old := &tls.Config{RootCAs: ours.Pool, ServerName: "localhost", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	if atServer, _ := meet(t, server(t, ours), old); atServer == nil {
		t.Error("TLS 1.1 comes in")
	}
}

// Goal: renewed files are used without a restart, spoilt ones are not, and what was good stays. Method: the clock of a
// bubble, so that the second between looks takes no time.
func TestFilesAreReadAgain(t *testing.T) {
	t.Parallel()
	a := tlstest.New(t)
	certificate, key := a.Server("localhost")
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s, err := tlsfile.Server(tlsfile.Files{Certificate: certificate, Key: key}, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		leaf := func() string {
			time.Sleep(2 * time.Second)
			return string(s.Config().Certificates[0].Certificate[0])
		}
		first := leaf()
		if leaf() != first {
			t.Error("files that did not change made another configuration")
		}
		newer, newerKey := a.Server("localhost")
		replace(t, newer, certificate)
		if leaf() != first || !strings.Contains(log.String(), "not used") {
			t.Error("a certificate without its key is used, or nobody is told")
		}
		replace(t, newerKey, key)
		second := leaf()
		if second == first {
			t.Error("the renewed certificate is not used")
		}
		if err := os.Remove(certificate); err != nil {
			t.Fatal(err)
		}
		if leaf() != second {
			t.Error("the good configuration is gone with its file")
		}
	})
}

// replace puts a file in the place of another.
func replace(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, append(text, '\n'), 0o600) // another size, should the clock of the disk be coarse
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestStartNamesTheFileAtFault(t *testing.T) {
	t.Parallel()
	a := tlstest.New(t)
	certificate, key := a.Server("localhost")
	_, otherKey := a.Server("localhost")
	expired, expiredKey := a.Client("x", -time.Minute)
	garbage := filepath.Join(t.TempDir(), "garbage.pem")
	if err := os.WriteFile(garbage, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		files tlsfile.Files
		want  string
	}{
		{tlsfile.Files{Certificate: certificate}, "certificate and a key"},
		{tlsfile.Files{Certificate: certificate, Key: "/nonexistent/key.pem"}, "/nonexistent/key.pem"},
		{tlsfile.Files{Certificate: certificate, Key: otherKey}, "does not match"},
		{tlsfile.Files{Certificate: garbage, Key: key}, garbage},
		{tlsfile.Files{Certificate: expired, Key: expiredKey}, "expired"},
		{tlsfile.Files{Certificate: certificate, Key: key, Names: []string{"a"}}, "authorities"},
		{tlsfile.Files{Certificate: certificate, Key: key, Authorities: garbage}, "no certificate in"},
		{tlsfile.Files{Certificate: certificate, Key: key, Authorities: "/nonexistent/ca.pem"}, "/nonexistent/ca.pem"},
	} {
		if _, err := tlsfile.Server(c.files, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: want %q", err, c.want)
		}
	}
	_, one := tlsfile.Client(tlsfile.Files{Certificate: certificate}, "host", nil)
	_, two := tlsfile.Client(tlsfile.Files{Names: []string{"a", "b"}}, "host", nil)
	if err := errors.Join(one, two); one == nil || two == nil {
		t.Errorf("a client with half of what it needs: %v", err)
	}
}
