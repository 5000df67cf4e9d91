package records

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/authz/record"
)

var movements = table[record.Movement]{
	name:    "movements",
	columns: "id, kind, partner_id, balance_id, currency, amount, external_id, description, by_whom, moved_at",
	scan: func(r Row) record.Movement {
		return record.Movement{ID: uuid(r, 0), Kind: record.MovementKind(r.Text(1)), Partner: authz.PartnerID(r.Int(2)),
			Balance: authz.BalanceID(r.Int(3)), Amount: money.Amount{Minor: r.Int(5), Currency: currency(r.Int(4))},
			ExternalID: r.Text(6), Description: r.Text(7), By: r.Text(8), At: moment(r, 9)}
	},
}

// Move tops a user's balance up or debits it, and sets the rest of m. The same external id of a partner moves money
// once: a second time m is what was done then, and After what the balance is now.
//
// Where the partner has a program in the currency that is funded by CREDIT, a top-up is charged to the partner's
// CREDIT balance first, both or neither, and a debit gives back to it; else the money comes from and goes to outside.
// A debit never takes what is held, nor more than there is. What is moved is a group of postings that sums to zero.
func (t *Tx) Move(ctx context.Context, m *record.Movement) error {
	if m.Kind == record.MovementReload {
		return record.ErrSecondPerson
	}
	return t.move(ctx, m)
}

func (t *Tx) move(ctx context.Context, m *record.Movement) error {
	if err := m.Check(); err != nil {
		return err
	}
	other, err := t.counterpart(ctx, m)
	if err != nil {
		return err
	}
	ids := []authz.BalanceID{m.Balance}
	if other != 0 {
		ids = append(ids, other)
	}
	if err := t.lockBalances(ctx, ids...); err != nil {
		return err
	}
	// Not before: the first of two at once may have made it while this one waited, and used the money up.
	if done, err := t.repeated(ctx, m); done || err != nil {
		return err
	}
	signed := m.Amount.Minor
	if m.Kind == record.MovementDebit {
		signed = -signed
	}
	// In the order of the seed: the partner's credit first.
	if other != 0 {
		if err := t.covers(ctx, other, -signed, record.ErrCreditFunds); err != nil {
			return err
		}
	}
	if err := t.covers(ctx, m.Balance, signed, record.ErrFunds); err != nil {
		return err
	}
	return t.book(ctx, m, other, signed)
}

