package server

import (
	"errors"
	"os"
	"sync"
	"time"
)

// writeBytes is how much is collected before it is written, and so roughly the size of a writer's buffer.
const writeBytes = 64 << 10

// queueKeep is the length of queue that a link keeps while it is idle.
const queueKeep = 64

// buffers are shared by all writers, so that a link which has nothing to say holds none.
var buffers = sync.Pool{New: func() any {
	b := make([]byte, 0, writeBytes)
	return &b
}}

// item is one frame to be written: the answer of an exchange, or a frame of our own when there is no exchange.
type item struct {
	exchange *Exchange
	message  Encoder
}

// answer queues an exchange's answer.
func (l *link) answer(x *Exchange, message Encoder, malformed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.strike(malformed)
	if l.dead {
		l.server.count.dropped.Add(1)
		l.server.count.completed.Add(1)
		return
	}
	l.queue = append(l.queue, item{x, message})
	if len(l.queue) == 1 && !l.corked {
		l.writable.Signal()
	}
}

// noAnswer frees the slot of an exchange that has none.
func (l *link) noAnswer(malformed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.server.count.completed.Add(1)
	l.strike(malformed)
	l.release(1)
}

// release frees slots. The caller holds mu.
func (l *link) release(slots int) {
	if l.inFlight >= l.server.config.InFlightMax {
		l.readable.Signal()
	}
	l.inFlight -= slots
	if l.inFlight == 0 && l.readDone {
		l.writable.Signal()
	}
}

// send queues a frame of our own. A goodbye is sent however many wait.
func (l *link) send(message Encoder, goodbye bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead || l.readDone || l.unasked >= l.server.config.UnsolicitedMax && !goodbye {
		return false
	}
	l.unasked++
	l.queue = append(l.queue, item{nil, message})
	l.writable.Signal()
	return true
}

// write writes answers until nothing more can come.
func (l *link) write() {
	var spare []item
	for {
		batch := l.take(spare)
		if len(batch) == 0 {
			return
		}
		answers, unsolicited, failed, err := l.writeBatch(batch)
		if err != nil {
			l.server.count.dropped.Add(int64(answers))
			l.server.count.completed.Add(int64(answers))
			if errors.Is(err, os.ErrDeadlineExceeded) {
				l.kill(&l.server.count.writeTimeouts)
			} else {
				l.kill(nil)
			}
		} else {
			l.written(answers, unsolicited)
			for _, it := range batch {
				if m, ok := it.message.(Sender); ok {
					m.Sent()
				}
			}
		}
		for _, x := range failed {
			l.rescue(x)
		}
		clear(batch)
		spare = batch[:0]
		if cap(spare) > queueKeep {
			spare = nil
		}
	}
}

// take waits for items and returns them, putting spare in their place. It returns none when the link is over.
func (l *link) take(spare []item) []item {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 && !l.dead && !(l.readDone && l.inFlight == 0) {
		l.writable.Wait()
	}
	batch := l.queue
	l.queue, l.unasked = spare, 0
	return batch
}

// written counts what was handed to the socket and frees its slots.
func (l *link) written(answers, unsolicited int) {
	l.server.count.framesOut.Add(int64(answers))
	l.server.count.completed.Add(int64(answers))
	l.server.count.unsolicited.Add(int64(unsolicited))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.release(answers)
}

// writeBatch encodes items into one buffer and writes it, in parts if it grows large. It returns how many answers and
// frames of our own were encoded, and the exchanges whose answers could not be.
func (l *link) writeBatch(batch []item) (answers, unsolicited int, failed []*Exchange, err error) {
	pooled := buffers.Get().(*[]byte)
	buf := (*pooled)[:0]
	defer func() {
		clear(buf) // answers hold card data
		if cap(buf) <= 2*writeBytes {
			*pooled = buf[:0]
		}
		buffers.Put(pooled)
	}()
	for _, it := range batch {
		var ok bool
		buf, ok = l.encode(buf, it)
		switch {
		case !ok && it.exchange != nil:
			failed = append(failed, it.exchange)
		case ok && it.exchange != nil:
			answers++
		case ok:
			unsolicited++
		}
		if len(buf) >= writeBytes && err == nil {
			err = l.flush(buf)
			clear(buf)
			buf = buf[:0]
		}
	}
	if len(buf) > 0 && err == nil {
		err = l.flush(buf)
	}
	return answers, unsolicited, failed, err
}

func (l *link) flush(buf []byte) error {
	if err := l.conn.SetWriteDeadline(time.Now().Add(l.server.config.WriteTimeout)); err != nil {
		return err
	}
	_, err := l.conn.Write(buf)
	return err
}

// encode appends one frame. When that fails, or panics, the buffer is returned as it was.
func (l *link) encode(buf []byte, it item) (out []byte, ok bool) {
	defer func() {
		if value := recover(); value != nil {
			l.server.panicked("Encoder", value)
			out, ok = buf, false
		}
	}()
	format := l.server.config.Format
	var space [32]byte
	header := l.header(space[:0], it.exchange)
	out, mark := format.Begin(buf, header)
	out, err := it.message.Append(out)
	if err == nil {
		out, err = format.End(out, mark)
	}
	if err != nil {
		l.server.count.encodeErrors.Add(1)
		l.server.log.Error("encode answer", "link", l.info.ID, "error", err)
		return buf, false
	}
	return out, true
}

// header appends the header of a frame to be written.
func (l *link) header(dst []byte, x *Exchange) []byte {
	format := l.server.config.Format
	if format.HeaderBytes() == 0 {
		return dst
	}
	if x != nil {
		return format.ReplyHeader(dst, x.header)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lastHeader == nil {
		return format.FirstHeader(dst)
	}
	return format.ReplyHeader(dst, l.lastHeader)
}
