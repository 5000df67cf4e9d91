package arbiter

import (
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
)

// Tables is the truth inside one transaction of an engine: what is written is seen by what is read after it.
type Tables interface {
	Reads
	Writes
}

// Reads looks rows up. Lists are newest first and bounded by [RowsMax].
type Reads interface {
	// Card reads the version of a card and how often it was marked: above zero, something may have come before
	// its request, and approvals look for it. Marks may end when nothing is matched with them any more.
	Card(id authz.CardID) (version, marks int64, err error)
	// ATC reads the highest counter seen of a card's chip.
	ATC(id authz.CardID) (uint16, error)
	// Snapshot reads the whole card.
	Snapshot(id authz.CardID) (authz.Card, error)
	// Account reads a balance that nobody else changes before the transaction ends.
	Account(id authz.BalanceID) (Account, error)
	// ByKey finds the row with a duplicate key, or nil.
	ByKey(key authz.DupKey) (*Stored, error)
	// BySTAN and ByRRN find rows of a card, the second those received since a moment.
	BySTAN(card authz.CardID, stan string) ([]Stored, error)
	ByRRN(card authz.CardID, rrn string, since time.Time) ([]Stored, error)
	// Tombstones finds those of a card. One speaks for the whole life of a transaction: for its request, for
	// the advice that stood in, and for the repeats of both.
	Tombstones(card authz.CardID) ([]Tombstone, error)
	// Told reports whether a repeat on another node was told the answer of a row.
	Told(id authz.ID) (bool, error)
}

// Writes changes rows.
type Writes interface {
	// Insert writes an authorization row and reports false when its key is taken.
	Insert(r *Row) (bool, error)
	// Shrink takes what was undone out of a row's hold and sets its state.
	Shrink(id authz.ID, u authz.Undone) error
	// AnswerLate makes a row answer its repeats that it came too late, and notes what that gave back.
	AnswerLate(id authz.ID, voided int64) error
	// Tell notes that a repeat on another node is told the answer of a row. Telling twice is harmless.
	Tell(id authz.ID) error
	// Bury leaves a tombstone for the original of a reversal and marks the card.
	Bury(e *authz.Entry) error
	// Mark has later approvals of the card look for what came before them at that moment.
	Mark(card authz.CardID, at time.Time) error
	// UseTombstone notes the first row that a tombstone stopped.
	UseTombstone(id int64, by authz.ID) error
	// SetCounters changes a card's counters.
	SetCounters(id authz.CardID, c CardCounters) error
	// Post writes one line of a group.
	Post(p Posting) error
	// SetAccount writes a balance back, its version already raised.
	SetAccount(id authz.BalanceID, a Account) error
}

// RowsMax bounds what one message may make an engine read.
const RowsMax = 200

// Account is the money of a balance row, in minor units.
type Account struct {
	Ledger, Held, Version int64
	Forced                bool // driven below zero by what may not be refused
}

// CardCounters is what a decision leaves of the counters of its card.
type CardCounters struct {
	Tries uint8
	ATC   uint16 // raised to this; 0: as it is
	Lock  authz.LockReason
	Raise bool // the version, too
}

// Available is what may still be held.
func (a Account) Available() int64 { return a.Ledger - a.Held }

// Row is an authorization row to be written.
type Row struct {
	Entry    *authz.Entry
	State    authz.State
	Placed   int64    // held or posted
	Given    int64    // what this row undid of Original
	Original authz.ID // 0: none
}

// Stored is an authorization row as read.
type Stored struct {
	authz.Record
	Partner          authz.PartnerID
	Card             authz.CardID
	Balance, Deposit authz.BalanceID
	Original         authz.ID     // the row that it undid or replaced
	Answered         authz.Reason // what a repeat is told
	Approval         string
	Passed           int
	UserBefore       int64
	DepositBefore    int64
	Known            bool // whether the balances before are known
}

// Tombstone is a reversal that came before its original.
type Tombstone struct {
	ID      int64
	Request authz.Request // what matching needs of it
}

// Posting is one line of a group. Account is BALANCE with its id, or a contra account of the partner.
type Posting struct {
	Group    authz.ID
	Line     int
	Partner  authz.PartnerID
	Account  string
	Balance  authz.BalanceID
	Currency money.Currency
	Amount   int64
	Kind     string
	Of       authz.ID // the authorization
	At       time.Time
}
