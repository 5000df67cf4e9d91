package replay_test

import (
	"context"
	"encoding/hex"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"holdfast/switch/frame"
	"holdfast/switch/iso"
	"holdfast/switch/replay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// host is somebody else's issuer host: it does with each message what its script says.
type host struct {
	t      *testing.T
	ln     net.Listener
	script func(c *conn, m *iso.Message)
	wg     sync.WaitGroup

	mu sync.Mutex

	got   []*iso.Message
	conns []net.Conn
}

type conn struct {
	net.Conn
	t *testing.T
}

func dialect(t *testing.T) *iso.Dialect {
	t.Helper()
	d, err := iso.Builtin("iso87-ascii")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func newHost(t *testing.T, script func(*conn, *iso.Message)) *host {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, ln: ln, script: script}
	h.wg.Go(h.accept)
	t.Cleanup(func() {
		_ = ln.Close()
		h.mu.Lock()
		for _, c := range h.conns {
			_ = c.Close()
		}
		h.mu.Unlock()
		h.wg.Wait()
	})
	return h
}

func (h *host) accept() {
	for {
		c, err := h.ln.Accept()
		if err != nil {
			return
		}
		h.mu.Lock()
		h.conns = append(h.conns, c)
		h.mu.Unlock()
		h.wg.Go(func() { h.serve(&conn{c, h.t}) })
	}
}

// seen are the messages that came, and on how many links.
func (h *host) seen() ([]*iso.Message, int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.got), len(h.conns)
}

func (h *host) serve(c *conn) {
	defer c.Close()
	d, _ := iso.Builtin("iso87-ascii")
	r := frame.NewReader(c, frame.Format{}, frame.Limits{FrameBytesMin: 1})
	for {
		_, body, err := r.Next()
		if err != nil {
			return
		}
		m, err := d.Decode(body)
		if err != nil {
			m = nil
		}
		h.mu.Lock()
		h.got = append(h.got, m)
		h.mu.Unlock()
		h.script(c, m)
	}
}

// answer sends the usual answer with some elements changed.
func (c *conn) answer(m *iso.Message, change map[int]string) {
	a := m.Dialect().New(m.MTI()[:2] + string(m.MTI()[2]+1) + "0")
	a.Copy(m, 2, 3, 4, 7, 11, 37, 41, 49, 70)
	fields := map[int]string{39: "00"}
	for de, v := range change {
		fields[de] = v
	}
	for de, v := range fields {
		if err := a.Set(de, v); err != nil {
			c.t.Error(err)
		}
	}
	c.send(a)
}

func (c *conn) send(m *iso.Message) {
	body, err := m.Append(nil)
	if err != nil {
		c.t.Error(err)
		return
	}
	framed, err := frame.Format{}.Append(nil, nil, body)
	if err != nil {
		c.t.Error(err)
	}
	_, _ = c.Write(framed) // the player may be gone
}

