package pgstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/authz"
	"holdfast/store/arbiter"
)

// triesMax is how often a transaction is tried that the server surely rolled back for a reason that passes.
const triesMax = 4

// commit makes the group durable: by a guess, and where that was wrong on what is read and locked. The outcomes
// and truths are set when it returns nil; after an error the entries are as they came.
func (s *Store) commit(ctx context.Context, c *columns, group []*job) error {
	decided := remember(group)
	if s.mayGuess(ctx, c) {
		err := s.guess(ctx, c, group)
		c.pace.tell(err)
		if err == nil {
			s.stats.guessed.Add(1)
			return nil
		}
		decided.restore(group)
		switch {
		case isRefused(err):
			s.stats.refused.Add(1)
		case !errors.Is(err, errUnread):
			return err
		}
	}
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

func remember(group []*job) decisions {
	var d decisions
	for _, j := range group {
		for _, e := range j.batch {
			d = append(d, e.Decision)
		}
	}
	return d
}

func (d decisions) restore(group []*job) {
	for _, j := range group {
		for _, e := range j.batch {
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
		j.truth = a.Truth(j.batch)
	}
	return nil
}

func decide(t *tables, a *arbiter.Arbiter, group []*job, patience time.Duration) error {
	if err := t.begin(group, patience); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	for _, j := range group {
		if err := a.Decide(j.batch); err != nil {
			return err
		}
	}
	return a.Flush()
}
