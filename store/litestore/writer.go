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

// job is something for the writer: a batch for the arbiter or a change of the records, which share a transaction with
// others, or a function that has the writer for itself.
type job struct {
	batch []*authz.Entry
	truth authz.Truth

	change func(records.Querier) error
	own    func(*sqlite.Conn) error // outside of a transaction

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
	j := &job{change: f}
	if err := s.submit(ctx, j); err != nil {
		return err
	}
	return j.err
}

func (s *Store) submit(ctx context.Context, j *job) error {
	j.done = make(chan struct{})
	queue := s.jobs
	if j.change == nil && j.own == nil {
		queue = s.batches
	}
	select {
	case <-s.quit:
		return authz.ErrUnavailable
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", authz.ErrUnavailable, ctx.Err())
	case queue <- j:
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
		for s.turn(c) {
		}
		select {
		case j := <-s.batches:
			s.commit(c, append([]*job{j}, s.queued()...), nil)
		case j := <-s.jobs:
			s.other(c, j, nil)
		case <-s.quit:
			for s.turn(c) {
			}
			return
		}
	}
}

// turn does what is queued, without waiting: one other job, and all batches, in one transaction if they can share it. So
// whoever floods the management API delays an authorization by one change of the records, not by the disk, and whoever
// floods the switch delays a lock by one transaction.
func (s *Store) turn(c *sqlite.Conn) (did bool) {
	batches := s.queued()
	select {
	case j := <-s.jobs:
		s.other(c, j, batches)
		return true
	default:
		s.commit(c, batches, nil)
		return len(batches) > 0
	}
}

// other does a job that is no batch, and the batches that wait beside it.
func (s *Store) other(c *sqlite.Conn, j *job, batches []*job) {
	if j.own == nil {
		s.commit(c, batches, j)
		return
	}
	s.commit(c, batches, nil)
	j.err = guard(func() error { return j.own(c) })
	close(j.done)
}

// queued are the batches that wait.
func (s *Store) queued() (batches []*job) {
	for {
		select {
		case j := <-s.batches:
			batches = append(batches, j)
		default:
			return batches
		}
	}
}

// commit does a change of the records, if there is one, and all batches in one transaction. A change that fails is taken
// back by itself.
func (s *Store) commit(c *sqlite.Conn, batches []*job, change *job) {
	if len(batches) == 0 && change == nil {
		return
	}
	err := guard(func() error { return s.transact(c, batches, change) })
	if err != nil && !c.AutocommitEnabled() {
		err = errors.Join(err, sqlitex.ExecuteTransient(c, "ROLLBACK", nil))
	}
	if change != nil {
		if change.err == nil {
			change.err = err
		}
		close(change.done)
	}
	for _, j := range batches {
		j.err = err
		close(j.done)
	}
	s.checks.wrote(batches)
}

func (s *Store) transact(c *sqlite.Conn, batches []*job, change *job) error {
	if err := exec(c, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("%w: begin: %w", authz.ErrUnavailable, err)
	}
	if change != nil {
		change.err = guard(func() error { return saved(c, change.change) })
		if c.AutocommitEnabled() { // some errors end the whole transaction
			return fmt.Errorf("%w: a change ended the transaction", authz.ErrUnavailable)
		}
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

// saved does a change, or nothing of it.
func saved(c *sqlite.Conn, change func(records.Querier) error) (err error) {
	defer sqlitex.Save(c)(&err)
	return change(querier{c})
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
			_ = s.view(context.Background(), s.readers, func(c *sqlite.Conn) error { return exec(c, "PRAGMA wal_checkpoint(PASSIVE)") })
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
