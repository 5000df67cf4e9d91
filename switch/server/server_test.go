package server_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/switch/frame"
	"holdfast/switch/server"
)

func TestPipelinedFramesAreAnsweredInOrder(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"bin2", "ascii4+incl", "bcd2+tpdu", "bin4+hdr=40"} {
		f, err := frame.Parse(format)
		if err != nil {
			t.Fatal(err)
		}
		r := start(t, server.Config{Format: f}, onFrame(echo))
		p := r.peer()
		want := messages(3000)
		var sending sync.WaitGroup
		sending.Go(func() { p.send(want...) })
		p.receive(want...)
		sending.Wait()
		r.stop()
		wantStats(t, r.Stats(), map[string]int64{"FramesIn": 3000, "FramesOut": 3000, "InFlight": 0, "Links": 0, "Dropped": 0})
	}
}

func TestFramesCutByTheNetworkAreWhole(t *testing.T) {
	t.Parallel()
	r := start(t, server.Config{}, onFrame(echo))
	p := r.peer()
	stream := ""
	for i := range 3 {
		framed, _ := p.format.Append(nil, nil, []byte(message(i)))
		stream += "\x00\x00" + string(framed)
	}
	for i := range len(stream) {
		p.sendRaw(stream[i : i+1])
	}
	p.receive(messages(3)...)
	r.stop()
	wantStats(t, r.Stats(), map[string]int64{"FramesIn": 3, "FramesOut": 3, "KeepAlives": 3, "Malformed": 0})
}

// Goal: answers may be made by other goroutines, in another order, and all arrive.
func TestAnswersFromOtherGoroutines(t *testing.T) {
	t.Parallel()
	var held []*server.Exchange
	r := start(t, server.Config{}, onFrame(func(x *server.Exchange) {
		x.Attach(string(x.Body()))
		if held = append(held, x); len(held) == 3 {
			go func() { // owned by the test: it ends before the answers arrive
				for _, i := range []int{2, 0, 1} {
					held[i].Reply(text(held[i].Attached().(string)))
				}
			}()
		}
	}))
	p := r.peer()
	p.send(messages(3)...)
	p.receive(message(2), message(0), message(1))
}

func TestHalfClosedPeerIsAnswered(t *testing.T) {
	t.Parallel()
	arrived := make(chan *server.Exchange, 5)
	closed := make(chan struct{})
	r := start(t, server.Config{}, handler(func(server.Link) server.Session {
		return session{frame: func(x *server.Exchange) { arrived <- x }, closed: func() { close(closed) }}
	}))
	p := r.peer()
	p.send(messages(5)...)
	if err := p.conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		(<-arrived).Reply(text(message(i)))
	}
	p.receive(messages(5)...)
	p.receiveEnd()
	<-closed
}

func TestBadLengthClosesTheLinkAfterItsAnswers(t *testing.T) {
	t.Parallel()
	ascii4, _ := frame.Parse("ascii4")
	for _, wire := range []string{"-001", "+005", " 001", "9999", "0x1F", "0001"} {
		r := start(t, server.Config{Format: ascii4}, onFrame(echo))
		p := r.peer()
		p.send(message(1))
		p.sendRaw("0000" + wire + "4000001234567899 and more that is never read")
		p.receive(message(1))
		p.receiveEnd()
		p.conn.Close()
		r.stop()
		wantStats(t, r.Stats(), map[string]int64{"BadLengths": 1, "KeepAlives": 1, "FramesIn": 1, "FramesOut": 1})
		if log := r.log.String(); bytes.Contains(r.log.Bytes(), []byte("400000")) || !bytes.Contains(r.log.Bytes(), []byte("ascii4 length")) {
			t.Errorf("log after %q: %s", wire, log)
		}
	}
}

func TestErrorBudget(t *testing.T) {
	t.Parallel()
	r := start(t, server.Config{}, onFrame(func(x *server.Exchange) {
		switch string(x.Body()) {
		case "bad and silent":
			x.Malformed()
		case "bad and answered":
			x.MalformedReply(text("format error"))
		default:
			echo(x)
		}
	}))
	p := r.peer()
	bad, told := "bad and silent", "bad and answered"
	p.send(bad, bad, message(1), bad, told) // 2 strikes, back to 1, then 3
	p.send(message(2), message(3))          // not read any more
	p.receive(message(1), "format error")
	p.receiveEnd()
	p.conn.Close()
	p = r.peer()
	for i := range 20 { // good frames restore the budget
		p.send(bad, message(i))
	}
	p.receive(messages(20)...)
	r.stop()
	wantStats(t, r.Stats(), map[string]int64{"Struck": 1, "Malformed": 24, "FramesIn": 45, "FramesOut": 22, "InFlight": 0})
}

