package litestore

import (
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"holdfast/authz"
	"holdfast/store/arbiter"
	"holdfast/store/records"
)

// job is something for the writer: a batch for the arbiter, which may share its transaction with other
// batches, or a function that has one of its own.
type job struct {
	batch []*authz.Entry
	truth authz.Truth

	own func(*sqlite.Conn) error // outside of a transaction

	err  error
	done chan struct{}
}

// Commit implements [authz.Journal]. Once the writer has taken the batch it is waited for: what has
// begun cannot be called back, and the authorizer answers its peers by their deadlines meanwhile.
func (s *Store) Commit(ctx context.Context, batch []*authz.Entry) (authz.Truth, error) {
	j := &job{batch: batch}
	if err := s.submit(ctx, j); err != nil {
		return authz.Truth{}, err
	}
	return j.truth, j.err
}

// Update implements [records.Store].
func (s *Store) Update(ctx context.Context, f func(records.Querier) error) error {
	j := &job{own: func(c *sqlite.Conn) (err error) {
		end, err := sqlitex.ImmediateTransaction(c)
		if err != nil {
			return err
		}
		defer end(&err)
		return f(querier{c})
	}}
	if err := s.submit(ctx, j); err != nil {
		return err
	}
	return j.err
}

func (s *Store) submit(ctx context.Context, j *job) error {
	j.done = make(chan struct{})
	select {
	case <-s.quit:
		return authz.ErrUnavailable
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", authz.ErrUnavailable, ctx.Err())
	case s.jobs <- j:
	}
	select {
	case <-j.done:
		return nil
	case <-s.ended:
	}
	select {
	case <-j.done:
		return nil
	default:
		return authz.ErrUnavailable
	}
}

// write is the writer: it ends when the store closes and nothing is queued any more.
func (s *Store) write(c *sqlite.Conn) {
	defer func() {
		// A clean file at the end: the log is copied back and the next start has nothing to recover.
		_ = restart(c, "TRUNCATE")
		_ = c.Close()
		close(s.ended)
	}()
	for {
		select {
		case j := <-s.jobs:
			s.group(c, j)
		case <-s.quit:
			for {
				select {
				case j := <-s.jobs:
					s.group(c, j)
				default:
					return
				}
			}
		}
	}
}

// group runs the job and whatever has been queued behind it, batches together in one transaction.
func (s *Store) group(c *sqlite.Conn, first *job) {
	var batches []*job
	for j := first; j != nil; j = s.next() {
		if j.own == nil {
			batches = append(batches, j)
			continue
		}
		s.commit(c, batches)
		batches = nil
		j.err = guard(func() error { return j.own(c) })
		close(j.done)
	}
	s.commit(c, batches)
}

func (s *Store) next() *job {
	select {
	case j := <-s.jobs:
		return j
	default:
		return nil
	}
}

func (s *Store) commit(c *sqlite.Conn, batches []*job) {
	if len(batches) == 0 {
		return
	}
	err := guard(func() error { return s.transact(c, batches) })
	if err != nil && !c.AutocommitEnabled() {
		err = errors.Join(err, sqlitex.ExecuteTransient(c, "ROLLBACK", nil))
	}
	for _, j := range batches {
		j.err = err
		close(j.done)
	}
	s.checks.wrote(batches)
}

func (s *Store) transact(c *sqlite.Conn, batches []*job) error {
	if err := exec(c, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("%w: begin: %w", authz.ErrUnavailable, err)
	}
	a := arbiter.New(tables{c})
	for _, j := range batches {
		if err := a.Decide(j.batch); err != nil {
			return fmt.Errorf("%w: %w", authz.ErrUnavailable, err)
		}
	}
	if err := a.Flush(); err != nil {
		return fmt.Errorf("%w: %w", authz.ErrUnavailable, err)
	}
	// A failed COMMIT may have reached the disk: only reading back tells.
	if err := exec(c, "COMMIT"); err != nil {
		return fmt.Errorf("%w: commit: %w", authz.ErrUnknown, err)
	}
	for _, j := range batches {
		j.truth = a.Truth(j.batch)
	}
	return nil
}

func exec(c *sqlite.Conn, sql string) error {
	stmt, err := c.Prepare(sql)
	if err != nil {
		return err
	}
	return run(stmt)
}

// guard turns a panic in a transaction into an error, so that the writer outlives it and every waiter
// hears. What the panic says may hold anything, so only its type is kept.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("litestore: internal error: panic of type %T", p)
		}
	}()
	return f()
}

// checkpointRows is how many rows are committed between two checkpoints. A page that was written many times
// is copied back once, so rare checkpoints cost less; the log grows by some 2 KiB a row meanwhile, and a
// start after a crash reads it once.
const checkpointRows = 20_000

type checkpoints struct {
	due  chan struct{}
	rows int
}

// wrote counts what was committed, on the writer.
func (k *checkpoints) wrote(batches []*job) {
	for _, j := range batches {
		k.rows += len(j.batch)
	}
	if k.rows < checkpointRows {
		return
	}
	k.rows = 0
	select {
	case k.due <- struct{}{}:
	default:
	}
}

// checkpoint copies the log back beside the writer, again and again so that little is left, and then asks the writer
// for a moment to copy the rest and start the log over. The file keeps its size: to overwrite it is faster
// than to grow it anew.
func (s *Store) checkpoint() {
	for {
		select {
		case <-s.quit:
			return
		case <-s.checks.due:
		}
		for range 3 {
			_ = s.view(context.Background(), func(c *sqlite.Conn) error { return exec(c, "PRAGMA wal_checkpoint(PASSIVE)") })
		}
		j := &job{done: make(chan struct{}), own: func(c *sqlite.Conn) error { return restart(c, "RESTART") }}
		select {
		case s.jobs <- j:
		case <-s.quit:
			return
		}
		select {
		case <-j.done:
		case <-s.quit:
			return
		}
	}
}

// restart starts the log over unless someone reads it: another process must not make the writer wait.
func restart(c *sqlite.Conn, mode string) error {
	return errors.Join(
		sqlitex.ExecuteTransient(c, "PRAGMA busy_timeout = 0", nil),
		sqlitex.ExecuteTransient(c, "PRAGMA wal_checkpoint("+mode+")", nil),
		sqlitex.ExecuteTransient(c, fmt.Sprintf("PRAGMA busy_timeout = %d", busyMillis), nil))
}
