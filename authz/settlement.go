package authz

import (
	"time"

	"holdfast/authz/money"
)

// Day is a settlement date as the digits YYYYMMDD; 0 is none. It is the day in whose books a peer and we count
// a transaction, which a cut-over advances and no clock of ours.
type Day int32

// DayOf is the day of a moment in UTC.
func DayOf(t time.Time) Day {
	y, m, d := t.UTC().Date()
	return Day(y*10000 + int(m)*100 + d)
}

// Time is the beginning of the day in UTC.
func (d Day) Time() time.Time {
	return time.Date(int(d)/10000, time.Month(int(d)/100%100), int(d)%100, 0, 0, 0, 0, time.UTC)
}

// Valid reports whether the digits are a date.
func (d Day) Valid() bool { return d > 0 && DayOf(d.Time()) == d }

// Next is the day after.
func (d Day) Next() Day { return DayOf(d.Time().AddDate(0, 0, 1)) }

// Settlement is what a message moves between a peer and us. Only what moves money at once has one: financial
// messages and reversals; the zero value is none.
type Settlement struct {
	Day Day
	// Amount is in the currency that is settled in: DE 5 in DE 50 when the network converted, else DE 4 in DE 49. Of
	// a reversal it is what the message gives back; no currency: what its original moved.
	Amount money.Amount
	// Fee and Processing are the transaction's and the processing's fees that the message states, in minor units of the
	// same currency: positive what the cardholder's side pays.
	Fee, Processing int64
}

// Totals are what one peer and we have moved on one day in one currency, in its minor units. Debits and credits are
// the cardholders'. A reversal counts on its own day, beside its original.
type Totals struct {
	Debits, DebitReversals, Credits, CreditReversals Total
	DebitFees, CreditFees                            Fees // of those, without their reversals

	// What moved no money is counted only for those who ask: balance inquiries, and authorizations and their advices, that
	// were approved.
	Inquiries, Authorizations int64
}

// Total counts messages and sums their amounts.
type Total struct{ Count, Amount int64 }

// Fees sums what messages state of fees: positive what the cardholders' side pays.
type Fees struct{ Transaction, Processing int64 }

// Net is what we owe the peer: debits without their reversals less credits without theirs. Negative: it owes us.
func (t *Totals) Net() int64 {
	return (t.Debits.Amount - t.DebitReversals.Amount) - (t.Credits.Amount - t.CreditReversals.Amount)
}

// Settles is what the entry's row moves between the peer and us: of an approval of a part, only that part.
func (e *Entry) Settles() Settlement {
	r := e.Request
	s := r.Settlement
	if e.Decision.Reason != ApprovedPart || s.Amount.Minor == 0 {
		return s
	}
	if s.Amount.Currency == r.Amount.Currency {
		s.Amount.Minor = min(s.Amount.Minor, e.Decision.ApprovedTransaction)
		return s
	}
	s.Amount.Minor = money.Share(s.Amount.Minor, e.Decision.ApprovedTransaction, r.Amount.Minor)
	return s
}
