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
		"BALANCE_LOCKED",
		"BALANCE_CLOSED", "CURRENCY_MISMATCH", "FUNDING_MISSING", "NOT_ALLOWED", "ALREADY_EXISTS", "BIN_MISMATCH",
		"LIMIT_REACHED"}
)

// Routes are the room's rows of the routing table.
func Routes() []mgmt.Bound {
	var rows []mgmt.Bound
	for _, more := range [][]mgmt.Bound{issueRoutes(), readRoutes(), lockRoutes(), lifeRoutes(), secretRoutes(), limitRoutes()} {
		rows = append(rows, more...)
	}
	return rows
}

// The paths before a card's id.
const (
	ownPath   = "/customers/me/cards/{cardId}"
	ofPath    = "/secure/customers/{c}/cards/{cardId}"
	adminPath = "/admin/cards/{cardId}"
)

// pair is one action for cardholders and for partners, under the same name.
func pair[Out any](r mgmt.Route, do func(ctx context.Context, c *mgmt.Call, k key) (Out, error)) []mgmt.Bound {
	end := r.Path
	r.Path, r.Channel = ownPath+end, mgmt.Customers
	rows := []mgmt.Bound{mgmt.Handle(r, func(ctx context.Context, c *mgmt.Call, in *own) (Out, error) { return do(ctx, c, in.key(c)) })}
	r.Path, r.Channel = ofPath+end, mgmt.Secure
	return append(rows, mgmt.Handle(r, func(ctx context.Context, c *mgmt.Call, in *of) (Out, error) { return do(ctx, c, in.key(c)) }))
}

// byOperator is the action for operators.
func byOperator[Out any](r mgmt.Route, roles mgmt.Roles, do func(ctx context.Context, c *mgmt.Call, k key) (Out, error)) mgmt.Bound {
	r.Path, r.Channel, r.Roles = adminPath+r.Path, mgmt.Admin, roles
	return mgmt.Handle(r, func(ctx context.Context, c *mgmt.Call, in *own) (Out, error) { return do(ctx, c, in.key(c)) })
}

func issueRoutes() []mgmt.Bound {
	now := mgmt.Route{Method: http.MethodPost, JWE: true, Audit: "card.create", Status: http.StatusCreated, Refusals: issueRefusals,
		Summary: "Issue a virtual card at once"}
	later := mgmt.Route{Method: http.MethodPost, Audit: "card.request", Status: http.StatusAccepted, Refusals: issueRefusals,
		Summary: "Ask for a virtual card that is made in the background"}
	at := func(r mgmt.Route, channel mgmt.Channel, path string) mgmt.Route {
		r.Channel, r.Path = channel, path
		if channel == mgmt.Admin {
			r.Roles = mgmt.RolesAM
		}
		return r
	}
	read := mgmt.Route{Method: http.MethodGet, Summary: "What became of a card that was asked for"}
	return []mgmt.Bound{
		mgmt.Handle(at(now, mgmt.Customers, "/customers/me/cards/virtual"),
			func(ctx context.Context, c *mgmt.Call, in *wantedOwn) (FullCard, error) {
				return issueFull(ctx, c, c.User, &in.Body)
			}),
		mgmt.Handle(at(now, mgmt.Secure, "/secure/customers/{c}/cards/virtual"),
			func(ctx context.Context, c *mgmt.Call, in *wantedOf) (FullCard, error) {
				return issueFull(ctx, c, in.User, &in.Body)
			}),
		mgmt.Handle(at(now, mgmt.Admin, "/admin/customers/{c}/cards/virtual"),
			func(ctx context.Context, c *mgmt.Call, in *wantedOf) (Card, error) {
				_, card, err := issue(ctx, c, in.User, &in.Body)
				return show(&card, c.At), err
			}),
		mgmt.Handle(at(later, mgmt.Customers, "/customers/me/cards/virtual/async"),
			func(ctx context.Context, c *mgmt.Call, in *wantedOwn) (Accepted, error) {
				return issueLater(ctx, c, c.User, &in.Body)
			}),
		mgmt.Handle(at(later, mgmt.Secure, "/secure/customers/{c}/cards/virtual/async"),
			func(ctx context.Context, c *mgmt.Call, in *wantedOf) (Accepted, error) {
				return issueLater(ctx, c, in.User, &in.Body)
			}),
		mgmt.Handle(at(read, mgmt.Customers, "/customers/me/requests/{id}"), readRequest),
		mgmt.Handle(at(read, mgmt.Secure, "/secure/requests/{id}"), readRequest),
	}
}

