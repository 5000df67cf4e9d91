package pgstore

import (
	"context"
	"encoding/binary"
	"errors"
	"math"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"holdfast/authz"
	"holdfast/store/arbiter"
)

// columns collects what a transaction writes, as one array for each column: the server unpacks them in one
// statement for each table, which costs a fraction of a statement for each row. A committer keeps its columns
// from one transaction to the next, with their memory.
type columns struct {
	rows     rowColumns
	postings postingColumns
	balances balanceColumns
	used     useColumns
	decided  decisions
	pace     pace
	suspects suspects
}

func (c *columns) reset() {
	c.rows.reset()
	c.postings.reset()
	c.balances.reset()
	c.used.reset()
}

// rowColumns are new rows of authorizations, in the server's binary form of an array of the table's rows: one
// array is unpacked by one pass, where one for each of the columns costs half of the statement.
type rowColumns struct {
	count int
	raw   []byte // behind room for the header

	settled settledColumns // of the rows that moved money between their peer and us
}

const insertRows = "INSERT INTO authorizations SELECT * FROM unnest($1::authorizations[])"

// add appends a row, its columns in the order of the table's.
func (c *rowColumns) add(r *arbiter.Row) {
	e, q, t, d := r.Entry, r.Entry.Request, &r.Entry.Request.Trace, &r.Entry.Decision
	var card authz.Card
	if e.Card != nil {
		card = *e.Card
	}
	if c.count++; c.count == 1 {
		c.raw = append(c.raw[:0], make([]byte, arrayHeader)...)
	}
	start := len(c.raw)
	c.raw = append(c.raw, 0, 0, 0, 0) // the row's length
	c.raw = binary.BigEndian.AppendUint32(c.raw, rowWidth)
	c.numbers(int64(q.ID), int64(card.Partner), int64(card.ID))
	c.texts(t.STAN)
	c.bytes(q.Dup[:])
	c.numbers(int64(card.Balance), int64(card.Deposit))
	c.texts(q.Peer)
	c.numbers(int64(q.Kind), int64(q.Transaction), q.Amount.Minor, numeric(q.Amount.Currency), q.Billing.Minor,
		numeric(q.Billing.Currency), r.Placed, r.Placed-r.Undone, r.Given, 0, int64(r.Original), int64(r.State),
		int64(d.Reason), int64(d.Reason))
	c.texts(d.ApprovalCode)
	c.numbers(int64(d.Passed))
	c.optional(d.UserBefore, d.Known)
	c.optional(d.DepositBefore, d.Known && card.Deposit != 0)
	c.numbers(card.Version)
	c.texts(t.RRN, t.Acquirer, t.Forwarder, t.Terminal, t.Merchant, t.Transmitted, t.Local, t.ProcessingCode, t.MCC,
		t.EntryMode, q.PAN.BIN(6), q.PAN.Last4())
	c.numbers(q.ReceivedAt.UnixMicro())
	c.texts(q.NetworkID)
	c.numbers(int64(q.Phase), int64(q.Channel))
	c.texts(q.Country)
	c.numbers(r.Flags(), r.Expires(), r.Used, int64(e.Stages))
	c.texts(q.Acceptor)
	binary.BigEndian.PutUint32(c.raw[start:], uint32(len(c.raw)-start-4))
	c.settled.add(e)
}

// rowWidth is how many columns add writes. The server refuses rows of another width, or with other types.
const rowWidth = 49

func (c *rowColumns) numbers(values ...int64) {
	for _, v := range values {
		c.raw = binary.BigEndian.AppendUint32(c.raw, pgtype.Int8OID)
		c.raw = binary.BigEndian.AppendUint32(c.raw, 8)
		c.raw = binary.BigEndian.AppendUint64(c.raw, uint64(v))
	}
}

func (c *rowColumns) optional(v int64, valid bool) {
	if valid {
		c.numbers(v)
		return
	}
	c.raw = binary.BigEndian.AppendUint32(c.raw, pgtype.Int8OID)
	c.raw = binary.BigEndian.AppendUint32(c.raw, math.MaxUint32) // null
}

func (c *rowColumns) texts(values ...string) {
	for _, v := range values {
		v = clean(v)
		c.raw = binary.BigEndian.AppendUint32(c.raw, pgtype.TextOID)
		c.raw = binary.BigEndian.AppendUint32(c.raw, uint32(len(v)))
		c.raw = append(c.raw, v...)
	}
}

