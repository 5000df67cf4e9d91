package records

import (
	"context"
	"time"

	"holdfast/authz"
)

// FileAction is what a peer asks of a card's lock.
type FileAction struct {
	Peer, MTI, STAN string
	Tags            []authz.Tag // by which the card may be kept: more than one while the keys of tags are rotated
	BIN, Last4      string
	Wanted          authz.LockReason // LockNone asks to lift the lock
	Inquiry         bool             // changes nothing: Wanted is not looked at
	At              time.Time
}

// FileActionDone is what became of a file action.
type FileActionDone struct {
	Outcome authz.LockOutcome
	Card    authz.CardID     // 0: unknown
	Tag     authz.Tag        // under which it is kept
	Lock    authz.LockReason // the card's now
}

// LockOutside changes a card's lock as a peer asks, by authz.Relock, has the card's partner told, and writes down
// who asked for what and what became of it, also when nothing did. It is as linearizable as LockCard: the card is
// read after its balance row was taken, so that two peers at once are decided one after the other.
func LockOutside(ctx context.Context, q Querier, a FileAction) (FileActionDone, error) {
	var d FileActionDone
	var state authz.CardState
	read := func() (err error) {
		found := false
		for _, tag := range a.Tags {
			if err = q.Query(ctx, func(r Row) error {
				found = true
				d.Card, d.Lock, state, d.Tag = authz.CardID(r.Int(0)), authz.LockReason(r.Int(1)), authz.CardState(r.Int(2)), tag
				return nil
			}, "SELECT id, lock, state FROM cards WHERE tag = $1", tag[:]); err != nil || found {
				return err
			}
		}
		return nil
	}
	err := read()
	if err == nil && d.Card != 0 && !a.Inquiry {
		if _, err = q.Exec(ctx, `UPDATE balances SET version = version + 1
WHERE id = (SELECT balance_id FROM cards WHERE id = $1)`, int64(d.Card)); err == nil {
			err = read()
		}
	}
	if err != nil {
		return d, wrap("read the card of a file action", err)
	}
	present := d.Lock
	switch {
	case d.Card == 0 || state == authz.CardRemovedState:
		d.Outcome = authz.LockNoCard
	case a.Inquiry:
		d.Outcome = authz.LockAlready
	default:
		d.Outcome = authz.Relock(present, "", a.Wanted, authz.LockByOutside) // whose it is makes no difference to them
	}
	if d.Outcome.Changes() {
		if err := LockCard(ctx, q, d.Card, a.Wanted); err != nil {
			return d, err
		}
		if err := tellLock(ctx, q, d.Card, a.Wanted, authz.LockByOutside, a.At); err != nil {
			return d, err
		}
		d.Lock = a.Wanted
	}
	id, err := next(ctx, q, "file_actions", 1)
	if err != nil {
		return d, err
	}
	_, err = q.Exec(ctx, `INSERT INTO file_actions (id, at, peer, mti, stan, card_id, bin, last4, present, wanted, outcome)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`, id, a.At.UnixMicro(), a.Peer, a.MTI, a.STAN, int64(d.Card), a.BIN,
		a.Last4, int64(present), int64(a.Wanted), d.Outcome.String())
	return d, wrap("write the file action down", err)
}
