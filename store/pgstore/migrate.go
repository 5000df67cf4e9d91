package pgstore

import (
	"context"
	"embed"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The steps are numbered; a number may be left out, and none changes once it has been released.
//
//go:embed migrations/*.sql
var migrations embed.FS

// step is one of the files: its number and its name.
type step struct {
	version int
	name    string
}

// steps are sorted by number.
func steps() []step {
	files, err := migrations.ReadDir("migrations") // sorted by name, and all numbers have four digits
	if err != nil {
		panic("pgstore: internal error: no migrations: " + err.Error())
	}
	all := make([]step, len(files))
	for i, f := range files {
		if _, err := fmt.Sscanf(f.Name(), "%04d_", &all[i].version); err != nil {
			panic("pgstore: internal error: a migration without a number: " + f.Name())
		}
		all[i].name = f.Name()
	}
	return all
}

// SchemaVersion is the schema that this build reads and writes: the number of the last step.
func SchemaVersion() int { all := steps(); return all[len(all)-1].version }

// Migrate brings the schema of the URL's search_path to [SchemaVersion] and returns the version that it found
// (0: empty) and the one it left. Each step is one transaction; two migrations at once wait for each other. A
// schema newer than this build is refused, and so is one whose tables are not ours.
func Migrate(ctx context.Context, url string) (from, to int, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, 0, fmt.Errorf("migrate: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	// The lock is the session's: it ends with the connection, however that ends.
	if _, err = conn.Exec(ctx, "SELECT pg_advisory_lock(hashtext('holdfast'), hashtext(current_schema()))"); err != nil {
		return 0, 0, fmt.Errorf("migrate: %w", err)
	}
	if _, err = conn.Exec(ctx, `CREATE TABLE IF NOT EXISTS schema_version (
  version     BIGINT PRIMARY KEY,
  step        TEXT NOT NULL,
  applied_at  TIMESTAMPTZ NOT NULL DEFAULT now()
)`); err != nil {
		return 0, 0, fmt.Errorf("migrate: %w", err)
	}
	from, missing, err := compare(ctx, conn)
	if err != nil {
		return from, from, fmt.Errorf("migrate: %w", err)
	}
	to = from
	for _, s := range missing {
		if err := apply(ctx, conn, s); err != nil {
			return from, to, fmt.Errorf("migrate to version %d: %w", s.version, err)
		}
		to = max(to, s.version)
	}
	return from, to, nil
}

// compare reads which steps the schema has: the highest, and those that it lacks. One that this build does not
// know is an error.
func compare(ctx context.Context, q querying) (version int, missing []step, err error) {
	applied, err := appliedSteps(ctx, q)
	if err != nil {
		return 0, nil, err
	}
	for n := range applied {
		version = max(version, n)
	}
	for _, s := range steps() {
		if !applied[s.version] {
			missing = append(missing, s)
		}
		delete(applied, s.version)
	}
	if len(applied) > 0 {
		err = fmt.Errorf("the schema is version %d, this build knows %d", version, SchemaVersion())
	}
	return version, missing, err
}

// apply runs a step and notes it, both or neither.
func apply(ctx context.Context, conn *pgx.Conn, s step) error {
	text, err := migrations.ReadFile("migrations/" + s.name)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, string(text)); err != nil { // several statements, without parameters
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO schema_version (version, step) VALUES ($1, $2)", s.version, s.name)
		return err
	})
}

// undefinedTable is what PostgreSQL says of a table that is not there.
const undefinedTable = "42P01"

// querying is a connection or a pool.
type querying interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func appliedSteps(ctx context.Context, q querying) (map[int]bool, error) {
	rows, err := q.Query(ctx, "SELECT version FROM schema_version")
	var numbers []int
	if err == nil {
		numbers, err = pgx.CollectRows(rows, pgx.RowTo[int])
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == undefinedTable {
		err = nil
	}
	applied := make(map[int]bool, len(numbers))
	for _, n := range numbers {
		applied[n] = true
	}
	return applied, err
}
