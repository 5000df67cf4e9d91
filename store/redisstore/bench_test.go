package redisstore_test

import (
	"context"
	"fmt"
	"testing"

	"holdfast/authz"
	"holdfast/store/redisstore"
)

const benchAccounts = 100_000

// BenchmarkHolds places and settles batches for one partner with 100,000 balances and one deposit, a call at
// a time on a server of its own. It reports holds a second and the processor time of Redis.
func BenchmarkHolds(b *testing.B) {
	for _, size := range []int{1, 16, 64, 256} {
		for _, settles := range []bool{false, true} {
			name := fmt.Sprintf("place/%d", size)
			if settles {
				name = fmt.Sprintf("place+settle/%d", size)
			}
			b.Run(name, func(b *testing.B) { benchHolds(b, size, settles) })
		}
	}
}

func benchHolds(b *testing.B, size int, settles bool) {
	s := startRedis(b)
	h := open(b, redisstore.Config{Addrs: []string{s.socket}, PoolSize: 1})
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	ctx := context.Background()
	truth := []authz.Balance{{ID: deposit, Available: 1 << 52, Version: 1}}
	for i := range benchAccounts {
		truth = append(truth, authz.Balance{ID: authz.BalanceID(1_000_000 + i), Available: 1 << 40, Version: 1})
	}
	must(h.Refresh(ctx, lane, truth))
	batch := make([]*authz.Hold, size)
	for i := range batch {
		batch[i] = &authz.Hold{}
	}
	learned := make([]authz.Balance, size+1)
	op, version := int64(1)<<60, int64(1)
	before := processor(b, s)
	b.ResetTimer()
	for b.Loop() {
		version++
		learned[size] = authz.Balance{ID: deposit, Available: 1 << 52, Version: version}
		for i, hold := range batch {
			op++
			account := authz.BalanceID(1_000_000 + (op-1<<60)*7919%benchAccounts)
			*hold = authz.Hold{Op: authz.ID(op), Balance: account, Deposit: deposit, Amount: 1234}
			learned[i] = authz.Balance{ID: account, Available: 1 << 40, Version: version}
		}
		must(h.Place(ctx, lane, batch))
		if batch[size-1].Result != authz.HoldPlaced {
			b.Fatalf("result %d", batch[size-1].Result)
		}
		if settles {
			must(h.Settle(ctx, lane, batch, learned))
		}
	}
	b.StopTimer()
	holds := float64(b.N * size)
	b.ReportMetric(holds/b.Elapsed().Seconds(), "holds/s")
	b.ReportMetric((processor(b, s)-before)*1e6/holds, "redis-us/hold")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/holds, "ns/hold")
}

// processor is the seconds of processor time that the server has used.
func processor(b *testing.B, s *server) float64 {
	info, err := client(b, s.Config).InfoMap(context.Background(), "cpu").Result()
	if err != nil {
		b.Fatal(err)
	}
	var user, system float64
	_, errUser := fmt.Sscan(info["CPU"]["used_cpu_user"], &user)
	_, errSystem := fmt.Sscan(info["CPU"]["used_cpu_sys"], &system)
	if errUser != nil || errSystem != nil {
		b.Fatal(errUser, errSystem)
	}
	return user + system
}
