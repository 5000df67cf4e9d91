package records

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/authz/record"
)

// balanceRows are balances with their thresholds. Money moves by movements and authorizations only, so rows are
// never written back whole.
var balanceRows = table[record.Balance]{
	name: "balances b LEFT JOIN thresholds s ON s.balance_id = b.id",
	columns: "b.id, b.public_id, b.version, b.partner_id, b.user_id, b.kind, b.currency, b.state, b.ledger, b.held, b.forced, " +
		"s.amount, s.below, b.created_at",
	scan: func(r Row) record.Balance {
		return record.Balance{ID: authz.BalanceID(r.Int(0)), PublicID: uuid(r, 1), Version: r.Int(2), Partner: authz.PartnerID(r.Int(3)),
			User: authz.UserID(r.Int(4)), Kind: record.BalanceKind(r.Text(5)), Currency: currency(r.Int(6)),
			State: record.BalanceState(r.Text(7)), Ledger: r.Int(8), Held: r.Int(9), Forced: r.Int(10) != 0, Threshold: r.Int(11),
			BelowLevel: r.Int(12) != 0, CreatedAt: moment(r, 13)}
	},
}

// OpenBalance opens a balance of a user, whose KYC must be accepted, or one of the partner: at most one of a kind in a
// currency. It sets id, name and state; the money is zero.
func (t *Tx) OpenBalance(ctx context.Context, b *record.Balance) error {
	switch {
	case !b.Kind.Valid() || (b.Kind == record.BalanceUser) != (b.User != 0):
		return record.Invalid("kind", "is unknown or not the owner's")
	case b.Currency.IsZero():
		return record.Invalid("currency", "is missing")
	}
	var err error
	if b.User == 0 {
		// Two at once would not see each other.
		if _, err := lockRows(ctx, t.q, "SELECT id FROM partners WHERE id = $1"+ForUpdate, int64(b.Partner)); err != nil {
			return err
		}
		if _, err := t.Partner(ctx, b.Partner); err != nil {
			return err
		}
		b.ID, err = CreatePartnerBalance(ctx, t.q, b.Partner, string(b.Kind), b.Currency, b.CreatedAt)
	} else {
		var u record.User
		if u, err = t.lockUser(ctx, b.Partner, b.User); err == nil {
			err = mayHold(&u)
		}
		if err != nil {
			return err
		}
		b.ID, err = CreateUserBalance(ctx, t.q, b.Partner, b.User, b.Currency, b.CreatedAt)
	}
	if err != nil {
		return err
	}
	*b, err = t.balance(ctx, b.ID)
	return err
}

func mayHold(u *record.User) error {
	switch {
	case u.State == record.UserRemoved:
		return record.ErrUserRemoved
	case u.State != record.UserActive:
		return record.ErrUserLocked
	case u.KYC != record.KYCAccepted:
		return record.ErrKYC
	}
	return nil
}

func (t *Tx) balance(ctx context.Context, id authz.BalanceID) (record.Balance, error) {
	return balanceRows.one(ctx, t.q, by("b.id = ?", int64(id)))
}

// Balance reads one of a partner's by its name.
func (t *Tx) Balance(ctx context.Context, partner authz.PartnerID, id record.UUID) (record.Balance, error) {
	return balanceRows.one(ctx, t.q, by("b.public_id = ?", id[:]).number("b.partner_id", int64(partner)))
}

// BalanceByID reads one by its number, as cards and authorizations have it.
func (t *Tx) BalanceByID(ctx context.Context, id authz.BalanceID) (record.Balance, error) {
	return t.balance(ctx, id)
}

// BalancesOf lists those that the filter chooses.
func (t *Tx) BalancesOf(ctx context.Context, f record.BalanceFilter, page record.Page) (record.List[record.Balance], error) {
	w := new(where).number("b.partner_id", int64(f.Partner)).number("b.user_id", int64(f.User)).text("b.kind", string(f.Kind)).
		number("b.currency", numeric(f.Currency)).text("b.state", string(f.State))
	if f.PartnerOnly {
		w.and("b.user_id IS NULL")
	}
	return balanceRows.page(ctx, t.q, w, page, func(b *record.Balance) string { return strconv.FormatInt(int64(b.ID), 10) })
}

