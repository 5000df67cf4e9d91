package orders

import (
	"context"
	"net/http"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/mgmt"
)

type (
	orderIn struct {
		mgmt.Owner
		Body wanted
	}
	printIn struct {
		mgmt.Owner
		Card authz.CardID `path:"cardId" rule:"min=1"`
		Body copied
	}
	readIn struct {
		mgmt.Owner
		ID record.UUID `path:"id"`
	}
)

var refusals = []string{"VALIDATION_ERROR", "KYC_REQUIRED", "USER_LOCKED", "USER_REMOVED", "PARTNER_SUSPENDED", "BALANCE_LOCKED",
	"BALANCE_CLOSED", "CURRENCY_MISMATCH", "FUNDING_MISSING", "NOT_ALLOWED", "CARD_REMOVED", "CARD_KIND", "CARD_LOCKED",
	"CARD_LOCK_IRREVERSIBLE", "CARD_EXPIRED", "ILLEGAL_STATE", "NOT_FOUND"}

func row[In, Out any](r mgmt.Route, channel mgmt.Channel, path string,
	do func(ctx context.Context, c *mgmt.Call, in *In) (Out, error)) mgmt.Bound {
	r.Channel, r.Path = channel, path
	if channel == mgmt.Admin {
		r.Roles = mgmt.RolesAll
	}
	return mgmt.Handle(r, do)
}

// Routes are the room's rows of the routing table.
func Routes() []mgmt.Bound {
	plastic := mgmt.Route{Method: http.MethodPost, JWE: true, Audit: "order.create", Status: http.StatusCreated, Refusals: refusals,
		Summary: "Order a physical card"}
	copies := plastic
	copies.Audit, copies.Summary = "order.print", "Order the copy of a digital first card"
	state := mgmt.Route{Method: http.MethodGet, Summary: "How far an order is"}
	return []mgmt.Bound{
		row(plastic, mgmt.Customers, "/customers/me/cards/physical", order),
		row(plastic, mgmt.Secure, "/secure/customers/{c}/cards/physical", order),
		row(plastic, mgmt.Admin, "/admin/customers/{c}/cards/physical", order),
		row(copies, mgmt.Customers, "/customers/me/cards/{cardId}/print", print),
		row(copies, mgmt.Secure, "/secure/customers/{c}/cards/{cardId}/print", print),
		row(copies, mgmt.Admin, "/admin/cards/{cardId}/print", print),
		row(state, mgmt.Customers, "/customers/me/orders/{id}", read),
		row(state, mgmt.Secure, "/secure/customers/{c}/orders/{id}", read),
		row(state, mgmt.Admin, "/admin/orders/{id}", read),
	}
}
