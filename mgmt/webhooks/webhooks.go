// Package webhooks is the room of what partners hear from us without asking: where they want to hear it, the events, every
// attempt to deliver one, and the workers that follow the journal and deliver.
//
// # The way of an event
//
// What the API does writes its event in its own transaction. What the switch decides does not: its path has no time for
// it. [Worker.Follow] reads the journal behind it and writes the events of the partners that want them, each row once.
// [Worker.Deliver] takes events that are due, sends them signed after Standard Webhooks 1.0, and notes each attempt;
// it tries again for days, with growing pauses. The same event always comes with the same id and idempotency key. While a secret is
// changed, the old one signs beside the new one.
//
// A receiver is an address that a partner chose, so nothing that it says is kept, no redirect is followed, and
// addresses of our own networks are refused unless the configuration allows them.
package webhooks

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/mgmt"
)

// Tx is what the room needs of a transaction. *records.Tx is one.
type Tx interface {
	mgmt.Tx
	InsertEndpoint(ctx context.Context, e *record.Endpoint) error
	Endpoint(ctx context.Context, partner authz.PartnerID, id record.UUID) (record.Endpoint, error)
	Endpoints(ctx context.Context, partner authz.PartnerID, page record.Page) (record.List[record.Endpoint], error)
	UpdateEndpoint(ctx context.Context, e *record.Endpoint) error

	Emit(ctx context.Context, e *record.Event) error
	Event(ctx context.Context, partner authz.PartnerID, id record.UUID) (record.Event, error)
	Events(ctx context.Context, f record.EventFilter, page record.Page) (record.List[record.Event], error)
	Deliveries(ctx context.Context, partner authz.PartnerID, event record.UUID) ([]record.Delivery, error)
	Attempts(ctx context.Context, event, endpoint record.UUID) ([]record.Attempt, error)
	Resend(ctx context.Context, partner authz.PartnerID, event, endpoint record.UUID, at time.Time) error
	ReplayMissing(ctx context.Context, partner authz.PartnerID, endpoint record.UUID, since, at time.Time) (int64, error)
	ClaimDeliveries(ctx context.Context, n int, at time.Time, lease time.Duration) ([]record.Claimed, error)
	EndDelivery(ctx context.Context, c *record.Delivery, a record.Attempt, delivered bool, spread float64) error

	Transaction(ctx context.Context, partner authz.PartnerID, id record.UUID) (record.Transaction, error)
	FollowNew(ctx context.Context, n int, at time.Time) ([]record.Transaction, error)
	FollowLate(ctx context.Context, n int, at time.Time) ([]record.Transaction, error)
}

// Endpoint is where a partner wants its events. The secret is shown once, when it is made.
type Endpoint struct {
	ID        record.UUID `json:"id"`
	Kind      string      `json:"kind" rule:"enum=WEBHOOK|THIN|EMAIL"`
	Target    string      `json:"target"`
	Events    []string    `json:"events"`
	Disabled  bool        `json:"disabled"`
	CreatedAt time.Time   `json:"createdAt"`
	OldUntil  *time.Time  `json:"oldSecretUntil,omitempty"` // both secrets sign before it
}

// NewEndpoint is an endpoint with its secret, in the form of Standard Webhooks.
type NewEndpoint struct {
	Endpoint
	Secret secret `json:"secret,omitempty"`
}

func show(e *record.Endpoint) Endpoint {
	s := Endpoint{ID: e.ID, Kind: string(e.Kind), Target: e.Target, Events: append([]string{}, e.Kinds...), Disabled: e.Disabled,
		CreatedAt: e.CreatedAt}
	if !e.OldUntil.IsZero() {
		s.OldUntil = &e.OldUntil
	}
	return s
}

// endpointIn asks for an endpoint. Without events it gets all; a thin one gets transactions only.
type endpointIn struct{ Body wanted }

