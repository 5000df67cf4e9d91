package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// DialConfig says where links lead that we open ourselves. A zero stands for the default in the field's comment.
type DialConfig struct {
	// Addr is the peer's address, host and port; it is required.
	Addr string
	// Links is how many links are kept up; 0 means 1.
	Links int
	// TLS, when set, gives the configuration for each link as it is dialled; nil means plain TCP.
	TLS func() *tls.Config
	// Timeout is how long connecting may take, a TLS handshake included; 0 means 5 s.
	Timeout time.Duration
	// WaitMin and WaitMax bound how long is waited after a link that failed or did not last: it doubles from the one to
	// the other, half of it by chance. 0 means 200 ms, and 30 s.
	WaitMin, WaitMax time.Duration
	// Log hears of each series of failures; nil means nothing is logged.
	Log *slog.Logger
}

// Dialer is a [net.Listener] that connects to a peer instead of waiting for it: [Server.Serve] takes its links like any
// that were accepted, with the same loop, limits and drain. As many links as were asked for are kept up; one that ends is
// dialled again. A peer that closes links at once, as one does that refuses our sign-on, is waited for like one that
// cannot be reached.
type Dialer struct {
	config DialConfig
	slots  chan struct{} // holds one for each link that is up or being dialled
	ctx    context.Context
	close  context.CancelFunc

	mu       sync.Mutex
	failures int // in a row
}

// NewDialer makes a dialer. Nothing is dialled before Accept.
func NewDialer(c DialConfig) (*Dialer, error) {
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		return nil, fmt.Errorf("dialer: %w", err)
	}
	for _, d := range []struct {
		field *time.Duration
		usual time.Duration
	}{{&c.Timeout, 5 * time.Second}, {&c.WaitMin, 200 * time.Millisecond}, {&c.WaitMax, 30 * time.Second}} {
		if *d.field == 0 {
			*d.field = d.usual
		}
	}
	if c.Links == 0 {
		c.Links = 1
	}
	if c.Links < 0 || c.Timeout < 0 || c.WaitMin < 0 || c.WaitMax < c.WaitMin {
		return nil, errors.New("dialer: want positive numbers, and WaitMin no longer than WaitMax")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	d := &Dialer{config: c, slots: make(chan struct{}, c.Links)} // bounded by the links
	d.ctx, d.close = context.WithCancel(context.Background())
	return d, nil
}

// Accept returns the next link, as soon as one is missing and the peer can be reached. Its one error is net.ErrClosed.
func (d *Dialer) Accept() (net.Conn, error) {
	select {
	case d.slots <- struct{}{}:
	case <-d.ctx.Done():
		return nil, net.ErrClosed
	}
	for {
		sleep(d.ctx, d.wait())
		conn, err := d.dial()
		switch {
		case d.ctx.Err() != nil:
			if conn != nil {
				closeQuietly(conn)
			}
			return nil, net.ErrClosed
		case err == nil:
			return &dialled{Conn: conn, dialer: d, since: time.Now()}, nil
		}
		d.failed(err)
	}
}

// dial opens one link.
func (d *Dialer) dial() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(d.ctx, d.config.Timeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", d.config.Addr)
	if err != nil || d.config.TLS == nil {
		return conn, err
	}
	secure := tls.Client(conn, d.config.TLS())
	if err := secure.HandshakeContext(ctx); err != nil {
		closeQuietly(conn)
		return nil, err
	}
	return secure, nil
}

// wait is how long to wait before the next attempt.
func (d *Dialer) wait() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failures == 0 {
		return 0
	}
	wait := d.config.WaitMax
	if shift := d.failures - 1; shift < 30 {
		wait = min(wait, d.config.WaitMin<<shift)
	}
	return wait/2 + rand.N(wait/2+1) // jitter: nodes that lost one peer do not return as one
}

func (d *Dialer) failed(cause error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failures++; d.failures == 1 {
		d.config.Log.Warn("link cannot be kept up", "remote", d.config.Addr, "cause", cause)
	}
}

// Close ends Accept. Links that are up are their server's to close.
func (d *Dialer) Close() error {
	d.close()
	return nil
}

// Addr is where the links lead.
func (d *Dialer) Addr() net.Addr { return remote(d.config.Addr) }

type remote string

func (remote) Network() string  { return "tcp" }
func (r remote) String() string { return string(r) }

// errShort says why a link counts as one that failed.
var errShort = errors.New("the link did not last")

// dialled is a link that makes room for the next one when it is closed.
type dialled struct {
	net.Conn
	dialer *Dialer
	since  time.Time
	once   sync.Once
}

// NetConn is the connection itself.
func (c *dialled) NetConn() net.Conn { return c.Conn }

// HandshakeContext implements the handshake of a TLS link, which is over already.
func (c *dialled) HandshakeContext(ctx context.Context) error {
	if secure, ok := c.Conn.(*tls.Conn); ok {
		return secure.HandshakeContext(ctx)
	}
	return nil
}

// ConnectionState is that of a TLS link; the zero value of a plain one.
func (c *dialled) ConnectionState() (state tls.ConnectionState) {
	if secure, ok := c.Conn.(*tls.Conn); ok {
		state = secure.ConnectionState()
	}
	return state
}

// CloseWrite ends our side of the link.
func (c *dialled) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close closes the link. One that outlasted the longest wait has shown that the peer is well.
func (c *dialled) Close() error {
	c.once.Do(func() {
		if time.Since(c.since) >= c.dialer.config.WaitMax {
			c.dialer.mu.Lock()
			c.dialer.failures = 0
			c.dialer.mu.Unlock()
		} else {
			c.dialer.failed(errShort)
		}
		<-c.dialer.slots
	})
	return c.Conn.Close()
}
