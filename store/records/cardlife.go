package records

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"holdfast/authz"
	"holdfast/authz/pan"
	"holdfast/authz/record"
)

var cards = table[record.Card]{
	name: "cards",
	columns: "id, public_id, version, partner_id, program_id, user_id, balance_id, kind, state, lock, lock_source, expiry, currency, " +
		"bin, " +
		"last4, holder_name, description, limited, replaced_by, created_at, activated_at, removed_at, printed_at, order_id, " +
		"holder_restricted + balance_restricted, (SELECT b.public_id FROM balances b WHERE b.id = cards.balance_id)",
	scan: func(r Row) record.Card {
		c := record.Card{ID: authz.CardID(r.Int(0)), PublicID: uuid(r, 1), Version: r.Int(2), Partner: authz.PartnerID(r.Int(3)),
			Program: authz.ProgramID(r.Int(4)), User: authz.UserID(r.Int(5)), Balance: authz.BalanceID(r.Int(6)),
			Kind: record.CardKind(r.Text(7)), State: authz.CardState(r.Int(8)), Lock: authz.LockReason(r.Int(9)),
			LockSource: record.LockSource(r.Text(10)), Expiry: authz.Month(r.Int(11)), Currency: currency(r.Int(12)), BIN: r.Text(13),
			Last4: r.Text(14), HolderName: r.Text(15), Description: r.Text(16), Limited: r.Int(17) != 0,
			ReplacedBy: authz.CardID(r.Int(18)),
			CreatedAt:  moment(r, 19), ActivatedAt: moment(r, 20), RemovedAt: moment(r, 21), PrintedAt: moment(r, 22),
			OrderedBy:  uuid(r, 23),
			Restricted: r.Int(24) != 0, BalanceName: uuid(r, 25)}
		switch { // the switch's own locks say nothing of their source
		case c.Lock == authz.LockNone || c.LockSource != "":
		case c.Lock == authz.LockPINTries:
			c.LockSource = record.LockByPIN
		default:
			c.LockSource = record.LockByOutside
		}
		return c
	},
}

// IssueCard issues a card with a number on a balance. c says Program, Balance, Kind, HolderName, Description, OrderedBy
// and CreatedAt, and may say Expiry; when it says Partner or User, the balance must be theirs. The rest is set. A
// virtual card is active at once, one of plastic is ordered. The
// user's KYC must be accepted, and partner, user and balance active.
func (t *Tx) IssueCard(ctx context.Context, c *record.Card, number pan.Number) error {
	if err := t.lockBalances(ctx, c.Balance); err != nil {
		return err
	}
	p, err := t.issuable(ctx, c)
	if err != nil {
		return err
	}
	c.State = authz.CardActive
	if c.Kind == record.CardPhysical {
		c.State = authz.CardOrdered
	}
	if c.Expiry == 0 {
		c.Expiry = authz.MonthOf(c.CreatedAt) + authz.Month(p.CardMonths)
	}
	id, err := IssueCard(ctx, t.q, t.keys, Card{Program: c.Program, Balance: c.Balance, Number: number, Expiry: c.Expiry,
		State: c.State}, c.CreatedAt)
	if err != nil {
		return err
	}
	if _, err := t.q.Exec(ctx, "UPDATE cards SET kind = $1, holder_name = $2, description = $3, order_id = $4, activated_at = $5 WHERE "+
		"id = $6",
		string(c.Kind), c.HolderName, c.Description, name(c.OrderedBy), activated(c), int64(id)); err != nil {
		return wrap("issue card", err)
	}
	t.cards[id] = true
	*c, err = t.Card(ctx, 0, id)
	return err
}

func activated(c *record.Card) any {
	if c.State == authz.CardActive {
		return micros(c.CreatedAt)
	}
	return nil
}

// issuable checks what a card stands on, and reads its program.
func (t *Tx) issuable(ctx context.Context, c *record.Card) (record.Program, error) {
	b, err := t.balance(ctx, c.Balance)
	if err == nil && (c.Partner != 0 && c.Partner != b.Partner || c.User != 0 && c.User != b.User) {
		err = authz.ErrNotFound
	}
	if err != nil {
		return record.Program{}, err
	}
	p, err := t.Program(ctx, b.Partner, c.Program)
	if err != nil {
		return p, err
	}
	partner, err := t.Partner(ctx, b.Partner)
	if err != nil {
		return p, err
	}
	u, err := t.User(ctx, b.Partner, b.User)
	if err == nil {
		err = mayHold(&u)
	}
	switch {
	case err != nil:
	case partner.State != record.PartnerActive:
		err = record.ErrPartner
	case b.State == record.BalanceClosed:
		err = record.ErrBalanceClosed
	case b.State != record.BalanceActive:
		err = record.ErrBalanceLocked
	case b.Currency != p.Currency:
		err = record.ErrCurrency
	case c.Kind == record.CardDigitalFirst && !p.DigitalFirst:
		err = record.ErrNotAllowed
	case c.Kind != record.CardVirtual && c.Kind != record.CardPhysical && c.Kind != record.CardDigitalFirst:
		err = record.Invalid("kind", "is unknown")
	case len(c.HolderName) > 100 || len(c.Description) > 200:
		err = record.Invalid("description", "is too long")
	}
	return p, err
}

// Card reads one of a partner's.
func (t *Tx) Card(ctx context.Context, partner authz.PartnerID, id authz.CardID) (record.Card, error) {
	return cards.one(ctx, t.q, by("id = ?", int64(id)).number("partner_id", int64(partner)))
}

