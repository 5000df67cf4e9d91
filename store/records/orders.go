package records

import (
	"context"
	"fmt"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
)

var orders = table[record.Order]{
	name: "orders",
	columns: "id, version, partner_id, user_id, balance_id, program_id, card_id, kind, state, holder_name, street, city, post_code, " +
		"country, " +
		"reference, tracking, reason, due_at, created_at, updated_at",
	scan: func(r Row) record.Order {
		return record.Order{ID: uuid(r, 0), Version: r.Int(1), Partner: authz.PartnerID(r.Int(2)), User: authz.UserID(r.Int(3)),
			Balance: authz.BalanceID(r.Int(4)), Program: authz.ProgramID(r.Int(5)), Card: authz.CardID(r.Int(6)),
			Kind: record.OrderKind(r.Text(7)), State: record.OrderState(r.Text(8)), HolderName: r.Text(9),
			Address:   record.Address{Street: r.Text(10), City: r.Text(11), PostCode: r.Text(12), Country: r.Text(13)},
			Reference: r.Text(14), Tracking: r.Text(15), Reason: r.Text(16), DueAt: moment(r, 17), CreatedAt: moment(r, 18),
			UpdatedAt: moment(r, 19)}
	},
	args: func(o *record.Order) []any {
		return []any{o.ID[:], o.Version, int64(o.Partner), int64(o.User), int64(o.Balance), int64(o.Program), int64(o.Card),
			string(o.Kind), string(o.State), o.HolderName, o.Address.Street, o.Address.City, o.Address.PostCode, o.Address.Country,
			o.Reference, o.Tracking, o.Reason, micros(o.DueAt), micros(o.CreatedAt), micros(o.UpdatedAt)}
	},
}

// InsertOrder places an order. o says Kind, HolderName, Address and CreatedAt; a physical one Balance and Program, a print
// the Card; when a physical one says User, the balance must be the user's. The rest is set. What keeps a card from
// being issued keeps it from being ordered.
func (t *Tx) InsertOrder(ctx context.Context, partner authz.PartnerID, o *record.Order) error {
	if err := o.Check(); err != nil {
		return err
	}
	if o.Kind == record.OrderPrint {
		c, err := t.MoveCard(ctx, partner, o.Card, record.ActPrint, o.CreatedAt)
		if err != nil {
			return err
		}
		o.Partner, o.User, o.Balance, o.Program = c.Partner, c.User, c.Balance, c.Program
	} else {
		if _, err := t.issuable(ctx, &record.Card{Partner: partner, User: o.User, Balance: o.Balance, Program: o.Program,
			Kind: record.CardPhysical}); err != nil {
			return err
		}
		b, err := t.balance(ctx, o.Balance)
		if err != nil {
			return err
		}
		o.Partner, o.User, o.Card = b.Partner, b.User, 0
	}
	o.ID, o.Version, o.State = record.NewUUID(o.CreatedAt), 1, record.OrderRequested
	o.DueAt, o.UpdatedAt = o.CreatedAt, o.CreatedAt
	return orders.insert(ctx, t.q, o)
}

// Order reads one of a partner's.
func (t *Tx) Order(ctx context.Context, partner authz.PartnerID, id record.UUID) (record.Order, error) {
	return orders.one(ctx, t.q, by("id = ?", id[:]).number("partner_id", int64(partner)))
}

// Orders lists a partner's or a user's; 0 is any.
func (t *Tx) Orders(ctx context.Context, partner authz.PartnerID, user authz.UserID, page record.Page) (record.List[record.Order], error) {
	return orders.page(ctx, t.q, new(where).number("partner_id", int64(partner)).number("user_id", int64(user)), page,
		func(o *record.Order) string { return o.ID.String() })
}

// DueOrders lists at most n orders that the processor should be asked about, those that wait longest first.
func (t *Tx) DueOrders(ctx context.Context, n int, at time.Time) ([]record.Order, error) {
	return orders.all(ctx, t.q, by("due_at <= ?", at.UnixMicro()), fmt.Sprintf(" ORDER BY due_at LIMIT %d", n))
}

// StepOrder writes what the processor did with an order that was read before, and brings the ordered card along. At
// PERSONALIZING the caller has issued the card and set o.Card. An order that was rejected takes its card with it.
// Another node's step on the same order makes it [record.ErrVersion].
func (t *Tx) StepOrder(ctx context.Context, o *record.Order, s record.Step, at time.Time) error {
	if s.To != o.State {
		if err := o.State.To(s.To, o.Kind); err != nil {
			return err
		}
		if o.Kind == record.OrderPhysical && s.To.CardState() != 0 && o.Card == 0 {
			return record.Invalid("card", "has to be issued first")
		}
	}
	moved := *o
	moved.State, moved.UpdatedAt, moved.DueAt = s.To, at, s.Again
	for _, f := range []struct {
		field *string
		value string
	}{{&moved.Reference, s.Reference}, {&moved.Tracking, s.Tracking}, {&moved.Reason, s.Reason}} {
		if f.value != "" {
			*f.field = f.value
		}
	}
	if !s.To.Open() {
		moved.DueAt = time.Time{}
	}
	if err := moved.Check(); err != nil {
		return err
	}
	if err := orders.update(ctx, t.q, &moved); err != nil {
		return err
	}
	moved.Version++
	*o = moved
	if o.Kind != record.OrderPhysical || o.Card == 0 {
		return nil
	}
	return t.follow(ctx, o, at)
}

