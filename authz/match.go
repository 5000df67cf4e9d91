package authz

import (
	"strings"
	"time"

	"holdfast/authz/money"
)

// Record is what matching needs of an authorization row; the card is the same.
type Record struct {
	ID          ID
	Life        ID // the row by which its life is named
	Kind        Kind
	Transaction Transaction
	Peer        string
	Trace       Trace
	NetworkID   string
	Approval    string // DE 38
	Amount      int64  // transaction amount, minor units of Currency
	Currency    money.Currency
	Placed      int64 // held or posted at first, minor units of the card's currency
	Held        int64 // of Placed, what is still held or posted
	State       State
	ReceivedAt  time.Time
}

// MatchWindow bounds how far back a message looks for its original by what wraps: acquirers repeat for days, STANs
// and RRNs begin anew. LifeWindow bounds it by what does not, and is longer than any hold lives.
const (
	MatchWindow = 10 * day
	LifeWindow  = 45 * day
)

// MatchOriginal finds the row that a reversal, an advice or an increment is about, by the first level of the
// ladder with exactly one candidate:
//
//  1. the network's own id of the transaction's life;
//  2. the original data elements: class, STAN, time, institutions; what the peer left out matches all;
//  3. the RRN with institution and terminal;
//  4. the STAN of the message itself with its terminal, for peers that reuse it;
//  5. the approval code with amount and currency.
//
// Two candidates on a level are not guessed between: the next level is asked, and when none has exactly one,
// ambiguous says so. Rows of one life are one candidate; of them the first that fits is returned. Rows of other
// peers never match, nor do a debit and a credit.
func MatchOriginal(r *Request, rows []Record) (index int, ambiguous bool) {
	for _, l := range ladder {
		found, several := -1, false
		for i := range rows {
			if !related(r, &rows[i], l.window(r)) || !l.fits(r, &rows[i]) {
				continue
			}
			if found < 0 {
				found = i
			}
			several = several || rows[i].life() != rows[found].life()
		}
		if found >= 0 && !several {
			return found, false
		}
		ambiguous = ambiguous || several
	}
	return -1, ambiguous
}

type level struct {
	fits   func(*Request, *Record) bool
	window func(*Request) time.Duration
}

func short(*Request) time.Duration { return MatchWindow }
func long(*Request) time.Duration  { return LifeWindow }

var ladder = [...]level{
	{byNetworkID, long},
	{byOriginalData, func(r *Request) time.Duration {
		if given(r.Original.Transmitted) || given(r.Original.Local) {
			return LifeWindow
		}
		return MatchWindow
	}},
	{byRRN, short},
	{bySTAN, short},
	{byApproval, long},
}

func (r *Record) life() ID {
	if r.Life != 0 {
		return r.Life
	}
	return r.ID
}

func related(r *Request, row *Record, window time.Duration) bool {
	if row.Kind == HoldExpiry || row.Peer != r.Peer || row.ID == r.ID || r.Transaction.Debit() && row.Transaction.Credit() ||
		r.Transaction.Credit() && row.Transaction.Debit() {
		return false
	}
	return r.ReceivedAt.Sub(row.ReceivedAt).Abs() < window
}

func byNetworkID(r *Request, row *Record) bool {
	return given(r.NetworkID) && same(r.NetworkID, row.NetworkID)
}

func byOriginalData(r *Request, row *Record) bool {
	return Names(&r.Original, row.Kind, &row.Trace)
}

// Names reports whether the original data elements are those of a message, as far as they say anything.
func Names(o *Original, kind Kind, t *Trace) bool {
	return given(o.STAN) && kind != Reversal && same(o.STAN, t.STAN) && agrees(o.Transmitted, t.Transmitted) &&
		agrees(o.Local, t.Local) && agrees(o.Acquirer, t.Acquirer) && agrees(o.Forwarder, t.Forwarder) &&
		(o.Kind == 0 || o.Kind == kind || kind == AuthorizationAdvice && o.Kind == Authorization)
}

func byRRN(r *Request, row *Record) bool { return SameRRN(&r.Trace, &row.Trace) }

// SameRRN reports whether two messages have the acquirer's reference of one transaction.
func SameRRN(t, u *Trace) bool {
	return given(t.RRN) && same(t.RRN, u.RRN) && agrees(t.Acquirer, u.Acquirer) && agrees(t.Terminal, u.Terminal)
}

func bySTAN(r *Request, row *Record) bool {
	return !given(r.Original.STAN) && SameSTAN(&r.Trace, &row.Trace)
}

// SameSTAN reports whether two messages have the number, the terminal and the local date of one transaction.
func SameSTAN(t, u *Trace) bool {
	return given(t.STAN) && same(t.STAN, u.STAN) && given(t.Terminal) && same(t.Terminal, u.Terminal) &&
		agrees(t.Acquirer, u.Acquirer) && agrees(date(t.Local), date(u.Local))
}

// date is the MMDD of a local time.
func date(local string) string { return local[:min(len(local), len("MMDD"))] }

// byApproval is the weakest level: who stands in for us may approve everything with one code. A clearing or a reversal may
// have a reference of its own; an advice has that of its request, so with another one it is another purchase.
func byApproval(r *Request, row *Record) bool {
	return given(r.ApprovalCode) && same(r.ApprovalCode, row.Approval) && r.Amount.Minor == row.Amount &&
		r.Amount.Currency == row.Currency && (r.Kind != AuthorizationAdvice || agrees(r.Trace.RRN, row.Trace.RRN))
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
func same(a, b string) bool { return plainly(a) == plainly(b) }

// agrees is same, with a part that says nothing as a wildcard.
func agrees(a, b string) bool { return !given(a) || !given(b) || same(a, b) }
