package record

import (
	"errors"

	"holdfast/authz"
)

// Error is a rule that a caller broke. Its code is stable and its text is safe to show: neither has a value
// that the caller sent.
type Error struct {
	Code string // such as KYC_REQUIRED
	Text string
}

// Error is the text.
func (e *Error) Error() string { return e.Text }

// The rules that can be broken. Compare with errors.Is.
var (
	ErrValidation    = &Error{"VALIDATION_ERROR", "a field is absent or has a value that it must not have"}
	ErrCursor        = &Error{"VALIDATION_ERROR", "the cursor is not one that a list gave out"}
	ErrExists        = &Error{"ALREADY_EXISTS", "it exists already"}
	ErrVersion       = &Error{"VERSION_CONFLICT", "it was changed since it was read"}
	ErrState         = &Error{"ILLEGAL_STATE", "its state does not allow that"}
	ErrUserLocked    = &Error{"USER_LOCKED", "the user is locked"}
	ErrUserRemoved   = &Error{"USER_REMOVED", "the user is removed"}
	ErrPartner       = &Error{"PARTNER_SUSPENDED", "the partner is suspended"}
	ErrKYC           = &Error{"KYC_REQUIRED", "the user's KYC is not accepted"}
	ErrCurrency      = &Error{"CURRENCY_MISMATCH", "the currency differs from the program's"}
	ErrBIN           = &Error{"BIN_MISMATCH", "the number is not in the program's BIN range"}
	ErrFunding       = &Error{"FUNDING_MISSING", "the partner has no balance that funds this program"}
	ErrFunds         = &Error{"INSUFFICIENT_FUNDS", "the balance does not cover it"}
	ErrCreditFunds   = &Error{"INSUFFICIENT_CREDIT", "the partner's credit balance does not cover it"}
	ErrBalanceLocked = &Error{"BALANCE_LOCKED", "the balance is locked for debits"}
	ErrBalanceClosed = &Error{"BALANCE_CLOSED", "the balance is closed"}
	ErrNotZero       = &Error{"BALANCE_NOT_ZERO", "only a balance of zero without holds can be closed"}
	ErrCardsLeft     = &Error{"CARDS_LEFT", "cards are still on it"}
	ErrExternalID    = &Error{"EXTERNAL_ID_REUSED", "the external id was used for another movement"}
	ErrCardLocked    = &Error{"CARD_LOCKED", "the card is locked"}
	ErrCardNotLocked = &Error{"CARD_NOT_LOCKED", "the card is not locked"}
	ErrLockFinal     = &Error{"CARD_LOCK_IRREVERSIBLE", "the card is locked for ever"}
	ErrLockOutside   = &Error{"CARD_LOCK_OUTSIDE", "only an operator may lift or change this lock"}
	ErrCardRemoved   = &Error{"CARD_REMOVED", "the card is removed"}
	ErrCardExpired   = &Error{"CARD_EXPIRED", "the card has expired"}
	ErrCardKind      = &Error{"CARD_KIND", "a card of this kind does not have that"}
	ErrNotAllowed    = &Error{"NOT_ALLOWED", "the program does not allow that"}
	ErrSecondPerson  = &Error{"SECOND_PERSON_REQUIRED", "another person has to confirm it"}
	ErrExpired       = &Error{"EXPIRED", "its time is over"}
	ErrUsed          = &Error{"ALREADY_USED", "it was used before"}
	ErrTooMany       = &Error{"LIMIT_REACHED", "there are as many as there may be"}
	ErrDocument      = &Error{"DOCUMENT_REFUSED", "the document is too large or not of a kind that is taken"}
	ErrKeyReused     = &Error{"IDEMPOTENCY_KEY_REUSED", "the idempotency key was used for another request"}
	ErrKeyInFlight   = &Error{"IDEMPOTENCY_IN_FLIGHT", "the first request with this idempotency key is still being worked on"}
	ErrLimit         = &Error{"LIMIT_INVALID", "a limit of a longer time is lower than one of a shorter"}
)

// Invalid is an [ErrValidation] that names the field. The name is ours, never the caller's text.
func Invalid(field, want string) error { return &fieldError{field, want} }

type fieldError struct{ field, want string }

func (e *fieldError) Error() string { return e.field + ": " + e.want }
func (e *fieldError) Unwrap() error { return ErrValidation }

// Field is the name of the field at fault, empty when the error names none.
func Field(err error) string {
	if e, ok := errors.AsType[*fieldError](err); ok {
		return e.field
	}
	return ""
}

// Code is the stable code of the rule that an error reports: NOT_FOUND for [authz.ErrNotFound], and empty
// for what is no broken rule, such as a store that is away.
func Code(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	if errors.Is(err, authz.ErrNotFound) {
		return "NOT_FOUND"
	}
	return ""
}
