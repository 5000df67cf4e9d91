package records

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/authz/money"
	"holdfast/authz/record"
)

// Tx is the records in one transaction. Its methods are what the management API asks for, in the nouns of
// [record]; a broken rule is one of its errors, a row that is not there or not the partner's is
// [authz.ErrNotFound], and anything else is the store's. A method that returns a broken rule has changed nothing.
//
// Partner 0 in a look-up means any partner's.
//
// # Locks
//
// What an authorization depends on is changed under the locks that a commit of the journal takes first: those of the
// balance rows, in the order of their ids, then everything else. A transaction that changes the money or the state of
// more than one thing should do so in one call: two calls may wait for another transaction that does them the other
// way round, and one of both is then refused and has to be tried again.
type Tx struct {
	q    Querier
	keys *keystore.Store

	cards    map[authz.CardID]bool
	balances map[authz.BalanceID]bool
	programs bool
}

// ChangedCard is a card as a transaction left it, and the tag under which snapshots of it are kept.
type ChangedCard struct {
	Card authz.Card
	Tag  authz.Tag
}

// ChangedBalance is the money of a balance as a transaction left it.
type ChangedBalance struct {
	Partner authz.PartnerID
	authz.Balance
}

// Changes are what the caches of a switch may learn from a transaction: cards by [authz.Authorizer.Learn], balances by
// [authz.Holds], the table of programs by [authz.Authorizer.Route]. Nothing depends on it: a decision on an older
// state is refused by the journal and made again.
type Changes struct {
	Cards    []ChangedCard
	Balances []ChangedBalance
	Programs bool
}

// changesMax bounds what is read for the caches; whoever changes more than that has them learn by being refused.
const changesMax = 500

// Transact runs f in one transaction, which is durable when the error is nil, and tells what it changed.
func Transact(ctx context.Context, s Store, keys *keystore.Store, f func(*Tx) error) (Changes, error) {
	var changes Changes
	err := s.Update(ctx, func(q Querier) error {
		tx := NewTx(q, keys)
		err := f(tx)
		if err == nil {
			changes, err = tx.changes(ctx)
		}
		return err
	})
	if err != nil {
		return Changes{}, err
	}
	return changes, nil
}

// Read runs f on one consistent state, in which it cannot change anything.
func Read(ctx context.Context, s interface {
	View(ctx context.Context, f func(Querier) error) error
}, keys *keystore.Store, f func(*Tx) error) error {
	return s.View(ctx, func(q Querier) error { return f(NewTx(q, keys)) })
}

// NewTx is the records in a transaction that the caller has begun.
func NewTx(q Querier, keys *keystore.Store) *Tx {
	return &Tx{q: q, keys: keys, cards: map[authz.CardID]bool{}, balances: map[authz.BalanceID]bool{}}
}

func (t *Tx) changes(ctx context.Context) (Changes, error) {
	c := Changes{Programs: t.programs}
	for _, id := range most(slices.Sorted(maps.Keys(t.balances))) {
		if err := t.q.Query(ctx, func(r Row) error {
			c.Balances = append(c.Balances, ChangedBalance{authz.PartnerID(r.Int(0)),
				authz.Balance{ID: id, Available: r.Int(1), Version: r.Int(2)}})
			return nil
		}, "SELECT partner_id, ledger - held, version FROM balances WHERE id = $1", int64(id)); err != nil {
			return c, wrap("read what changed", err)
		}
	}
	for _, id := range most(slices.Sorted(maps.Keys(t.cards))) {
		if err := t.q.Query(ctx, func(r Row) error {
			changed := ChangedCard{Card: authz.Card{ID: id, Version: r.Int(0), Partner: authz.PartnerID(r.Int(1)),
				Program: authz.ProgramID(r.Int(2)), User: authz.UserID(r.Int(3)), Balance: authz.BalanceID(r.Int(4)),
				Deposit: authz.BalanceID(r.Int(5)), Currency: currency(r.Int(6)), State: authz.CardState(r.Int(7)),
				Lock: authz.LockReason(r.Int(8)), Expiry: authz.Month(r.Int(9)), HolderRestricted: r.Int(10) != 0,
				BalanceRestricted: r.Int(11) != 0, Profile: keystore.Sealed(r.Bytes(13)), HasPIN: r.Int(14) != 0,
				PINTries: uint8(r.Int(15)), PINLock: r.Int(16) != 0, ATC: uint16(r.Int(17)), Limited: r.Int(18) != 0}}
			copy(changed.Tag[:], r.Bytes(12))
			c.Cards = append(c.Cards, changed)
			return nil
		}, `SELECT version, partner_id, program_id, user_id, balance_id, coalesce(deposit_id, 0), currency, state, lock,
 expiry, holder_restricted, balance_restricted, tag, profile, has_pin, pin_tries, pin_lock, atc, limited FROM cards WHERE id = $1`,
			int64(id)); err != nil {
			return c, wrap("read what changed", err)
		}
	}
	return c, nil
}

func most[T any](ids []T) []T { return ids[:min(len(ids), changesMax)] }

// table is how a noun is kept: its columns, the key first, and how a row is read and written.
type table[T any] struct {
	name    string
	columns string
	scan    func(Row) T
	args    func(*T) []any // in the order of the columns
}

