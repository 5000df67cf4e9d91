package records_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/store/records"
	"holdfast/store/storetest"
)

// Goal: each row of the journal is told of once, also a row that was committed behind later ones, whoever follows; a row
// that changes its answer is told of again; nobody is told what came before anybody wanted to hear.
func testFollow(t *testing.T, o *office) {
	ctx := context.Background()
	b := o.balance("EUR")
	o.fund(b, 1_000_000)
	_, holder := o.card(o.credit, b, record.CardVirtual)
	card := o.snapshot(0, holder)
	at := storetest.Epoch
	pay := func(offset time.Duration) authz.ID {
		id := authz.FirstID(at.Add(offset)) + 7
		if outcome, err := o.approve(0, holder, id, card, 10); outcome != authz.Committed || err != nil {
			t.Fatalf("pay: %d, %v", outcome, err)
		}
		return id
	}
	follow := func(node int, now time.Time, late bool) (ids []authz.ID) {
		_, err := records.Transact(ctx, o.nodes[node], o.keys, func(tx *records.Tx) error {
			rows, err := tx.FollowNew(ctx, 100, now)
			if err == nil && late {
				var more []record.Transaction
				more, err = tx.FollowLate(ctx, 100, now)
				rows = append(rows, more...)
			}
			for _, x := range rows {
				ids = append(ids, x.Authorization)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		return ids
	}
	want := func(what string, got []authz.ID, want ...authz.ID) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: told of %v, want %v", what, got, want)
		}
	}
	pay(-time.Second)
	want("nobody listens", follow(0, at, true))
	o.must(func(tx *records.Tx) error {
		return tx.InsertEndpoint(ctx, &record.Endpoint{Partner: o.partner.ID, Kind: record.EndpointWebhook, Target: "https://partner.example",
			Secret: make([]byte, 32), CreatedAt: at})
	})
	first, third := pay(1*time.Second), pay(3*time.Second)
	want("new ones", follow(0, at.Add(3*time.Second), true), first, third)
	want("again", follow(1, at.Add(3*time.Second), true))
	second := pay(2 * time.Second) // committed behind the third
	want("new ones, none", follow(0, at.Add(4*time.Second), false))
	want("a late one", follow(1, at.Add(4*time.Second), true), second)
	if err := o.nodes[0].Update(ctx, func(q records.Querier) error {
		_, err := q.Exec(ctx, "UPDATE authorizations SET answered = $1 WHERE id = $2", int64(authz.DecisionLate), int64(first))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	want("another answer", follow(0, at.Add(5*time.Second), true), first)
	want("that once", follow(0, at.Add(5*time.Second), true))
	want("long after", follow(0, at.Add(time.Hour), true)) // moves the floor
	want("and nothing comes back", follow(1, at.Add(time.Hour), true))

	var paid, told []authz.ID
	for i := range 30 {
		paid = append(paid, pay(time.Hour+time.Duration(i)*time.Second))
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for node := range o.nodes {
		wg.Go(func() {
			for range 5 {
				ids := follow(node, at.Add(time.Hour+40*time.Second), true)
				mu.Lock()
				told = append(told, ids...)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(told)
	want("two at once", told, paid...)
}
