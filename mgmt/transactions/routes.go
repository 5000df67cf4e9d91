package transactions

import (
	"context"
	"net/http"

	"holdfast/mgmt"
)

// Routes are the room's rows of the routing table.
func Routes() []mgmt.Bound {
	row := func(path string, channel mgmt.Channel, summary string) mgmt.Route {
		r := mgmt.Route{Method: http.MethodGet, Path: path, Channel: channel, Summary: summary, Refusals: []string{"NOT_FOUND"}}
		if channel == mgmt.Admin {
			r.Roles = mgmt.RolesAll
		}
		return r
	}
	const lists, reads = "List transactions, the newest first", "Read a transaction"
	return []mgmt.Bound{
		mgmt.Handle(row("/customers/me/transactions", mgmt.Customers, lists),
			func(ctx context.Context, c *mgmt.Call, in *listIn) (mgmt.List[Transaction], error) {
				return list(ctx, c, c.Partner, c.User, in)
			}),
		mgmt.Handle(row("/secure/transactions", mgmt.Secure, lists),
			func(ctx context.Context, c *mgmt.Call, in *listAny) (mgmt.List[Transaction], error) {
				return list(ctx, c, c.Partner, in.User, &in.listIn)
			}),
		mgmt.Handle(row("/admin/transactions", mgmt.Admin, lists),
			func(ctx context.Context, c *mgmt.Call, in *listAll) (mgmt.List[Transaction], error) {
				return list(ctx, c, in.Partner, in.User, &in.listIn)
			}),
		mgmt.Handle(row("/customers/me/transactions/{id}", mgmt.Customers, reads), read),
		mgmt.Handle(row("/secure/transactions/{id}", mgmt.Secure, reads), read),
		mgmt.Handle(row("/admin/transactions/{id}", mgmt.Admin, reads), read),
		mgmt.Handle(row("/admin/authorizations/{id}/explain", mgmt.Admin, "Why an authorization ended as it did"), explain),
	}
}