// repeated reports whether the movement has been made before, and makes m what was done.
func (t *Tx) repeated(ctx context.Context, m *record.Movement) (bool, error) {
	old, err := movements.one(ctx, t.q, by("partner_id = ?", int64(m.Partner)).and("external_id = ?", m.ExternalID))
	switch {
	case errors.Is(err, authz.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case old.Kind != m.Kind || old.Balance != m.Balance || old.Amount != m.Amount:
		return false, record.ErrExternalID
	}
	if old.After, err = t.balance(ctx, m.Balance); err != nil {
		return false, err
	}
	*m = old
	m.Repeated = true
	return true, nil
}

// counterpart finds the balance on the other side; 0 is the outside.
func (t *Tx) counterpart(ctx context.Context, m *record.Movement) (authz.BalanceID, error) {
	b, err := t.balance(ctx, m.Balance)
	switch {
	case err != nil:
		return 0, err
	case b.Partner != m.Partner:
		return 0, authz.ErrNotFound
	case b.Currency != m.Amount.Currency:
		return 0, record.ErrCurrency
	case (b.Kind == record.BalanceUser) == (m.Kind == record.MovementReload):
		return 0, record.Invalid("balance", "is not of a kind that this is done to")
	case b.Kind != record.BalanceUser:
		return 0, nil
	}
	credit, err := exists(ctx, t.q, "SELECT id FROM programs WHERE partner_id = $1 AND currency = $2 AND funding = 'CREDIT'",
		int64(b.Partner), numeric(b.Currency))
	if err != nil || !credit {
		return 0, wrap("read programs", err)
	}
	var other authz.BalanceID
	err = t.q.Query(ctx, func(r Row) error { other = authz.BalanceID(r.Int(0)); return nil },
		"SELECT id FROM balances WHERE partner_id = $1 AND kind = 'CREDIT' AND currency = $2 AND user_id IS NULL", int64(b.Partner),
		numeric(b.Currency))
	if err == nil && other == 0 {
		err = record.ErrFunding
	}
	return other, wrap("find the credit balance", err)
}

// covers checks that a balance, whose row is locked, may change by an amount.
func (t *Tx) covers(ctx context.Context, id authz.BalanceID, amount int64, short error) error {
	b, err := t.balance(ctx, id)
	switch {
	case err != nil:
		return err
	case b.State == record.BalanceClosed:
		return record.ErrBalanceClosed
	case amount < 0 && b.State == record.BalanceLocked:
		return record.ErrBalanceLocked
	case amount < 0 && b.Available() < -amount:
		return short
	case b.Ledger+amount > money.MinorMax:
		return record.Invalid("amount", "is more than a balance can have")
	}
	return nil
}

// book writes the movement, its postings and the balances. Of two transactions with one external id the second
// waits for the first here, and finds what that did.
func (t *Tx) book(ctx context.Context, m *record.Movement, other authz.BalanceID, signed int64) error {
	m.ID = record.NewUUID(m.At)
	group := groupID()
	n, err := t.q.Exec(ctx, "INSERT INTO movements ("+movements.columns+", group_id) VALUES ("+holders(1, 11)+
		") ON CONFLICT (partner_id, external_id) DO NOTHING", m.ID[:], string(m.Kind), int64(m.Partner), int64(m.Balance),
		numeric(m.Amount.Currency), m.Amount.Minor, m.ExternalID, m.Description, m.By, micros(m.At), group)
	if err != nil {
		return wrap("insert movement", err)
	}
	if n == 0 {
		done, err := t.repeated(ctx, m)
		if err == nil && !done {
			err = record.ErrVersion // it was taken back meanwhile; the caller may try again
		}
		return err
	}
	lines := []postingLine{{"BALANCE", m.Balance, signed}, {"FUNDING", 0, -signed}}
	if other != 0 {
		lines = []postingLine{{"BALANCE", other, -signed}, {"BALANCE", m.Balance, signed}}
	}
	if err := post(ctx, t.q, group, m.Partner, numeric(m.Amount.Currency), string(m.Kind), m.At, lines); err != nil {
		return err
	}
	for _, l := range lines {
		if l.balance == 0 {
			continue
		}
		if err := credit(ctx, t.q, l.balance, l.amount); err != nil {
			return err
		}
		if err := t.crossings(ctx, by("s.balance_id = ?", int64(l.balance)), m.At); err != nil {
			return err
		}
	}
	m.After, err = t.balance(ctx, m.Balance)
	return err
}

type postingLine struct {
	account string
	balance authz.BalanceID
	amount  int64
}

// post writes the lines of a group.
func post(ctx context.Context, q Querier, group int64, p authz.PartnerID, currency int64, kind string, at time.Time,
	lines []postingLine) error {
	for i, l := range lines {
		if _, err := q.Exec(ctx, `INSERT INTO postings (group_id, line, partner_id, account, balance_id, currency, amount,
 kind, authorization_id, posted_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9)`, group, int64(i+1), int64(p), l.account,
			int64(l.balance), currency, l.amount, kind, at.UnixMicro()); err != nil {
			return wrap("post "+kind, err)
		}
	}
	return nil
}

// credit changes a ledger. A balance that was driven below zero and is no longer is as any other again.
func credit(ctx context.Context, q Querier, id authz.BalanceID, amount int64) error {
	_, err := q.Exec(ctx, `UPDATE balances SET ledger = ledger + $1, version = version + 1,
 forced = CASE WHEN ledger + $1 - held >= 0 THEN 0 ELSE forced END WHERE id = $2`, amount, int64(id))
	return wrap("change balance", err)
}

// groupID names a group of postings. Captures have the authorization's id, which is above 2^61 since 2004, and seeds
// count from 1; these are chosen by lot between, so that no node waits for another's number.
func groupID() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the program instead
	return int64(binary.BigEndian.Uint64(b[:])>>4 | 1<<59)
}

