package pgstore

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/authz"
)

// unavailable marks an error after which surely nothing was committed.
func unavailable(what string, err error) error {
	if err == nil || errors.Is(err, authz.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %s: %w", authz.ErrUnavailable, what, err)
}

// refused reports whether the server answered that a statement failed in a transaction that it will not commit.
// It says ERROR only where it goes on with the session; FATAL ends the session at a moment that we do not know.
func refused(err error) (*pgconn.PgError, bool) {
	var e *pgconn.PgError
	return e, errors.As(err, &e) && e.SeverityUnlocalized == "ERROR"
}

func isRefused(err error) bool { _, ok := refused(err); return ok }

// The refusals after which the same transaction may succeed.
const (
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	uniqueViolation      = "23505" // another node took a key since we looked
)

func transient(err error) bool {
	e, ok := refused(err)
	if !ok {
		return false
	}
	switch e.Code {
	case serializationFailure, deadlockDetected, uniqueViolation:
		return true
	}
	return false
}

// doubtful is an error of a pipeline that ended in COMMIT: refused is surely rolled back, all else is unknown.
func doubtful(err error) error {
	if isRefused(err) {
		return unavailable("commit", err)
	}
	return fmt.Errorf("%w: commit: %w", authz.ErrUnknown, err)
}

// What happened to a transaction, or why there was none.
var (
	errRolledBack = errors.New("the server rolled the transaction back")
	errClosed     = errors.New("the store is closed")
)
