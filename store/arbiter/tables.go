package arbiter

import (
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/authz/record"
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
	// BySTAN, ByRRN and ByNetworkID find rows of a card, the last two those received since a moment.
	BySTAN(card authz.CardID, stan string) ([]Stored, error)
	ByRRN(card authz.CardID, rrn string, since time.Time) ([]Stored, error)
	ByNetworkID(card authz.CardID, id string, since time.Time) ([]Stored, error)
	// ByID finds the rows of a card with ids from one to below another.
	ByID(card authz.CardID, from, to authz.ID) ([]Stored, error)
	// Steps finds the rows of a card that have a step, received since a moment, and were written with one of some clues.
	Steps(card authz.CardID, clues []string, since time.Time) ([]Stored, error)
	// Life finds all rows of a life.
	Life(life authz.ID) ([]Stored, error)
	// Company finds the partner's COMPANY balance in a currency; 0: it has none.
	Company(partner authz.PartnerID, c money.Currency) (authz.BalanceID, error)
	// Limits reads a card's limits.
	Limits(card authz.CardID) ([]record.Limit, error)
	// Used reads what is used of windows, and leaves out those that nothing has been used of yet. Whoever locks
	// the balances of their cards is the only one to change it.
	Used(windows []Window) (map[Window]int64, error)
	// Told reports whether repeats on other nodes were told the answer of a row, and whether it was to be undone since.
	Told(id authz.ID) (told, wanted bool, err error)
}

// Writes changes rows.
type Writes interface {
	// Insert writes an authorization row, with its step, and reports false when its key is taken.
	Insert(r *Row) (bool, error)
	// Change sets what a row holds, its state, when its hold expires, and what COMPANY bears of it.
	Change(id authz.ID, c Change) error
	// AnswerLate makes a row answer its repeats that it came too late, and notes what that gave back.
	AnswerLate(id authz.ID, voided int64) error
	// Release notes what one row did to the hold or posting of another.
	Release(r Release) error
	// Join moves all rows of a life into another.
	Join(from, into authz.ID) error
	// Raise puts a case into the queue of exceptions, or opens it again; Withdraw closes those of a row that no
	// longer hold, a bit for each case, unless people have dealt with them.
	Raise(x Exception) error
	Withdraw(row authz.ID, cases int64) error
	// Tell notes that a repeat is told the answer of a row of another node, or with [Unwanted] that the row is to be
	// undone when nobody is told any more. Telling twice is harmless. Untell takes back what a repeat was told, and
	// reports whether it was.
	Tell(row, repeat authz.ID) error
	Untell(row, repeat authz.ID) (bool, error)
	// Mark has later approvals of the card look for what came before them at that moment.
	Mark(card authz.CardID, at time.Time) error
	// SetCounters changes a card's counters.
	SetCounters(id authz.CardID, c CardCounters) error
	// Post writes one line of a group.
	Post(p Posting) error
	// SetAccount writes a balance back, its version already raised.
	SetAccount(id authz.BalanceID, a Account) error
	// SetUsed writes what is used of a window.
	SetUsed(w Window, used int64) error
}

// Unwanted stands in the place of a repeat where a void found that a row had been told.
const Unwanted authz.ID = 0

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

	LockedAt time.Time // when it locked the card, of which the partner is to hear; zero: it did not
}

// Available is what may still be held.
func (a Account) Available() int64 { return a.Ledger - a.Held }

// Row is an authorization row to be written.
type Row struct {
	Entry    *authz.Entry
	State    authz.State
	Placed   int64     // held or posted
	Undone   int64     // of Placed, what was undone before it came
	Given    int64     // what this row undid of others
	Used     int64     // of the card's limits
	Original authz.ID  // the row that it is about; 0: none
	Due      time.Time // when its hold expires; zero: by the entry
	Step     *Step     // nil: a request that is a life of its own
	Clues    []string  // of a row with a step, what it looks for its original by
}

// Expires is when the row's hold expires in microseconds since 1970; 0: it holds nothing, or for ever.
func (r *Row) Expires() int64 {
	switch {
	case !r.State.Open():
		return 0
	case !r.Due.IsZero():
		return r.Due.UnixMicro()
	case r.Entry.Life == 0:
		return 0
	}
	return r.Entry.Request.ReceivedAt.Add(r.Entry.Life).UnixMicro()
}

// The bits of a row's flags.
const (
	FlagOwnRate = 1 << iota
	FlagAtOnce
	FlagRestart
	FlagLimited // a debit of a card that had limits: it counts towards them
)

// Flags are the row's yes-or-no facts as one number.
func (r *Row) Flags() (bits int64) {
	if r.Entry.Request.OwnRate {
		bits |= FlagOwnRate
	}
	if r.Entry.AtOnce {
		bits |= FlagAtOnce
	}
	if r.Entry.Restart {
		bits |= FlagRestart
	}
	if counts(r.Entry) {
		bits |= FlagLimited
	}
	return bits
}

// Step is what a row has beside its message's own elements as a member of a life that other rows belong to, or may.
type Step struct {
	Life                          authz.ID
	Original                      authz.Original
	StoodIn, Partial              bool
	Final, FinalBilling, Returned int64
	Part, Parts                   int
	Company                       int64 // of what was cleared, what COMPANY bears; below zero: what it gains
	FXToUser                      bool
	Percent, AtLeast              int64 // the tolerance, AtLeast in the row's transaction currency
}

// Change is what may change of a row after it has been written.
type Change struct {
	Held    int64
	State   authz.State
	Expires int64 // microseconds since 1970; 0: never
	Company int64
	Used    int64
}

// Release is a part of a hold or posting that ended, and by which row; below zero, it came back.
type Release struct {
	Of, By authz.ID
	Amount int64
	Why    authz.State // what it became
}

// Exception is a case for people to look at. What has amounts and ids, no card data.
type Exception struct {
	Row     authz.ID
	Case    authz.Case
	Partner authz.PartnerID
	What    string
	At      time.Time
}

// Stored is an authorization row as read.
type Stored struct {
	authz.Record
	HasStep          bool
	Step             Step
	Partner          authz.PartnerID
	Card             authz.CardID
	Balance, Deposit authz.BalanceID
	Phase            authz.Phase
	Billing          money.Amount
	Flags            int64
	Channel          authz.Channel
	Used             int64 // of the card's limits, in its currency
	Expires          int64
	Reason           authz.Reason
	Answered         authz.Reason // what a repeat is told
	Passed           int
	UserBefore       int64
	DepositBefore    int64
	Known            bool // whether the balances before are known
	Dup              authz.DupKey
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
