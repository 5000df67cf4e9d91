package record

import (
	"time"

	"holdfast/authz"
)

// EndpointKind says how events reach a partner.
type EndpointKind string

// The kinds of endpoints. A thin one gets the id and the time of an event and fetches the rest.
const (
	EndpointWebhook EndpointKind = "WEBHOOK"
	EndpointThin    EndpointKind = "THIN"
	EndpointEmail   EndpointKind = "EMAIL"
)

// The kinds of events.
const (
	EventTransaction = "transaction"
	EventCardLocked  = "card.locked"
	EventCardFree    = "card.unlocked"
	EventKYC         = "kyc.decided"
	EventOrder       = "order.state"
	EventLowBalance  = "balance.low"
)

// Endpoint is where a partner wants its events.
type Endpoint struct {
	ID        UUID
	Version   int64
	Partner   authz.PartnerID
	Kind      EndpointKind
	Target    string   // an https address, or an e-mail address
	Kinds     []string // of events; empty: all
	Secret    []byte   // that signs; sealed where it is kept
	Disabled  bool
	CreatedAt time.Time

	OldSecret []byte    // that signs beside the other until OldUntil; sealed where it is kept
	OldUntil  time.Time // zero: there is no old one
}

// SecretOverlapMax is how long a secret may sign beside the one that took its place.
const SecretOverlapMax = 7 * 24 * time.Hour

// Rotate puts another secret in the place of the endpoint's, which still signs beside it for a while; one that did so
// before ends.
func (e *Endpoint) Rotate(secret []byte, overlap time.Duration, at time.Time) error {
	switch {
	case e.Kind == EndpointEmail:
		return Invalid("kind", "has no secret")
	case overlap < 0 || overlap > SecretOverlapMax:
		return Invalid("overlap", "want at most seven days")
	}
	e.OldSecret, e.OldUntil = e.Secret, at.Add(overlap)
	if overlap == 0 {
		e.OldSecret, e.OldUntil = nil, time.Time{}
	}
	e.Secret = secret
	return e.Check()
}

// Secrets are those that sign at a moment, the newest first.
func (e *Endpoint) Secrets(at time.Time) [][]byte {
	if len(e.OldSecret) > 0 && at.Before(e.OldUntil) {
		return [][]byte{e.Secret, e.OldSecret}
	}
	return [][]byte{e.Secret}
}

// Check finds a field that must not be as it is.
func (e *Endpoint) Check() error {
	var c checks
	switch e.Kind {
	case EndpointEmail:
		c.email("target", e.Target, true)
	case EndpointWebhook, EndpointThin:
		c.link("target", e.Target, true)
		if len(e.Secret) < 24 || len(e.Secret) > 64 { // Standard Webhooks 1.0: 192 to 512 bits
			c.fail("secret", "want 24 to 64 bytes")
		}
	default:
		c.fail("kind", "is unknown")
	}
	if len(e.Kinds) > 16 {
		c.fail("kinds", "has too many entries")
	}
	for _, k := range e.Kinds {
		c.text("kinds", k, true, 40)
	}
	return c.err
}

// EventBodyMax bounds the body of an event, in bytes.
const EventBodyMax = 16 << 10

// Event is something that a partner hears of. It is written in the transaction of what happened.
type Event struct {
	ID        UUID
	Partner   authz.PartnerID
	Kind      string
	Subject   string // what it is about, such as the id of a card or a transaction: a key to find events again
	Body      []byte // JSON
	CreatedAt time.Time
}

// DeliveryState is how far an event is on its way to an endpoint.
type DeliveryState string

// The states of a delivery. FAILED is given up; a resend makes it pending again.
const (
	DeliveryPending   DeliveryState = "PENDING"
	DeliveryDelivered DeliveryState = "DELIVERED"
	DeliveryFailed    DeliveryState = "FAILED"
)

// Delivery is an event on its way to an endpoint.
type Delivery struct {
	Event     UUID
	Endpoint  UUID
	Partner   authz.PartnerID
	State     DeliveryState
	Attempts  int64
	NextAt    time.Time
	LeasedTo  time.Time // another node does not take it before
	CreatedAt time.Time
}

// Attempt is one try to deliver.
type Attempt struct {
	Event    UUID
	Endpoint UUID
	Number   int64
	At       time.Time
	Took     time.Duration
	Status   int64  // of HTTP; 0: none came
	Error    string // of ours, without the receiver's text
}

// AttemptsMax is how often a delivery is tried by itself: some three days.
const AttemptsMax = 14

// Backoff is how long to wait after the attempt with a number from 1: five seconds, then about three times as long
// each time, at most eight hours. spread from 0 to 1 keeps what failed together from coming back together.
func Backoff(attempt int64, spread float64) time.Duration {
	wait := 5 * time.Second
	for range attempt - 1 {
		if wait = 3 * wait; wait >= 8*time.Hour {
			wait = 8 * time.Hour
			break
		}
	}
	return wait + time.Duration(spread*0.2*float64(wait))
}
