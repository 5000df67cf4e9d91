package pgstore

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/authz"
)

// guessPatience is how long a guess waits for a row's lock. Its COMMIT is on its way already, so a caller whose time
// ends meanwhile could not know the outcome: it gives up long before, and the locked way waits.
func (s *Store) guessPatience() time.Duration { return max(time.Millisecond, s.cfg.LockTimeout/10) }

// mayGuess reports whether a guess is worth its try and would be over in time.
func (s *Store) mayGuess(ctx context.Context, c *columns) bool {
	deadline, _ := ctx.Deadline()
	return !s.lockAlways && time.Until(deadline) >= 2*s.guessPatience() && c.pace.take()
}

// Stats are counts of transactions since the store was opened.
type Stats struct {
	Guessed uint64 // committed without having read anything
	Refused uint64 // guesses that were wrong, and were decided again
	Locked  uint64 // committed on what was read and locked
}

// Stats reads the counters.
func (s *Store) Stats() Stats {
	return Stats{Guessed: s.stats.guessed.Load(), Refused: s.stats.refused.Load(), Locked: s.stats.locked.Load()}
}

// pace has a committer guess less while its guesses are refused.
type pace struct{ skip, next int }

// paceMax is how many groups are committed without a guess after many that were refused.
const paceMax = 16

func (p *pace) take() bool {
	if p.skip == 0 {
		return true
	}
	p.skip--
	return false
}

// tell learns what became of a guess. One that was never sent has cost nothing.
func (p *pace) tell(err error) {
	switch {
	case err == nil:
		p.next = 0
	case isRefused(err):
		p.skip = p.next
		p.next = min(2*p.next+1, paceMax)
	}
}

// guess commits what can be decided without having read anything, which is mostly everything, and takes it out of
// what is left of the jobs. An error is what it is for every commit; it is nil, and everything is left, when
// nothing could be guessed or the server refused the guess.
func (s *Store) guess(ctx context.Context, c *columns, group []*job) error {
	if !s.mayGuess(ctx, c) {
		return nil
	}
	decided := c.remember(group)
	plain, g := s.guessed(c, group, decided)
	if g == nil {
		return nil
	}
	conn, err := s.journal.Acquire(ctx)
	if err != nil {
		decided.restore(group)
		return unavailable("connect", err)
	}
	defer conn.Release()
	truth, err := g.commit(ctx, conn.Conn())
	c.pace.tell(err)
	if err != nil {
		rollback(conn)
		decided.restore(group)
		if isRefused(err) {
			s.stats.refused.Add(1)
			return nil
		}
		return err
	}
	s.stats.guessed.Add(1)
	for i, j := range plain {
		if len(plain) == 1 {
			group[i].truth = truth.all()
		} else {
			group[i].truth = truth.of(j.left)
		}
		group[i].begun, group[i].left = len(j.left) > 0 || len(group[i].left) == 0, without(group[i].left, j.left)
	}
	return nil
}

// balances are what the server said of the balances that a guess has changed.
type balances map[authz.BalanceID]authz.Balance

// commit sends the pipeline. An error of the server is returned as it came.
func (g *guess) commit(ctx context.Context, conn *pgx.Conn) (balances, error) {
	b, truth := &pgx.Batch{}, make(balances, len(g.users)+len(g.funds))
	var answers []func(pgx.BatchResults) error
	add := func(queued bool, answer func(pgx.BatchResults) error) {
		if queued {
			answers = append(answers, answer)
		}
	}
	b.Queue(begin)
	add(true, done)
	add(g.users.queue(b, locked), truth.read)
	add(g.clues.queue(b, g.forgotten), done)
	add(g.out.rows.queue(b, conn), done)
	add(g.out.rows.settled.queue(b), done)
	add(g.out.postings.queue(b), done)
	add(g.funds.queue(b, moved), truth.read)
	b.Queue("COMMIT")
	results := conn.SendBatch(ctx, b)
	for _, answer := range answers {
		if err := answer(results); err != nil {
			_ = results.Close() // says the same again
			if isRefused(err) {
				return nil, err
			}
			return nil, doubtful(err)
		}
	}
	return truth, committed(results)
}

func done(results pgx.BatchResults) error {
	_, err := results.Exec()
	return err
}

func (t balances) read(results pgx.BatchResults) error {
	var count int64
	var ids, available, versions []int64
	if err := results.QueryRow().Scan(&count, &ids, &available, &versions); err != nil {
		return err
	}
	for i := range ids {
		id := authz.BalanceID(ids[i])
		t[id] = authz.Balance{ID: id, Available: available[i], Version: versions[i]}
	}
	return nil
}

// all is what a batch may learn that was alone.
func (t balances) all() authz.Truth {
	truth := authz.Truth{Balances: make([]authz.Balance, 0, len(t))}
	for _, b := range t {
		truth.Balances = append(truth.Balances, b)
	}
	return truth
}

// of is what a batch may learn: its own balances, each once.
func (t balances) of(batch []*authz.Entry) (truth authz.Truth) {
	seen := make(map[authz.BalanceID]bool, len(batch)+1)
	for _, e := range batch {
		if e.Card == nil {
			continue
		}
		for _, id := range []authz.BalanceID{e.Card.Balance, e.Card.Deposit} {
			if b, ok := t[id]; ok && !seen[id] {
				seen[id] = true
				truth.Balances = append(truth.Balances, b)
			}
		}
	}
	return truth
}
