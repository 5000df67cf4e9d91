package server_test

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/switch/server"
)

// pipes is a listener of in-memory connections, for bubbles. An error in errs comes first.
type pipes struct {
	conns chan net.Conn
	errs  chan error
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes {
	return &pipes{conns: make(chan net.Conn), errs: make(chan error, 100), done: make(chan struct{})}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case err := <-p.errs:
		return nil, err
	default:
	}
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

// startBubble serves in-memory links inside a bubble, where time passes at once.
func startBubble(t *testing.T, ln *pipes, config server.Config, h server.Handler) *running {
	r := startOn(t, ln, config, h)
	r.dial = func() net.Conn {
		ours, theirs := net.Pipe()
		ln.conns <- theirs
		return ours
	}
	return r
}

// endsAfter wants the link to be closed exactly after d.
func endsAfter(t *testing.T, p *peer, d time.Duration) {
	t.Helper()
	from := time.Now()
	_ = p.conn.SetReadDeadline(time.Time{})
	if _, err := p.conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("read: %v, want the end", err)
	}
	if took := time.Since(from); took != d {
		t.Errorf("closed after %s, want %s", took, d)
	}
}

func TestSlowLorisIsClosedAndIdleLinksLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startBubble(t, newPipes(), server.Config{FrameTimeout: 5 * time.Second}, onFrame(echo))
		idle, loris := r.peer(), r.peer()
		time.Sleep(24 * time.Hour) // of the bubble
		idle.send(message(1))
		idle.receive(message(1))
		loris.sendRaw("\x00") // half a length
		endsAfter(t, loris, 5*time.Second)

		drip := r.peer() // a byte each two seconds does not move the deadline
		from := time.Now()
		for i := range 10 {
			if _, err := drip.conn.Write([]byte{0, 30}[i%2 : i%2+1]); err != nil {
				break
			}
			time.Sleep(2 * time.Second)
		}
		if took := time.Since(from); took != 6*time.Second { // the write that fails is the one at 6 s
			t.Errorf("a dripping peer was closed after %s", took)
		}
		idle.send(message(2))
		idle.receive(message(2))
		idle.conn.Close()
		r.stop()
		wantStats(t, r.Stats(), map[string]int64{"FrameTimeouts": 2, "IdleTimeouts": 0, "FramesOut": 2})
	})
}

// Goal: a peer that vanished without a word is found by the idle time-out, which frames and keep-alives put off.
func TestIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startBubble(t, newPipes(), server.Config{IdleTimeout: time.Minute}, onFrame(echo))
		p := r.peer()
		time.Sleep(59 * time.Second)
		p.send(message(1))
		p.receive(message(1))
		time.Sleep(59 * time.Second)
		p.sendRaw("\x00\x00")
		endsAfter(t, p, time.Minute)
		r.stop()
		wantStats(t, r.Stats(), map[string]int64{"IdleTimeouts": 1, "KeepAlives": 1, "FrameTimeouts": 0})
	})
}

// Goal: whoever connects and says nothing is sent away soon, whoever has said something may be silent for long.
func TestFirstFrameTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startBubble(t, newPipes(), server.Config{FirstFrameTimeout: 30 * time.Second}, onFrame(echo))
		silent, known := r.peer(), r.peer()
		known.send(message(1))
		known.receive(message(1))
		endsAfter(t, silent, 30*time.Second)
		time.Sleep(time.Hour)
		known.send(message(2))
		known.receive(message(2))
		known.conn.Close()
		r.stop()
		wantStats(t, r.Stats(), map[string]int64{"IdleTimeouts": 1})
	})
}

func TestPeerThatNeverReadsIsClosedAndOthersAreNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startBubble(t, newPipes(), server.Config{WriteTimeout: 2 * time.Second, InFlightMax: 8}, onFrame(echo))
		deaf, well := r.peer(), r.peer()
		from := time.Now()
		sent := 0
		for ; ; sent++ {
			framed, _ := deaf.format.Append(nil, nil, []byte(message(sent)))
			if _, err := deaf.conn.Write(framed); err != nil {
				break
			}
			well.send(message(sent))
			well.receive(message(sent))
		}
		if took := time.Since(from); took != 2*time.Second || sent < 8 || sent > 9 {
			t.Errorf("closed after %s and %d frames, want 2s and 8 in flight", took, sent)
		}
		well.conn.Close()
		r.stop()
		wantStats(t, r.Stats(), map[string]int64{"WriteTimeouts": 1, "Dropped": 8, "InFlight": 0, "DrainTimeouts": 0})
	})
}

func TestAFullLinkIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var held []*server.Exchange
		r := startBubble(t, newPipes(), server.Config{InFlightMax: 3}, onFrame(func(x *server.Exchange) { held = append(held, x) }))
		p := r.peer()
		go func() { p.send(messages(3)...); p.send(message(3)) }() // owned by the bubble
		synctest.Wait()
		if len(held) != 3 {
			t.Fatalf("%d frames in flight, want 3", len(held))
		}
		held[1].Silent()
		synctest.Wait()
		if len(held) != 4 {
			t.Fatalf("%d frames seen after a slot was freed, want 4", len(held))
		}
		for _, i := range []int{0, 2, 3} {
			held[i].Reply(text(message(i)))
		}
		p.receive(message(0), message(2), message(3))
		p.conn.Close()
		r.stop()
	})
}

