package litestore

import (
	"embed"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

//go:embed schema.sql
var schema string

// The steps from the first schema, which is schema.sql, to the one of this build. A number may be left out, and
// none changes once it has been released.
//
//go:embed steps/*.sql
var steps embed.FS

// step is a file and the version that it brings.
type step struct {
	version int64
	text    string
}

// path is the way from nothing to the schema of this build.
func path() []step {
	files, err := steps.ReadDir("steps") // sorted by name, and all numbers have four digits
	if err != nil {
		panic("litestore: internal error: no steps: " + err.Error())
	}
	all := []step{{1, schema}}
	for _, f := range files {
		s := step{}
		text, err := steps.ReadFile("steps/" + f.Name())
		if err == nil {
			_, err = fmt.Sscanf(f.Name(), "%04d_", &s.version)
		}
		if err != nil {
			panic("litestore: internal error: a step that cannot be read: " + f.Name())
		}
		s.text = string(text)
		all = append(all, s)
	}
	return all
}

// SchemaVersion is the schema that this build reads and writes, kept in the file's user_version.
func SchemaVersion() int64 { all := path(); return all[len(all)-1].version }

var errForeignFile = errors.New("it is not a holdfast data file")

// migrate brings a file of an earlier version forward, each step in one transaction, and fills a new one. Whoever
// opens the file at the same time waits.
func migrate(c *sqlite.Conn) error {
	known := SchemaVersion()
	for _, s := range path() {
		if err := s.apply(c, known); err != nil {
			return err
		}
	}
	return nil
}

func (s *step) apply(c *sqlite.Conn, known int64) (err error) {
	end, err := sqlitex.ImmediateTransaction(c)
	if err != nil {
		return err
	}
	defer end(&err)
	application, version, tables, err := identity(c)
	switch {
	case err != nil:
		return err
	case application != applicationID && tables != 0:
		return errForeignFile
	case version > known:
		return fmt.Errorf("its schema is version %d, this build knows %d", version, known)
	case version >= s.version:
		return nil
	}
	// A script would begin transactions of its own; the pragmas are kept or taken back with the rest.
	return sqlitex.ExecScript(c, fmt.Sprintf("%s;\nPRAGMA application_id = %d; PRAGMA user_version = %d;",
		s.text, applicationID, s.version))
}

// identity reads whose file it is.
func identity(c *sqlite.Conn) (application, version, tables int64, err error) {
	for pragma, v := range map[string]*int64{"PRAGMA application_id": &application,
		"PRAGMA user_version": &version, "SELECT count(*) FROM sqlite_schema": &tables} {
		if err := sqlitex.ExecuteTransient(c, pragma, &sqlitex.ExecOptions{
			ResultFunc: func(s *sqlite.Stmt) error { *v = s.ColumnInt64(0); return nil },
		}); err != nil {
			return 0, 0, 0, err
		}
	}
	return application, version, tables, nil
}