type (
	listOwn struct {
		mgmt.Page
		Balance record.UUID `query:"balanceId"`
	}
	listOf struct {
		mgmt.Page
		User    authz.UserID `path:"c" rule:"min=1"`
		Balance record.UUID  `query:"balanceId"`
	}
)

func list(ctx context.Context, c *mgmt.Call, user authz.UserID, balance record.UUID, page mgmt.Page) (mgmt.List[Card], error) {
	tx := mgmt.In[Tx](c)
	u, err := tx.User(ctx, c.Partner, user)
	if err != nil {
		return mgmt.List[Card]{}, err
	}
	f := record.CardFilter{Partner: u.Partner, User: user}
	if !balance.IsZero() {
		b, err := tx.Balance(ctx, u.Partner, balance)
		if err != nil {
			return mgmt.List[Card]{}, err
		}
		f.Balance = b.ID
	}
	all, err := tx.Cards(ctx, f, page.Ask())
	return mgmt.Show(all, func(card *record.Card) Card { return show(card, c.At) }), err
}

func readRoutes() []mgmt.Bound {
	r := mgmt.Route{Method: http.MethodGet, Path: "/customers/me/cards", Channel: mgmt.Customers, Refusals: []string{"NOT_FOUND"},
		Summary: "List cards, masked"}
	rows := []mgmt.Bound{mgmt.Handle(r, func(ctx context.Context, c *mgmt.Call, in *listOwn) (mgmt.List[Card], error) {
		return list(ctx, c, c.User, in.Balance, in.Page)
	})}
	of := func(ctx context.Context, c *mgmt.Call, in *listOf) (mgmt.List[Card], error) {
		return list(ctx, c, in.User, in.Balance, in.Page)
	}
	r.Path, r.Channel = "/secure/customers/{c}/cards", mgmt.Secure
	rows = append(rows, mgmt.Handle(r, of))
	r.Path, r.Channel, r.Roles = "/admin/customers/{c}/cards", mgmt.Admin, mgmt.RolesAll
	rows = append(rows, mgmt.Handle(r, of))
	return append(rows, pair(mgmt.Route{Method: http.MethodGet, JWE: true, Audit: "card.reveal", Refusals: stateRefusals,
		Summary: "Number, expiry and CVC2 of a card, for its holder"}, readFull)...)
}

func lockRoutes() []mgmt.Bound {
	r := mgmt.Route{Method: http.MethodPost, Path: ownPath + "/lock", Channel: mgmt.Customers, Audit: "card.lock", Refusals: lockRefusals,
		Summary: "Lock a card for one of eight reasons; 1, 2, 5 and 8 are for ever"}
	byOwn := func(ctx context.Context, c *mgmt.Call, in *lockOwn) (Card, error) {
		return lock(ctx, c, in.key(c), in.Body.Reason, source(c))
	}
	rows := []mgmt.Bound{mgmt.Handle(r, byOwn)}
	r.Path, r.Channel, r.Roles = adminPath+"/lock", mgmt.Admin, mgmt.RolesAM
	rows = append(rows, mgmt.Handle(r, byOwn))
	r.Path, r.Channel, r.Roles = ofPath+"/lock", mgmt.Secure, 0
	rows = append(rows, mgmt.Handle(r, func(ctx context.Context, c *mgmt.Call, in *lockOf) (Card, error) {
		return lock(ctx, c, in.key(c), in.Body.Reason, source(c))
	}))
	r.Path, r.Channel, r.Roles, r.Audit = adminPath+"/lock-outside", mgmt.Admin, mgmt.RoleAdmin, "card.lockOutside"
	r.Summary = "Lock a card on behalf of a scheme or an acquirer"
	rows = append(rows, mgmt.Handle(r, func(ctx context.Context, c *mgmt.Call, in *lockOwn) (Card, error) {
		return lock(ctx, c, in.key(c), in.Body.Reason, record.LockByOutside)
	}))
	free := mgmt.Route{Method: http.MethodPost, Path: "/unlock", Audit: "card.unlock", Refusals: lockRefusals, Summary: "Unlock a card"}
	return append(append(rows, pair(free, unlock)...), byOperator(free, mgmt.RolesAM, unlock))
}