// play plays the lines against a host.
func play(t *testing.T, h *host, c replay.Config, lines ...string) (*replay.Report, error) {
	t.Helper()
	trace, err := replay.Read(strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	c.Targets = map[string]replay.Target{}
	for name := range trace.Links {
		c.Targets[name] = replay.Target{Addr: h.ln.Addr().String(), Dialect: dialect(t)}
	}
	return replay.Play(t.Context(), trace, c)
}

const (
	purchase = `"send":{"mti":"0100","2":"` + testPAN + `","4":"000000001234","7":"0115081354","11":"000102","37":"501508000102","41":"TERM0001"}`
	approved = `"expect":{"mti":"0110","2":"` + testPAN + `","4":"000000001234","11":"000102","37":"501508000102","39":"00","14":null}`
)

func approve(c *conn, m *iso.Message) {
	if m != nil {
		c.answer(m, nil)
	}
}

func TestPlayFindsNoDifferenceWhereThereIsNone(t *testing.T) {
	t.Parallel()
	for _, asRecorded := range []bool{false, true} {
		h := newHost(t, approve)
		report, err := play(t, h, replay.Config{AsRecorded: asRecorded, Repeat: 3}, `{`+purchase+`,`+approved+`}`)
		if err != nil || report.Differing != 0 || report.Sent != 3 || report.Answered != 3 {
			t.Fatalf("%v: %+v", err, report)
		}
		if l := report.Latency(); l.Max <= 0 || l.P50 > l.Max {
			t.Errorf("latency %+v", l)
		}
		stans := map[string]bool{}
		got, _ := h.seen()
		for _, m := range got {
			stans[m.Get(11)] = true
		}
		if want := 3; !asRecorded && len(stans) != want || asRecorded && (len(stans) != 1 || !stans["000102"]) {
			t.Errorf("as recorded %v: STANs %v", asRecorded, stans)
		}
	}
}

// Each script does one thing wrong, and the report must name just that, with card data masked.
func TestPlayShowsWhatDiffers(t *testing.T) {
	t.Parallel()
	usual := `{"id":"buy","note":"lunch",` + purchase + `,"within":"2s",` + approved + `}`
	cases := []struct {
		name    string
		script  func(*conn, *iso.Message)
		line    string
		element int
		want    string
		got     string
	}{
		{"another code", func(c *conn, m *iso.Message) { c.answer(m, map[int]string{39: "51"}) }, usual, 39, "00", "51"},
		{"another card", func(c *conn, m *iso.Message) { c.answer(m, map[int]string{2: "5555555555554444"}) }, usual, 2, "411111******1111", "555555******4444"},
		{"an expiry", func(c *conn, m *iso.Message) { c.answer(m, map[int]string{14: "4912"}) }, usual, 14, "absent", "(4 bytes)"},
		{"another message type", func(c *conn, m *iso.Message) {
			a := m.Dialect().New("0112")
			a.Copy(m, 2, 4, 11, 37)
			_ = a.Set(39, "00")
			c.send(a)
		}, usual, 0, "0110", "0112"},
		{"no answer", func(*conn, *iso.Message) {}, usual, replay.WholeAnswer, "an answer", "none within 2s"},
		{"an answer to something else", func(c *conn, m *iso.Message) {
			c.answer(m, map[int]string{11: "999999"})
		}, usual, replay.WholeAnswer, "an answer", "none within 2s"},
		{"a closed link", func(c *conn, _ *iso.Message) { _ = c.Close() }, usual, replay.WholeAnswer, "an answer", "closed the link"},
		{"an element that is missing", approve, `{` + purchase + `,"expect":{"38":"*"}}`, 38, "present", "absent"},
		{"an answer instead of silence", approve, `{` + purchase + `,"expect":"silence"}`, replay.WholeAnswer, "silence", "0110 with response code 00"},
		{"an open link", approve, `{` + purchase + `,"within":"50ms","expect":"closed"}`, replay.WholeAnswer, "closes", "open after 50ms"},
		{"a hidden element that differs", func(c *conn, m *iso.Message) { c.answer(m, map[int]string{48: "A1"}) },
			`{` + purchase + `,"expect":{"48":"B1"}}`, 48, "(2 bytes) of one content", "(2 bytes) of another"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			report, err := play(t, newHost(t, c.script), replay.Config{}, c.line)
			if err != nil || report.Differing != 1 {
				t.Fatalf("%v: %+v", err, report)
			}
			d := report.Differences[0]
			if d.Element != c.element || !strings.Contains(d.Want, c.want) || !strings.Contains(d.Got, c.got) || d.Line != 1 || d.Step != 1 {
				t.Errorf("got %+v", d)
			}
			if strings.Contains(d.Want+d.Got, testPAN) || strings.Contains(d.Got, "5555555555554444") {
				t.Error("the difference holds the card number")
			}
		})
	}
}

