package storetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/store/records"
)

const (
	longReaders = 16 // more than an engine lets read records at once
	lookUpTime  = 10 * time.Second
)

// LongReading has the records of a store read by so many at once that others have to wait, until end is called.
func LongReading(t testing.TB, s records.Store) (end func()) {
	t.Helper()
	begun, release := make(chan struct{}, longReaders), make(chan struct{})
	var wg sync.WaitGroup
	for range longReaders {
		wg.Go(func() {
			if err := s.View(context.WithoutCancel(t.Context()), func(records.Querier) error {
				begun <- struct{}{}
				<-release
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	<-begun
	<-begun // every engine lets two read at least; the others are reading or waiting
	return func() { close(release); wg.Wait() }
}

// longReading has the switch decide while others read.
func longReading(t *testing.T, b *bench) {
	defer LongReading(t, b.Store)()
	ctx, cancel := context.WithTimeout(t.Context(), lookUpTime)
	defer cancel()
	var found authz.CardID
	if err := b.Store.Find(ctx, []authz.Tag{b.Alice.Tag}, func(_ int, c authz.Card) { found = c.ID }); err != nil || found != b.Alice.Card {
		t.Fatalf("found card %d, %v; want card %d", found, err, b.Alice.Card)
	}
	if truth, err := b.Store.Balances(ctx, []authz.BalanceID{b.Alice.Balance}); err != nil || len(truth) != 1 {
		t.Errorf("%d balances, %v", len(truth), err)
	}
	r := b.approve(b.Alice, authz.Authorization, 10_00)
	if _, err := b.Store.Due(ctx, Epoch, 1); err != nil {
		t.Errorf("what is due: %v", err)
	}
	if owed, err := b.Store.Owed(ctx, []authz.ID{r.ID}); err != nil || len(owed) != 1 {
		t.Errorf("%d rows owed, %v", len(owed), err)
	}
}
