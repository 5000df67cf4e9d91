package records_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/authz/record"
	"holdfast/store/records"
	"holdfast/store/storetest"
)

// What a top-up costs, each in a transaction of its own with its audit record, by sixteen callers on a hundred balances.
func BenchmarkTopUp(b *testing.B) {
	for _, e := range []engine{{"embedded", embedded}, {"full", full}} {
		b.Run(e.name, func(b *testing.B) {
			w := storetest.NewWorld(b, e.open(b)[0])
			var ids []authz.BalanceID
			if err := w.Store.Update(b.Context(), func(q records.Querier) error {
				partner, err := records.CreatePartner(b.Context(), q, "Bench", storetest.Epoch)
				for i := 0; i < 100 && err == nil; i++ {
					var u authz.UserID
					var id authz.BalanceID
					if u, err = records.CreateUser(b.Context(), q, partner, "Bench", "ACCEPTED", storetest.Epoch); err == nil {
						id, err = records.CreateUserBalance(b.Context(), q, partner, u, storetest.EUR(b), storetest.Epoch)
					}
					ids = append(ids, id)
				}
				return err
			}); err != nil {
				b.Fatal(err)
			}
			var serial atomic.Int64
			b.SetParallelism(8)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					n := serial.Add(1)
					if _, err := records.Transact(context.Background(), w.Store, w.Keys, func(tx *records.Tx) error {
						m := record.Movement{Kind: record.MovementTopUp, Partner: 2, Balance: ids[n%100], Amount: money.Amount{Minor: 1, Currency: storetest.EUR(b)},
							ExternalID: fmt.Sprint(n), By: "bench", At: storetest.Epoch}
						if err := tx.Move(context.Background(), &m); err != nil {
							return err
						}
						return tx.Audit(context.Background(), &record.Audit{Chain: 2, At: storetest.Epoch, Actor: "bench", Channel: "secure", Action: "balance.credit", Outcome: "OK"})
					}); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
