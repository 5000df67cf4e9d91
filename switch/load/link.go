package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/switch/frame"
)

const (
	ringSlots     = 4096 // messages in flight on a link; a power of two
	writeBytesMax = 64 << 10
)

// link is one connection. Its messages are those of the run whose index leaves its own index when divided by the
// number of links; message k of the link is message index + k*links of the run.
type link struct {
	run    *run
	index  uint64
	conn   net.Conn
	frames *frame.Reader
	buf    []byte
	stamp  stamp

	sent atomic.Uint64 // messages handed to the connection
	ring [ringSlots]slot
	room chan struct{} // one token: answers came since the writer last looked

	// The reader's own.
	counts  Counts
	latency *Latency
	answers answers
	fresh   bool // the stream was read since the clock was
	lastAt  time.Duration

	late *Latency // the writer's own
}

// slot remembers a message in flight.
type slot struct {
	number atomic.Uint64 // plus one; 0 when the slot is free
	due    atomic.Int64  // nanoseconds after start
}

// dial connects and signs on.
func dial(ctx context.Context, r *run, index uint64) (*link, error) {
	t := &r.generator.target
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", t.Addr)
	if err != nil {
		return nil, err
	}
	if t.Wrap != nil {
		conn = t.Wrap(conn)
	}
	l := &link{run: r, index: index, conn: conn, room: make(chan struct{}, 1), latency: NewLatency(), late: NewLatency(),
		answers: answers{dialect: t.Dialect}, buf: make([]byte, 0, writeBytesMax)}
	l.frames = frame.NewReader(conn, t.Format, frame.Limits{FrameBytesMin: 1, FrameBytesMax: t.Format.BodyBytesMax()})
	l.frames.Waiting = func(bool) { l.fresh = true }
	if err := l.signOn(); err != nil {
		return nil, errors.Join(fmt.Errorf("sign on: %w", err), conn.Close())
	}
	return l, nil
}

func (l *link) signOn() error {
	t := &l.run.generator.target
	request, err := signOn(t.Dialect, t.Format, time.Now())
	if err == nil {
		err = l.conn.SetDeadline(time.Now().Add(dialTimeout))
	}
	if err == nil {
		_, err = l.conn.Write(request)
	}
	if err != nil {
		return err
	}
	for {
		_, body, err := l.frames.Next()
		if err != nil {
			return err
		}
		if body == nil {
			continue
		}
		m, err := t.Dialect.Decode(body)
		switch {
		case err != nil:
			return err
		case m.MTI() == "0810" && m.Get(39) == "00":
			return nil
		case m.MTI() == "0810":
			return errors.New("it is refused")
		}
	}
}

