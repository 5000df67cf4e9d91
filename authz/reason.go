package authz

// Reason says why a request ended as it did. It is the truth that is stored; what a peer reads in
// DE 39 is derived from it per dialect, because the way back is ambiguous.
//
// The order is the precedence: [Check] tests in this order and the first reason that applies is the
// answer (after the precedence proposed for issuers in ISO 8583 practice: format, routing, card,
// card state, evidence, product, funds). Approvals and acknowledgements come first.
type Reason uint8

const (
	Undefined        Reason = iota // no decision: never an approval, whatever forgot to set it
	Approved                       // the hold is placed, or the amount posted
	ApprovedPart                   // as Approved, for less than was asked: [Decision].ApprovedTransaction says how much
	NoReasonToRefuse               // a verification without an amount: the card is good
	AdviceAccepted                 // an advice is recorded and binds us
	AdviceRecorded                 // an advice is recorded; nothing of ours changed
	ReversalAccepted               // a reversal is recorded; what could be undone was
	NetworkAccepted                // network management done

	FormatError         // an element is absent or wrong; the request was not decided
	PeerSignedOff       // the link is not signed on, or we are draining
	BINUnknown          // no program of ours has this BIN
	TransactionUnknown  // processing code or combination that we do not serve
	RepeatMismatch      // a repeat that differs from what it repeats
	CardUnknown         // the BIN is ours, the number is not
	CardRemoved         // deleted, never to return
	LockedStolen        // lock reason 2
	LockedLost          // lock reason 1
	LockedReplaced      // lock reason 8
	LockedInactive      // lock reason 5: permanently closed, not "waiting for activation"
	LockedFraud         // lock reason 7
	LockedPINTries      // lock reason 6
	LockedConsolidation // lock reason 4
	LockedQuery         // lock reason 3
	CardNotActivated    // ordered or delivered, not yet activated
	CardExpired         // past the last day of its month
	ExpiryMismatch      // the expiry in the message is not the card's
	TrackValueWrong     // the verification value on the track is not the card's
	ChipDataWrong       // chip data that cannot be read, or says other than the message
	CryptogramWrong     // the chip's cryptogram is not the card's
	CryptogramReplayed  // the chip's counter was seen before, or is too far ahead
	CVV2Wrong           // the typed verification value is not the card's
	PINRequired         // a PIN is needed and none came
	PINNotSet           // a PIN came and the card has none
	PINBlockInvalid     // the PIN block cannot be read; no try
	PINTriesExceeded    // the wrong PIN that was the last, or a PIN after it
	PINWrong            // the PIN is not the card's; a try
	HolderRestricted    // the user or the partner may not transact
	BalanceRestricted   // the balance is locked for debits or closed
	CurrencyRefused     // not the balance's currency and no amount in it
	AmountInvalid       // zero where an amount is needed
	ReversedBefore      // its reversal came first
	AmountLimit         // above what the card may spend at once or in a day, week or month
	DepositShort        // the partner's deposit does not cover it
	FundsShort          // the user's balance does not cover it

	DecisionLate   // the decision came after the deadline and was undone
	Inoperative    // could not decide: a store is away or a commit's outcome is unknown
	Malfunction    // our own fault
	reasonSentinel // keep last
)

// ReasonCount is the number of reasons; tables that must have a row for each are sized by it.
const ReasonCount = int(reasonSentinel)

var reasonNames = [...]string{
	"UNDEFINED", "APPROVED", "APPROVED_PART", "NO_REASON_TO_REFUSE", "ADVICE_ACCEPTED", "ADVICE_RECORDED", "REVERSAL_ACCEPTED",
	"NETWORK_ACCEPTED",
	"FORMAT_ERROR", "PEER_SIGNED_OFF", "BIN_UNKNOWN", "TRANSACTION_UNKNOWN", "REPEAT_MISMATCH",
	"CARD_UNKNOWN", "CARD_REMOVED", "LOCKED_STOLEN", "LOCKED_LOST", "LOCKED_REPLACED",
	"LOCKED_INACTIVE", "LOCKED_FRAUD", "LOCKED_PIN_TRIES", "LOCKED_CONSOLIDATION", "LOCKED_QUERY",
	"CARD_NOT_ACTIVATED", "CARD_EXPIRED", "EXPIRY_MISMATCH",
	"TRACK_VALUE_WRONG", "CHIP_DATA_WRONG", "CRYPTOGRAM_WRONG", "CRYPTOGRAM_REPLAYED", "CVV2_WRONG",
	"PIN_REQUIRED", "PIN_NOT_SET", "PIN_BLOCK_INVALID", "PIN_TRIES_EXCEEDED", "PIN_WRONG",
	"HOLDER_RESTRICTED",
	"BALANCE_RESTRICTED", "CURRENCY_REFUSED", "AMOUNT_INVALID", "REVERSED_BEFORE_ORIGINAL",
	"AMOUNT_LIMIT", "PARTNER_DEPOSIT_INSUFFICIENT", "INSUFFICIENT_FUNDS",
	"DECISION_LATE", "INOPERATIVE", "MALFUNCTION",
}

// A reason without a name, or a name without a reason, does not compile.
var (
	_ = [1]struct{}{}[len(reasonNames)-ReasonCount]
)

// String is the stable name used in the journal's explanations, in events and in tools.
func (r Reason) String() string {
	if int(r) >= len(reasonNames) {
		return "REASON_UNDEFINED"
	}
	return reasonNames[r]
}

// Approval reports whether the peer may let the cardholder go ahead.
func (r Reason) Approval() bool { return r.Funded() || r == NoReasonToRefuse }

// Funded reports an approval that moves the money that was asked for, or a part of it.
func (r Reason) Funded() bool { return r == Approved || r == ApprovedPart }

// Short reports a decline for want of funds.
func (r Reason) Short() bool { return r == FundsShort || r == DepositShort }

// Undecided reports that nothing was decided and a repeat may be decided afresh: the peer's stand-in
// may take over. Such an answer is not stored under the duplicate key.
func (r Reason) Undecided() bool { return r == Undefined || r >= DecisionLate }

// LockReason is the number by which the seed's table, the API and the operators call a card's lock.
// Zero is no lock.
type LockReason uint8

// The eight lock reasons of the seed, "Lock" and "Lock outside".
const (
	LockNone LockReason = iota
	LockLost
	LockStolen
	LockQuery
	LockConsolidation
	LockInactive
	LockPINTries
	LockFraud
	LockReplaced
)

var lockReasons = [...]Reason{
	LockNone: Approved, LockLost: LockedLost, LockStolen: LockedStolen, LockQuery: LockedQuery,
	LockConsolidation: LockedConsolidation, LockInactive: LockedInactive,
	LockPINTries: LockedPINTries, LockFraud: LockedFraud, LockReplaced: LockedReplaced,
}

// Valid reports whether l is one of the eight.
func (l LockReason) Valid() bool { return l >= LockLost && l <= LockReplaced }

// Irreversible reports whether no one may ever unlock the card again (seed: 1, 2, 5 and 8).
func (l LockReason) Irreversible() bool {
	return l == LockLost || l == LockStolen || l == LockInactive || l == LockReplaced
}

// Reason is what an authorization on a card with this lock is declined with.
func (l LockReason) Reason() Reason {
	if int(l) >= len(lockReasons) {
		return Malfunction
	}
	return lockReasons[l]
}
