package records

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/authz/record"
)

// The sum keeps PostgreSQL from finding a card's rows by the indexes of the journal that end in the card: it would read
// such an index from end to end.
const transactionJoins = " JOIN cards c ON c.id = a.card_id + 0 JOIN balances b ON b.id = c.balance_id"

// transactionRows are the rows of the journal that a person calls a transaction.
var transactionRows = table[record.Transaction]{
	name: "authorizations a" + transactionJoins,
	columns: "a.id, a.partner_id, c.user_id, b.id, b.public_id, c.id, c.public_id, a.original_id, a.kind, a.tran, a.state, a.answered, " +
		"a.amount, a.currency, a.placed, a.held, b.currency, a.approval, a.merchant, a.mcc, a.terminal, a.entry_mode, a.rrn, a.last4, " +
		"a.received_at, a.given, a.country, a.billing_amount, a.billing_currency, a.acceptor",
	scan: func(r Row) record.Transaction {
		id := authz.ID(r.Int(0))
		x := record.Transaction{ID: record.TransactionID(id), Authorization: id, Partner: authz.PartnerID(r.Int(1)),
			User:      authz.UserID(r.Int(2)),
			BalanceID: authz.BalanceID(r.Int(3)), Balance: uuid(r, 4), CardID: authz.CardID(r.Int(5)), Card: uuid(r, 6),
			Kind: authz.Kind(r.Int(8)), Class: authz.Transaction(r.Int(9)), Reason: authz.Reason(r.Int(11)),
			State:     record.TransactionState(authz.State(r.Int(10)), authz.Reason(r.Int(11))),
			Requested: money.Amount{Minor: r.Int(12), Currency: currency(r.Int(13))},
			Amount:    money.Amount{Minor: r.Int(14), Currency: currency(r.Int(16))}, Held: r.Int(15), ApprovalCode: r.Text(17),
			Merchant: r.Text(18), MCC: r.Text(19), Terminal: r.Text(20), EntryMode: r.Text(21), RRN: r.Text(22), Last4: r.Text(23),
			At: moment(r, 24), Given: r.Int(25), Country: r.Text(26), Acceptor: r.Text(29)}
		if x.Amount.Minor == 0 && !x.Undoes() {
			x.Amount.Minor = asked(&x, r.Int(27), r.Int(28))
		}
		if original := r.Int(7); original != 0 {
			x.Original = record.TransactionID(authz.ID(original))
		}
		return x
	},
}

// asked is what a row that placed nothing would have cost, in the currency of the card's balance; 0: it did not say.
func asked(x *record.Transaction, billed, in int64) int64 {
	switch x.Amount.Currency {
	case x.Requested.Currency:
		return x.Requested.Minor
	case currency(in):
		return billed
	}
	return 0
}

// Transactions lists those that the filter chooses: requests and advices, not their reversals and expiries, which are seen
// by the state of what they undid. Those of a card, a balance, a user or a partner are found by card_rows as far as it
// goes, and behind it by looking through the journal's last minutes.
func (t *Tx) Transactions(ctx context.Context, f record.TransactionFilter, page record.Page) (record.List[record.Transaction], error) {
	before, err := before(page)
	if err != nil {
		return record.List[record.Transaction]{}, err
	}
	mark := int64(0)
	of, argument := listedRows(f)
	if of != "" {
		if mark, err = t.listed(ctx); err != nil {
			return record.List[record.Transaction]{}, err
		}
	}
	want := page.Size() + 1
	all, err := transactionRows.all(ctx, t.q, chosen(f).and("a.id > ?", mark).and("a.id < ?", before),
		fmt.Sprintf(" ORDER BY a.id DESC LIMIT %d", want))
	if err == nil && len(all) < want && mark > 0 {
		listed := transactionRows
		listed.name = "card_rows k JOIN authorizations a ON a.id = k.authorization_id" + transactionJoins
		var more []record.Transaction
		more, err = listed.all(ctx, t.q, chosen(f).and(of, argument).and("k.authorization_id <= ?", min(mark, before-1)),
			fmt.Sprintf(" ORDER BY k.authorization_id DESC LIMIT %d", want-len(all)))
		all = append(all, more...)
	}
	return paged(all, page, func(x *record.Transaction) string { return x.ID.String() }), err
}

