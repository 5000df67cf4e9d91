package main

import (
	"context"
	"net"
	"testing"
	"time"

	"holdfast/switch/client"
	"holdfast/switch/iso"
)

// farNetwork is a payment network that waits for the switch to connect.
type farNetwork struct {
	t       *testing.T
	dialect *iso.Dialect
	ln      net.Listener
}

func startNetwork(t *testing.T, dialect string) *farNetwork {
	t.Helper()
	d, err := iso.Builtin(dialect)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return &farNetwork{t, d, ln}
}

// dialled is a link that the switch has opened.
type dialled struct {
	*client.Raw
	*farNetwork
}

func (n *farNetwork) accept() *dialled {
	n.t.Helper()
	if err := n.ln.(*net.TCPListener).SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		n.t.Fatal(err)
	}
	conn, err := n.ln.Accept()
	if err != nil {
		n.t.Fatal(err)
	}
	l := &dialled{client.NewRaw(conn, n.dialect.Profile().Framing), n}
	n.t.Cleanup(func() { l.Close() })
	return l
}

// read returns the next message, nil when the switch has closed the link.
func (l *dialled) read() *iso.Message {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	body, err := l.Read(ctx)
	if ctx.Err() != nil {
		l.t.Fatal("the switch is silent")
	}
	if err != nil {
		return nil
	}
	m, err := l.dialect.Decode(body)
	if err != nil {
		l.t.Fatal(err)
	}
	return m
}

