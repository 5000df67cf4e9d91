package server

import (
	"sync/atomic"
	"time"
)

// This file is how a link ends, and how the faults of a session are kept from ending more than their exchange.

// drain tells the link that the server drains.
func (l *link) drain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.draining = true
	l.drainEnd = time.Now().Add(l.server.config.DrainTimeout / 2)
	l.armDeadline()
	if !l.readDone { // a link that lingers has a deadline of its own
		_ = l.conn.SetReadDeadline(past) // fails only on a closed connection
	}
}

// stop makes the reader leave. The caller holds mu.
func (l *link) stop() {
	if l.stopped || l.readDone {
		return
	}
	l.stopped = true
	l.readable.Signal()
	_ = l.conn.SetReadDeadline(past) // fails only on a closed connection
}

// finishReading tells the writer that nothing new comes.
func (l *link) finishReading() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readDone = true
	l.pour() // nobody else will
	l.armDeadline()
	l.writable.Signal()
}

// armDeadline bounds the time that in-flight frames may still take. The caller holds mu.
func (l *link) armDeadline() {
	if l.deadline == nil && !l.dead {
		l.deadline = time.AfterFunc(l.server.config.DrainTimeout, func() { l.kill(&l.server.count.drainTimeouts) })
	}
}

// kill closes the connection at once, drops what waits to be written, and counts the reason if there is one. Only
// the first call does anything.
func (l *link) kill(reason *atomic.Int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return
	}
	l.dead = true
	if reason != nil {
		reason.Add(1)
	}
	if l.deadline != nil {
		l.deadline.Stop()
	}
	answers := int64(len(l.queue) - l.unasked)
	l.server.count.dropped.Add(answers)
	l.server.count.completed.Add(answers)
	l.queue, l.unasked = nil, 0
	l.readable.Signal()
	l.writable.Signal()
	closeQuietly(l.conn)
}

// strike takes one from the error budget, or gives one back. The caller holds mu.
func (l *link) strike(malformed bool) {
	if !malformed {
		l.strikes = max(l.strikes-1, 0)
		return
	}
	l.server.count.malformed.Add(1)
	if l.strikes++; l.strikes == l.server.config.MalformedMax {
		l.server.count.struck.Add(1)
		l.stop()
	}
}

func (l *link) open() (session Session) {
	defer func() {
		if value := recover(); value != nil {
			l.server.panicked("Open", value)
			session = nil
		}
	}()
	return l.server.handler.Open(l.info)
}

// frame calls the session; after a panic the session is asked for an answer.
func (l *link) frame(x *Exchange) {
	defer func() {
		if value := recover(); value != nil {
			l.server.panicked("Frame", value)
			if !x.done.Load() {
				l.malfunction(x)
			}
		}
	}()
	l.session.Frame(x)
}

// rescue gets another answer for an exchange whose answer could not be encoded. The exchange is a new one, so that a
// late completion of the old one is still found out, and nobody sees the body of another frame.
func (l *link) rescue(failed *Exchange) {
	x := &Exchange{link: l, header: failed.header, receivedAt: failed.receivedAt, attached: failed.attached, rescued: true}
	if failed.rescued {
		x.abandon()
		return
	}
	l.malfunction(x)
}

func (l *link) malfunction(x *Exchange) {
	defer x.abandon()
	defer func() {
		if value := recover(); value != nil {
			l.server.panicked("Malfunction", value)
		}
	}()
	if session, ok := l.session.(Malfunctioner); ok {
		x.rescued = true
		session.Malfunction(x)
	}
}

func (l *link) goodbye() {
	defer func() {
		if value := recover(); value != nil {
			l.server.panicked("Goodbye", value)
		}
	}()
	l.session.Goodbye(func(message Encoder) { l.send(message, true) })
}

func (l *link) closed() {
	defer func() {
		if value := recover(); value != nil {
			l.server.panicked("Closed", value)
		}
	}()
	l.session.Closed()
}
