package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"holdfast/authz"
	"holdfast/store/litestore"
	"holdfast/store/records"
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
	Rate     float64 `help:"Messages per second to offer (default: 7000, with full 80 % of the capacity)." placeholder:"N"`
	Flood    bool    `help:"Measure only what a flood of calls of the management API does to the latency, and how fast cards are read."`
	Picture  string  `help:"Draw latency against load, from a sweep of five rates, as an SVG file." placeholder:"FILE"`
}

const (
	benchSecondsMin  = 3
	benchSecondsMax  = 3600
	benchRateMax     = 1_000_000
	benchLinksMax    = 512
	benchPartnersMax = 10_000
	benchInFlight    = 1024   // over all links, when the capacity is looked for
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
	case c.Rate != 0 && !(c.Rate >= 1 && c.Rate <= benchRateMax): // which refuses what is no number, too
		return usagef("--rate is %g, want 1 to %g messages per second", c.Rate, float64(benchRateMax))
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
	// settings are the switch's.
	settings() config
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
	if full, ok := h.(*fullHouse); ok && !c.Flood {
		if b.report.Bounds, err = b.bounds(full); err != nil {
			return fmt.Errorf("bench: measure the bound: %w", err)
		}
	}
	args, environ := h.serve()
	more := ""
	if c.Flood {
		more = "partner backends"
		if args, err = b.prepareFlood(h.settings()); err != nil {
			return fmt.Errorf("bench: prepare the flood: %w", err)
		}
	}
	flush()
	if b.child, err = startServe(e.ctx, args, environ, e.stderr, more); err != nil {
		return fmt.Errorf("bench: start the switch: %w", err)
	}
	if b.plan != nil {
		err = b.openFlood()
	}
	if err == nil {
		err = b.measure()
	}
	if b.flood != nil {
		err = errors.Join(err, b.flood.close())
	}
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
func (h folderHouse) settings() config { return config{Data: string(h), Store: storeEmbedded} }
func (h folderHouse) close() error     { return os.RemoveAll(string(h)) }
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
	plan      *floodPlan
	flood     *flooding
	counts    load.Counts // of all runs
	sweep     []sweepPoint
	report    benchReport
	audited   error
}

// prepareFlood enrols those who flood, and gives the command line of a switch that serves them.
func (b *bench) prepareFlood(cfg config) (args []string, err error) {
	cfg, path, err := floodConfig(cfg, cfg.Data)
	if err != nil {
		return nil, err
	}
	b.plan, err = openFlood(b.env.ctx, &cfg)
	return []string{"--config", path}, err
}

// openFlood starts who floods the switch that runs now.
func (b *bench) openFlood() (err error) {
	if err = b.plan.aim(b.child.more, b.house.settings().Data); err == nil {
		b.flood, err = startFlood(b.env.ctx, b.plan)
	}
	return err
}

// sweepPoint is one rate of the picture.
type sweepPoint struct {
	perSecond float64
	p50, p99  time.Duration
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
