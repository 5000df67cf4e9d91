package redisstore_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/store/redisstore"
)

const exact = 1<<53 - 1

func TestLostHashesAreTaughtAgain(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string][]any{
		"everything":     {"FLUSHALL"},
		"the balances":   {"DEL", "lost:{p7}:b"},
		"the flight":     {"DEL", "lost:{p7}:f"},
		"a wrong type":   {"SET", "lost:{p7}:b", "text"},
		"a wrong flight": {"SET", "lost:{p7}:f", "text"},
		"the generation": {"HDEL", "lost:{p7}:f", "g"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startRedis(t)
			d := desk{open(t, redisstore.Config{Addrs: s.Addrs, Prefix: "lost:"}), t}
			d.teach(5, 100, 100)
			pending := hold(1, 60)
			d.place(authz.HoldPlaced, pending)
			c := client(t, s.Config)
			if name == "a wrong type" || name == "a wrong flight" {
				if err := c.Del(t.Context(), lose[1].(string)).Err(); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Do(t.Context(), lose...).Err(); err != nil {
				t.Fatal(err)
			}
			next := hold(2, 10)
			d.place(authz.HoldUnknown, next)
			d.teach(1, 40, 40)
			d.place(authz.HoldPlaced, next)
			d.settle([]*authz.Hold{pending, next})
			d.left(40, 40)
		})
	}
}

func TestScriptFlush(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	d := desk{open(t, s.Config), t}
	d.teach(1, 100, 100)
	if err := client(t, s.Config).ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	before := s.runs(t)
	d.place(authz.HoldPlaced, hold(1, 10))
	if got := s.runs(t) - before; got != 1 {
		t.Errorf("ran %d times, want once", got)
	}
	d.left(90, 90)
}

// Goal: a damaged field is never a panic, an endless error or a hold that stays, and is mended by teaching.
func TestDamagedFields(t *testing.T) {
	t.Parallel()
	cfg := sharedConfig(t)
	c := client(t, cfg)
	d := desk{open(t, cfg), t}
	balances, flight := cfg.Prefix+"{p7}:b", cfg.Prefix+"{p7}:f"
	values := []string{"", "x", "nan", "inf", "1e3", "0x10", " 7", "1.5", "-5", "9007199254740993", "99999999999999999999999", "::", "1:2", "p71:p72:x", "p71:p72:5", "\x00"}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range 200 {
		d.reteach(100, 100)
		op := authz.ID(1000 + 2*i)
		pending := hold(op, 10)
		d.place(authz.HoldPlaced, pending)
		key, field := balances, []string{"t71", "p71", "v71", "t72", "p72", "v72"}[random.IntN(6)]
		if random.IntN(4) == 0 {
			key, field = flight, fmt.Sprint(op)
		}
		value := values[random.IntN(len(values))]
		if err := c.HSet(t.Context(), key, field, value).Err(); err != nil {
			t.Fatal(err)
		}
		next := hold(op+1, 10)
		if err := d.Place(t.Context(), lane, []*authz.Hold{next}); err != nil {
			t.Fatalf("%s set to %q: %v", field, value, err)
		}
		d.settle([]*authz.Hold{pending, next})
		d.reteach(100, 100)
		d.left(100, 100)
	}
}

func (d desk) reteach(userHas, depositHas int64) {
	d.t.Helper()
	err := d.Refresh(d.t.Context(), lane, []authz.Balance{{ID: user, Available: userHas, Version: 1}, {ID: deposit, Available: depositHas, Version: 1}})
	if err != nil {
		d.t.Fatal(err)
	}
}

func TestRefreshOverridesAndCountsAgain(t *testing.T) {
	t.Parallel()
	cfg := sharedConfig(t)
	d := desk{open(t, cfg), t}
	d.teach(9, 100, 100)
	d.place(authz.HoldPlaced, hold(1, 30))
	if err := client(t, cfg).HIncrBy(t.Context(), cfg.Prefix+"{p7}:b", "p71", 44).Err(); err != nil {
		t.Fatal(err)
	}
	d.teach(2, 500, 500) // older: ignored
	d.left(26, 70)
	d.reteach(500, 500)
	d.left(470, 470)
	d.teach(2, 600, 600)
	d.left(570, 570)
}

// An operation that was answered may come again after it was settled: the authorizer decides once more what
// the journal found stale, under the same id.
func TestADeclinedOperationIsPlacedAfterTheTruthIsLearned(t *testing.T) {
	t.Parallel()
	d := desk{open(t, sharedConfig(t)), t}
	d.teach(1, 5, 5)
	h := hold(1, 10)
	d.place(authz.HoldDepositShort, h)
	d.settle([]*authz.Hold{h}, authz.Balance{ID: user, Available: 50, Version: 2}, authz.Balance{ID: deposit, Available: 50, Version: 2})
	d.place(authz.HoldPlaced, h)
	d.left(40, 40)
}

func TestAnOperationTwiceInABatchHoldsOnce(t *testing.T) {
	t.Parallel()
	d := desk{open(t, sharedConfig(t)), t}
	d.teach(1, 100, 100)
	d.place(authz.HoldPlaced, hold(1, 10), hold(1, 10))
	d.left(90, 90)
	d.settle([]*authz.Hold{hold(1, 10)})
	d.left(100, 100)
}

