package authz_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/authz/money"
	"holdfast/store/storetest"
)

// easy is a world that grants everything at once.
type easy struct{ *plant }

func (easy) Place(_ context.Context, _ authz.PartnerID, batch []*authz.Hold) error {
	for _, h := range batch {
		h.Result = authz.HoldPlaced
	}
	return nil
}

func (easy) Settle(context.Context, authz.PartnerID, []*authz.Hold, []authz.Balance) error {
	return nil
}

func (easy) Refresh(context.Context, authz.PartnerID, []authz.Balance) error { return nil }

func (easy) Commit(_ context.Context, batch []*authz.Entry) (authz.Truth, error) {
	for _, e := range batch {
		e.Outcome = authz.Committed
	}
	return authz.Truth{}, nil
}

// slots are as many as may be decided at once.
type slots chan struct{}

func (s slots) Decided(*authz.Decision) { <-s }

// BenchmarkDecide is what the lanes cost: one request from Submit to its decision, with stores that cost nothing, alone
// and with others under way.
func BenchmarkDecide(b *testing.B) {
	keys, err := keystore.Create(filepath.Join(b.TempDir(), "keys.json"), nil)
	if err != nil {
		b.Fatal(err)
	}
	card, euro := numbered(b, "999999100000001"), storetest.EUR(b)
	for _, most := range []int{1, 256} {
		b.Run(fmt.Sprintf("inflight=%d", most), func(b *testing.B) {
			world := easy{&plant{euro: euro}}
			a, err := authz.New(authz.Config{Now: time.Now}, world, world, world, keys)
			if err != nil {
				b.Fatal(err)
			}
			a.Route([]authz.Program{{Partner: 1, BINLow: 9999_9910, BINHigh: 9999_9910}})
			taken, serial := make(slots, most), 0
			b.ReportAllocs()
			for b.Loop() {
				taken <- struct{}{}
				serial++
				now := time.Now()
				a.Submit(&authz.Request{Kind: authz.Authorization, Peer: "network", ReceivedAt: now, Deadline: now.Add(time.Minute), PAN: card,
					Transaction: authz.Purchase, Amount: money.Amount{Minor: 1, Currency: euro},
					Trace: authz.Trace{STAN: fmt.Sprint(serial), Local: "1122120000"}}, taken)
			}
			if err := a.Close(context.Background()); err != nil || a.Stats().Approved != uint64(serial) {
				b.Fatalf("%d of %d were approved, %v", a.Stats().Approved, serial, err)
			}
		})
	}
}