// A host that answers two held requests in the wrong order, and one that gives a repeat another answer.
func TestHeldAnswersAndRepeats(t *testing.T) {
	t.Parallel()
	other := strings.ReplaceAll(purchase, "000102", "000103")
	held := []string{
		`{"id":"a","hold":true,` + purchase + `,"expect":{"11":"000102","39":"00"}}`,
		`{"id":"b","hold":true,` + other + `,"expect":{"11":"000103","39":"51"}}`,
		`{"await":["a","b"]}`,
		`{` + strings.ReplaceAll(strings.ReplaceAll(purchase, `"0100"`, `"0101"`), "081354", "090000") + `,"expect":{"same":"a","38":"@a"}}`,
	}
	var mu sync.Mutex
	var first *iso.Message
	codes := "ABC123"
	h := newHost(t, func(c *conn, m *iso.Message) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case first == nil:
			first = m
		case m.MTI() == "0101":
			c.answer(m, map[int]string{38: codes})
		default:
			c.answer(m, map[int]string{39: "51"})
			c.answer(first, map[int]string{38: "ABC123"})
		}
	})
	report, err := play(t, h, replay.Config{}, held...)
	if err != nil || report.Differing != 0 || report.Answered != 3 {
		t.Fatalf("%v: %+v", err, report)
	}
	mu.Lock()
	first, codes = nil, "ZZZ999"
	mu.Unlock()
	report, err = play(t, h, replay.Config{}, held...)
	if err != nil || report.Differing != 2 || report.Differences[0].Element != 38 || report.Differences[1].Element != 38 {
		t.Fatalf("a repeat with another answer: %v: %+v", err, report)
	}
}

// Bytes that are no message are sent as they are; a link that the host closed is dialled again.
func TestRawBytesAndClosedLinks(t *testing.T) {
	t.Parallel()
	var bodies int
	var mu sync.Mutex
	h := newHost(t, func(c *conn, m *iso.Message) {
		mu.Lock()
		defer mu.Unlock()
		if bodies++; m == nil && bodies > 1 {
			_ = c.Close()
		} else if m != nil {
			c.answer(m, nil)
		}
	})
	report, err := play(t, h, replay.Config{},
		`{"send":{"hex":"6869"},"within":"30ms","expect":"silence"}`,
		`{"send":{"wire":"00026869"},"expect":"closed"}`,
		`{"expect":"closed"}`,
		`{`+purchase+`,`+approved+`}`)
	if err != nil || report.Differing != 0 || report.Sent != 3 {
		t.Fatalf("%v: %+v", err, report)
	}
	if _, n := h.seen(); n != 2 {
		t.Errorf("%d links, want 2", n)
	}
}

// A message in hex is renewed like any other, so that it can be played again.
func TestHexMessagesAreRenewed(t *testing.T) {
	t.Parallel()
	h := newHost(t, approve)
	echo := hex.EncodeToString([]byte("0800" + "8220000000000000" + "0400000000000000" + "0115080657" + "000101" + "301"))
	report, err := play(t, h, replay.Config{Repeat: 2},
		`{"send":{"hex":"`+echo+`"},"expect":{"mti":"0810","11":"000101","70":"301"}}`)
	got, _ := h.seen()
	if err != nil || report.Differing != 0 || len(got) != 2 {
		t.Fatalf("%v: %+v", err, report)
	}
	if a, b := got[0].Get(11), got[1].Get(11); a == b || slices.Contains([]string{a, b}, "000101") {
		t.Errorf("STANs %s and %s", a, b)
	}
}

func TestRateIsNotExceeded(t *testing.T) {
	t.Parallel()
	report, err := play(t, newHost(t, approve), replay.Config{Repeat: 5, Rate: 100}, `{`+purchase+`,`+approved+`}`)
	if err != nil || report.Took < 40*time.Millisecond {
		t.Errorf("%v: 5 messages at 100 a second took %v", err, report.Took)
	}
}

func TestPlayEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	h := newHost(t, func(*conn, *iso.Message) { cancel() })
	trace, err := replay.Read(strings.NewReader(`{` + purchase + `,` + approved + `}`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = replay.Play(ctx, trace, replay.Config{Targets: map[string]replay.Target{
		replay.MainLink: {Addr: h.ln.Addr().String(), Dialect: dialect(t)}}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestPlayNamesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	h := newHost(t, approve)
	if _, err := play(t, h, replay.Config{}, `{"send":{"mti":"0100","2":"`+testPAN+`","4":"12"},"expect":{}}`); err == nil ||
		!strings.Contains(err.Error(), "line 1: send: element 4") || strings.Contains(err.Error(), testPAN) {
		t.Errorf("a value that does not fit: %v", err)
	}
	trace, err := replay.Read(strings.NewReader(`{"link":"x",` + purchase + `}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := replay.Play(t.Context(), trace, replay.Config{}); err == nil || !strings.Contains(err.Error(), "link x has no target") {
		t.Errorf("a link without a target: %v", err)
	}
}
