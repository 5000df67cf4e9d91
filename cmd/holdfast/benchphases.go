package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"holdfast/switch/frame"
	"holdfast/switch/iso"
	"holdfast/switch/load"
)

// measure runs the phases in turn.
func (b *bench) measure() error {
	var err error
	if b.generator, err = b.load(benchCard, b.Cards, 1); err != nil {
		return err
	}
	all := time.Duration(b.Seconds) * time.Second
	if b.flood != nil {
		return b.measureFlood(all)
	}
	if b.Store == storeFull {
		return b.measureFull(all)
	}
	single := min(benchSingle, all/10)
	capacity := all / 3
	open := all - capacity - 2*single
	if _, err := b.closed("warm-up", b.Links, b.window(), min(benchWarmUp, all/5)); err != nil {
		return err
	}
	most, err := b.closedPhases(single, capacity)
	if err != nil {
		return err
	}
	high, err := b.open("70 % of the capacity", max(1, benchShare*most), open/3)
	if err != nil {
		return err
	}
	b.report.high(&high)
	rate := b.Rate
	if rate == 0 {
		rate = max(1, benchShare*min(benchRequired, most))
	}
	return b.offered(rate, open-open/3)
}

// load makes a generator for cards whose digits are computed; first is the number of its first message.
func (b *bench) load(card func(*[load.CardDigits]byte, int), cards int, first uint64) (*load.Generator, error) {
	dialect, err := iso.Builtin("iso87-ascii")
	if err != nil {
		return nil, err
	}
	currency, err := benchCurrency()
	if err != nil {
		return nil, err
	}
	return load.New(load.Target{Addr: b.child.addr, Format: frame.Format{}, Dialect: dialect, Cards: cards,
		Card: card, Expiry: loadExpiry.YYMM(), Currency: currency.Numeric()}, first)
}

// closedPhases are one alone, a few, and as many as it carries; then the sweep for the picture. It returns the
// capacity, in approvals per second.
func (b *bench) closedPhases(single, capacity time.Duration) (float64, error) {
	one, err := b.closed("one in flight", 1, 1, single)
	if err != nil {
		return 0, err
	}
	few, err := b.closed("16 in flight", benchFew, 1, single)
	if err != nil {
		return 0, err
	}
	before, err := b.cpu()
	if err != nil {
		return 0, err
	}
	most, err := b.closed("capacity", b.Links, b.window(), capacity)
	if err != nil {
		return 0, err
	}
	after, err := b.cpu()
	if err != nil {
		return 0, err
	}
	b.report.phases(&one, &few, &most)
	b.report.CapacityCPU = after.minus(before).each(&most)
	if b.Picture != "" {
		err = b.sweepRates(most.ApprovedPerSecond())
	}
	return most.ApprovedPerSecond(), err
}

func (b *bench) window() int { return max(1, benchInFlight/b.Links) }

// memory is the largest resident set of the switch so far, in MiB.
func (b *bench) memory() float64 { return b.child.peakMiB() }

// cpu is the processor time of every part so far.
func (b *bench) cpu() (t benchTimes, err error) {
	if t.own, err = ownCPU(); err == nil {
		t.redis, t.postgres, err = b.house.cpu(b.env.ctx)
	}
	t.child = b.child.cpu()
	return t, err
}

// offered is the open-loop part, with the CPU time of all sides.
func (b *bench) offered(rate float64, d time.Duration) error {
	before, err := b.cpu()
	if err != nil {
		return err
	}
	result, err := b.open("open loop", rate, d)
	if err != nil {
		return err
	}
	after, err := b.cpu()
	b.report.open(rate, &result, after.minus(before))
	return err
}

func (b *bench) sweepRates(capacity float64) error {
	step := min(benchStep, time.Duration(b.Seconds)*time.Second/time.Duration(len(benchSweep)))
	for _, share := range benchSweep {
		rate := max(1, share*capacity)
		result, err := b.open(fmt.Sprintf("sweep at %.0f/s", rate), rate, step)
		if err != nil {
			return err
		}
		b.sweep = append(b.sweep, sweepPoint{rate, result.Latency.At(50), result.Latency.At(99)})
	}
	return nil
}

func (b *bench) closed(name string, links, window int, d time.Duration) (load.Result, error) {
	return b.phase(name, d, func(ctx context.Context) (load.Result, error) {
		return b.generator.Closed(ctx, load.ClosedLoad{Links: links, Window: window, For: d})
	})
}

func (b *bench) open(name string, rate float64, d time.Duration) (load.Result, error) {
	return b.phase(name, d, func(ctx context.Context) (load.Result, error) {
		return b.generator.Open(ctx, load.OpenLoad{Links: b.Links, Rate: rate, For: d})
	})
}

// phase runs one load, shows its progress, and keeps its counts.
func (b *bench) phase(name string, d time.Duration, run func(context.Context) (load.Result, error)) (load.Result, error) {
	watching, stop := context.WithCancel(b.env.ctx)
	var watcher sync.WaitGroup
	if d > 2*time.Second {
		watcher.Go(func() { watch(watching, b.env.stderr, name, d, b.generator) })
	}
	result, err := run(b.env.ctx)
	stop()
	watcher.Wait()
	b.counts.Approved += result.Approved
	b.counts.Declined += result.Declined
	b.counts.Undecided += result.Undecided
	b.counts.Unanswered += result.Unanswered
	b.counts.Duplicates += result.Duplicates
	b.counts.Foreign += result.Foreign
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return result, err
}

// watch prints a line a second.
func watch(ctx context.Context, w io.Writer, name string, d time.Duration, g *load.Generator) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	before := g.Approved()
	for second := 1; ; second++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := g.Approved()
		fmt.Fprintf(w, "bench: %s, second %d of %.0f: %d approvals\n", name, second, d.Seconds(), now-before)
		before = now
	}
}
