package records

import (
	"context"
	"errors"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
)

var certificates = table[record.Certificate]{
	name:    "certificates",
	columns: "id, partner_id, serial, fingerprint, der, not_before, not_after, revoked_at, issued_by, created_at",
	scan: func(r Row) record.Certificate {
		return record.Certificate{ID: uuid(r, 0), Partner: authz.PartnerID(r.Int(1)), Serial: r.Text(2), Fingerprint: kept(r, 3),
			DER: kept(r, 4), NotBefore: moment(r, 5), NotAfter: moment(r, 6), RevokedAt: moment(r, 7), IssuedBy: r.Text(8),
			CreatedAt: moment(r, 9)}
	},
	args: func(c *record.Certificate) []any {
		return []any{c.ID[:], int64(c.Partner), c.Serial, c.Fingerprint, c.DER, micros(c.NotBefore), micros(c.NotAfter),
			micros(c.RevokedAt), c.IssuedBy, micros(c.CreatedAt)}
	},
}

// InsertCertificate keeps one that was signed for a partner, and sets its id.
func (t *Tx) InsertCertificate(ctx context.Context, c *record.Certificate) error {
	if _, err := t.Partner(ctx, c.Partner); err != nil {
		return err
	}
	c.ID = record.NewUUID(c.CreatedAt)
	return certificates.insert(ctx, t.q, c)
}

// Certificate finds one by its fingerprint, with the partner that it names: what each call is checked against.
func (t *Tx) Certificate(ctx context.Context, fingerprint []byte) (record.Certificate, record.Partner, error) {
	c, err := certificates.one(ctx, t.q, by("fingerprint = ?", fingerprint))
	if err != nil {
		return c, record.Partner{}, err
	}
	p, err := t.Partner(ctx, c.Partner)
	return c, p, err
}

// Certificates lists a partner's.
func (t *Tx) Certificates(ctx context.Context, partner authz.PartnerID, page record.Page) (record.List[record.Certificate], error) {
	return certificates.page(ctx, t.q, new(where).number("partner_id", int64(partner)), page,
		func(c *record.Certificate) string { return c.ID.String() })
}

// RevokeCertificate makes one of a partner's invalid; twice is harmless and keeps the first moment.
func (t *Tx) RevokeCertificate(ctx context.Context, partner authz.PartnerID, id record.UUID, at time.Time) error {
	n, err := t.q.Exec(ctx, "UPDATE certificates SET revoked_at = coalesce(revoked_at, $1) WHERE id = $2 AND partner_id = $3",
		at.UnixMicro(), id[:], int64(partner))
	if err == nil && n == 0 {
		err = authz.ErrNotFound
	}
	return wrap("revoke certificate", err)
}

// operators are kept with their TOTP secrets sealed.
var operators = table[record.Operator]{
	name:    "operators",
	columns: "id, version, email, name, role, disabled, password_hash, totp_secret, totp_last, failures, locked_until, created_at",
	scan: func(r Row) record.Operator {
		return record.Operator{ID: uuid(r, 0), Version: r.Int(1), Email: r.Text(2), Name: r.Text(3), Role: record.Role(r.Text(4)),
			Disabled: r.Int(5) != 0, PasswordHash: r.Text(6), TOTPSecret: kept(r, 7), TOTPLast: r.Int(8), Failures: r.Int(9),
			LockedUntil: moment(r, 10), CreatedAt: moment(r, 11)}
	},
	args: func(o *record.Operator) []any {
		return []any{o.ID[:], o.Version, o.Email, o.Name, string(o.Role), flag(o.Disabled), o.PasswordHash, o.TOTPSecret, o.TOTPLast,
			o.Failures, micros(o.LockedUntil), micros(o.CreatedAt)}
	},
}

func operatorContext(id record.UUID) string { return "operator " + id.String() }

func (t *Tx) sealOperator(o *record.Operator) (record.Operator, error) {
	sealed := *o
	var err error
	sealed.TOTPSecret, err = t.keys.SealData(operatorContext(o.ID), o.TOTPSecret)
	return sealed, wrap("seal the operator's secret", err)
}

// InsertOperator keeps someone for the panel, and sets id and version. An e-mail address that is taken is
// [record.ErrExists].
func (t *Tx) InsertOperator(ctx context.Context, o *record.Operator) error {
	if err := o.Check(); err != nil {
		return err
	}
	o.ID, o.Version = record.NewUUID(o.CreatedAt), 1
	sealed, err := t.sealOperator(o)
	if err != nil {
		return err
	}
	return operators.insert(ctx, t.q, &sealed)
}