// insert writes a row; one that has a key that is taken is [record.ErrExists].
func (t *table[T]) insert(ctx context.Context, q Querier, v *T) error {
	args := t.args(v)
	n, err := q.Exec(ctx, "INSERT INTO "+t.name+" ("+t.columns+") VALUES ("+holders(1, len(args))+") ON CONFLICT DO NOTHING", args...)
	if err == nil && n == 0 {
		err = record.ErrExists
	}
	return wrap("insert into "+t.name, err)
}

// update writes a row whose second column is its version, which must be the row's and is then one more.
func (t *table[T]) update(ctx context.Context, q Querier, v *T) error {
	columns, args := strings.Split(t.columns, ", "), t.args(v)
	var set []string
	for i, c := range columns[2:] {
		set = append(set, c+" = $"+strconv.Itoa(i+3))
	}
	n, err := q.Exec(ctx, "UPDATE "+t.name+" SET version = version + 1, "+strings.Join(set, ", ")+
		" WHERE "+columns[0]+" = $1 AND version = $2", args...)
	if err == nil && n == 0 {
		err = record.ErrVersion
	}
	return wrap("update "+t.name, err)
}

// one reads the row that a condition holds for.
func (t *table[T]) one(ctx context.Context, q Querier, w *where) (T, error) {
	all, err := t.all(ctx, q, w, "")
	if err == nil && len(all) == 0 {
		err = authz.ErrNotFound
	}
	if err != nil {
		return *new(T), wrap("read "+t.name, err)
	}
	return all[0], nil
}

func (t *table[T]) all(ctx context.Context, q Querier, w *where, end string) ([]T, error) {
	var all []T
	err := q.Query(ctx, func(r Row) error { all = append(all, t.scan(r)); return nil },
		"SELECT "+t.columns+" FROM "+t.name+w.sql()+end, w.args...)
	return all, wrap("read "+t.name, err)
}

// page reads a page of rows by their key, which is a number or a UUID.
func (t *table[T]) page(ctx context.Context, q Querier, w *where, p record.Page, key func(*T) string) (record.List[T], error) {
	column, _, _ := strings.Cut(t.columns, ",")
	if p.Cursor != "" {
		cursor, err := cursorArg(p, key(new(T)) == "0") // of nothing, a UUID is empty
		if err != nil {
			return record.List[T]{}, err
		}
		w.and(column+" < ?", cursor)
	}
	all, err := t.all(ctx, q, w, fmt.Sprintf(" ORDER BY %s DESC LIMIT %d", column, p.Size()+1))
	return paged(all, p, key), err
}

// cursorArg is a cursor as the key of its list: the other kind is of another list, and none that the column compares with.
func cursorArg(p record.Page, numbered bool) (any, error) {
	if numbered {
		return p.NumberCursor()
	}
	u, err := p.UUIDCursor()
	return u[:], err
}

// paged cuts off the one row too many that says that there is another page.
func paged[T any](all []T, p record.Page, key func(*T) string) record.List[T] {
	l := record.List[T]{Items: all}
	if len(all) > p.Size() {
		l.Items = all[:p.Size()]
		l.Next = key(&l.Items[p.Size()-1])
	}
	return l
}

// where collects conditions, each with ? for its arguments.
type where struct {
	conditions []string
	args       []any
}

func by(condition string, args ...any) *where { return new(where).and(condition, args...) }

func (w *where) and(condition string, args ...any) *where {
	for range args {
		w.args = append(w.args, args[0])
		args = args[1:]
		condition = strings.Replace(condition, "?", "$"+strconv.Itoa(len(w.args)), 1)
	}
	w.conditions = append(w.conditions, condition)
	return w
}

// number and text add a condition unless the value is none.
func (w *where) number(column string, n int64) *where {
	if n != 0 {
		w.and(column+" = ?", n)
	}
	return w
}

// between adds a condition on a time in microseconds, unless the bounds are zero.
func (w *where) between(column string, since, until time.Time) *where {
	if !since.IsZero() {
		w.and(column+" >= ?", since.UnixMicro())
	}
	if !until.IsZero() {
		w.and(column+" < ?", until.UnixMicro())
	}
	return w
}

func (w *where) text(column, s string) *where {
	if s != "" {
		w.and(column+" = ?", s)
	}
	return w
}

func (w *where) sql() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conditions, " AND ")
}

// holders are n placeholders from a number on.
func holders(from, n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = "$" + strconv.Itoa(from+i)
	}
	return strings.Join(all, ", ")
}

// How values stand in columns.

func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func moment(r Row, column int) time.Time {
	if r.Null(column) {
		return time.Time{}
	}
	return time.UnixMicro(r.Int(column)).UTC()
}

func name(u record.UUID) any {
	if u.IsZero() {
		return nil
	}
	return u[:]
}

func uuid(r Row, column int) (u record.UUID) {
	copy(u[:], r.Bytes(column))
	return u
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// some is a text that is NULL when it is empty.
func some(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// bytes are NULL when there are none.
func blob(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

// kept reads bytes; none is nil.
func kept(r Row, column int) []byte {
	if b := r.Bytes(column); len(b) > 0 {
		return b
	}
	return nil
}

func currency(n int64) money.Currency {
	c, _ := money.ByNumeric(fmt.Sprintf("%03d", n)) // written by us from a known one
	return c
}
