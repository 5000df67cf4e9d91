package records

import (
	"context"
	"fmt"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
)

// BalanceRow is a balance as people read it.
type BalanceRow struct {
	ID            authz.BalanceID
	Partner, Kind string
	User          string
	Currency      int64
	Ledger, Held  int64
	State         string
	Forced        bool
}

// Balances lists all balances, partners' first.
func Balances(ctx context.Context, q Querier) ([]BalanceRow, error) {
	var all []BalanceRow
	err := q.Query(ctx, func(r Row) error {
		all = append(all, BalanceRow{ID: authz.BalanceID(r.Int(0)), Partner: r.Text(1), Kind: r.Text(2), User: r.Text(3),
			Currency: r.Int(4), Ledger: r.Int(5), Held: r.Int(6), State: r.Text(7), Forced: r.Int(8) != 0})
		return nil
	}, `SELECT b.id, p.name, b.kind, coalesce(u.name, ''), b.currency, b.ledger, b.held, b.state, b.forced
FROM balances b JOIN partners p ON p.id = b.partner_id LEFT JOIN users u ON u.id = b.user_id
ORDER BY b.kind = 'USER', p.id, b.id`)
	return all, wrap("read balances", err)
}

// Explanation is everything the journal knows about one decision.
type Explanation struct {
	ID, Original                authz.ID
	Kind                        authz.Kind
	Transaction                 authz.Transaction
	Peer, BIN, Last4            string
	Amount, Currency            int64
	Placed, Held, Given, Voided int64
	State                       authz.State
	Reason, Answered            authz.Reason
	ApprovalCode                string
	Steps                       []authz.Step // the checks of its decision
	UserBefore, DepositBefore   int64
	UserKnown, DepositKnown     bool
	CardID, Balance, Deposit    int64
	CardVersion                 int64
	STAN, RRN, Terminal, Local  string
	Merchant, MCC, Processing   string
	Acceptor                    string // the merchant's name, city and country
	ReceivedAt                  time.Time
	BalanceCurrency             int64
	Stages                      authz.Stages
}

// facts are what the checks of the decision looked at, with those columns that nothing else is made of.
func (x *Explanation) facts(r Row) *authz.Facts {
	return &authz.Facts{Kind: x.Kind, Transaction: x.Transaction, ReceivedAt: x.ReceivedAt, BIN: x.BIN, Processing: x.Processing,
		STAN: x.STAN, RRN: x.RRN, Amount: money.Amount{Minor: x.Amount, Currency: currency(x.Currency)},
		Card: authz.CardID(x.CardID), CardVersion: x.CardVersion, Currency: currency(x.BalanceCurrency), Reason: x.Reason,
		Placed: x.Placed, UserBefore: x.UserBefore, UserKnown: x.UserKnown, DepositBefore: x.DepositBefore,
		DepositKnown: x.DepositKnown, Passed: int(r.Int(17)), Channel: authz.Channel(r.Int(34)),
		Billing: money.Amount{Minor: r.Int(35), Currency: currency(r.Int(36))}, Limited: r.Int(37)&flagLimited != 0,
		Expiry: authz.Month(r.Int(38)), EntryMode: r.Text(39)}
}

// Explain reads one authorization row.
func Explain(ctx context.Context, q Querier, id authz.ID) (Explanation, error) {
	x := Explanation{}
	err := q.Query(ctx, func(r Row) error {
		x = Explanation{ID: authz.ID(r.Int(0)), Original: authz.ID(r.Int(1)), Kind: authz.Kind(r.Int(2)),
			Transaction: authz.Transaction(r.Int(3)), Peer: r.Text(4), BIN: r.Text(5), Last4: r.Text(6),
			Amount: r.Int(7), Currency: r.Int(8), Placed: r.Int(9), Held: r.Int(10), Given: r.Int(11), Voided: r.Int(12),
			State: authz.State(r.Int(13)), Reason: authz.Reason(r.Int(14)), Answered: authz.Reason(r.Int(15)),
			ApprovalCode: r.Text(16), UserBefore: r.Int(18), UserKnown: !r.Null(18),
			DepositBefore: r.Int(19), DepositKnown: !r.Null(19), CardID: r.Int(20), Balance: r.Int(21), Deposit: r.Int(22),
			CardVersion: r.Int(23), STAN: r.Text(24), RRN: r.Text(25), Terminal: r.Text(26), Local: r.Text(27),
			Merchant: r.Text(28), MCC: r.Text(29), Processing: r.Text(30), ReceivedAt: time.UnixMicro(r.Int(31)).UTC(),
			BalanceCurrency: r.Int(32), Stages: authz.Stages(r.Int(33)), Acceptor: r.Text(40)}
		x.Steps = x.facts(r).Steps()
		return nil
	}, `SELECT a.id, a.original_id, a.kind, a.tran, a.peer, a.bin, a.last4, a.amount, a.currency, a.placed, a.held, a.given,
 a.voided, a.state, a.reason, a.answered, a.approval, a.passed, a.user_before, a.deposit_before, a.card_id, a.balance_id,
 a.deposit_id, a.card_version, a.stan, a.rrn, a.terminal, a.local, a.merchant, a.mcc, a.processing, a.received_at,
 coalesce(b.currency, 0), a.stages, a.channel, a.billing_amount, a.billing_currency, a.flags, coalesce(c.expiry, 0),
 a.entry_mode, a.acceptor FROM authorizations a LEFT JOIN balances b ON b.id = a.balance_id LEFT JOIN cards c ON c.id = a.card_id
WHERE a.id = $1`, int64(id))
	if err == nil && x.ID == 0 {
		err = authz.ErrNotFound
	}
	return x, wrap(fmt.Sprintf("explain %d", id), err)
}

// LastID is the highest id in the journal; 0 when it is empty.
func LastID(ctx context.Context, q Querier) (last authz.ID, err error) {
	err = q.Query(ctx, func(r Row) error { last = authz.ID(r.Int(0)); return nil },
		"SELECT coalesce(max(id), 0) FROM authorizations")
	return last, err
}