func TestLinksOverTheLimitAreClosed(t *testing.T) {
	t.Parallel()
	r := start(t, server.Config{LinksMax: 2}, onFrame(echo))
	first, second := r.peer(), r.peer()
	for _, p := range []*peer{first, second} {
		p.send(message(1))
		p.receive(message(1))
	}
	third := r.peer()
	if _, _, err := third.reader.Next(); err == nil {
		t.Fatal("a third link was served")
	}
	wantStats(t, r.Stats(), map[string]int64{"Links": 2, "Accepted": 2, "Refused": 1})
	first.conn.Close()
	for r.Stats().Links == 2 { // until the server has noticed
		second.send(message(2))
		second.receive(message(2))
	}
	fourth := r.peer()
	fourth.send(message(4))
	fourth.receive(message(4))
}

func TestTPDUIsSwappedAndOurOwnFramesFollowIt(t *testing.T) {
	t.Parallel()
	format, _ := frame.Parse("nac")
	r := start(t, server.Config{Format: format, UnsolicitedMax: 2}, handler(func(l server.Link) server.Session {
		if !l.Send(text("first of our own")) || !l.Send(text("second")) || l.Send(text("too many")) {
			t.Error("UnsolicitedMax is not kept")
		}
		return session{frame: func(x *server.Exchange) { echo(x); l.Send(text("ours again")) }}
	}))
	p := r.peer()
	next := func(wantHeader, wantBody string) {
		t.Helper()
		header, body, err := p.reader.Next()
		if err != nil || string(header) != wantHeader || string(body) != wantBody {
			t.Fatalf("got % x %q %v, want % x %q", header, body, err, wantHeader, wantBody)
		}
	}
	next("\x60\x00\x00\x00\x00", "first of our own")
	next("\x60\x00\x00\x00\x00", "second")
	framed, _ := format.Append(nil, []byte("\x60\x00\x03\x12\x34"), []byte(message(1)))
	p.sendRaw(string(framed))
	next("\x60\x12\x34\x00\x03", message(1))
	next("\x60\x12\x34\x00\x03", "ours again")
	r.stop()
	wantStats(t, r.Stats(), map[string]int64{"Unsolicited": 3, "FramesOut": 1})
}

// Goal: an answer carries the header of its own request, however late it is.
func TestHeadersOfHeldAnswers(t *testing.T) {
	t.Parallel()
	format, _ := frame.Parse("bin2+hdr=4")
	arrived := make(chan *server.Exchange, 2)
	r := start(t, server.Config{Format: format}, onFrame(func(x *server.Exchange) { arrived <- x }))
	p := r.peer()
	var held []*server.Exchange
	for _, header := range []string{"AAAA", "BBBB"} { // the second takes the first one's place in the reader's buffer
		framed, _ := format.Append(nil, []byte(header), []byte(message(1)))
		p.sendRaw(string(framed))
		held = append(held, <-arrived)
	}
	for i, want := range []string{"AAAA", "BBBB"} {
		held[i].Reply(text(message(i)))
		if header, body, err := p.reader.Next(); err != nil || string(header) != want || string(body) != message(i) {
			t.Errorf("answer %d is %q %q, %v", i, header, body, err)
		}
	}
}

func TestHangupAnswersFirst(t *testing.T) {
	t.Parallel()
	r := start(t, server.Config{}, handler(func(l server.Link) server.Session {
		return session{frame: func(x *server.Exchange) { l.Hangup(); l.Hangup(); echo(x) }}
	}))
	p := r.peer()
	p.send(messages(3)...)
	p.receive(message(0))
	p.receiveEnd()
}

func TestServeTellsThatTheListenerWasClosed(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(server.Config{Name: "test"}, onFrame(echo), nil)
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if err := s.Serve(context.Background(), ln); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: %v", err)
	}
}

func TestValidateNamesTheField(t *testing.T) {
	t.Parallel()
	ascii4, _ := frame.Parse("ascii4")
	for want, config := range map[string]server.Config{
		"Name":           {},
		"FrameBytesMax":  {Name: "x", Limits: frame.Limits{FrameBytesMax: 65536}},
		"FrameBytesMin":  {Name: "x", Format: ascii4, Limits: frame.Limits{FrameBytesMin: 10_000, FrameBytesMax: 20_000}},
		"LinksMax":       {Name: "x", LinksMax: -1},
		"InFlightMax":    {Name: "x", InFlightMax: 1 << 17},
		"UnsolicitedMax": {Name: "x", UnsolicitedMax: -1},
		"MalformedMax":   {Name: "x", MalformedMax: -1},
		"IdleTimeout":    {Name: "x", IdleTimeout: -1},
		"FrameTimeout":   {Name: "x", FrameTimeout: 1},
		"WriteTimeout":   {Name: "x", WriteTimeout: -time.Second},
		"DrainTimeout":   {Name: "x", DrainTimeout: 1},
		"QuietTimeout":   {Name: "x", QuietTimeout: 6 * time.Second},
	} {
		if _, err := server.New(config, onFrame(echo), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error that names %s, got %v", want, err)
		}
	}
	if err := (server.Config{Name: "x"}).Validate(); err != nil {
		t.Errorf("the defaults do not pass: %v", err)
	}
}