// open runs the writer and the reader of an open run.
func (l *link) open(ctx context.Context) error {
	r := l.run
	if l.index < r.total {
		l.counts.Offered = (r.total-l.index-1)/r.links + 1
	}
	if err := l.conn.SetDeadline(r.start.Add(r.last + r.drain)); err != nil {
		return err
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	var writer sync.WaitGroup
	var writeErr error
	writer.Go(func() { writeErr = l.write(reading) })
	readErr := l.readAll()
	stop()
	writer.Wait()
	return errors.Join(readErr, writeErr)
}

// write sends everything that is due in one write, and waits for what is due next.
func (l *link) write(reading context.Context) error {
	r := l.run
	timer := time.NewTimer(0)
	defer timer.Stop()
	for k := uint64(0); k < l.counts.Offered; {
		now := time.Since(r.start)
		l.stamp.set(r.start.Add(now))
		from := k
		for ; k < l.counts.Offered && len(l.buf) < writeBytesMax-len(r.generator.template.framed); k++ {
			due := r.due(l.index + k*r.links)
			if due > now || !l.put(k, due) {
				break
			}
			l.late.Record(now - due)
		}
		if k > from {
			if err := l.send(k); err != nil {
				return quiet(err)
			}
			continue
		}
		wake := timer.C
		if due := r.due(l.index + k*r.links); due > now {
			timer.Reset(max(due-now, r.tick))
		} else {
			wake = nil // the ring is full: only an answer helps
		}
		select {
		case <-wake:
		case <-l.room:
		case <-reading.Done():
			return nil
		}
	}
	return nil
}

// put adds message k of the link to what will be sent. It is false when too many are in flight.
func (l *link) put(k uint64, due time.Duration) bool {
	s := &l.ring[k%ringSlots]
	if s.number.Load() != 0 {
		return false
	}
	r := l.run
	n := r.first + l.index + k*r.links
	s.due.Store(int64(due))
	s.number.Store(n + 1)
	l.buf = r.generator.template.append(l.buf, n, &l.stamp, &r.generator.target)
	return true
}

// send writes what was put; k is the number of messages so far. They count as sent before they are, because their
// answers may be faster than the return of the call.
func (l *link) send(k uint64) error {
	l.sent.Store(k)
	_, err := l.conn.Write(l.buf)
	l.buf = l.buf[:0]
	return err
}

// readAll reads until every message of an open run is answered, or until its time is over.
func (l *link) readAll() error {
	for l.counts.Answered() < l.counts.Offered {
		if err := l.readSome(); err != nil {
			return quiet(err)
		}
		select {
		case l.room <- struct{}{}:
		default:
		}
	}
	return nil
}

// closed keeps the window full until the time is over, and reads what is in flight then. One goroutine does both,
// so that a hand-over between two does not count as latency.
func (l *link) closed(context.Context) error {
	r := l.run
	if err := l.conn.SetDeadline(r.start.Add(r.last + r.drain)); err != nil {
		return err
	}
	for k := uint64(0); ; {
		now := time.Since(r.start)
		if now < r.last {
			l.stamp.set(r.start.Add(now))
			for answered := l.counts.Answered(); k-answered < uint64(r.window) && l.put(k, now); k++ {
			}
			l.counts.Offered = k
		} else if l.counts.Answered() >= k {
			return nil
		}
		if len(l.buf) > 0 {
			if err := l.send(k); err != nil {
				return quiet(err)
			}
		}
		if err := l.readSome(); err != nil {
			return quiet(err)
		}
	}
}

// readSome waits for one frame and takes those that arrived with it.
func (l *link) readSome() error {
	before := l.counts.Approved
	for once := true; once || l.frames.Buffered() > 0; once = false {
		_, body, err := l.frames.Next()
		if err != nil {
			return err
		}
		if l.fresh {
			l.fresh, l.lastAt = false, time.Since(l.run.start)
		}
		if body != nil {
			l.account(body)
		}
	}
	l.run.generator.approved.Add(l.counts.Approved - before)
	return nil
}

// account matches one answer.
func (l *link) account(body []byte) {
	number, verdict := l.answers.read(body)
	if verdict == ignored {
		return
	}
	r := l.run
	i := number - r.first // wraps to a huge one for a number of an earlier run
	k := i / r.links
	if verdict == foreign || i%r.links != l.index || k >= l.sent.Load() {
		l.counts.Foreign++
		return
	}
	s := &l.ring[k%ringSlots]
	due := time.Duration(s.due.Load())
	if !s.number.CompareAndSwap(number+1, 0) {
		l.counts.Duplicates++
		return
	}
	l.latency.Record(l.lastAt - due)
	switch verdict {
	case approved:
		l.counts.Approved++
	case declined:
		l.counts.Declined++
	default:
		l.counts.Undecided++
	}
}

// finish adds what the link counted to the result.
func (l *link) finish(result *Result) {
	l.counts.Unanswered = l.counts.Offered - l.counts.Answered()
	result.Counts.add(l.counts)
	result.Latency.Merge(l.latency)
	result.Late.Merge(l.late)
	result.Decoded += l.answers.decoded
	result.Elapsed = max(result.Elapsed, l.lastAt)
	l.run.longest = max(l.run.longest, l.sent.Load())
}

// quiet takes the end of the run's time for what it is: the messages without an answer are counted.
func quiet(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}
