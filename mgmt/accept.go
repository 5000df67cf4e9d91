package mgmt

import (
	"net"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Connections begin at a pace: the handshake of each costs half a millisecond, before anybody knows whose it is.
const (
	beginsPerSecond = 200
	beginsAtOnce    = 4
	hangUpEach      = time.Millisecond // at most so often, which costs little
)

// bounded is a listener that has at most so many connections open; the next waits in the system's queue. One network has
// [networkShare] of them at most, and of the pace at which they begin: who comes from there with more connections is hung up
// on. A connection waits for its turn in its first Read, so it keeps nobody else waiting.
type bounded struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	once   sync.Once
	pace   *rate.Limiter

	mu    sync.Mutex
	open  map[string]int // connections of a network
	paces paces          // of a network
}

func bound(ln net.Listener, connectionsMax int) net.Listener {
	return &bounded{Listener: ln, pace: rate.NewLimiter(beginsPerSecond, beginsAtOnce), places: make(chan struct{}, connectionsMax),
		closed: make(chan struct{}), open: map[string]int{}, paces: paces{}}
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
			gone := make(chan struct{})
			return &boundedConn{Conn: conn, begin: sync.OnceFunc(func() { b.begin(from, gone) }),
				leave: sync.OnceFunc(func() { close(gone); b.remove(from); <-b.places })}, nil
		}
		_ = conn.Close() // nothing was written
		rest(hangUpEach, b.closed)
	}
}

// begin waits for the turn of a connection, unless it is closed meanwhile: first among those of its network, then among all.
func (b *bounded) begin(from string, gone <-chan struct{}) {
	b.mu.Lock()
	own := b.paces.of(from, beginsPerSecond*networkShare, beginsAtOnce).Reserve()
	b.mu.Unlock()
	rest(own.Delay(), gone)
	select {
	case <-gone:
		own.Cancel()
	default:
		rest(b.pace.Reserve().Delay(), gone)
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
	begin, leave func()
}

// Read implements [net.Conn].
func (c *boundedConn) Read(p []byte) (int, error) {
	c.begin()
	return c.Conn.Read(p)
}

// Close implements [net.Conn].
func (c *boundedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
