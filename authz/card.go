package authz

import (
	"time"

	"holdfast/authz/keystore"
	"holdfast/authz/money"
)

// CardID, UserID, PartnerID, ProgramID and BalanceID name rows of the records. Zero is none.
type (
	CardID    int64
	UserID    int64
	PartnerID int64
	ProgramID int64
	BalanceID int64
)

// CardState is where a card is in its life; a lock is kept beside it in [Card].Lock.
type CardState uint8

// The states of a card. Only CardActive spends.
const (
	CardOrdered CardState = iota + 1
	CardPersonalized
	CardInactive // delivered, waiting for its activation
	CardActive
	CardRemovedState
)

var cardStateNames = [...]string{"", "ORDERED", "PERSONALIZED", "INACTIVE", "ACTIVE", "REMOVED"}

// String is the state's stable name.
func (s CardState) String() string {
	if s == 0 || int(s) >= len(cardStateNames) {
		return "UNDEFINED"
	}
	return cardStateNames[s]
}

// Month is a card's last month of validity, as years since 2000 times 12 plus the month from 0.
// The card is good to the end of that month's last day.
type Month int16

// ParseMonth reads YYMM as in DE 14. Cards live a few years, so YY is 20YY.
func ParseMonth(yymm string) (Month, bool) {
	if len(yymm) != 4 {
		return 0, false
	}
	var d [4]int
	for i := range d {
		d[i] = int(yymm[i]) - '0'
		if d[i] < 0 || d[i] > 9 {
			return 0, false
		}
	}
	month := d[2]*10 + d[3]
	if month < 1 || month > 12 {
		return 0, false
	}
	return Month((d[0]*10+d[1])*12 + month - 1), true
}

// MonthOf is the month of a moment in UTC.
func MonthOf(t time.Time) Month {
	t = t.UTC()
	return Month((t.Year()-2000)*12 + int(t.Month()) - 1)
}

// YYMM writes the month as in DE 14.
func (m Month) YYMM() string {
	y, mo := int(m)/12%100, int(m)%12+1
	return string([]byte{byte('0' + y/10), byte('0' + y%10), byte('0' + mo/10), byte('0' + mo%10)})
}

// Card is a snapshot of everything that the checks need to know about a card: its own row and the
// states of the partner, user and balance behind it. It may be stale; Version says which state of the
// card was decided on and the journal refuses a decision made on an older one.
type Card struct {
	ID       CardID
	Version  int64 // grows with every change of the card, its user, its balance's state or its partner
	Partner  PartnerID
	Program  ProgramID
	User     UserID
	Balance  BalanceID
	Deposit  BalanceID // the partner's deposit that covers it; 0 in programs without one
	Currency money.Currency
	State    CardState
	Lock     LockReason
	Expiry   Month

	HolderRestricted  bool // the user or the partner may not transact
	BalanceRestricted bool // the balance is locked for debits or closed
	Limited           bool // it has limits, which the journal reads and counts

	Profile  keystore.Sealed // what its evidence is held against; only the keystore reads it
	HasPIN   bool
	PINTries uint8  // wrong PINs since the last right one
	PINLock  bool   // the last wrong PIN locks the card
	ATC      uint16 // the highest transaction counter seen of its chip; 0: none yet
}

// Program is what routing knows of a card program: which numbers are its own and whose lane decides.
type Program struct {
	ID      ProgramID
	Partner PartnerID
	// BINLow and BINHigh bound the first eight digits of its cards, inclusive.
	BINLow, BINHigh int32
	Terms           Terms
}

// Tag finds a card by its number without storing the number.
type Tag = keystore.Tag
