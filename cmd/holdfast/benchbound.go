package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/store/redisstore"
	"holdfast/switch/frame"
	"holdfast/switch/gateway"
	"holdfast/switch/iso"
	"holdfast/switch/server"
)

const (
	boundBatch    = 256 // of what is measured alone: the largest batch of a lane
	boundCallers  = 2
	boundPatience = 5 * time.Second // nobody waits with a card in hand
	boundPeer     = "bound"         // marks the rows that no message has asked for
	boundNode     = 511             // their ids differ from the switch's
	// Of an id, as package authz makes it: milliseconds, node, sequence.
	boundNodeShift, boundSequence = 12, 1 << 12
)

// bounds measures what each part reaches when the others do nothing.
func (b *bench) bounds(h *fullHouse) (*Bounds, error) {
	d := min(benchWarmUp, time.Duration(b.Seconds)*time.Second/10)
	fmt.Fprintln(b.env.stderr, "bench: each part alone")
	redis, err := h.boundRedis(b.env.ctx, b.Cards, d)
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	postgres, err := h.boundPostgres(b.env.ctx, b.Cards, d)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	codec, err := b.boundCodec(d)
	if err != nil {
		return nil, fmt.Errorf("codec: %w", err)
	}
	return &Bounds{Least: places(min(redis, postgres, codec), 0), Redis: places(redis, 0), Postgres: places(postgres, 0),
		Codec: places(codec, 0)}, nil
}

