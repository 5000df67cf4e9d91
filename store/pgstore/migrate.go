package pgstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The steps are applied in the order of their names, and none changes once it has been released.
//
//go:embed migrations/*.sql
var migrations embed.FS

func steps() []fs.DirEntry {
	all, err := migrations.ReadDir("migrations") // sorted by name
	if err != nil {
		panic("pgstore: internal error: no migrations: " + err.Error())
	}
	return all
}

// SchemaVersion is the schema that this build reads and writes.
func SchemaVersion() int { return len(steps()) }

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
	if from, err = schemaVersion(ctx, conn); err != nil {
		return 0, 0, fmt.Errorf("migrate: %w", err)
	}
	if from > SchemaVersion() {
		return from, from, fmt.Errorf("migrate: the schema is version %d, this build knows %d", from, SchemaVersion())
	}
	for to = from; to < SchemaVersion(); to++ {
		if err := apply(ctx, conn, to+1, steps()[to].Name()); err != nil {
			return from, to, fmt.Errorf("migrate to version %d: %w", to+1, err)
		}
	}
	return from, to, nil
}

// apply runs a step and notes it, both or neither.
func apply(ctx context.Context, conn *pgx.Conn, version int, name string) error {
	text, err := migrations.ReadFile("migrations/" + name)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, string(text)); err != nil { // several statements, without parameters
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO schema_version (version, step) VALUES ($1, $2)", version, name)
		return err
	})
}

// undefinedTable is what PostgreSQL says of a table that is not there.
const undefinedTable = "42P01"

func schemaVersion(ctx context.Context, q interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}) (int, error) {
	var version int
	err := q.QueryRow(ctx, "SELECT coalesce(max(version), 0) FROM schema_version").Scan(&version)
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == undefinedTable {
		return 0, nil
	}
	return version, err
}
