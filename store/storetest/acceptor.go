package storetest

import (
	"testing"

	"holdfast/authz"
	"holdfast/store/records"
)

// Goal: a row has the merchant's name of its own request, and keeps it. Method: entries of all kinds with names of their own,
// among them one without, one in other letters, and a repeat that has another.
func acceptorKept(t *testing.T, b *bench) {
	var entries []*authz.Entry
	want := map[authz.ID]string{}
	add := func(e *authz.Entry, name string) {
		e.Request.Acceptor = name
		entries = append(entries, e)
		want[e.Request.ID] = name
	}
	approval := b.entry(b.Alice, b.Request(b.Alice, authz.Authorization, 10_00), authz.Approved)
	add(approval, "FROG SHOP LUBLIN POL")
	add(b.entry(b.Alice, b.Request(b.Alice, authz.Financial, 5_00), authz.Approved), "CAF\u00c9 \u0141\u00d3D\u0179 'X'; PL")
	add(b.entry(b.Alice, b.Request(b.Alice, authz.Authorization, 900_00), authz.FundsShort), "")
	add(b.advice(nil, b.Alice, 7_00), "STOOD IN WARSZAWA POL")
	add(b.cleared(nil, b.Alice, 6_00), "CLEARED GDYNIA POL")
	b.commit(entries...)
	reversal := b.entry(b.Alice, b.Undo(approval.Request), authz.ReversalAccepted)
	add(reversal, "UNDONE LUBLIN POL")
	b.commit(reversal)
	again := *approval.Request
	repeat := b.entry(b.Alice, &again, authz.Approved)
	repeat.Request.Acceptor = "ANOTHER SHOP"
	b.decided(repeat, authz.Duplicate, authz.Approved)
	got := map[authz.ID]string{}
	if err := b.Store.View(t.Context(), func(q records.Querier) error {
		return q.Query(t.Context(), func(r records.Row) error { got[authz.ID(r.Int(0))] = r.Text(1); return nil },
			"SELECT id, acceptor FROM authorizations")
	}); err != nil {
		t.Fatal(err)
	}
	for id, name := range want {
		if kept, there := got[id]; !there || kept != name {
			t.Errorf("the row of %q has %q (there: %v)", name, kept, there)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d rows, want %d", len(got), len(want))
	}
}
