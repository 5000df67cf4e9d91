package authz

import (
	"time"

	"holdfast/authz/money"
	"holdfast/authz/pan"
)

// Kind is the class of a request: what its message type asks of us.
type Kind uint8

// The kinds. A request asks for a decision, an advice tells one, a reversal undoes one.
const (
	Authorization       Kind = iota + 1 // 0100: hold
	AuthorizationAdvice                 // 0120: decided elsewhere, we hold
	Financial                           // 0200: post at once
	Reversal                            // 0400 and 0420: undo
	FinancialAdvice                     // 0220: completes an authorization, or posts what nobody authorized
	HoldExpiry                          // no message: our own entry that ends a hold whose time has passed
)

var kindNames = [...]string{"", "AUTHORIZATION", "AUTHORIZATION_ADVICE", "FINANCIAL", "REVERSAL", "FINANCIAL_ADVICE", "HOLD_EXPIRY"}

// String is the kind's stable name.
func (k Kind) String() string {
	if k == 0 || int(k) >= len(kindNames) {
		return "UNDEFINED"
	}
	return kindNames[k]
}

// Transaction is what the cardholder does, from positions 1 and 2 of DE 3.
type Transaction uint8

// The transactions served. They are stored by number: a new one goes to the end.
const (
	TransactionUnsupported Transaction = iota
	Purchase                           // 00
	Cash                               // 01, 17
	Cashback                           // 09: DE 4 is the total
	QuasiCash                          // 11
	Funding                            // 10: account funding
	Refund                             // 20: a promise; money moves at clearing
	Inquiry                            // 30, 31: balance inquiry, no money
	Verification                       // 33, or a purchase of nothing: no money
	Payment                            // 50
	Deposit                            // 21: a credit
	OriginalCredit                     // 26, 28: a credit, with funds in minutes
)

var transactionNames = [...]string{"UNSUPPORTED", "PURCHASE", "CASH", "CASHBACK", "QUASI_CASH", "FUNDING",
	"REFUND", "INQUIRY", "VERIFICATION", "PAYMENT", "DEPOSIT", "ORIGINAL_CREDIT"}

// String is the transaction's stable name.
func (t Transaction) String() string {
	if int(t) >= len(transactionNames) {
		return "UNDEFINED"
	}
	return transactionNames[t]
}

// Debit reports whether the cardholder's money goes out.
func (t Transaction) Debit() bool { return t >= Purchase && t <= Funding || t == Payment }

// Credit reports whether money comes to the cardholder.
func (t Transaction) Credit() bool { return t == Refund || t == Deposit || t == OriginalCredit }

// ID names one operation. It grows with time, so rows are appended in the journal, and it is unique
// over the nodes that share a journal: milliseconds, node, sequence.
type ID int64

// DupKey is the same for a message and its repeats and differs between transactions: a keyed hash of
// the peer, the class, STAN, local time, institution, terminal, RRN, card, processing code and amount.
// DE 7 is not in it where DE 12 is present, since a repeat may carry a new one; nor is the MTI's last digit.
type DupKey [16]byte

// Request is one message typed once. Business code never sees an element number.
type Request struct {
	ID         ID
	Kind       Kind
	Repeat     bool // the MTI says that it was sent before
	Peer       string
	ReceivedAt time.Time
	Deadline   time.Time // after it no approval may leave
	DigitsOnly bool      // the peer takes no letters in approval codes

	PAN         pan.Number
	Expiry      Month // as in the message; ExpiryGiven says whether it was there
	ExpiryGiven bool
	Transaction Transaction
	Amount      money.Amount // DE 4 in DE 49
	Billing     money.Amount // DE 6 in DE 51; its currency is zero when the message had none
	OwnRate     bool         // Billing is not the message's: we converted it ourselves
	Fill        int64        // of a status check at a pump: what the program holds for the fill to come, in the card's currency

	Trace Trace

	Phase     Phase
	PartialOK bool    // the terminal takes an approval of less than it asked for
	Cash      int64   // of Amount: handed out in cash, in the same currency
	Channel   Channel // how the card was presented
	Country   string  // of the acquirer or merchant, ISO 3166 numeric; empty unknown
	NetworkID string  // the network's own id of the transaction's life (DE 62 or 63 by peer); empty unknown
	Acceptor  string  // the merchant's name, city and country (DE 43) as text that may be shown, nothing is decided by it; empty unknown
	Evidence  Evidence

	// Of an advice that clears, when one authorization is cleared in parts: the part's number and how many there
	// are. Zero: one part, or the message does not tell.
	Part, Parts int

	Settlement Settlement // what it moves between the peer and us, and on which day

	// Of an advice.
	StoodIn      bool   // the sender approved on our behalf, or clears what was approved; false: it was declined
	ApprovalCode string // the sender's, or the original's

	// Original is what a reversal, or an advice that has it too, says of the message that it is about.
	Original Original

	// Of a reversal. One that is partial states what stays, or with Returned above zero what goes back, for the
	// peers that mean it so; without Partial all goes back.
	Final        int64 // what stays of the transaction, in the original's transaction currency
	FinalBilling int64 // the same in the billing currency; used when it is not zero
	Returned     int64 // what goes back, in the original's transaction currency
	Partial      bool

	// Release names a row to undo directly: our own entry after a late or doubtful decision.
	Release ID

	Proof Proof // what the evidence proves of the card; set when it is decided

	Tag Tag    // set by Submit
	Dup DupKey // set by Submit
}

// Trace is the set of characters by which the messages of one transaction recognise each other, as
// received. They are compared trimmed and echoed untouched.
type Trace struct {
	STAN, RRN           string // DE 11, DE 37
	Acquirer, Forwarder string // DE 32, DE 33
	Terminal, Merchant  string // DE 41, DE 42
	Transmitted         string // DE 7, MMDDhhmmss UTC
	Local               string // DE 13 and DE 12
	ProcessingCode      string // DE 3
	MCC, EntryMode      string // DE 18, DE 22
}

// Original is what a message says of the one that it is about (DE 90, in 1993 and 2003 DE 56). An empty part is
// a wildcard: networks fill what they do not know with zeros.
type Original struct {
	Kind        Kind // of the original; 0 unknown
	STAN        string
	Transmitted string // DE 7, in DE 90
	Local       string // in the form of [Trace].Local, in DE 56
	Acquirer    string
	Forwarder   string
}

// Zero reports whether nothing is said.
func (o Original) Zero() bool { return o == Original{} }

// Hold returns the amount to hold in the card's currency, and whether the message has one: the transaction
// amount when the currencies agree, else the billing amount that the network converted it to. A billing
// amount beside a transaction in the same currency converts nothing and is not believed.
func (r *Request) Hold(c money.Currency) (int64, bool) {
	if r.Amount.Currency == c {
		return r.Amount.Minor, true
	}
	if r.Billing.Currency == c && c != (money.Currency{}) {
		return r.Billing.Minor, true
	}
	return 0, false
}
