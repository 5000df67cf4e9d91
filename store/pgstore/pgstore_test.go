package pgstore_test

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"holdfast/store/lifetest"
	"holdfast/store/pgstore"
	"holdfast/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is the URL of the test server. Without one the test is skipped, or fails where it must run.
func server(t testing.TB) string {
	t.Helper()
	url := os.Getenv("HOLDFAST_TEST_POSTGRES")
	if url == "" {
		if os.Getenv("CI") == "true" || os.Getenv("HOLDFAST_REQUIRE_STORES") == "1" {
			t.Fatal("HOLDFAST_TEST_POSTGRES is not set: scripts/up starts a server")
		}
		t.Skip("HOLDFAST_TEST_POSTGRES is not set: scripts/up starts a server")
	}
	return url
}

var schemas atomic.Int64

// empty makes a schema of the test's own, which ends with the test, and returns its URL.
func empty(t testing.TB) string {
	t.Helper()
	base := server(t)
	name := fmt.Sprintf("test_%d_%d", os.Getpid(), schemas.Add(1))
	admin(t, base, "CREATE SCHEMA "+name)
	t.Cleanup(func() { admin(t, base, "DROP SCHEMA "+name+" CASCADE") })
	return with(t, with(t, base, "search_path", name), "application_name", name)
}

// with adds a setting of the session to a URL.
func with(t testing.TB, base, name, value string) string {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal("HOLDFAST_TEST_POSTGRES is not a URL")
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// admin runs a statement on a connection of its own.
func admin(t testing.TB, url, sql string) {
	t.Helper()
	ctx := context.Background() // also after the test has ended
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(ctx) }()
	if _, err := c.Exec(ctx, sql); err != nil {
		t.Error(err)
	}
}

// fresh makes a migrated schema and returns its URL.
func fresh(t testing.TB) string {
	t.Helper()
	url := empty(t)
	if _, _, err := pgstore.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	return url
}

// open opens a store, which ends with the test. What the test says nothing of is long, since a test with the race detector
// may wait for its turn, and the server for its disk.
func open(t testing.TB, cfg pgstore.Config) *pgstore.Store {
	t.Helper()
	cfg.LockTimeout = cmp.Or(cfg.LockTimeout, 10*time.Second)
	cfg.CommitTimeout = cmp.Or(cfg.CommitTimeout, 20*time.Second)
	s, err := pgstore.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// The suite runs as the service role, so that it also shows that its rights are enough.
func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Journal(t, func(t testing.TB) storetest.Store {
		return open(t, pgstore.Config{URL: with(t, fresh(t), "role", "holdfast_service"), Readers: 2})
	})
}

// TestOrders plays on the engine a part of what lifetest plays in memory.
func TestOrders(t *testing.T) {
	t.Parallel()
	sets := []string{"QIRB", "QAPC", "IXKS"}
	if os.Getenv("HOLDFAST_TEST_ORDERS") == "all" { // minutes, of round trips
		sets = append(lifetest.Sets(3), storetest.LongOrders...)
	}
	storetest.Orders(t, func(t testing.TB) storetest.Store {
		return open(t, pgstore.Config{URL: with(t, fresh(t), "role", "holdfast_service"), Readers: 2,
			CommitTimeout: 5 * time.Minute, QueryTimeout: 5 * time.Minute}) // for thousands of cards or entries at once
	}, 500, sets)
}
