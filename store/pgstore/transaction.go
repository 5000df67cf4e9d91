package pgstore

import (
	"context"
	"fmt"
	"time"

	"holdfast/authz"
	"holdfast/store/arbiter"
)

// triesMax is how often a transaction is tried that the server surely rolled back for a reason that passes.
const triesMax = 4

// commit makes what is left of the group durable. The outcomes and truths are set when it returns nil; after an
// error the entries are as they came.
func (s *Store) commit(ctx context.Context, c *columns, group []*job) error {
	decided := c.remember(group)
	for try := 1; ; try++ {
		err := s.try(ctx, c, group)
		if err == nil {
			s.stats.locked.Add(1)
			return nil
		}
		decided.restore(group)
		if !transient(err) || try == triesMax || ctx.Err() != nil {
			return err
		}
	}
}

// decisions are what the authorizer decided, before the arbiter has changed it.
type decisions []authz.Decision

// remember is good until the committer's next transaction.
func (c *columns) remember(group []*job) decisions {
	c.decided = c.decided[:0]
	for _, j := range group {
		for _, e := range j.left {
			c.decided = append(c.decided, e.Decision)
		}
	}
	return c.decided
}

func (d decisions) restore(group []*job) {
	for _, j := range group {
		for _, e := range j.left {
			e.Decision, e.Outcome = d[0], 0
			d = d[1:]
		}
	}
}

// try runs one transaction.
func (s *Store) try(ctx context.Context, c *columns, group []*job) error {
	conn, err := s.journal.Acquire(ctx)
	if err != nil {
		return unavailable("connect", err)
	}
	defer conn.Release()
	t := newTables(ctx, conn.Conn(), c)
	a := arbiter.New(t)
	if err := decide(t, a, group, s.cfg.LockTimeout); err != nil {
		rollback(conn)
		return unavailable("decide", err)
	}
	if err := t.commit(); err != nil {
		rollback(conn)
		return err
	}
	for _, j := range group {
		j.truth = newest(j.truth, a.Truth(j.left))
	}
	c.suspects.learn(t, group)
	return nil
}

func decide(t *tables, a *arbiter.Arbiter, group []*job, patience time.Duration) error {
	if err := t.begin(group, patience); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	for _, j := range group {
		if err := a.Decide(j.left); err != nil {
			return err
		}
	}
	return a.Flush()
}
