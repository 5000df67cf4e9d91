package storetest

import (
	"sync"
	"testing"

	"holdfast/authz"
)

const (
	lane    authz.PartnerID = 7
	user    authz.BalanceID = 71
	deposit authz.BalanceID = 72
)

// Holds is the conformance suite of a cache of balances. open makes an empty one.
func Holds(t *testing.T, open func(testing.TB) authz.Holds) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, cache)
	}{
		{"an unknown balance is said to be unknown", unknownBalance},
		{"a hold takes from both or from neither", bothOrNeither},
		{"the deposit is looked at first", depositFirst},
		{"the holds of a batch see each other", batchOrder},
		{"placing an operation again holds once", placeAgain},
		{"what was refused may be placed again for less", placeLess},
		{"settling ends the hold and learns the truth", settleLearns},
		{"settling without the truth gives back", settleGivesBack},
		{"settling twice is harmless", settleTwice},
		{"an older truth is ignored", olderTruth},
		{"a forced hold is placed whatever is there", forcedHold},
		{"nothing wanted only reads", readOnly},
		{"a program without deposit", noDeposit},
		{"an operation is placed again after it was settled", placeSettled},
		{"refreshing replaces a newer version and counts what is pending", refreshReplaces},
		{"concurrent holds never exceed the balance", concurrentHolds},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := cache{t, open(t)}
			test.run(t, c)
		})
	}
}

type cache struct {
	t testing.TB
	authz.Holds
}

func (c cache) teach(userHas, depositHas int64) {
	c.settle(nil, authz.Balance{ID: user, Available: userHas, Version: 1}, authz.Balance{ID: deposit, Available: depositHas, Version: 1})
}

func (c cache) settle(ended []*authz.Hold, truth ...authz.Balance) {
	c.t.Helper()
	if err := c.Settle(c.t.Context(), lane, ended, truth); err != nil {
		c.t.Fatal(err)
	}
}

func (c cache) place(holds ...*authz.Hold) {
	c.t.Helper()
	if err := c.Place(c.t.Context(), lane, holds); err != nil {
		c.t.Fatal(err)
	}
}

// left places a hold of nothing and returns what it saw.
func (c cache) left() (userHas, depositHas int64) {
	c.t.Helper()
	h := hold(999_999, 0)
	c.place(h)
	return h.UserWas, h.DepoWas
}

func (c cache) expect(wantUser, wantDeposit int64) {
	c.t.Helper()
	if u, d := c.left(); u != wantUser || d != wantDeposit {
		c.t.Errorf("available: user %d, deposit %d; want %d, %d", u, d, wantUser, wantDeposit)
	}
}

func hold(op authz.ID, amount int64) *authz.Hold {
	return &authz.Hold{Op: op, Balance: user, Deposit: deposit, Amount: amount}
}

func result(t *testing.T, h *authz.Hold, want authz.HoldResult) {
	t.Helper()
	if h.Result != want {
		t.Errorf("result of hold %d is %d, want %d", h.Op, h.Result, want)
	}
}

func unknownBalance(t *testing.T, c cache) {
	h := hold(1, 10)
	c.place(h)
	result(t, h, authz.HoldUnknown)
	c.settle(nil, authz.Balance{ID: user, Available: 100, Version: 1})
	c.place(h)
	result(t, h, authz.HoldUnknown)
}

func bothOrNeither(t *testing.T, c cache) {
	c.teach(100, 100)
	ok, short := hold(1, 60), hold(2, 60)
	c.place(ok, short)
	result(t, ok, authz.HoldPlaced)
	result(t, short, authz.HoldDepositShort)
	c.expect(40, 40)
	c.teach2(30, 1000)
	user := hold(3, 200)
	c.place(user)
	result(t, user, authz.HoldFundsShort)
	c.expect(30-60, 1000-60)
}

func (c cache) teach2(userHas, depositHas int64) {
	c.settle(nil, authz.Balance{ID: user, Available: userHas, Version: 2}, authz.Balance{ID: deposit, Available: depositHas, Version: 2})
}

func depositFirst(t *testing.T, c cache) {
	c.teach(1, 1)
	h := hold(1, 2)
	c.place(h)
	result(t, h, authz.HoldDepositShort)
	if h.UserWas != 1 || h.DepoWas != 1 {
		t.Errorf("seen %d and %d before, want 1 and 1", h.UserWas, h.DepoWas)
	}
}

func batchOrder(t *testing.T, c cache) {
	c.teach(100, 1000)
	first, second, third := hold(1, 60), hold(2, 60), hold(3, 40)
	c.place(first, second, third)
	result(t, first, authz.HoldPlaced)
	result(t, second, authz.HoldFundsShort)
	result(t, third, authz.HoldPlaced)
	c.expect(0, 900)
}

