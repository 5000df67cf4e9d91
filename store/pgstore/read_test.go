package pgstore_test

import (
	"context"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/store/pgstore"
	"holdfast/store/records"
)

// A reader with time of its own is not held to the limit of one query, and one without is.
func TestViewTakesTheCallersTime(t *testing.T) {
	t.Parallel()
	s := open(t, pgstore.Config{URL: fresh(t), QueryTimeout: time.Second})
	sleep := func(ctx context.Context) error {
		return s.View(ctx, func(q records.Querier) error {
			return q.Query(ctx, func(records.Row) error { return nil }, "SELECT 1 FROM pg_sleep(1.2)")
		})
	}
	if err := sleep(t.Context()); err == nil {
		t.Error("a query of 1.2 s ended within 1 s")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := sleep(ctx); err != nil {
		t.Errorf("with a minute: %v", err)
	}
}

// Thousands of tags, some of them twice and most of them unknown, are found each with its index.
func TestFindManyTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tags := make([]authz.Tag, 5000)
	for i := range tags {
		tags[i] = authz.Tag{1, byte(i >> 8), byte(i)}
	}
	tags[17], tags[18], tags[4999] = w.Alice.Tag, w.Bob.Tag, w.Alice.Tag
	found := map[int]authz.CardID{}
	if err := w.nodes[0].Find(t.Context(), tags, func(i int, c authz.Card) {
		if found[i] != 0 {
			t.Errorf("tag %d was found twice", i)
		}
		found[i] = c.ID
	}); err != nil {
		t.Fatal(err)
	}
	if len(found) != 3 || found[17] != w.Alice.Card || found[18] != w.Bob.Card || found[4999] != w.Alice.Card {
		t.Errorf("found %v", found)
	}
}
