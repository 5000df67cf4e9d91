package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"holdfast/authz"
	"holdfast/store/litestore"
	"holdfast/store/records"
	"holdfast/switch/frame"
	"holdfast/switch/iso"
	"holdfast/switch/load"
)

// benchCmd measures the switch as a process of its own, on a data folder that is made for it and removed.
type benchCmd struct {
	Store   string  `help:"The stores to run on: embedded, or full (comes with the full mode)." default:"embedded" enum:"embedded,full"`
	Seconds int     `help:"How long to measure, in seconds." default:"30"`
	JSON    string  `name:"json" help:"Write the figures to this file." placeholder:"FILE"`
	Cards   int     `help:"How many cards, each with its own user and balance, behind one deposit." default:"100000"`
	Links   int     `help:"How many connections." default:"16"`
	Rate    float64 `help:"Messages per second to offer (default: 7000, 70 % of what this mode must carry)." placeholder:"N"`
	Picture string  `help:"Draw latency against load, from a sweep of five rates, as an SVG file." placeholder:"FILE"`
}

const (
	benchSecondsMin = 3
	benchSecondsMax = 3600
	benchLinksMax   = 512
	benchInFlight   = 512    // over all links, when the capacity is looked for
	benchFew        = 16     // in flight for the latency of light traffic
	benchShare      = 0.7    // of the capacity is what an open load offers
	benchRequired   = 10_000 // approvals per second that the embedded mode must carry, on two cores
	benchWarmUp     = 2 * time.Second
	benchSingle     = 3 * time.Second
	benchStep       = 4 * time.Second // each rate of a sweep, less when the whole is short
)

// benchSweep are the rates of the picture, as shares of the capacity.
var benchSweep = [...]float64{0.2, 0.4, 0.6, 0.8, 0.95}

func (c *benchCmd) check() error {
	switch {
	case c.Store != "embedded":
		return usagef("--store %s comes with the full mode", c.Store)
	case c.Seconds < benchSecondsMin || c.Seconds > benchSecondsMax:
		return usagef("--seconds is %d, want %d to %d", c.Seconds, benchSecondsMin, benchSecondsMax)
	case c.Cards < 1 || c.Cards > loadCardsMax:
		return usagef("--cards is %d, want 1 to %d", c.Cards, loadCardsMax)
	case c.Links < 1 || c.Links > benchLinksMax:
		return usagef("--links is %d, want 1 to %d", c.Links, benchLinksMax)
	case c.Rate < 0 || c.Rate > 0 && c.Rate < 1:
		return usagef("--rate is %g, want at least 1 message per second", c.Rate)
	}
	return nil
}

// Run seeds, starts the switch, measures, stops it, and checks that its books agree with what was answered.
func (c *benchCmd) Run(e *env) (err error) {
	if err := c.check(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "holdfast-bench-")
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fmt.Fprintf(e.stderr, "bench: seeding %d cards\n", c.Cards)
	if err := benchSeed(e.ctx, dir, c.Cards); err != nil {
		return fmt.Errorf("bench: seed: %w", err)
	}
	child, err := startChild(e.ctx, dir, e.stderr)
	if err != nil {
		return fmt.Errorf("bench: start the switch: %w", err)
	}
	b := &bench{benchCmd: c, env: e, child: child}
	err = b.measure()
	b.report.MemoryMiB = child.peakMiB()
	err = errors.Join(err, child.stop())
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	if err := b.audit(dir); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return b.publish()
}

// bench is one measurement in progress.
type bench struct {
	*benchCmd
	env       *env
	child     *child
	generator *load.Generator
	counts    load.Counts // of all runs
	sweep     []sweepPoint
	report    benchReport
	audited   error
}

// sweepPoint is one rate of the picture.
type sweepPoint struct {
	perSecond float64
	p50, p99  time.Duration
}

