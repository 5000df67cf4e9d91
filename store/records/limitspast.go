package records

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
)

// flagLimited marks a row that counts towards limits, as the journal does.
const flagLimited = 8

// countPast has a card's first limit know what was spent before it, in the windows that run at a moment: the rows of
// the journal are marked as the journal would have marked them, so that what is given back of them later is given back
// to the limit. The card's balance must be locked.
func (t *Tx) countPast(ctx context.Context, c *record.Card, at time.Time) error {
	since := record.LimitMonth.Start(at)
	if week := record.LimitWeek.Start(at); week.Before(since) {
		since = week
	}
	mark, err := t.listed(ctx)
	if err != nil {
		return err
	}
	sums := map[window]int64{}
	add := func(r Row) error {
		for _, scope := range counted(authz.Channel(r.Int(0)), currency(r.Int(1)) != c.Currency) {
			for span, start := range starts(r.Int(2)) {
				sums[window{int64(c.ID), scope, span, start}] += r.Int(3)
			}
		}
		return nil
	}
	for _, rows := range []string{
		"card_rows k JOIN authorizations a ON a.id = k.authorization_id WHERE k.card_id = $1 AND k.authorization_id <= $2",
		"authorizations a WHERE a.card_id + 0 = $1 AND a.id > $2", // by the id: see transactionJoins
	} {
		if err := t.q.Query(ctx, add, markPast(rows), int64(c.ID), mark, since.UnixMicro()); err != nil {
			return wrap("count what was spent", err)
		}
	}
	return t.addUse(ctx, sums, since.UnixMicro())
}

// markPast is the statement that marks rows and notes what they used: what they placed, less what was given back of it. A
// clearing gives back only what the last of them leaves; what is posted at once and told again is spent all the same.
func markPast(rows string) string {
	debits := []string{}
	for tran := range authz.Transaction(64) {
		if tran.Debit() {
			debits = append(debits, strconv.Itoa(int(tran)))
		}
	}
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	return strings.NewReplacer("{rows}", rows, "{debits}", strings.Join(debits, ", "), "{limited}", n(flagLimited),
		"{kinds}", n(int64(authz.Authorization))+", "+n(int64(authz.AuthorizationAdvice))+", "+n(int64(authz.Financial)),
		"{clearing}", n(int64(authz.FinancialAdvice)), "{cleared}", n(int64(authz.StateCleared)),
		"{financial}", n(int64(authz.Financial)), "{atOnce}", n(flagAtOnce)).Replace(`
UPDATE authorizations SET flags = flags | {limited}, used = CASE WHEN past.kept > 0 THEN past.kept ELSE 0 END FROM (
 SELECT a.id, a.placed - coalesce((SELECT sum(CASE
   WHEN r.amount < 0 OR r.by_id = r.of_id AND r.why = {cleared} THEN 0
   WHEN b.kind <> {clearing} THEN r.amount
   WHEN a.kind = {financial} OR (a.flags & {atOnce}) <> 0 OR r.amount < b.placed - coalesce(s.company, 0) THEN 0
   ELSE r.amount - b.placed + coalesce(s.company, 0) END)
  FROM releases r JOIN authorizations b ON b.id = r.by_id LEFT JOIN steps s ON s.authorization_id = b.id
  WHERE r.of_id = a.id), 0) AS kept
 FROM {rows} AND a.received_at >= $3 AND a.tran IN ({debits}) AND a.kind IN ({kinds}) AND a.placed > 0
  AND (a.flags & {limited}) = 0) AS past
WHERE authorizations.id = past.id
RETURNING authorizations.channel, authorizations.currency, authorizations.received_at, authorizations.used`)
}

// flagAtOnce marks a row that is posted at once, as the journal does.
const flagAtOnce = 2

// addUse adds to what is used of windows. Of one that began before since only a part was looked at: it is counted on
// where it is kept, and else left alone.
func (t *Tx) addUse(ctx context.Context, sums map[window]int64, since int64) error {
	all := make([]window, 0, len(sums))
	for w := range sums {
		all = append(all, w)
	}
	slices.SortFunc(all, window.compare)
	for _, w := range all {
		sql := "UPDATE limit_use SET used = used + $5 WHERE card_id = $1 AND scope = $2 AND span = $3 AND started_at = $4"
		if w.start >= since {
			sql = `INSERT INTO limit_use (card_id, scope, span, started_at, used) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (card_id, scope, span, started_at) DO UPDATE SET used = limit_use.used + excluded.used`
		}
		if _, err := t.q.Exec(ctx, sql, w.card, w.scope, w.span, w.start, sums[w]); err != nil {
			return wrap("count what was spent", err)
		}
	}
	return nil
}