// before is the id that a page's rows are older than.
func before(page record.Page) (int64, error) {
	if page.Cursor == "" {
		return 1<<63 - 1, nil
	}
	u, err := page.UUIDCursor()
	id, ours := record.AuthorizationID(u)
	if err != nil || !ours {
		return 0, record.ErrCursor
	}
	return int64(id), nil
}

// listedRows is the condition by which card_rows finds what a filter chooses, the narrowest; empty: it is of no help.
func listedRows(f record.TransactionFilter) (condition string, argument int64) {
	switch {
	case f.Card != 0:
		return "k.card_id = ?", int64(f.Card)
	case f.Balance != 0:
		return "k.card_id IN (SELECT id FROM cards WHERE balance_id = ?)", int64(f.Balance)
	case f.User != 0:
		return "k.card_id IN (SELECT id FROM cards WHERE user_id = ?)", int64(f.User)
	case f.Partner != 0:
		return "k.partner_id = ?", int64(f.Partner)
	}
	return "", 0
}

func chosen(f record.TransactionFilter) *where {
	w := by("a.kind NOT IN (?, ?)", int64(authz.Reversal), int64(authz.HoldExpiry)).number("a.partner_id", int64(f.Partner)).
		number("c.user_id", int64(f.User)).number("c.balance_id", int64(f.Balance)).number("c.id", int64(f.Card)).
		between("a.received_at", f.Since, f.Until)
	if f.Status != "" {
		w.status(f.Status)
	}
	return w
}

// status adds the condition that a row's word is the one of [record.TransactionState]: of an answer that refused it is
// DECLINED, of the others it is by the state.
func (w *where) status(word string) {
	var taken, states []any
	for r := range authz.Reason(authz.ReasonCount) {
		if record.TransactionState(authz.StateAuthorized, r) != "DECLINED" {
			taken = append(taken, int64(r))
		}
	}
	for s := authz.StateDeclined; s <= authz.StatePromised; s++ {
		if record.TransactionState(s, authz.Approved) == word {
			states = append(states, int64(s))
		}
	}
	if word == "DECLINED" {
		w.and("a.answered NOT IN ("+marks(len(taken))+")", taken...)
		return
	}
	w.and("a.answered IN ("+marks(len(taken))+")", taken...).and("a.state IN ("+marks(len(states))+")", states...)
}

// marks are so many places of arguments of a condition.
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// Transaction reads one of a partner's by its name.
func (t *Tx) Transaction(ctx context.Context, partner authz.PartnerID, id record.UUID) (record.Transaction, error) {
	number, ours := record.AuthorizationID(id)
	if !ours {
		return record.Transaction{}, authz.ErrNotFound
	}
	return transactionRows.one(ctx, t.q, by("a.id = ?", int64(number)).number("a.partner_id", int64(partner)))
}

// Explain reads a transaction with all that the journal keeps of its decision. One of a card that we do not know has no
// user, card and balance.
func (t *Tx) Explain(ctx context.Context, id record.UUID) (x record.Explanation, err error) {
	number, ours := record.AuthorizationID(id)
	if !ours {
		return x, authz.ErrNotFound
	}
	row, err := Explain(ctx, t.q, number)
	if err != nil {
		return x, err
	}
	x = record.Explanation{Peer: row.Peer, Decided: row.Reason, Steps: row.Steps, CardVersion: row.CardVersion, STAN: row.STAN,
		Processing: row.Processing, UserBefore: row.UserBefore, DepositBefore: row.DepositBefore, UserKnown: row.UserKnown,
		DepositKnown: row.DepositKnown, Placed: row.Placed, Stages: row.Stages}
	if x.Transaction, err = t.Transaction(ctx, 0, id); errors.Is(err, authz.ErrNotFound) {
		asked := money.Amount{Minor: row.Amount, Currency: currency(row.Currency)}
		x.Transaction = record.Transaction{ID: id, Authorization: number, Kind: row.Kind, Class: row.Transaction,
			State: record.TransactionState(row.State, row.Answered), Reason: row.Answered, Amount: asked, Requested: asked,
			Merchant: row.Merchant, Acceptor: row.Acceptor, MCC: row.MCC, Terminal: row.Terminal, RRN: row.RRN, Last4: row.Last4,
			At: row.ReceivedAt}
		err = nil
	}
	return x, err
}