// follow brings a card to the state that its order has come to. A card that its user removed meanwhile stays removed.
func (t *Tx) follow(ctx context.Context, o *record.Order, at time.Time) error {
	c, err := t.Card(ctx, o.Partner, o.Card)
	if err != nil || c.State == authz.CardRemovedState {
		return err
	}
	want := o.State.CardState()
	action := map[authz.CardState]record.CardAction{authz.CardPersonalized: record.ActPersonalize,
		authz.CardInactive: record.ActDeliver, authz.CardActive: record.ActActivate}[want]
	if o.State == record.OrderRejected {
		action, want = record.ActRemove, authz.CardRemovedState
	}
	if action == "" || c.State == want {
		return nil
	}
	_, err = t.MoveCard(ctx, o.Partner, o.Card, action, at)
	return err
}

// ActivateCard activates a card of plastic that its user has in hand, and ends its order.
func (t *Tx) ActivateCard(ctx context.Context, partner authz.PartnerID, id authz.CardID, at time.Time) (record.Card, error) {
	c, err := t.MoveCard(ctx, partner, id, record.ActActivate, at)
	if err != nil || c.OrderedBy.IsZero() {
		return c, err
	}
	o, err := t.Order(ctx, c.Partner, c.OrderedBy)
	if err != nil {
		return c, err
	}
	if o.State == record.OrderStored { // it came before its courier said so
		if err := t.StepOrder(ctx, &o, record.Step{To: record.OrderDelivered}, at); err != nil {
			return c, err
		}
	}
	return c, t.StepOrder(ctx, &o, record.Step{To: record.OrderActivated}, at)
}

var cardRequests = table[record.CardRequest]{
	name:    "card_requests",
	columns: "id, partner_id, user_id, balance_id, program_id, kind, description, state, card_id, code, created_at",
	scan: func(r Row) record.CardRequest {
		return record.CardRequest{ID: uuid(r, 0), Partner: authz.PartnerID(r.Int(1)), User: authz.UserID(r.Int(2)),
			Balance: authz.BalanceID(r.Int(3)),
			Program: authz.ProgramID(r.Int(4)), Kind: record.CardKind(r.Text(5)), Description: r.Text(6), State: r.Text(7),
			Card: authz.CardID(r.Int(8)), Code: r.Text(9), CreatedAt: moment(r, 10)}
	},
	args: func(c *record.CardRequest) []any {
		return []any{c.ID[:], int64(c.Partner), int64(c.User), int64(c.Balance), int64(c.Program), string(c.Kind), c.Description, c.State,
			int64(c.Card), c.Code, micros(c.CreatedAt)}
	},
}

// InsertCardRequest keeps a request, if the card could be issued now, and sets its id.
func (t *Tx) InsertCardRequest(ctx context.Context, c *record.CardRequest) error {
	if _, err := t.issuable(ctx, &record.Card{Partner: c.Partner, User: c.User, Balance: c.Balance, Program: c.Program,
		Kind: c.Kind, Description: c.Description}); err != nil {
		return err
	}
	if c.Kind != record.CardVirtual && c.Kind != record.CardDigitalFirst {
		return record.Invalid("kind", "is ordered, not made")
	}
	c.ID, c.State, c.Card, c.Code = record.NewUUID(c.CreatedAt), "PENDING", 0, ""
	return cardRequests.insert(ctx, t.q, c)
}

// CardRequest reads one of a partner's.
func (t *Tx) CardRequest(ctx context.Context, partner authz.PartnerID, id record.UUID) (record.CardRequest, error) {
	return cardRequests.one(ctx, t.q, by("id = ?", id[:]).number("partner_id", int64(partner)))
}

// PendingCardRequests takes at most n that wait, oldest first. Until the transaction ends no other node takes them, so it
// makes the cards in the same one.
func (t *Tx) PendingCardRequests(ctx context.Context, n int) ([]record.CardRequest, error) {
	return cardRequests.all(ctx, t.q, by("state = 'PENDING'"), fmt.Sprintf(" ORDER BY id LIMIT %d", n)+ForUpdate+" SKIP LOCKED")
}

// EndCardRequest notes the card that was made, or with none why not.
func (t *Tx) EndCardRequest(ctx context.Context, id record.UUID, card authz.CardID, code string) error {
	state := "DONE"
	if card == 0 {
		state = "FAILED"
	}
	n, err := t.q.Exec(ctx, "UPDATE card_requests SET state = $1, card_id = $2, code = $3 WHERE id = $4 AND state = 'PENDING'",
		state, int64(card), code, id[:])
	if err == nil && n == 0 {
		err = record.ErrUsed
	}
	return wrap("end card request", err)
}
