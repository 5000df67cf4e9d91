package record

import (
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
)

// BalanceKind says whose money a balance is and what for.
type BalanceKind string

// The kinds of balances. All but USER are a partner's.
const (
	BalanceUser    BalanceKind = "USER"
	BalanceCompany BalanceKind = "COMPANY" // takes the differences of clearing in foreign exchange
	BalanceCredit  BalanceKind = "CREDIT"  // bounds what users are topped up with
	BalanceDeposit BalanceKind = "DEPOSIT" // bounds what users spend
)

// Valid reports whether it is one of the four.
func (k BalanceKind) Valid() bool {
	return k == BalanceUser || k == BalanceCompany || k == BalanceCredit || k == BalanceDeposit
}

// BalanceState is where a balance is.
type BalanceState string

// The states of a balance. A locked one takes credits and no debits; a closed one takes nothing.
const (
	BalanceActive BalanceState = "ACTIVE"
	BalanceLocked BalanceState = "LOCKED"
	BalanceClosed BalanceState = "CLOSED"
)

// To is whether a balance in this state, with this money, may be brought into another.
func (s BalanceState) To(next BalanceState, ledger, held int64) error {
	switch {
	case s == BalanceClosed:
		return ErrBalanceClosed
	case s == next || next != BalanceActive && next != BalanceLocked && next != BalanceClosed:
		return ErrState
	case next == BalanceClosed && (ledger != 0 || held != 0):
		return ErrNotZero
	}
	return nil
}

// Balance is money of a user or a partner, in minor units.
type Balance struct {
	ID         authz.BalanceID
	PublicID   UUID
	Version    int64
	Partner    authz.PartnerID
	User       authz.UserID // 0: the partner's own
	Kind       BalanceKind
	Currency   money.Currency
	State      BalanceState
	Ledger     int64
	Held       int64
	Forced     bool  // it was driven below zero by what may not be refused
	Threshold  int64 // a notice is sent when available falls below it; 0: none
	BelowLevel bool  // it is below the threshold, and the notice has been written
	CreatedAt  time.Time
}

// Available is what may be spent.
func (b *Balance) Available() int64 { return b.Ledger - b.Held }

// Summary is the sum over all balances in a currency: the seed's "Users" and "Wallet".
type Summary struct {
	Currency money.Currency
	Users    int64 // of all users
	Wallet   int64 // of all users and all partners
}

// MovementKind says what a movement of money by the API is.
type MovementKind string

// The kinds of movements.
const (
	MovementTopUp  MovementKind = "TOP_UP"
	MovementDebit  MovementKind = "DEBIT"
	MovementReload MovementKind = "RELOAD"
)

// Movement asks to move money by the API, or tells that it was moved. The same external id of a partner moves money once.
type Movement struct {
	ID          UUID
	Kind        MovementKind
	Partner     authz.PartnerID
	Balance     authz.BalanceID
	Amount      money.Amount
	ExternalID  string // the caller's name for it
	Description string
	By          string // who asked, as the audit trail names them
	At          time.Time
	Repeated    bool // it had been made before and was not made again
	After       Balance
}

// Check finds a field that must not be as it is.
func (m *Movement) Check() error {
	var c checks
	c.text("externalId", m.ExternalID, true, 64)
	c.text("description", m.Description, false, 140)
	c.text("by", m.By, true, 100)
	switch {
	case m.Amount.Minor <= 0 || m.Amount.Minor > money.MinorMax:
		c.fail("amount", "want more than zero")
	case m.Amount.Currency.IsZero():
		c.fail("currency", "is missing")
	case m.Kind != MovementTopUp && m.Kind != MovementDebit && m.Kind != MovementReload:
		c.fail("kind", "is unknown")
	}
	return c.err
}

// Line is one entry of a balance's statement: a posting, or a hold that is still open.
type Line struct {
	Group         int64 // of postings; with Number it orders the statement
	Number        int64
	Kind          string   // such as CAPTURE or TOP_UP; HOLD for an open hold
	Amount        int64    // signed, in the balance's currency
	Movement      UUID     // of the API, or zero
	Authorization authz.ID // of the network, or 0
	ExternalID    string
	Description   string
	At            time.Time
}
