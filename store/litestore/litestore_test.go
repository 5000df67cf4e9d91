package litestore_test

import (
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"holdfast/store/lifetest"
	"holdfast/store/litestore"
	"holdfast/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB) *litestore.Store {
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
	return s
}

func TestConformance(t *testing.T) {
	storetest.Journal(t, func(t testing.TB) storetest.Store { return open(t) })
}

// TestOrders plays on the engine a part of what lifetest plays in memory.
func TestOrders(t *testing.T) {
	sets := append(lifetest.Sets(3), storetest.LongOrders[:4]...)
	switch {
	case os.Getenv("HOLDFAST_TEST_ORDERS") == "all": // minutes
		sets = append(lifetest.Sets(4), storetest.LongOrders...)
	case testing.Short(), underRace: // make orders runs the rest
		sets = lifetest.Sets(2)
	}
	storetest.Orders(t, func(t testing.TB) storetest.Store { return open(t) }, 2000, sets)
}
