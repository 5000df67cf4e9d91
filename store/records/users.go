package records

import (
	"context"
	"strconv"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
)

var users = table[record.User]{
	name: "users",
	columns: "id, version, partner_id, state, kyc, external_id, first_name, last_name, email, phone, birth_date, nationality, " +
		"street, city, post_code, country, created_at, name",
	scan: func(r Row) record.User {
		u := record.User{ID: authz.UserID(r.Int(0)), Version: r.Int(1), Partner: authz.PartnerID(r.Int(2)),
			State: record.UserState(r.Text(3)), KYC: record.KYCState(r.Text(4)), ExternalID: r.Text(5), FirstName: r.Text(6),
			LastName: r.Text(7), Email: r.Text(8), Phone: r.Text(9), BirthDate: r.Text(10), Nationality: r.Text(11),
			Address:   record.Address{Street: r.Text(12), City: r.Text(13), PostCode: r.Text(14), Country: r.Text(15)},
			CreatedAt: moment(r, 16)}
		if u.FirstName == "" && u.LastName == "" {
			u.LastName = r.Text(17) // from a world file, which has one name only
		}
		return u
	},
	args: func(u *record.User) []any {
		return []any{int64(u.ID), u.Version, int64(u.Partner), string(u.State), string(u.KYC), some(u.ExternalID), u.FirstName,
			u.LastName, some(u.Email), some(u.Phone), u.BirthDate, u.Nationality, u.Address.Street, u.Address.City,
			u.Address.PostCode, u.Address.Country, micros(u.CreatedAt), u.Name()}
	},
}

// InsertUser registers a cardholder and sets the id and version. The states are the first ones. An e-mail address,
// telephone number or external id that another user of the partner has is [record.ErrExists].
func (t *Tx) InsertUser(ctx context.Context, u *record.User) error {
	u.State, u.KYC, u.Version = record.UserActive, record.KYCNotStarted, 1
	if err := u.Check(); err != nil {
		return err
	}
	id, err := t.named(ctx, u, &record.User{}, 1)
	if err != nil {
		return err
	}
	u.ID = authz.UserID(id)
	return users.insert(ctx, t.q, u)
}

// named looks for another user of the partner with one of the names that a user has now and had not before, and takes so many
// ids. Until the transaction ends nobody else is named: an index cannot keep one mailbox from two users, because there may
// be some already.
func (t *Tx) named(ctx context.Context, u, before *record.User, ids int64) (first int64, err error) {
	if first, err = next(ctx, t.q, "users", ids); err != nil {
		return 0, err
	}
	for _, c := range []struct{ same, now, before string }{{"lower(email) = lower($2)", u.Email, before.Email},
		{"phone = $2", u.Phone, before.Phone}, {"external_id = $2", u.ExternalID, before.ExternalID}} {
		if c.now == "" || c.now == c.before {
			continue
		}
		taken, err := exists(ctx, t.q, "SELECT id FROM users WHERE partner_id = $1 AND "+c.same+" AND id <> $3",
			int64(u.Partner), c.now, int64(u.ID))
		if err != nil || taken {
			return 0, orElse(wrap("read users", err), record.ErrExists)
		}
	}
	return first, nil
}

// User reads one of a partner's, also when removed.
func (t *Tx) User(ctx context.Context, partner authz.PartnerID, id authz.UserID) (record.User, error) {
	return users.one(ctx, t.q, by("id = ?", int64(id)).number("partner_id", int64(partner)))
}

// Users lists those that the filter chooses.
func (t *Tx) Users(ctx context.Context, f record.UserFilter, page record.Page) (record.List[record.User], error) {
	w := new(where).number("partner_id", int64(f.Partner)).text("state", string(f.State)).text("kyc", string(f.KYC)).
		text("phone", f.Phone).text("external_id", f.ExternalID)
	if f.Email != "" {
		w.and("lower(email) = lower(?)", f.Email)
	}
	return users.page(ctx, t.q, w, page, func(u *record.User) string { return strconv.FormatInt(int64(u.ID), 10) })
}

// UpdateUser changes the registered data of a user that was read before; the states change by their own methods.
func (t *Tx) UpdateUser(ctx context.Context, u *record.User) error {
	if err := u.Check(); err != nil {
		return err
	}
	old, err := t.User(ctx, u.Partner, u.ID)
	switch {
	case err != nil:
		return err
	case old.State == record.UserRemoved:
		return record.ErrUserRemoved
	}
	u.State, u.KYC = old.State, old.KYC
	if _, err := t.named(ctx, u, &old, 0); err != nil {
		return err
	}
	if err := users.update(ctx, t.q, u); err != nil {
		return err
	}
	u.Version++
	return nil
}

