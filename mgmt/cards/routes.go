package cards

import (
	"context"
	"net/http"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/mgmt"
)

// Refusals that several routes have.
var (
	lockRefusals = []string{"CARD_LOCK_IRREVERSIBLE", "CARD_LOCK_OUTSIDE", "CARD_NOT_LOCKED", "CARD_REMOVED", "ILLEGAL_STATE",
		"VALIDATION_ERROR"}
	stateRefusals = []string{"CARD_REMOVED", "CARD_KIND", "CARD_LOCKED", "CARD_LOCK_IRREVERSIBLE", "CARD_EXPIRED", "ILLEGAL_STATE",
		"VERSION_CONFLICT", "VALIDATION_ERROR"}
	issueRefusals = []string{"NOT_FOUND", "VALIDATION_ERROR", "KYC_REQUIRED", "USER_LOCKED", "USER_REMOVED", "PARTNER_SUSPENDED",
		"BALANCE_LOCKED", "BALANCE_CLOSED", "CURRENCY_MISMATCH", "FUNDING_MISSING", "NOT_ALLOWED", "ALREADY_EXISTS", "BIN_MISMATCH",
		"LIMIT_REACHED"}
)

// The paths before a card's id, by channel.
var paths = map[mgmt.Channel]string{mgmt.Customers: "/customers/me/cards/{cardId}", mgmt.Secure: "/secure/customers/{c}/cards/{cardId}",
	mgmt.Lifecycle: "/lifecycle/v1/users/{c}/cards/{cardId}", mgmt.Admin: "/admin/cards/{cardId}"}

// row is a route for a channel; roles are of operators' routes.
func row[In, Out any](r mgmt.Route, channel mgmt.Channel, roles mgmt.Roles, path string,
	do func(ctx context.Context, c *mgmt.Call, in *In) (Out, error)) mgmt.Bound {
	r.Channel, r.Roles, r.Path = channel, roles, path
	return mgmt.Handle(r, do)
}

// of is a route about one card, for cardholders and partners and, where there are roles, for operators.
func of[In, Out any](method, end, audit, summary string, roles mgmt.Roles, refusals []string, jwe bool,
	do func(ctx context.Context, c *mgmt.Call, in *In) (Out, error)) []mgmt.Bound {
	r := mgmt.Route{Method: method, JWE: jwe, Audit: audit, Refusals: refusals, Summary: summary}
	rows := []mgmt.Bound{row(r, mgmt.Customers, 0, paths[mgmt.Customers]+end, do), row(r, mgmt.Secure, 0, paths[mgmt.Secure]+end, do)}
	if roles != 0 {
		rows = append(rows, row(r, mgmt.Admin, roles, paths[mgmt.Admin]+end, do))
	}
	return rows
}

// Routes are the room's rows of the routing table.
func Routes() []mgmt.Bound {
	rows := issueRoutes()
	for _, more := range [][]mgmt.Bound{
		of(http.MethodGet, "", "card.reveal", "Number, expiry and CVC2 of a card, for its holder", 0, stateRefusals, true, readFull),
		of(http.MethodPost, "/lock", "card.lock", "Lock a card for one of eight reasons; 1, 2, 5 and 8 are for ever", mgmt.RolesAM,
			lockRefusals, false, lock),
		of(http.MethodPost, "/unlock", "card.unlock", "Unlock a card", mgmt.RolesAM, lockRefusals, false, unlock),
		of(http.MethodPost, "/activate", "card.activate", "Activate a card of plastic", mgmt.RolesAll, stateRefusals, false, activate),
		of(http.MethodGet, "/limits", "", "The limits of a card", mgmt.RolesAll, nil, false, readLimits),
		of(http.MethodPut, "/limits", "card.limits", "Replace the limits of a card", 0, append([]string{"LIMIT_INVALID"}, stateRefusals...),
			false, setLimits),
	} {
		rows = append(rows, more...)
	}
	gone := mgmt.Route{Method: http.MethodDelete, Audit: "card.remove", Refusals: stateRefusals, Summary: "Remove a card for ever"}
	outside := mgmt.Route{Method: http.MethodPost, Audit: "card.lockOutside", Refusals: lockRefusals,
		Summary: "Lock a card on behalf of a scheme or an acquirer"}
	cvv := mgmt.Route{Method: http.MethodPost, JWE: true, Audit: "card.resetCvv", Refusals: stateRefusals,
		Summary: "Give a card another CVC2"}
	pin := mgmt.Route{Method: http.MethodPost, JWE: true, Audit: "card.setPin", Refusals: stateRefusals,
		Summary: "Set the PIN of a card of plastic"}
	return append(rows,
		row(gone, mgmt.Customers, 0, paths[mgmt.Customers], remove),
		row(gone, mgmt.Lifecycle, 0, paths[mgmt.Lifecycle], remove),
		row(gone, mgmt.Admin, mgmt.RoleAdmin, paths[mgmt.Admin], remove),
		row(outside, mgmt.Admin, mgmt.RoleAdmin, paths[mgmt.Admin]+"/lock-outside", lockOutside),
		row(cvv, mgmt.Customers, 0, paths[mgmt.Customers]+"/cvv", resetOwnCVV),
		row(cvv, mgmt.Admin, mgmt.RolesAll, paths[mgmt.Admin]+"/cvv", resetAnyCVV),
		row(pin, mgmt.Customers, 0, paths[mgmt.Customers]+"/pin", setPIN))
}

