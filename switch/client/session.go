package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/moov-io/iso8583"
	connection "github.com/moov-io/iso8583-connection"

	"holdfast/switch/frame"
	"holdfast/switch/iso"
)

// lateGrace is how much longer than its caller the library waits for an answer, so that the two time-outs never
// meet: one that expires while the connection fails can lock the library up.
const lateGrace = time.Second

// past is a deadline that has gone by.
var past = time.Unix(1, 0)

// session is one established link: moov's connection over a socket, with our frames and our matching.
type session struct {
	client  *Client
	conn    net.Conn
	moov    *connection.Connection
	reader  *frame.Reader // of the library's reading goroutine
	pending *matcher
	sends   sync.WaitGroup // the library's calls, which may outlive their callers

	once sync.Once
	lost chan struct{} // closed when the reading goroutine has met the end
}

func newSession(c *Client, conn net.Conn) (*session, error) {
	s := &session{client: c, conn: conn, pending: newMatcher(c.config.Dialect.Profile().OwnTime), lost: make(chan struct{})}
	var err error
	socket := guarded{conn, c.config.FrameTimeout, func() { s.pending.settle(false) }}
	s.moov, err = connection.NewFrom(socket, c.config.Dialect.Spec(), nil, nil,
		connection.SetRequestIDGenerator(s.pending),
		connection.SetMessageReader(s),
		connection.SetMessageWriter(s),
		connection.SendTimeout(c.config.Timeout+lateGrace),
	)
	if err != nil {
		return nil, fmt.Errorf("set up link: %w", err)
	}
	return s, nil
}

// guarded gives each write a deadline, and settles before it tells an error.
type guarded struct {
	net.Conn
	timeout time.Duration
	settle  func()
}

func (g guarded) Write(p []byte) (n int, err error) {
	if err = g.SetWriteDeadline(time.Now().Add(g.timeout)); err == nil {
		n, err = g.Conn.Write(p)
	}
	if err != nil {
		g.settle()
	}
	return n, err
}

// result is what the library's Send returned.
type result struct {
	message *iso8583.Message
	err     error
}

// send sends a request and waits for its answer, for the link's end, or for ctx.
func (s *session) send(ctx context.Context, request *iso.Message) (*iso.Message, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	message, err := s.toMoov(request)
	if err != nil {
		return nil, err
	}
	id, err := s.pending.add(message)
	if err != nil {
		return nil, err
	}
	results := make(chan result, 1) // so that an answer nobody waits for does not keep the goroutine
	s.client.stats.sent.Add(1)
	s.sends.Go(func() {
		answer, err := s.moov.Send(message)
		s.pending.remove(id)
		results <- result{answer, err}
	})
	select {
	case r := <-results:
		return s.answered(r)
	case <-s.lost:
	case <-ctx.Done():
		s.client.stats.timedOut.Add(1)
		return nil, context.Cause(ctx)
	}
	select { // an answer that came before the end is worth more than the end
	case r := <-results:
		return s.answered(r)
	default:
		return nil, ErrClosed
	}
}

func (s *session) answered(r result) (*iso.Message, error) {
	switch {
	case errors.Is(r.err, connection.ErrConnectionClosed):
		return nil, ErrClosed
	case errors.Is(r.err, connection.ErrSendTimeout):
		return nil, ErrTimeout
	case r.err != nil:
		return nil, errors.New("hand message to the link") // the library's errors may quote a message
	}
	raw, err := r.message.Pack()
	if err != nil {
		return nil, errors.New("read answer back from the library") // the same
	}
	return s.client.config.Dialect.Decode(raw)
}

// notify sends a message for which nobody waits.
func (s *session) notify(message *iso.Message) error {
	body, err := message.AppendMAC(nil, s.client.config.MAC)
	if err != nil {
		return err
	}
	framed, err := s.frame(body)
	if err != nil {
		return err
	}
	if _, err := s.moov.Write(framed); err != nil {
		return ErrClosed
	}
	s.client.stats.sent.Add(1)
	return nil
}

func (s *session) frame(body []byte) ([]byte, error) {
	format := s.client.config.Format
	var header [16]byte
	return format.Append(make([]byte, 0, len(body)+32), format.FirstHeader(header[:0]), body)
}

func (s *session) toMoov(m *iso.Message) (*iso8583.Message, error) {
	raw, err := m.AppendMAC(nil, s.client.config.MAC)
	if err != nil {
		return nil, err
	}
	message := iso8583.NewMessage(s.client.config.Dialect.Spec())
	if err := message.Unpack(raw); err != nil {
		return nil, errors.New("hand message to the library") // its error quotes the message
	}
	return message, nil
}

// WriteMessage writes one message in one write. The library calls it.
func (s *session) WriteMessage(w io.Writer, message *iso8583.Message) error {
	s.pending.written(message)
	body, err := message.Pack()
	if err != nil {
		return err
	}
	framed, err := s.frame(body)
	if err != nil {
		return err
	}
	_, err = w.Write(framed)
	return err
}

// ReadMessage reads one frame and returns its message if it answers a pending request; everything else is dealt
// with here, and is nil without error, which the library passes over. The library calls it, on one goroutine.
func (s *session) ReadMessage(r io.Reader) (*iso8583.Message, error) {
	if s.reader == nil {
		s.reader = frame.NewReader(r, s.client.config.Format, s.client.config.Limits)
		s.reader.Waiting = s.setReadDeadline
	}
	_, body, err := s.reader.Next()
	if err != nil {
		s.pending.settle(true)
		s.once.Do(func() { close(s.lost) })
		return nil, err
	}
	if body == nil {
		return nil, nil
	}
	decoded, err := s.client.config.Dialect.Decode(body)
	if err != nil {
		s.client.stats.undecodable.Add(1)
		return nil, nil
	}
	message := iso8583.NewMessage(s.client.config.Dialect.Spec())
	if err := message.Unpack(body); err != nil {
		s.client.stats.undecodable.Add(1)
		return nil, nil
	}
	if s.pending.take(message) {
		s.client.stats.matched.Add(1)
		return message, nil
	}
	s.client.stats.unsolicited.Add(1)
	if s.client.config.OnMessage != nil {
		s.client.config.OnMessage(decoded)
	}
	return nil, nil
}

// setReadDeadline lets a link be silent for ever, and bounds the rest of a started frame.
func (s *session) setReadDeadline(started bool) {
	deadline := time.Time{}
	if started {
		deadline = time.Now().Add(s.client.config.FrameTimeout)
	}
	s.pending.mu.Lock()
	defer s.pending.mu.Unlock()
	if s.pending.closed {
		deadline = past
	}
	_ = s.conn.SetReadDeadline(deadline) // fails only on a closed connection, and then the read fails too
}

func (s *session) isLost() bool {
	select {
	case <-s.lost:
		return true
	case <-s.moov.Done():
		return true
	default:
		return false
	}
}

// close ends the link and waits until the library has let go of it. The library is told through a failing read: its
// own Close would wait for answers, and could leave its reading goroutine behind.
func (s *session) close() {
	s.pending.mu.Lock()
	s.pending.closed = true
	_ = s.conn.SetReadDeadline(past) // fails only on a closed connection
	s.pending.mu.Unlock()
	select {
	case <-s.lost:
	case <-s.moov.Done(): // a write has failed first
	}
	_ = s.conn.Close() // nobody is left whom an error would help
	s.sends.Wait()
	<-s.moov.Done()
}
