package records

import (
	"context"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
)

// CutOver notes that a peer has cut over to a day. Noting it again changes nothing.
func CutOver(ctx context.Context, q Querier, peer string, day authz.Day, at time.Time) error {
	_, err := q.Exec(ctx, "INSERT INTO cutovers (peer, day, at) VALUES ($1, $2, $3) ON CONFLICT (peer, day) DO NOTHING",
		peer, int64(day), at.UnixMicro())
	return wrap("note the cut-over", err)
}

// CutOvers reads the last day that each peer has cut over to.
func CutOvers(ctx context.Context, q Querier) (map[string]authz.Day, error) {
	days := make(map[string]authz.Day)
	err := q.Query(ctx, func(r Row) error {
		days[r.Text(0)] = authz.Day(r.Int(1))
		return nil
	}, "SELECT peer, max(day) FROM cutovers GROUP BY peer")
	return days, wrap("read the cut-overs", err)
}

// Reconcile counts what a peer and we have moved on one day in one currency, as we see it: financial requests that
// were answered with an approval, financial advices that were posted, and the reversals that gave any of it back. With
// counts it also counts what moved no money, which reads the day's part of the journal.
func Reconcile(ctx context.Context, q Querier, peer string, day authz.Day, c money.Currency, counts bool) (authz.Totals, error) {
	var t authz.Totals
	err := q.Query(ctx, func(r Row) error {
		total, fees := &t.Credits, &t.CreditFees
		reversal, tran := r.Int(0) != 0, authz.Transaction(r.Int(1))
		switch {
		case tran.Debit() && reversal:
			total = &t.DebitReversals
		case tran.Debit():
			total, fees = &t.Debits, &t.DebitFees
		case !tran.Credit():
			return nil // moves nothing
		case reversal:
			total = &t.CreditReversals
		}
		total.Count += r.Int(2)
		total.Amount += r.Int(3)
		if !reversal {
			fees.Transaction += r.Int(4)
			fees.Processing += r.Int(5)
		}
		return nil
	}, `SELECT CASE WHEN a.kind = $4 THEN 1 ELSE 0 END, coalesce(o.tran, a.tran), count(*),
 sum(CASE WHEN s.currency = 0 THEN p.amount ELSE s.amount END), sum(s.fee), sum(s.processing)
FROM settlements s JOIN authorizations a ON a.id = s.authorization_id
LEFT JOIN authorizations o ON a.kind = $4 AND o.id = a.original_id
LEFT JOIN settlements p ON p.authorization_id = o.id
WHERE s.peer = $1 AND s.day = $2 AND CASE WHEN s.currency = 0 THEN p.currency ELSE s.currency END = $3
 AND (a.kind IN ($5, $6) AND a.answered IN ($7, $8, $9) OR a.kind = $4 AND o.kind IN ($5, $6) AND a.given > 0)
GROUP BY CASE WHEN a.kind = $4 THEN 1 ELSE 0 END, coalesce(o.tran, a.tran)`,
		peer, int64(day), numeric(c), int64(authz.Reversal), int64(authz.Financial), int64(authz.FinancialAdvice),
		int64(authz.Approved), int64(authz.ApprovedPart), int64(authz.AdviceAccepted))
	if err == nil && counts {
		err = countMessages(ctx, q, peer, day, c, &t)
	}
	return t, wrap("reconcile", err)
}

// idSlack is how far the time in a row's id may be from that of its message, since ids only grow.
const idSlack = time.Hour

// countMessages counts the approved inquiries, and the approved authorizations and advices of one, between the cut-overs
// around a day.
func countMessages(ctx context.Context, q Querier, peer string, day authz.Day, c money.Currency, t *authz.Totals) error {
	from, to, err := peersDay(ctx, q, peer, day)
	if err != nil || !from.Before(to) {
		return err
	}
	return q.Query(ctx, func(r Row) error {
		if r.Int(0) != 0 {
			t.Inquiries += r.Int(1)
		} else {
			t.Authorizations += r.Int(1)
		}
		return nil
	}, `SELECT CASE WHEN tran = $1 THEN 1 ELSE 0 END, count(*) FROM authorizations
WHERE id >= $2 AND id < $3 AND received_at >= $4 AND received_at < $5 AND peer = $6 AND currency = $7
 AND (tran = $1 AND kind IN ($8, $9) OR tran <> $1 AND kind IN ($8, $10)) AND answered IN ($11, $12, $13, $14)
GROUP BY CASE WHEN tran = $1 THEN 1 ELSE 0 END`, int64(authz.Inquiry), int64(authz.FirstID(from.Add(-idSlack))),
		int64(authz.FirstID(to.Add(idSlack))), from.UnixMicro(), to.UnixMicro(), peer, numeric(c), int64(authz.Authorization),
		int64(authz.Financial), int64(authz.AuthorizationAdvice), int64(authz.Approved), int64(authz.ApprovedPart),
		int64(authz.NoReasonToRefuse), int64(authz.AdviceAccepted))
}

// peersDay is when a settlement date was a peer's: from the cut-over to it up to the next one. Before its first cut-over the
// dates are those in UTC; one that it skipped has no time.
func peersDay(ctx context.Context, q Querier, peer string, day authz.Day) (from, to time.Time, err error) {
	began, ends, earlier := int64(0), int64(0), int64(0)
	err = q.Query(ctx, func(r Row) error {
		began, ends, earlier = r.Int(0), r.Int(1), r.Int(2)
		return nil
	}, `SELECT coalesce(max(CASE WHEN day = $2 THEN at END), 0), coalesce(min(CASE WHEN day > $2 THEN at END), 0),
 coalesce(sum(CASE WHEN day < $2 THEN 1 ELSE 0 END), 0) FROM cutovers WHERE peer = $1`, peer, int64(day))
	switch {
	case err != nil || began == 0 && earlier > 0:
		return from, to, err
	case began > 0:
		from, to = time.UnixMicro(began), time.UnixMicro(began).AddDate(1, 0, 0) // nobody's day is longer
	default:
		from, to = day.Time(), day.Next().Time()
	}
	if ends > 0 && ends < to.UnixMicro() {
		to = time.UnixMicro(ends)
	}
	return from, to, nil
}
