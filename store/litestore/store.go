// Package litestore keeps the journal and the records of the embedded mode in one SQLite file: WAL,
// synchronous=FULL, one writer that commits in groups, readers beside it.
//
// # The one idea
//
// SQLite has one writer, so the writer is a goroutine with a queue: whatever has been asked for while
// a transaction ran shares the next one. Inside a transaction the arbiter reads each balance that the
// group touches once, decides in memory, and writes each back once.
package litestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"holdfast/authz"
	"holdfast/store/records"
)

const (
	applicationID  = 0x484f4c44 // "HOLD": file(1) and we know our own files by it
	lookups        = 2          // connections for what the switch looks up beside its commits
	readers        = 2          // connections for those who read the records
	writerCacheKiB = 8192
	readerCacheKiB = 1024
	queueMax       = 1024
	busyMillis     = 5000 // for another process on the same file, such as holdfast verify
)

// Store is an open file. It is safe for concurrent use.
type Store struct {
	path string
	// Two sets, so that whoever reads the records, and for however long, keeps no authorization waiting.
	lookups chan *sqlite.Conn // of authz.Journal and authz.Cards
	readers chan *sqlite.Conn // of records.Store
	batches chan *job         // of authorizations
	jobs    chan *job         // all others
	quit    chan struct{}
	ended   chan struct{} // the writer is gone
	closing sync.Once
	wg      sync.WaitGroup
	checks  checkpoints
}

var (
	_ authz.Journal = (*Store)(nil)
	_ authz.Cards   = (*Store)(nil)
	_ records.Store = (*Store)(nil)
)

// Open opens the file, creating it with its schema when it does not exist. A file of another program
// or of a schema that this build does not know is refused and left untouched.
func Open(path string) (*Store, error) {
	writer, err := connect(path, writerCacheKiB)
	if err != nil {
		return nil, err
	}
	if err := migrate(writer); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", filepath.Base(path), err), writer.Close())
	}
	s := &Store{path: path, batches: make(chan *job, queueMax), jobs: make(chan *job, queueMax), quit: make(chan struct{}),
		ended: make(chan struct{}), lookups: make(chan *sqlite.Conn, lookups), readers: make(chan *sqlite.Conn, readers)}
	for _, set := range []chan *sqlite.Conn{s.lookups, s.readers} {
		for range cap(set) {
			c, err := connect(path, readerCacheKiB)
			if err != nil {
				return nil, errors.Join(err, s.closeReaders(), writer.Close())
			}
			set <- c
		}
	}
	s.checks.due = make(chan struct{}, 1)
	s.wg.Go(func() { s.write(writer) })
	s.wg.Go(s.checkpoint)
	return s, nil
}

// connect opens a connection with our settings. Pages of 2 KiB halve what a scattered update of small
// rows writes to the log; the log is copied back by our own checkpoints, not inside a commit.
func connect(path string, cacheKiB int) (*sqlite.Conn, error) {
	// Only a new file is touched here. Closing any descriptor of a file drops all the locks that the process
	// has on it (POSIX), those of SQLite too; a stranger who then closes the file takes himself for the last
	// and removes the log under us, with every commit that follows.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("open the data file: %w", err)
	}
	c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return nil, fmt.Errorf("open the data file: %w", err)
	}
	for _, pragma := range []string{
		fmt.Sprintf("PRAGMA busy_timeout = %d", busyMillis),
		"PRAGMA page_size = 2048",
		"PRAGMA journal_mode = WAL",
		"PRAGMA synchronous = FULL",
		"PRAGMA wal_autocheckpoint = 0",
		fmt.Sprintf("PRAGMA cache_size = -%d", cacheKiB),
		"PRAGMA foreign_keys = ON",
		"PRAGMA temp_store = MEMORY",
	} {
		if err := sqlitex.ExecuteTransient(c, pragma, nil); err != nil {
			return nil, errors.Join(fmt.Errorf("prepare the data file: %w", err), c.Close())
		}
	}
	return c, nil
}

// Close finishes what is queued and closes the file. It is harmless to call twice.
func (s *Store) Close() error {
	var err error
	s.closing.Do(func() {
		close(s.quit)
		s.wg.Wait()
		err = s.closeReaders()
	})
	return err
}

func (s *Store) closeReaders() error {
	var errs []error
	for _, set := range []chan *sqlite.Conn{s.lookups, s.readers} {
		for range len(set) {
			errs = append(errs, (<-set).Close())
		}
	}
	return errors.Join(errs...)
}

// View implements [records.Store] on one of the readers.
func (s *Store) View(ctx context.Context, f func(records.Querier) error) error {
	return s.view(ctx, s.readers, func(c *sqlite.Conn) (err error) {
		defer sqlitex.Save(c)(&err)
		return f(querier{c})
	})
}

// view runs f on one of a set of connections.
func (s *Store) view(ctx context.Context, set chan *sqlite.Conn, f func(*sqlite.Conn) error) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", authz.ErrUnavailable, ctx.Err())
	case <-s.quit:
		return authz.ErrUnavailable
	case c := <-set:
		defer func() { set <- c }()
		return f(c)
	}
}
