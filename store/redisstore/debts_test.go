package redisstore_test

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"
	"time"

	"holdfast/authz"
)

// Goal: what a node owed is paid by another one, whatever became of the balances. Method: one store notes, another one
// pays; what is too young is left, and what is not paid is there in the next pass.
func TestDebtsArePaidByAnyNode(t *testing.T) {
	t.Parallel()
	cfg := sharedConfig(t)
	cfg.Prefix = newPrefix()
	one, other := open(t, cfg), open(t, cfg)
	const old, stays, young authz.ID = 10, 20, 30
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(one.Owe(t.Context(), lane, []authz.ID{old, stays, young}))
	must(one.Owe(t.Context(), lane+1, []authz.ID{old, 11}))
	must(one.Paid(t.Context(), lane+1, []authz.ID{11, 12}))
	must(one.Refresh(t.Context(), lane, []authz.Balance{{ID: user, Available: 1, Version: 1}}))

	paid := map[authz.PartnerID][]authz.ID{}
	pay := func(_ context.Context, partner authz.PartnerID, rows []authz.ID) ([]authz.ID, error) {
		slices.Sort(rows)
		paid[partner] = append(paid[partner], rows...)
		return slices.DeleteFunc(slices.Clone(rows), func(id authz.ID) bool { return id == stays }), nil
	}
	pass := func(before time.Time, want int) {
		t.Helper()
		clear(paid)
		if n, err := other.Pay(t.Context(), before, pay); err != nil || n != want {
			t.Errorf("%d paid, want %d (%v)", n, want, err)
		}
	}
	pass(time.Now().Add(-time.Minute), 0)
	if len(paid) != 0 {
		t.Errorf("asked to pay %v", paid)
	}
	noted := time.Now().Add(time.Millisecond)
	for !time.Now().After(noted) { // a debt that is noted anew is a young one
	}
	must(one.Owe(t.Context(), lane, []authz.ID{young}))
	pass(noted, 2)
	if !slices.Equal(paid[lane], []authz.ID{old, stays}) || !slices.Equal(paid[lane+1], []authz.ID{old}) {
		t.Errorf("asked to pay %v", paid)
	}
	later := time.Now().Add(time.Hour)
	pass(later, 1)
	if !slices.Equal(paid[lane], []authz.ID{stays, young}) || len(paid) != 1 {
		t.Errorf("asked to pay %v", paid)
	}
	planted := errors.New("planted")
	if _, err := other.Pay(t.Context(), later, func(context.Context, authz.PartnerID, []authz.ID) ([]authz.ID, error) {
		return []authz.ID{stays}, planted
	}); !errors.Is(err, planted) {
		t.Errorf("err %v", err)
	}
	pass(later, 0) // it is still asked for
	if !slices.Equal(paid[lane], []authz.ID{stays}) {
		t.Errorf("asked to pay %v", paid)
	}
}

// A debt that Redis does not take is refused in time, so that it can be noted elsewhere before the answer leaves.
func TestDebtThatRedisDoesNotTake(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	h := open(t, s.Config)
	s.signal(t, syscall.SIGSTOP)
	defer s.signal(t, syscall.SIGCONT)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := h.Owe(ctx, lane, []authz.ID{1}); !errors.Is(err, authz.ErrUnavailable) {
		t.Errorf("err %v", err)
	}
	if took := time.Since(began); took > testTimeout/2 {
		t.Errorf("it took %v", took)
	}
}
