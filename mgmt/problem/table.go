package problem

import "net/http"

// Code names a refusal for programs. Codes are never renamed or used for something else.
type Code string

// The codes of the door itself.
const (
	Validation        Code = "VALIDATION_ERROR"
	MediaType         Code = "UNSUPPORTED_MEDIA_TYPE"
	BodyTooLarge      Code = "BODY_TOO_LARGE"
	Unauthenticated   Code = "UNAUTHENTICATED"
	Forbidden         Code = "FORBIDDEN"
	NotFound          Code = "NOT_FOUND"
	Method            Code = "METHOD_NOT_ALLOWED"
	RateLimited       Code = "RATE_LIMITED"
	Overloaded        Code = "OVERLOADED"
	Unavailable       Code = "UNAVAILABLE"
	OutcomeUnknown    Code = "OUTCOME_UNKNOWN"
	Internal          Code = "INTERNAL_ERROR"
	KeyInFlight       Code = "IDEMPOTENCY_IN_FLIGHT"
	KeyReused         Code = "IDEMPOTENCY_KEY_REUSED"
	EncryptionNeeded  Code = "ENCRYPTION_REQUIRED"
	PublicKey         Code = "INVALID_PUBLIC_KEY"
	Payload           Code = "INVALID_PAYLOAD"
	CannotDecrypt     Code = "CANT_DECRYPT_PAYLOAD"
	Conflict          Code = "CONFLICT"
	CertificateNeeded Code = "CERTIFICATE_REQUIRED"
)

type row struct {
	status int
	title  string
}

// table is the status and the title of each code: the door's own, then those of the rules of the records.
var table = map[Code]row{
	Validation:        {http.StatusBadRequest, "The request breaks a rule of its form"},
	MediaType:         {http.StatusUnsupportedMediaType, "The content type is not accepted here"},
	BodyTooLarge:      {http.StatusRequestEntityTooLarge, "The body is too large"},
	Unauthenticated:   {http.StatusUnauthorized, "Nobody that we know sent this request"},
	CertificateNeeded: {http.StatusUnauthorized, "The client certificate is missing, expired or revoked"},
	Forbidden:         {http.StatusForbidden, "The caller may not do this"},
	NotFound:          {http.StatusNotFound, "There is no such thing here"},
	Method:            {http.StatusMethodNotAllowed, "The method does not exist here"},
	RateLimited:       {http.StatusTooManyRequests, "Too many requests"},
	Overloaded:        {http.StatusServiceUnavailable, "Too much at once; nothing was done"},
	Unavailable:       {http.StatusServiceUnavailable, "A store is not available; nothing was done"},
	OutcomeUnknown:    {http.StatusServiceUnavailable, "The outcome is unknown; repeat with the same idempotency key"},
	Internal:          {http.StatusInternalServerError, "Something went wrong on our side"},
	KeyInFlight:       {http.StatusConflict, "A request with this idempotency key is being worked on"},
	KeyReused:         {http.StatusUnprocessableEntity, "The idempotency key was used for another request"},
	EncryptionNeeded:  {http.StatusBadRequest, "This call must be encrypted"},
	PublicKey:         {http.StatusBadRequest, "The public key is missing, not acceptable, or not the registered one"},
	Payload:           {http.StatusBadRequest, "The payload is not an acceptable compact JWE"},
	CannotDecrypt:     {http.StatusBadRequest, "The payload cannot be decrypted"},
	Conflict:          {http.StatusConflict, "The state of the thing does not allow this"},

	"VERSION_CONFLICT":       {http.StatusConflict, "It was changed since it was read"},
	"ALREADY_EXISTS":         {http.StatusConflict, "It exists already"},
	"ILLEGAL_STATE":          {http.StatusConflict, "The state of the thing does not allow this"},
	"USER_LOCKED":            {http.StatusConflict, "The user is locked"},
	"USER_REMOVED":           {http.StatusConflict, "The user is removed"},
	"PARTNER_SUSPENDED":      {http.StatusForbidden, "The partner is suspended"},
	"KYC_REQUIRED":           {http.StatusConflict, "The user's KYC is not accepted"},
	"CURRENCY_MISMATCH":      {http.StatusUnprocessableEntity, "The currencies differ"},
	"BIN_MISMATCH":           {http.StatusUnprocessableEntity, "The number is not in the program's range"},
	"FUNDING_MISSING":        {http.StatusConflict, "The partner has no balance that funds this program"},
	"INSUFFICIENT_FUNDS":     {http.StatusConflict, "The balance does not cover the amount"},
	"INSUFFICIENT_CREDIT":    {http.StatusConflict, "The partner's credit balance does not cover the amount"},
	"BALANCE_LOCKED":         {http.StatusConflict, "The balance is locked"},
	"BALANCE_CLOSED":         {http.StatusConflict, "The balance is closed"},
	"BALANCE_NOT_ZERO":       {http.StatusConflict, "The balance is not zero"},
	"CARDS_LEFT":             {http.StatusConflict, "Cards are still on it"},
	"EXTERNAL_ID_REUSED":     {http.StatusConflict, "The external id was used for something else"},
	"CARD_LOCKED":            {http.StatusConflict, "The card is locked"},
	"CARD_NOT_LOCKED":        {http.StatusConflict, "The card is not locked"},
	"CARD_LOCK_IRREVERSIBLE": {http.StatusConflict, "This lock is for ever"},
	"CARD_LOCK_OUTSIDE":      {http.StatusConflict, "Only an operator may change this lock"},
	"CARD_REMOVED":           {http.StatusConflict, "The card is removed"},
	"CARD_EXPIRED":           {http.StatusConflict, "The card has expired"},
	"CARD_KIND":              {http.StatusConflict, "A card of this kind does not have that"},
	"NOT_ALLOWED":            {http.StatusConflict, "The program does not allow this"},
	"SECOND_PERSON_REQUIRED": {http.StatusConflict, "Another person must confirm this"},
	"EXPIRED":                {http.StatusConflict, "Its time is over"},
	"ALREADY_USED":           {http.StatusConflict, "It was used before"},
	"LIMIT_REACHED":          {http.StatusConflict, "There are as many as there may be"},
	"DOCUMENT_REFUSED":       {http.StatusUnprocessableEntity, "The document is too large or of a kind that is not taken"},
	"LIMIT_INVALID":          {http.StatusUnprocessableEntity, "A limit of a longer time is lower than one of a shorter"},
}

// Known tells whether the table has the code, and its status.
func Known(c Code) (status int, ok bool) {
	r, ok := table[c]
	return r.status, ok
}
