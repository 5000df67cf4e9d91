package record

import (
	"slices"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/authz/pan"
)

// CardKind says what a card is made of.
type CardKind string

// The kinds of cards. A digital first card is a virtual one that may also be printed; it needs no activation.
const (
	CardVirtual      CardKind = "VIRTUAL"
	CardPhysical     CardKind = "PHYSICAL"
	CardDigitalFirst CardKind = "DIGITAL_FIRST"
)

// CardNews is that a card was locked or unlocked by someone other than the API.
type CardNews struct {
	Card Card // as it is, with the lock that it had then
	At   time.Time
}

// LockSource says who locked a card.
type LockSource = authz.LockSource

// The sources of locks.
const (
	LockByUser     = authz.LockByUser
	LockByPartner  = authz.LockByPartner
	LockByOperator = authz.LockByOperator
	LockByOutside  = authz.LockByOutside
	LockByPIN      = authz.LockByPIN
)

// Card is a card as people manage it; it never has the number.
type Card struct {
	ID          authz.CardID
	PublicID    UUID
	Version     int64 // of the row, as decisions are checked against
	Partner     authz.PartnerID
	Program     authz.ProgramID
	User        authz.UserID
	Balance     authz.BalanceID
	BalanceName UUID // of the same balance, as the outside knows it
	Kind        CardKind
	State       authz.CardState
	Lock        authz.LockReason
	LockSource  LockSource // empty: not locked
	Expiry      authz.Month
	Restricted  bool // its user, partner or balance may not spend
	Currency    money.Currency
	BIN, Last4  string
	HolderName  string
	Description string
	Limited     bool         // it has limits
	ReplacedBy  authz.CardID // 0: none
	CreatedAt   time.Time
	ActivatedAt time.Time // zero: never
	RemovedAt   time.Time
	PrintedAt   time.Time // of a digital first card
	OrderedBy   UUID      // the order it came from; zero: none
}

// FullCard is all that the holder of a card may read of it. Nothing of it prints.
type FullCard struct {
	Number pan.Number
	Expiry authz.Month
	CVV2   pan.Secret
}

// Expired reports whether the card's last month is over.
func (c *Card) Expired(at time.Time) bool { return authz.MonthOf(at) > c.Expiry }

