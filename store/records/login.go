package records

import (
	"context"

	"holdfast/authz/record"
)

// FindOperator reads an operator without holding anyone up: what a password is checked against before the transaction of
// the log-in reads the operator again. The error is [authz.ErrNotFound].
func (t *Tx) FindOperator(ctx context.Context, email string) (record.Operator, error) {
	return t.operator(ctx, by("email = ?", email), "")
}
