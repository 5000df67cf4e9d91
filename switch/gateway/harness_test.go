package gateway_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/store/litestore"
	"holdfast/store/memholds"
	"holdfast/store/records"
	"holdfast/store/storetest"
	"holdfast/switch/gateway"
	"holdfast/switch/iso"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counter is a gateway with real stores behind it and no socket before it.
type counter struct {
	*storetest.World
	t       testing.TB
	gateway *gateway.Gateway
	peer    *gateway.Peer
	session *gateway.Session
	ready   atomic.Bool
	log     logged
	config  gateway.Config
	stan    int
}

func open(t testing.TB, dialect string, changes ...func(*counter)) *counter {
	t.Helper()
	s, err := litestore.Open(filepath.Join(t.TempDir(), "holdfast.db"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := iso.Builtin(dialect)
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{t: t, World: storetest.NewWorld(t, s), peer: &gateway.Peer{Name: "network", Dialect: d, FileActions: true}}
	for _, change := range changes {
		change(c)
	}
	a, err := authz.New(authz.Config{Now: time.Now}, s, memholds.New(), s, c.Keys)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.View(t.Context(), func(q records.Querier) error {
		programs, err := records.Programs(t.Context(), q)
		a.Route(programs)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	c.ready.Store(true)
	c.config.Authorizer, c.config.Ready, c.config.Log = a, c.ready.Load, slog.New(slog.NewTextHandler(&c.log, nil))
	if c.config.Books == nil {
		c.config.Cards, c.config.Books = desk{c}, desk{c}
	}
	if c.gateway, err = gateway.New(c.config); err != nil {
		t.Fatal(err)
	}
	if err := c.gateway.Admit(c.peer); err != nil {
		t.Fatal(err)
	}
	c.session = c.gateway.Open(c.peer)
	t.Cleanup(func() {
		if err := c.gateway.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if err := a.Close(context.Background()); err != nil {
			t.Error(err)
		}
		c.Verify()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// logged is what was logged, also by clerks.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// desk does on the world's records what peers ask for.
type desk struct{ c *counter }

func (d desk) LockOutside(ctx context.Context, a gateway.CardAction) (authz.LockOutcome, authz.LockReason, error) {
	var done records.FileActionDone
	err := d.c.Store.Update(ctx, func(q records.Querier) (err error) {
		done, err = records.LockOutside(ctx, q, records.FileAction{Peer: a.Peer, MTI: a.MTI, STAN: a.STAN, Tags: []authz.Tag{d.c.Keys.Tag(a.PAN)},
			BIN: a.PAN.BIN(6), Last4: a.PAN.Last4(), Wanted: a.Wanted, Inquiry: a.Inquiry, At: a.At})
		return err
	})
	return done.Outcome, done.Lock, err
}

func (d desk) CutOver(ctx context.Context, peer string, day authz.Day, at time.Time) error {
	return d.c.Store.Update(ctx, func(q records.Querier) error { return records.CutOver(ctx, q, peer, day, at) })
}

func (d desk) Totals(ctx context.Context, peer string, day authz.Day, m money.Currency, counts bool) (t authz.Totals, err error) {
	err = d.c.Store.View(ctx, func(q records.Querier) error {
		t, err = records.Reconcile(ctx, q, peer, day, m, counts)
		return err
	})
	return t, err
}

// exchange is a frame and what became of it.
type exchange struct {
	body     []byte
	done     chan struct{}
	answer   gateway.Encoder
	strike   bool
	attached any
	at       time.Time
}

func (x *exchange) Body() []byte                     { return x.body }
func (x *exchange) ReceivedAt() time.Time            { return x.at }
func (x *exchange) Attach(v any)                     { x.attached = v }
func (x *exchange) Reply(e gateway.Encoder)          { x.answer = e; close(x.done) }
func (x *exchange) MalformedReply(e gateway.Encoder) { x.strike = true; x.Reply(e) }
func (x *exchange) Malformed()                       { x.strike = true; close(x.done) }
func (x *exchange) Silent()                          { close(x.done) }

// raw passes bytes through the session and returns the exchange when it has ended.
func (c *counter) raw(body []byte) *exchange {
	c.t.Helper()
	x := &exchange{body: append([]byte(nil), body...), done: make(chan struct{}), at: time.Now()}
	c.session.Frame(x)
	clear(x.body) // it belongs to the next frame now
	select {
	case <-x.done:
	case <-time.After(10 * time.Second):
		c.t.Fatal("the exchange never ended")
	}
	return x
}

// send passes a message through the session and decodes the answer; nil means none.
func (c *counter) send(m *iso.Message) *iso.Message {
	c.t.Helper()
	body, err := m.Append(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.decode(c.raw(body))
}

func (c *counter) decode(x *exchange) *iso.Message {
	c.t.Helper()
	if x.answer == nil {
		return nil
	}
	body, err := x.answer.Append(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	answer, err := c.peer.Dialect.Decode(body)
	if err != nil {
		c.t.Fatalf("our own answer does not decode: %v", err)
	}
	return answer
}

// elements are set over those of a usual message; an empty string removes one.
type elements map[int]string

// message makes the next message for a card, with everything that a network usually sends.
func (c *counter) message(mti string, h storetest.Holder, change elements) *iso.Message {
	c.t.Helper()
	c.stan++
	m := c.peer.Dialect.New(mti)
	usual := elements{2: h.Number.Reveal(), 3: "000000", 4: "000000003000", 7: "1122120001", 11: fmt.Sprintf("%06d", c.stan),
		12: "130001", 13: "1122", 14: "2911", 18: "5411", 22: "051", 25: "00", 32: "400001", 37: fmt.Sprintf("6326120%05d", c.stan),
		41: "TERM0001", 42: "MERCHANT0000001", 43: "CORNER SHOP              PARIS        FR", 49: "978", 63: "NETDATA"}
	usual[14] = expiry.YYMM()
	for de, v := range change {
		usual[de] = v
	}
	for de, v := range usual {
		if v == "" {
			continue
		}
		if err := m.Set(de, v); err != nil {
			c.t.Fatalf("element %d: %v", de, err)
		}
	}
	return m
}

var expiry = storetest.Expiry

func (c *counter) expect(m *iso.Message, code string) *iso.Message {
	c.t.Helper()
	answer := c.send(m)
	if answer == nil {
		c.t.Fatalf("no answer, want %s", code)
	}
	if got := answer.Get(39); got != code {
		c.t.Errorf("answered %s, want %s", got, code)
	}
	return answer
}
