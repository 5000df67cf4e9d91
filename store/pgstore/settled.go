package pgstore

import (
	"github.com/jackc/pgx/v5"

	"holdfast/authz"
)

// settledColumns are what new rows move between their peer and us, in the order of insertSettled. Most have none.
type settledColumns struct {
	numbers [6][]int64
	peers   []string
}

const insertSettled = `INSERT INTO settlements (authorization_id, day, currency, amount, fee, processing, peer)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[])`

func (c *settledColumns) add(e *authz.Entry) {
	q, s := e.Request, e.Settles()
	if s.Day == 0 {
		return
	}
	for i, v := range [...]int64{int64(q.ID), int64(s.Day), numeric(s.Amount.Currency), s.Amount.Minor, s.Fee, s.Processing} {
		c.numbers[i] = append(c.numbers[i], v)
	}
	c.peers = append(c.peers, clean(q.Peer))
}

func (c *settledColumns) queue(b *pgx.Batch) bool {
	n := c.numbers
	if len(c.peers) == 0 {
		return false
	}
	b.Queue(insertSettled, n[0], n[1], n[2], n[3], n[4], n[5], c.peers)
	return true
}

func (c *settledColumns) reset() {
	for i := range c.numbers {
		c.numbers[i] = c.numbers[i][:0]
	}
	clear(c.peers)
	c.peers = c.peers[:0]
}