func issueRoutes() []mgmt.Bound {
	now := mgmt.Route{Method: http.MethodPost, JWE: true, Audit: "card.create", Status: http.StatusCreated, Refusals: issueRefusals,
		Summary: "Issue a virtual card at once"}
	later := mgmt.Route{Method: http.MethodPost, Audit: "card.request", Status: http.StatusAccepted, Refusals: issueRefusals,
		Summary: "Ask for a virtual card that is made in the background"}
	became := mgmt.Route{Method: http.MethodGet, Summary: "What became of a card that was asked for"}
	all := mgmt.Route{Method: http.MethodGet, Refusals: []string{"NOT_FOUND"}, Summary: "List cards, masked"}
	return []mgmt.Bound{
		row(now, mgmt.Customers, 0, "/customers/me/cards/virtual", issueFull),
		row(now, mgmt.Secure, 0, "/secure/customers/{c}/cards/virtual", issueFull),
		row(now, mgmt.Admin, mgmt.RolesAM, "/admin/customers/{c}/cards/virtual", issueMasked),
		row(later, mgmt.Customers, 0, "/customers/me/cards/virtual/async", issueLater),
		row(later, mgmt.Secure, 0, "/secure/customers/{c}/cards/virtual/async", issueLater),
		row(became, mgmt.Customers, 0, "/customers/me/requests/{id}", readRequest),
		row(became, mgmt.Secure, 0, "/secure/requests/{id}", readRequest),
		row(all, mgmt.Customers, 0, "/customers/me/cards", list),
		row(all, mgmt.Secure, 0, "/secure/customers/{c}/cards", list),
		row(all, mgmt.Admin, mgmt.RolesAll, "/admin/customers/{c}/cards", list),
	}
}

type listIn struct {
	mgmt.Owner
	mgmt.Page
	Balance record.UUID     `query:"balanceId"`
	Kind    record.CardKind `query:"kind" rule:"enum=VIRTUAL|PHYSICAL|DIGITAL_FIRST"`
	Status  string          `query:"status" rule:"enum=INACTIVE|ACTIVE|LOCKED|EXPIRED"`
}

func list(ctx context.Context, c *mgmt.Call, in *listIn) (mgmt.List[Card], error) {
	tx := mgmt.In[Tx](c)
	u, err := tx.User(ctx, c.Partner, in.User(c))
	if err != nil {
		return mgmt.List[Card]{}, err
	}
	f := record.CardFilter{Partner: u.Partner, User: u.ID, Kind: in.Kind, Status: in.Status, At: c.At}
	if !in.Balance.IsZero() {
		b, err := tx.Balance(ctx, u.Partner, in.Balance)
		if err == nil && b.User != u.ID {
			err = authz.ErrNotFound
		}
		if err != nil {
			return mgmt.List[Card]{}, err
		}
		f.Balance = b.ID
	}
	all, err := tx.Cards(ctx, f, in.Ask())
	return mgmt.Show(all, func(card *record.Card) Card { return show(card, c.At) }), err
}
