package records_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"holdfast/store/litestore"
	"holdfast/store/pgstore"
	"holdfast/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// engine makes fresh stores of a kind, each with two ways to it.
type engine struct {
	name string
	open func(testing.TB) [2]storetest.Store
}

// engines are those that can be had: PostgreSQL only where there is a server.
func engines(t *testing.T) []engine {
	t.Helper()
	all := []engine{{"embedded", embedded}}
	if os.Getenv("HOLDFAST_TEST_POSTGRES") != "" {
		return append(all, engine{"full", full})
	}
	if os.Getenv("CI") == "true" || os.Getenv("HOLDFAST_REQUIRE_STORES") == "1" {
		t.Fatal("HOLDFAST_TEST_POSTGRES is not set: scripts/up starts a server")
	}
	t.Log("HOLDFAST_TEST_POSTGRES is not set, so only the embedded engine is tested: scripts/up starts a server")
	return all
}

func embedded(t testing.TB) [2]storetest.Store {
	t.Helper()
	s, err := litestore.Open(filepath.Join(t.TempDir(), "holdfast.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return [2]storetest.Store{s, s}
}

var schemas atomic.Int64

// full is two nodes in the role of the service, which shows that its rights are enough.
func full(t testing.TB) [2]storetest.Store {
	t.Helper()
	schema := fmt.Sprintf("records_%d_%d", os.Getpid(), schemas.Add(1))
	psql(t, "CREATE SCHEMA "+schema)
	t.Cleanup(func() { psql(t, "SET client_min_messages = error; DROP SCHEMA "+schema+" CASCADE") })
	at := func(role string) string {
		u, err := url.Parse(os.Getenv("HOLDFAST_TEST_POSTGRES"))
		if err != nil {
			t.Fatal("HOLDFAST_TEST_POSTGRES is not a URL")
		}
		q := u.Query()
		q.Set("search_path", schema)
		if role != "" {
			q.Set("role", role)
		}
		u.RawQuery = q.Encode()
		return u.String()
	}
	if _, _, err := pgstore.Migrate(t.Context(), at("")); err != nil {
		t.Fatal(err)
	}
	var nodes [2]storetest.Store
	for i := range nodes {
		s, err := pgstore.Open(t.Context(), pgstore.Config{URL: at("holdfast_service"), Readers: 2, LockTimeout: 10 * time.Second,
			CommitTimeout: 20 * time.Second}) // on a machine that is busy
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		nodes[i] = s
	}
	return nodes
}

// psql runs a statement as the owner of the test database.
func psql(t testing.TB, statement string) {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--dbname="+os.Getenv("HOLDFAST_TEST_POSTGRES"),
		"--command="+statement)
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("psql: %v: %s", err, said)
	}
}
