package redisstore_test

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"holdfast/authz"
	"holdfast/store/redisstore"
	"holdfast/store/storetest"
)

// A pool of the driver that could not connect looks each second whether it can, or has been closed: its goroutine outlives
// the pool by that second.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// testTimeout is long, since a test with the race detector may wait for its turn.
const testTimeout = 5 * time.Second

const (
	lane    authz.PartnerID = 7
	user    authz.BalanceID = 71
	deposit authz.BalanceID = 72
)

var prefixes atomic.Int64

// newPrefix keeps a test from every other test, and from those of other runs on the same server.
func newPrefix() string { return fmt.Sprintf("test:%d:%d:", os.Getpid(), prefixes.Add(1)) }

// without skips, or fails where everything must be tested, for want of what is named.
func without(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" || os.Getenv("HOLDFAST_REQUIRE_STORES") == "1" {
		t.Fatalf("%s is missing: scripts/up provides it", what)
	}
	t.Skipf("%s is missing: scripts/up provides it", what)
}

// sharedConfig is the server of scripts/up.
func sharedConfig(t testing.TB) redisstore.Config {
	t.Helper()
	url := os.Getenv("HOLDFAST_TEST_REDIS")
	if url == "" {
		without(t, "HOLDFAST_TEST_REDIS")
	}
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	return redisstore.Config{Addrs: []string{o.Addr}, Username: o.Username, Password: o.Password, Prefix: newPrefix(), Timeout: testTimeout}
}

func open(t testing.TB, cfg redisstore.Config) *redisstore.Holds {
	t.Helper()
	if cfg.Prefix == "" {
		cfg.Prefix = newPrefix()
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = testTimeout
	}
	h, err := redisstore.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// client talks to a server beside the store.
func client(t testing.TB, cfg redisstore.Config) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: cfg.Addrs[0], Username: cfg.Username, Password: cfg.Password})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Holds(t, func(t testing.TB) authz.Holds { return open(t, sharedConfig(t)) })
}

func TestConformanceOnUnixSocket(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	storetest.Holds(t, func(t testing.TB) authz.Holds {
		return open(t, redisstore.Config{Addrs: []string{server.socket}})
	})
}

// desk is a store at which a test places and settles, with the fatal errors taken care of.
type desk struct {
	*redisstore.Holds
	t testing.TB
}

func (d desk) teach(version, userHas, depositHas int64) {
	d.t.Helper()
	d.settle(nil, authz.Balance{ID: user, Available: userHas, Version: version},
		authz.Balance{ID: deposit, Available: depositHas, Version: version})
}

// settle has Redis told at once: others look at it.
func (d desk) settle(ended []*authz.Hold, truth ...authz.Balance) {
	d.t.Helper()
	if err := d.Settle(d.t.Context(), lane, ended, truth); err != nil {
		d.t.Fatal(err)
	}
	if err := d.Flush(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
}

func (d desk) place(want authz.HoldResult, holds ...*authz.Hold) {
	d.t.Helper()
	if err := d.Place(d.t.Context(), lane, holds); err != nil {
		d.t.Fatal(err)
	}
	for _, h := range holds {
		if h.Result != want {
			d.t.Fatalf("result of hold %d is %d, want %d", h.Op, h.Result, want)
		}
	}
}

func (d desk) left(wantUser, wantDeposit int64) {
	d.t.Helper()
	h := hold(999_999, 0)
	d.place(authz.HoldPlaced, h)
	if h.UserWas != wantUser || h.DepoWas != wantDeposit {
		d.t.Errorf("available: user %d, deposit %d; want %d, %d", h.UserWas, h.DepoWas, wantUser, wantDeposit)
	}
}

func hold(op authz.ID, amount int64) *authz.Hold {
	return &authz.Hold{Op: op, Balance: user, Deposit: deposit, Amount: amount}
}
