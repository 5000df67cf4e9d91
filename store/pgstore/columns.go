package pgstore

import (
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
}

func (c *columns) reset() {
	c.rows.reset()
	c.postings.reset()
	c.balances.reset()
}

// rowColumns are new rows of authorizations, in the order of insertRows.
type rowColumns struct {
	numbers [25][]int64
	before  [2][]pgtype.Int8
	texts   [17][]string
	dup     [][]byte
}

// The columns are numbers, the two that may be null, texts, and the key.
const insertRows = `INSERT INTO authorizations (id, partner_id, card_id, balance_id, deposit_id, kind, tran, amount, currency,
 billing_amount, billing_currency, placed, held, given, original_id, state, reason, answered, passed, card_version, received_at,
 phase, channel, flags, expires_at, user_before, deposit_before, stan, peer, approval, rrn, acquirer, forwarder, terminal,
 merchant, transmitted, local, processing, mcc, entry_mode, bin, last4, network_id, country, dup)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
 $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[],
 $17::bigint[], $18::bigint[], $19::bigint[], $20::bigint[], $21::bigint[], $22::bigint[], $23::bigint[], $24::bigint[],
 $25::bigint[], $26::bigint[], $27::bigint[], $28::text[], $29::text[], $30::text[], $31::text[], $32::text[],
 $33::text[], $34::text[], $35::text[], $36::text[], $37::text[], $38::text[], $39::text[], $40::text[], $41::text[],
 $42::text[], $43::text[], $44::text[], $45::bytea[])`

func (c *rowColumns) add(r *arbiter.Row) {
	e, q, t, d := r.Entry, r.Entry.Request, &r.Entry.Request.Trace, &r.Entry.Decision
	var card authz.Card
	if e.Card != nil {
		card = *e.Card
	}
	for i, v := range [...]int64{int64(q.ID), int64(card.Partner), int64(card.ID), int64(card.Balance), int64(card.Deposit),
		int64(q.Kind), int64(q.Transaction), q.Amount.Minor, numeric(q.Amount.Currency), q.Billing.Minor,
		numeric(q.Billing.Currency), r.Placed, r.Placed - r.Undone, r.Given, int64(r.Original), int64(r.State), int64(d.Reason),
		int64(d.Reason), int64(d.Passed), card.Version, q.ReceivedAt.UnixMicro(), int64(q.Phase),
		int64(q.Channel), r.Flags(), r.Expires()} {
		c.numbers[i] = append(c.numbers[i], v)
	}
	c.before[0] = append(c.before[0], pgtype.Int8{Int64: d.UserBefore, Valid: d.Known})
	c.before[1] = append(c.before[1], pgtype.Int8{Int64: d.DepositBefore, Valid: d.Known && card.Deposit != 0})
	for i, v := range [...]string{t.STAN, q.Peer, d.ApprovalCode, t.RRN, t.Acquirer, t.Forwarder, t.Terminal, t.Merchant,
		t.Transmitted, t.Local, t.ProcessingCode, t.MCC, t.EntryMode, q.PAN.BIN(6), q.PAN.Last4(), q.NetworkID, q.Country} {
		c.texts[i] = append(c.texts[i], clean(v))
	}
	c.dup = append(c.dup, q.Dup[:])
}

func (c *rowColumns) empty() bool { return len(c.dup) == 0 }

func (c *rowColumns) queue(b *pgx.Batch) {
	if c.empty() {
		return
	}
	args := make([]any, 0, len(c.numbers)+len(c.before)+len(c.texts)+1)
	for _, v := range c.numbers {
		args = append(args, v)
	}
	for _, v := range c.before {
		args = append(args, pgtype.FlatArray[pgtype.Int8](v))
	}
	for _, v := range c.texts {
		args = append(args, v)
	}
	b.Queue(insertRows, append(args, pgtype.FlatArray[[]byte](c.dup))...)
}

func (c *rowColumns) reset() {
	for i := range c.numbers {
		c.numbers[i] = c.numbers[i][:0]
	}
	for i := range c.before {
		c.before[i] = c.before[i][:0]
	}
	for i := range c.texts {
		clear(c.texts[i])
		c.texts[i] = c.texts[i][:0]
	}
	clear(c.dup)
	c.dup = c.dup[:0]
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

func (c *postingColumns) queue(b *pgx.Batch) {
	if n := c.numbers; len(n[0]) > 0 {
		b.Queue(insertPostings, n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], c.texts[0], c.texts[1])
	}
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
