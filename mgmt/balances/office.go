package balances

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/mgmt"
)

// approvalLives is how long a second person has to confirm a reload.
const approvalLives = 24 * time.Hour

// Reload is what an approval is about.
type Reload struct {
	Balance     record.UUID `json:"balanceId"`
	Amount      int64       `json:"amount"`
	Currency    string      `json:"currency" rule:"format=currency"`
	ExternalID  string      `json:"externalId"`
	Description string      `json:"description,omitempty"`
}

// Approval is a reload that one operator asked for and another decides.
type Approval struct {
	ID        record.UUID          `json:"approvalId"`
	Kind      string               `json:"kind"`
	State     record.ApprovalState `json:"state" rule:"enum=PENDING|CONFIRMED|REJECTED"`
	Reload    Reload               `json:"reload"`
	AskedBy   string               `json:"askedBy"`
	AskedAt   time.Time            `json:"askedAt"`
	ExpiresAt time.Time            `json:"expiresAt"`
	DecidedBy string               `json:"decidedBy,omitempty"`
	DecidedAt *time.Time           `json:"decidedAt,omitempty"`
}

func shownApproval(a *record.Approval) Approval {
	s := Approval{ID: a.ID, Kind: a.Kind, State: a.State, AskedBy: a.AskedBy, AskedAt: a.AskedAt, ExpiresAt: a.ExpiresAt,
		DecidedBy: a.DecidedBy}
	if !a.DecidedAt.IsZero() {
		s.DecidedAt = &a.DecidedAt
	}
	_ = json.Unmarshal([]byte(a.Subject), &s.Reload) // the records wrote it; one of another kind shows as empty
	return s
}

// Sum is what all balances in a currency come to: the users', and the users' and partners' together.
type Sum struct {
	Currency string `json:"currency" rule:"format=currency"`
	Users    int64  `json:"users"`
	Wallet   int64  `json:"wallet"`
}

// Sums are one for each currency.
type Sums struct {
	Items []Sum `json:"items" rule:"max=200"`
}

type partnersRequest struct {
	Partner authz.PartnerID `path:"id" rule:"min=1"`
	mgmt.Page
}

type partnerCreateRequest struct {
	Partner authz.PartnerID `path:"id" rule:"min=1"`
	Body    struct {
		Kind     record.BalanceKind `json:"kind" rule:"enum=COMPANY|CREDIT|DEPOSIT"`
		Currency string             `json:"currency" rule:"format=currency"`
	}
}

type approvalsRequest struct {
	mgmt.Page
	State record.ApprovalState `query:"state" rule:"enum=PENDING|CONFIRMED|REJECTED"`
}

type approvalRequest struct {
	ID record.UUID `path:"id"`
}

// officeRoutes are the operators' rows.
func officeRoutes() []mgmt.Bound {
	row := func(method, path string, roles mgmt.Roles, audit, summary string, refusals ...string) mgmt.Route {
		return mgmt.Route{Method: method, Path: path, Channel: mgmt.Admin, Roles: roles, Audit: audit, Summary: summary, Refusals: refusals}
	}
	const of = "/admin/partners/{id}/balances"
	created := row(http.MethodPost, of, mgmt.RoleAdmin, "partner-balance.create", "Open a partner balance", "ALREADY_EXISTS")
	created.Status = http.StatusCreated
	asked := row(http.MethodPost, "/admin/partner-balances/{id}/reload", mgmt.RoleAdmin, "partner-balance.reload",
		"Say that a partner's money has come; another Admin confirms", "CURRENCY_MISMATCH")
	asked.Status = http.StatusAccepted
	deciding := []string{"ALREADY_USED", "EXPIRED", "VERSION_CONFLICT"}
	confirming := append([]string{"SECOND_PERSON_REQUIRED", "BALANCE_CLOSED", "EXTERNAL_ID_REUSED"}, deciding...)
	return []mgmt.Bound{
		mgmt.Handle(row(http.MethodGet, of, mgmt.RolesAll, "", "A partner's own balances"), listOf),
		mgmt.Handle(created, createFor),
		mgmt.Handle(asked, askReload),
		mgmt.Handle(row(http.MethodGet, "/admin/approvals", mgmt.RoleAdmin, "", "What waits for a second person, and what waited"),
			approvals),
		mgmt.Handle(row(http.MethodPost, "/admin/approvals/{id}/confirm", mgmt.RoleAdmin, "approval.confirm",
			"Confirm what another Admin asked for", confirming...), confirm),
		mgmt.Handle(row(http.MethodPost, "/admin/approvals/{id}/reject", mgmt.RoleAdmin, "approval.reject",
			"Reject what an Admin asked for", deciding...), reject),
		mgmt.Handle(row(http.MethodGet, "/admin/balances/summary", mgmt.RolesAll, "", "All money, by currency"), summary),
	}
}

func listOf(ctx context.Context, c *mgmt.Call, in *partnersRequest) (mgmt.List[Balance], error) {
	if _, err := mgmt.In[Tx](c).Partner(ctx, in.Partner); err != nil {
		return mgmt.List[Balance]{}, err
	}
	return partnersBalances(ctx, c, in.Partner, in.Page)
}

func createFor(ctx context.Context, c *mgmt.Call, in *partnerCreateRequest) (Balance, error) {
	return openOwn(ctx, c, in.Partner, in.Body.Kind, in.Body.Currency)
}

func askReload(ctx context.Context, c *mgmt.Call, in *moveRequest) (Approval, error) {
	b, err := ownBalance(ctx, c, in.ID)
	if err != nil {
		return Approval{}, err
	}
	amount, err := amountIn(&b, in.Body.Amount, in.Body.Currency)
	if err != nil {
		return Approval{}, err
	}
	m := record.Movement{Partner: b.Partner, Balance: b.ID, Amount: amount, ExternalID: in.Body.ExternalID,
		Description: in.Body.Description, By: c.Name, At: c.At}
	a, err := mgmt.In[Tx](c).AskReload(ctx, &m, approvalLives)
	return shownApproval(&a), err
}

func approvals(ctx context.Context, c *mgmt.Call, in *approvalsRequest) (mgmt.List[Approval], error) {
	l, err := mgmt.In[Tx](c).Approvals(ctx, in.State, in.Ask())
	return mgmt.Show(l, shownApproval), err
}

func confirm(ctx context.Context, c *mgmt.Call, in *approvalRequest) (Movement, error) {
	c.Object("approval " + in.ID.String())
	_, m, err := mgmt.In[Tx](c).ConfirmReload(ctx, in.ID, c.Name, c.At)
	return shownMovement(&m), err
}

func reject(ctx context.Context, c *mgmt.Call, in *approvalRequest) (Approval, error) {
	c.Object("approval " + in.ID.String())
	a, err := mgmt.In[Tx](c).RejectApproval(ctx, in.ID, c.Name, c.At)
	return shownApproval(&a), err
}

func summary(ctx context.Context, c *mgmt.Call, _ *mgmt.None) (Sums, error) {
	all, err := mgmt.In[Tx](c).Summary(ctx)
	s := Sums{Items: []Sum{}}
	for _, one := range all {
		s.Items = append(s.Items, Sum{one.Currency.Alpha(), one.Users, one.Wallet})
	}
	return s, err
}
