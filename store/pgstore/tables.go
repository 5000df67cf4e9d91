package pgstore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

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
	limited  limited
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
	begin        = "BEGIN ISOLATION LEVEL READ COMMITTED"
	lockBalances = "SELECT id, ledger, held, version, forced = 1 FROM balances WHERE id = ANY($1) ORDER BY id FOR UPDATE"
	readCards    = `SELECT c.id, b.cards_version, (b.cards_marked_at > $2)::int::bigint
FROM cards c JOIN balances b ON b.id = c.balance_id WHERE c.id = ANY($1)`
)

// begin opens the transaction, locks and reads, in one round trip. Users' balances are locked before deposits, as
// the guess does it: one order for all.
func (t *tables) begin(group []*job, patience time.Duration) error {
	var users, deposits, cards []int64
	var keys [][]byte
	for _, j := range group {
		for _, e := range j.left {
			keys = append(keys, e.Request.Dup[:])
			if c := e.Card; c != nil {
				cards = append(cards, int64(c.ID))
				users, deposits = append(users, int64(c.Balance)), append(deposits, int64(c.Deposit))
			}
		}
	}
	users, deposits, cards = distinct(users), distinct(deposits), distinct(cards)
	b := &pgx.Batch{}
	b.Queue(begin)
	b.Queue("SELECT set_config('lock_timeout', $1, true)", milliseconds(patience))
	if len(cards) > 0 {
		b.Queue(lockBalances, users).Query(each(t.account))
		if len(deposits) > 0 {
			b.Queue(lockBalances, deposits).Query(each(t.account))
		}
		b.Queue(readCards, cards, forgotten(group)).Query(each(t.card))
		t.limited.queue(b, group)
	}
	b.Queue(readRow+"a.dup = ANY($1)", keys).Query(each(t.key))
	return t.conn.SendBatch(t.ctx, b).Close()
}

// markLife is how long a mark counts: longer than any window within which messages are matched.
const markLife = 60 * 24 * time.Hour

// forgotten is the moment up to which marks stop none of the group's messages, in microseconds: what came before a
// message is not matched with it when it came so much before.
func forgotten(group []*job) int64 {
	first := int64(math.MaxInt64)
	for _, j := range group {
		for _, e := range j.left {
			first = min(first, e.Request.ReceivedAt.Add(-markLife).UnixMicro())
		}
	}
	return first - 1
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
	t.out.rows.queue(b, t.conn)
	t.out.rows.settled.queue(b)
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
	t.out.rows.queue(b, t.conn)
	t.out.rows.settled.queue(b)
	t.out.postings.queue(b)
	t.out.balances.queue(b)
	t.out.used.queue(b)
	b.Queue("COMMIT")
	results := t.conn.SendBatch(t.ctx, b)
	for range b.Len() - 1 {
		if _, err := results.Exec(); err != nil {
			_ = results.Close() // says the same again
			return doubtful(err)
		}
	}
	return committed(results)
}

// committed reads the answer to a pipeline's COMMIT, which alone counts; if the link broke after it, the pool will see.
func committed(results pgx.BatchResults) error {
	tag, err := results.Exec()
	_ = results.Close()
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
