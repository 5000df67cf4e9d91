// Package lifetest has the messages of one transaction's life and says what every order and repetition of them must
// end in: the balances by a model that shares no code with the switch, the states and the open exceptions by the other
// orders of the same set (iso8583.md, 3.9, the last of its invariants).
//
// # The one idea
//
// Orders of the same messages share their beginnings, so [Walk] goes through all of them as through a tree, over tables
// in memory that are copied where it branches: all lives of six messages take minutes. On a journal, where nothing can
// be copied, storetest plays each order on a card of its own, and so fewer of them. Both show their ends to a [Judge].
package lifetest

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/authz/pan"
)

// Letters are the messages of a life. They were sent in this order, one a second.
//
//	Q  the request, 30.00          I J  increments, 20.00 and 7.00       A  approved in stand-in, 37.20
//	D  declined in stand-in        X  a replacement, 50.00               P  reversal of Q down to 12.50
//	R  reversal of Q               K  reversal of I                      Y  reversal of X
//	W  reversal of all, by its amount
//	B  clearing 1 of 2, 10.00      C  clearing 2 of 2, 25.00             S  the one clearing, 28.00
const Letters = "QIJADXPRKYWBCS"

var amounts = map[byte]int64{'Q': 30_00, 'I': 20_00, 'J': 7_00, 'A': 37_20, 'D': 30_00, 'X': 50_00, 'P': 30_00, 'R': 30_00,
	'K': 20_00, 'Y': 50_00, 'W': 900_00, 'B': 10_00, 'C': 25_00, 'S': 28_00}

var kinds = map[byte]authz.Kind{'A': authz.AuthorizationAdvice, 'D': authz.AuthorizationAdvice, 'P': authz.Reversal,
	'R': authz.Reversal, 'K': authz.Reversal, 'Y': authz.Reversal, 'W': authz.Reversal, 'B': authz.FinancialAdvice,
	'C': authz.FinancialAdvice, 'S': authz.FinancialAdvice}

// Link is how the messages of a life know of each other.
type Link int

// The links.
const (
	ByReference Link = iota // one RRN for all
	ByNetwork               // the network's id for all, an RRN each
	ByParts                 // the RRN, but reversals only name the STAN of what they undo
	Links
)

// Life is the card of one life and how its messages know of each other. Number tells it from other lives.
type Life struct {
	By     Link
	Number int
	Card   *authz.Card
	PAN    pan.Number
	Tag    authz.Tag
	At     time.Time // when the first message was sent and all were received
}

// Request makes the message of a letter, without an ID. Calls with the same letter make repeats of one message.
func (l *Life) Request(letter byte) *authz.Request {
	n := strings.IndexByte(Letters, letter)
	sent := l.At.Add(time.Duration(n) * time.Second)
	r := &authz.Request{Kind: kinds[letter], Peer: "network", ReceivedAt: sent, Deadline: sent.Add(time.Hour), PAN: l.PAN,
		Tag: l.Tag, Transaction: authz.Purchase, Amount: money.Amount{Minor: amounts[letter], Currency: l.Card.Currency},
		Trace: authz.Trace{STAN: stan(letter), RRN: fmt.Sprintf("%012d", 1_000_000+l.Number), Acquirer: "400001",
			Terminal: "TERM0001", Merchant: "MERCHANT0000001", Transmitted: sent.Format("0102150405"),
			Local: sent.Format("0102150405"), ProcessingCode: "000000", MCC: "5411"}}
	if r.Kind == 0 {
		r.Kind = authz.Authorization
	}
	if l.By == ByNetwork {
		r.NetworkID, r.Trace.RRN = fmt.Sprintf("T%014d", l.Number), fmt.Sprintf("%012d", 1_000_000+100*l.Number+n)
	}
	switch letter {
	case 'I', 'J':
		r.Phase = authz.PhaseIncremental
	case 'X':
		r.Phase = authz.PhaseReplacement
	case 'A':
		r.StoodIn, r.ApprovalCode = true, "STAND1"
	case 'P':
		r.Partial, r.Final = true, 12_50
	case 'B':
		r.StoodIn, r.Part, r.Parts = true, 1, 2
	case 'C':
		r.StoodIn, r.Part, r.Parts = true, 2, 2
	case 'S':
		r.StoodIn = true
	}
	if r.Kind == authz.Reversal {
		l.names(r, letter)
	}
	sum := sha256.Sum256(fmt.Append(nil, "life", l.Number, letter))
	copy(r.Dup[:], sum[:])
	return r
}

func stan(letter byte) string { return fmt.Sprintf("%06d", 100+strings.IndexByte(Letters, letter)) }

// names has a reversal say which message it is about.
func (l *Life) names(r *authz.Request, letter byte) {
	of := byte('Q')
	switch letter {
	case 'K':
		of = 'I'
	case 'Y':
		of = 'X'
	}
	sent := l.At.Add(time.Duration(strings.IndexByte(Letters, of)) * time.Second)
	r.Original = authz.Original{Kind: authz.Authorization, STAN: stan(of), Transmitted: sent.Format("0102150405")}
	if l.By == ByParts {
		r.Trace.RRN = ""
	}
}

const holdLife = 7 * 24 * time.Hour

// Entry makes what the authorizer gives to the journal for a message: r is one of its requests, of which it takes a copy.
func (l *Life) Entry(letter byte, r *authz.Request, id authz.ID) *authz.Entry {
	sent := *r
	sent.ID = id
	e := &authz.Entry{Request: &sent, Card: l.Card, Decision: authz.Decision{ID: id, Currency: l.Card.Currency}}
	switch {
	case sent.Kind == authz.Reversal:
		e.Decision.Reason = authz.ReversalAccepted
	case letter == 'D':
		e.Decision.Reason = authz.AdviceRecorded
	case sent.Kind == authz.Authorization:
		e.Decision.Reason, e.Decision.ApprovalCode, e.Hold = authz.Approved, "ABC123", sent.Amount.Minor
		e.Deferred = sent.Phase.Continues()
	default:
		e.Decision.Reason, e.Hold = authz.AdviceAccepted, sent.Amount.Minor
	}
	if sent.Kind == authz.Authorization || letter == 'A' {
		e.Life = holdLife
	}
	return e
}

// Sets lists the sets of one to so many of the letters.
func Sets(most int) []string {
	sets := []string{""}
	for _, l := range Letters {
		for _, s := range append([]string(nil), sets...) {
			if len(s) < most {
				sets = append(sets, s+string(l))
			}
		}
	}
	return sets[1:]
}

// Orders lists all orders of a set.
func Orders(set string) []string {
	if len(set) <= 1 {
		return []string{set}
	}
	var all []string
	for i := range set {
		for _, rest := range Orders(set[:i] + set[i+1:]) {
			all = append(all, set[i:i+1]+rest)
		}
	}
	return all
}
