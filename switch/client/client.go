package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/switch/frame"
	"holdfast/switch/iso"
)

var (
	// ErrClosed reports that the link is gone: closed by us, by the peer, or broken. A request that was on its way
	// may have been carried out.
	ErrClosed = errors.New("link is closed")
	// ErrTimeout reports that no answer came in time. The request may have been carried out.
	ErrTimeout = errors.New("no answer in time")
	// ErrInFlight reports a request that could not be told from one which still waits for its answer.
	ErrInFlight = errors.New("a request with the same identifiers is in flight")
	// ErrNotRequest reports a message that has no answer, by its type.
	ErrNotRequest = errors.New("message is not a request")
)

const (
	redialWaitMin = 20 * time.Millisecond
	redialWaitMax = 2 * time.Second
)

// Config says where and how to connect. A zero stands for the default in the field's comment.
type Config struct {
	// Addr is the switch's address, host and port; it is required.
	Addr string
	// Dialect is how messages are written; it is required.
	Dialect *iso.Dialect
	// Format is how frames are laid out; the zero value is "bin2".
	Format frame.Format
	// Limits bounds the frames that are accepted.
	Limits frame.Limits
	// TLS makes the link a TLS link; nil means plain TCP.
	TLS *tls.Config
	// MAC makes the authentication code that each message of ours ends in; nil means that there is none.
	MAC iso.Sign
	// Timeout is how long connecting and each answer may take, unless a context ends sooner; 0 means 5 s.
	Timeout time.Duration
	// FrameTimeout is how long a started frame may take, and the peer to accept a write; 0 means 5 s.
	FrameTimeout time.Duration
	// Reconnect makes the next call after a lost link dial again, for up to Timeout, and sign on again if it was
	// signed on. Requests that were in flight are not repeated: only their sender knows whether that is right.
	Reconnect bool
	// Wrap, when set, is put around each connection once it is there, to log what passes, say.
	Wrap func(net.Conn) net.Conn
	// OnMessage takes messages that answer no pending request; it is called where the link is read, so
	// it must neither block nor call the client, but hand over to a goroutine. Nil drops them.
	OnMessage func(*iso.Message)
}

// Client is a link to a switch. It is safe for concurrent use.
type Client struct {
	config   Config
	stan     atomic.Uint32
	signedOn atomic.Bool
	stats    counters

	turn chan struct{} // held while the link is looked at or dialled again; a channel, so that waiting heeds a context

	mu sync.Mutex

	closed  bool
	current *session
}

// Stats is what a client has counted.
type Stats struct {
	Dials       int64 // links established
	Sent        int64 // messages handed to the link
	Matched     int64 // answers that found their request
	Unsolicited int64 // messages that answered no pending request
	Undecodable int64 // frames that are no message of the dialect
	TimedOut    int64 // requests given up
}

type counters struct {
	dials, sent, matched, unsolicited, undecodable, timedOut atomic.Int64
}

// Stats reads the counters.
func (c *Client) Stats() Stats {
	return Stats{Dials: c.stats.dials.Load(), Sent: c.stats.sent.Load(), Matched: c.stats.matched.Load(),
		Unsolicited: c.stats.unsolicited.Load(), Undecodable: c.stats.undecodable.Load(), TimedOut: c.stats.timedOut.Load()}
}

// Dial connects to a switch. The caller closes the client.
func Dial(ctx context.Context, config Config) (*Client, error) {
	if config.Addr == "" || config.Dialect == nil {
		return nil, errors.New("dial: an address and a dialect are required")
	}
	if err := config.Limits.Validate(); err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	if config.Timeout <= 0 {
		config.Timeout = 5 * time.Second
	}
	if config.FrameTimeout <= 0 {
		config.FrameTimeout = 5 * time.Second
	}
	c := &Client{config: config, turn: make(chan struct{}, 1)} // one turn: it is a lock
	s, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	c.current = s
	return c, nil
}

