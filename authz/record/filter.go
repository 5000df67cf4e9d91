package record

import (
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
)

// UserFilter chooses users; what is empty does not choose.
type UserFilter struct {
	Partner    authz.PartnerID
	State      UserState
	KYC        KYCState
	Email      string
	Phone      string
	ExternalID string
}

// KYCFilter chooses cases; what is empty does not choose.
type KYCFilter struct {
	Partner      authz.PartnerID
	User         authz.UserID
	State        KYCState
	Since, Until time.Time // opened from, and before
}

// BalanceFilter chooses balances; what is empty does not choose. PartnerOnly leaves users' out.
type BalanceFilter struct {
	Partner     authz.PartnerID
	User        authz.UserID
	Kind        BalanceKind
	Currency    money.Currency
	State       BalanceState
	PartnerOnly bool
}

// StatementFilter chooses lines of a balance's statement; what is empty does not choose.
type StatementFilter struct {
	Balance      authz.BalanceID
	Since, Until time.Time // posted from, and before
}

// CardFilter chooses cards; what is empty does not choose. Removed ones, and those whose order has not been reported yet
// (the seed shows a card from then on), are left out unless All is set.
type CardFilter struct {
	Partner authz.PartnerID
	User    authz.UserID
	Balance authz.BalanceID
	Kind    CardKind
	Status  string    // ACTIVE, INACTIVE, LOCKED or EXPIRED, as [Card.Status] says at the moment At
	At      time.Time // for Status
	All     bool
}

// EventFilter chooses events of a partner; what is empty does not choose.
type EventFilter struct {
	Partner authz.PartnerID
	Kind    string
	Subject string
}

// AuditFilter chooses records of a chain; what is empty does not choose.
type AuditFilter struct {
	Chain  authz.PartnerID
	Actor  string
	Action string
	Object string

	Since, Until time.Time // done from, and before
}

// Claimed is a delivery that is this node's to try until the lease ends.
type Claimed struct {
	Delivery
	Event    Event
	Endpoint Endpoint // with its secret
}

// CardRequest is a card that is asked for now and made later, a virtual or a digital first one.
type CardRequest struct {
	ID          UUID
	Partner     authz.PartnerID
	User        authz.UserID
	Balance     authz.BalanceID
	Program     authz.ProgramID
	Kind        CardKind
	Description string
	State       string // PENDING, DONE or FAILED
	Card        authz.CardID
	Code        string // why it failed
	CreatedAt   time.Time
}

// TransactionFilter chooses transactions; what is empty does not choose.
type TransactionFilter struct {
	Partner      authz.PartnerID
	User         authz.UserID
	Balance      authz.BalanceID
	Card         authz.CardID
	Status       string    // as [TransactionState] says
	Since, Until time.Time // received from, and before
}