// lockUser reads a user's row and keeps it, and with it that anything is made for the user, until the end.
func (t *Tx) lockUser(ctx context.Context, partner authz.PartnerID, id authz.UserID) (record.User, error) {
	if _, err := lockRows(ctx, t.q, "SELECT id FROM users WHERE id = $1"+ForUpdate, int64(id)); err != nil {
		return record.User{}, err
	}
	return t.User(ctx, partner, id)
}

// SetUserState locks, unlocks or removes a user with all cards. No authorization of them that is received after the
// commit is approved, unless the user was unlocked. A user is removed when no money and no card is left, and then
// only the number stays: sessions, devices and personal data go.
func (t *Tx) SetUserState(ctx context.Context, partner authz.PartnerID, id authz.UserID, to record.UserState,
	at time.Time) (record.User, error) {
	u, err := t.lockUser(ctx, partner, id)
	if err == nil {
		err = u.State.To(to)
	}
	if err != nil {
		return u, err
	}
	balances, err := lockRows(ctx, t.q, "SELECT id FROM balances WHERE partner_id = $1 AND user_id = $2 ORDER BY id"+ForUpdate,
		int64(u.Partner), int64(id))
	if err != nil {
		return u, err
	}
	if to == record.UserRemoved {
		if err := t.clearUser(ctx, u, at); err != nil {
			return u, err
		}
		u = u.Anonymous()
	}
	if to == record.UserLocked {
		if _, err := t.q.Exec(ctx, "DELETE FROM sessions WHERE kind = 'USER' AND user_id = $1", int64(id)); err != nil {
			return u, wrap("end sessions", err)
		}
	}
	u.State = to
	if err := users.update(ctx, t.q, &u); err != nil {
		return u, err
	}
	u.Version++
	return u, t.restrict(ctx, balances)
}

// restrict is restrict, and notes the cards for the caches.
func (t *Tx) restrict(ctx context.Context, balances []int64) error {
	if len(balances) == 0 {
		return nil
	}
	if err := restrict(ctx, t.q, balances); err != nil {
		return err
	}
	for _, b := range balances {
		t.balances[authz.BalanceID(b)] = true
		if len(t.cards) > changesMax {
			continue
		}
		if err := t.q.Query(ctx, func(r Row) error { t.cards[authz.CardID(r.Int(0))] = true; return nil },
			"SELECT id FROM cards WHERE balance_id = $1 ORDER BY id LIMIT "+strconv.Itoa(changesMax), b); err != nil {
			return wrap("read cards", err)
		}
	}
	return nil
}

func (t *Tx) clearUser(ctx context.Context, u record.User, at time.Time) error {
	money, err := exists(ctx, t.q, "SELECT id FROM balances WHERE partner_id = $1 AND user_id = $2 AND state <> 'CLOSED'",
		int64(u.Partner), int64(u.ID))
	if err != nil || money {
		return orElse(err, record.ErrNotZero)
	}
	cards, err := exists(ctx, t.q, "SELECT id FROM cards WHERE user_id = $1 AND state <> $2", int64(u.ID), int64(authz.CardRemovedState))
	if err != nil || cards {
		return orElse(err, record.ErrCardsLeft)
	}
	if err := t.endKYC(ctx, u.ID, record.KYCRejected, "removal", "the user was removed", at); err != nil {
		return err
	}
	return t.EndAccess(ctx, u.ID, at)
}

var kycCases = table[record.KYCCase]{
	name:    "kyc_cases",
	columns: "id, version, partner_id, user_id, state, method, findings, note, decided_by, opened_at, decided_at",
	scan: func(r Row) record.KYCCase {
		return record.KYCCase{ID: uuid(r, 0), Version: r.Int(1), Partner: authz.PartnerID(r.Int(2)), User: authz.UserID(r.Int(3)),
			State: record.KYCState(r.Text(4)), Method: record.KYCMethod(r.Text(5)), Findings: readWords[record.Finding](r.Text(6)),
			Note: r.Text(7), DecidedBy: r.Text(8), OpenedAt: moment(r, 9), DecidedAt: moment(r, 10)}
	},
	args: func(c *record.KYCCase) []any {
		return []any{c.ID[:], c.Version, int64(c.Partner), int64(c.User), string(c.State), string(c.Method), writeWords(c.Findings),
			c.Note, c.DecidedBy, micros(c.OpenedAt), micros(c.DecidedAt)}
	},
}
