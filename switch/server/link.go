package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"holdfast/switch/frame"
)

const (
	lingerTimeout  = time.Second
	lingerBytesMax = 1 << 20
)

// past is a deadline that has gone by.
var past = time.Unix(1, 0)

// Link identifies the connection of a peer, and lets a session speak without being asked.
type Link struct {
	ID       uint64 // counts from 1 for each server
	Listener string // Config.Name
	Remote   string // the peer's address
	Local    string // our address

	link *link
}

// Send sends a frame of our own. It is false when UnsolicitedMax frames wait already or the link is ending; then
// nothing is sent. It never blocks. On formats with a header the frame carries that of an answer to the last frame.
func (l Link) Send(message Encoder) bool { return l.link.send(message, false) }

// Hangup stops reading the link and closes it after its in-flight frames were answered.
func (l Link) Hangup() {
	l.link.mu.Lock()
	defer l.link.mu.Unlock()
	l.link.stop()
}

// link is one connection. Its reader goroutine is the one that runs run; the writer is started there.
type link struct {
	server  *Server
	conn    net.Conn
	info    Link
	session Session

	// Of the reader goroutine alone.
	goodbyeSaid bool
	armed       bool      // a read deadline is set
	until       time.Time // when the peer's certificate ends; zero: it has shown none

	mu sync.Mutex

	readable   sync.Cond // the reader waits for a slot
	writable   sync.Cond // the writer waits for answers, or for the end
	queue      []item    // answers to be written; bounded by InFlightMax + UnsolicitedMax + goodbyes
	inFlight   int       // frames read and neither written nor dropped
	unasked    int       // frames of our own in the queue
	lastHeader []byte    // of the last frame read, for frames of our own
	strikes    int
	corked     bool        // the reader does not wait, and has more to answer
	heard      bool        // a frame has come
	stopped    bool        // no more frames are wanted
	draining   bool        // the server drains
	readDone   bool        // the reader has left; nothing new comes
	dead       bool        // nothing is written any more
	deadline   *time.Timer // of the drain
	drainEnd   time.Time   // when a draining link stops reading in any case
}

func newLink(s *Server, conn net.Conn, id uint64) *link {
	l := &link{server: s, conn: conn}
	l.readable.L, l.writable.L = &l.mu, &l.mu
	l.info = Link{ID: id, Listener: s.config.Name, Remote: conn.RemoteAddr().String(),
		Local: conn.LocalAddr().String(), link: l}
	return l
}

// run serves the link from its first frame to its end.
func (l *link) run() {
	defer closeQuietly(l.conn)
	reason := "the session was refused"
	if err := l.handshake(); err != nil {
		reason = "the handshake failed: " + err.Error() // which tells of certificates, and of nothing else
		l.server.count.handshakes.Add(1)
	} else if l.session = l.open(); l.session != nil {
		writerDone := make(chan struct{})
		go func() { // owned by run, which waits for it
			defer close(writerDone)
			l.write()
		}()
		if !l.until.IsZero() { // what the peer showed is not good for longer
			defer time.AfterFunc(time.Until(l.until), l.info.Hangup).Stop()
		}
		var eof bool
		reason, eof = l.read()
		l.finishReading()
		<-writerDone
		if !eof {
			l.linger()
		}
	}
	l.kill(nil)
	if l.session != nil {
		l.closed()
	}
	l.server.log.Info("link closed", "link", l.info.ID, "remote", l.info.Remote, "reason", reason)
}

// handshake completes TLS under the deadline of a frame, which nothing else would bound.
func (l *link) handshake() error {
	conn, ok := l.conn.(interface {
		HandshakeContext(context.Context) error
		ConnectionState() tls.ConnectionState
	})
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), l.server.config.FrameTimeout)
	defer cancel()
	err := conn.HandshakeContext(ctx)
	if shown := conn.ConnectionState().PeerCertificates; err == nil && len(shown) > 0 {
		l.until = shown[0].NotAfter
	}
	return err
}

// read hands frames to the session until there are no more, and tells why, and whether the peer has ended its side.
func (l *link) read() (reason string, eof bool) {
	r := frame.NewReader(l.conn, l.server.config.Format, l.server.config.Limits)
	r.Waiting = l.setReadDeadline
	var eased ease
	for l.waitSlot() {
		header, body, err := r.Next()
		switch {
		case err != nil && l.sayGoodbye(err):
			continue
		case err != nil:
			return l.ended(err, r.Buffered() > 0)
		case body == nil:
			l.server.count.keepAlives.Add(1)
			continue
		}
		if x := l.exchange(header, body); x != nil {
			eased.after(l, x, r.Buffered() > 0)
		}
	}
	return "the link was stopped", false
}

