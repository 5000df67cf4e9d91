package litestore

import (
	"context"
	"fmt"
	"strings"

	"zombiezen.com/go/sqlite"

	"holdfast/store/records"
)

// querier runs the records' SQL on a connection. SQLite numbers its placeholders with ?, and its one writer needs
// no locks of rows.
type querier struct{ c *sqlite.Conn }

func (q querier) prepare(sql string, args []any) (*sqlite.Stmt, error) {
	sql, _, _ = strings.Cut(sql, records.ForUpdate)
	stmt, err := q.c.Prepare(strings.ReplaceAll(sql, "$", "?"))
	if err != nil {
		return nil, err
	}
	for i, a := range args {
		switch v := a.(type) {
		case int64:
			stmt.BindInt64(i+1, v)
		case string:
			stmt.BindText(i+1, v)
		case []byte:
			stmt.BindBytes(i+1, v)
		case nil:
			stmt.BindNull(i + 1)
		default:
			return nil, fmt.Errorf("litestore: internal error: argument %d has type %T", i+1, a)
		}
	}
	return stmt, nil
}

// Exec implements [records.Querier].
func (q querier) Exec(_ context.Context, sql string, args ...any) (int64, error) {
	stmt, err := q.prepare(sql, args)
	if err != nil {
		return 0, err
	}
	if err := run(stmt); err != nil {
		return 0, err
	}
	return int64(q.c.Changes()), nil
}

// Query implements [records.Querier].
func (q querier) Query(_ context.Context, each func(records.Row) error, sql string, args ...any) (err error) {
	stmt, err := q.prepare(sql, args)
	if err != nil {
		return err
	}
	defer func() {
		if e := stmt.Reset(); err == nil {
			err = e
		}
	}()
	for {
		more, err := stmt.Step()
		if err != nil || !more {
			return err
		}
		if err := each(stmtRow{stmt}); err != nil {
			return err
		}
	}
}

// run steps a statement that returns nothing and resets it.
func run(stmt *sqlite.Stmt) error {
	_, err := stmt.Step()
	if e := stmt.Reset(); err == nil {
		err = e
	}
	return err
}

type stmtRow struct{ s *sqlite.Stmt }

func (r stmtRow) Int(i int) int64   { return r.s.ColumnInt64(i) }
func (r stmtRow) Text(i int) string { return r.s.ColumnText(i) }
func (r stmtRow) Null(i int) bool   { return r.s.ColumnType(i) == sqlite.TypeNull }
func (r stmtRow) Bytes(i int) []byte {
	b := make([]byte, r.s.ColumnLen(i))
	r.s.ColumnBytes(i, b)
	return b
}
