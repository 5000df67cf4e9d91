package records

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
)

func writeWords[S ~string](list []S) string {
	all := make([]string, len(list))
	for i, s := range list {
		all[i] = string(s)
	}
	return strings.Join(all, " ")
}

func readWords[S ~string](text string) []S {
	var all []S
	for _, s := range strings.Fields(text) {
		all = append(all, S(s))
	}
	return all
}

// SetKYC writes the outcome of the partner's own process and keeps it as a case that is decided. A case of ours that is still
// open ends with it; an outcome that is so already changes nothing.
func (t *Tx) SetKYC(ctx context.Context, partner authz.PartnerID, id authz.UserID, to record.KYCState, by string,
	at time.Time) (record.User, error) {
	u, err := t.lockUser(ctx, partner, id)
	if err != nil || u.State != record.UserRemoved && u.KYC == to {
		return u, err
	}
	if err := t.toKYC(ctx, &u, to, record.KYCByPartner); err != nil {
		return u, err
	}
	if err := t.endKYC(ctx, id, to, by, "the partner decided", at); err != nil {
		return u, err
	}
	c := record.KYCCase{ID: record.NewUUID(at), Version: 1, Partner: u.Partner, User: id, State: to, Method: record.KYCByPartner,
		DecidedBy: by, OpenedAt: at, DecidedAt: at}
	return u, kycCases.insert(ctx, t.q, &c)
}

// endKYC ends the cases of a user, whose row is locked, that nobody is to decide any more.
func (t *Tx) endKYC(ctx context.Context, user authz.UserID, as record.KYCState, who, note string, at time.Time) error {
	open, err := kycCases.all(ctx, t.q, by("user_id = ?", int64(user)).and("state = ?", string(record.KYCInProgress)), "")
	for i := range open {
		if err == nil {
			open[i].State, open[i].DecidedBy, open[i].Note, open[i].DecidedAt = as, who, note, at
			err = kycCases.update(ctx, t.q, &open[i])
		}
	}
	return err
}

func (t *Tx) toKYC(ctx context.Context, u *record.User, to record.KYCState, method record.KYCMethod) error {
	if u.State == record.UserRemoved {
		return record.ErrUserRemoved
	}
	if err := u.KYC.To(to, method); err != nil {
		return err
	}
	u.KYC = to
	if err := users.update(ctx, t.q, u); err != nil {
		return err
	}
	u.Version++
	return nil
}

// OpenKYC opens a case of ours for a user whose KYC is not started or was rejected, and sets its id.
func (t *Tx) OpenKYC(ctx context.Context, partner authz.PartnerID, id authz.UserID, method record.KYCMethod,
	at time.Time) (record.KYCCase, error) {
	u, err := t.lockUser(ctx, partner, id)
	if err == nil {
		err = t.toKYC(ctx, &u, record.KYCInProgress, method)
	}
	if err != nil {
		return record.KYCCase{}, err
	}
	c := record.KYCCase{ID: record.NewUUID(at), Version: 1, Partner: u.Partner, User: id, State: record.KYCInProgress,
		Method: method, OpenedAt: at}
	return c, kycCases.insert(ctx, t.q, &c)
}

// KYCCase reads one of a partner's.
func (t *Tx) KYCCase(ctx context.Context, partner authz.PartnerID, id record.UUID) (record.KYCCase, error) {
	return kycCases.one(ctx, t.q, by("id = ?", id[:]).number("partner_id", int64(partner)))
}

// KYCCases lists those that the filter chooses.
func (t *Tx) KYCCases(ctx context.Context, f record.KYCFilter, page record.Page) (record.List[record.KYCCase], error) {
	w := new(where).number("partner_id", int64(f.Partner)).number("user_id", int64(f.User)).text("state", string(f.State)).
		between("opened_at", f.Since, f.Until)
	return kycCases.page(ctx, t.q, w, page, func(c *record.KYCCase) string { return c.ID.String() })
}

