package server

import (
	"runtime"
	"time"
)

// ease slows the reading of a link whose frames are mostly answered at once, as all are that an overload or a flood is
// refused with. A refusal costs little but for the system calls around it: whoever waits a moment before it reads again
// finds many frames at once, and answers them with one write. What is spared is there for those that are decided on.
// Honest links meet this only while the node has too much to do, and then for less than a batch takes. Of the reader
// alone.
type ease struct {
	level int
	last  time.Time // when the frame before was there, or the wait before was over
}

const (
	easeFrom  = 32 // every frame that is answered at once counts 2, every other takes 1 back
	easeFor   = 5 * time.Millisecond
	easeYield = 8 // frames that are answered at once before others get the processor
)

// after is told of every frame whether it was answered at once, and whether more of the stream is there already.
func (e *ease) after(l *link, x *Exchange, more bool) {
	atOnce := x.done.Load()
	switch {
	case x.receivedAt.Sub(e.last) >= easeFor: // nobody is in a hurry
		e.level = 0
	case atOnce:
		e.level = min(e.level+2, 2*easeFrom)
	default:
		e.level = max(0, e.level-1)
	}
	e.last = x.receivedAt
	slow := e.level > easeFrom
	if slow {
		l.cork()
	}
	switch {
	case !atOnce:
	case slow && !more:
		l.uncork()
		<-time.After(easeFor) // a rest by design: nothing will say that more has come
		e.last = time.Now()
	case !more, e.level%(2*easeYield) == 0:
		// A peer that always has more to read would keep a processor until it is taken away, and those who decide on
		// the others would wait for it, at every step that they make, longer than the step takes.
		runtime.Gosched()
	}
}

// cork keeps the writer from writing until the reader has to wait: what else is there is to be answered with it.
func (l *link) cork() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.corked = true
}

func (l *link) uncork() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pour()
}

// pour lets the writer write. The caller holds mu.
func (l *link) pour() {
	if l.corked && len(l.queue) > 0 {
		l.writable.Signal()
	}
	l.corked = false
}
