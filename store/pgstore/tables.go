package pgstore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"holdfast/authz"
	"holdfast/store/arbiter"
)

// tables is one transaction as the arbiter sees it: what nearly every entry needs has been read at its
// beginning, and new rows wait to be written together. What reads other rows first writes those that wait.
// It keeps the context because it lives no longer than the call that made it.
type tables struct {
	ctx  context.Context
	conn *pgx.Conn
	out  *columns

	cards    map[authz.CardID]cardVersion
	accounts map[authz.BalanceID]arbiter.Account // locked
	keys     map[authz.DupKey]*arbiter.Stored    // rows that were there; nil: this transaction wrote it or changed it
	waiting  map[authz.DupKey]struct{}           // rows in out
}

type cardVersion struct{ version, marks int64 }

var _ arbiter.Tables = (*tables)(nil)

func newTables(ctx context.Context, conn *pgx.Conn, out *columns) *tables {
	out.reset()
	return &tables{ctx: ctx, conn: conn, out: out, cards: make(map[authz.CardID]cardVersion),
		accounts: make(map[authz.BalanceID]arbiter.Account), keys: make(map[authz.DupKey]*arbiter.Stored),
		waiting: make(map[authz.DupKey]struct{})}
}

// FOR UPDATE reads the newest version of a row once it has the lock, and the statements after it see whatever
// was committed before they began: in READ COMMITTED each has a snapshot of its own.
const (
	lockBalances = "SELECT id, ledger, held, version, forced = 1 FROM balances WHERE id = ANY($1) ORDER BY id FOR UPDATE"
	readCards    = "SELECT id, version, tombstones FROM cards WHERE id = ANY($1)"
)

// begin opens the transaction, locks and reads, in one round trip.
func (t *tables) begin(group []*job) error {
	var balances, cards []int64
	var keys [][]byte
	for _, j := range group {
		for _, e := range j.batch {
			keys = append(keys, e.Request.Dup[:])
			if c := e.Card; c != nil {
				cards = append(cards, int64(c.ID))
				balances = append(balances, int64(c.Balance), int64(c.Deposit))
			}
		}
	}
	balances, cards = distinct(balances), distinct(cards)
	b := &pgx.Batch{}
	b.Queue("BEGIN ISOLATION LEVEL READ COMMITTED")
	if len(cards) > 0 {
		b.Queue(lockBalances, balances).Query(each(t.account))
		b.Queue(readCards, cards).Query(each(t.card))
	}
	b.Queue(readRow+"a.dup = ANY($1)", keys).Query(each(t.key))
	return t.conn.SendBatch(t.ctx, b).Close()
}

// distinct sorts and drops repetitions and zeros.
func distinct(ids []int64) []int64 {
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) > 0 && ids[0] == 0 {
		ids = ids[1:]
	}
	return ids
}

// each makes a reader of rows from a reader of one row.
func each(row func(pgx.Rows) error) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		defer rows.Close()
		for rows.Next() {
			if err := row(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	}
}

func (t *tables) account(r pgx.Rows) error {
	var id authz.BalanceID
	var a arbiter.Account
	err := r.Scan(&id, &a.Ledger, &a.Held, &a.Version, &a.Forced)
	t.accounts[id] = a
	return err
}

func (t *tables) card(r pgx.Rows) error {
	var id authz.CardID
	var c cardVersion
	err := r.Scan(&id, &c.version, &c.marks)
	t.cards[id] = c
	return err
}

func (t *tables) key(r pgx.Rows) error {
	row, err := scanRow(r)
	t.keys[row.Dup] = &row
	return err
}

// Card implements [arbiter.Reads]. A card that is gone has no version.
func (t *tables) Card(id authz.CardID) (version, marks int64, err error) {
	c := t.cards[id]
	return c.version, c.marks, nil
}

// Snapshot implements [arbiter.Reads].
func (t *tables) Snapshot(id authz.CardID) (authz.Card, error) {
	card, _, err := scanCard(t.conn.QueryRow(t.ctx, readCard+"id = $1", int64(id)))
	if errors.Is(err, pgx.ErrNoRows) {
		err = fmt.Errorf("card %d: %w", id, authz.ErrNotFound)
	}
	return card, err
}

// Account implements [arbiter.Reads]. A balance that no card of the group names, such as one that a card had
// before, is locked out of order; the server ends the deadlock that this may lead to.
func (t *tables) Account(id authz.BalanceID) (arbiter.Account, error) {
	if a, ok := t.accounts[id]; ok {
		return a, nil
	}
	rows, err := t.conn.Query(t.ctx, lockBalances, []int64{int64(id)})
	if err == nil {
		err = each(t.account)(rows)
	}
	a, ok := t.accounts[id]
	if err == nil && !ok {
		err = fmt.Errorf("balance %d: %w", id, authz.ErrNotFound)
	}
	return a, err
}

// SetAccount implements [arbiter.Writes].
func (t *tables) SetAccount(id authz.BalanceID, a arbiter.Account) error {
	t.out.balances.add(id, a)
	return nil
}

// Post implements [arbiter.Writes].
func (t *tables) Post(p arbiter.Posting) error {
	t.out.postings.add(p)
	return nil
}

// flush writes the rows that wait, so that a statement sees them.
func (t *tables) flush() error {
	if t.out.rows.empty() {
		return nil
	}
	b := &pgx.Batch{}
	t.out.rows.queue(b)
	if err := t.conn.SendBatch(t.ctx, b).Close(); err != nil {
		return err
	}
	t.out.rows.reset()
	for key := range t.waiting {
		t.keys[key] = nil
	}
	clear(t.waiting)
	return nil
}

// commit writes everything that waits and COMMIT, in one round trip. When a statement fails, the server skips
// what follows, so COMMIT is never reached; a key that another node has taken meanwhile is such a failure.
func (t *tables) commit() error {
	b := &pgx.Batch{}
	t.out.rows.queue(b)
	t.out.postings.queue(b)
	t.out.balances.queue(b)
	b.Queue("COMMIT")
	results := t.conn.SendBatch(t.ctx, b)
	for range b.Len() - 1 {
		if _, err := results.Exec(); err != nil {
			_ = results.Close() // says the same again
			return doubtful(err)
		}
	}
	tag, err := results.Exec()
	_ = results.Close() // the answer to COMMIT counts; if the link broke after it, the pool will see
	switch {
	case err != nil:
		return doubtful(err)
	case tag.String() != "COMMIT":
		return unavailable("commit", errRolledBack)
	}
	return nil
}

func (t *tables) exec(sql string, args ...any) error {
	if err := t.flush(); err != nil {
		return err
	}
	_, err := t.conn.Exec(t.ctx, sql, args...)
	return err
}

func (t *tables) query(sql string, row func(pgx.Rows) error, args ...any) error {
	if err := t.flush(); err != nil {
		return err
	}
	rows, err := t.conn.Query(t.ctx, sql, args...)
	if err != nil {
		return err
	}
	return each(row)(rows)
}
