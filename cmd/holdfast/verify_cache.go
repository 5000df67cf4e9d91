package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"holdfast/authz"
	"holdfast/store/records"
	"holdfast/store/redisstore"
)

// The rules of the cache, as verify prints them.
const (
	ruleCacheTruth   = "a cached balance says what the journal says"
	ruleCachePending = "pending on a cached balance is what is in flight on it"
	ruleCacheSwept   = "what is in flight is settled or swept in time"
)

// cacheViolationsMax is how many of each rule are told one by one.
const cacheViolationsMax = 20

// cacheCheck holds Redis against the journal. A switch may be running, so of every balance first the cache is read and
// then the journal: what the cache has learned by then, the journal has said. One that has an older version is
// behind: it is told with the next call, or it was emptied and then taught what had been read before a commit. The
// journal refuses what such a balance grants too much, and corrects it; that is counted, and no violation.
type cacheCheck struct {
	books  books
	report *records.Report
	rules  map[string]*records.Checked

	oldest  time.Time // nothing in flight may be older
	behind  int64     // of an older version
	differs int64     // of those, with another amount
	lost    int64     // partners whose cache is dropped with the next call
}

// verifyCache compares all that the cache keeps.
func verifyCache(ctx context.Context, cfg *config, b books, report *records.Report) error {
	if cfg.Store != storeFull {
		return usagef("--cache is for the full mode: the embedded one has its cache in the process")
	}
	holds, end, err := cfg.openHolds(ctx)
	if err != nil {
		return err
	}
	cache, ok := holds.(*redisstore.Holds)
	if !ok {
		return errors.Join(fmt.Errorf("verify: cannot inspect a cache of type %T", holds), end())
	}
	c := &cacheCheck{books: b, report: report, rules: map[string]*records.Checked{},
		oldest: time.Now().Add(-2*cfg.Redis.SweepAge - time.Minute)}
	for _, name := range []string{ruleCacheTruth, ruleCachePending, ruleCacheSwept} {
		c.rules[name] = &records.Checked{Invariant: name}
	}
	err = cache.Inspect(ctx, func(p redisstore.Page) error { return c.take(ctx, p) })
	for _, name := range []string{ruleCacheTruth, ruleCachePending, ruleCacheSwept} {
		report.Checked = append(report.Checked, *c.rules[name])
	}
	note := func(format string, args ...any) { report.Notes = append(report.Notes, fmt.Sprintf(format, args...)) }
	note("%d cached balances are behind the journal by their version, %d of them in the amount", c.behind, c.differs)
	if c.lost > 0 {
		note("%d partners have a cache of which a part was lost: the next call drops the rest", c.lost)
	}
	return errors.Join(err, end())
}

func (c *cacheCheck) fail(rule, format string, args ...any) {
	r := c.rules[rule]
	if r.Violations++; r.Violations <= cacheViolationsMax {
		c.report.Violations = append(c.report.Violations, records.Violation{Invariant: rule, What: fmt.Sprintf(format, args...)})
	}
}

// take compares a page with what the journal says after it was read.
func (c *cacheCheck) take(ctx context.Context, p redisstore.Page) error {
	if p.Lost {
		c.lost++
		return nil
	}
	c.rules[ruleCacheSwept].Rows += int64(len(p.InFlight))
	for _, o := range p.InFlight {
		oldest := c.oldest
		if o.Cancelled {
			oldest = oldest.Add(-redisstore.MarkAge)
		}
		if at := o.ID.Time(); at.Before(oldest) {
			c.fail(ruleCacheSwept, "operation %d of partner %d came at %s and is in flight: no switch sweeps", o.ID, p.Partner,
				at.UTC().Format(time.RFC3339))
		}
	}
	if len(p.Balances) == 0 {
		return nil
	}
	rows, err := c.journal(ctx, p.Balances)
	if err != nil {
		return fmt.Errorf("read the balances of partner %d: %w", p.Partner, err)
	}
	for i := range p.Balances {
		c.compare(p.Partner, &p.Balances[i], rows)
	}
	return nil
}

// kept is what the journal says of a balance.
type kept struct {
	authz.Balance
	partner authz.PartnerID
}

// journal reads the balances of a page.
func (c *cacheCheck) journal(ctx context.Context, known []redisstore.Known) (map[authz.BalanceID]kept, error) {
	marks, ids := make([]string, len(known)), make([]any, len(known))
	for i := range known {
		marks[i], ids[i] = "$"+strconv.Itoa(i+1), int64(known[i].ID)
	}
	rows := make(map[authz.BalanceID]kept, len(known))
	err := c.books.View(ctx, func(q records.Querier) error {
		return q.Query(ctx, func(r records.Row) error {
			id := authz.BalanceID(r.Int(0))
			rows[id] = kept{authz.Balance{ID: id, Available: r.Int(2), Version: r.Int(3)}, authz.PartnerID(r.Int(1))}
			return nil
		}, "SELECT id, partner_id, ledger - held, version FROM balances WHERE id IN ("+strings.Join(marks, ", ")+")", ids...)
	})
	return rows, err
}

func (c *cacheCheck) compare(partner authz.PartnerID, known *redisstore.Known, rows map[authz.BalanceID]kept) {
	c.rules[ruleCacheTruth].Rows++
	c.rules[ruleCachePending].Rows++
	row, exists := rows[known.ID]
	available := max(-redisstore.AmountMax, min(row.Available, redisstore.AmountMax)) // as much as the cache keeps
	switch {
	case known.Damage != "":
		c.fail(ruleCacheTruth, "balance %d of partner %d %s", known.ID, partner, known.Damage)
		return
	case !exists || row.partner != partner:
		c.fail(ruleCacheTruth, "balance %d is kept for partner %d and is none of theirs", known.ID, partner)
	case known.Version > row.Version:
		c.fail(ruleCacheTruth, "balance %d has version %d, the journal %d: it was set back", known.ID, known.Version, row.Version)
	case known.Version < row.Version:
		c.behind++
		if known.Available != available {
			c.differs++
		}
	case known.Available != available:
		c.fail(ruleCacheTruth, "balance %d has %d available at version %d, the journal %d", known.ID, known.Available, known.Version,
			row.Available)
	}
	if known.Pending != known.InFlight {
		c.fail(ruleCachePending, "balance %d has %d pending, the holds in flight on it sum to %d", known.ID, known.Pending, known.InFlight)
	}
}
