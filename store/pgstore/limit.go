package pgstore

import (
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/store/arbiter"
)

// limited is what a transaction has read of the limits of its cards.
type limited struct {
	cards map[authz.CardID]bool
	since time.Time // what is used was read of the windows that began no earlier

	limits map[authz.CardID][]record.Limit
	used   map[arbiter.Window]int64
}

const (
	readLimits = "SELECT card_id, scope, span, amount FROM limits WHERE card_id = ANY($1)"
	// The sum keeps the planner from the index by age, in which all cards' windows lie.
	readUsed = "SELECT card_id, scope, span, started_at, used FROM limit_use WHERE card_id = ANY($1) AND started_at + 0 >= $2"
)

// queue reads the limits of the group's cards that have any, and what is used of those windows that its messages were
// received in. Cards without limits cost nothing.
func (l *limited) queue(b *pgx.Batch, group []*job) {
	var ids []int64
	for _, j := range group {
		for _, e := range j.left {
			if e.Card == nil || !e.Card.Limited {
				continue
			}
			ids = append(ids, int64(e.Card.ID))
			for _, span := range []record.LimitWindow{record.LimitWeek, record.LimitMonth} {
				if start := span.Start(e.Request.ReceivedAt); l.since.IsZero() || start.Before(l.since) {
					l.since = start
				}
			}
		}
	}
	if len(ids) == 0 {
		return
	}
	l.cards, l.limits = make(map[authz.CardID]bool), make(map[authz.CardID][]record.Limit)
	l.used = make(map[arbiter.Window]int64)
	ids = distinct(ids)
	for _, id := range ids {
		l.cards[authz.CardID(id)] = true
	}
	b.Queue(readLimits, ids).Query(each(l.limit))
	b.Queue(readUsed, ids, l.since.UnixMicro()).Query(each(l.use))
}

func (l *limited) limit(r pgx.Rows) error {
	var card authz.CardID
	var scope, span string
	var amount int64
	err := r.Scan(&card, &scope, &span, &amount)
	l.limits[card] = append(l.limits[card], record.Limit{Scope: record.LimitScope(scope), Window: record.LimitWindow(span), Amount: amount})
	return err
}

func (l *limited) use(r pgx.Rows) error {
	var card authz.CardID
	var scope, span string
	var start, used int64
	err := r.Scan(&card, &scope, &span, &start, &used)
	l.used[arbiter.Window{Card: card, Scope: record.LimitScope(scope), Span: record.LimitWindow(span), Start: start}] = used
	return err
}

// Limits implements [arbiter.Reads]. It is asked of cards that the group names and that have limits.
func (t *tables) Limits(card authz.CardID) ([]record.Limit, error) {
	return t.limited.limits[card], nil
}

// Used implements [arbiter.Reads]. What was not read at the beginning is of rows that were received long before.
func (t *tables) Used(windows []arbiter.Window) (map[arbiter.Window]int64, error) {
	l, used := &t.limited, make(map[arbiter.Window]int64, len(windows))
	for _, w := range windows {
		var err error
		amount, there := l.used[w]
		if !there && (!l.cards[w.Card] || w.Start < l.since.UnixMicro()) {
			err = t.query("SELECT used FROM limit_use WHERE card_id = $1 AND scope = $2 AND span = $3 AND started_at = $4",
				func(r pgx.Rows) error { there = true; return r.Scan(&amount) }, int64(w.Card), string(w.Scope), string(w.Span), w.Start)
		}
		if err != nil {
			return nil, err
		}
		if there {
			used[w] = amount
		}
	}
	return used, nil
}

// SetUsed implements [arbiter.Writes].
func (t *tables) SetUsed(w arbiter.Window, used int64) error {
	t.out.used.add(w, used)
	return nil
}

// useColumns are the windows that changed, in the order of setUsed.
type useColumns struct {
	numbers [3][]int64
	texts   [2][]string
}

const setUsed = `INSERT INTO limit_use (card_id, started_at, used, scope, span)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[])
ON CONFLICT (card_id, scope, span, started_at) DO UPDATE SET used = excluded.used`

func (c *useColumns) add(w arbiter.Window, used int64) {
	for i, v := range [...]int64{int64(w.Card), w.Start, used} {
		c.numbers[i] = append(c.numbers[i], v)
	}
	c.texts[0], c.texts[1] = append(c.texts[0], string(w.Scope)), append(c.texts[1], string(w.Span))
}

func (c *useColumns) queue(b *pgx.Batch) {
	if n := &c.numbers; len(n[0]) > 0 {
		b.Queue(setUsed, n[0], n[1], n[2], c.texts[0], c.texts[1])
	}
}

func (c *useColumns) reset() {
	for i := range c.numbers {
		c.numbers[i] = c.numbers[i][:0]
	}
	for i := range c.texts {
		c.texts[i] = c.texts[i][:0]
	}
}
