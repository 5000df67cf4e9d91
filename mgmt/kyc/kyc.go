// Package kyc is the room where users become known: a partner tells the outcome of its own process, or a case is opened
// with us, documents are handed in, and rules or an operator decide. A decision of ours is told to the partner.
package kyc

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/mgmt"
)

// Tx is what the room needs of a transaction. *records.Tx is one.
type Tx interface {
	User(ctx context.Context, partner authz.PartnerID, id authz.UserID) (record.User, error)
	SetKYC(ctx context.Context, partner authz.PartnerID, id authz.UserID, to record.KYCState, by string, at time.Time) (record.User, error)
	OpenKYC(ctx context.Context, partner authz.PartnerID, id authz.UserID, method record.KYCMethod, at time.Time) (record.KYCCase, error)
	KYCCase(ctx context.Context, partner authz.PartnerID, id record.UUID) (record.KYCCase, error)
	KYCCases(ctx context.Context, f record.KYCFilter, page record.Page) (record.List[record.KYCCase], error)
	DecideKYC(ctx context.Context, partner authz.PartnerID, id record.UUID, v record.Verdict, found []record.Finding, by, note string,
		at time.Time) (record.KYCCase, record.User, error)
	AddDocument(ctx context.Context, partner authz.PartnerID, of record.UUID, kind string, content []byte, at time.Time) (record.Document,
		error)
	Documents(ctx context.Context, of record.UUID) ([]record.Document, error)
	DocumentContent(ctx context.Context, partner authz.PartnerID, id record.UUID) (record.Document, []byte, error)
	Emit(ctx context.Context, e *record.Event) error
}

// Config is how the rules decide.
type Config struct {
	Rules record.KYCRules
	// Review leaves every acceptance to an operator: the rules only reject or queue.
	Review bool
}

// Room decides cases.
type Room struct{ cfg Config }

// New makes the room.
func New(cfg Config) *Room { return &Room{cfg} }

// Case is an attempt to know a user, as its partner and the user see it.
type Case struct {
	ID        record.UUID      `json:"kycId"`
	Customer  authz.UserID     `json:"customerId"`
	Status    record.KYCState  `json:"status" rule:"enum=IN_PROGRESS|ACCEPTED|REJECTED"`
	Method    record.KYCMethod `json:"method" rule:"enum=PARTNER|OPERATOR|AUTOMATED"`
	Documents []Document       `json:"documents" rule:"max=10"`
	OpenedAt  time.Time        `json:"openedAt"`
	DecidedAt *time.Time       `json:"decidedAt,omitempty"`
}

// Document is one that was handed in.
type Document struct {
	ID        record.UUID `json:"documentId"`
	Kind      string      `json:"kind"`
	MediaType string      `json:"mediaType"`
	Size      int64       `json:"size"`
	CreatedAt time.Time   `json:"createdAt"`
}

// Status is how far a user is known, and the newest case when there is one.
type Status struct {
	Customer authz.UserID    `json:"customerId"`
	Status   record.KYCState `json:"status" rule:"enum=NOT_STARTED|IN_PROGRESS|ACCEPTED|REJECTED"`
	Case     *Case           `json:"case,omitempty"`
}

func shownDocument(d *record.Document) Document {
	return Document{ID: d.ID, Kind: d.Kind, MediaType: d.MediaType, Size: d.Size, CreatedAt: d.CreatedAt}
}

func shown(c *record.KYCCase, documents []record.Document) Case {
	s := Case{ID: c.ID, Customer: c.User, Status: c.State, Method: c.Method, OpenedAt: c.OpenedAt, Documents: []Document{}}
	if !c.DecidedAt.IsZero() {
		s.DecidedAt = &c.DecidedAt
	}
	for i := range documents {
		s.Documents = append(s.Documents, shownDocument(&documents[i]))
	}
	return s
}

// newest is the last case of a user's; not ok when there is none.
func newest(ctx context.Context, c *mgmt.Call, user authz.UserID) (k record.KYCCase, ok bool, err error) {
	l, err := mgmt.In[Tx](c).KYCCases(ctx, record.KYCFilter{Partner: c.Partner, User: user}, record.Page{Limit: 1})
	if err != nil || len(l.Items) == 0 {
		return k, false, err
	}
	return l.Items[0], true, nil
}

// open is the user's case that still waits for a decision.
func open(ctx context.Context, c *mgmt.Call, user authz.UserID) (record.KYCCase, error) {
	tx := mgmt.In[Tx](c)
	if _, err := tx.User(ctx, c.Partner, user); err != nil {
		return record.KYCCase{}, err
	}
	k, ok, err := newest(ctx, c, user)
	if err == nil && (!ok || k.State != record.KYCInProgress) {
		err = record.ErrState
	}
	c.Object("kyc " + k.ID.String())
	return k, err
}

func number[T ~int64](n T) string { return strconv.FormatInt(int64(n), 10) }

type flagRequest struct {
	User authz.UserID `path:"c" rule:"min=1"`
	Body struct {
		Status record.KYCState `json:"status" rule:"enum=ACCEPTED|REJECTED"`
	}
}

// flag takes the outcome of the partner's own process.
func flag(ctx context.Context, c *mgmt.Call, in *flagRequest) (Status, error) {
	c.Object("user " + number(in.User))
	u, err := mgmt.In[Tx](c).SetKYC(ctx, c.Partner, in.User, in.Body.Status, c.Name, c.At)
	return Status{Customer: in.User, Status: u.KYC}, err
}

// decided tells the partner what became of a case of ours.
func decided(ctx context.Context, tx Tx, k *record.KYCCase, at time.Time) error {
	body, err := json.Marshal(map[string]any{"resource": "kyc", "customerId": k.User, "kycId": k.ID, "status": k.State,
		"method": k.Method, "timestamp": at.UTC().Format(time.RFC3339)})
	if err != nil {
		return err
	}
	return tx.Emit(ctx, &record.Event{Partner: k.Partner, Kind: record.EventKYC, Subject: number(k.User), Body: body, CreatedAt: at})
}

// Routes are the room's rows of the routing table.
func (m *Room) Routes() []mgmt.Bound {
	rows := append(m.caseRoutes(mgmt.Secure, "/secure/customers/{c}/kyc"), m.caseRoutes(mgmt.Customers, "/customers/me/kyc")...)
	rows = append(rows, mgmt.Handle(mgmt.Route{Method: http.MethodPut, Path: "/lifecycle/v1/users/{c}/kyc", Channel: mgmt.Lifecycle,
		Audit: "kyc.flag", Summary: "Tell the outcome of the partner's own KYC",
		Refusals: []string{"ILLEGAL_STATE", "USER_REMOVED"}}, flag))
	return append(rows, queueRoutes()...)
}