func placeAgain(t *testing.T, c cache) {
	c.teach(100, 100)
	c.place(hold(1, 60))
	again := hold(1, 60)
	c.place(again)
	result(t, again, authz.HoldPlaced)
	c.expect(40, 40)
}

func placeLess(t *testing.T, c cache) {
	c.teach(100, 80)
	h := hold(1, 120)
	c.place(h)
	result(t, h, authz.HoldDepositShort)
	h.Amount = h.DepoWas
	c.place(h)
	result(t, h, authz.HoldPlaced)
	c.expect(20, 0)
}

func settleLearns(_ *testing.T, c cache) {
	c.teach(100, 100)
	h := hold(1, 60)
	c.place(h)
	c.settle([]*authz.Hold{h}, authz.Balance{ID: user, Available: 41, Version: 2}, authz.Balance{ID: deposit, Available: 42, Version: 2})
	c.expect(41, 42)
}

func settleGivesBack(_ *testing.T, c cache) {
	c.teach(100, 100)
	h := hold(1, 60)
	c.place(h)
	c.settle([]*authz.Hold{h})
	c.expect(100, 100)
}

func settleTwice(_ *testing.T, c cache) {
	c.teach(100, 100)
	h := hold(1, 60)
	c.place(h, hold(2, 5))
	c.settle([]*authz.Hold{h})
	c.settle([]*authz.Hold{h})
	c.expect(95, 95)
}

func olderTruth(_ *testing.T, c cache) {
	c.settle(nil, authz.Balance{ID: user, Available: 50, Version: 5}, authz.Balance{ID: deposit, Available: 50, Version: 5})
	c.teach2(99, 99)
	c.expect(50, 50)
}

func forcedHold(t *testing.T, c cache) {
	c.teach(10, 10)
	h := hold(1, 60)
	h.Forced = true
	c.place(h)
	result(t, h, authz.HoldPlaced)
	c.expect(-50, -50)
}

func readOnly(t *testing.T, c cache) {
	c.teach(10, 20)
	h := hold(1, 0)
	c.place(h)
	result(t, h, authz.HoldPlaced)
	c.settle([]*authz.Hold{h})
	c.expect(10, 20)
}

func noDeposit(t *testing.T, c cache) {
	c.settle(nil, authz.Balance{ID: user, Available: 100, Version: 1})
	h := &authz.Hold{Op: 1, Balance: user, Amount: 70}
	c.place(h)
	result(t, h, authz.HoldPlaced)
	again := &authz.Hold{Op: 2, Balance: user, Amount: 70}
	c.place(again)
	result(t, again, authz.HoldFundsShort)
}

func placeSettled(t *testing.T, c cache) {
	c.teach(100, 100)
	h := hold(1, 60)
	c.place(h)
	c.settle([]*authz.Hold{h})
	c.place(h, hold(2, 60))
	result(t, h, authz.HoldPlaced)
	c.expect(40, 40)
}

func refreshReplaces(_ *testing.T, c cache) {
	c.settle(nil, authz.Balance{ID: user, Available: 1 << 40, Version: 1000}, authz.Balance{ID: deposit, Available: 1, Version: 1000})
	ended := &authz.Hold{Op: 1, Balance: user, Amount: 10}
	c.place(ended, &authz.Hold{Op: 2, Balance: user, Amount: 30})
	c.settle([]*authz.Hold{ended})
	truth := []authz.Balance{{ID: user, Available: 100, Version: 7}, {ID: deposit, Available: 200, Version: 8}}
	if err := c.Refresh(c.t.Context(), lane, truth); err != nil {
		c.t.Fatal(err)
	}
	c.expect(70, 200)
	c.settle(nil, authz.Balance{ID: user, Available: 90, Version: 8})
	c.expect(60, 200)
}

func concurrentHolds(t *testing.T, c cache) {
	c.teach(1000, 1000)
	var wg sync.WaitGroup
	results := make(chan authz.HoldResult, 400)
	for i := range 40 {
		wg.Go(func() {
			for j := range 10 {
				h := hold(authz.ID(i*10+j+1), 7)
				if err := c.Place(t.Context(), lane, []*authz.Hold{h}); err != nil {
					t.Error(err)
				}
				results <- h.Result
			}
		})
	}
	wg.Wait()
	close(results)
	placed := int64(0)
	for r := range results {
		if r == authz.HoldPlaced {
			placed++
		}
	}
	if placed != 1000/7 {
		t.Errorf("%d holds of 7 were placed on 1000, want %d", placed, 1000/7)
	}
	c.expect(1000-placed*7, 1000-placed*7)
}
