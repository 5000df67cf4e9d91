package server_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/switch/server"
)

// burst has a peer send so many messages in one piece of the stream, which nobody reads at once.
func burst(p *peer, n int) {
	var all []byte
	for range n {
		all, _ = p.format.Append(all, nil, []byte(message(1)))
	}
	go p.sendRaw(string(all)) // owned by the bubble, which waits for it
}

// Goal: a link that has been refused over and over is read in pieces, and an honest one at once. Method: in a bubble's time,
// when the answer to one more frame comes.
func TestALinkThatIsOftenRefusedIsReadInPieces(t *testing.T) {
	for frames, want := range map[int]time.Duration{8: 0, 100: 5 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			r := startBubble(t, newPipes(), server.Config{}, onFrame(echo))
			p := r.peer()
			burst(p, frames)
			p.receive(slices.Repeat([]string{message(1)}, frames)...)
			for i := range 2 {
				from := time.Now()
				p.send(message(2))
				p.receive(message(2))
				if took := time.Since(from); i == 0 && took != want || i == 1 && took != 0 {
					t.Errorf("after %d frames, the next but %d was answered after %v", frames, i, took)
				}
				time.Sleep(time.Second)
			}
			r.stop()
		})
	}
}

// Goal: what is still to be answered when such a link is hung up is answered. Method: the link is stopped between two frames
// that have arrived together, while the writer waits for more to write.
func TestAHangupLosesNoAnswerOfALinkThatIsOftenRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := make(chan *server.Exchange, 1)
		n := 0
		r := startBubble(t, newPipes(), server.Config{}, handler(func(l server.Link) server.Session {
			return session{frame: func(x *server.Exchange) {
				switch n++; n {
				case 99:
					x.Attach(string(x.Body()))
					held <- x
				case 100:
					l.Hangup()
					echo(x)
				default:
					echo(x)
				}
			}}
		}))
		p := r.peer()
		burst(p, 101) // one more than is read
		p.receive(slices.Repeat([]string{message(1)}, 99)...)
		x := <-held
		synctest.Wait() // the writer has nothing to write
		x.Reply(text(message(3)))
		p.receive(message(3))
		r.stop()
	})
}
