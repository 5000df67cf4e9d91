package litestore

import (
	"errors"
	"path/filepath"
	"testing"

	"zombiezen.com/go/sqlite"

	"holdfast/store/records"
)

// idle is a store whose writer does not run yet.
func idle(t *testing.T) (*Store, *sqlite.Conn) {
	t.Helper()
	c, err := connect(filepath.Join(t.TempDir(), "turns.db"), writerCacheKiB)
	if err == nil {
		err = migrate(c)
	}
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{batches: make(chan *job, queueMax), jobs: make(chan *job, queueMax), quit: make(chan struct{}), ended: make(chan struct{})}
	s.checks.due = make(chan struct{}, 1)
	return s, c
}

// Goal: what is queued of the management API delays an authorization by one change at most, and the other way round.
// Method: each change queues a batch while it has the writer.
func TestTheWriterTakesTurns(t *testing.T) {
	t.Parallel()
	s, c := idle(t)
	const changes = 5
	var last *job // the batch that was queued while the change before had the writer
	done := 0
	for i := range changes {
		change := func() error {
			if last != nil && i%2 == 1 { // the next change shares the transaction of the batch, the one behind it finds it done
				return nil
			}
			if done++; last != nil {
				select {
				case <-last.done:
				default:
					t.Errorf("change %d came before a batch that was queued two changes earlier", i)
				}
			}
			last = &job{done: make(chan struct{})}
			s.batches <- last
			return nil
		}
		s.jobs <- &job{done: make(chan struct{}), change: func(records.Querier) error { return change() }}
	}
	s.jobs <- &job{done: make(chan struct{}), own: func(*sqlite.Conn) error { close(s.quit); return nil }}
	s.write(c)
	<-last.done
	if done != 3 {
		t.Errorf("%d changes looked, want 3", done)
	}
}

// Goal: a change that fails or panics beside authorizations is taken back alone, and one that succeeds stays.
func TestAChangeThatFailsIsTakenBackAlone(t *testing.T) {
	t.Parallel()
	s, c := idle(t)
	broken := errors.New("broken")
	insert := func(name string, then func() error) *job {
		return &job{done: make(chan struct{}), change: func(q records.Querier) error {
			if _, err := q.Exec(t.Context(), "INSERT INTO turns VALUES ($1)", name); err != nil {
				return err
			}
			return then()
		}}
	}
	made := &job{done: make(chan struct{}), change: func(q records.Querier) error {
		_, err := q.Exec(t.Context(), "CREATE TABLE turns (name TEXT NOT NULL)")
		return err
	}}
	good := insert("good", func() error { return nil })
	bad := insert("bad", func() error { return broken })
	dead := insert("dead", func() error { panic("dead") })
	var names []string
	look := &job{done: make(chan struct{}), change: func(q records.Querier) error {
		return q.Query(t.Context(), func(r records.Row) error { names = append(names, r.Text(0)); return nil }, "SELECT name FROM turns")
	}}
	end := &job{done: make(chan struct{}), own: func(*sqlite.Conn) error { close(s.quit); return nil }}
	var batches []*job
	for _, j := range []*job{made, good, bad, dead, look, end} {
		s.jobs <- j
		b := &job{done: make(chan struct{})}
		batches = append(batches, b)
		s.batches <- b
	}
	s.write(c)
	for _, b := range batches {
		<-b.done
		if b.err != nil {
			t.Errorf("a batch beside a broken change: %v", b.err)
		}
	}
	if made.err != nil || good.err != nil || look.err != nil || !errors.Is(bad.err, broken) || dead.err == nil {
		t.Errorf("errors: %v, %v, %v, %v, %v", made.err, good.err, look.err, bad.err, dead.err)
	}
	if len(names) != 1 || names[0] != "good" {
		t.Errorf("left are %v", names)
	}
}
