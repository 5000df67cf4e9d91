package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/authz/keystore"
	"holdfast/authz/leak"
	"holdfast/switch/client"
	"holdfast/switch/gateway"
	"holdfast/switch/iso"
	"holdfast/switch/tlsfile"
	"holdfast/switch/tlsfile/tlstest"
)

// zak is the key by which the guarded peer's messages are authenticated at first.
const zak = "1032547698BADCFEEFCDAB8967452301"

// retailMAC is ISO 9797-1 algorithm 3 with padding 1, by the tests' own cryptography.
func retailMAC(key, covered []byte) []byte {
	return mac3(key, append(slices.Clone(covered), make([]byte, (8-len(covered)%8)%8)...))
}

// guarded is a stage whose only listener wants TLS with a certificate and messages with codes.
func guarded(t *testing.T) (*stage, *tlstest.Authority, *tls.Config) {
	t.Helper()
	a := tlstest.New(t)
	certificate, key := a.Server("localhost")
	listeners := listenersIn("iso87-ascii-binbmp")
	listeners[0].Settings.MAC = &macConfig{}
	listeners[0].TLS = &tlsConfig{Certificate: certificate, Key: key, Authorities: a.File, Names: []string{"network.example"}}
	keys := func(path string) error {
		id, err := keystore.ImportKey(path, nil, "zak", unhex(zak), map[string]string{"peer": "iso87-ascii-binbmp"})
		if err == nil {
			err = keystore.ActivateKey(path, nil, id)
		}
		return errors.Join(err, stageKeys("iso87-ascii-binbmp")(path))
	}
	s := script{mode: storeEmbedded, holders: one, listeners: listeners, keys: keys}.open(t)
	mine, mineKey := a.Client("network.example", time.Hour)
	own, err := tls.LoadX509KeyPair(mine, mineKey)
	if err != nil {
		t.Fatal(err)
	}
	return s, a, &tls.Config{RootCAs: a.Pool, ServerName: "localhost", Certificates: []tls.Certificate{own}}
}

// dialTLS opens a link of TLS to the guarded listener.
func (s *stage) dialTLS(config *tls.Config) *line {
	s.t.Helper()
	setup := s.peers["iso87-ascii-binbmp"]
	conn, err := net.Dial("tcp", setup.address)
	if err != nil {
		s.t.Fatal(err)
	}
	raw := client.NewRaw(tls.Client(conn, config), setup.server.Format)
	s.t.Cleanup(func() { _ = raw.Close() })
	return &line{s, raw, setup.peer.Dialect}
}

// sealed sends a message with a code by a key, and holds the answer and its code, which is by the same, against what they
// must be.
func (l *line) sealed(m *iso.Message, key []byte, code string) *iso.Message {
	l.s.t.Helper()
	body, err := m.AppendMAC(nil, func(covered []byte) ([]byte, error) { return retailMAC(key, covered), nil })
	if err == nil {
		err = l.raw.Write(body)
	}
	if err != nil {
		l.s.t.Fatal(err)
	}
	a, raw := l.read()
	covered, mac, ok := a.MAC(raw)
	if a.Get(39) != code || !ok || !bytes.Equal(retailMAC(key, covered), []byte(mac)) {
		l.s.t.Errorf("%s is answered %s, want %s; it has a code: %v, and it must be right", m.MTI(), a.Get(39), code, ok)
	}
	return a
}

