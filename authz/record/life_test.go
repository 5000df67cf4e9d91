package record_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/authz"
	"holdfast/authz/record"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) // a Sunday

// gravity is the order in which one lock for ever may still be replaced by another; those that can be lifted have none.
var gravity = map[authz.LockReason]int{authz.LockInactive: 1, authz.LockReplaced: 2, authz.LockLost: 3, authz.LockStolen: 4}

// Goal: whatever is done to a card, what is final stays, and it pays only when it should. Method: random actions in random
// order on a card of each kind, beside a model that knows only the promises of the seed.
func TestACardsLifeKeepsItsPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]record.CardKind{record.CardVirtual, record.CardPhysical, record.CardDigitalFirst}).Draw(t, "kind")
		c := record.Card{Kind: kind, State: authz.CardActive, Expiry: authz.MonthOf(noon) + 1}
		if kind == record.CardPhysical {
			c.State = authz.CardOrdered
		}
		at := noon
		removed, permanent, delivered, activated := false, authz.LockNone, false, kind != record.CardPhysical
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			at = at.Add(time.Duration(rapid.IntRange(0, 10).Draw(t, "days")) * 24 * time.Hour)
			was := c
			switch a := rapid.SampledFrom([]record.CardAction{record.ActPersonalize, record.ActDeliver, record.ActActivate, record.ActLock,
				record.ActUnlock, record.ActRemove, record.ActPrint, record.ActResetCVV, record.ActSetPIN, record.ActReveal}).Draw(t, "action"); a {
			case record.ActLock:
				reason := authz.LockReason(rapid.IntRange(0, 9).Draw(t, "reason"))
				by := rapid.SampledFrom([]record.LockSource{record.LockByUser, record.LockByPartner, record.LockByOperator, record.LockByOutside, record.LockByPIN}).Draw(t, "by")
				changed, err := c.Relock(reason, by, at)
				if changed {
					c.Lock, c.LockSource = reason, by
				}
				if (err == nil) && (removed || !reason.Valid() || gravity[reason] < gravity[permanent]) {
					t.Fatalf("%+v was locked for %d by %s", was, reason, by)
				}
				if err != nil && reason.Irreversible() && !removed && permanent == 0 {
					t.Fatalf("%+v was not locked for ever: %v", was, err)
				}
				if changed && reason.Irreversible() {
					permanent = reason
				}
			case record.ActUnlock:
				if err := c.Unlock(record.LockByOperator, true, at); err == nil {
					if removed || permanent != 0 || c.Lock == 0 {
						t.Fatalf("%+v was unlocked", was)
					}
					c.Lock, c.LockSource = 0, ""
				}
			default:
				to, err := c.Act(a, at)
				if err != nil {
					continue
				}
				expired := at.Year()*12+int(at.Month()) > noon.Year()*12+int(noon.Month())+1
				switch {
				case removed:
					t.Fatalf("a removed card was used: %s", a)
				case a == record.ActActivate && (!delivered || c.Lock != 0 || expired):
					t.Fatalf("%+v was activated at %s", was, at)
				case a == record.ActSetPIN && (kind == record.CardVirtual || permanent != 0):
					t.Fatalf("%+v had its PIN set", was)
				case a == record.ActResetCVV && (kind == record.CardPhysical || c.Lock != 0 || expired):
					t.Fatalf("%+v had its CVV reset", was)
				case a == record.ActPrint && kind != record.CardDigitalFirst:
					t.Fatalf("%+v was printed", was)
				}
				c.State = to
				removed = removed || a == record.ActRemove
				delivered = delivered || a == record.ActDeliver
				activated = activated || a == record.ActActivate
			}
			pays := c.State == authz.CardActive && c.Lock == 0
			if pays && (removed || permanent != 0 || !activated) || (c.State == authz.CardRemovedState) != removed || permanent != 0 && c.Lock != permanent {
				t.Fatalf("%+v after %+v", c, was)
			}
			if want := c.Status(at) == "ACTIVE"; want != (pays && !c.Expired(at)) {
				t.Fatalf("%+v is shown as %s", c, c.Status(at))
			}
		}
	})
}

