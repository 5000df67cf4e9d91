package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"holdfast/authz"
	"holdfast/store/litestore"
	"holdfast/store/records"
	"holdfast/switch/frame"
	"holdfast/switch/iso"
	"holdfast/switch/load"
)

// benchCmd measures the switch as a process of its own, on stores that are made for it and removed.
type benchCmd struct {
	Store    string  `help:"The stores to run on: embedded, or full (PostgreSQL and Redis)." default:"embedded" enum:"embedded,full"`
	Config   string  `help:"With --store full: take the servers from this configuration, not from the environment." placeholder:"FILE"`
	Seconds  int     `help:"How long to measure, in seconds." default:"30"`
	JSON     string  `name:"json" help:"Write the figures to this file." placeholder:"FILE"`
	Cards    int     `help:"How many cards, each with its own user and balance, behind one deposit." default:"100000"`
	Partners int     `help:"With --store full: compare one partner with so many (0: do not)." default:"1000"`
	Links    int     `help:"How many connections." default:"16"`
	Rate     float64 `help:"Messages per second to offer (default: 7000 embedded, 80 % of the capacity with the full stores)." placeholder:"N"`
	Picture  string  `help:"Draw latency against load, from a sweep of five rates, as an SVG file." placeholder:"FILE"`
}

const (
	benchSecondsMin  = 3
	benchSecondsMax  = 3600
	benchLinksMax    = 512
	benchPartnersMax = 10_000
	benchInFlight    = 512    // over all links, when the capacity is looked for
	benchFew         = 16     // in flight for the latency of light traffic
	benchShare       = 0.7    // of the capacity is what an open load offers
	benchShareFull   = 0.8    // of the capacity is what it offers with the full stores
	benchRequired    = 10_000 // approvals per second that the embedded mode must carry, on two cores
	benchWarmUp      = 2 * time.Second
	benchSingle      = 3 * time.Second
	benchStep        = 4 * time.Second // each rate of a sweep, less when the whole is short
)

// benchSweep are the rates of the picture, as shares of the capacity.
var benchSweep = [...]float64{0.2, 0.4, 0.6, 0.8, 0.95}

func (c *benchCmd) check() error {
	switch {
	case c.Config != "" && c.Store != storeFull:
		return usagef("--config names the servers of --store full")
	case c.Partners < 0 || c.Partners > benchPartnersMax:
		return usagef("--partners is %d, want 0 to %d", c.Partners, benchPartnersMax)
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

// house is where the switch under test keeps its books.
type house interface {
	// fill makes the cards.
	fill(ctx context.Context, c *benchCmd) error
	// serve is the command line and the environment of the switch.
	serve() (args, environ []string)
	// books opens what it wrote, for reading.
	books(ctx context.Context) (books, error)
	// cpu is the processor time that the servers beside the switch have used; zero where nobody can tell.
	cpu(ctx context.Context) (redis, postgres time.Duration, err error)
	// close removes all of it.
	close() error
}

// Run seeds, starts the switch, measures, stops it, and checks that its books agree with what was answered.
func (c *benchCmd) Run(e *env) (err error) {
	if err := c.check(); err != nil {
		return err
	}
	h, err := c.open(e)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	defer func() { err = errors.Join(err, h.close()) }()
	b := &bench{benchCmd: c, env: e, house: h}
	fmt.Fprintf(e.stderr, "bench: seeding %d cards\n", c.Cards)
	if err := h.fill(e.ctx, c); err != nil {
		return fmt.Errorf("bench: seed: %w", err)
	}
	if full, ok := h.(*fullHouse); ok {
		if b.report.Bounds, err = b.bounds(full); err != nil {
			return fmt.Errorf("bench: measure the bound: %w", err)
		}
	}
	args, environ := h.serve()
	if b.child, err = startServe(e.ctx, args, environ, e.stderr); err != nil {
		return fmt.Errorf("bench: start the switch: %w", err)
	}
	err = b.measure()
	b.report.MemoryMiB = max(b.report.MemoryMiB, b.memory())
	err = errors.Join(err, b.child.stop())
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	if err := b.audit(); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return b.publish()
}

// open makes the stores for one measurement.
func (c *benchCmd) open(e *env) (house, error) {
	if c.Store == storeFull {
		return openFullHouse(e.ctx, c.Config)
	}
	dir, err := os.MkdirTemp("", "holdfast-bench-")
	return folderHouse(dir), err
}

// folderHouse is a data folder of the embedded mode.
type folderHouse string

func (h folderHouse) fill(ctx context.Context, c *benchCmd) error {
	return benchSeed(ctx, string(h), c.Cards)
}
func (h folderHouse) serve() (args, environ []string) {
	return []string{"--data", string(h)}, os.Environ()
}
func (h folderHouse) cpu(context.Context) (redis, postgres time.Duration, err error) {
	return 0, 0, nil
}
func (h folderHouse) close() error { return os.RemoveAll(string(h)) }
func (h folderHouse) books(ctx context.Context) (books, error) {
	return (&config{Data: string(h), Store: storeEmbedded}).openBooks(ctx)
}

// bench is one measurement in progress.
type bench struct {
	*benchCmd
	env       *env
	house     house
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
	var err error
	if b.generator, err = b.load(benchCard, b.Cards, 1); err != nil {
		return err
	}
	all := time.Duration(b.Seconds) * time.Second
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
	most, err := b.closed("capacity", b.Links, b.window(), capacity)
	if err != nil {
		return 0, err
	}
	b.report.phases(&one, &few, &most)
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

// audit verifies the books and counts the approvals in the journal: none that was received may be missing.
func (b *bench) audit() error {
	ctx := b.env.ctx
	fmt.Fprintln(b.env.stderr, "bench: verifying the books")
	r, err := b.house.books(ctx)
	if err != nil {
		return err
	}
	report, err := records.Verify(ctx, r)
	if err != nil {
		return errors.Join(err, r.Close())
	}
	if file, ok := r.(*litestore.Reader); ok {
		if damage := file.Intact(); damage != nil {
			report.Violations = append(report.Violations, records.Violation{Invariant: "the file is intact", What: damage.Error()})
		}
	}
	var rows int64
	err = r.View(ctx, func(q records.Querier) error {
		return q.Query(ctx, func(row records.Row) error { rows = row.Int(0); return nil },
			"SELECT count(*) FROM authorizations WHERE kind = $1 AND reason = $2 AND peer <> $3",
			int64(authz.Authorization), int64(authz.Approved), boundPeer)
	})
	if err := errors.Join(err, r.Close(), printReport(b.env.stderr, report)); err != nil {
		return err
	}
	violations := len(report.Violations)
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
