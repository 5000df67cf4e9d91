package pgstore

import (
	"github.com/jackc/pgx/v5"

	"holdfast/authz"
)

// looksBehind reports whether a guess looks for what came before the requests of a card, since it is known to be marked,
// instead of relying on its having no mark.
func (g *guess) looksBehind(c *authz.Card) bool {
	_, marked := g.marked[c.Balance]
	return marked
}

// clueColumns are the clues of the requests that a guess decides as if nothing had come before them.
type clueColumns struct {
	cards []int64
	clues []string
}

func (c *clueColumns) add(e *authz.Entry) {
	q := e.Request
	r := authz.Record{Trace: q.Trace, NetworkID: q.NetworkID, Approval: e.Decision.ApprovalCode}
	for _, clue := range r.Clues() {
		c.cards, c.clues = append(c.cards, int64(e.Card.ID)), append(c.clues, clean(clue))
	}
}

// findNone fails when a step has one of the clues. It comes behind the locks of the cards' balances, without which
// nobody writes a step, and so sees all of them.
const findNone = `SELECT expect_rows(count(*), 0) FROM unnest($1::bigint[], $2::text[]) AS n (card, clue),
 LATERAL (SELECT 1 FROM clues c WHERE c.card_id = n.card AND c.clue = n.clue AND c.received_at > $3 LIMIT 1) found`

func (c *clueColumns) queue(b *pgx.Batch, since int64) bool {
	if len(c.cards) == 0 {
		return false
	}
	b.Queue(findNone, c.cards, c.clues, since)
	return true
}
