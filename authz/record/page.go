package record

import "strconv"

// How many items a page has: usually and at most.
const (
	PageUsual = 50
	PageMax   = 200
)

// Page asks for a part of a list, newest first.
type Page struct {
	Limit  int    // 0 is PageUsual; more than PageMax is PageMax
	Cursor string // Next of the page before; empty for the first
}

// Size is how many items the page may have.
func (p Page) Size() int {
	switch {
	case p.Limit <= 0:
		return PageUsual
	case p.Limit > PageMax:
		return PageMax
	}
	return p.Limit
}

// List is a page of a list. Next is the cursor of the page behind it, empty at the end.
type List[T any] struct {
	Items []T
	Next  string
}

// numberDigitsMax is more than any number of a list has, and less than a card number or the longest PIN: a cursor goes into
// a statement of a database, and so perhaps into its log.
const numberDigitsMax = 11

// NumberCursor reads a cursor of a list whose items have numbers; 0 for the first page. The error is [ErrCursor].
func (p Page) NumberCursor() (int64, error) {
	if p.Cursor == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(p.Cursor, 10, 64)
	if err != nil || n <= 0 || len(p.Cursor) > numberDigitsMax || strconv.FormatInt(n, 10) != p.Cursor {
		return 0, ErrCursor
	}
	return n, nil
}

// UUIDCursor reads a cursor of a list whose items have UUIDs; zero for the first page. The error is [ErrCursor].
func (p Page) UUIDCursor() (UUID, error) {
	if p.Cursor == "" {
		return UUID{}, nil
	}
	u, err := ParseUUID(p.Cursor)
	if err != nil || u.IsZero() {
		return UUID{}, ErrCursor
	}
	return u, nil
}
