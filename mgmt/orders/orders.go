// Package orders is the room of cards of plastic that are made elsewhere: ordering a physical card or the copy of a
// virtual one, reading how far an order is, and the worker that asks the processor and follows it.
package orders

import (
	"context"
	"strconv"
	"strings"
	"time"

	"holdfast/authz"
	"holdfast/authz/pan"
	"holdfast/authz/record"
	"holdfast/mgmt"
	"holdfast/mgmt/problem"
)

// Tx is what the room needs of a transaction. *records.Tx is one.
type Tx interface {
	mgmt.Tx
	User(ctx context.Context, partner authz.PartnerID, id authz.UserID) (record.User, error)
	Balance(ctx context.Context, partner authz.PartnerID, id record.UUID) (record.Balance, error)
	ProgramFor(ctx context.Context, partner authz.PartnerID, b *record.Balance) (record.Program, error)
	Card(ctx context.Context, partner authz.PartnerID, id authz.CardID) (record.Card, error)
	NewNumber(ctx context.Context, program authz.ProgramID) (pan.Number, error)
	IssueCard(ctx context.Context, c *record.Card, number pan.Number) error
	InsertOrder(ctx context.Context, partner authz.PartnerID, o *record.Order) error
	Order(ctx context.Context, partner authz.PartnerID, id record.UUID) (record.Order, error)
	DueOrders(ctx context.Context, n int, at time.Time) ([]record.Order, error)
	StepOrder(ctx context.Context, o *record.Order, s record.Step, at time.Time) error
	Emit(ctx context.Context, e *record.Event) error
}

// Order is an order as it is shown, without the address.
type Order struct {
	ID         record.UUID  `json:"orderId"`
	User       authz.UserID `json:"customerId"`
	Kind       string       `json:"kind" rule:"enum=PHYSICAL|PRINT"`
	State      string       `json:"status" rule:"enum=REQUESTED|ACCEPTED|PERSONALIZING|REPORTED|LINKED|STORED|DELIVERED|ACTIVATED|REJECTED"`
	Card       authz.CardID `json:"cardId,omitempty"`
	HolderName string       `json:"holderName,omitempty"`
	Reference  string       `json:"reference,omitempty"`
	Tracking   string       `json:"trackingNo,omitempty"`
	Reason     string       `json:"reason,omitempty"`
	CreatedAt  time.Time    `json:"createdAt"`
	UpdatedAt  time.Time    `json:"updatedAt"`
}

// show leaves the card out until it is visible to its user: from the report on.
func show(o *record.Order) Order {
	s := Order{ID: o.ID, User: o.User, Kind: string(o.Kind), State: string(o.State), Card: o.Card, HolderName: o.HolderName,
		Reference: o.Reference, Tracking: o.Tracking, Reason: o.Reason, CreatedAt: o.CreatedAt, UpdatedAt: o.UpdatedAt}
	if o.State == record.OrderPersonalizing {
		s.Card = 0
	}
	return s
}

// Address is where the card is posted to.
type Address struct {
	Street   string `json:"street" rule:"min=1 max=120"`
	City     string `json:"city" rule:"min=1 max=80"`
	PostCode string `json:"postCode" rule:"min=1 max=16"`
	Country  string `json:"country" rule:"format=country"`
}

// wanted is a physical card that is ordered. Without a program it is the partner's oldest in the balance's currency,
// without an address it goes to the user's, and without a name it bears the user's.
type wanted struct {
	Balance    record.UUID `json:"balanceId"`
	Program    int64       `json:"programId,omitempty" rule:"min=1"`
	HolderName string      `json:"holderName,omitempty" rule:"max=26"`
	Address    *Address    `json:"deliveryAddress"`
}

// copied is the copy of a digital first card.
type copied struct {
	Address *Address `json:"deliveryAddress"`
}

// nameMax is what fits on a card's line.
const nameMax = 26

func embossed(name string) string {
	name = strings.ToUpper(name)
	for len(name) > 0 && len([]rune(name)) > nameMax {
		name = strings.TrimSpace(string([]rune(name)[:nameMax]))
	}
	return name
}

func addressOf(u *record.User, a *Address) record.Address {
	if a == nil {
		return u.Address
	}
	return record.Address{Street: a.Street, City: a.City, PostCode: a.PostCode, Country: a.Country}
}

// order places an order for a physical card.
func order(ctx context.Context, c *mgmt.Call, in *orderIn) (Order, error) {
	tx, user, w := mgmt.In[Tx](c), in.User(c), &in.Body
	c.Object("user " + number(user))
	u, err := tx.User(ctx, c.Partner, user)
	if err != nil {
		return Order{}, err
	}
	b, err := tx.Balance(ctx, u.Partner, w.Balance)
	if err != nil || b.User != user {
		return Order{}, problem.Body("/balanceId", "must be a balance of the user")
	}
	o := record.Order{Kind: record.OrderPhysical, Balance: b.ID, Program: authz.ProgramID(w.Program), HolderName: w.HolderName,
		Address: addressOf(&u, w.Address), CreatedAt: c.At}
	if o.HolderName == "" {
		o.HolderName = embossed(u.Name())
	}
	if o.Program == 0 {
		p, err := tx.ProgramFor(ctx, u.Partner, &b)
		if err != nil {
			return Order{}, err
		}
		o.Program = p.ID
	}
	return place(ctx, c, tx, u.Partner, &o)
}

// print orders the copy of a digital first card.
func print(ctx context.Context, c *mgmt.Call, in *printIn) (Order, error) {
	tx, user := mgmt.In[Tx](c), in.User(c)
	c.Object("card " + number(in.Card))
	card, err := tx.Card(ctx, c.Partner, in.Card)
	if err == nil && user != 0 && card.User != user {
		err = authz.ErrNotFound
	}
	if err != nil {
		return Order{}, err
	}
	u, err := tx.User(ctx, card.Partner, card.User)
	if err != nil {
		return Order{}, err
	}
	return place(ctx, c, tx, card.Partner, &record.Order{Kind: record.OrderPrint, Card: in.Card, Address: addressOf(&u, in.Body.Address),
		CreatedAt: c.At})
}

func place(ctx context.Context, c *mgmt.Call, tx Tx, partner authz.PartnerID, o *record.Order) (Order, error) {
	if err := tx.InsertOrder(ctx, partner, o); err != nil {
		return Order{}, err
	}
	c.Object("order " + o.ID.String())
	return show(o), Tell(ctx, tx, o, c.At)
}

func read(ctx context.Context, c *mgmt.Call, in *readIn) (Order, error) {
	o, err := mgmt.In[Tx](c).Order(ctx, c.Partner, in.ID)
	if user := in.User(c); err == nil && user != 0 && o.User != user {
		err = authz.ErrNotFound
	}
	return show(&o), err
}

func number[N ~int64](n N) string { return strconv.FormatInt(int64(n), 10) }
