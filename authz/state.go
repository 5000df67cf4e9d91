package authz

// State is where an authorization row is in its life.
type State uint8

// The states of an authorization row. They are stored by number: a new one goes to the end.
const (
	StateDeclined   State = iota + 1 // no money moved
	StateRecorded                    // a reversal, an inquiry, an advice that binds nobody: moved nothing by itself
	StateAuthorized                  // a hold is open
	StateCaptured                    // posted
	StateReversed                    // undone
	StateCleared                     // its hold ended with what was posted for it
	StateExpired                     // its hold ended with its time
	StateReplaced                    // an advice, or a new total, counts in its place
	StatePromised                    // a credit is expected, and no money has moved
)

var stateNames = [...]string{"", "DECLINED", "RECORDED", "AUTHORIZED", "CAPTURED", "REVERSED", "CLEARED", "EXPIRED",
	"REPLACED", "PROMISED"}

// String is the state's stable name.
func (s State) String() string {
	if s == 0 || int(s) >= len(stateNames) {
		return "UNDEFINED"
	}
	return stateNames[s]
}

// Open reports whether the row waits for a clearing, a reversal or its expiry.
func (s State) Open() bool { return s == StateAuthorized || s == StatePromised }

// Case is why people must look at a life: what the rules post or leave without being able to ask.
type Case uint8

// The cases of the queue of exceptions.
const (
	CaseNone           Case = iota
	ForcePost               // cleared without an authorization
	LateClearing            // cleared after the hold had expired
	ClearedAndReversed      // reversed, and cleared all the same
	OverTolerance           // cleared for more than authorized and tolerated
	CurrencyDiffers         // cleared or reversed in another currency than authorized
	Ambiguous               // several transactions fit: nothing was changed but what the message itself posts
	FinalAboveOriginal      // a partial reversal leaves more than there was
	BelowZero               // what may not be refused took more than there was
	CannotApply             // no card, no amount in its currency, or no money that it could move
	caseCount
)

var caseNames = [...]string{"", "FORCE_POST", "LATE_CLEARING", "CLEARED_AND_REVERSED", "OVER_TOLERANCE", "CURRENCY_DIFFERS",
	"AMBIGUOUS", "FINAL_ABOVE_ORIGINAL", "BELOW_ZERO", "CANNOT_APPLY"}

// String is the case's stable name.
func (c Case) String() string {
	if c == CaseNone || c >= caseCount {
		return "UNDEFINED"
	}
	return caseNames[c]
}