type wanted struct {
	Kind   string   `json:"kind" rule:"enum=WEBHOOK|THIN|EMAIL"`
	Target string   `json:"target" rule:"min=1 max=500"`
	Events []string `json:"events,omitempty" rule:"max=16 enum=transaction|card.locked|card.unlocked|kyc.decided|order.state|balance.low"`
}

const secretBytes = 32

func newSecret() []byte {
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b) // never fails: it ends the program instead
	return b
}

// reveal shows an endpoint with its secret, which is done once.
func reveal(e *record.Endpoint) NewEndpoint {
	made := NewEndpoint{Endpoint: show(e)}
	if e.Secret != nil {
		made.Secret = secret(secretPrefix + base64.StdEncoding.EncodeToString(e.Secret))
	}
	return made
}

func create(ctx context.Context, c *mgmt.Call, in *endpointIn) (NewEndpoint, error) {
	e := record.Endpoint{Partner: c.Partner, Kind: record.EndpointKind(in.Body.Kind), Target: in.Body.Target, Kinds: in.Body.Events,
		CreatedAt: c.At}
	if e.Kind == record.EndpointThin {
		e.Kinds = []string{record.EventTransaction}
	}
	if e.Kind != record.EndpointEmail {
		e.Secret = newSecret()
	}
	if err := mgmt.In[Tx](c).InsertEndpoint(ctx, &e); err != nil {
		return NewEndpoint{}, err
	}
	c.Object("endpoint " + e.ID.String())
	return reveal(&e), nil
}

// rotateIn asks for another secret. The old one signs beside it for a day unless it is said otherwise.
type rotateIn struct {
	ID   record.UUID `path:"id"`
	Body struct {
		Overlap *int64 `json:"overlapHours" rule:"min=0 max=168"`
	}
}

const overlapUsual = 24 * time.Hour

func rotate(ctx context.Context, c *mgmt.Call, in *rotateIn) (NewEndpoint, error) {
	tx := mgmt.In[Tx](c)
	c.Object("endpoint " + in.ID.String())
	e, err := tx.Endpoint(ctx, c.Partner, in.ID)
	overlap := overlapUsual
	if in.Body.Overlap != nil {
		overlap = time.Duration(*in.Body.Overlap) * time.Hour
	}
	if err == nil {
		err = e.Rotate(newSecret(), overlap, c.At)
	}
	if err == nil {
		err = tx.UpdateEndpoint(ctx, &e)
	}
	if err != nil {
		return NewEndpoint{}, err
	}
	return reveal(&e), nil
}

func list(ctx context.Context, c *mgmt.Call, in *mgmt.Page) (mgmt.List[Endpoint], error) {
	all, err := mgmt.In[Tx](c).Endpoints(ctx, c.Partner, in.Ask())
	return mgmt.Show(all, show), err
}

type changeIn struct {
	ID   record.UUID `path:"id"`
	Body struct {
		Target   *string `json:"target" rule:"min=1 max=500"`
		Disabled *bool   `json:"disabled"`
	}
}

func change(ctx context.Context, c *mgmt.Call, in *changeIn) (Endpoint, error) {
	tx := mgmt.In[Tx](c)
	c.Object("endpoint " + in.ID.String())
	e, err := tx.Endpoint(ctx, c.Partner, in.ID)
	if err != nil {
		return Endpoint{}, err
	}
	if in.Body.Target != nil {
		e.Target = *in.Body.Target
	}
	if in.Body.Disabled != nil {
		e.Disabled = *in.Body.Disabled
	}
	err = tx.UpdateEndpoint(ctx, &e)
	return show(&e), err
}

type replayIn struct {
	ID   record.UUID `path:"id"`
	Body struct {
		Since time.Time `json:"since"`
	}
}

// Replayed tells how many deliveries are on their way. Of what never went to the endpoint these are 1000 at most: who asks
// until the count is 0 has all.
type Replayed struct {
	Count int64 `json:"count"`
}