// Goal: over TLS, with codes, through a change of keys. Method: the tests' own cryptography on the peer's side; the books
// tell what was done.
func TestGuardedLink(t *testing.T) {
	t.Parallel()
	s, _, config := guarded(t)
	l := s.dialTLS(config)
	first := unhex(zak)
	second := blocks(tdes(unhex(stageMaster)).Decrypt, unhex(demoZoneKey))
	bare := l.pays("0100", "anna", 10_00)
	l.send(bare)
	if a, _ := l.read(); a.Get(39) != "63" || a.Has(38) {
		t.Errorf("a purchase without a code is answered %s", a.Get(39))
	}
	s.has("anna", purse{1000_00, 0})
	l.sealed(bare, first, "00")
	bare.Unset(128)
	bare.Unset(64)
	l.sealed(l.again(bare, "0101"), first, "00")
	s.has("anna", purse{1000_00, 10_00})

	change := l.network("162", fields{48: demoZoneKey + demoZoneCheck})
	l.send(change)
	if a, _ := l.read(); a.Get(39) != "63" {
		t.Errorf("a change of keys without a code is answered %s", a.Get(39))
	}
	if s.node.keys.HasZoneKey("iso87-ascii-binbmp", keystore.ZoneMAC) {
		t.Fatal("a key of nobody is in use")
	}
	l.sealed(l.network("162", fields{48: demoZoneKey + demoZoneCheck}), first, "00")
	l.sealed(l.pays("0100", "anna", 1_00), second, "00") // at once, whether or not it was activated
	s.until("the new key", func() bool { return s.node.keys.HasZoneKey("iso87-ascii-binbmp", keystore.ZoneMAC) })
	l.sealed(l.pays("0100", "anna", 2_00), first, "00") // on its way when the key changed: answered by the same
	undo := l.pays("0420", "anna", 10_00, about(bare))
	l.send(undo)
	if a, _ := l.read(); a.Get(39) != "63" {
		t.Errorf("a reversal without a code is answered %s", a.Get(39))
	}
	s.has("anna", purse{1000_00, 13_00})
	l.sealed(undo, second, "00")
	s.has("anna", purse{1000_00, 3_00})
	if got := s.node.gateway.Stats(); got != (gateway.Stats{MACMissing: 3}) {
		t.Errorf("counted %+v", got)
	}
	s.stop()
	secrets := leak.New()
	for what, secret := range map[string]string{"number": s.cards["anna"], "key": zak, "new key": string(second)} {
		secrets.Plant(what, []byte(secret))
	}
	for _, found := range secrets.Find(s.log.bytes()) {
		t.Errorf("the log has the %s", found)
	}
}

