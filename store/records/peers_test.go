package records_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/store/records"
	"holdfast/store/storetest"
)

func testPeersAndRates(t *testing.T, o *office) {
	ctx := t.Context()
	yes, bins := true, []string{"1", "23"}
	first := record.PeerChange{Name: "first", FileActions: &yes, BINs: &bins, ActionCodes: map[string]string{"LOCKED_LOST": "46 1046"}}
	o.must(func(tx *records.Tx) error { return tx.InsertPeer(ctx, first, storetest.Epoch) })
	o.refused(record.ErrExists, "a name twice", func(tx *records.Tx) error {
		return tx.InsertPeer(ctx, record.PeerChange{Name: "first"}, storetest.Epoch)
	})
	o.refused(record.ErrValidation, "no name", func(tx *records.Tx) error { return tx.InsertPeer(ctx, record.PeerChange{}, storetest.Epoch) })
	peers := func() (all []record.PeerChange) {
		o.must(func(tx *records.Tx) (err error) { all, err = tx.PeerChanges(ctx); return err })
		return all
	}
	if all := peers(); len(all) != 1 || !*all[0].FileActions || fmt.Sprint(*all[0].BINs, all[0].ActionCodes) != fmt.Sprint(bins, first.ActionCodes) {
		t.Errorf("read %+v, want %+v", all, first)
	}
	o.must(func(tx *records.Tx) error { return tx.SetPeer(ctx, record.PeerChange{Name: "first"}, storetest.Epoch) })
	if all := peers(); len(all) != 1 || all[0].FileActions != nil || all[0].BINs != nil || all[0].ActionCodes != nil {
		t.Errorf("read %+v, want that nothing is changed", all)
	}
	var made atomic.Int64
	o.both(1, []error{record.ErrExists}, func(node, _ int) error {
		_, err := records.Transact(context.Background(), o.nodes[node], o.keys, func(tx *records.Tx) error {
			return tx.InsertPeer(context.Background(), record.PeerChange{Name: "of two who ask at once"}, storetest.Epoch)
		})
		if err == nil {
			made.Add(1)
		}
		return err
	})
	if made.Load() != 1 {
		t.Errorf("%d peers have one name", made.Load())
	}
	o.must(func(tx *records.Tx) error {
		for i := range record.PeersMax - 2 {
			if err := tx.InsertPeer(ctx, record.PeerChange{Name: fmt.Sprint("peer ", i)}, storetest.Epoch); err != nil {
				return err
			}
		}
		return nil
	})
	o.refused(record.ErrTooMany, "one peer too many", func(tx *records.Tx) error {
		return tx.InsertPeer(ctx, record.PeerChange{Name: "last"}, storetest.Epoch)
	})
	o.must(func(tx *records.Tx) error { return tx.ResetPeer(ctx, "first") })
	if n := len(peers()); n != record.PeersMax-1 {
		t.Errorf("%d peers are left", n)
	}
	testRatesPage(t, o)
}

func testRatesPage(t *testing.T, o *office) {
	ctx := t.Context()
	for i, from := range []string{"USD", "GBP", "USD", "JPY", "CHF"} { // the last two at the same moment, and dollars anew
		since := storetest.Epoch.Add(time.Duration(min(i, 3)) * time.Second)
		o.must(func(tx *records.Tx) error {
			return tx.SetRate(ctx, authz.Rate{From: o.currency(from), To: o.currency("EUR"), Rate: fmt.Sprintf("6100000%d", i)}, since)
		})
	}
	got, page := "", record.Page{Limit: 1}
	for range 5 {
		o.must(func(tx *records.Tx) error {
			l, err := tx.RatesPage(ctx, storetest.Epoch.Add(time.Hour), page)
			for _, r := range l.Items {
				got += r.From.Alpha() + " " + r.Rate + ", "
			}
			page.Cursor = l.Next
			return err
		})
		if page.Cursor == "" {
			break
		}
	}
	if want := "CHF 61000004, JPY 61000003, USD 61000002, GBP 61000001, "; got != want {
		t.Errorf("the pages have %s, want %s", got, want)
	}
	for _, cursor := range []string{"5", ".", "a.", "A.1", "a.zzzzz", "4111111111111111.1", "411111111111.1", "01a2062e-6628-76a6-86fe-5085770c56fd"} {
		o.refused(record.ErrCursor, "the cursor "+cursor, func(tx *records.Tx) error {
			_, err := tx.RatesPage(ctx, storetest.Epoch, record.Page{Cursor: cursor})
			return err
		})
	}
}