func lifeRoutes() []mgmt.Bound {
	wake := mgmt.Route{Method: http.MethodPost, Path: "/activate", Audit: "card.activate", Refusals: stateRefusals,
		Summary: "Activate a card of plastic"}
	rows := append(pair(wake, activate), byOperator(wake, mgmt.RolesAll, activate))
	gone := mgmt.Route{Method: http.MethodDelete, Path: ownPath, Channel: mgmt.Customers, Audit: "card.remove", Refusals: stateRefusals,
		Summary: "Remove a card for ever"}
	rows = append(rows, mgmt.Handle(gone, func(ctx context.Context, c *mgmt.Call, in *own) (mgmt.None, error) {
		return remove(ctx, c, in.key(c))
	}))
	gone.Path, gone.Channel = "/lifecycle/v1/users/{c}/cards/{cardId}", mgmt.Lifecycle
	rows = append(rows, mgmt.Handle(gone, func(ctx context.Context, c *mgmt.Call, in *of) (mgmt.None, error) { return remove(ctx, c, in.key(c)) }))
	gone.Path = ""
	return append(rows, byOperator(gone, mgmt.RoleAdmin, remove))
}

func secretRoutes() []mgmt.Bound {
	cvv := mgmt.Route{Method: http.MethodPost, Path: ownPath + "/cvv", Channel: mgmt.Customers, JWE: true, Audit: "card.resetCvv",
		Refusals: stateRefusals, Summary: "Give a card another CVC2"}
	rows := []mgmt.Bound{mgmt.Handle(cvv, resetOwnCVV)}
	cvv.Path, cvv.Channel, cvv.Roles = adminPath+"/cvv", mgmt.Admin, mgmt.RolesAll
	cvv.Summary = "Give a card another CVC2, which only its holder then reads"
	rows = append(rows, mgmt.Handle(cvv, resetAnyCVV))
	return append(rows, mgmt.Handle(mgmt.Route{Method: http.MethodPost, Path: ownPath + "/pin", Channel: mgmt.Customers, JWE: true,
		Audit: "card.setPin", Refusals: stateRefusals, Summary: "Set the PIN of a card of plastic"}, setPIN))
}

func limitRoutes() []mgmt.Bound {
	read := mgmt.Route{Method: http.MethodGet, Path: "/limits", Summary: "The limits of a card"}
	rows := append(pair(read, readLimits), byOperator(read, mgmt.RolesAll, readLimits))
	set := mgmt.Route{Method: http.MethodPut, Path: ownPath + "/limits", Channel: mgmt.Customers, Audit: "card.limits",
		Refusals: append([]string{"LIMIT_INVALID"}, stateRefusals...), Summary: "Replace the limits of a card"}
	rows = append(rows, mgmt.Handle(set, func(ctx context.Context, c *mgmt.Call, in *limitsOwn) (Limits, error) {
		return setLimits(ctx, c, in.key(c), &in.Body)
	}))
	set.Path, set.Channel = ofPath+"/limits", mgmt.Secure
	return append(rows, mgmt.Handle(set, func(ctx context.Context, c *mgmt.Call, in *limitsOf) (Limits, error) {
		return setLimits(ctx, c, in.key(c), &in.Body)
	}))
}
