package records

import (
	"context"

	"holdfast/authz"
)

// Answer is what the journal says was answered to one message.
type Answer struct {
	ID             authz.ID
	Kind           authz.Kind
	Peer, Terminal string
	Reason         authz.Reason // that a repeat is told
	ApprovalCode   string
}

// Answers finds the rows of a STAN and an RRN, as received.
func Answers(ctx context.Context, q Querier, stan, rrn string) ([]Answer, error) {
	var all []Answer
	err := q.Query(ctx, func(r Row) error {
		all = append(all, Answer{ID: authz.ID(r.Int(0)), Kind: authz.Kind(r.Int(1)), Peer: r.Text(2), Terminal: r.Text(3),
			Reason: authz.Reason(r.Int(4)), ApprovalCode: r.Text(5)})
		return nil
	}, "SELECT id, kind, peer, terminal, answered, approval FROM authorizations WHERE stan = $1 AND rrn = $2 ORDER BY id", stan, rrn)
	return all, wrap("read answers", err)
}