// Goal: who is not the peer does not get to say anything. Method: each way in that is closed, then the peer.
func TestGuardedLinkKeepsOthersOut(t *testing.T) {
	t.Parallel()
	s, a, config := guarded(t)
	address := s.peers["iso87-ascii-binbmp"].address
	wrong, wrongKey := a.Client("other.example", time.Hour)
	other, err := tls.LoadX509KeyPair(wrong, wrongKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*tls.Config{"no certificate": {RootCAs: a.Pool, ServerName: "localhost"},
		"another peer's": {RootCAs: a.Pool, ServerName: "localhost", Certificates: []tls.Certificate{other}}} {
		conn, err := tls.Dial("tcp", address, c)
		if err == nil {
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			_, err = conn.Read(make([]byte, 1))
			_ = conn.Close()
		}
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	plain, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if _, err := plain.Write([]byte("\x00\x200800 in plain text as it was before")); err != nil {
		t.Fatal(err)
	}
	_ = plain.SetReadDeadline(time.Now().Add(10 * time.Second))
	if got, err := io.ReadAll(plain); errors.Is(err, os.ErrDeadlineExceeded) || bytes.Contains(got, []byte("0810")) {
		t.Errorf("plain text: %d bytes, %v", len(got), err)
	}
	s.dialTLS(config).sealed(s.dialTLS(config).pays("0100", "anna", 1_00), unhex(zak), "00")
	s.has("anna", purse{1000_00, 1_00})
}

// Goal: a user can try it with the program's own network. Method: the built-in scenario and a trace, with what the links
// want and with less.
func TestSimulateAndReplayOnAGuardedLink(t *testing.T) {
	t.Parallel()
	s, a, _ := guarded(t)
	setup := s.peers["iso87-ascii-binbmp"]
	certificate, key := a.Client("network.example", time.Hour)
	dir := t.TempDir()
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, wrong := put("key", zak+"\n"), put("wrong", demoZoneMaster)
	secure := []string{"--tls", "--tls-authorities", a.File, "--tls-certificate", certificate, "--tls-key", key, "--tls-name", "localhost"}
	trace := put("trace.jsonl", `{"links":{"main":{"dialect":"iso87-ascii-binbmp"}}}
{"note":"a purchase","send":{"mti":"0100","2":"`+s.cards["anna"]+`","3":"000000","4":"000000000100","7":"1122101500","11":"000001","14":"4912",`+
		`"18":"5411","22":"051","32":"990001","37":"632610000001","41":"TERM0001","42":"MERCHANT0000001","49":"978"},"expect":{"39":"00"}}
`)
	simulate := []string{"simulate", "--addr", setup.address, "--framing", "bin2", "--dialect", "iso87-ascii-binbmp", "--card", "main=" + s.cards["anna"] + "/4912",
		"--scenario", "purchase"}
	replay := []string{"replay", "--addr", setup.address, "--trace", trace}
	for _, c := range []struct {
		name   string
		args   []string
		status int
		says   string
	}{
		{"simulate", slices.Concat(simulate, secure, []string{"--mac-key", good}), exitOK, "as expected"},
		{"simulate by another key", slices.Concat(simulate, secure, []string{"--mac-key", wrong}), exitFailed, "sign on"},
		{"simulate unsigned by another key", slices.Concat(simulate, secure, []string{"--unsigned", "--mac-key", wrong}), exitFailed, "message authentication"},
		{"replay", slices.Concat(replay, secure, []string{"--mac-key", good}), exitOK, ""},
		{"replay by another key", slices.Concat(replay, secure, []string{"--mac-key", wrong}), exitFailed, "63"},
		{"replay without codes", slices.Concat(replay, secure), exitFailed, "63"},
		{"no key of that length", slices.Concat(replay, []string{"--mac-key", put("short", "0123")}), exitUsage, "--mac-key"},
		{"no digits", slices.Concat(replay, []string{"--mac-key", put("text", "not a key")}), exitUsage, "hexadecimal"},
		{"no algorithm", slices.Concat(replay, []string{"--mac-key", good, "--mac-algorithm", "md5"}), exitUsage, "md5"},
		{"no --tls", slices.Concat(simulate, secure[1:]), exitUsage, "--tls"},
	} {
		status, out, errs := runHoldfastFor(c.args...)
		if status != c.status || !strings.Contains(out+errs, c.says) {
			t.Errorf("%s ended with %d, want %d and %q, and said\n%s%s", c.name, status, c.status, c.says, out, errs)
		}
		if strings.Contains(out+errs, zak) || strings.Contains(out+errs, s.cards["anna"]) {
			t.Errorf("%s shows what it must not", c.name)
		}
	}
	s.has("anna", purse{1000_00, 1_00})
}

// Goal: links that we open speak TLS, show our certificate, and sign on with a code where all is to have one. Method: the
// network's side by the tests' own cryptography.
func TestGuardedLinksThatWeOpen(t *testing.T) {
	t.Parallel()
	a := tlstest.New(t)
	n := startNetwork(t, "iso87-ascii")
	certificate, key := a.Server("localhost")
	source, err := tlsfile.Server(tlsfile.Files{Certificate: certificate, Key: key, Authorities: a.File, Names: []string{"issuer.example"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	mine, mineKey := a.Client("issuer.example", time.Hour)
	l := linkConfig{Listener: listenerConfig{Name: "out", Address: n.ln.Addr().String(),
		TLS:      &tlsConfig{Certificate: mine, Key: mineKey, Authorities: a.File, Names: []string{"localhost"}},
		Settings: peerSettings{Dialect: "iso87-ascii", RequireSignOn: true, MAC: &macConfig{Required: "all"}}}, RetryMax: 50 * time.Millisecond}
	dir := t.TempDir()
	path := filepath.Join(dir, keysFile)
	if _, err := keystore.Create(path, nil); err != nil {
		t.Fatal(err)
	}
	id, err := keystore.ImportKey(path, nil, "zak", unhex(zak), map[string]string{"peer": "out"})
	if err == nil {
		err = keystore.ActivateKey(path, nil, id)
	}
	if err != nil {
		t.Fatal(err)
	}
	node := serveGuarded(t, dir, config{Links: []linkConfig{l}})
	conn, err := n.ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	link := client.NewRaw(tls.Server(conn, source.Listener()), n.dialect.Profile().Framing)
	defer link.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	raw, err := link.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	m, err := n.dialect.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	covered, mac, ok := m.MAC(raw)
	if m.Get(70) != "001" || !ok || string(retailMAC(unhex(zak), covered)) != mac {
		t.Errorf("we sign on by %s %s, with a code: %v", m.MTI(), m.Get(70), ok)
	}
	forged := n.dialect.New("0810")
	forged.Copy(m, 7, 11, 70)
	if err := forged.Set(39, "00"); err != nil {
		t.Fatal(err)
	}
	body, err := forged.Append(nil) // an acceptance of nobody
	if err == nil {
		err = link.Write(body)
	}
	sign := func(covered []byte) ([]byte, error) { return retailMAC(unhex(zak), covered), nil }
	purchase := n.dialect.New("0100")
	for de, v := range purchaseOf("000001") {
		err = errors.Join(err, purchase.Set(de, v))
	}
	ask := func() string {
		body, err := purchase.AppendMAC(nil, sign)
		if err == nil {
			err = link.Write(body)
		}
		if err != nil {
			t.Fatal(err)
		}
		if raw, err = link.Read(ctx); err != nil {
			t.Fatal(err)
		}
		a, err := n.dialect.Decode(raw)
		if err != nil || !a.MACBy(sign) {
			t.Fatalf("an answer without its code: %v", err)
		}
		return a.Get(39)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != "91" {
		t.Errorf("after an acceptance of nobody a purchase is answered %s", got)
	}
	if body, err = forged.AppendMAC(nil, sign); err == nil {
		err = link.Write(body)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != "92" { // served: there is no such BIN
		t.Errorf("after the acceptance a purchase is answered %s", got)
	}
	if got := node.gateway.Stats(); got.MACMissing != 1 {
		t.Errorf("counted %+v", got)
	}
}

// serveGuarded serves a configuration on a data folder until the test ends.
func serveGuarded(t *testing.T, dir string, cfg config) *node {
	t.Helper()
	setups, err := cfg.setups()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Data, cfg.Store = dir, storeEmbedded
	n, err := openSwitch(t.Context(), &cfg, slog.New(slog.DiscardHandler))
	if err == nil {
		err = n.listen(setups)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.serve(ctx) }() // owned by the test, whose end waits for it
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return n
}

// Goal: a switch that could not keep what it promises does not start, and says why. Method: the program itself.
func TestGuardsThatCannotBeKept(t *testing.T) {
	t.Parallel()
	a := tlstest.New(t)
	certificate, key := a.Server("localhost")
	for text, want := range map[string]string{
		"{name: a, mac: {algorithm: md5}}":                                                 "md5",
		"{name: a, mac: {padding: 3}}":                                                     "padding",
		"{name: a, mac: {algorithm: cmac, padding: 2}}":                                    "padding",
		"{name: a, mac: {bytes: 12}}":                                                      "12 bytes",
		"{name: a, mac: {required: often}}":                                                "often",
		"{name: a, dialect: cmf-2003, mac: {bytes: 8}}":                                    "no room",
		"{name: a, mac: {}}":                                                               "zak",
		"{name: a, tls: {certificate: /nonexistent.pem, key: k}}":                          "/nonexistent.pem",
		"{name: a, tls: {}}":                                                               "needs a certificate",
		"{name: a, tls: {certificate: " + certificate + ", key: " + a.File + "}}":          "key",
		"{name: a, tls: {certificate: " + certificate + ", key: " + key + ", names: [x]}}": "authorities",
	} {
		path := filepath.Join(t.TempDir(), "holdfast.yaml")
		text = strings.Replace(text, "{name: a", `{name: a, address: "127.0.0.1:0"`, 1)
		if err := os.WriteFile(path, []byte("listeners: ["+text+"]"), 0o600); err != nil {
			t.Fatal(err)
		}
		status, _, errs := runHoldfastFor("serve", "--config", path, "--data", t.TempDir())
		if status != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("%s ended with %d and said %q, want %q", text, status, errs, want)
		}
	}
}
