package redisstore_test

import (
	"testing"

	"holdfast/authz"
	"holdfast/store/redisstore"
)

// All that is kept is seen, over many pages, each balance once and what is in flight once.
func TestInspectSeesAllThatIsKept(t *testing.T) {
	t.Parallel()
	const balances, held = 1000, 7
	d := desk{open(t, sharedConfig(t)), t}
	var truth []authz.Balance
	for i := range authz.BalanceID(balances) {
		truth = append(truth, authz.Balance{ID: i + 1, Available: 100, Version: 3})
	}
	d.settle(nil, truth...)
	other := authz.PartnerID(lane + 1)
	if err := d.Settle(t.Context(), other, nil, []authz.Balance{{ID: 5000, Available: -5, Version: 1}}); err != nil {
		t.Fatal(err)
	}
	for op := range authz.ID(held) {
		d.place(authz.HoldPlaced, hold(op+1, 10))
	}
	if err := d.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen, operations := map[authz.BalanceID]redisstore.Known{}, 0
	if err := d.Inspect(t.Context(), func(p redisstore.Page) error {
		operations += len(p.InFlight)
		for _, k := range p.Balances {
			if _, again := seen[k.ID]; again || p.Lost || k.Damage != "" || (k.ID == 5000) != (p.Partner == other) {
				t.Errorf("partner %d: %+v", p.Partner, k)
			}
			seen[k.ID] = k
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := redisstore.Known{Balance: authz.Balance{ID: user, Available: 100, Version: 3}, Pending: 10 * held, InFlight: 10 * held}
	if len(seen) != balances+1 || operations != held || seen[user] != want || seen[deposit].InFlight != 10*held || seen[5000].Available != -5 {
		t.Errorf("%d balances, %d operations, the user's %+v", len(seen), operations, seen[user])
	}
}
