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
// were answered with an approval, financial advices that were posted, and the reversals that gave any of it back.
func Reconcile(ctx context.Context, q Querier, peer string, day authz.Day, c money.Currency) (authz.Totals, error) {
	var t authz.Totals
	err := q.Query(ctx, func(r Row) error {
		total := &t.Credits
		reversal, tran := r.Int(0) != 0, authz.Transaction(r.Int(1))
		switch {
		case tran.Debit() && reversal:
			total = &t.DebitReversals
		case tran.Debit():
			total = &t.Debits
		case !tran.Credit():
			return nil // moves nothing
		case reversal:
			total = &t.CreditReversals
		}
		total.Count += r.Int(2)
		total.Amount += r.Int(3)
		return nil
	}, `SELECT CASE WHEN a.kind = $4 THEN 1 ELSE 0 END, coalesce(o.tran, a.tran), count(*),
 sum(CASE WHEN s.currency = 0 THEN p.amount ELSE s.amount END)
FROM settlements s JOIN authorizations a ON a.id = s.authorization_id
LEFT JOIN authorizations o ON a.kind = $4 AND o.id = a.original_id
LEFT JOIN settlements p ON p.authorization_id = o.id
WHERE s.peer = $1 AND s.day = $2 AND CASE WHEN s.currency = 0 THEN p.currency ELSE s.currency END = $3
 AND (a.kind IN ($5, $6) AND a.answered IN ($7, $8, $9) OR a.kind = $4 AND o.kind IN ($5, $6) AND a.given > 0)
GROUP BY CASE WHEN a.kind = $4 THEN 1 ELSE 0 END, coalesce(o.tran, a.tran)`,
		peer, int64(day), numeric(c), int64(authz.Reversal), int64(authz.Financial), int64(authz.FinancialAdvice),
		int64(authz.Approved), int64(authz.ApprovedPart), int64(authz.AdviceAccepted))
	return t, wrap("reconcile", err)
}
