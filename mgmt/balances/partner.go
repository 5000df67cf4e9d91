package balances

import (
	"context"
	"net/http"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/mgmt"
)

type ownCreateRequest struct {
	Body struct {
		Kind     record.BalanceKind `json:"kind" rule:"enum=CREDIT|DEPOSIT"`
		Currency string             `json:"currency" rule:"format=currency"`
	}
}

type ownListRequest struct{ mgmt.Page }

type ownStatementRequest struct {
	period
	ID record.UUID `path:"id"`
}

type thresholdRequest struct {
	ID   record.UUID `path:"id"`
	Body struct {
		Amount int64 `json:"amount" rule:"min=0"` // 0 takes the threshold away
	}
}

// partnerRoutes are what a partner's backend does with the partner's own balances.
func partnerRoutes() []mgmt.Bound {
	const path = "/secure/partner/balances"
	row := func(method, path, audit, summary string, refusals ...string) mgmt.Route {
		return mgmt.Route{Method: method, Path: path, Channel: mgmt.Secure, Audit: audit, Summary: summary, Refusals: refusals}
	}
	created := row(http.MethodPost, path, "partner-balance.create", "Open a partner balance, where a program allows it", "NOT_ALLOWED",
		"ALREADY_EXISTS")
	created.Status = http.StatusCreated
	return []mgmt.Bound{
		mgmt.Handle(row(http.MethodGet, path, "", "The partner's own balances"),
			func(ctx context.Context, c *mgmt.Call, in *ownListRequest) (mgmt.List[Balance], error) {
				return partnersBalances(ctx, c, c.Partner, in.Page)
			}),
		mgmt.Handle(created, createOwn),
		mgmt.Handle(row(http.MethodGet, path+"/{id}/transactions", "", "The statement of a partner balance; CSV by Accept"), ownStatement),
		mgmt.Handle(row(http.MethodPut, path+"/{id}/threshold", "partner-balance.threshold",
			"Set the level below which the partner is told, once until it is reloaded"), setThreshold),
	}
}

func partnersBalances(ctx context.Context, c *mgmt.Call, partner authz.PartnerID, page mgmt.Page) (mgmt.List[Balance], error) {
	l, err := mgmt.In[Tx](c).BalancesOf(ctx, record.BalanceFilter{Partner: partner, PartnerOnly: true}, page.Ask())
	return mgmt.Show(l, shown), err
}

func createOwn(ctx context.Context, c *mgmt.Call, in *ownCreateRequest) (Balance, error) {
	tx := mgmt.In[Tx](c)
	programs, err := tx.Programs(ctx, c.Partner, record.Page{Limit: record.PageMax})
	if err != nil {
		return Balance{}, err
	}
	for _, p := range programs.Items {
		if p.PartnerBalances && p.Currency.Alpha() == in.Body.Currency && string(p.Funding) == string(in.Body.Kind) {
			return openOwn(ctx, c, c.Partner, in.Body.Kind, in.Body.Currency)
		}
	}
	return Balance{}, record.ErrNotAllowed
}

func openOwn(ctx context.Context, c *mgmt.Call, partner authz.PartnerID, kind record.BalanceKind, alpha string) (Balance, error) {
	cur, err := currency(alpha)
	if err != nil {
		return Balance{}, err
	}
	b := record.Balance{Partner: partner, Kind: kind, Currency: cur, CreatedAt: c.At}
	if err := mgmt.In[Tx](c).OpenBalance(ctx, &b); err != nil {
		return Balance{}, err
	}
	c.Object("balance " + b.PublicID.String())
	return shown(&b), nil
}

// ownBalance is a balance of the calling partner itself.
func ownBalance(ctx context.Context, c *mgmt.Call, id record.UUID) (record.Balance, error) {
	c.Object("balance " + id.String())
	b, err := mgmt.In[Tx](c).Balance(ctx, c.Partner, id)
	if err == nil && b.Kind == record.BalanceUser {
		err = authz.ErrNotFound
	}
	return b, err
}

func ownStatement(ctx context.Context, c *mgmt.Call, in *ownStatementRequest) (Statement, error) {
	b, err := ownBalance(ctx, c, in.ID)
	if err != nil {
		return Statement{}, err
	}
	return statementOf(ctx, c, &b, in.period)
}

func setThreshold(ctx context.Context, c *mgmt.Call, in *thresholdRequest) (Balance, error) {
	if _, err := ownBalance(ctx, c, in.ID); err != nil {
		return Balance{}, err
	}
	b, err := mgmt.In[Tx](c).SetThreshold(ctx, c.Partner, in.ID, in.Body.Amount, c.At)
	return shown(&b), err
}
