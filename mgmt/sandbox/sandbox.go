// Package sandbox is the room in which developers play the network and move the time. It is served in sandbox mode only.
//
// A message that is played here takes the way of one that came over a wire: encoded, decoded, decided, committed. It
// counts in the books like any other; what a test does not want to keep it reverses.
package sandbox

import (
	"context"
	"net/http"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/authz/record"
	"holdfast/mgmt"
	"holdfast/mgmt/problem"
)

// Tx is what the room needs of a transaction. *records.Tx is one.
type Tx interface {
	mgmt.Tx
	Card(ctx context.Context, partner authz.PartnerID, id authz.CardID) (record.Card, error)
	PresentCard(ctx context.Context, id authz.CardID) (record.FullCard, error)
	Transaction(ctx context.Context, partner authz.PartnerID, id record.UUID) (record.Transaction, error)
	Explain(ctx context.Context, id record.UUID) (record.Explanation, error)
	Order(ctx context.Context, partner authz.PartnerID, id record.UUID) (record.Order, error)
	AdvanceClock(ctx context.Context, by time.Duration) (time.Duration, error)
}

// Message is what a network is to send.
type Message struct {
	MTI      string // of 1987: 0100, 0120, 0200, 0220 or 0400
	Card     record.FullCard
	Class    authz.Transaction
	Amount   money.Amount
	Stays    *money.Amount // of a reversal of a part
	Merchant string
	MCC      string
	Entry    string              // DE 22
	Original *record.Explanation // of what follows another message; a refund does not, it only looks like one
	At       time.Time
}

// Answer is what came back.
type Answer struct {
	ID       authz.ID // the row in the journal; 0: none
	Code     string   // DE 39
	Approval string   // DE 38
}

// Network sends messages to the switch. The error says that no answer came.
type Network interface {
	Send(ctx context.Context, m *Message) (Answer, error)
}

// Room plays. Moved is called when the clock has been moved; Finish makes and delivers what was ordered.
type Room struct {
	Network Network
	Moved   func(ahead time.Duration)
	Finish  func(ctx context.Context, o record.Order, at time.Time) error
}

// Played is the outcome of a message.
type Played struct {
	Transaction string `json:"transactionId,omitempty" rule:"format=uuid"`
	Approved    bool   `json:"approved"`
	Code        string `json:"responseCode"`
	Approval    string `json:"approvalCode,omitempty"`
}

// payIn asks for an authorization. The currency is the card's unless it is said.
type payIn struct {
	Body struct {
		Card     authz.CardID `json:"cardId" rule:"min=1"`
		Amount   int64        `json:"amount" rule:"min=0 max=999999999999"`
		Currency string       `json:"currency,omitempty" rule:"format=currency"`
		Type     string       `json:"type,omitempty" rule:"enum=PURCHASE|CASH|REFUND"`
		Advice   bool         `json:"advice,omitempty"`
		Merchant string       `json:"merchantIdentifier,omitempty" rule:"max=15 format=name"`
		MCC      string       `json:"mcc,omitempty" rule:"min=4 max=4 format=digits"`
		Online   bool         `json:"ecommerce,omitempty"`
	}
}

var classes = map[string]authz.Transaction{"": authz.Purchase, "PURCHASE": authz.Purchase, "CASH": authz.Cash, "REFUND": authz.Refund}

func (room *Room) pay(ctx context.Context, c *mgmt.Call, in *payIn) (Played, error) {
	b := &in.Body
	m := Message{MTI: "0100", Class: classes[b.Type], Merchant: b.Merchant, MCC: b.MCC, Entry: "051", At: c.At}
	if b.Advice {
		m.MTI = "0120"
	}
	if b.Online {
		m.Entry = "812"
	}
	var card record.Card
	if err := c.View(ctx, func(t mgmt.Tx) (err error) {
		tx := t.(Tx)
		if card, err = tx.Card(ctx, c.Partner, b.Card); err == nil {
			m.Card, err = tx.PresentCard(ctx, card.ID)
		}
		return err
	}); err != nil {
		return Played{}, err
	}
	m.Amount = money.Amount{Minor: b.Amount, Currency: card.Currency}
	if b.Currency != "" {
		var err error
		if m.Amount.Currency, err = money.ByAlpha(b.Currency); err != nil {
			return Played{}, problem.Body("/currency", "must be a currency of ISO 4217")
		}
	}
	return room.play(ctx, c, &m)
}

// followIn asks for a message about an earlier one. Without an amount it is about the whole.
type followIn struct {
	ID   record.UUID `path:"id"`
	Body struct {
		Amount *int64 `json:"amount" rule:"min=0 max=999999999999"`
	}
}

