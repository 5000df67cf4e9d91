package authz

import (
	"errors"

	"holdfast/authz/money"
)

// Decision is how a request ended. It always exists: a decline is a value, not an error, and the cause
// of a failure rides inside for the event and never for the wire.
type Decision struct {
	ID           ID // the journal row that holds it
	Reason       Reason
	ApprovalCode string         // six characters when approved
	Amount       int64          // held or posted, in minor units of Currency
	Currency     money.Currency // the card's; none when the card is unknown
	Passed       int            // checks passed, for the explanation

	// ApprovedTransaction is the amount of an approval in the request's own currency, as DE 4 answers it: what
	// was asked for, but of [ApprovedPart] the part. It is zero of what is no approval. Where the answer has DE 6,
	// that is Amount. A status check at a pump is approved for what it asked, whatever is held.
	ApprovedTransaction int64

	// Available before the hold, as decided on. Known tells whether they were looked at.
	UserBefore, DepositBefore int64
	Known                     bool

	// IssuerAuth answers the card's chip (tag 91 of DE 55); nil: none is sent.
	IssuerAuth []byte

	Repeated bool  // a stored answer, given again
	Cause    error // why it could not be decided, or what is odd about it
}

// Available is what the cardholder can still spend after the decision; an answer to an inquiry.
func (d *Decision) Available() (int64, bool) {
	if !d.Known {
		return 0, false
	}
	if d.Reason.Funded() {
		return d.UserBefore - d.Amount, true
	}
	return d.UserBefore, true
}

// Errors at the edge of the stores. Nothing above sees an error of a driver.
var (
	// ErrNotFound says that there is no such row.
	ErrNotFound = errors.New("not found")
	// ErrUnavailable says that it surely did not happen.
	ErrUnavailable = errors.New("store unavailable")
	// ErrUnknown says that it may have happened: read back, never retry blindly.
	ErrUnknown = errors.New("outcome unknown")
)