// lockBalances takes the rows of balances, in the order of their ids.
func (t *Tx) lockBalances(ctx context.Context, ids ...authz.BalanceID) error {
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = int64(id)
		t.balances[id] = true
	}
	_, err := lockRows(ctx, t.q, "SELECT id FROM balances WHERE id IN ("+holders(1, len(ids))+") ORDER BY id"+ForUpdate, args...)
	return err
}

// SetBalanceState locks a balance for debits, frees it, or closes it for ever, which takes a balance of zero without
// holds and cards. No authorization of its cards that is received after the commit is approved, unless it was freed.
func (t *Tx) SetBalanceState(ctx context.Context, partner authz.PartnerID, id record.UUID, to record.BalanceState) (record.Balance,
	error) {
	b, err := t.Balance(ctx, partner, id)
	if err == nil {
		err = t.lockBalances(ctx, b.ID)
	}
	if err == nil {
		b, err = t.balance(ctx, b.ID)
	}
	if err == nil {
		err = b.State.To(to, b.Ledger, b.Held)
	}
	if err == nil && to == record.BalanceClosed {
		var cards bool
		if cards, err = exists(ctx, t.q, "SELECT id FROM cards WHERE (balance_id = $1 OR deposit_id = $1) AND state <> $2",
			int64(b.ID), int64(authz.CardRemovedState)); cards {
			err = orElse(err, record.ErrCardsLeft)
		}
	}
	if err != nil {
		return b, err
	}
	if _, err := t.q.Exec(ctx, "UPDATE balances SET state = $1, version = version + 1 WHERE id = $2", string(to),
		int64(b.ID)); err != nil {
		return b, wrap("set balance state", err)
	}
	if err := t.restrict(ctx, []int64{int64(b.ID)}); err != nil {
		return b, err
	}
	return t.balance(ctx, b.ID)
}

// SetThreshold sets the level below which a partner is told that one of its balances is low; 0 takes it away. A balance
// that is below already is told of at once.
func (t *Tx) SetThreshold(ctx context.Context, partner authz.PartnerID, id record.UUID, amount int64, at time.Time) (record.Balance,
	error) {
	b, err := t.Balance(ctx, partner, id)
	switch {
	case err != nil:
		return b, err
	case b.Kind == record.BalanceUser:
		return b, record.Invalid("balance", "only a partner's balance has a threshold")
	case amount < 0 || amount > money.MinorMax:
		return b, record.Invalid("amount", "is out of bounds")
	}
	if _, err := t.q.Exec(ctx, "DELETE FROM thresholds WHERE balance_id = $1", int64(b.ID)); err != nil {
		return b, wrap("set threshold", err)
	}
	if amount > 0 {
		if _, err := t.q.Exec(ctx, "INSERT INTO thresholds (balance_id, amount) VALUES ($1, $2)", int64(b.ID), amount); err != nil {
			return b, wrap("set threshold", err)
		}
		if err := t.crossings(ctx, by("s.balance_id = ?", int64(b.ID)), at); err != nil {
			return b, err
		}
	}
	return t.balance(ctx, b.ID)
}

// SweepThresholds finds the balances that authorizations brought below their thresholds, or reloads above them, since
// it ran last, writes an event for each that fell, and arms those that rose again. It is cheap enough to run each
// second, and on several nodes: of two that see the same crossing one writes the event.
func (t *Tx) SweepThresholds(ctx context.Context, at time.Time) error {
	return t.crossings(ctx, new(where), at)
}

const crossingsMax = 200

