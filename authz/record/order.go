package record

import (
	"context"
	"slices"
	"time"

	"holdfast/authz"
)

// OrderKind says what is ordered.
type OrderKind string

// The kinds of orders: a card of plastic with a number of its own, or the copy of a virtual one.
const (
	OrderPhysical OrderKind = "PHYSICAL"
	OrderPrint    OrderKind = "PRINT"
)

// OrderState is how far an order is; the numbers in the comments are the steps of the seed's diagram.
type OrderState string

// The states of an order.
const (
	OrderRequested     OrderState = "REQUESTED"     // 2, 3: handed to the processor
	OrderAccepted      OrderState = "ACCEPTED"      // 4, 5: its status came back
	OrderPersonalizing OrderState = "PERSONALIZING" // 6, 7: the number is made, the card is ordered
	OrderReported      OrderState = "REPORTED"      // 8 to 10: the personalisation is reported
	OrderLinked        OrderState = "LINKED"        // 11 to 13: bound to user and balance
	OrderStored        OrderState = "STORED"        // 14 to 16: visible to the user
	OrderDelivered     OrderState = "DELIVERED"     // 17
	OrderActivated     OrderState = "ACTIVATED"     // 18 to 24
	OrderRejected      OrderState = "REJECTED"      // the processor will not make it
)

var orderLife = []OrderState{OrderRequested, OrderAccepted, OrderPersonalizing, OrderReported, OrderLinked, OrderStored,
	OrderDelivered, OrderActivated}

// Order is an order of plastic.
type Order struct {
	ID         UUID
	Version    int64
	Partner    authz.PartnerID
	User       authz.UserID
	Balance    authz.BalanceID
	Program    authz.ProgramID
	Card       authz.CardID // 0 until the number is made
	Kind       OrderKind
	State      OrderState
	HolderName string // embossed
	Address    Address
	Reference  string // the processor's
	Tracking   string // the courier's
	Reason     string // why it was rejected
	DueAt      time.Time
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// Check finds a field that must not be as it is.
func (o *Order) Check() error {
	var c checks
	c.text("holderName", o.HolderName, o.Kind == OrderPhysical, 26) // what a card's line and track 1 take
	if o.Kind != OrderPhysical && o.Kind != OrderPrint {
		c.fail("kind", "is unknown")
	}
	c.text("reference", o.Reference, false, 64)
	c.text("tracking", o.Tracking, false, 64)
	c.text("reason", o.Reason, false, 140)
	o.Address.check(&c, true)
	return c.err
}

// Open reports whether the processor still has something to do.
func (s OrderState) Open() bool {
	i := slices.Index(orderLife, s)
	return i >= 0 && s != OrderActivated && s != OrderDelivered
}

// To is whether an order may go from this state to another: one step forward, or to REJECTED while nothing has been
// made. A copy of a virtual card is never activated.
func (s OrderState) To(next OrderState, kind OrderKind) error {
	at, to := slices.Index(orderLife, s), slices.Index(orderLife, next)
	switch {
	case at < 0:
		return ErrState
	case next == OrderRejected && s != OrderRequested && s != OrderAccepted && s != OrderPersonalizing:
		return ErrState
	case next == OrderRejected:
		return nil
	case to != at+1, kind == OrderPrint && next == OrderActivated:
		return ErrState
	}
	return nil
}

// CardState is the state of the ordered card while its order is in this one; 0 while there is no card.
func (s OrderState) CardState() authz.CardState {
	switch s {
	case OrderPersonalizing:
		return authz.CardOrdered
	case OrderReported, OrderLinked:
		return authz.CardPersonalized
	case OrderStored, OrderDelivered:
		return authz.CardInactive
	case OrderActivated:
		return authz.CardActive
	}
	return 0
}

// Step is what a processor did with an order.
type Step struct {
	To        OrderState // the order's own state: nothing happened yet
	Reference string     // empty: as it was
	Tracking  string
	Reason    string    // of a rejection
	Again     time.Time // when to ask again
}

// Processor makes plastic. Advance takes an order one step on, or says when to ask again. It may be called more than
// once for the same step, also by several nodes: the order's id makes it one order. An error means "ask again later".
type Processor interface {
	Advance(ctx context.Context, o Order, at time.Time) (Step, error)
}

// BuiltIn is the processor that makes nothing and takes its time: it reports a card as personalised After its order
// and as delivered Delivery after that.
type BuiltIn struct{ After, Delivery time.Duration }

// PersonalizeUsual is how long the seed says that personalisation takes.
const PersonalizeUsual = 48 * time.Hour

// Advance implements [Processor].
func (b BuiltIn) Advance(_ context.Context, o Order, at time.Time) (Step, error) {
	i := slices.Index(orderLife, o.State)
	if !o.State.Open() || i < 0 {
		return Step{To: o.State}, nil
	}
	step := Step{To: orderLife[i+1], Again: at}
	switch o.State {
	case OrderRequested:
		step.Reference = "B-" + o.ID.String()
	case OrderPersonalizing:
		if due := o.CreatedAt.Add(b.After); at.Before(due) {
			return Step{To: o.State, Again: due}, nil
		}
	case OrderStored:
		if due := o.CreatedAt.Add(b.After + b.Delivery); at.Before(due) {
			return Step{To: o.State, Again: due}, nil
		}
	}
	return step, nil
}
