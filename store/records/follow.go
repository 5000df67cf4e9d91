package records

import (
	"context"
	"fmt"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
)

// Names in settings of how far the journal has been followed: everything up to the floor has been told of, and up to the
// head all but what was committed late.
const (
	followFloor = "journal floor"
	followHead  = "journal head"
)

// A row's id has the time when its request came, and it is committed some time later, perhaps by another node. What is
// older than lateMax is not waited for any more; a journal that commits so late has been answering "inoperative" for long.
const lateMax = 60 * time.Second

// FollowNew takes at most n new rows of the journal, oldest first, that partners with endpoints want to hear of, and marks
// them as told: the caller writes their events in the same transaction. Only one node follows at a time; the others get
// nothing meanwhile. The first call begins with the moment at.
func (t *Tx) FollowNew(ctx context.Context, n int, at time.Time) ([]record.Transaction, error) {
	head, _, ok, err := t.followed(ctx, at)
	if err != nil || !ok {
		return nil, err
	}
	if wanted, err := t.anyEndpoint(ctx); err != nil || !wanted {
		return nil, orElse(err, t.skip(ctx, at))
	}
	found, err := t.told(ctx, by("a.id > ?", head), n)
	if err != nil {
		return nil, err
	}
	if len(found) > 0 {
		head = int64(found[len(found)-1].Authorization)
	}
	if len(found) < n {
		head = max(head, int64(authz.FirstID(at.Add(-headBehind)))) // nobody need look there again for new ones
	}
	return found, t.setSetting(ctx, followHead, head)
}

// headBehind is how old a row of the journal is at most when it is taken as a new one. What comes later is late.
const headBehind = time.Second

func (t *Tx) anyEndpoint(ctx context.Context) (any bool, err error) {
	err = t.q.Query(ctx, func(Row) error { any = true; return nil }, "SELECT id FROM endpoints LIMIT 1")
	return any, wrap("look for endpoints", err)
}

// skip leaves out what came before at: nobody wanted to hear of it.
func (t *Tx) skip(ctx context.Context, at time.Time) error {
	now := int64(authz.FirstID(at))
	if err := t.setSetting(ctx, followHead, now); err != nil {
		return err
	}
	return t.setSetting(ctx, followFloor, now)
}

// FollowLate is FollowNew for rows that were committed after later ones had been taken, and for those whose answer has
// changed because it could not leave in time. When there are none it moves the floor.
func (t *Tx) FollowLate(ctx context.Context, n int, at time.Time) ([]record.Transaction, error) {
	head, floor, ok, err := t.followed(ctx, at)
	if err != nil || !ok {
		return nil, err
	}
	found, err := t.told(ctx, by("a.id > ?", floor).and("a.id <= ?", head).and(`NOT EXISTS
 (SELECT 1 FROM followed f WHERE f.authorization_id = a.id AND f.answered = a.answered)`), n)
	if err != nil || len(found) == n {
		return found, err
	}
	settled := min(int64(authz.FirstID(at.Add(-lateMax))), head) // nothing below is waited for
	if settled <= floor {
		return found, nil
	}
	if _, err := t.q.Exec(ctx, "DELETE FROM followed WHERE authorization_id <= $1", settled); err != nil {
		return nil, wrap("forget what was followed", err)
	}
	return found, t.setSetting(ctx, followFloor, settled)
}

// followed locks the marks for this transaction; not ok while another node has them.
func (t *Tx) followed(ctx context.Context, at time.Time) (head, floor int64, ok bool, err error) {
	first := int64(authz.FirstID(at))
	for _, name := range []string{followFloor, followHead} {
		if _, err := t.q.Exec(ctx, "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", name,
			first); err != nil {
			return 0, 0, false, wrap("begin to follow", err)
		}
	}
	if err := t.q.Query(ctx, func(r Row) error { floor, ok = r.Int(0), true; return nil },
		"SELECT value FROM settings WHERE name = $1"+ForUpdate+" SKIP LOCKED", followFloor); err != nil || !ok {
		return 0, 0, false, wrap("follow", err)
	}
	err = t.q.Query(ctx, func(r Row) error { head = r.Int(0); return nil }, "SELECT value FROM settings WHERE name = $1", followHead)
	return head, floor, ok, wrap("follow", err)
}

func (t *Tx) setSetting(ctx context.Context, name string, value int64) error {
	_, err := t.q.Exec(ctx, "UPDATE settings SET value = $1 WHERE name = $2", value, name)
	return wrap("set "+name, err)
}

// told reads rows and marks them.
func (t *Tx) told(ctx context.Context, w *where, n int) ([]record.Transaction, error) {
	w.and("a.partner_id IN (SELECT e.partner_id FROM endpoints e)") // one that is disabled may ask for what it has missed
	found, err := transactionRows.all(ctx, t.q, w, fmt.Sprintf(" ORDER BY a.id LIMIT %d", n))
	if err != nil {
		return nil, err
	}
	for i := range found {
		if _, err := t.q.Exec(ctx, `INSERT INTO followed (authorization_id, answered) VALUES ($1, $2)
ON CONFLICT (authorization_id) DO UPDATE SET answered = excluded.answered`, int64(found[i].Authorization),
			int64(found[i].Reason)); err != nil {
			return nil, wrap("mark as told", err)
		}
	}
	return found, nil
}
