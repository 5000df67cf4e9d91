package mgmt

import (
	"net"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Connections are accepted at a pace: the handshake of each costs half a millisecond, before anybody knows whose it is.
const (
	acceptsPerSecond = 200
	acceptsAtOnce    = 4
	hangUpEach       = time.Millisecond // at most so often, which costs little
)

// bounded is a listener that has at most so many connections open; the next waits in the system's queue. One network has
// [networkShare] of them at most: who comes from there with more is hung up on.
type bounded struct {
	net.Listener
	pace   *rate.Limiter
	places chan struct{}
	closed chan struct{}
	once   sync.Once

	mu   sync.Mutex
	open map[string]int // connections of a network
}

func bound(ln net.Listener, connectionsMax int) net.Listener {
	return &bounded{Listener: ln, pace: rate.NewLimiter(acceptsPerSecond, acceptsAtOnce),
		places: make(chan struct{}, connectionsMax), closed: make(chan struct{}), open: map[string]int{}}
}

// Accept implements [net.Listener].
func (b *bounded) Accept() (net.Conn, error) {
	select {
	case b.places <- struct{}{}:
	case <-b.closed:
		return nil, net.ErrClosed
	}
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			<-b.places
			return nil, err
		}
		if from := network(conn.RemoteAddr().String()); b.add(from) {
			rest(b.pace.Reserve().Delay(), b.closed)
			return &boundedConn{Conn: conn, leave: sync.OnceFunc(func() { b.remove(from); <-b.places })}, nil
		}
		_ = conn.Close() // nothing was written
		rest(hangUpEach, b.closed)
	}
}

// add counts one more connection of a network, unless it has its share.
func (b *bounded) add(from string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open[from] >= max(1, int(float64(cap(b.places))*networkShare)) {
		return false
	}
	b.open[from]++
	return true
}

func (b *bounded) remove(from string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open[from]--; b.open[from] == 0 {
		delete(b.open, from)
	}
}

// Close implements [net.Listener].
func (b *bounded) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.Listener.Close()
}

type boundedConn struct {
	net.Conn
	leave func()
}

// Close implements [net.Conn].
func (c *boundedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