func (l *dialled) write(m *iso.Message) {
	l.t.Helper()
	raw, err := m.Append(nil)
	if err == nil {
		err = l.Write(raw)
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

// expect reads a message of a type and code, and answers it.
func (l *dialled) expect(code, answer string) {
	l.t.Helper()
	m := l.read()
	at := l.dialect.Profile().Places.NetworkCode
	if m == nil || m.At(at) != code {
		l.t.Fatalf("want network management %s", code)
	}
	out := l.dialect.New(m.MTI()[:2] + "10")
	out.Copy(m, 7, 11, 12, 24, 70)
	if err := out.Set(39, answer); err != nil {
		l.t.Fatal(err)
	}
	l.write(out)
}

// ask sends elements and returns the answer.
func (l *dialled) ask(mti string, elements map[int]string) *iso.Message {
	l.t.Helper()
	m := l.dialect.New(mti)
	for de, v := range elements {
		if err := m.Set(de, v); err != nil {
			l.t.Fatal(err)
		}
	}
	l.write(m)
	return l.read()
}

func dialNetwork(t *testing.T, n *farNetwork, change func(*linkConfig)) *host {
	t.Helper()
	l := linkConfig{Listener: listenerConfig{Name: "out", Address: n.ln.Addr().String(),
		Settings: peerSettings{Dialect: n.dialect.Name(), RequireSignOn: true}}, RetryMax: 50 * time.Millisecond}
	change(&l)
	cfg := config{Links: []linkConfig{l}}
	setups, err := cfg.setups()
	if err != nil {
		t.Fatal(err)
	}
	return startSetups(t, setups)
}

func purchaseOf(stan string) map[int]string {
	return map[int]string{2: "4111111111111111", 3: "000000", 4: "000000001000", 7: "1122101500", 11: stan, 14: "4912", 18: "5411",
		22: "051", 32: "990001", 37: "632610" + stan, 41: "TERM0001", 42: "MERCHANT0000001", 49: "978"}
}

// Goal: the switch connects, signs on, and serves; a repeat on the twin gets the same answer; a link that the network
// closes comes back; the drain signs off.
func TestLinksThatWeOpen(t *testing.T) {
	t.Parallel()
	n := startNetwork(t, "iso87-ascii")
	h := dialNetwork(t, n, func(l *linkConfig) { l.Count = 2 })
	one := n.accept()
	if a := one.ask("0100", purchaseOf("000001")); a == nil || a.MTI() != "0800" || a.Get(70) != "001" {
		t.Fatal("the switch does not sign on first")
	} else if refused := one.read(); refused.Get(39) != "91" {
		t.Fatalf("before the sign-on: action code %s", refused.Get(39))
	} else if echo := one.ask("0800", map[int]string{7: "1122101500", 11: "000002", 70: "301"}); echo.MTI() != "0810" || echo.Get(39) != "00" {
		t.Fatalf("echo: %s %s", echo.MTI(), echo.Get(39))
	} else {
		out := n.dialect.New("0810")
		out.Copy(a, 7, 11, 70)
		if err := out.Set(39, "00"); err != nil {
			t.Fatal(err)
		}
		one.write(out)
	}
	first := one.ask("0100", purchaseOf("000003"))
	if first.MTI() != "0110" || first.Get(39) != "00" {
		t.Fatalf("a purchase: %s %s", first.MTI(), first.Get(39))
	}
	twin := n.accept()
	twin.expect("001", "00")
	if again := twin.ask("0101", purchaseOf("000003")); again.Get(39) != "00" || again.Get(38) != first.Get(38) {
		t.Errorf("a repeat on the twin: %s, and the approval code is another: %t", again.Get(39), again.Get(38) != first.Get(38))
	}
	one.Close()
	back := n.accept()
	back.expect("001", "00")
	if a := back.ask("0100", purchaseOf("000004")); a.Get(39) != "00" {
		t.Errorf("on the link that came back: %s", a.Get(39))
	}
	stopped := make(chan struct{})
	go func() { defer close(stopped); h.stop() }() // owned by this test, which waits for it
	for _, l := range []*dialled{twin, back} {
		if m := l.read(); m == nil || m.Get(70) != "002" {
			t.Error("no sign-off when the switch drains")
		}
		if m := l.read(); m != nil {
			t.Errorf("after the sign-off: %s", m.MTI())
		}
	}
	<-stopped
}

// Goal: a network that refuses our sign-on, does not answer it, or stops answering echoes loses the link, and is dialled
// again until it is well.
func TestANetworkThatIsNotWell(t *testing.T) {
	t.Parallel()
	n := startNetwork(t, "iso93-ascii")
	dialNetwork(t, n, func(l *linkConfig) { l.AnswerWithin, l.EchoEvery = 3*time.Second, 20*time.Millisecond })
	refuses := n.accept()
	refuses.expect("801", "909")
	if m := refuses.read(); m != nil {
		t.Errorf("after a refusal: %s", m.MTI())
	}
	hangs := n.accept()
	if m := hangs.read(); m == nil || m.Get(24) != "801" {
		t.Error("no sign-on")
	}
	if m := hangs.read(); m != nil {
		t.Errorf("without an answer: %s", m.MTI())
	}
	fades := n.accept()
	fades.expect("801", "800")
	fades.expect("831", "800")
	fades.expect("831", "800")
	if m := fades.read(); m == nil || m.Get(24) != "831" {
		t.Error("no third echo")
	}
	if m := fades.read(); m != nil {
		t.Errorf("without an answer to an echo: %s", m.MTI())
	}
	well := n.accept()
	well.expect("801", "800")
	well.expect("831", "800")
}

func TestLinkSettings(t *testing.T) {
	t.Parallel()
	good := listenerConfig{Name: "out", Address: "127.0.0.1:1"}
	for name, links := range map[string][]linkConfig{
		"no name":    {{Listener: listenerConfig{Address: "127.0.0.1:1"}}},
		"no address": {{Listener: listenerConfig{Name: "out"}}},
		"count":      {{Listener: good, Count: 65}},
		"retry":      {{Listener: good, RetryMax: -1}},
		"two":        {{Listener: good}, {Listener: good}},
	} {
		if _, err := (config{Links: links}).setups(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	var c config
	if err := decodeYAML([]byte("links: [{name: out, address: \"127.0.0.1:1\", dialect: cmf-2003, count: 2, signOn: false, echoEvery: 5s}]"), &c); err != nil {
		t.Fatal(err)
	}
	setups, err := c.setups()
	if err != nil || setups[0].dial.signOn || setups[0].dial.dialer.Links != 2 || setups[0].peer.Dialect.Name() != "cmf-2003" {
		t.Errorf("%+v, %v", setups, err)
	}
}
