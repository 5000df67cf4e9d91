package authz

import (
	"strings"
	"time"

	"holdfast/authz/money"
)

// State is where an authorization row is in its life.
type State uint8

// The states of an authorization row.
const (
	StateDeclined   State = iota + 1 // no money moved
	StateRecorded                    // an advice or reversal; moved nothing by itself
	StateAuthorized                  // a hold is open
	StateCaptured                    // posted
	StateReversed                    // undone
)

var stateNames = [...]string{"", "DECLINED", "RECORDED", "AUTHORIZED", "CAPTURED", "REVERSED"}

// String is the state's stable name.
func (s State) String() string {
	if s == 0 || int(s) >= len(stateNames) {
		return "UNDEFINED"
	}
	return stateNames[s]
}

// Record is what matching needs of an authorization row or of a tombstone; the card is the same.
type Record struct {
	ID         ID
	Kind       Kind
	Peer       string
	Trace      Trace
	Amount     int64 // transaction amount, minor units of Currency
	Currency   money.Currency
	Placed     int64 // held or posted at first, minor units of the card's currency
	Held       int64 // of Placed, what is still held or posted
	State      State
	ReceivedAt time.Time
}

// MatchWindow bounds how far back a reversal or an advice looks for its original: acquirers repeat
// for days, STANs wrap within them.
const MatchWindow = 10 * 24 * time.Hour

// MatchOriginal finds the row that a reversal (or a late advice) is about, by the first level of the
// ladder with exactly one candidate:
//
//  1. the original data elements: class, STAN, DE 7, institutions; what the peer left out matches all;
//  2. the RRN with institution and terminal;
//  3. the STAN of the message itself with its terminal, for peers that reuse it in the reversal.
//
// Two candidates on a level are not guessed between: the next level is asked, and when none has exactly one,
// ambiguous says so. Rows of other peers never match. Records with one ID are one candidate: a row that stands in
// for those that it replaced.
func MatchOriginal(r *Request, rows []Record) (index int, ambiguous bool) {
	for _, level := range []func(*Request, *Record) bool{byOriginalData, byRRN, bySTAN} {
		found, count := -1, 0
		for i := range rows {
			if !reversible(r, &rows[i]) || !level(r, &rows[i]) {
				continue
			}
			if found >= 0 && rows[found].ID == rows[i].ID {
				continue
			}
			found, count = i, count+1
		}
		if count == 1 {
			return found, false
		}
		ambiguous = ambiguous || count > 1
	}
	return -1, ambiguous
}

func reversible(r *Request, row *Record) bool {
	if row.Kind == Reversal || row.Peer != r.Peer || row.ID == r.ID {
		return false
	}
	age := r.ReceivedAt.Sub(row.ReceivedAt)
	return age < MatchWindow && age > -MatchWindow
}

func byOriginalData(r *Request, row *Record) bool {
	o := r.Original
	if !given(o.STAN) {
		return false
	}
	return same(o.STAN, row.Trace.STAN) && agrees(o.Transmitted, row.Trace.Transmitted) &&
		agrees(o.Acquirer, row.Trace.Acquirer) && agrees(o.Forwarder, row.Trace.Forwarder) &&
		(o.Kind == 0 || o.Kind == row.Kind || row.Kind == AuthorizationAdvice)
}

func byRRN(r *Request, row *Record) bool {
	t, u := &r.Trace, &row.Trace
	return given(t.RRN) && same(t.RRN, u.RRN) && agrees(t.Acquirer, u.Acquirer) && agrees(t.Terminal, u.Terminal)
}

func bySTAN(r *Request, row *Record) bool {
	t, u := &r.Trace, &row.Trace
	return !given(r.Original.STAN) && given(t.STAN) && same(t.STAN, u.STAN) &&
		given(t.Terminal) && same(t.Terminal, u.Terminal) && agrees(t.Acquirer, u.Acquirer) && agrees(t.Local, u.Local)
}

// Contradicts reports whether r, a repeat by its MTI, has the identity of an earlier row of its kind but
// other content: then it repeats nothing and is not decided as a new transaction either.
func Contradicts(r *Request, row *Record) bool {
	t, u := &r.Trace, &row.Trace
	return r.Repeat && row.Kind == r.Kind && row.Peer == r.Peer && same(t.STAN, u.STAN) &&
		given(t.Local) && t.Local == u.Local && t.RRN == u.RRN && t.Acquirer == u.Acquirer &&
		t.Terminal == u.Terminal && (row.Amount != r.Amount.Minor || t.ProcessingCode != u.ProcessingCode)
}

// given reports whether a part says anything: blanks and zeros do not.
func given(s string) bool { return strings.Trim(s, " 0") != "" }

// same compares as people read: blanks around and leading zeros do not count, since the same
// institution is written in 6 digits here and padded to 11 in DE 90.
func same(a, b string) bool {
	return strings.TrimLeft(strings.TrimSpace(a), "0") == strings.TrimLeft(strings.TrimSpace(b), "0")
}

// agrees is same, with a part that says nothing as a wildcard.
func agrees(a, b string) bool { return !given(a) || !given(b) || same(a, b) }

// Undone is the effect of undoing a row.
type Undone struct {
	Give  int64 // minor units of the card's currency that go back
	State State // of the row afterwards
}

// Undo says what a reversal does to its original: all of what is left, or down to the final amount
// that a partial reversal states (each states the new final amount, so a later one that states more is
// without effect). A row that holds nothing gives nothing back.
func Undo(row *Record, r *Request) Undone {
	if row.State != StateAuthorized && row.State != StateCaptured {
		return Undone{State: row.State}
	}
	stays := int64(0)
	if r.Partial && r.Amount.Currency != row.Currency && r.Amount.Currency != (money.Currency{}) {
		return Undone{State: row.State} // it states what stays in another currency: for people to look at
	}
	if r.Partial {
		stays = r.FinalBilling
		if stays == 0 || row.Placed == row.Amount { // DE 95.2 may be of the settlement; nothing was converted here
			stays = scale(r.Final, row)
		}
	}
	if stays < 0 || stays >= row.Held {
		return Undone{State: row.State}
	}
	if stays == 0 {
		return Undone{Give: row.Held, State: StateReversed}
	}
	return Undone{Give: row.Held - stays, State: row.State}
}