// repeat calls f, which handles a batch of boundBatch, from some goroutines for a while, and returns how much they
// handled in a second.
func repeat(ctx context.Context, d time.Duration, f func(context.Context) error) (float64, error) {
	start := time.Now()
	var batches atomic.Int64
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for range boundCallers {
		wg.Go(func() {
			for time.Since(start) < d && ctx.Err() == nil {
				if err := f(ctx); err != nil {
					cancel(err) // the first one counts
					return
				}
				batches.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(batches.Load()*boundBatch) / time.Since(start).Seconds(), context.Cause(ctx)
}

// boundIDs makes ids that grow and that the switch's come after.
type boundIDs struct{ last atomic.Int64 }

func (b *boundIDs) next() authz.ID {
	for {
		last := b.last.Load()
		next := max(last+1, time.Now().UnixMilli()*boundSequence)
		if b.last.CompareAndSwap(last, next) {
			return authz.ID((next/boundSequence<<9|boundNode)<<boundNodeShift | next%boundSequence)
		}
	}
}

// boundRedis places holds of one partner and its one deposit. They are never settled: the keys go afterwards.
func (h *fullHouse) boundRedis(ctx context.Context, cards int, d time.Duration) (float64, error) {
	r := h.cfg.Redis
	holds, err := redisstore.Open(ctx, redisstore.Config{Addrs: r.Addresses, Username: r.Username, Password: r.Password,
		Prefix: r.Prefix + "bound:", Timeout: boundPatience})
	if err != nil {
		return 0, err
	}
	const partner, deposit, firstBalance = 1, 1, 2
	truth := []authz.Balance{{ID: deposit, Available: loadDeposit, Version: 1}}
	for i := range cards {
		truth = append(truth, authz.Balance{ID: authz.BalanceID(firstBalance + i), Available: loadAmount, Version: 1})
	}
	if err := holds.Refresh(ctx, partner, truth); err != nil { // Settle keeps what it is told, and not so much of it
		return 0, errors.Join(err, holds.Close())
	}
	var ids boundIDs
	rate, err := repeat(ctx, d, func(ctx context.Context) error {
		batch, values := make([]*authz.Hold, boundBatch), make([]authz.Hold, boundBatch)
		for i := range batch {
			values[i] = authz.Hold{Op: ids.next(), Balance: authz.BalanceID(firstBalance + rand.IntN(cards)), Deposit: deposit,
				Amount: 1 + rand.Int64N(99)}
			batch[i] = &values[i]
		}
		if err := holds.Place(ctx, partner, batch); err != nil {
			return err
		}
		for _, hold := range batch {
			if hold.Result != authz.HoldPlaced {
				return fmt.Errorf("a hold has result %d", hold.Result)
			}
		}
		return nil
	})
	return rate, errors.Join(err, holds.Close(), h.admin.remove(r.Prefix+"bound:"))
}

// boundPostgres commits approvals of the partner that the switch will have. The cache is told nothing: it is empty
// until the switch asks.
func (h *fullHouse) boundPostgres(ctx context.Context, count int, d time.Duration) (float64, error) {
	cards := make([]authz.Card, count)
	tags := make([]authz.Tag, count)
	for i := range tags {
		number, err := loadCard(i)
		if err != nil {
			return 0, err
		}
		tags[i] = h.keys.Tag(number)
	}
	for from := 0; from < count; from += fullChunk {
		if err := h.store.Find(ctx, tags[from:min(from+fullChunk, count)], func(i int, c authz.Card) { cards[from+i] = c }); err != nil {
			return 0, err
		}
	}
	number, err := loadCard(0) // of a row only the BIN and the last digits
	if err != nil {
		return 0, err
	}
	currency, err := benchCurrency()
	if err != nil {
		return 0, err
	}
	var ids boundIDs
	return repeat(ctx, d, func(ctx context.Context) error {
		batch, now := make([]*authz.Entry, boundBatch), time.Now()
		for i := range batch {
			id := ids.next()
			q := boundRequest(id, now, currency)
			q.PAN = number
			batch[i] = &authz.Entry{Request: q, Card: &cards[rand.IntN(count)], Hold: q.Amount.Minor,
				Decision: authz.Decision{ID: id, Reason: authz.Approved, ApprovalCode: "1A2B3C", Amount: q.Amount.Minor,
					Currency: currency, Known: true, UserBefore: loadAmount, DepositBefore: loadDeposit}}
		}
		if _, err := h.store.Commit(ctx, batch); err != nil {
			return err
		}
		for _, e := range batch {
			if e.Outcome != authz.Committed {
				return fmt.Errorf("an entry has outcome %d", e.Outcome)
			}
		}
		return nil
	})
}

// boundRequest is a request as the load's messages make it.
func boundRequest(id authz.ID, now time.Time, c money.Currency) *authz.Request {
	text := now.UTC().Format("0102150405")
	serial := fmt.Sprintf("%012d", int64(id)%1_000_000_000_000)
	q := &authz.Request{ID: id, Kind: authz.Authorization, Peer: boundPeer, ReceivedAt: now, Transaction: authz.Purchase,
		Amount: money.Amount{Minor: 1 + int64(id)%99, Currency: c},
		Trace: authz.Trace{STAN: serial[6:], RRN: serial, Acquirer: "123456", Terminal: "LOAD0001", Merchant: "LOADGENERATOR01",
			Transmitted: text, Local: text, ProcessingCode: "000000", MCC: "5411", EntryMode: "051"}}
	binary.BigEndian.PutUint32(q.Dup[:4], uint32(now.Unix())) // as the real ones, which begin with their time
	binary.BigEndian.PutUint64(q.Dup[8:], uint64(id))
	return q
}

// boundCodec serves the same messages on the same kind of links, and approves each at once.
func (b *bench) boundCodec(d time.Duration) (float64, error) {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // as in serve
	dialect, err := iso.Builtin("iso87-ascii")
	if err != nil {
		return 0, err
	}
	currency, err := benchCurrency()
	if err != nil {
		return 0, err
	}
	peer := &gateway.Peer{Name: boundPeer, Dialect: dialect}
	g, err := gateway.New(gateway.Config{Authorizer: approver{currency}, Ready: func() bool { return true },
		Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return 0, err
	}
	if err := g.Admit(peer); err != nil {
		return 0, err
	}
	srv, err := server.New(server.Config{Name: boundPeer, Format: frame.Format{}}, handler{g, peer, new(clock)}, nil)
	if err != nil {
		return 0, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	ctx, stop := context.WithCancel(b.env.ctx)
	var serving sync.WaitGroup
	var served error
	serving.Go(func() { served = srv.Serve(ctx, ln) })
	rate, err := b.codecLoad(ln.Addr().String(), d)
	stop()
	serving.Wait()
	return rate, errors.Join(err, served)
}

func (b *bench) codecLoad(addr string, d time.Duration) (float64, error) {
	alone := *b
	alone.child = &child{addr: addr}
	generator, err := alone.load(benchCard, b.Cards, 1)
	if err != nil {
		return 0, err
	}
	alone.generator = generator
	r, err := alone.closed("codec and sockets", b.Links, b.window(), d)
	return r.ApprovedPerSecond(), err
}

// approver decides at once and keeps nothing.
type approver struct{ currency money.Currency }

// Submit implements [gateway.Authorizer].
func (a approver) Submit(r *authz.Request, w authz.Waiter) {
	w.Decided(&authz.Decision{ID: 1, Reason: authz.Approved, ApprovalCode: "1A2B3C", Amount: r.Amount.Minor, Currency: a.currency})
}