// The seed's table of lock reasons, by hand: which replaces which, and which can be lifted.
func TestLockReasons(t *testing.T) {
	t.Parallel()
	final := map[authz.LockReason]bool{1: true, 2: true, 5: true, 8: true}
	for from := authz.LockNone; from <= authz.LockReplaced; from++ {
		for to := authz.LockLost; to <= authz.LockReplaced; to++ {
			c := record.Card{State: authz.CardActive, Lock: from, LockSource: record.LockByUser, Expiry: authz.MonthOf(noon)}
			changed, err := c.Relock(to, record.LockByUser, noon)
			if want := from == to || !final[from]; (err == nil) != want || changed != (want && from != to) {
				t.Errorf("from %d to %d: %v, %v", from, to, changed, err)
			}
		}
		c := record.Card{State: authz.CardInactive, Lock: from, LockSource: record.LockByUser, Expiry: authz.MonthOf(noon) - 1}
		if err := c.Unlock(record.LockByUser, false, noon); (err == nil) != (from != 0 && !final[from]) {
			t.Errorf("unlock %d: %v", from, err)
		}
	}
	outside := record.Card{State: authz.CardActive, Lock: authz.LockFraud, LockSource: record.LockByOutside, Expiry: authz.MonthOf(noon)}
	if _, err := outside.Relock(authz.LockQuery, record.LockByUser, noon); !errors.Is(err, record.ErrLockOutside) {
		t.Errorf("a user weakened a lock from outside: %v", err)
	}
	for _, test := range []struct {
		by   record.LockSource
		only bool
		want error
	}{{record.LockByUser, false, nil}, {record.LockByUser, true, record.ErrLockOutside}, {record.LockByPartner, true, record.ErrLockOutside}, {record.LockByOperator, true, nil}} {
		if err := outside.Unlock(test.by, test.only, noon); !errors.Is(err, test.want) {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

// Goal: the built-in processor takes every order through the seed's steps in their order, never early, and ends. Method:
// it is asked at random moments, and more than once for a step.
func TestOrdersGoThroughTheirSteps(t *testing.T) {
	t.Parallel()
	steps := []record.OrderState{"REQUESTED", "ACCEPTED", "PERSONALIZING", "REPORTED", "LINKED", "STORED", "DELIVERED", "ACTIVATED"}
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]record.OrderKind{record.OrderPhysical, record.OrderPrint}).Draw(t, "kind")
		b := record.BuiltIn{After: time.Duration(rapid.IntRange(0, 100).Draw(t, "after")) * time.Hour, Delivery: time.Duration(rapid.IntRange(0, 50).Draw(t, "delivery")) * time.Hour}
		o := record.Order{ID: record.NewUUID(noon), Kind: kind, State: record.OrderRequested, CreatedAt: noon}
		at, asked := noon, 0
		for o.State.Open() {
			if asked++; asked > 400 {
				t.Fatalf("still %s at %s", o.State, at)
			}
			step, err := b.Advance(context.Background(), o, at)
			again, _ := b.Advance(context.Background(), o, at)
			if err != nil || step != again {
				t.Fatalf("asked twice: %+v and %+v, %v", step, again, err)
			}
			if step.To == o.State {
				if !step.Again.After(at) {
					t.Fatalf("nothing happened, ask again at %s", step.Again)
				}
				at = at.Add(time.Duration(rapid.IntRange(1, 30).Draw(t, "hours")) * time.Hour)
				continue
			}
			if err := o.State.To(step.To, kind); err != nil || slices.Index(steps, step.To) != slices.Index(steps, o.State)+1 {
				t.Fatalf("from %s to %s: %v", o.State, step.To, err)
			}
			if step.To == record.OrderReported && at.Before(noon.Add(b.After)) || step.To == record.OrderDelivered && at.Before(noon.Add(b.After+b.Delivery)) {
				t.Fatalf("%s at %s", step.To, at)
			}
			o.State = step.To
		}
		if o.State != record.OrderDelivered {
			t.Fatalf("ended as %s", o.State)
		}
	})
	all := append(slices.Clone(steps), record.OrderRejected, "NONSENSE")
	for i, from := range all {
		for j, to := range all {
			for _, kind := range []record.OrderKind{record.OrderPhysical, record.OrderPrint} {
				want := i < 7 && j == i+1 && (j < 7 || kind == record.OrderPhysical) || to == record.OrderRejected && i < 3
				if err := from.To(to, kind); (err == nil) != want {
					t.Errorf("%s order from %s to %s: %v", kind, from, to, err)
				}
			}
		}
	}
}

func TestUserBalanceAndKYCStates(t *testing.T) {
	t.Parallel()
	users := []record.UserState{record.UserActive, record.UserLocked, record.UserRemoved}
	balances := []record.BalanceState{record.BalanceActive, record.BalanceLocked, record.BalanceClosed}
	for i := range users {
		for j := range users {
			if err := users[i].To(users[j]); (err == nil) != (i != j && i != 2) {
				t.Errorf("user from %s to %s: %v", users[i], users[j], err)
			}
			for _, money := range [][2]int64{{0, 0}, {1, 0}, {1, 1}, {-1, 0}} {
				err := balances[i].To(balances[j], money[0], money[1])
				if want := i != j && i != 2 && (j != 2 || money == [2]int64{}); (err == nil) != want {
					t.Errorf("balance with %v from %s to %s: %v", money, balances[i], balances[j], err)
				}
			}
		}
	}
	for _, test := range []struct {
		from, to record.KYCState
		method   record.KYCMethod
		want     bool
	}{
		{"NOT_STARTED", "IN_PROGRESS", "AUTOMATED", true}, {"NOT_STARTED", "ACCEPTED", "OPERATOR", false}, {"NOT_STARTED", "ACCEPTED", "PARTNER", true},
		{"IN_PROGRESS", "ACCEPTED", "OPERATOR", true}, {"IN_PROGRESS", "REJECTED", "AUTOMATED", true}, {"IN_PROGRESS", "IN_PROGRESS", "OPERATOR", false},
		{"REJECTED", "IN_PROGRESS", "OPERATOR", true}, {"REJECTED", "ACCEPTED", "OPERATOR", false}, {"ACCEPTED", "IN_PROGRESS", "OPERATOR", false},
		{"ACCEPTED", "REJECTED", "PARTNER", true}, {"ACCEPTED", "ACCEPTED", "PARTNER", false}, {"ACCEPTED", "NOT_STARTED", "PARTNER", false},
	} {
		if err := test.from.To(test.to, test.method); (err == nil) != test.want {
			t.Errorf("KYC %+v: %v", test, err)
		}
	}
}
