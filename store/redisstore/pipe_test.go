package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/store/redisstore"
)

// connections is how many the server has taken so far.
func (s *server) connections(t testing.TB) (n int) {
	t.Helper()
	info, err := client(t, s.Config).InfoMap(t.Context(), "stats").Result()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(info["Stats"]["total_connections_received"], &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Goal: what is settled costs no call of its own when another follows, and Redis is told soon when none does.
func TestSettlingGoesWithTheNextCall(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	d := desk{open(t, redisstore.Config{Addrs: s.Addrs, Prefix: "next:"}), t}
	d.teach(1, 1000, 1000)
	before, calls, began := s.runs(t), 0, time.Now()
	for op := authz.ID(1); op <= 50; op++ {
		h := hold(op, 10)
		d.place(authz.HoldPlaced, h)
		calls++
		if err := d.Settle(t.Context(), lane, []*authz.Hold{h}, []authz.Balance{{ID: user, Available: 1000 - 10*int64(op), Version: 1 + int64(op)}}); err != nil {
			t.Fatal(err)
		}
		if h := hold(op, 0); op%10 == 0 {
			if d.place(authz.HoldPlaced, h); h.UserWas != 1000-10*int64(op) || h.DepoWas != 1000 {
				t.Errorf("after %d the next call sees %d and %d", op, h.UserWas, h.DepoWas)
			}
			calls++
		}
	}
	slow := int(time.Since(began) / (100 * time.Millisecond)) // so often something may have been told by itself
	if got := s.runs(t) - before; got > calls+3+slow {
		t.Errorf("%d scripts ran for %d calls", got, calls)
	}
	last := hold(51, 7)
	d.place(authz.HoldPlaced, last)
	if err := d.Settle(t.Context(), lane, []*authz.Hold{last}, nil); err != nil {
		t.Fatal(err)
	}
	other := client(t, s.Config)
	await(t, "the last hold to end", func(ctx context.Context) error {
		n, err := other.HLen(ctx, "next:{p7}:f").Result()
		if err == nil && n != 1 {
			err = fmt.Errorf("%d fields in flight", n)
		}
		return err
	})
}

// Goal: a thousand partners at once need a few connections, and each gets its own answer.
func TestPartnersShareConnections(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	h := open(t, redisstore.Config{Addrs: s.Addrs})
	before := s.connections(t)
	var wg sync.WaitGroup
	for p := authz.PartnerID(1); p <= 1000; p++ {
		wg.Go(func() {
			b := authz.BalanceID(p * 10)
			if err := h.Settle(t.Context(), p, nil, []authz.Balance{{ID: b, Available: int64(p) * 100, Version: 1}}); err != nil {
				t.Error(err)
			}
			for op := authz.ID(1); op <= 3; op++ {
				hold := &authz.Hold{Op: op, Balance: b, Amount: 1}
				if err := h.Place(t.Context(), p, []*authz.Hold{hold}); err != nil {
					t.Error(err)
				} else if hold.Result != authz.HoldPlaced || hold.UserWas != int64(p)*100-int64(op)+1 {
					t.Errorf("partner %d: result %d, had %d", p, hold.Result, hold.UserWas)
				}
			}
		})
	}
	wg.Wait()
	if n := s.connections(t) - before; n > 8 {
		t.Errorf("%d connections were made for it", n)
	}
}

// Goal: one who gives up costs the others nothing: the connection stays, and what was sent is undone.
func TestGivingUpLeavesTheConnection(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	d := desk{open(t, s.Config), t}
	d.teach(1, 1000, 1000)
	before := s.connections(t)
	s.signal(t, syscall.SIGSTOP)
	for op := authz.ID(1); op <= 20; op++ {
		gives := 5 * time.Millisecond
		if op == 1 {
			gives = 500 * time.Millisecond // so that it is sent on a machine that is busy
		}
		ctx, cancel := context.WithTimeout(t.Context(), gives)
		err := d.Place(ctx, lane, []*authz.Hold{hold(op, 10)})
		cancel()
		// The first was sent, the others wait behind it and are never sent.
		if want := map[bool]error{true: authz.ErrUnknown, false: authz.ErrUnavailable}[op == 1]; !errors.Is(err, want) {
			t.Errorf("call %d: %v, want %v", op, err, want)
		}
	}
	s.signal(t, syscall.SIGCONT)
	await(t, "the server to be usable again", func(ctx context.Context) error {
		return d.Place(ctx, lane, []*authz.Hold{hold(30, 0)})
	})
	d.left(1000, 1000)
	if n := s.connections(t) - before; n > 2 { // those that counted are two
		t.Errorf("%d connections were made", n)
	}
}

// Goal: while Redis hangs, callers are answered at once when waiting is known to be in vain, and memory is bounded.
func TestHungServerRefusesAtOnce(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	desk{open(t, redisstore.Config{Addrs: s.Addrs, Prefix: "full:"}), t}.teach(1, 1000, 1000) // it has time
	d := desk{open(t, redisstore.Config{Addrs: s.Addrs, Prefix: "full:", Timeout: 50 * time.Millisecond}), t}
	s.signal(t, syscall.SIGSTOP)
	defer s.signal(t, syscall.SIGCONT)
	for op := authz.ID(1); op <= 2; op++ { // the second is made after the first has waited in vain
		if err := d.Place(t.Context(), lane, []*authz.Hold{hold(op, 10)}); err == nil {
			t.Fatal("placed on a server that hangs")
		}
	}
	began := time.Now()
	for op := authz.ID(10); op < 1010; op++ {
		if err := d.Place(t.Context(), lane, []*authz.Hold{hold(op, 10)}); !errors.Is(err, authz.ErrUnavailable) {
			t.Fatalf("error %v, want unavailable", err)
		}
	}
	if took := time.Since(began); took > 25*time.Second { // 50 s where each waits
		t.Errorf("a thousand answers took %v", took)
	}
}

// Goal: a truth that a process could not keep until Redis was back is not a lie for ever. Method: more is owed than is
// remembered, and then nothing of the partner is known.
func TestForgottenTruthMakesThePartnerUnknown(t *testing.T) {
	t.Parallel()
	d := desk{open(t, sharedConfig(t)), t}
	d.teach(1, 1000, 1000)
	other := authz.PartnerID(99)
	var many []authz.Balance
	for i := range 1 << 16 {
		many = append(many, authz.Balance{ID: authz.BalanceID(1000 + i), Available: 1, Version: 1})
	}
	for { // until it is not told meanwhile
		if err := d.Settle(t.Context(), other, nil, many); err != nil {
			t.Fatal(err)
		}
		if err := d.Settle(t.Context(), lane, nil, []authz.Balance{{ID: user, Available: 5, Version: 2}}); err != nil {
			t.Fatal(err)
		}
		h := hold(1, 0)
		if err := d.Place(t.Context(), lane, []*authz.Hold{h}); err != nil {
			t.Fatal(err)
		}
		if h.Result == authz.HoldPlaced && h.UserWas == 1000 {
			t.Fatal("the truth was forgotten, and the old one believed")
		}
		if h.Result == authz.HoldUnknown {
			break
		}
	}
	if err := d.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.teach(3, 5, 900)
	d.left(5, 900)
}

// Goal: a call whose caller went before it was written does nothing when it is written all the same. Method: the
// connection is being made while the server hangs.
func TestAbandonedBeforeItWasSentDoesNothing(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	d := desk{open(t, s.Config), t}
	d.teach(1, 1000, 1000)
	if err := client(t, s.Config).ClientKillByFilter(t.Context(), "TYPE", "normal", "SKIPME", "yes").Err(); err != nil {
		t.Fatal(err)
	}
	s.signal(t, syscall.SIGSTOP)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := d.Place(ctx, lane, []*authz.Hold{hold(1, 10)}); !errors.Is(err, authz.ErrUnavailable) {
		t.Errorf("error %v, want unavailable: it was not sent", err)
	}
	s.signal(t, syscall.SIGCONT)
	await(t, "the server to be usable again", func(ctx context.Context) error {
		return d.Place(ctx, lane, []*authz.Hold{hold(2, 0)})
	})
	d.left(1000, 1000)
}
