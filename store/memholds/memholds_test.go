package memholds_test

import (
	"testing"

	"holdfast/authz"
	"holdfast/store/memholds"
	"holdfast/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Holds(t, func(testing.TB) authz.Holds { return memholds.New() })
}

func TestFlushKeepsWhatIsPending(t *testing.T) {
	h := memholds.New()
	placed := &authz.Hold{Op: 1, Balance: 1, Amount: 30}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(h.Settle(t.Context(), 1, nil, []authz.Balance{{ID: 1, Available: 100, Version: 3}, {ID: 2, Available: 5, Version: 1}}))
	must(h.Place(t.Context(), 1, []*authz.Hold{placed}))
	h.Flush()
	still, gone := &authz.Hold{Op: 2, Balance: 1, Amount: 80}, &authz.Hold{Op: 3, Balance: 2, Amount: 1}
	must(h.Place(t.Context(), 1, []*authz.Hold{still, gone}))
	if still.Result != authz.HoldFundsShort || gone.Result != authz.HoldUnknown {
		t.Errorf("after a flush: %d and %d, want funds short and unknown", still.Result, gone.Result)
	}
}
