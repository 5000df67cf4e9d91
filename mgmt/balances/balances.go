// Package balances is the room of money: users' balances, which partners top up and debit, and partners' own, which
// bound what users get or spend and which only two operators together can reload. Amounts are whole minor units.
package balances

import (
	"context"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/authz/record"
	"holdfast/mgmt"
	"holdfast/mgmt/problem"
)

// Tx is what the room needs of a transaction. *records.Tx is one.
type Tx interface {
	User(ctx context.Context, partner authz.PartnerID, id authz.UserID) (record.User, error)
	Partner(ctx context.Context, id authz.PartnerID) (record.Partner, error)
	Programs(ctx context.Context, partner authz.PartnerID, page record.Page) (record.List[record.Program], error)
	ProgramFor(ctx context.Context, partner authz.PartnerID, b *record.Balance) (record.Program, error)
	Cards(ctx context.Context, f record.CardFilter, page record.Page) (record.List[record.Card], error)

	OpenBalance(ctx context.Context, b *record.Balance) error
	Balance(ctx context.Context, partner authz.PartnerID, id record.UUID) (record.Balance, error)
	BalancesOf(ctx context.Context, f record.BalanceFilter, page record.Page) (record.List[record.Balance], error)
	SetBalanceState(ctx context.Context, partner authz.PartnerID, id record.UUID, to record.BalanceState) (record.Balance, error)
	SetThreshold(ctx context.Context, partner authz.PartnerID, id record.UUID, amount int64, at time.Time) (record.Balance, error)
	Move(ctx context.Context, m *record.Movement) error
	Statement(ctx context.Context, f record.StatementFilter, page record.Page) (record.List[record.Line], error)
	Summary(ctx context.Context) ([]record.Summary, error)

	AskReload(ctx context.Context, m *record.Movement, lives time.Duration) (record.Approval, error)
	ConfirmReload(ctx context.Context, id record.UUID, by string, at time.Time) (record.Approval, record.Movement, error)
	RejectApproval(ctx context.Context, id record.UUID, by string, at time.Time) (record.Approval, error)
	Approvals(ctx context.Context, state record.ApprovalState, page record.Page) (record.List[record.Approval], error)
}

// Balance is one as the API shows it. Available is the ledger less what is held.
type Balance struct {
	ID        record.UUID         `json:"balanceId"`
	Kind      record.BalanceKind  `json:"kind" rule:"enum=USER|COMPANY|CREDIT|DEPOSIT"`
	Customer  authz.UserID        `json:"customerId,omitempty"`
	Currency  string              `json:"currency" rule:"format=currency"`
	State     record.BalanceState `json:"state" rule:"enum=ACTIVE|LOCKED|CLOSED"`
	Ledger    int64               `json:"ledger"`
	Held      int64               `json:"held"`
	Available int64               `json:"available"`
	Threshold int64               `json:"threshold,omitempty"`
	CreatedAt time.Time           `json:"createdAt"`
}

// Card is a card of a balance, by what names it to people.
type Card struct {
	ID     authz.CardID    `json:"cardId"`
	Kind   record.CardKind `json:"kind"`
	Status string          `json:"status"`
	Last4  string          `json:"lastFourDigits"`
	Expiry string          `json:"exp" rule:"format=date"`
}

// WithCards is a user's balance and its cards.
type WithCards struct {
	Balance
	Cards []Card `json:"cards" rule:"max=200"`
}

func shown(b *record.Balance) Balance {
	return Balance{ID: b.PublicID, Kind: b.Kind, Customer: b.User, Currency: b.Currency.Alpha(), State: b.State, Ledger: b.Ledger,
		Held: b.Held, Available: b.Available(), Threshold: b.Threshold, CreatedAt: b.CreatedAt}
}

func withCards(ctx context.Context, c *mgmt.Call, b *record.Balance) (WithCards, error) {
	s := WithCards{Balance: shown(b), Cards: []Card{}}
	l, err := mgmt.In[Tx](c).Cards(ctx, record.CardFilter{Partner: b.Partner, Balance: b.ID}, record.Page{Limit: record.PageMax})
	for i := range l.Items {
		card := &l.Items[i]
		s.Cards = append(s.Cards, Card{card.ID, card.Kind, card.Status(c.At), card.Last4, record.ExpiryDay(card.Expiry)})
	}
	return s, err
}

// currency is one that we know, by its letters.
func currency(alpha string) (money.Currency, error) {
	c, err := money.ByAlpha(alpha)
	if err != nil {
		return c, problem.Body("/currency", "must be a currency of ISO 4217")
	}
	return c, nil
}

// Routes are the room's rows of the routing table.
func Routes() []mgmt.Bound {
	rows := userRoutes(mgmt.Secure, "/secure/customers/{c}/balances", 0, 0)
	rows = append(rows, userRoutes(mgmt.Customers, "/customers/me/balances", 0, 0)...)
	rows = append(rows, userRoutes(mgmt.Admin, "/admin/customers/{c}/balances", mgmt.RolesAM, mgmt.RolesAll)...)
	rows = append(rows, moneyRoutes()...)
	rows = append(rows, partnerRoutes()...)
	return append(rows, officeRoutes()...)
}
