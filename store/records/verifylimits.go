package records

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"holdfast/authz"
)

const limitsCounted = "what is used of a limit is what was spent in its window"

// window names a row of limit_use.
type window struct {
	card        int64
	scope, span string
	start       int64
}

func (w window) compare(o window) int {
	return cmp.Or(cmp.Compare(w.card, o.card), cmp.Compare(w.scope, o.scope), cmp.Compare(w.span, o.span), cmp.Compare(w.start, o.start))
}

// verifyLimits sums up the journal's rows anew. A window of which nothing is kept any more is not looked at.
func verifyLimits(ctx context.Context, q Querier, found *[]Violation) (Checked, error) {
	c, off := Checked{Invariant: limitsCounted}, map[window]int64{}
	if err := q.Query(ctx, func(r Row) error {
		off[window{r.Int(0), r.Text(1), r.Text(2), r.Int(3)}] = r.Int(4)
		return nil
	}, "SELECT card_id, scope, span, started_at, used FROM limit_use"); err != nil {
		return c, err
	}
	if err := q.Query(ctx, func(r Row) error {
		for _, scope := range counted(authz.Channel(r.Int(1)), r.Int(2) == 1) {
			for span, start := range starts(r.Int(3)) {
				w := window{r.Int(0), scope, span, start}
				if _, kept := off[w]; kept {
					off[w] -= r.Int(4)
				}
			}
		}
		return nil
	}, `SELECT a.card_id, a.channel, CASE WHEN a.currency <> c.currency THEN 1 ELSE 0 END, a.received_at, a.used
FROM authorizations a JOIN cards c ON c.id = a.card_id WHERE a.used > 0`); err != nil {
		return c, err
	}
	for w, by := range off {
		c.Rows++
		if by == 0 {
			continue
		}
		if c.Violations++; c.Violations <= violationsMax {
			*found = append(*found, Violation{limitsCounted, fmt.Sprintf("card %d, %s %s from %s: off by %d", w.card, w.scope, w.span,
				time.UnixMicro(w.start).UTC().Format(time.DateOnly), by)})
		}
	}
	return c, nil
}

// counted are the scopes that a row counts in.
func counted(channel authz.Channel, abroad bool) []string {
	scopes := []string{"GENERAL"}
	if name := channel.String(); name == "ECOMMERCE" || name == "ATM" {
		scopes = append(scopes, name)
	}
	if abroad {
		scopes = append(scopes, "FOREIGN")
	}
	return scopes
}

// starts are the beginnings of a moment's windows: days of UTC, weeks that begin as 5 January 1970 did, a Monday, and
// months of the calendar.
func starts(at int64) map[string]int64 {
	const day = int64(24 * time.Hour / time.Microsecond)
	month := time.UnixMicro(at).UTC()
	return map[string]int64{
		"DAY":   at - at%day,
		"WEEK":  at - (at-4*day)%(7*day),
		"MONTH": at - at%day - int64(month.Day()-1)*day,
	}
}
