package record

import (
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
)

// Transaction is an authorization as the API and the notifications show it.
type Transaction struct {
	ID            UUID
	Authorization authz.ID
	Partner       authz.PartnerID
	User          authz.UserID
	Balance       UUID
	BalanceID     authz.BalanceID
	Card          UUID
	CardID        authz.CardID
	Original      UUID // of a reversal, an advice or a clearing; zero: none
	Kind          authz.Kind
	Class         authz.Transaction // purchase, cash, refund...
	State         string            // AUTHORIZED, CLEARED, REVERSED, EXPIRED or DECLINED
	Reason        authz.Reason
	Amount        money.Amount // billed, in the balance's currency; of what was declined, what was asked for
	Requested     money.Amount // in the transaction's currency
	Held          int64        // what of Amount is still held or stays posted
	Given         int64        // what it gave back of others, in the balance's currency
	ApprovalCode  string
	Merchant      string
	Acceptor      string // the merchant's name, city and country; empty: unknown
	MCC           string
	Terminal      string
	EntryMode     string
	Country       string // of the acquirer or merchant, ISO 3166 numeric; empty: unknown
	RRN           string
	Last4         string
	At            time.Time
}

// Undoes reports a row that only gives back what another one placed.
func (t *Transaction) Undoes() bool { return t.Kind == authz.Reversal || t.Kind == authz.HoldExpiry }

// Explanation is a transaction with everything that was looked at to decide it.
type Explanation struct {
	Transaction
	Peer                      string
	Decided                   authz.Reason // as it was decided; Reason is what a repeat is answered
	Steps                     []authz.Step // the checks of its decision
	CardVersion               int64
	STAN, Processing          string
	UserBefore, DepositBefore int64 // available
	UserKnown, DepositKnown   bool  // they were looked at
	Placed                    int64
	Stages                    authz.Stages
}

// TransactionState is the one word of API.md for a row of the journal.
func TransactionState(s authz.State, reason authz.Reason) string {
	if !reason.Approval() && reason != authz.AdviceAccepted && reason != authz.AdviceRecorded && reason != authz.ReversalAccepted {
		return "DECLINED"
	}
	switch s {
	case authz.StateCaptured:
		return "CLEARED"
	case authz.StateAuthorized, authz.StateRecorded, authz.StateDeclined, authz.StatePromised:
		return "AUTHORIZED"
	case authz.StateReplaced: // another row counts in its place
		return "REVERSED"
	}
	return s.String()
}

// Axes are the two statuses of a notification: how we processed the message, and where the transaction is. A refused
// authorization is DECLINED outside and AUTHORIZED inside, as the documented example has it.
func (t *Transaction) Axes() (outer, inner, description string) {
	switch t.State {
	case "DECLINED":
		return "DECLINED", "AUTHORIZED", t.Reason.String()
	case "EXPIRED":
		return "SUCCESS", "REVERSED", "EXPIRED" // the block is removed; the notification has no other word for it
	}
	return "SUCCESS", t.State, authz.Approved.String()
}
