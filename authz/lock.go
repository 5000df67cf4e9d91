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

// Relock says what a request from outside makes of a card's lock; wanted LockNone asks to lift it. The locks of
// lost, stolen, inactive and replaced cards are never lifted (seed, "Lock outside"), and a lighter reason never
// takes the place of a graver one: it would make a lock that stays into one that can be lifted.
func Relock(present, wanted LockReason) LockOutcome {
	switch {
	case int(present) >= len(lockSeverity) || int(wanted) >= len(lockSeverity):
		return LockRefused
	case present == wanted:
		return LockAlready
	case wanted == LockNone && present.Irreversible():
		return LockRefused
	case wanted == LockNone || present == LockNone:
		return LockChanged
	case lockSeverity[wanted] > lockSeverity[present]:
		return LockStrengthened
	}
	return LockRefused
}
