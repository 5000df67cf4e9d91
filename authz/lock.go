package authz

// lockSeverity orders the reasons for a lock by how much they say against the card: where several apply, the
// gravest is the one that counts (stolen, lost, replaced, inactive, fraud, PIN tries, consolidation, query).
var lockSeverity = [...]uint8{LockNone: 0, LockQuery: 1, LockConsolidation: 2, LockPINTries: 3, LockFraud: 4,
	LockInactive: 5, LockReplaced: 6, LockLost: 7, LockStolen: 8}

// LockOutcome is what became of a request from outside (a network, an acquirer) to change a card's lock.
type LockOutcome uint8

// The outcomes. All but LockChanged and LockStrengthened leave the card as it was.
const (
	LockChanged      LockOutcome = iota + 1 // the card was free and is locked, or was locked and is free
	LockStrengthened                        // a graver reason took the place of a lighter one
	LockAlready                             // the card is in that state
	LockRefused                             // the present lock may not be lifted, or is the graver one
	LockNoCard                              // there is no such card, or it was removed
)

var lockOutcomes = [...]string{"", "CHANGED", "STRENGTHENED", "ALREADY", "REFUSED", "NO_CARD"}

// String is the outcome's stable name.
func (o LockOutcome) String() string {
	if o == 0 || int(o) >= len(lockOutcomes) {
		return "UNDEFINED"
	}
	return lockOutcomes[o]
}

// Changes reports whether the card was changed.
func (o LockOutcome) Changes() bool { return o == LockChanged || o == LockStrengthened }

// LockSource says who locked a card, or who asks to change its lock.
type LockSource string

// The sources of locks. OUTSIDE is a scheme or an acquirer, PIN is the third wrong one in a row.
const (
	LockByUser     LockSource = "USER"
	LockByPartner  LockSource = "PARTNER"
	LockByOperator LockSource = "OPERATOR"
	LockByOutside  LockSource = "OUTSIDE"
	LockByPIN      LockSource = "PIN"
)

func (s LockSource) strong() bool { return s == LockByOperator || s == LockByOutside || s == LockByPIN }

// Relock says what a request makes of a card's lock, which is of someone; wanted LockNone asks to lift it. This is the
// one rule for all who ask:
//
//   - the locks of lost, stolen, inactive and replaced cards are never lifted, nor made into one that is (seed, "Lock
//     outside"); only from outside a graver one of them may take the place of a lighter one;
//   - from outside, a lighter reason never takes the place of a graver one; among themselves, the holder, the partner
//     and operators may change a reversible reason as they like;
//   - a user or a partner does not change the reversible lock of an operator, of outside or of the PIN for another
//     reversible one.
func Relock(present LockReason, of LockSource, wanted LockReason, by LockSource) LockOutcome {
	switch {
	case int(present) >= len(lockSeverity) || int(wanted) >= len(lockSeverity):
		return LockRefused
	case present == wanted:
		return LockAlready
	case present == LockNone:
		return LockChanged
	case present.Irreversible() && (wanted == LockNone || by != LockByOutside):
		return LockRefused
	case wanted == LockNone:
		return LockChanged
	case wanted.Irreversible() && !present.Irreversible():
		return LockStrengthened
	case of.strong() && !by.strong():
		return LockRefused
	case lockSeverity[wanted] > lockSeverity[present]:
		return LockStrengthened
	case by == LockByOutside:
		return LockRefused
	}
	return LockChanged
}
