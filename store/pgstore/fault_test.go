package pgstore_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"holdfast/authz"
	"holdfast/store/pgstore"
	"holdfast/store/records"
	"holdfast/store/storetest"
)

// proxy stands between a store and its server. Once armed it breaks a link at a COMMIT: before the server sees
// it, or before the client sees the answer.
type proxy struct {
	t        testing.TB
	listener net.Listener
	server   string

	hits atomic.Int32
	wg   sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
	fault fault
	mark  []byte // what the client sends with the COMMIT that is meant
}

type fault int

const (
	none fault = iota
	loseRequest
	loseReply
)

// arm sets the fault that the next data with the mark in it meets.
func (p *proxy) arm(f fault, mark string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.mark = f, []byte(mark)
}

func (p *proxy) meets(sent []byte) fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fault == none || !bytes.Contains(sent, p.mark) {
		return none
	}
	f := p.fault
	p.fault = none
	p.hits.Add(1)
	return f
}

// newProxy returns a proxy to the server of a URL, and the URL through it.
func newProxy(t testing.TB, base string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal("HOLDFAST_TEST_POSTGRES is not a URL")
	}
	p := &proxy{t: t, server: u.Host}
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	u.Host = p.listener.Addr().String()
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		_ = p.listener.Close()
		p.mu.Lock()
		for _, c := range p.conns {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p, u.String()
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		p.mu.Unlock()
		l := &link{p: p, client: client, server: server}
		p.wg.Go(l.up)
		p.wg.Go(l.down)
	}
}

// link is one connection through the proxy.
type link struct {
	p              *proxy
	client, server net.Conn
	swallow        atomic.Bool // the answer to a COMMIT is on its way and must not arrive
}

func (l *link) end() { _ = errors.Join(l.client.Close(), l.server.Close()) }

// up passes what the client sends.
func (l *link) up() {
	defer l.end()
	b := make([]byte, 1<<20)
	for {
		n, err := l.client.Read(b)
		if err != nil {
			return
		}
		switch l.p.meets(b[:n]) {
		case loseRequest:
			return
		case loseReply:
			l.swallow.Store(true)
		}
		if _, err := l.server.Write(b[:n]); err != nil {
			return
		}
	}
}

func (l *link) down() {
	defer l.end()
	b := make([]byte, 1<<20)
	for {
		n, err := l.server.Read(b)
		if err != nil {
			return
		}
		if l.swallow.Load() {
			// The server answers a pipeline after it has done all of it: COMMIT is durable when this byte is here.
			if bytes.Contains(b[:n], []byte("COMMIT\x00")) {
				return
			}
			continue
		}
		if _, err := io.Copy(l.client, bytes.NewReader(b[:n])); err != nil {
			return
		}
	}
}

// marker is a merchant that the proxy recognises: it travels in the pipeline that ends in COMMIT and in no other.
const marker = "MARKED-MERCHANT"

// faulty is a world whose commits go through a proxy.
func faulty(t *testing.T) (*world, *proxy, *pgstore.Store) {
	w := newWorld(t)
	p, through := newProxy(t, w.url)
	s := open(t, pgstore.Config{URL: through, Committers: 1})
	e := w.approval(1<<40, w.Bob, w.card(w.Bob), 1) // the statements are prepared from now on
	if _, err := s.Commit(t.Context(), []*authz.Entry{e}); err != nil {
		t.Fatal(err)
	}
	return w, p, s
}

func TestLostReplyToCommitIsUnknownAndHappensOnce(t *testing.T) {
	t.Parallel()
	w, p, s := faulty(t)
	e := w.approval(1<<40+1, w.Alice, w.card(w.Alice), 30_00)
	e.Request.Trace.Merchant = marker
	p.arm(loseReply, marker)
	_, err := s.Commit(t.Context(), []*authz.Entry{e})
	if !errors.Is(err, authz.ErrUnknown) || errors.Is(err, authz.ErrUnavailable) || p.hits.Load() != 1 {
		t.Fatalf("a lost reply is %v after %d faults, want unknown", err, p.hits.Load())
	}
	if n := w.count("SELECT count(*) FROM authorizations WHERE id = $1", int64(e.Request.ID)); n != 1 {
		t.Errorf("%d rows, want the one that was committed", n)
	}
	if left := w.Available(w.Alice.Balance); left != 70_00 {
		t.Errorf("Alice has %d left, want 7000", left)
	}
	// What the authorizer does next: its own entry takes the row back.
	if _, err := s.Commit(t.Context(), []*authz.Entry{{Request: e.Request, Card: e.Card, Void: true,
		Decision: authz.Decision{ID: e.Request.ID}}}); err != nil {
		t.Fatal(err)
	}
	if left := w.Available(w.Alice.Balance); left != 100_00 {
		t.Errorf("Alice has %d left after the void, want 10000", left)
	}
	w.Verify()
}