func (c *rowColumns) bytes(v []byte) {
	c.raw = binary.BigEndian.AppendUint32(c.raw, pgtype.ByteaOID)
	c.raw = binary.BigEndian.AppendUint32(c.raw, uint32(len(v)))
	c.raw = append(c.raw, v...)
}

func (c *rowColumns) empty() bool { return c.count == 0 }

// arrayHeader is the length of an array's header: dimensions, whether there are nulls, the type of the elements,
// how many there are, and the index of the first.
const arrayHeader = 5 * 4

func (c *rowColumns) queue(b *pgx.Batch, conn *pgx.Conn) bool {
	if c.empty() {
		return false
	}
	var oid uint32 // 0, where the type is not known, is refused by the server
	if t, ok := conn.TypeMap().TypeForName(rowType); ok {
		oid = t.OID
	}
	for i, v := range [arrayHeader / 4]uint32{1, 0, oid, uint32(c.count), 1} {
		binary.BigEndian.PutUint32(c.raw[4*i:], v)
	}
	b.Queue(insertRows, c.raw)
	return true
}

func (c *rowColumns) reset() {
	c.count = 0
	c.settled.reset()
}

// rowType is the type of the journal's rows, which has a number of its own in each database.
const rowType = "authorizations"

// learnRows tells a new connection the type of the journal's rows and of their arrays, which are sent as they are.
// In a schema without them there is nothing to learn, and [Open] refuses it.
func learnRows(ctx context.Context, conn *pgx.Conn) error {
	var row, array uint32
	err := conn.QueryRow(ctx, "SELECT oid, typarray FROM pg_type WHERE oid = to_regtype($1)", rowType).Scan(&row, &array)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	conn.TypeMap().RegisterType(&pgtype.Type{Name: rowType, OID: row, Codec: pgtype.ByteaCodec{}})
	conn.TypeMap().RegisterType(&pgtype.Type{Name: "_" + rowType, OID: array, Codec: pgtype.ByteaCodec{}})
	return err
}

// postingColumns are new lines of groups, in the order of insertPostings.
type postingColumns struct {
	numbers [8][]int64
	texts   [2][]string
}

const insertPostings = `INSERT INTO postings (group_id, line, partner_id, balance_id, currency, amount, authorization_id,
 posted_at, account, kind)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
 $8::bigint[], $9::text[], $10::text[])`

func (c *postingColumns) add(p arbiter.Posting) {
	for i, v := range [...]int64{int64(p.Group), int64(p.Line), int64(p.Partner), int64(p.Balance), numeric(p.Currency),
		p.Amount, int64(p.Of), p.At.UnixMicro()} {
		c.numbers[i] = append(c.numbers[i], v)
	}
	c.texts[0], c.texts[1] = append(c.texts[0], p.Account), append(c.texts[1], p.Kind)
}

func (c *postingColumns) queue(b *pgx.Batch) bool {
	n := &c.numbers
	if len(n[0]) == 0 {
		return false
	}
	b.Queue(insertPostings, n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], c.texts[0], c.texts[1])
	return true
}

func (c *postingColumns) reset() {
	for i := range c.numbers {
		c.numbers[i] = c.numbers[i][:0]
	}
	for i := range c.texts {
		c.texts[i] = c.texts[i][:0]
	}
}

// balanceColumns are the balances that changed, in the order of updateBalances.
type balanceColumns [5][]int64

const updateBalances = `UPDATE balances b SET ledger = n.ledger, held = n.held, version = n.version, forced = n.forced
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) AS n (id, ledger, held, version, forced)
WHERE b.id = n.id`

func (c *balanceColumns) add(id authz.BalanceID, a arbiter.Account) {
	forced := int64(0)
	if a.Forced {
		forced = 1
	}
	for i, v := range [...]int64{int64(id), a.Ledger, a.Held, a.Version, forced} {
		c[i] = append(c[i], v)
	}
}

func (c *balanceColumns) queue(b *pgx.Batch) {
	if len(c[0]) > 0 {
		b.Queue(updateBalances, c[0], c[1], c[2], c[3], c[4])
	}
}

func (c *balanceColumns) reset() {
	for i := range c {
		c[i] = c[i][:0]
	}
}
