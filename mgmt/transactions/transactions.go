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
		ApprovalCode: x.ApprovalCode, MCC: x.MCC, Merchant: x.Merchant, Terminal: x.Terminal, EntryMode: x.EntryMode, RRN: x.RRN,
		Last4: x.Last4, At: x.At}
}

// listIn chooses transactions.
type listIn struct {
	mgmt.Page
	Card    authz.CardID `query:"cardId" rule:"min=1"`
	Balance record.UUID  `query:"balanceId"`
	Since   time.Time    `query:"since"`
	Until   time.Time    `query:"until"`
}

// listAny also chooses by user.
type listAny struct {
	listIn
	User authz.UserID `query:"customerId" rule:"min=1"`
}

func list(ctx context.Context, c *mgmt.Call, user authz.UserID, in *listIn) (mgmt.List[Transaction], error) {
	tx := mgmt.In[Tx](c)
	f := record.TransactionFilter{Partner: c.Partner, User: user, Card: in.Card, Since: in.Since, Until: in.Until}
	if !in.Balance.IsZero() {
		b, err := tx.Balance(ctx, c.Partner, in.Balance)
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

// Check is one check of a decision, in the order in which they are made.
type Check struct {
	Name    string `json:"name"`
	Outcome string `json:"outcome" rule:"enum=PASSED|FAILED|NOT_REACHED"`
}

// Funds are what was available of a balance before and after.
type Funds struct {
	Before int64 `json:"before"`
	After  int64 `json:"after"`
}

// Explanation says why an authorization ended as it did: what came, each check with its outcome, the money, and the time.
type Explanation struct {
	Transaction
	Peer        string  `json:"peer"`
	CardVersion int64   `json:"cardVersion"`
	STAN        string  `json:"stan"`
	Processing  string  `json:"processingCode"`
	Answered    string  `json:"answered"`
	Checks      []Check `json:"checks"`
	UserFunds   *Funds  `json:"balance,omitempty"`
	DepoFunds   *Funds  `json:"deposit,omitempty"`
	Placed      int64   `json:"placedAmount"`
	Stages      *Stages `json:"stages,omitempty"`
}

// Stages say how long the message spent in each stage, from when it was received until the commit began that has its row;
// what follows, the commit and the answer, is not in the row. None are of a row that an earlier version wrote, or that
// no message made.
type Stages struct {
	Waited  int64 `json:"waitedMicroseconds" note:"In its queue."`
	Checked int64 `json:"checkedMicroseconds" note:"Its card was looked up, its evidence verified, its checks were made."`
	Held    int64 `json:"heldMicroseconds" note:"The cache of balances placed or refused the holds of its batch."`
	Handed  int64 `json:"handedOverMicroseconds" note:"It waited for its turn at the journal, and for commits that refused it as stale."`
	Total   int64 `json:"totalMicroseconds" note:"Until the commit of its row began: that and the answer are not in it."`
	Rounds  int   `json:"rounds" rule:"min=1 max=3" note:"How often it was decided: again where the journal knew better."`
}

func stages(s authz.Stages) *Stages {
	if !s.Known() {
		return nil
	}
	of := func(stage authz.Stage) int64 { return s.Of(stage).Microseconds() }
	return &Stages{of(authz.StageWaited), of(authz.StageChecked), of(authz.StageHeld), of(authz.StageHanded),
		s.Total().Microseconds(), s.Rounds()}
}

func explain(ctx context.Context, c *mgmt.Call, in *readIn) (Explanation, error) {
	tx := mgmt.In[Tx](c)
	x, err := tx.Explain(ctx, in.ID)
	if err != nil {
		return Explanation{}, err
	}
	e := Explanation{Transaction: show(&x.Transaction), Peer: x.Peer, CardVersion: x.CardVersion, STAN: x.STAN, Processing: x.Processing,
		Answered: x.Transaction.Reason.String(), Placed: x.Placed, Checks: []Check{}, Stages: stages(x.Stages)}
	e.Description = x.Decided.String()
	if x.Transaction.Kind != authz.Reversal {
		for _, s := range authz.Steps(x.Decided, x.Passed) {
			e.Checks = append(e.Checks, Check{s.Check, outcome(s)})
		}
	}
	if x.UserKnown {
		e.UserFunds = &Funds{x.UserBefore, x.UserBefore - x.Placed}
	}
	if x.DepositKnown {
		e.DepoFunds = &Funds{x.DepositBefore, x.DepositBefore - x.Placed}
	}
	return e, nil
}

func outcome(s authz.Step) string {
	switch {
	case s.Skipped:
		return "NOT_REACHED"
	case s.Passed:
		return "PASSED"
	}
	return "FAILED"
}