func (t *Tx) operator(ctx context.Context, w *where, end string) (record.Operator, error) {
	all, err := operators.all(ctx, t.q, w, end)
	if err != nil || len(all) == 0 {
		return record.Operator{}, orElse(err, authz.ErrNotFound)
	}
	o := all[0]
	o.TOTPSecret, err = t.keys.OpenData(operatorContext(o.ID), o.TOTPSecret)
	return o, wrap("open the operator's secret", err)
}

// Operator reads one.
func (t *Tx) Operator(ctx context.Context, id record.UUID) (record.Operator, error) {
	return t.operator(ctx, by("id = ?", id[:]), "")
}

// OperatorByEmail reads one to check a log-in: until the transaction ends, no other log-in of the operator is checked, so
// that none of its counters misses a try.
func (t *Tx) OperatorByEmail(ctx context.Context, email string) (record.Operator, error) {
	return t.operator(ctx, by("email = ?", email), ForUpdate)
}

// Operators lists them, without their secrets.
func (t *Tx) Operators(ctx context.Context, page record.Page) (record.List[record.Operator], error) {
	l, err := operators.page(ctx, t.q, new(where), page, func(o *record.Operator) string { return o.ID.String() })
	for i := range l.Items {
		l.Items[i].TOTPSecret, l.Items[i].PasswordHash = nil, ""
	}
	return l, err
}

// UpdateOperator changes one that was read before with its secrets. The last Admin who can log in stays one.
func (t *Tx) UpdateOperator(ctx context.Context, o *record.Operator) error {
	if err := o.Check(); err != nil {
		return err
	}
	if o.Role != record.RoleAdmin || o.Disabled {
		// All rows are locked in one order, so two who take the right from each other do not both succeed.
		admins, err := operators.all(ctx, t.q, by("role = 'Admin'").and("disabled = 0"), " ORDER BY id"+ForUpdate)
		if err != nil {
			return err
		}
		if len(admins) == 1 && admins[0].ID == o.ID {
			return record.ErrState
		}
	}
	sealed, err := t.sealOperator(o)
	if err != nil {
		return err
	}
	if err := operators.update(ctx, t.q, &sealed); err != nil {
		return err
	}
	o.Version++
	return nil
}

var approvals = table[record.Approval]{
	name:    "approvals",
	columns: "id, version, kind, subject, asked_by, asked_at, expires_at, state, decided_by, decided_at",
	scan: func(r Row) record.Approval {
		return record.Approval{ID: uuid(r, 0), Version: r.Int(1), Kind: r.Text(2), Subject: r.Text(3), AskedBy: r.Text(4),
			AskedAt: moment(r, 5), ExpiresAt: moment(r, 6), State: record.ApprovalState(r.Text(7)), DecidedBy: r.Text(8),
			DecidedAt: moment(r, 9)}
	},
	args: func(a *record.Approval) []any {
		return []any{a.ID[:], a.Version, a.Kind, a.Subject, a.AskedBy, micros(a.AskedAt), micros(a.ExpiresAt), string(a.State),
			a.DecidedBy, micros(a.DecidedAt)}
	},
}

// Approval reads one.
func (t *Tx) Approval(ctx context.Context, id record.UUID) (record.Approval, error) {
	return approvals.one(ctx, t.q, by("id = ?", id[:]))
}

// Approvals lists those in a state; empty is all.
func (t *Tx) Approvals(ctx context.Context, state record.ApprovalState, page record.Page) (record.List[record.Approval], error) {
	return approvals.page(ctx, t.q, new(where).text("state", string(state)), page,
		func(a *record.Approval) string { return a.ID.String() })
}

// RejectApproval ends one without doing what was asked. Whoever asked may do that too.
func (t *Tx) RejectApproval(ctx context.Context, id record.UUID, by string, at time.Time) (record.Approval, error) {
	a, err := t.decidable(ctx, id, by, at)
	if err != nil && !errors.Is(err, record.ErrSecondPerson) {
		return a, err
	}
	return t.decided(ctx, a, record.ApprovalRejected, by, at)
}

// decidable reads an approval that someone may decide; nobody else does meanwhile.
func (t *Tx) decidable(ctx context.Context, id record.UUID, who string, at time.Time) (record.Approval, error) {
	all, err := approvals.all(ctx, t.q, by("id = ?", id[:]), ForUpdate)
	if err != nil || len(all) == 0 {
		return record.Approval{}, orElse(err, authz.ErrNotFound)
	}
	return all[0], all[0].Decide(who, at)
}

func (t *Tx) decided(ctx context.Context, a record.Approval, to record.ApprovalState, by string, at time.Time) (record.Approval, error) {
	a.State, a.DecidedBy, a.DecidedAt = to, by, at
	if err := approvals.update(ctx, t.q, &a); err != nil {
		return a, err
	}
	a.Version++
	return a, nil
}