// Send sends a request and returns its answer. The request is not kept. Errors wrap ErrTimeout or the context's when
// no answer came, ErrClosed when the link is gone, ErrInFlight, ErrNotRequest, or say that the message does not
// encode.
func (c *Client) Send(ctx context.Context, request *iso.Message) (*iso.Message, error) {
	if !isRequest(request.MTI()) {
		return nil, fmt.Errorf("send message: %w", ErrNotRequest)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.config.Timeout, ErrTimeout)
	defer cancel()
	s, err := c.session(ctx)
	if err != nil {
		return nil, fmt.Errorf("send message: %w", err)
	}
	answer, err := s.send(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("send message: %w", err)
	}
	return answer, nil
}

// Notify sends a message and expects no answer: the answer to a message of the peer's, say.
func (c *Client) Notify(ctx context.Context, message *iso.Message) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.config.Timeout, ErrTimeout)
	defer cancel()
	s, err := c.session(ctx)
	if err == nil {
		err = s.notify(message)
	}
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	return nil
}

// Close closes the link and waits for everything that belongs to it. Calls in flight end with ErrClosed. It never
// fails; the result is there for io.Closer.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	s := c.current
	c.mu.Unlock()
	s.close()
	return nil
}

// session returns the link, dialled again if it was lost and the configuration says so.
func (c *Client) session(ctx context.Context) (*session, error) {
	if s, err := c.alive(); s != nil || err != nil {
		return s, err
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if s, err := c.alive(); s != nil || err != nil {
		return s, err // somebody else has had the turn
	}
	c.current.close() // nobody replaces it but the holder of the turn
	for wait := redialWaitMin; ; wait = min(2*wait, redialWaitMax) {
		s, err := c.redial(ctx)
		if err == nil || errors.Is(err, ErrClosed) && c.isClosed() {
			return s, err
		}
		timer := time.NewTimer(wait/2 + rand.N(wait)) // jitter: peers that lost one switch do not return as one
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("%w: %w", err, context.Cause(ctx))
		}
	}
}

// alive returns the link if it is good, an error if there will be none, and neither if it is to be dialled.
func (c *Client) alive() (*session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, ErrClosed
	case !c.current.isLost():
		return c.current, nil
	case !c.config.Reconnect:
		return nil, ErrClosed
	}
	return nil, nil
}

func (c *Client) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

func (c *Client) redial(ctx context.Context) (*session, error) {
	s, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	if c.signedOn.Load() {
		if err := c.network(ctx, s, signOn); err != nil {
			s.close()
			return nil, err
		}
	}
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.current = s
	}
	c.mu.Unlock()
	if closed {
		s.close()
		return nil, ErrClosed
	}
	return s, nil
}

func (c *Client) dial(ctx context.Context) (*session, error) {
	dialer := net.Dialer{Timeout: c.config.Timeout}
	conn, err := dialer.DialContext(ctx, "tcp", c.config.Addr)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	if c.config.TLS != nil {
		if conn, err = handshake(ctx, conn, c.config); err != nil {
			return nil, err
		}
	}
	if c.config.Wrap != nil {
		conn = c.config.Wrap(conn)
	}
	s, err := newSession(c, conn)
	if err != nil {
		_ = conn.Close() // the first error is the one to tell
		return nil, err
	}
	c.stats.dials.Add(1)
	return s, nil
}

func handshake(ctx context.Context, conn net.Conn, config Config) (net.Conn, error) {
	settings := config.TLS
	if settings.ServerName == "" && !settings.InsecureSkipVerify {
		host, _, err := net.SplitHostPort(config.Addr)
		if err != nil {
			_ = conn.Close() // the first error is the one to tell
			return nil, fmt.Errorf("dial: %w", err)
		}
		settings = settings.Clone()
		settings.ServerName = host
	}
	ctx, cancel := context.WithTimeout(ctx, config.Timeout)
	defer cancel()
	secure := tls.Client(conn, settings)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // the first error is the one to tell
		return nil, fmt.Errorf("dial: %w", err)
	}
	return secure, nil
}
