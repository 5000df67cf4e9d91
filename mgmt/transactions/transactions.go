// Package transactions is the room in which authorizations are read: by cardholders and partners as transactions, by
// operators with every check that was made.
package transactions

import (
	"context"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/mgmt"
)

// Tx is what the room needs of a transaction of the store. *records.Tx is one.
type Tx interface {
	mgmt.Tx
	Balance(ctx context.Context, partner authz.PartnerID, id record.UUID) (record.Balance, error)
	Transactions(ctx context.Context, f record.TransactionFilter, page record.Page) (record.List[record.Transaction], error)
	Transaction(ctx context.Context, partner authz.PartnerID, id record.UUID) (record.Transaction, error)
	Explain(ctx context.Context, id record.UUID) (record.Explanation, error)
}

// Transaction is one as it is listed. Amount is in the balance's currency, the original one in that of the purchase.
type Transaction struct {
	ID               record.UUID  `json:"id"`
	Status           string       `json:"status" rule:"enum=AUTHORIZED|CLEARED|REVERSED|EXPIRED|DECLINED"`
	Description      string       `json:"description"`
	Kind             string       `json:"kind"`
	Type             string       `json:"type"`
	User             authz.UserID `json:"customerId"`
	Card             authz.CardID `json:"cardId"`
	Resource         record.UUID  `json:"resourceId"`
	Balance          record.UUID  `json:"balanceId"`
	Reference        string       `json:"referenceTransactionId,omitempty" rule:"format=uuid"`
	Amount           int64        `json:"amount"`
	Currency         string       `json:"currency"`
	OriginalAmount   int64        `json:"originalAmount"`
	OriginalCurrency string       `json:"originalCurrency"`
	Held             int64        `json:"heldAmount"`
	ApprovalCode     string       `json:"approvalCode,omitempty"`
	MCC              string       `json:"mcc,omitempty"`
	Merchant         string       `json:"merchantIdentifier,omitempty"`
	Acceptor         string       `json:"merchantName,omitempty" note:"Name, city and country, as the message has them."`
	Terminal         string       `json:"terminalIdentifier,omitempty"`
	EntryMode        string       `json:"entryMode,omitempty"`
	RRN              string       `json:"retrievalReferenceNumber,omitempty"`
	Last4            string       `json:"lastFourDigits"`
	At               time.Time    `json:"date"`
}

func show(x *record.Transaction) Transaction {
	return Transaction{ID: x.ID, Status: x.State, Description: x.Reason.String(), Kind: x.Kind.String(), Type: x.Class.String(),
		User: x.User,
		Card: x.CardID, Resource: x.Card, Balance: x.Balance, Reference: x.Original.String(), Amount: x.Amount.Minor,
		Currency: x.Amount.Currency.String(), OriginalAmount: x.Requested.Minor, OriginalCurrency: x.Requested.Currency.String(),
		Held:         x.Held,
		ApprovalCode: x.ApprovalCode, MCC: x.MCC, Merchant: x.Merchant, Acceptor: x.Acceptor, Terminal: x.Terminal, EntryMode: x.EntryMode,
		RRN: x.RRN, Last4: x.Last4, At: x.At}
}

// listIn chooses transactions.
type listIn struct {
	mgmt.Page
	Card    authz.CardID `query:"cardId" rule:"min=1"`
	Balance record.UUID  `query:"balanceId"`
	Status  string       `query:"status" rule:"enum=AUTHORIZED|CLEARED|REVERSED|EXPIRED|DECLINED"`
	Since   time.Time    `query:"since"`
	Until   time.Time    `query:"until"`
}

// listAny also chooses by user.
type listAny struct {
	listIn
	User authz.UserID `query:"customerId" rule:"min=1"`
}

// listAll also chooses by partner.
type listAll struct {
	listAny
	Partner authz.PartnerID `query:"partnerId" rule:"min=1"`
}

func list(ctx context.Context, c *mgmt.Call, partner authz.PartnerID, user authz.UserID, in *listIn) (mgmt.List[Transaction], error) {
	tx := mgmt.In[Tx](c)
	f := record.TransactionFilter{Partner: partner, User: user, Card: in.Card, Status: in.Status, Since: in.Since, Until: in.Until}
	if !in.Balance.IsZero() {
		b, err := tx.Balance(ctx, partner, in.Balance)
		if err == nil && user != 0 && b.User != user {
			err = authz.ErrNotFound
		}
		if err != nil {
			return mgmt.List[Transaction]{}, err
		}
		f.Balance = b.ID
	}
	all, err := tx.Transactions(ctx, f, in.Ask())
	return mgmt.Show(all, show), err
}

type readIn struct {
	ID record.UUID `path:"id"`
}

func read(ctx context.Context, c *mgmt.Call, in *readIn) (Transaction, error) {
	x, err := mgmt.In[Tx](c).Transaction(ctx, c.Partner, in.ID)
	if err == nil && c.User != 0 && x.User != c.User {
		err = authz.ErrNotFound
	}
	return show(&x), err
}
