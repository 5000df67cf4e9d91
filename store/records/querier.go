// Package records keeps partners, programs, users, balances and cards. Its SQL is one text that both
// engines understand, run through the thin [Querier] that each engine offers.
package records

import "context"

// Querier runs SQL with $1, $2, ... as placeholders. Arguments are int64, string, []byte or nil.
type Querier interface {
	// Exec runs a statement and returns how many rows it changed.
	Exec(ctx context.Context, sql string, args ...any) (changed int64, err error)
	// Query calls row for each row, in order; an error from row ends it and is returned. The values
	// are valid during the call only. A statement that ends in [ForUpdate] also locks the rows that it
	// reads until the transaction ends.
	Query(ctx context.Context, row func(Row) error, sql string, args ...any) error
}

// ForUpdate is the end of a statement that locks what it reads. SKIP LOCKED may follow it. An engine with one
// writer leaves both out.
const ForUpdate = " FOR UPDATE"

// Row is one row of a result. Columns count from 0; a NULL reads as the zero value.
type Row interface {
	Int(column int) int64
	Text(column int) string
	Bytes(column int) []byte
	Null(column int) bool
}

// Store is what an engine offers to the records.
type Store interface {
	// Update runs f in one transaction that is durable when Update returns nil.
	Update(ctx context.Context, f func(Querier) error) error
	// View runs f on one consistent state.
	View(ctx context.Context, f func(Querier) error) error
}
