package balances

import (
	"context"
	"net/http"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/authz/record"
	"holdfast/mgmt"
	"holdfast/mgmt/problem"
)

type createRequest struct {
	mgmt.Owner
	Body struct {
		Currency string `json:"currency" rule:"format=currency"`
	}
}

type listRequest struct {
	mgmt.Owner
	mgmt.Page
	Currency string              `query:"currency" rule:"format=currency"`
	State    record.BalanceState `query:"state" rule:"enum=ACTIVE|LOCKED|CLOSED"`
}

type readRequest struct {
	mgmt.Owner
	ID record.UUID `path:"id"`
}

type statementRequest struct {
	mgmt.Owner
	period
	ID record.UUID `path:"id"`
}

// userRoutes are the rows of one channel. The roles are those who may create, and those who may read.
func userRoutes(channel mgmt.Channel, path string, create, read mgmt.Roles) []mgmt.Bound {
	row := func(method, path, audit string, roles mgmt.Roles, summary string, refusals ...string) mgmt.Route {
		return mgmt.Route{Method: method, Path: path, Channel: channel, Roles: roles, Audit: audit, Summary: summary, Refusals: refusals}
	}
	created := row(http.MethodPost, path, "balance.create", create, "Open a balance for a user whose KYC is accepted", "KYC_REQUIRED",
		"USER_LOCKED", "USER_REMOVED", "CURRENCY_MISMATCH")
	created.Status = http.StatusCreated
	return []mgmt.Bound{
		mgmt.Handle(created, createBalance),
		mgmt.Handle(row(http.MethodGet, path, "", read, "A user's balances, each with its cards"), listBalances),
		mgmt.Handle(row(http.MethodGet, path+"/{id}", "", read, "A balance and its cards"), readBalance),
		mgmt.Handle(row(http.MethodGet, path+"/{id}/transactions", "", read, "The statement of a balance; CSV by Accept"), statement),
	}
}

func createBalance(ctx context.Context, c *mgmt.Call, in *createRequest) (Balance, error) {
	cur, err := currency(in.Body.Currency)
	if err != nil {
		return Balance{}, err
	}
	tx := mgmt.In[Tx](c)
	u, err := tx.User(ctx, c.Partner, in.User(c)) // an operator has no partner; the user has
	if err != nil {
		return Balance{}, err
	}
	b := record.Balance{Partner: u.Partner, User: u.ID, Kind: record.BalanceUser, Currency: cur, CreatedAt: c.At}
	if err := tx.OpenBalance(ctx, &b); err != nil {
		return Balance{}, err
	}
	// Money in a currency of no program would be bounded by no balance of the partner's.
	if _, err := tx.ProgramFor(ctx, u.Partner, &b); err != nil {
		return Balance{}, err
	}
	c.Object("balance " + b.PublicID.String())
	return shown(&b), nil
}

func listBalances(ctx context.Context, c *mgmt.Call, in *listRequest) (all mgmt.List[WithCards], err error) {
	tx := mgmt.In[Tx](c)
	u, err := tx.User(ctx, c.Partner, in.User(c))
	if err != nil {
		return all, err
	}
	f := record.BalanceFilter{Partner: u.Partner, User: u.ID, State: in.State}
	if in.Currency != "" {
		if f.Currency, err = money.ByAlpha(in.Currency); err != nil {
			return all, problem.New(problem.Validation,
				problem.Field{In: "query", Pointer: "currency", Rule: "must be a currency of ISO 4217"})
		}
	}
	l, err := tx.BalancesOf(ctx, f, in.Ask())
	all = mgmt.Show(l, func(b *record.Balance) (s WithCards) {
		if err == nil {
			s, err = withCards(ctx, c, b)
		}
		return s
	})
	return all, err
}

// of is a balance that is this user's.
func of(ctx context.Context, c *mgmt.Call, user authz.UserID, id record.UUID) (record.Balance, error) {
	b, err := mgmt.In[Tx](c).Balance(ctx, c.Partner, id)
	if err == nil && (b.User == 0 || b.User != user) {
		err = authz.ErrNotFound
	}
	return b, err
}

func readBalance(ctx context.Context, c *mgmt.Call, in *readRequest) (WithCards, error) {
	b, err := of(ctx, c, in.User(c), in.ID)
	if err != nil {
		return WithCards{}, err
	}
	return withCards(ctx, c, &b)
}

func statement(ctx context.Context, c *mgmt.Call, in *statementRequest) (Statement, error) {
	b, err := of(ctx, c, in.User(c), in.ID)
	if err != nil {
		return Statement{}, err
	}
	return statementOf(ctx, c, &b, in.period)
}

type moveRequest struct {
	ID   record.UUID `path:"id"`
	Body struct {
		Amount      int64  `json:"amount" rule:"min=1"`
		Currency    string `json:"currency,omitempty" rule:"format=currency"` // when given, it must be the balance's
		ExternalID  string `json:"externalId" rule:"min=1 max=64"`
		Description string `json:"description,omitempty" rule:"max=140"`
	}
}