// DecideKYC ends an open case, or with [record.VerdictQueue] notes what the rules found and leaves it for an operator.
func (t *Tx) DecideKYC(ctx context.Context, partner authz.PartnerID, id record.UUID, v record.Verdict, found []record.Finding,
	by, note string, at time.Time) (record.KYCCase, record.User, error) {
	c, err := t.KYCCase(ctx, partner, id)
	if err != nil {
		return c, record.User{}, err
	}
	u, err := t.lockUser(ctx, c.Partner, c.User)
	if err == nil {
		c, err = t.KYCCase(ctx, partner, id) // again, now that nobody else decides it
	}
	switch {
	case err != nil:
		return c, u, err
	case c.State != record.KYCInProgress:
		return c, u, record.ErrUsed
	case len(note) > 500:
		return c, u, record.Invalid("note", "is too long")
	}
	c.Findings, c.Note, c.DecidedBy = found, note, by
	if v == record.VerdictQueue {
		c.Method = record.KYCByOperator
	} else {
		c.State, c.DecidedAt = record.KYCRejected, at
		if v == record.VerdictAccept {
			c.State = record.KYCAccepted
		}
		if err := t.toKYC(ctx, &u, c.State, c.Method); err != nil {
			return c, u, err
		}
	}
	if err := kycCases.update(ctx, t.q, &c); err != nil {
		return c, u, err
	}
	c.Version++
	return c, u, nil
}

var documents = table[record.Document]{
	name:    "kyc_documents",
	columns: "id, case_id, partner_id, user_id, kind, media_type, size, hash, created_at",
	scan: func(r Row) record.Document {
		return record.Document{ID: uuid(r, 0), Case: uuid(r, 1), Partner: authz.PartnerID(r.Int(2)), User: authz.UserID(r.Int(3)),
			Kind: r.Text(4), MediaType: r.Text(5), Size: r.Int(6), Hash: kept(r, 7), CreatedAt: moment(r, 8)}
	},
}

// documentContext binds a document's sealed content to its row.
func documentContext(id record.UUID) string { return "kyc document " + id.String() }

// AddDocument keeps a document of an open case, sealed. Its media type is found by its content.
func (t *Tx) AddDocument(ctx context.Context, partner authz.PartnerID, of record.UUID, kind string, content []byte,
	at time.Time) (record.Document, error) {
	media, err := record.SniffDocument(kind, content)
	if err != nil {
		return record.Document{}, err
	}
	c, err := t.KYCCase(ctx, partner, of)
	if err != nil {
		return record.Document{}, err
	}
	if _, err := t.lockUser(ctx, c.Partner, c.User); err != nil { // one document at a time, or the count would be wrong
		return record.Document{}, err
	}
	all, err := t.Documents(ctx, c.ID)
	switch {
	case err != nil:
		return record.Document{}, err
	case c.State != record.KYCInProgress:
		return record.Document{}, record.ErrState
	case len(all) >= record.DocumentsMax:
		return record.Document{}, record.ErrTooMany
	}
	hash := sha256.Sum256(content)
	d := record.Document{ID: record.NewUUID(at), Case: c.ID, Partner: c.Partner, User: c.User, Kind: kind, MediaType: media,
		Size: int64(len(content)), Hash: hash[:], CreatedAt: at}
	sealed, err := t.keys.SealData(documentContext(d.ID), content)
	if err != nil {
		return d, wrap("seal document", err)
	}
	_, err = t.q.Exec(ctx, "INSERT INTO kyc_documents ("+documents.columns+", sealed) VALUES ("+holders(1, 10)+")", d.ID[:], d.Case[:],
		int64(d.Partner), int64(d.User), d.Kind, d.MediaType, d.Size, d.Hash, micros(d.CreatedAt), sealed)
	return d, wrap("insert document", err)
}

// Documents lists what was handed in for a case, oldest first.
func (t *Tx) Documents(ctx context.Context, of record.UUID) ([]record.Document, error) {
	return documents.all(ctx, t.q, by("case_id = ?", of[:]), fmt.Sprintf(" ORDER BY id LIMIT %d", record.DocumentsMax))
}

// DocumentContent opens a document of a partner's user.
func (t *Tx) DocumentContent(ctx context.Context, partner authz.PartnerID, id record.UUID) (record.Document, []byte, error) {
	w := by("id = ?", id[:]).number("partner_id", int64(partner))
	d, err := documents.one(ctx, t.q, w)
	if err != nil {
		return d, nil, err
	}
	var sealed []byte
	if err := t.q.Query(ctx, func(r Row) error { sealed = r.Bytes(0); return nil },
		"SELECT sealed FROM kyc_documents WHERE id = $1", id[:]); err != nil {
		return d, nil, wrap("read document", err)
	}
	content, err := t.keys.OpenData(documentContext(id), sealed)
	return d, content, wrap("open document", err)
}