// exchange hands one frame to the session. It is nil for what is no exchange.
func (l *link) exchange(header, body []byte) *Exchange {
	if code, rejected := l.server.config.Format.Rejected(header); rejected {
		l.server.count.rejected.Add(1)
		l.server.log.Warn("the peer gave a message of ours back", "link", l.info.ID, "code", code)
		return nil
	}
	x := &Exchange{link: l, body: body, receivedAt: time.Now()}
	if len(header) > 0 {
		x.header = append(x.header, header...) // the answer needs it when the reader's buffer has moved on
	}
	l.server.count.framesIn.Add(1)
	l.mu.Lock()
	l.inFlight++
	l.heard = true
	l.lastHeader = x.header
	l.mu.Unlock()
	l.frame(x)
	x.body = nil
	return x
}

// waitSlot waits until another frame may be in flight. It is false when none is wanted.
func (l *link) waitSlot() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.inFlight >= l.server.config.InFlightMax && !l.stopped && !l.dead {
		l.pour()
		l.readable.Wait()
	}
	return !l.stopped && !l.dead
}

// setReadDeadline is called before each read that may have to wait: with false between frames, and with true inside
// one. The lock makes it certain that a drain or a stop, which set a deadline in the past, are not overruled.
func (l *link) setReadDeadline(started bool) {
	config := &l.server.config
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pour()
	var t time.Time
	switch {
	case l.stopped || l.draining && (!l.goodbyeSaid || config.QuietTimeout == 0):
		return // already past
	case started:
		t = time.Now().Add(config.FrameTimeout)
	case l.draining:
		t = time.Now().Add(config.QuietTimeout)
	case !l.heard && config.FirstFrameTimeout > 0:
		t = time.Now().Add(config.FirstFrameTimeout)
	case config.IdleTimeout > 0:
		t = time.Now().Add(config.IdleTimeout)
	case !l.armed:
		return
	}
	if l.draining && t.After(l.drainEnd) {
		t = l.drainEnd
	}
	l.armed = !t.IsZero()
	_ = l.conn.SetReadDeadline(t) // fails only on a closed connection, and then the read fails too
}

// sayGoodbye is called when reading failed. The first time that this is because the server drains, it lets the
// session say goodbye, and is true: whatever has arrived is then still read.
func (l *link) sayGoodbye(err error) bool {
	l.mu.Lock()
	draining := l.draining
	l.mu.Unlock()
	if !draining || l.goodbyeSaid || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	l.goodbyeSaid = true
	l.goodbye()
	return l.server.config.QuietTimeout > 0
}

// ended tells why reading has ended, counts it, and says whether the peer has ended its side.
func (l *link) ended(err error, started bool) (reason string, eof bool) {
	l.mu.Lock()
	stopped, draining := l.stopped, l.draining
	l.mu.Unlock()
	count := &l.server.count
	var wrong *frame.LengthError
	switch {
	case err == io.EOF:
		return "the peer closed", true
	case errors.As(err, &wrong):
		count.badLengths.Add(1)
		return wrong.Error(), false
	case errors.Is(err, frame.ErrTruncated):
		count.truncated.Add(1)
		return "the stream ended inside a frame", true
	case !errors.Is(err, os.ErrDeadlineExceeded):
		if started {
			count.truncated.Add(1)
		}
		l.kill(nil) // broken: nobody is left to read an answer
		return "the connection broke", true
	case stopped:
		return "the link was stopped", false
	case draining:
		return "the server drains", false
	case started:
		count.frameTimeouts.Add(1)
		return "a started frame timed out", false
	}
	count.idleTimeouts.Add(1)
	return "the link was idle", false
}

// linger closes our direction and reads on for a moment. Closing a socket that has unread bytes makes the kernel
// reset the connection, and a reset destroys answers which the peer has not read yet.
func (l *link) linger() {
	half, ok := l.conn.(interface{ CloseWrite() error })
	l.mu.Lock()
	dead := l.dead
	l.mu.Unlock()
	if dead || !ok || half.CloseWrite() != nil {
		return
	}
	if l.conn.SetReadDeadline(time.Now().Add(lingerTimeout)) == nil {
		// Whatever is read is not wanted, and neither is the reason why it ends.
		_, _ = io.CopyN(io.Discard, l.conn, lingerBytesMax)
	}
}
