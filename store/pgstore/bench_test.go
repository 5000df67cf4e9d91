package pgstore_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/authz"
	"holdfast/store/pgstore"
)

// benchBalances is how many users share the one deposit.
const benchBalances = 100_000

// BenchmarkCommit measures rows per second of approvals on one hot deposit, by the size of a batch and how many
// batches are committed at a time.
func BenchmarkCommit(b *testing.B) {
	w := newWorld(b)
	card := w.card(w.Alice)
	first := w.fill(b, card)
	for _, writers := range []int{1, 2} {
		for _, size := range []int{1, 16, 64, 256} {
			b.Run(fmt.Sprintf("writers=%d/batch=%d", writers, size), func(b *testing.B) {
				s := open(b, pgstore.Config{URL: w.url, Committers: writers})
				w.benchmark(b, s, writers, size, first, card)
			})
		}
	}
}

// BenchmarkCommitPartners is the same rows from many partners, each with one payment a batch: what shares a
// transaction costs like one large batch.
func BenchmarkCommitPartners(b *testing.B) {
	w := newWorld(b)
	card := w.card(w.Alice)
	first := w.fill(b, card)
	card.Deposit = 0
	for _, callers := range []int{64, 512} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := open(b, pgstore.Config{URL: w.url})
			w.benchmark(b, s, callers, 1, first, card)
		})
	}
}

// BenchmarkWays compares in one run what is guessed with what is read and locked first, each with nothing but new
// approvals and with a repeat among each thirty-two, which needs to be read.
func BenchmarkWays(b *testing.B) {
	w := newWorld(b)
	card := w.card(w.Alice)
	first := w.fill(b, card)
	for _, repeats := range []bool{false, true} {
		for _, lock := range []bool{true, false} {
			b.Run(fmt.Sprintf("repeats=%t/lock=%t", repeats, lock), func(b *testing.B) {
				s := open(b, pgstore.Config{URL: w.url})
				if lock {
					s.LockAlways()
				}
				some := w.approval(1, w.Alice, card, 1)
				some.Request.Repeat = repeats
				w.benchmarkOf(b, s, 2, 256, first, card, some)
			})
		}
	}
}

// BenchmarkFind looks 4,000 cards up among many, as a node does that has just started.
func BenchmarkFind(b *testing.B) {
	w := newWorld(b)
	w.fill(b, w.card(w.Alice))
	tags := make([]authz.Tag, 4000)
	for i := range tags {
		binary.BigEndian.PutUint32(tags[i][len(tags[i])-4:], uint32(i*7919%benchBalances))
	}
	for b.Loop() {
		found := 0
		if err := w.nodes[0].Find(b.Context(), tags, func(int, authz.Card) { found++ }); err != nil || found != len(tags) {
			b.Fatalf("%d found, %v", found, err)
		}
	}
}

var benchID atomic.Int64

func (w *world) benchmark(b *testing.B, s *pgstore.Store, callers, size int, first int64, card *authz.Card) {
	w.benchmarkOf(b, s, callers, size, first, card, w.approval(1, w.Alice, card, 1))
}

// benchmarkOf has every thirty-second entry made after some, the others are plain.
func (w *world) benchmarkOf(b *testing.B, s *pgstore.Store, callers, size int, first int64, card *authz.Card, some *authz.Entry) {
	cards := make([]authz.Card, benchBalances)
	for i := range cards {
		cards[i] = *card
		cards[i].ID, cards[i].Balance = authz.CardID(first+int64(i)), authz.BalanceID(first+int64(i))
	}
	var rows atomic.Int64
	rows.Store(int64(b.N))
	template := w.approval(1, w.Alice, card, 1)
	template.Life = 7 * 24 * time.Hour
	b.ResetTimer()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for rows.Add(-int64(size)) > -int64(size) {
				batch := make([]*authz.Entry, size)
				for i := range batch {
					n := benchID.Add(1)
					like := template
					if n%32 == 0 {
						like = some
					}
					r := *like.Request
					r.ID = authz.ID(1<<41 + n)
					r.Dup = authz.DupKey{byte(n >> 56), byte(n >> 48), byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
					r.Trace.STAN, r.Trace.RRN = fmt.Sprintf("%06d", n%1_000_000), fmt.Sprintf("%012d", n)
					e := *like
					e.Request, e.Card, e.Decision.ID = &r, &cards[n*7919%benchBalances], r.ID
					batch[i] = &e
				}
				if _, err := s.Commit(b.Context(), batch); err != nil {
					b.Error(err)
					return
				}
				if batch[0].Outcome != authz.Committed {
					b.Errorf("outcome %d", batch[0].Outcome)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// fill makes the balances and cards of the benchmark as copies of Alice's, with ids from first.
func (w *world) fill(b *testing.B, card *authz.Card) (first int64) {
	b.Helper()
	c, err := pgx.Connect(b.Context(), w.url)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = c.Close(context.Background()) }()
	first = 1_000_000
	for _, sql := range []string{
		fmt.Sprintf("UPDATE balances SET ledger = 1000000000000 WHERE id = %d", card.Deposit),
		fmt.Sprintf(`INSERT INTO balances (id, partner_id, kind, user_id, currency, ledger, created_at)
SELECT %d + i, partner_id, kind, user_id, currency, 1000000000, created_at
FROM balances, generate_series(0, %d) i WHERE id = %d`, first, benchBalances-1, card.Balance),
		fmt.Sprintf(`INSERT INTO cards SELECT (jsonb_populate_record(c, jsonb_build_object('id', %d + i, 'balance_id', %[1]d + i,
 'tag', '\x' || lpad(to_hex(i), %d, '0'), 'public_id', '\x' || lpad(to_hex(i), 32, '0')))).* FROM cards c, generate_series(0, %d) i WHERE id = %d`,
			first, 2*len(authz.Tag{}), benchBalances-1, card.ID),
		"VACUUM ANALYZE balances, cards",
	} {
		if _, err := c.Exec(b.Context(), sql); err != nil {
			b.Fatal(err)
		}
	}
	return first
}
