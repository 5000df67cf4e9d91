package main

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"holdfast/store/records"
)

// Goal: who reads the records for long keeps the switch from nothing that it does by itself. Method: reports that do not end
// while the switch looks after its holds.
func TestLongReportsDoNotKeepTheSwitchFromItsChores(t *testing.T) {
	t.Parallel()
	n, err := openSwitch(t.Context(), &config{Data: t.TempDir(), Store: storeEmbedded}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	begun, release := make(chan struct{}, 8), make(chan struct{})
	var wg sync.WaitGroup
	for range cap(begun) {
		wg.Go(func() {
			if err := n.store.View(context.Background(), func(records.Querier) error {
				begun <- struct{}{}
				<-release
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	<-begun
	<-begun
	cared := make(chan struct{})
	wg.Go(func() { defer close(cared); n.care(context.Background()) })
	select {
	case <-cared:
	case <-time.After(20 * time.Second):
		t.Error("the switch waits for the reports")
	}
	close(release)
	wg.Wait()
	if err := n.close(); err != nil {
		t.Error(err)
	}
}
