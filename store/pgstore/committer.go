package pgstore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"holdfast/authz"
)

// job is a batch that waits to be committed.
type job struct {
	ctx   context.Context // of the call that waits: its deadline counts
	batch []*authz.Entry
	taken atomic.Bool // by a committer, or by its caller who goes away
	truth authz.Truth
	err   error
	done  chan struct{}

	// Of the committer: what is not committed yet, and whether the rest of the batch is.
	left  []*authz.Entry
	begun bool
}

// end tells the caller. A batch of which a part is committed is unknown to one who hears of a failure.
func (j *job) end(err error) {
	if j.err = err; err != nil && j.begun {
		j.err = fmt.Errorf("%w: a part of the batch is committed: %v", authz.ErrUnknown, err)
	}
	close(j.done)
}

// Commit implements [authz.Journal]. Once a committer has taken the batch it is waited for: what has begun
// cannot be called back. It ends by the context's deadline, or within [Config].CommitTimeout.
func (s *Store) Commit(ctx context.Context, batch []*authz.Entry) (authz.Truth, error) {
	j := &job{ctx: ctx, batch: batch, left: batch, done: make(chan struct{})}
	err := ctx.Err()
	if err != nil {
		return authz.Truth{}, unavailable("wait for a committer", err)
	}
	select {
	case <-s.quit:
		return authz.Truth{}, unavailable("commit", errClosed)
	case <-ctx.Done():
		return authz.Truth{}, unavailable("wait for a committer", ctx.Err())
	case s.jobs <- j:
	}
	select {
	case <-j.done:
		return j.truth, j.err
	case <-ctx.Done():
		err = ctx.Err()
	case <-s.ended:
		err = errClosed
	}
	if j.taken.CompareAndSwap(false, true) {
		return authz.Truth{}, unavailable("wait for a committer", err)
	}
	<-j.done
	return j.truth, j.err
}

// commitAll is a committer: it ends when the store closes and nothing is queued any more.
func (s *Store) commitAll() {
	var c columns
	for {
		select {
		case j := <-s.jobs:
			s.commitGroup(&c, j)
		case <-s.quit:
			for {
				select {
				case j := <-s.jobs:
					s.commitGroup(&c, j)
				default:
					return
				}
			}
		}
	}
}

// groupMax is how many entries a transaction takes from those queued. More gain nothing, and all of them wait.
const groupMax = 512

// commitGroup commits the job and those queued behind it: what can be guessed in one transaction, what is left in
// a second one. When the server refuses that, each job has a transaction of its own, so that what is wrong with one is
// not the fault of the others.
func (s *Store) commitGroup(c *columns, first *job) {
	var group []*job
	entries := 0
	for j := first; j != nil; j = s.next(entries) {
		if j.taken.CompareAndSwap(false, true) {
			group = append(group, j)
			entries += len(j.batch)
		}
	}
	if len(group) == 0 {
		return
	}
	err := s.within(group, func(ctx context.Context) error { return s.guess(ctx, c, group) })
	if err == nil {
		group = endBegun(group)
		err = s.commitLeft(c, group)
	}
	if len(group) > 1 && (errors.Is(err, authz.ErrNotFound) || isRefused(err)) {
		for i := range group {
			group[i].end(s.commitLeft(c, group[i:i+1]))
		}
		return
	}
	for _, j := range group {
		j.end(err)
	}
}

// endBegun ends the jobs of which nothing is left, and returns the others.
func endBegun(group []*job) (others []*job) {
	for _, j := range group {
		if j.begun && len(j.left) == 0 {
			j.end(nil)
		} else {
			others = append(others, j)
		}
	}
	return others
}

// commitLeft decides what is left of the group on what is in the tables.
func (s *Store) commitLeft(c *columns, group []*job) error {
	if len(group) == 0 {
		return nil
	}
	return s.within(group, func(ctx context.Context) error { return s.commit(ctx, c, group) })
}

// next takes another job while the group has room.
func (s *Store) next(entries int) *job {
	if entries >= groupMax {
		return nil
	}
	select {
	case j := <-s.jobs:
		return j
	default:
		return nil
	}
}

// within gives a group its time and keeps the committer alive whatever happens in it. What a panic says may
// hold anything, so only its type is kept; as COMMIT may have been sent, its outcome is unknown.
func (s *Store) within(group []*job, commit func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: pgstore: internal error: panic of type %T", authz.ErrUnknown, p)
		}
	}()
	ctx, cancel := context.WithDeadline(context.Background(), s.deadline(group))
	defer cancel()
	return commit(ctx)
}

// deadline is the latest that a caller waits for: one who is in a hurry must not make the others' outcome unknown.
func (s *Store) deadline(group []*job) time.Time {
	longest := time.Now().Add(s.cfg.CommitTimeout)
	var latest time.Time
	for _, j := range group {
		d, ok := j.ctx.Deadline()
		if !ok || d.After(longest) {
			return longest
		}
		if d.After(latest) {
			latest = d
		}
	}
	return latest
}