// follow sends a message that refers to an earlier one.
func (room *Room) follow(mti string, set func(m *Message, amount *int64) error) func(context.Context, *mgmt.Call,
	*followIn) (Played, error) {
	return func(ctx context.Context, c *mgmt.Call, in *followIn) (Played, error) {
		m := Message{MTI: mti, At: c.At}
		if err := c.View(ctx, func(t mgmt.Tx) error {
			tx := t.(Tx)
			x, err := tx.Transaction(ctx, c.Partner, in.ID)
			if err != nil {
				return err
			}
			e, err := tx.Explain(ctx, in.ID)
			if err != nil {
				return err
			}
			m.Original, m.Class, m.Amount, m.Merchant, m.MCC, m.Entry = &e, x.Class, x.Requested, x.Merchant, x.MCC, x.EntryMode
			m.Card, err = tx.PresentCard(ctx, x.CardID)
			return err
		}); err != nil {
			return Played{}, err
		}
		if err := set(&m, in.Body.Amount); err != nil {
			return Played{}, err
		}
		return room.play(ctx, c, &m)
	}
}

// reverse gives back the whole, or all but what stays.
func reverse(m *Message, stays *int64) error {
	if stays == nil || *stays == 0 {
		return nil
	}
	if *stays >= m.Amount.Minor {
		return problem.Body("/amount", "must be less than the transaction's: it is what stays")
	}
	m.Stays = &money.Amount{Minor: *stays, Currency: m.Amount.Currency}
	return nil
}

func another(m *Message, amount *int64) error {
	if amount != nil {
		m.Amount.Minor = *amount
	}
	return nil
}

// refund is a transaction of its own at the same merchant: its money comes at once.
func refund(m *Message, amount *int64) error {
	m.Class, m.Original = authz.Refund, nil
	return another(m, amount)
}

func (room *Room) play(ctx context.Context, c *mgmt.Call, m *Message) (Played, error) {
	a, err := room.Network.Send(ctx, m)
	if err != nil {
		return Played{}, err
	}
	p := Played{Code: a.Code, Approval: a.Approval, Approved: a.Code == "00" || a.Code == "85"}
	if a.ID != 0 {
		p.Transaction = record.TransactionID(a.ID).String()
		c.Object("transaction " + p.Transaction)
	}
	return p, nil
}

// clockIn asks for time to pass.
type clockIn struct {
	Body struct {
		Advance string `json:"advance" rule:"min=2 max=20"`
	}
}

// Clock is the sandbox's clock.
type Clock struct {
	Now   time.Time `json:"now"`
	Ahead string    `json:"ahead"`
}

func (room *Room) advance(ctx context.Context, c *mgmt.Call, in *clockIn) (Clock, error) {
	by, err := time.ParseDuration(in.Body.Advance)
	if err != nil || by < 0 {
		return Clock{}, problem.Body("/advance", "must be a time such as 192h or 90m")
	}
	ahead, err := mgmt.In[Tx](c).AdvanceClock(ctx, by)
	if err != nil {
		return Clock{}, err
	}
	c.After(func() error { room.Moved(ahead); return nil })
	return Clock{c.At.Add(by), ahead.String()}, nil
}

// Personalized tells how far an order has come.
type Personalized struct {
	Order  record.UUID  `json:"orderId"`
	Status string       `json:"status"`
	Card   authz.CardID `json:"cardId,omitempty"`
}

type orderIn struct {
	ID record.UUID `path:"id"`
}

// personalize has an order made and delivered now.
func (room *Room) personalize(ctx context.Context, c *mgmt.Call, in *orderIn) (Personalized, error) {
	c.Object("order " + in.ID.String())
	var o record.Order
	read := func(t mgmt.Tx) (err error) {
		o, err = t.(Tx).Order(ctx, c.Partner, in.ID)
		return err
	}
	err := c.View(ctx, read)
	if err == nil {
		err = room.Finish(ctx, o, c.At)
	}
	if err == nil {
		err = c.View(ctx, read)
	}
	return Personalized{o.ID, string(o.State), o.Card}, err
}

// Routes are the room's rows of the routing table.
func (room *Room) Routes() []mgmt.Bound {
	sent := mgmt.Route{Method: http.MethodPost, Channel: mgmt.Sandbox, Audit: "sandbox.send",
		Refusals: []string{"NOT_FOUND", "VALIDATION_ERROR"}}
	row := func(path, summary string) mgmt.Route {
		r := sent
		r.Path, r.Summary = path, summary
		return r
	}
	return []mgmt.Bound{
		first(row("/sandbox/transactions", "Send an authorization, or the advice of one"), room.pay),
		first(row("/sandbox/transactions/{id}/reversal", "Reverse a transaction; the amount is what stays"), room.follow("0400", reverse)),
		first(row("/sandbox/transactions/{id}/clearing", "Clear a transaction"), room.follow("0220", another)),
		first(row("/sandbox/transactions/{id}/refund", "Refund a transaction"), room.follow("0200", refund)),
		first(row("/sandbox/orders/{id}/personalize", "Make and deliver a card now"), room.personalize),
		mgmt.Handle(row("/sandbox/clock", "Let time pass"), room.advance),
	}
}

// first does all in the first half: the switch commits in a transaction of its own.
func first[In, Out any](r mgmt.Route, do func(ctx context.Context, c *mgmt.Call, in *In) (Out, error)) mgmt.Bound {
	return mgmt.HandlePrepared(r, do, func(_ context.Context, _ *mgmt.Call, _ *In, done Out) (Out, error) { return done, nil })
}
