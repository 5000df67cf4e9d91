package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	acceptWaitMin = 5 * time.Millisecond
	acceptWaitMax = time.Second

	keepAliveIdle     = 15 * time.Second
	keepAliveInterval = 5 * time.Second
	keepAliveCount    = 3
	// vanishedAfter is how long a peer may leave what we have sent without a sign that it came. While something is on
	// its way TCP sends no keep-alives, and would go on for a quarter of an hour.
	vanishedAfter = keepAliveIdle + keepAliveCount*keepAliveInterval
)

// Server accepts links and serves them. One server may serve several listeners; limits and counters are common.
type Server struct {
	config  Config
	handler Handler
	log     *slog.Logger
	lastID  atomic.Uint64
	count   counters
}

// New makes a server. The error names the field of the configuration that cannot be kept. Without a logger nothing is
// logged.
func New(config Config, handler Handler, log *slog.Logger) (*Server, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("configure listener %q: %w", config.Name, err)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	config = config.Defaults()
	return &Server{config: config, handler: handler, log: log.With("listener", config.Name)}, nil
}

// linkSet is the links of one call of Serve.
type linkSet struct {
	wg sync.WaitGroup

	mu    sync.Mutex
	links map[*link]struct{}
}

// Serve accepts links from the listener, which it closes, until ctx is cancelled; then it drains: no more links, no
// more frames, in-flight frames are answered for up to DrainTimeout. It returns only when everything it started has
// ended: nil after a drain, and an error when the listener was closed by somebody else. Any other error of the
// listener is waited out.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		closeQuietly(ln)
	})
	set := &linkSet{links: make(map[*link]struct{})}
	err := s.accept(ctx, ln, set)
	if stop() {
		closeQuietly(ln)
	} else {
		<-closed
	}
	set.drain()
	set.wg.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("accept links: %w", err)
}

// accept starts a link for each connection. It returns when the listener is closed or ctx is cancelled.
func (s *Server) accept(ctx context.Context, ln net.Listener, set *linkSet) error {
	wait, refusing := time.Duration(0), false
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil && ctx.Err() != nil:
			closeQuietly(conn)
			return ctx.Err()
		case err == nil:
			wait = 0
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return err
		default:
			s.count.acceptErrors.Add(1)
			if wait == 0 { // once for each series of errors: they can come very fast
				s.log.Warn("accept failed", "error", err)
			}
			wait = min(max(2*wait, acceptWaitMin), acceptWaitMax)
			sleep(ctx, wait)
			continue
		}
		if s.count.links.Add(1) > int64(s.config.LinksMax) {
			s.count.links.Add(-1)
			s.count.refused.Add(1)
			closeQuietly(conn)
			if !refusing {
				s.log.Warn("link refused", "remote", conn.RemoteAddr().String(), "links_max", s.config.LinksMax)
			}
			refusing = true
			continue
		}
		refusing = false
		s.start(conn, set)
	}
}

// start makes a link of the connection and runs it.
func (s *Server) start(conn net.Conn, set *linkSet) {
	s.count.accepted.Add(1)
	tune(conn)
	l := newLink(s, conn, s.lastID.Add(1))
	set.mu.Lock()
	set.links[l] = struct{}{}
	set.mu.Unlock()
	set.wg.Go(func() {
		l.run()
		set.mu.Lock()
		delete(set.links, l)
		set.mu.Unlock()
		s.count.links.Add(-1)
	})
}

func (set *linkSet) drain() {
	set.mu.Lock()
	defer set.mu.Unlock()
	for l := range set.links {
		l.drain()
	}
}

// tune asks TCP not to delay small segments and to notice peers that vanished. Go's defaults agree, but a listener's
// owner may have changed them. A connection that is not TCP stays as it is.
func tune(conn net.Conn) {
	for wrapped, ok := conn.(interface{ NetConn() net.Conn }); ok; wrapped, ok = conn.(interface{ NetConn() net.Conn }) {
		conn = wrapped.NetConn()
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	// An error here means that the connection is broken already, which the first read will find.
	_ = tcp.SetNoDelay(true)
	_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{
		Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount,
	})
	limitUnacknowledged(tcp, vanishedAfter)
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// closeQuietly closes what is not wanted any more; there is nobody whom an error would help.
func closeQuietly(c interface{ Close() error }) { _ = c.Close() }

// panicked counts a recovered panic and logs where it came from. The panic's value may hold data of a message, and so
// may a printed stack; only the type of the value, and the functions and lines, are told.
func (s *Server) panicked(where string, value any) {
	s.count.panics.Add(1)
	text := fmt.Sprintf("%T", value)
	if err, ok := value.(runtime.Error); ok {
		text = err.Error() // made by the runtime: indexes and types, no content
	}
	pcs := make([]uintptr, 24)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	var stack []string
	for {
		f, more := frames.Next()
		stack = append(stack, fmt.Sprintf("%s:%d", f.Function, f.Line))
		if !more {
			break
		}
	}
	s.log.Error("panic recovered", "in", where, "value", text, "stack", stack)
}