// Goal: errors of Accept, such as no file descriptors left, are waited out with growing patience.
func TestAcceptErrorsAreWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := newPipes()
		for range 12 {
			ln.errs <- errors.New("too many open files")
		}
		from := time.Now()
		r := startBubble(t, ln, server.Config{}, onFrame(echo))
		p := r.peer()
		// 5, 10, 20 ... 640 ms, then 1 s for each of the last four
		if took := time.Since(from); took != 1275*time.Millisecond+4*time.Second {
			t.Errorf("accepted after %s", took)
		}
		p.send(message(1))
		p.receive(message(1))
		ln.errs <- errors.New("once more")
		second := r.peer() // taken by the Accept that was already waiting
		from = time.Now()
		third := r.peer()
		if took := time.Since(from); took != 5*time.Millisecond {
			t.Errorf("after a success the patience is %s, want 5ms", took)
		}
		for _, q := range []*peer{p, second, third} {
			q.conn.Close()
		}
		r.stop()
		wantStats(t, r.Stats(), map[string]int64{"AcceptErrors": 13, "Accepted": 3})
	})
}

func TestDrainSaysGoodbyeWaitsForAnswersAndGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var held []*server.Exchange
		var goodbyes atomic.Int32
		r := startBubble(t, newPipes(), server.Config{DrainTimeout: 10 * time.Second}, handler(func(server.Link) server.Session {
			return session{
				frame:   func(x *server.Exchange) { held = append(held, x) },
				goodbye: func(send func(server.Encoder)) { goodbyes.Add(1); send(text("goodbye")); send(text("and good luck")) },
			}
		}))
		p, q := r.peer(), r.peer()
		p.send(message(0))
		synctest.Wait()
		q.send(message(1))
		synctest.Wait()
		from := time.Now()
		r.cancel()
		p.receive("goodbye", "and good luck")
		q.receive("goodbye", "and good luck")
		_ = p.conn.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := p.conn.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a draining link was read: %v", err)
		}
		time.Sleep(8 * time.Second)
		held[0].Reply(text("late but in time"))
		p.receive("late but in time")
		endsAfter(t, p, 0)
		endsAfter(t, q, time.Second) // nobody answers there
		r.stop()
		if took := time.Since(from); took != 10*time.Second || goodbyes.Load() != 2 {
			t.Errorf("drained in %s with %d goodbyes, want 10s and 2", took, goodbyes.Load())
		}
		wantStats(t, r.Stats(), map[string]int64{"DrainTimeouts": 1, "Links": 0, "Unsolicited": 4, "FramesOut": 1})
	})
}

// Goal: with a QuietTimeout, a peer that still sends while the drain begins is answered until it falls silent, but
// not for ever.
func TestDrainListensUntilThePeerIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := server.Config{DrainTimeout: 10 * time.Second, QuietTimeout: time.Second}
		r := startBubble(t, newPipes(), config, handler(func(server.Link) server.Session {
			return session{frame: echo, goodbye: func(send func(server.Encoder)) { send(text("goodbye")) }}
		}))
		p, chatty := r.peer(), r.peer()
		synctest.Wait()
		from := time.Now()
		r.cancel()
		p.receive("goodbye")
		chatty.receive("goodbye")
		time.Sleep(900 * time.Millisecond)
		p.send(message(1))
		p.receive(message(1))
		var talking sync.WaitGroup
		talking.Go(func() {
			for chatty.conn.SetDeadline(time.Now().Add(time.Minute)) == nil {
				framed, _ := chatty.format.Append(nil, nil, []byte(message(2)))
				if _, err := chatty.conn.Write(framed); err != nil {
					return
				}
				if _, _, err := chatty.reader.Next(); err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
		time.Sleep(50 * time.Millisecond)
		endsAfter(t, p, 950*time.Millisecond)
		r.stop()
		if took := time.Since(from); took != 5*time.Second {
			t.Errorf("drained in %s, want half of the DrainTimeout", took)
		}
		talking.Wait()
	})
}

// Goal: a drain that begins while a session is busy is not overruled by the deadline of the next frame.
func TestDrainWhileTheSessionIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := make(chan struct{})
		r := startBubble(t, newPipes(), server.Config{FrameTimeout: 5 * time.Second}, onFrame(func(x *server.Exchange) {
			<-busy
			echo(x)
		}))
		p := r.peer()
		framed, _ := p.format.Append(nil, nil, []byte(message(1)))
		p.sendRaw(string(framed) + "\x00") // and half the length of the next
		synctest.Wait()
		r.cancel()
		synctest.Wait()
		close(busy)
		p.receive(message(1))
		endsAfter(t, p, 0)
		r.stop()
		wantStats(t, r.Stats(), map[string]int64{"FrameTimeouts": 0, "FramesOut": 1})
	})
}