func (t *Tx) crossings(ctx context.Context, w *where, at time.Time) error {
	w.and("b.id IN (SELECT balance_id FROM thresholds)") // few have one: nobody need look at all balances
	w.and("(b.ledger - b.held < s.amount AND s.below = 0 OR b.ledger - b.held >= s.amount AND s.below = 1)")
	crossed, err := balanceRows.all(ctx, t.q, w, fmt.Sprintf(" LIMIT %d", crossingsMax))
	if err != nil {
		return err
	}
	for i := range crossed {
		b := &crossed[i]
		n, err := t.q.Exec(ctx, "UPDATE thresholds SET below = $1 WHERE balance_id = $2 AND below = $3",
			flag(!b.BelowLevel), int64(b.ID), flag(b.BelowLevel))
		if err != nil {
			return wrap("cross threshold", err)
		}
		if n == 0 || b.BelowLevel {
			continue
		}
		body, err := json.Marshal(map[string]any{"balanceId": b.PublicID, "kind": b.Kind, "currency": b.Currency,
			"available": b.Available(), "threshold": b.Threshold, "timestamp": at.UTC().Format(time.RFC3339)})
		if err != nil {
			return wrap("write event", err)
		}
		if err := t.Emit(ctx, &record.Event{Partner: b.Partner, Kind: record.EventLowBalance, Subject: b.PublicID.String(),
			Body: body, CreatedAt: at}); err != nil {
			return err
		}
	}
	return nil
}

// Summary sums all balances up, by currency.
func (t *Tx) Summary(ctx context.Context) ([]record.Summary, error) {
	var all []record.Summary
	err := t.q.Query(ctx, func(r Row) error {
		all = append(all, record.Summary{Currency: currency(r.Int(0)), Users: r.Int(1), Wallet: r.Int(2)})
		return nil
	}, `SELECT currency, sum(CASE WHEN kind = 'USER' THEN ledger ELSE 0 END), sum(ledger) FROM balances
GROUP BY currency ORDER BY currency`)
	return all, wrap("sum balances up", err)
}

// Statement lists the postings of a balance, newest first. What the network did is described by the merchant's name and place,
// that of the first message where a later one does not have it.
func (t *Tx) Statement(ctx context.Context, f record.StatementFilter, page record.Page) (record.List[record.Line], error) {
	w := by("p.balance_id = ?", int64(f.Balance)).and("p.account = 'BALANCE'").between("p.posted_at", f.Since, f.Until)
	if page.Cursor != "" {
		var at, group, line int64
		if n, err := fmt.Sscanf(page.Cursor, "%d.%d.%d", &at, &group, &line); n != 3 || err != nil ||
			page.Cursor != fmt.Sprintf("%d.%d.%d", at, group, line) {
			return record.List[record.Line]{}, record.ErrCursor
		}
		w.and("(p.posted_at, p.group_id, p.line) < (?, ?, ?)", at, group, line)
	}
	lines := table[record.Line]{
		name: "postings p LEFT JOIN movements m ON m.group_id = p.group_id LEFT JOIN authorizations a ON a.id = p.authorization_id " +
			"LEFT JOIN authorizations o ON o.id = a.original_id",
		columns: "p.posted_at, p.group_id, p.line, p.kind, p.amount, p.authorization_id, m.id, m.external_id, " +
			"coalesce(m.description, nullif(a.acceptor, ''), o.acceptor)",
		scan: func(r Row) record.Line {
			return record.Line{At: moment(r, 0), Group: r.Int(1), Number: r.Int(2), Kind: r.Text(3), Amount: r.Int(4),
				Authorization: authz.ID(r.Int(5)), Movement: uuid(r, 6), ExternalID: r.Text(7), Description: r.Text(8)}
		},
	}
	all, err := lines.all(ctx, t.q, w, fmt.Sprintf(" ORDER BY p.posted_at DESC, p.group_id DESC, p.line DESC LIMIT %d", page.Size()+1))
	return paged(all, page, func(l *record.Line) string {
		return fmt.Sprintf("%d.%d.%d", l.At.UnixMicro(), l.Group, l.Number)
	}), err
}
