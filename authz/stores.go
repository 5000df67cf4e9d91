package authz

import (
	"context"
	"time"
)

// Cards finds snapshots of cards in the records.
type Cards interface {
	// Find looks the tags up and calls found for each that exists, with its index. It reads the
	// truth, not a cache. An error is ErrUnavailable: then nothing of the result counts.
	Find(ctx context.Context, tags []Tag, found func(i int, c Card)) error
}

// Balance is the truth about one balance as of a version. Available may be negative after an entry
// that may not be refused (an advice, a clearing).
type Balance struct {
	ID        BalanceID
	Available int64
	Version   int64 // grows with every change of the row
}

// HoldResult says what became of a hold in the cache.
type HoldResult uint8

// The results of placing a hold.
const (
	HoldPlaced  HoldResult = iota + 1
	HoldUnknown            // a balance is not in the cache: teach it and place again
	HoldDepositShort
	HoldFundsShort
)

// Hold is one hold to place: the same amount on the user's balance and on the partner's deposit, both
// or neither. Amount 0 only reads.
type Hold struct {
	Op      ID
	Balance BalanceID
	Deposit BalanceID // 0: the program has none
	Amount  int64
	Forced  bool // placed whatever the balances say
	Result  HoldResult
	UserWas int64 // available before
	DepoWas int64
}

// Holds is the fast view of the balances. It may be wrong in any way: the journal confirms.
type Holds interface {
	// Place decides the holds of one partner's batch in order and marks each with its result. A
	// hold that is placed stays pending until Settle. Placing the same Op again does not hold twice.
	// It does not block on anything but the cache itself, within a time limit of its own; an error means that none may be relied on.
	Place(ctx context.Context, partner PartnerID, batch []*Hold) error
	// Settle ends holds, whether the journal took them or not, and learns the truth about balances
	// in the same step; an older version than the known one is ignored. Settling twice is harmless.
	// It may tell a remote cache with the next Place of the partner, which sees it in any case.
	Settle(ctx context.Context, partner PartnerID, ended []*Hold, truth []Balance) error
	// Refresh replaces what is known about balances whatever it is, also by an older version, and counts again
	// what is pending: for a cache whose errors Settle did not mend.
	Refresh(ctx context.Context, partner PartnerID, truth []Balance) error
}

// Outcome is what the journal made of an entry.
type Outcome uint8

// The outcomes of a committed batch.
const (
	Committed Outcome = iota + 1 // the row is there; Entry.Decision is what it says
	Duplicate                    // an earlier row has the key; Entry.Decision is now its stored one
	Stale                        // nothing written: the truth differs from what was decided on
)

// Entry is one decision on its way into the journal.
type Entry struct {
	Request  *Request
	Card     *Card // nil: unknown
	Decision Decision
	Hold     int64 // minor units wanted of balance and deposit, or promised to them; also of a decline for want of funds
	Wanted   int64 // of an approved part: what was asked for, in the currency of Hold
	Deferred bool  // what it wants depends on the life that it continues: the journal decides on the funds
	AtOnce   bool  // a credit that is posted with its row
	Void     bool  // undo the row of Request.ID, or what it was Told: its answer never left. Without a row, occupy its key
	Outcome  Outcome
	Born     ID   // rows of this node below it are of an earlier life, which may have left something under way
	Told     bool // of a duplicate: it was noted that this repeat is told what another node wrote

	// Counters is what the decision does to the card's own counters, in the transaction that writes its row.
	Counters Counters

	Life      time.Duration // of the hold
	Restart   bool          // as an increment, it starts the life of all that is held anew
	Tolerance Tolerance     // of a clearing
	FXToUser  bool          // of a clearing: differences of exchange stay with the user

	Stages Stages // for its row; zero: no message made it

	Code string // the approval code of a request declined for want of funds, should it need none

	// CodeFrom and CodeTo bound the decisions that can have the approval code of the message; zero: none of ours.
	CodeFrom, CodeTo ID
}

// Truth is what the journal knows after a batch, for the caches to learn.
type Truth struct {
	Balances []Balance
	Cards    []Card // of entries that were stale because of their card, or changed it
}

// Due is a row whose hold or promise has expired.
type Due struct {
	Row  ID
	At   time.Time
	Card Card // of it only ID, Partner, Balance, Deposit and Currency
}

// Owed is a row that was to be undone, as the journal has it, or one of which a repeat was to be told.
type Owed struct {
	Row      ID // as it was asked for: of the row, or of the repeat
	Dup      DupKey
	Answered Reason // what a repeat is told
	Card     Card   // of it only ID, Partner, Balance, Deposit and Currency
}

// Debts keeps which rows have to be undone, since their requests were answered otherwise, where it outlives this node.
// What a node has not undone when it dies would be held until it expires.
type Debts interface {
	// Owe notes ids of one partner before the answers leave, and again from time to time while they are owed. Their rows
	// may still come, or never. An error means that they are noted or not.
	Owe(ctx context.Context, partner PartnerID, rows []ID) error
	// Paid forgets them, also those that it does not know.
	Paid(ctx context.Context, partner PartnerID, rows []ID) error
}

// Journal is the arbiter and the only truth. One call is one transaction.
type Journal interface {
	// Commit writes the batch and sets the outcome of each entry:
	//
	//   - the first row of a key is Committed, a later one Duplicate;
	//   - an entry that was decided on another version of its card is Stale; so is an approval that
	//     the balances do not cover, and a decline for want of funds that they would have covered;
	//   - an entry's counters change its card with the row, and only with it: a wrong PIN adds a try and raises the
	//     card's version, and the last one locks the card where it says so; a right one starts over. An entry
	//     whose chip counter is not above the highest seen is Stale, so that of two only one wins;
	//   - an approval whose reversal came first is Committed as declined with ReversedBefore;
	//   - a reversal, an advice, a clearing, an increment and an expiry join the life of the transaction that
	//     MatchOriginal finds, and what is held and posted becomes what the messages of that life come to,
	//     in whatever order they came; what has no original yet waits for it;
	//   - a Deferred request is declined where the funds do not cover what the whole life then wants;
	//   - a debit of a card with limits that would use more than one of them allows is Committed as declined with
	//     AmountLimit, whatever was decided on the funds. What is given back of it is given back to the windows
	//     in which it was received.
	//
	// All of a batch is durable when it returns nil. An error is ErrUnavailable (nothing written) or
	// ErrUnknown (each entry is written or not, not known which).
	Commit(ctx context.Context, batch []*Entry) (Truth, error)
	// Due lists holds and promises whose time is over at now, the oldest first.
	Due(ctx context.Context, now time.Time, most int) ([]Due, error)
	// Owed finds rows by their ids, or by those of repeats that were Told them, in any order; those that are not there, or
	// have no card, are left out.
	Owed(ctx context.Context, rows []ID) ([]Owed, error)
	// Balances reads the truth about balances; unknown ids are left out.
	Balances(ctx context.Context, ids []BalanceID) ([]Balance, error)
}
