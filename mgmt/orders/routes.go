package orders

import (
	"context"
	"net/http"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/mgmt"
)

type (
	orderOwn struct{ Body wanted }
	orderOf  struct {
		User authz.UserID `path:"c" rule:"min=1"`
		Body wanted
	}
	printOwn struct {
		Card authz.CardID `path:"cardId" rule:"min=1"`
		Body copied
	}
	printOf struct {
		User authz.UserID `path:"c" rule:"min=1"`
		Card authz.CardID `path:"cardId" rule:"min=1"`
		Body copied
	}
	readOwn struct {
		ID record.UUID `path:"id"`
	}
	readOf struct {
		User authz.UserID `path:"c" rule:"min=1"`
		ID   record.UUID  `path:"id"`
	}
)

var refusals = []string{"VALIDATION_ERROR", "KYC_REQUIRED", "USER_LOCKED", "USER_REMOVED", "PARTNER_SUSPENDED", "BALANCE_LOCKED", "BALANCE_CLOSED",
	"CURRENCY_MISMATCH", "FUNDING_MISSING", "NOT_ALLOWED", "CARD_REMOVED", "CARD_KIND", "CARD_LOCKED", "CARD_LOCK_IRREVERSIBLE", "CARD_EXPIRED",
	"ILLEGAL_STATE", "NOT_FOUND"}

// Routes are the room's rows of the routing table.
func Routes() []mgmt.Bound {
	row := func(r mgmt.Route, channel mgmt.Channel, path string) mgmt.Route {
		r.Channel, r.Path = channel, path
		if channel == mgmt.Admin {
			r.Roles = mgmt.RolesAll
		}
		return r
	}
	plastic := mgmt.Route{Method: http.MethodPost, JWE: true, Audit: "order.create", Status: http.StatusCreated, Refusals: refusals,
		Summary: "Order a physical card"}
	ofUser := func(ctx context.Context, c *mgmt.Call, in *orderOf) (Order, error) {
		return order(ctx, c, in.User, &in.Body)
	}
	copies := plastic
	copies.Audit, copies.Summary = "order.print", "Order the copy of a digital first card"
	ownCopy := func(ctx context.Context, c *mgmt.Call, in *printOwn) (Order, error) {
		return print(ctx, c, c.User, in.Card, &in.Body)
	}
	state := mgmt.Route{Method: http.MethodGet, Summary: "How far an order is"}
	own := func(ctx context.Context, c *mgmt.Call, in *readOwn) (Order, error) {
		return read(ctx, c, c.User, in.ID)
	}
	return []mgmt.Bound{
		mgmt.Handle(row(plastic, mgmt.Customers, "/customers/me/cards/physical"),
			func(ctx context.Context, c *mgmt.Call, in *orderOwn) (Order, error) {
				return order(ctx, c, c.User, &in.Body)
			}),
		mgmt.Handle(row(plastic, mgmt.Secure, "/secure/customers/{c}/cards/physical"), ofUser),
		mgmt.Handle(row(plastic, mgmt.Admin, "/admin/customers/{c}/cards/physical"), ofUser),
		mgmt.Handle(row(copies, mgmt.Customers, "/customers/me/cards/{cardId}/print"), ownCopy),
		mgmt.Handle(row(copies, mgmt.Secure, "/secure/customers/{c}/cards/{cardId}/print"),
			func(ctx context.Context, c *mgmt.Call, in *printOf) (Order, error) {
				return print(ctx, c, in.User, in.Card, &in.Body)
			}),
		mgmt.Handle(row(copies, mgmt.Admin, "/admin/cards/{cardId}/print"), ownCopy),
		mgmt.Handle(row(state, mgmt.Customers, "/customers/me/orders/{id}"), own),
		mgmt.Handle(row(state, mgmt.Secure, "/secure/customers/{c}/orders/{id}"),
			func(ctx context.Context, c *mgmt.Call, in *readOf) (Order, error) {
				return read(ctx, c, in.User, in.ID)
			}),
		mgmt.Handle(row(state, mgmt.Admin, "/admin/orders/{id}"), own),
	}
}