// Goal: giving back never makes funds. Method: what is pending is forgotten while a hold is in flight.
func TestGivingBackMoreThanIsPendingMakesNoFunds(t *testing.T) {
	t.Parallel()
	cfg := sharedConfig(t)
	d := desk{open(t, cfg), t}
	d.teach(1, 100, 100)
	h := hold(1, 30)
	d.place(authz.HoldPlaced, h)
	if err := client(t, cfg).HDel(t.Context(), cfg.Prefix+"{p7}:b", "p71").Err(); err != nil {
		t.Fatal(err)
	}
	d.settle([]*authz.Hold{h})
	d.left(100, 100)
}

func TestOfOneBalanceTwiceTheNewerTruthIsLearned(t *testing.T) {
	t.Parallel()
	d := desk{open(t, sharedConfig(t)), t}
	d.teach(1, 100, 100)
	d.settle(nil, authz.Balance{ID: user, Available: 70, Version: 3}, authz.Balance{ID: user, Available: 80, Version: 2})
	d.left(70, 100)
}

func TestAmountsAtTheEdge(t *testing.T) {
	t.Parallel()
	d := desk{open(t, sharedConfig(t)), t}
	d.teach(1, exact, exact)
	big, one := hold(1, exact-1), hold(2, 1)
	d.place(authz.HoldPlaced, big, one)
	d.left(0, 0)
	d.place(authz.HoldDepositShort, hold(3, 1))
	d.settle([]*authz.Hold{big})
	d.left(exact-1, exact-1)
	d.settle([]*authz.Hold{one})
	d.left(exact, exact)

	d.place(authz.HoldDepositShort, hold(4, exact+1), hold(5, math.MaxInt64))
	forced := hold(6, math.MaxInt64)
	forced.Forced = true
	d.place(authz.HoldPlaced, forced)
	d.left(exact, exact)
	for op := authz.ID(7); op < 10; op++ { // the second and third are more than can be kept
		h := hold(op, exact)
		h.Forced = true
		d.place(authz.HoldPlaced, h)
	}
	d.left(0, 0)
	d.settle([]*authz.Hold{hold(7, exact), hold(8, exact), hold(9, exact)})
	d.left(exact, exact)

	d.teach(2, math.MaxInt64, math.MinInt64)
	d.left(exact, -exact)
	if err := d.Place(t.Context(), lane, []*authz.Hold{hold(11, -1)}); err == nil {
		t.Error("a negative amount was placed")
	}
}

func TestLargeBatchesAreSplit(t *testing.T) {
	t.Parallel()
	d := desk{open(t, sharedConfig(t)), t}
	d.teach(1, 10_000, 10_000)
	var batch []*authz.Hold
	var truth []authz.Balance
	for i := range 2500 {
		id := authz.BalanceID(1000 + i)
		truth = append(truth, authz.Balance{ID: id, Available: 9, Version: 1})
		batch = append(batch, &authz.Hold{Op: authz.ID(i + 1), Balance: id, Deposit: deposit, Amount: 4})
	}
	d.settle(nil, truth...)
	d.place(authz.HoldPlaced, batch...)
	d.left(10_000, 0)
	d.settle(batch)
	d.left(10_000, 10_000)
}

func TestSweepGivesBackWhatADeadSwitchHeld(t *testing.T) {
	t.Parallel()
	cfg := sharedConfig(t)
	d := desk{open(t, cfg), t}
	d.teach(1, 100, 100)
	now := time.UnixMilli(1_800_000_000_000)
	op := func(age time.Duration) authz.ID { return authz.ID(now.Add(-age).UnixMilli() << 21) }
	dead, working, young := hold(op(time.Hour), 10), hold(op(time.Minute), 20), hold(op(time.Second), 30)
	d.place(authz.HoldPlaced, dead, working, young)
	var asked []*authz.Hold
	ask := func(_ context.Context, partner authz.PartnerID, held []*authz.Hold) ([]*authz.Hold, []authz.Balance, error) {
		if partner != lane {
			t.Errorf("asked about partner %d", partner)
		}
		asked = append(asked, held...)
		var ended []*authz.Hold
		for _, h := range held {
			if h.Op != working.Op {
				ended = append(ended, h)
			}
		}
		return ended, []authz.Balance{{ID: user, Available: 95, Version: 2}}, nil
	}
	other := open(t, cfg) // another process, which knows of nothing
	n, err := other.Sweep(t.Context(), nil, now.Add(-30*time.Second), ask)
	if err != nil || n != 1 {
		t.Fatalf("ended %d, %v; want 1", n, err)
	}
	if len(asked) != 2 {
		t.Errorf("asked about %d holds, want the two old ones", len(asked))
	}
	for _, h := range asked {
		if h.Balance != user || h.Deposit != deposit || h.Amount != 10 && h.Amount != 20 {
			t.Errorf("asked about %+v", h)
		}
	}
	d.left(95-50, 100-50)
}
