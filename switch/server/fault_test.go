package server_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"holdfast/switch/frame"
	"holdfast/switch/server"
)

const secret = "4000001234567899"

// faulty panics or errs as the frame asks for.
func faulty(x *server.Exchange) {
	x.Attach(string(x.Body()))
	switch what := string(x.Body()); what {
	case "panic in frame":
		panic("with " + secret)
	case "panic after answer":
		x.Reply(text(what))
		panic(errors.New("with " + secret))
	case "index out of range":
		_ = x.Body()[len(what)+len(secret)]
	case "panic in encoder":
		x.Reply(server.EncoderFunc(func(dst []byte) ([]byte, error) { panic([]byte(secret)) }))
	case "error in encoder":
		x.Reply(server.EncoderFunc(func(dst []byte) ([]byte, error) { return append(dst, secret...), errors.New("refused") }))
	case "answer too long":
		x.Reply(text(strings.Repeat("x", frame.BytesMax+1)))
	case "nothing in it":
		x.Reply(text(""))
	case "no encoder at all":
		x.Reply(nil)
	case "cut short by encoder":
		x.Reply(server.EncoderFunc(func(dst []byte) ([]byte, error) { return nil, nil }))
	default:
		echo(x)
	}
}

var faults = []string{"panic in frame", "panic after answer", "index out of range", "panic in encoder",
	"error in encoder", "answer too long", "nothing in it", "no encoder at all", "cut short by encoder"}

// Goal: a fault of a session costs one exchange, which its session may still answer, and never the link or its
// other answers; and what was in the frame is not logged.
func TestFaultsOfASessionAreAnsweredByIt(t *testing.T) {
	t.Parallel()
	r := start(t, server.Config{}, handler(func(server.Link) server.Session {
		return rescuer{session{frame: faulty}, func(x *server.Exchange) { x.Reply(text("sorry: " + x.Attached().(string))) }}
	}))
	p := r.peer()
	for i, fault := range faults {
		want := "sorry: " + fault
		if fault == "panic after answer" {
			want = fault
		}
		p.send(message(i))
		p.receive(message(i))
		p.send(fault)
		p.receive(want)
	}
	r.stop()
	n := int64(len(faults))
	wantStats(t, r.Stats(), map[string]int64{"Accepted": 1, "FramesIn": 2 * n, "FramesOut": 2 * n, "InFlight": 0,
		"Panics": 5, "EncodeErrors": 4, "InternalErrors": 0, "Dropped": 0})
	if log := r.log.String(); strings.Contains(log, secret) || !strings.Contains(log, "server_test.faulty") ||
		!strings.Contains(log, "index out of range [34]") {
		t.Errorf("log: %s", log)
	}
}

func TestFaultsWithoutAnAnswerLeaveTheLinkAlone(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]handler{
		"no Malfunction":       onFrame(faulty),
		"Malfunction is quiet": func(server.Link) server.Session { return rescuer{session{frame: faulty}, func(*server.Exchange) {}} },
		"Malfunction panics": func(server.Link) server.Session {
			return rescuer{session{frame: faulty}, func(*server.Exchange) { panic(secret) }}
		},
		"Malfunction answers badly": func(server.Link) server.Session {
			return rescuer{session{frame: faulty}, func(x *server.Exchange) { x.Reply(nil) }}
		},
	} {
		r := start(t, server.Config{InFlightMax: 1}, h) // a slot that is not freed stops the test
		p := r.peer()
		for i, fault := range faults {
			p.send(fault, message(i))
			if fault == "panic after answer" {
				p.receive(fault)
			}
			p.receive(message(i))
		}
		r.stop()
		n := int64(len(faults))
		wantStats(t, r.Stats(), map[string]int64{"FramesIn": 2 * n, "FramesOut": n + 1, "InFlight": 0, "Dropped": n - 1})
		if strings.Contains(r.log.String(), secret) {
			t.Errorf("%s: log: %s", name, r.log)
		}
	}
}

// Goal: a batch in which one answer fails delivers the others.
func TestAFaultyAnswerDoesNotHarmItsNeighbours(t *testing.T) {
	t.Parallel()
	var held []*server.Exchange
	r := start(t, server.Config{}, onFrame(func(x *server.Exchange) {
		x.Attach(string(x.Body()))
		if held = append(held, x); len(held) < 3 {
			return
		}
		for _, x := range held {
			if what := x.Attached().(string); what == "answer too long" {
				x.Reply(text(strings.Repeat("x", frame.BytesMax+1)))
			} else {
				x.Reply(text(what))
			}
		}
	}))
	p := r.peer()
	p.send(message(1), "answer too long", message(2))
	p.receive(message(1), message(2))
}

func TestPanicInOpenOrARefusedSessionClosesTheLink(t *testing.T) {
	t.Parallel()
	for _, h := range []handler{
		func(server.Link) server.Session { panic(secret) },
		func(server.Link) server.Session { return nil },
	} {
		r := start(t, server.Config{}, h)
		p := r.peer()
		p.receiveEnd()
		r.stop()
		if strings.Contains(r.log.String(), secret) {
			t.Errorf("log: %s", r.log)
		}
		wantStats(t, r.Stats(), map[string]int64{"Accepted": 1, "Links": 0})
	}
}

func TestCompletingTwiceOrTooLateIsHarmless(t *testing.T) {
	t.Parallel()
	exchanges := make(chan *server.Exchange, 2)
	closed := make(chan struct{})
	r := start(t, server.Config{DrainTimeout: 10 * time.Millisecond}, handler(func(server.Link) server.Session {
		return session{closed: func() { close(closed) }, frame: func(x *server.Exchange) {
			if string(x.Body()) == message(0) {
				x.Reply(text("once"))
				x.Reply(text("twice"))
				x.Malformed()
				return
			}
			exchanges <- x
		}}
	}))
	p := r.peer()
	p.send(message(0), message(1), message(2))
	p.receive("once")
	late, silent := <-exchanges, <-exchanges
	p.conn.Close()
	<-closed // by the drain's time-out, since two frames are unanswered
	wantStats(t, r.Stats(), map[string]int64{"InFlight": 2, "InternalErrors": 2, "DrainTimeouts": 1, "Malformed": 0})
	late.Reply(text("late"))
	silent.Silent()
	r.stop()
	wantStats(t, r.Stats(), map[string]int64{"InFlight": 0, "Dropped": 1, "FramesOut": 1, "InternalErrors": 2})
}