// Movements lists what the API moved on a balance.
func (t *Tx) Movements(ctx context.Context, id authz.BalanceID, page record.Page) (record.List[record.Movement], error) {
	return movements.page(ctx, t.q, by("balance_id = ?", int64(id)), page, func(m *record.Movement) string { return m.ID.String() })
}

// ApprovalReload is the kind of the approvals that AskReload asks for.
const ApprovalReload = "RELOAD"

// reloadSubject is how a reload stands in its approval.
type reloadSubject struct {
	Balance     record.UUID    `json:"balanceId"`
	Amount      int64          `json:"amount"`
	Currency    money.Currency `json:"currency"`
	ExternalID  string         `json:"externalId"`
	Description string         `json:"description"`
}

// AskReload asks a second person to confirm that money of the partner has arrived for one of its balances.
func (t *Tx) AskReload(ctx context.Context, m *record.Movement, lives time.Duration) (record.Approval, error) {
	m.Kind = record.MovementReload
	if err := m.Check(); err != nil {
		return record.Approval{}, err
	}
	if _, err := t.counterpart(ctx, m); err != nil {
		return record.Approval{}, err
	}
	b, err := t.balance(ctx, m.Balance)
	if err != nil {
		return record.Approval{}, err
	}
	subject, err := json.Marshal(reloadSubject{b.PublicID, m.Amount.Minor, m.Amount.Currency, m.ExternalID, m.Description})
	if err != nil {
		return record.Approval{}, wrap("ask for a reload", err)
	}
	a := record.Approval{ID: record.NewUUID(m.At), Version: 1, Kind: ApprovalReload, Subject: string(subject), AskedBy: m.By,
		AskedAt: m.At, ExpiresAt: m.At.Add(lives), State: record.ApprovalPending}
	return a, approvals.insert(ctx, t.q, &a)
}

// ConfirmReload moves the money of a reload that another person asked for.
func (t *Tx) ConfirmReload(ctx context.Context, id record.UUID, by string, at time.Time) (record.Approval, record.Movement, error) {
	a, err := t.decidable(ctx, id, by, at)
	if err != nil {
		return a, record.Movement{}, err
	}
	var s reloadSubject
	if err := json.Unmarshal([]byte(a.Subject), &s); err != nil || a.Kind != ApprovalReload {
		return a, record.Movement{}, record.Invalid("approval", "is not one of a reload")
	}
	b, err := t.Balance(ctx, 0, s.Balance)
	if err != nil {
		return a, record.Movement{}, err
	}
	m := record.Movement{Kind: record.MovementReload, Partner: b.Partner, Balance: b.ID, ExternalID: s.ExternalID, By: by, At: at,
		Amount: money.Amount{Minor: s.Amount, Currency: s.Currency}, Description: s.Description}
	if err := t.move(ctx, &m); err != nil {
		return a, m, err
	}
	a, err = t.decided(ctx, a, record.ApprovalConfirmed, by, at)
	return a, m, err
}

// Fund puts money on a balance from outside: a group of two postings, FUNDING against the balance. It is for seeds and
// tests; the API moves money by [Tx.Move].
func Fund(ctx context.Context, q Querier, b authz.BalanceID, amount int64, kind string, at time.Time) error {
	if amount <= 0 || amount > money.MinorMax {
		return fmt.Errorf("fund balance %d: the amount is not within 1 to %d", b, int64(money.MinorMax))
	}
	var partner, currency int64
	if err := q.Query(ctx, func(r Row) error { partner, currency = r.Int(0), r.Int(1); return nil },
		"SELECT partner_id, currency FROM balances WHERE id = $1", int64(b)); err != nil {
		return wrap("fund balance", err)
	}
	if partner == 0 {
		return fmt.Errorf("fund balance %d: %w", b, authz.ErrNotFound)
	}
	if err := credit(ctx, q, b, amount); err != nil {
		return err
	}
	group, err := next(ctx, q, "postings", 1)
	if err != nil {
		return err
	}
	return post(ctx, q, group, authz.PartnerID(partner), currency, kind, at,
		[]postingLine{{"FUNDING", 0, -amount}, {"BALANCE", b, amount}})
}
