package kyc

import (
	"context"
	"net/http"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/mgmt"
)

// Queued is a case as operators see it.
type Queued struct {
	Case
	Partner   authz.PartnerID  `json:"partnerId"`
	Findings  []record.Finding `json:"findings"`
	Note      string           `json:"note,omitempty"`
	DecidedBy string           `json:"decidedBy,omitempty"`
}

// Applicant is a case with what the user says to be, to hold the documents against.
type Applicant struct {
	Queued
	FirstName   string `json:"firstName"`
	LastName    string `json:"lastName"`
	BirthDate   string `json:"dateOfBirth,omitempty"`
	Nationality string `json:"nationality,omitempty"`
}

func queued(k *record.KYCCase) Queued {
	q := Queued{Case: shown(k, nil), Partner: k.Partner, Findings: k.Findings, Note: k.Note, DecidedBy: k.DecidedBy}
	if q.Findings == nil {
		q.Findings = []record.Finding{}
	}
	return q
}

type queueRequest struct {
	mgmt.Page
	Partner authz.PartnerID `query:"partnerId" rule:"min=1"`
	User    authz.UserID    `query:"customerId" rule:"min=1"`
	State   record.KYCState `query:"status" rule:"enum=IN_PROGRESS|ACCEPTED|REJECTED"`
	Since   time.Time       `query:"since"`
	Until   time.Time       `query:"until"`
}

type caseRequest struct {
	ID record.UUID `path:"id"`
}

type contentRequest struct {
	ID       record.UUID `path:"id"`
	Document record.UUID `path:"documentId"`
}

type decideRequest struct {
	ID   record.UUID `path:"id"`
	Body struct {
		Note string `json:"note,omitempty" rule:"max=200"`
	}
}

// queueRoutes are the operators' rows.
func queueRoutes() []mgmt.Bound {
	row := func(method, path, audit, summary string, refusals ...string) mgmt.Route {
		return mgmt.Route{Method: method, Path: path, Channel: mgmt.Admin, Roles: mgmt.RolesAM, Audit: audit, Summary: summary,
			Refusals: refusals}
	}
	decide := func(verdict record.Verdict) func(context.Context, *mgmt.Call, *decideRequest) (Queued, error) {
		return func(ctx context.Context, c *mgmt.Call, in *decideRequest) (Queued, error) {
			return decideCase(ctx, c, in, verdict)
		}
	}
	return []mgmt.Bound{
		mgmt.Handle(row(http.MethodGet, "/admin/kyc", "", "Cases, newest first"), listCases),
		mgmt.Handle(row(http.MethodGet, "/admin/kyc/{id}", "kyc.read", "A case with the applicant's data"), readCase),
		mgmt.Handle(row(http.MethodGet, "/admin/kyc/{id}/documents/{documentId}", "kyc.document.read", "A document as it was handed in"),
			content),
		mgmt.Handle(row(http.MethodPost, "/admin/kyc/{id}/accept", "kyc.accept", "Accept an applicant", "ALREADY_USED", "USER_REMOVED"),
			decide(record.VerdictAccept)),
		mgmt.Handle(row(http.MethodPost, "/admin/kyc/{id}/reject", "kyc.reject", "Reject an applicant", "ALREADY_USED", "USER_REMOVED"),
			decide(record.VerdictReject)),
	}
}

func listCases(ctx context.Context, c *mgmt.Call, in *queueRequest) (mgmt.List[Queued], error) {
	l, err := mgmt.In[Tx](c).KYCCases(ctx, record.KYCFilter{Partner: in.Partner, User: in.User, State: in.State, Since: in.Since,
		Until: in.Until}, in.Ask())
	return mgmt.Show(l, queued), err
}

func readCase(ctx context.Context, c *mgmt.Call, in *caseRequest) (Applicant, error) {
	tx := mgmt.In[Tx](c)
	c.Object("kyc " + in.ID.String())
	k, err := tx.KYCCase(ctx, 0, in.ID)
	if err != nil {
		return Applicant{}, err
	}
	u, err := tx.User(ctx, k.Partner, k.User)
	if err != nil {
		return Applicant{}, err
	}
	documents, err := tx.Documents(ctx, k.ID)
	a := Applicant{Queued: queued(&k), FirstName: u.FirstName, LastName: u.LastName, BirthDate: u.BirthDate, Nationality: u.Nationality}
	a.Case = shown(&k, documents)
	return a, err
}

// noPage keeps whatever a document has inside from doing anything in a browser.
const noPage = "default-src 'none'; sandbox"

func content(ctx context.Context, c *mgmt.Call, in *contentRequest) (mgmt.Raw, error) {
	c.Object("document " + in.Document.String())
	d, text, err := mgmt.In[Tx](c).DocumentContent(ctx, 0, in.Document)
	if err == nil && d.Case != in.ID {
		err = authz.ErrNotFound
	}
	return mgmt.Raw{Type: d.MediaType, Policy: noPage, Body: text}, err
}

func decideCase(ctx context.Context, c *mgmt.Call, in *decideRequest, verdict record.Verdict) (Queued, error) {
	tx := mgmt.In[Tx](c)
	c.Object("kyc " + in.ID.String())
	k, err := tx.KYCCase(ctx, 0, in.ID)
	if err != nil {
		return Queued{}, err
	}
	k, _, err = tx.DecideKYC(ctx, 0, in.ID, verdict, k.Findings, c.Name, in.Body.Note, c.At)
	if err != nil {
		return Queued{}, err
	}
	return queued(&k), decided(ctx, tx, &k, c.At)
}