// Movement is money that was moved. Repeated: it had been before, under the same external id, and was not again.
type Movement struct {
	ID          record.UUID         `json:"movementId"`
	Kind        record.MovementKind `json:"kind" rule:"enum=TOP_UP|DEBIT|RELOAD"`
	Amount      int64               `json:"amount"`
	Currency    string              `json:"currency" rule:"format=currency"`
	ExternalID  string              `json:"externalId"`
	Description string              `json:"description,omitempty"`
	Repeated    bool                `json:"repeated"`
	Balance     Balance             `json:"balance"`
}

func shownMovement(m *record.Movement) Movement {
	return Movement{ID: m.ID, Kind: m.Kind, Amount: m.Amount.Minor, Currency: m.Amount.Currency.Alpha(), ExternalID: m.ExternalID,
		Description: m.Description, Repeated: m.Repeated, Balance: shown(&m.After)}
}

type stateRequest struct {
	ID record.UUID `path:"id"`
}

// moneyRoutes are what only a partner's backend does to its users' balances.
func moneyRoutes() []mgmt.Bound {
	row := func(path, audit, summary string, refusals ...string) mgmt.Route {
		return mgmt.Route{Method: http.MethodPost, Path: "/secure/balances/{id}/" + path, Channel: mgmt.Secure, Audit: audit,
			Summary: summary, Refusals: refusals}
	}
	moving := []string{"BALANCE_LOCKED", "BALANCE_CLOSED", "CURRENCY_MISMATCH", "EXTERNAL_ID_REUSED", "VERSION_CONFLICT"}
	with := func(more ...string) []string { return append(more, moving...) }
	state := func(to record.BalanceState) func(context.Context, *mgmt.Call, *stateRequest) (Balance, error) {
		return func(ctx context.Context, c *mgmt.Call, in *stateRequest) (Balance, error) {
			return setState(ctx, c, in, to)
		}
	}
	return []mgmt.Bound{
		mgmt.Handle(row("credit", "balance.credit", "Top a balance up, from the partner's credit balance where the program is funded so",
			with("INSUFFICIENT_CREDIT", "FUNDING_MISSING")...), move(record.MovementTopUp)),
		mgmt.Handle(row("debit", "balance.debit", "Take money from a balance, never what is held",
			with("INSUFFICIENT_FUNDS", "FUNDING_MISSING")...), move(record.MovementDebit)),
		mgmt.Handle(row("lock", "balance.lock", "Lock a balance for debits: its cards are declined", "ILLEGAL_STATE", "BALANCE_CLOSED"),
			state(record.BalanceLocked)),
		mgmt.Handle(row("unlock", "balance.unlock", "Unlock a balance", "ILLEGAL_STATE", "BALANCE_CLOSED"), state(record.BalanceActive)),
		mgmt.Handle(row("close", "balance.close", "Close a balance of zero without holds and cards, for ever", "ILLEGAL_STATE",
			"BALANCE_CLOSED", "BALANCE_NOT_ZERO", "CARDS_LEFT"), state(record.BalanceClosed)),
	}
}

// usersBalance is a balance of one of the partner's users: the partner's own are moved and locked by operators.
func usersBalance(ctx context.Context, c *mgmt.Call, id record.UUID) (record.Balance, error) {
	c.Object("balance " + id.String())
	b, err := mgmt.In[Tx](c).Balance(ctx, c.Partner, id)
	if err == nil && b.Kind != record.BalanceUser {
		err = authz.ErrNotFound
	}
	return b, err
}

func move(kind record.MovementKind) func(context.Context, *mgmt.Call, *moveRequest) (Movement, error) {
	return func(ctx context.Context, c *mgmt.Call, in *moveRequest) (Movement, error) {
		b, err := usersBalance(ctx, c, in.ID)
		if err != nil {
			return Movement{}, err
		}
		amount, err := amountIn(&b, in.Body.Amount, in.Body.Currency)
		if err != nil {
			return Movement{}, err
		}
		m := record.Movement{Kind: kind, Partner: b.Partner, Balance: b.ID, Amount: amount, ExternalID: in.Body.ExternalID,
			Description: in.Body.Description, By: c.Name, At: c.At}
		err = mgmt.In[Tx](c).Move(ctx, &m)
		return shownMovement(&m), err
	}
}

// amountIn is an amount in the currency of a balance; one that names another currency was meant for another balance.
func amountIn(b *record.Balance, minor int64, alpha string) (money.Amount, error) {
	switch {
	case alpha != "" && alpha != b.Currency.Alpha():
		return money.Amount{}, record.ErrCurrency
	case minor > money.MinorMax:
		return money.Amount{}, problem.Body("/amount", "is more than a balance can have")
	}
	return money.Amount{Minor: minor, Currency: b.Currency}, nil
}

func setState(ctx context.Context, c *mgmt.Call, in *stateRequest, to record.BalanceState) (Balance, error) {
	if _, err := usersBalance(ctx, c, in.ID); err != nil {
		return Balance{}, err
	}
	b, err := mgmt.In[Tx](c).SetBalanceState(ctx, c.Partner, in.ID, to)
	return shown(&b), err
}