func TestLostCommitHappensNever(t *testing.T) {
	t.Parallel()
	w, p, s := faulty(t)
	e := w.approval(1<<40+1, w.Alice, w.card(w.Alice), 30_00)
	e.Request.Trace.Merchant = marker
	p.arm(loseRequest, marker)
	_, err := s.Commit(t.Context(), []*authz.Entry{e})
	if !errors.Is(err, authz.ErrUnknown) || p.hits.Load() != 1 {
		t.Fatalf("a lost COMMIT is %v after %d faults, want unknown: the client cannot tell", err, p.hits.Load())
	}
	if _, err := s.Commit(t.Context(), []*authz.Entry{{Request: e.Request, Card: e.Card, Void: true,
		Decision: authz.Decision{ID: e.Request.ID}}}); err != nil {
		t.Fatal(err)
	}
	if left := w.Available(w.Alice.Balance); left != 100_00 {
		t.Errorf("Alice has %d left, want 10000", left)
	}
	w.Verify()
}

// The same fault in the records: the driver calls it safe to retry, and it is not.
func TestLostReplyToUpdateIsUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, through := newProxy(t, w.url)
	s := open(t, pgstore.Config{URL: through, Readers: 1})
	err := s.Update(t.Context(), func(q records.Querier) error {
		if err := records.Fund(t.Context(), q, w.Alice.Balance, 1_00, "TOP_UP", storetest.Epoch); err != nil {
			return err
		}
		p.arm(loseReply, "COMMIT\x00")
		return nil
	})
	if !errors.Is(err, authz.ErrUnknown) {
		t.Errorf("a lost reply is %v, want unknown", err)
	}
	if left := w.Available(w.Alice.Balance); left != 101_00 {
		t.Errorf("Alice has %d, want 10100: funded once", left)
	}
	w.Verify()
}

// Goal: sessions that end under load lose nothing and double nothing. Method: both nodes commit, their backends
// are ended again and again, and every approval that was told as committed must have its row.
func TestEndedBackendsLoseNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	card := w.card(w.Alice)
	const callers, each = 4, 60
	var committed, failed atomic.Int64
	var told sync.Map
	var wg sync.WaitGroup
	for caller := range callers {
		var entries []*authz.Entry
		for i := range each {
			entries = append(entries, w.approval(authz.ID(1<<40+caller*1000+i), w.Alice, card, 1))
		}
		wg.Go(func() {
			for i, e := range entries {
				_, err := w.nodes[caller%2].Commit(t.Context(), []*authz.Entry{e})
				switch {
				case err == nil:
					committed.Add(1)
					told.Store(e.Request.ID, true)
				case errors.Is(err, authz.ErrUnavailable) || errors.Is(err, authz.ErrUnknown):
					failed.Add(1)
				default:
					t.Errorf("an error that says nothing: %v", err)
				}
				if i%10 == 5 && caller == 0 {
					w.endBackends()
				}
			}
		})
	}
	wg.Wait()
	if failed.Load() == 0 || committed.Load() == 0 {
		t.Errorf("%d committed, %d failed: the test needs both", committed.Load(), failed.Load())
	}
	told.Range(func(id, _ any) bool {
		if w.count("SELECT count(*) FROM authorizations WHERE id = $1", int64(id.(authz.ID))) != 1 {
			t.Errorf("operation %d was told as committed and is not there", id)
		}
		return true
	})
	rows, left := w.count("SELECT count(*) FROM authorizations"), w.Available(w.Alice.Balance)
	if left != 100_00-rows || rows < committed.Load() || rows > committed.Load()+failed.Load() {
		t.Errorf("%d rows, %d left, %d committed, %d failed", rows, left, committed.Load(), failed.Load())
	}
	w.Verify()
}