// ExpiryDay is the last day of validity, as 2029-01-31.
func ExpiryDay(m authz.Month) string {
	return time.Date(2000+int(m)/12, time.Month(int(m)%12+2), 0, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
}

// Status is the card's state as the API shows it: what keeps it from paying counts most.
func (c *Card) Status(at time.Time) string {
	switch {
	case c.State == authz.CardRemovedState:
		return "REMOVED"
	case c.Lock != authz.LockNone:
		return "LOCKED"
	case c.Expired(at):
		return "EXPIRED"
	}
	return c.State.String()
}

// CardAction is something that may be done to a card.
type CardAction string

// The actions of a card's life.
const (
	ActPersonalize CardAction = "personalize"
	ActDeliver     CardAction = "deliver"
	ActActivate    CardAction = "activate"
	ActLock        CardAction = "lock"
	ActUnlock      CardAction = "unlock"
	ActRemove      CardAction = "remove"
	ActPrint       CardAction = "print"
	ActResetCVV    CardAction = "reset CVV"
	ActSetPIN      CardAction = "set PIN"
	ActReveal      CardAction = "reveal" // number, expiry and CVC2 to their holder
	ActLimit       CardAction = "limit"
)

// cardRule says when an action may be done and where it leads.
type cardRule struct {
	kinds   []CardKind        // nil: all
	from    []authz.CardState // the states that allow it
	to      authz.CardState   // 0: stays
	locked  bool              // allowed although the card is locked
	expired bool              // allowed although the card has expired
}

var (
	anyLife  = []authz.CardState{authz.CardOrdered, authz.CardPersonalized, authz.CardInactive, authz.CardActive}
	inHand   = []authz.CardState{authz.CardInactive, authz.CardActive}
	active   = []authz.CardState{authz.CardActive}
	noNumber = []CardKind{CardVirtual, CardDigitalFirst}  // nothing printed that a new CVC2 would differ from
	plastic  = []CardKind{CardPhysical, CardDigitalFirst} // what a PIN is used with
	ordered  = []CardKind{CardPhysical}                   // what is activated
	printing = []CardKind{CardDigitalFirst}               // what can be printed later
	cardLife = map[CardAction]cardRule{
		ActPersonalize: {kinds: ordered, from: []authz.CardState{authz.CardOrdered}, to: authz.CardPersonalized, locked: true},
		ActDeliver:     {kinds: ordered, from: []authz.CardState{authz.CardPersonalized}, to: authz.CardInactive, locked: true},
		ActActivate:    {kinds: ordered, from: []authz.CardState{authz.CardInactive}, to: authz.CardActive},
		ActLock:        {from: anyLife, locked: true, expired: true},
		ActUnlock:      {from: anyLife, locked: true, expired: true},
		ActRemove:      {from: anyLife, to: authz.CardRemovedState, locked: true, expired: true},
		ActPrint:       {kinds: printing, from: active},
		ActResetCVV:    {kinds: noNumber, from: active},
		ActSetPIN:      {kinds: plastic, from: inHand, locked: true},
		ActReveal:      {from: inHand, locked: true, expired: true},
		ActLimit:       {from: anyLife, locked: true},
	}
)

// Act is whether an action may be done to the card at a moment, and the state that it leads to. Its errors are
// in the order in which they are tested: removed, kind, state, lock, expiry.
func (c *Card) Act(a CardAction, at time.Time) (authz.CardState, error) {
	rule, known := cardLife[a]
	switch {
	case !known:
		return 0, ErrState
	case c.State == authz.CardRemovedState:
		return 0, ErrCardRemoved
	case rule.kinds != nil && !slices.Contains(rule.kinds, c.Kind):
		return 0, ErrCardKind
	case !slices.Contains(rule.from, c.State):
		return 0, ErrState
	case c.Lock.Irreversible() && (!rule.locked || a == ActSetPIN):
		return 0, ErrLockFinal
	case c.Lock != authz.LockNone && !rule.locked:
		return 0, ErrCardLocked
	case c.Expired(at) && !rule.expired:
		return 0, ErrCardExpired
	case rule.to == 0:
		return c.State, nil
	}
	return rule.to, nil
}

// Relock is whether a card's lock may become another by someone, by [authz.Relock]. changed is false when it is that
// lock already.
func (c *Card) Relock(reason authz.LockReason, by LockSource, at time.Time) (changed bool, err error) {
	if _, err := c.Act(ActLock, at); err != nil {
		return false, err
	}
	if !reason.Valid() {
		return false, Invalid("reasonCode", "want 1 to 8")
	}
	switch outcome := authz.Relock(c.Lock, c.LockSource, reason, by); {
	case outcome != authz.LockRefused:
		return outcome.Changes(), nil
	case c.Lock.Irreversible():
		return false, ErrLockFinal
	}
	return false, ErrLockOutside
}

// Unlock is whether a card's lock may be lifted by someone. Where the program says so (outsideOnly), reasons 6 and 7
// from outside or from the PIN are lifted by operators only.
func (c *Card) Unlock(by LockSource, outsideOnly bool, at time.Time) error {
	if _, err := c.Act(ActUnlock, at); err != nil {
		return err
	}
	switch outcome := authz.Relock(c.Lock, c.LockSource, authz.LockNone, by); {
	case outcome == authz.LockAlready:
		return ErrCardNotLocked
	case outcome == authz.LockRefused:
		return ErrLockFinal
	case outsideOnly && (c.Lock == authz.LockPINTries || c.Lock == authz.LockFraud) &&
		(c.LockSource == LockByOutside || c.LockSource == LockByPIN) && by != LockByOperator && by != LockByOutside:
		return ErrLockOutside
	}
	return nil
}
