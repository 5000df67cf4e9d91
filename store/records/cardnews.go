package records

import (
	"context"
	"fmt"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
)

// tellLock notes that a card was locked, or with LockNone that its lock was lifted, by someone other than the API. It
// belongs into the transaction of the change.
func tellLock(ctx context.Context, q Querier, id authz.CardID, lock authz.LockReason, by authz.LockSource, at time.Time) error {
	_, err := q.Exec(ctx, InsertCardNews, int64(id), int64(lock), string(by), at.UnixMicro())
	return wrap("note what became of the lock", err)
}

// InsertCardNews is the statement with which the journal notes that it has locked a card: the card, the reason's
// number, [authz.LockSource] and the time in microseconds since 1970 in the order of its parameters.
const InsertCardNews = "INSERT INTO card_news (card_id, lock, source, at) VALUES ($1, $2, $3, $4)"

// TakeCardNews takes at most n changes of locks that no partner has been told of, oldest first: they are not found
// again when the transaction commits. Other nodes get others meanwhile. A card comes as it is now, but with the lock
// that it had then.
func (t *Tx) TakeCardNews(ctx context.Context, n int) ([]record.CardNews, error) {
	type row struct {
		id, card, lock, at int64
		source             string
	}
	var taken []row
	if err := t.q.Query(ctx, func(r Row) error {
		taken = append(taken, row{r.Int(0), r.Int(1), r.Int(2), r.Int(4), r.Text(3)})
		return nil
	}, fmt.Sprintf("SELECT id, card_id, lock, source, at FROM card_news ORDER BY id LIMIT %d", n)+ForUpdate+" SKIP LOCKED"); err != nil {
		return nil, wrap("read what became of locks", err)
	}
	news := make([]record.CardNews, 0, len(taken))
	for _, k := range taken {
		c, err := t.Card(ctx, 0, authz.CardID(k.card))
		if err != nil {
			return nil, err
		}
		c.Lock, c.LockSource = authz.LockReason(k.lock), record.LockSource(k.source)
		if c.Lock == authz.LockNone {
			c.LockSource = ""
		}
		news = append(news, record.CardNews{Card: c, At: time.UnixMicro(k.at).UTC()})
		if _, err := t.q.Exec(ctx, "DELETE FROM card_news WHERE id = $1", k.id); err != nil {
			return nil, wrap("take what became of locks", err)
		}
	}
	return news, nil
}