// measure runs the phases in turn.
func (b *bench) measure() error {
	dialect, err := iso.Builtin("iso87-ascii")
	if err != nil {
		return err
	}
	currency, err := benchCurrency()
	if err != nil {
		return err
	}
	b.generator, err = load.New(load.Target{Addr: b.child.addr, Format: frame.Format{}, Dialect: dialect, Cards: b.Cards,
		Card: benchCard, Expiry: loadExpiry.YYMM(), Currency: currency}, 1)
	if err != nil {
		return err
	}
	all := time.Duration(b.Seconds) * time.Second
	single := min(benchSingle, all/10)
	capacity := all / 3
	open := all - capacity - 2*single

	if _, err := b.closed("warm-up", b.Links, b.window(), min(benchWarmUp, all/5)); err != nil {
		return err
	}
	one, err := b.closed("one in flight", 1, 1, single)
	if err != nil {
		return err
	}
	few, err := b.closed("16 in flight", benchFew, 1, single)
	if err != nil {
		return err
	}
	most, err := b.closed("capacity", b.Links, b.window(), capacity)
	if err != nil {
		return err
	}
	b.report.phases(&one, &few, &most)
	if b.Picture != "" {
		if err := b.sweepRates(most.ApprovedPerSecond()); err != nil {
			return err
		}
	}
	high, err := b.open("70 % of the capacity", max(1, benchShare*most.ApprovedPerSecond()), open/3)
	if err != nil {
		return err
	}
	b.report.high(&high)
	rate := b.Rate
	if rate == 0 {
		rate = max(1, benchShare*min(benchRequired, most.ApprovedPerSecond()))
	}
	return b.offered(rate, open-open/3)
}

func (b *bench) window() int { return max(1, benchInFlight/b.Links) }

// offered is the open-loop part, with the CPU time of both sides.
func (b *bench) offered(rate float64, d time.Duration) error {
	own, err := ownCPU()
	if err != nil {
		return err
	}
	theirs := b.child.cpu()
	result, err := b.open("open loop", rate, d)
	if err != nil {
		return err
	}
	theirs = b.child.cpu() - theirs
	after, err := ownCPU()
	b.report.open(rate, &result, theirs, after-own)
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

// audit verifies the books and counts the approvals in the journal: none that was received may be missing.
func (b *bench) audit(dir string) error {
	fmt.Fprintln(b.env.stderr, "bench: verifying the books")
	violations, err := verifyData(b.env.ctx, dir, b.env.stderr)
	if err != nil {
		return err
	}
	r, err := litestore.OpenReader(filepath.Join(dir, dataFile))
	if err != nil {
		return err
	}
	var rows int64
	err = r.View(b.env.ctx, func(q records.Querier) error {
		return q.Query(b.env.ctx, func(row records.Row) error { rows = row.Int(0); return nil },
			"SELECT count(*) FROM authorizations WHERE kind = $1 AND reason = $2", int64(authz.Authorization), int64(authz.Approved))
	})
	if err := errors.Join(err, r.Close()); err != nil {
		return err
	}
	b.report.VerifyViolations = violations
	b.report.ApprovalsReceived, b.report.ApprovalsJournal = b.counts.Approved, uint64(rows)
	var faults []error
	fault := func(is bool, format string, args ...any) {
		if is {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(violations > 0, "verify found %d violations", violations)
	fault(uint64(rows) < b.counts.Approved, "%d approvals were received, the journal has %d", b.counts.Approved, rows)
	fault(b.counts.Declined > 0, "%d messages were declined: the setup is wrong", b.counts.Declined)
	fault(b.counts.Duplicates > 0, "%d answers came twice", b.counts.Duplicates)
	fault(b.counts.Foreign > 0, "%d answers belong to no message", b.counts.Foreign)
	b.audited = errors.Join(faults...)
	return nil
}

// publish writes the figures wherever they were asked for. What is wrong with them is the error.
func (b *bench) publish() error {
	r := &b.report
	r.complete(b.benchCmd, b.counts)
	err := r.print(b.env.stdout)
	if b.JSON != "" {
		err = errors.Join(err, r.save(b.JSON))
	}
	if b.Picture != "" {
		err = errors.Join(err, os.WriteFile(b.Picture, drawSweep(b.sweep), 0o644))
	}
	if err = errors.Join(err, b.audited); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}
