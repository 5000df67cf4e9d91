package pgstore

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"holdfast/store/records"
)

// Update implements [records.Store]. f runs once: a deadlock is an error for the caller to try again.
func (s *Store) Update(ctx context.Context, f func(records.Querier) error) error {
	return s.transact(ctx, s.cfg.QueryTimeout, "BEGIN", func(ctx context.Context, c *pgxpool.Conn) error {
		if err := f(querier{c}); err != nil {
			return err
		}
		tag, err := c.Exec(ctx, "COMMIT")
		switch {
		case err != nil:
			return doubtful(err)
		case tag.String() != "COMMIT":
			return unavailable("commit", errRolledBack)
		}
		return nil
	})
}

// View implements [records.Store]. A caller with a deadline of its own may read for longer than
// [Config].QueryTimeout, as verifying a large journal does. While it reads, the server keeps what it sees: rows that
// change often grow slow, so a long reading belongs on a standby or into a quiet hour.
func (s *Store) View(ctx context.Context, f func(records.Querier) error) error {
	limit := s.cfg.QueryTimeout
	if deadline, set := ctx.Deadline(); set {
		limit = max(limit, time.Until(deadline))
	}
	return s.transact(ctx, limit, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
		func(ctx context.Context, c *pgxpool.Conn) error {
			if limit > s.cfg.QueryTimeout {
				if _, err := c.Exec(ctx, "SELECT set_config('statement_timeout', $1, true)", milliseconds(limit)); err != nil {
					return unavailable("begin", err)
				}
			}
			return f(querier{c})
		})
}

// transact runs f between begin and, unless f has committed, ROLLBACK.
func (s *Store) transact(ctx context.Context, limit time.Duration, begin string,
	f func(context.Context, *pgxpool.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c, err := s.readers.Acquire(ctx)
	if err != nil {
		return unavailable("connect", err)
	}
	defer c.Release()
	if _, err := c.Exec(ctx, begin); err != nil {
		return unavailable("begin", err)
	}
	defer rollback(c)
	return f(ctx, c)
}

// rollbackTimeout bounds the round trip of a ROLLBACK. A connection that cannot do that is closed by the pool,
// which rolls back too.
const rollbackTimeout = time.Second

func rollback(c *pgxpool.Conn) {
	if c.Conn().PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), rollbackTimeout)
	defer cancel()
	_, _ = c.Exec(ctx, "ROLLBACK")
}

// querier runs the records' SQL in a transaction.
type querier struct{ c *pgxpool.Conn }

// Exec implements [records.Querier].
func (q querier) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	tag, err := q.c.Exec(ctx, sql, args...)
	return tag.RowsAffected(), err
}

// Query implements [records.Querier].
func (q querier) Query(ctx context.Context, each func(records.Row) error, sql string, args ...any) error {
	rows, err := q.c.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	fields := rows.FieldDescriptions()
	for rows.Next() {
		r := row{fields: fields, values: rows.RawValues()}
		if err := each(&r); err != nil {
			return err
		}
		if r.err != nil {
			return r.err
		}
	}
	return rows.Err()
}

// row reads the values as they came. A column that is read as what it is not is our own mistake; it ends the query.
type row struct {
	fields []pgconn.FieldDescription
	values [][]byte
	err    error
}

// Int implements [records.Row]. Sums are numeric in PostgreSQL, and they fit.
func (r *row) Int(i int) int64 {
	v := r.values[i]
	if v == nil {
		return 0
	}
	switch {
	case r.fields[i].Format != pgx.BinaryFormatCode:
	case r.fields[i].DataTypeOID == pgtype.NumericOID:
		var n pgtype.Numeric
		if err := (pgtype.NumericCodec{}).PlanScan(nil, pgtype.NumericOID, pgx.BinaryFormatCode, &n).Scan(v, &n); err == nil {
			if whole, err := n.Int64Value(); err == nil {
				return whole.Int64
			}
		}
	case len(v) == 8:
		return int64(binary.BigEndian.Uint64(v))
	case len(v) == 4:
		return int64(int32(binary.BigEndian.Uint32(v)))
	}
	r.err = fmt.Errorf("pgstore: internal error: column %d, of type %d, is not a number", i, r.fields[i].DataTypeOID)
	return 0
}

// Text implements [records.Row].
func (r *row) Text(i int) string { return string(r.values[i]) }

// Bytes implements [records.Row].
func (r *row) Bytes(i int) []byte { return append([]byte(nil), r.values[i]...) }

// Null implements [records.Row].
func (r *row) Null(i int) bool { return r.values[i] == nil }
