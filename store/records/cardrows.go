package records

import (
	"context"
	"fmt"
	"time"

	"holdfast/authz"
)

// The table costs some 135 bytes a row in PostgreSQL, about a quarter of what the journal's own row takes, and is read in
// 1 ms for a page of a card and 4 ms for one of a small partner among 250,000 rows, where looking through the journal for
// the partner took 160 ms and grows with it.

// listedUpTo is the name in settings of the last row of the journal that card_rows has.
const listedUpTo = "journal listed"

// ListRows enters at most n rows of the journal into the table by which those of a card and a partner are found, oldest
// first, and says how many. Rows younger than lateMax wait, so that what is committed out of order is not passed over.
// One node does so at a time; the others enter nothing meanwhile.
func (t *Tx) ListRows(ctx context.Context, n int, at time.Time) (entered int64, err error) {
	mark, ok := int64(0), false
	if _, err := t.q.Exec(ctx, "INSERT INTO settings (name, value) VALUES ($1, 0) ON CONFLICT (name) DO NOTHING", listedUpTo); err != nil {
		return 0, wrap("list rows", err)
	}
	if err := t.q.Query(ctx, func(r Row) error { mark, ok = r.Int(0), true; return nil },
		"SELECT value FROM settings WHERE name = $1"+ForUpdate+" SKIP LOCKED", listedUpTo); err != nil || !ok {
		return 0, wrap("list rows", err)
	}
	to := mark
	if err := t.q.Query(ctx, func(r Row) error { to = max(to, r.Int(0)); return nil }, fmt.Sprintf(`SELECT max(id) FROM
 (SELECT id FROM authorizations WHERE id > $1 AND id < $2 ORDER BY id LIMIT %d) AS next`, n), mark,
		int64(authz.FirstID(at.Add(-lateMax)))); err != nil || to == mark {
		return 0, wrap("list rows", err)
	}
	entered, err = t.q.Exec(ctx, `INSERT INTO card_rows (card_id, authorization_id, partner_id)
SELECT card_id, id, partner_id FROM authorizations WHERE id > $1 AND id <= $2 AND card_id <> 0 ORDER BY card_id, id`, mark, to)
	if err != nil {
		return 0, wrap("list rows", err)
	}
	return entered, t.setSetting(ctx, listedUpTo, to)
}

// listed reads up to which row card_rows has those of the journal; 0: it has none yet.
func (t *Tx) listed(ctx context.Context) (mark int64, err error) {
	err = t.q.Query(ctx, func(r Row) error { mark = r.Int(0); return nil }, "SELECT value FROM settings WHERE name = $1", listedUpTo)
	return mark, wrap("read how far rows are listed", err)
}
