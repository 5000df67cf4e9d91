package replay

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"

	"holdfast/switch/client"
	"holdfast/switch/iso"
)

// Target is where a link of the trace leads and how it is spoken there.
type Target struct {
	Addr    string
	Dialect *iso.Dialect
	Format  Format
	TLS     *tls.Config // nil: plain TCP
	// MAC makes the authentication code of each message that is written, and judges that of each answer; nil means that
	// there is none. What is sent as it was recorded keeps the code that it has.
	MAC iso.Sign
	// Wrap, when set, is put around each connection, to log what passes, say.
	Wrap func(net.Conn) net.Conn
}

// link is one TCP link. Its reader goroutine ends when it is closed by either side.
type link struct {
	raw     *client.Raw
	dialect *iso.Dialect
	sign    iso.Sign
	reader  sync.WaitGroup
	closed  chan struct{} // the reader has ended

	mu sync.Mutex

	waiting []*wait
	strays  int // frames that answered nothing that was waited for
}

// wait is a step whose answer has not come.
type wait struct {
	class    byte // of the message type: an answer has the same
	function byte // of the answer
	stan     string
	known    bool // class, function and stan are
	taken    bool
	sentAt   time.Time
	arrived  chan arrival // holds the one answer, so that the reader never waits
}

type arrival struct {
	message *iso.Message // nil when the frame is no message of the dialect
	err     error
	at      time.Time
}

func dial(ctx context.Context, t Target, timeout time.Duration) (*link, error) {
	dialling, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(dialling, "tcp", t.Addr)
	if err != nil {
		return nil, err
	}
	if t.TLS != nil {
		secure := tls.Client(conn, t.TLS)
		if err := secure.HandshakeContext(dialling); err != nil {
			_ = conn.Close() // nobody is left whom an error would help
			return nil, err
		}
		conn = secure
	}
	if t.Wrap != nil {
		conn = t.Wrap(conn)
	}
	l := &link{raw: client.NewRaw(conn, t.Format), dialect: t.Dialect, sign: t.MAC, closed: make(chan struct{})}
	l.reader.Go(func() {
		defer close(l.closed)
		l.read(ctx)
	})
	return l, nil
}

// read ends with the link: when a peer is silent it is the steps that run out of time, not the reader.
func (l *link) read(ctx context.Context) {
	for {
		body, err := l.raw.Read(ctx)
		if err != nil {
			return
		}
		m, err := l.dialect.Decode(body)
		l.arrive(arrival{m, err, time.Now()})
	}
}

// arrive gives an answer to the step that it belongs to: by its type and STAN, else to the first step that sent what
// has neither.
func (l *link) arrive(a arrival) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var fits *wait
	for _, w := range l.waiting {
		if w.taken {
			continue
		}
		if w.answeredBy(a.message) {
			fits = w
			break
		}
		if !w.known && fits == nil && !asks(a.message) {
			fits = w
		}
	}
	if fits == nil {
		l.strays++
		return
	}
	fits.taken = true
	fits.arrived <- a
}

// asks reports whether a message is a request of the peer's own, which answers nothing.
func asks(m *iso.Message) bool {
	return m != nil && len(m.MTI()) == 4 && (m.MTI()[2]-'0')%2 == 0
}

func (w *wait) answeredBy(m *iso.Message) bool {
	if !w.known || m == nil || len(m.MTI()) != 4 {
		return false
	}
	return m.MTI()[1] == w.class && m.MTI()[2] == w.function && m.Get(11) == w.stan
}

// expect registers a wait for the answer to a message, which may be a part of one or nil.
func (l *link) expect(sent *iso.Message) *wait {
	w := &wait{arrived: make(chan arrival, 1)}
	if sent != nil && len(sent.MTI()) == 4 && sent.Has(11) {
		mti := sent.MTI()
		w.class, w.function, w.stan, w.known = mti[1], mti[2]+1, sent.Get(11), true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, w)
	return w
}

// forget ends a wait, so that what comes later is a stray.
func (l *link) forget(w *wait) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, other := range l.waiting {
		if other == w {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			return
		}
	}
}

func (l *link) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// close returns how many frames answered nothing.
func (l *link) close() int {
	_ = l.raw.Close() // nobody is left whom an error would help
	l.reader.Wait()
	return l.strays
}
