package records_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/store/records"
	"holdfast/store/storetest"
)

// Goal: the lists of a card, a balance, a user and a partner are the same whatever part of the journal has been entered
// into the table that finds their rows, page by page; two nodes that enter rows enter each once; a first limit counts
// what was spent before it on both sides of the mark.
func testListRows(t *testing.T, o *office) {
	ctx := context.Background()
	b := o.balance("EUR")
	o.fund(b, 1_000_000)
	first, holder := o.card(o.credit, b, record.CardVirtual)
	second, other := o.card(o.credit, b, record.CardVirtual)
	at := storetest.Epoch
	var of [2][]authz.ID // newest first
	pay := func(n int) {
		for range n {
			for i, h := range []storetest.Holder{holder, other} {
				at = at.Add(time.Second)
				id := authz.FirstID(at) + 7
				if outcome, err := o.approve(i, h, id, o.snapshot(i, h), 10); outcome != authz.Committed || err != nil {
					t.Fatalf("pay: %d, %v", outcome, err)
				}
				of[i] = slices.Insert(of[i], 0, id)
			}
		}
	}
	entered := int64(0)
	enter := func(n int, now time.Time) {
		t.Helper()
		var by [2]int64
		o.both(2, nil, func(node, _ int) error {
			_, err := records.Transact(ctx, o.nodes[node], o.keys, func(tx *records.Tx) error {
				n, err := tx.ListRows(ctx, n, now)
				by[node] += n
				return err
			})
			return err
		})
		entered += by[0] + by[1]
	}
	list := func(what string, f record.TransactionFilter, want []authz.ID) {
		t.Helper()
		for _, size := range []int{1, 3, 7, 200} {
			var got []authz.ID
			page := record.Page{Limit: size}
			for more := true; more && len(got) <= len(want); more = page.Cursor != "" {
				var l record.List[record.Transaction]
				o.must(func(tx *records.Tx) (err error) { l, err = tx.Transactions(ctx, f, page); return err })
				for _, x := range l.Items {
					got = append(got, x.Authorization)
				}
				page.Cursor = l.Next
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%s by %d: %v, want %v", what, size, got, want)
			}
		}
	}
	lists := func() {
		t.Helper()
		both := slices.Concat(of[0], of[1])
		slices.Sort(both)
		slices.Reverse(both)
		list("the first card", record.TransactionFilter{Partner: o.partner.ID, Card: first.ID}, of[0])
		list("the second card", record.TransactionFilter{Card: second.ID}, of[1])
		list("the balance", record.TransactionFilter{Balance: b.ID}, both)
		list("the user", record.TransactionFilter{Partner: o.partner.ID, User: o.user.ID}, both)
		list("the partner", record.TransactionFilter{Partner: o.partner.ID}, both)
		list("another partner", record.TransactionFilter{Partner: o.partner.ID + 1}, nil)
		list("all", record.TransactionFilter{}, both)
	}
	pay(4)
	lists()
	enter(100, at) // all are too young: a row before them may still be committed
	if entered != 0 {
		t.Errorf("%d rows were entered, which are young", entered)
	}
	enter(100, at.Add(time.Minute-3*time.Second))
	if entered != 4 {
		t.Errorf("%d rows were entered, of which 4 are old", entered)
	}
	lists()
	pay(2)
	enter(3, at.Add(time.Hour))
	if entered < 7 || entered > 12 {
		t.Errorf("%d rows are entered, want some", entered)
	}
	lists()
	enter(100, at.Add(time.Hour))
	enter(100, at.Add(time.Hour))
	if entered != 12 {
		t.Errorf("%d rows were entered, want 12", entered)
	}
	lists()
	pay(1)
	lists()
	o.must(func(tx *records.Tx) error {
		_, err := tx.SetLimits(ctx, o.partner.ID, first.ID, []record.Limit{{Scope: record.LimitGeneral, Window: record.LimitDay, Amount: 100}}, at)
		if err != nil {
			return err
		}
		return nil
	})
	if err := o.nodes[0].View(ctx, func(q records.Querier) error {
		return q.Query(ctx, func(r records.Row) error {
			if r.Int(0) != 70 {
				t.Errorf("%d used on all days, want 70", r.Int(0))
			}
			return nil
		}, "SELECT sum(used) FROM limit_use WHERE card_id = $1 AND scope = 'GENERAL' AND span = 'DAY'", int64(first.ID))
	}); err != nil {
		t.Fatal(err)
	}
}