func replay(ctx context.Context, c *mgmt.Call, in *replayIn) (Replayed, error) {
	tx := mgmt.In[Tx](c)
	c.Object("endpoint " + in.ID.String())
	if _, err := tx.Endpoint(ctx, c.Partner, in.ID); err != nil {
		return Replayed{}, err
	}
	n, err := tx.ReplayMissing(ctx, c.Partner, in.ID, in.Body.Since, c.At)
	return Replayed{n}, err
}

// Event is something that the partner hears of.
type Event struct {
	ID        record.UUID `json:"id"`
	Kind      string      `json:"event"`
	Subject   string      `json:"subject"`
	CreatedAt time.Time   `json:"createdAt"`
}

func showEvent(e *record.Event) Event { return Event{e.ID, e.Kind, e.Subject, e.CreatedAt} }

type eventsIn struct {
	mgmt.Page
	Kind    string `query:"event" rule:"enum=transaction|card.locked|card.unlocked|kyc.decided|order.state|balance.low"`
	Subject string `query:"subject" rule:"max=100"` // such as "card 5001"
}

func listEvents(ctx context.Context, c *mgmt.Call, in *eventsIn) (mgmt.List[Event], error) {
	all, err := mgmt.In[Tx](c).Events(ctx, record.EventFilter{Partner: c.Partner, Kind: in.Kind, Subject: in.Subject}, in.Ask())
	return mgmt.Show(all, showEvent), err
}

// Delivery is an event on its way to an endpoint, with the tries so far, the newest first.
type Delivery struct {
	Endpoint record.UUID `json:"endpointId"`
	State    string      `json:"state" rule:"enum=PENDING|DELIVERED|FAILED"`
	NextAt   *time.Time  `json:"nextAt,omitempty"`
	Attempts []Attempt   `json:"attempts"`
}

// Attempt is one try.
type Attempt struct {
	Number int64     `json:"number"`
	At     time.Time `json:"at"`
	Millis int64     `json:"milliseconds"`
	Status int64     `json:"status"`
	Error  string    `json:"error,omitempty"`
}

// EventDetail is an event with its body, as text, and where it went.
type EventDetail struct {
	Event
	Body       string     `json:"body"`
	Deliveries []Delivery `json:"deliveries"`
}

type eventIn struct {
	ID record.UUID `path:"id"`
}

func readEvent(ctx context.Context, c *mgmt.Call, in *eventIn) (EventDetail, error) {
	tx := mgmt.In[Tx](c)
	e, err := tx.Event(ctx, c.Partner, in.ID)
	if err != nil {
		return EventDetail{}, err
	}
	d := EventDetail{Event: showEvent(&e), Body: string(e.Body), Deliveries: []Delivery{}}
	all, err := tx.Deliveries(ctx, c.Partner, e.ID)
	for i := range all {
		one := Delivery{Endpoint: all[i].Endpoint, State: string(all[i].State), Attempts: []Attempt{}}
		if !all[i].NextAt.IsZero() {
			one.NextAt = &all[i].NextAt
		}
		tries, err := tx.Attempts(ctx, e.ID, all[i].Endpoint)
		if err != nil {
			return EventDetail{}, err
		}
		for _, a := range tries {
			one.Attempts = append(one.Attempts, Attempt{a.Number, a.At, a.Took.Milliseconds(), a.Status, a.Error})
		}
		d.Deliveries = append(d.Deliveries, one)
	}
	return d, err
}

type resendIn struct {
	ID   record.UUID `path:"id"`
	Body struct {
		Endpoint record.UUID `json:"endpointId"`
	}
}

func resend(ctx context.Context, c *mgmt.Call, in *resendIn) (mgmt.None, error) {
	c.Object("event " + in.ID.String())
	return mgmt.None{}, mgmt.In[Tx](c).Resend(ctx, c.Partner, in.ID, in.Body.Endpoint, c.At)
}
