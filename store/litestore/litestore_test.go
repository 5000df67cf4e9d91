package litestore_test

import (
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

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

func TestOrders(t *testing.T) {
	sets := append(storetest.Sets(3), storetest.Long[:4]...)
	switch {
	case os.Getenv("HOLDFAST_TEST_ORDERS") == "all": // some minutes
		sets = append(storetest.Sets(4), storetest.Long...)
	case testing.Short(), underRace: // make orders runs the rest
		sets = storetest.Sets(2)
	}
	storetest.Orders(t, func(t testing.TB) storetest.Store { return open(t) }, 2000, sets)
}
