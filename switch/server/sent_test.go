package server_test

import (
	"testing"

	"holdfast/switch/server"
)

// noted is an answer that notes when it was encoded and when it was written.
type noted struct {
	text
	events chan string
}

func (n noted) Append(dst []byte) ([]byte, error) {
	n.events <- "encoded"
	return n.text.Append(dst)
}

func (n noted) Sent() { n.events <- "sent" }

// An answer hears that it was written after it was encoded, and before it hears so the peer can have it.
func TestAnswersHearThatTheyWereWritten(t *testing.T) {
	t.Parallel()
	events := make(chan string, 8)
	r := start(t, server.Config{}, onFrame(func(x *server.Exchange) { x.Reply(noted{text(x.Body()), events}) }))
	p := r.peer()
	for i := range 3 {
		p.send(message(i))
		for _, want := range []string{"encoded", "sent"} {
			if got := <-events; got != want {
				t.Fatalf("%s, want %s", got, want)
			}
		}
		p.receive(message(i))
	}
}
