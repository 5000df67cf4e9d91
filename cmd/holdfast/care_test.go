package main

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"holdfast/store/storetest"
)

// Goal: who reads the records for long keeps the switch from nothing that it does by itself. Method: reports that do not end
// while the switch looks after its holds.
func TestLongReportsDoNotKeepTheSwitchFromItsChores(t *testing.T) {
	t.Parallel()
	n, err := openSwitch(t.Context(), &config{Data: t.TempDir(), Store: storeEmbedded}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	end := storetest.LongReading(t, n.store)
	cared := make(chan struct{})
	go func() { defer close(cared); n.care(context.Background()) }() // owned by the test, which waits for it
	select {
	case <-cared:
	case <-time.After(20 * time.Second):
		t.Error("the switch waits for the reports")
	}
	end()
	<-cared
	if err := n.close(); err != nil {
		t.Error(err)
	}
}
