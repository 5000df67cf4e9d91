package litestore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"holdfast/store/records"
)

// Reader reads a file that a switch may be writing to, without ever making it wait.
type Reader struct{ c *sqlite.Conn }

// OpenReader opens an existing file for reading.
func OpenReader(path string) (*Reader, error) {
	c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", filepath.Base(path), err)
	}
	for _, pragma := range []string{fmt.Sprintf("PRAGMA busy_timeout = %d", busyMillis), "PRAGMA query_only = ON",
		"PRAGMA wal_autocheckpoint = 0"} {
		if err := sqlitex.ExecuteTransient(c, pragma, nil); err != nil {
			return nil, errors.Join(fmt.Errorf("open %s: %w", filepath.Base(path), err), c.Close())
		}
	}
	r := &Reader{c}
	if err := r.known(); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", filepath.Base(path), err), c.Close())
	}
	return r, nil
}

func (r *Reader) known() error {
	application, version, _, err := identity(r.c)
	switch {
	case err != nil:
	case application != applicationID:
		err = errForeignFile
	case version != SchemaVersion():
		err = fmt.Errorf("its schema is version %d, this build knows %d: holdfast serve brings an older one forward",
			version, SchemaVersion())
	}
	return err
}

// View runs f on one consistent state.
func (r *Reader) View(_ context.Context, f func(records.Querier) error) (err error) {
	defer sqlitex.Save(r.c)(&err)
	return f(querier{r.c})
}

// Intact asks SQLite to check the file's own structure.
func (r *Reader) Intact() error {
	var found error
	err := sqlitex.ExecuteTransient(r.c, "PRAGMA quick_check(1)", &sqlitex.ExecOptions{
		ResultFunc: func(s *sqlite.Stmt) error {
			if text := s.ColumnText(0); text != "ok" {
				found = errors.New(text)
			}
			return nil
		},
	})
	return errors.Join(err, found)
}

// Close closes the file.
func (r *Reader) Close() error { return r.c.Close() }