// Cards lists those that the filter chooses.
func (t *Tx) Cards(ctx context.Context, f record.CardFilter, page record.Page) (record.List[record.Card], error) {
	w := new(where).number("partner_id", int64(f.Partner)).number("user_id", int64(f.User)).number("balance_id", int64(f.Balance)).
		text("kind", string(f.Kind))
	month := int64(authz.MonthOf(f.At))
	switch f.Status {
	case "LOCKED":
		w.and("lock <> 0")
	case "EXPIRED":
		w.and("lock = 0").and("expiry < ?", month)
	case "ACTIVE", "INACTIVE":
		state := map[string]authz.CardState{"ACTIVE": authz.CardActive, "INACTIVE": authz.CardInactive}[f.Status]
		w.and("lock = 0").and("expiry >= ?", month).and("state = ?", int64(state))
	}
	if !f.All {
		w.and("state IN (?, ?)", int64(authz.CardInactive), int64(authz.CardActive))
	}
	return cards.page(ctx, t.q, w, page, func(c *record.Card) string { return strconv.FormatInt(int64(c.ID), 10) })
}

// lockCard reads a card whose balance row, and with it the card, nobody else changes before the transaction ends.
func (t *Tx) lockCard(ctx context.Context, partner authz.PartnerID, id authz.CardID) (record.Card, error) {
	c, err := t.Card(ctx, partner, id)
	if err == nil {
		err = t.lockBalances(ctx, c.Balance)
	}
	if err != nil {
		return c, err
	}
	return t.Card(ctx, partner, id)
}

// setCard changes columns of a card whose balance is locked, in a new version of both.
func (t *Tx) setCard(ctx context.Context, c *record.Card, set string, args ...any) error {
	args = append([]any{int64(c.ID)}, args...)
	if _, err := t.q.Exec(ctx, "UPDATE balances SET version = version + 1 WHERE id = $1", int64(c.Balance)); err != nil {
		return wrap("raise balance", err)
	}
	if _, err := t.q.Exec(ctx, "UPDATE cards SET version = version + 1, "+set+" WHERE id = $1", args...); err != nil {
		return wrap("change card", err)
	}
	t.cards[c.ID] = true
	old := *c
	var err error
	*c, err = t.Card(ctx, old.Partner, old.ID)
	return err
}

// LockCard locks a card for a reason, as [record.Card.Relock] allows, and tells whether that changed anything. No
// authorization of it that is received after the commit is approved.
func (t *Tx) LockCard(ctx context.Context, partner authz.PartnerID, id authz.CardID, reason authz.LockReason, by record.LockSource,
	at time.Time) (c record.Card, changed bool, err error) {
	if c, err = t.lockCard(ctx, partner, id); err != nil {
		return c, false, err
	}
	if changed, err = c.Relock(reason, by, at); err != nil || !changed {
		return c, false, err
	}
	return c, true, t.setLock(ctx, &c, reason, by)
}

// setLock sets or lifts the lock with all that hangs on it, and then notes whose it is.
func (t *Tx) setLock(ctx context.Context, c *record.Card, reason authz.LockReason, by record.LockSource) error {
	if err := LockCard(ctx, t.q, c.ID, reason); err != nil {
		return err
	}
	return t.setCard(ctx, c, "lock_source = $2", string(by))
}

// UnlockCard lifts a card's lock, as [record.Card.Unlock] allows.
func (t *Tx) UnlockCard(ctx context.Context, partner authz.PartnerID, id authz.CardID, by record.LockSource,
	at time.Time) (record.Card, error) {
	c, err := t.lockCard(ctx, partner, id)
	if err != nil {
		return c, err
	}
	p, err := t.Program(ctx, c.Partner, c.Program)
	if err == nil {
		err = c.Unlock(by, p.OutsideOnly, at)
	}
	if err != nil {
		return c, err
	}
	return c, t.setLock(ctx, &c, authz.LockNone, "")
}

// MoveCard does one of the actions that lead to another state: personalize, deliver, activate, remove. Print notes that a
// copy was ordered.
func (t *Tx) MoveCard(ctx context.Context, partner authz.PartnerID, id authz.CardID, a record.CardAction, at time.Time) (record.Card,
	error) {
	c, err := t.lockCard(ctx, partner, id)
	if err != nil {
		return c, err
	}
	to, err := c.Act(a, at)
	if err != nil {
		return c, err
	}
	switch a {
	case record.ActPersonalize, record.ActDeliver:
		return c, t.setCard(ctx, &c, "state = $2", int64(to))
	case record.ActActivate:
		return c, t.setCard(ctx, &c, "state = $2, activated_at = $3", int64(to), micros(at))
	case record.ActRemove:
		return c, t.setCard(ctx, &c, "state = $2, removed_at = $3", int64(to), micros(at))
	case record.ActPrint:
		return c, t.setCard(ctx, &c, "printed_at = $2", micros(at))
	}
	return c, fmt.Errorf("move card: internal error: %s has a method of its own", a)
}

// ReplaceCard locks a card for ever because another one of its user replaces it (lock reason 8).
func (t *Tx) ReplaceCard(ctx context.Context, partner authz.PartnerID, id, successor authz.CardID, by record.LockSource,
	at time.Time) (record.Card, error) {
	c, changed, err := t.LockCard(ctx, partner, id, authz.LockReplaced, by, at)
	if err != nil {
		return c, err
	}
	other, err := t.Card(ctx, c.Partner, successor)
	switch {
	case err != nil:
		return c, err
	case other.User != c.User || other.ID == c.ID:
		return c, record.Invalid("successor", "is not another card of the user")
	case !changed:
		return c, record.ErrLockFinal
	}
	return c, t.setCard(ctx, &c, "replaced_by = $2", int64(successor))
}
