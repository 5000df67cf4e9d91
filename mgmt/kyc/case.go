package kyc

import (
	"context"
	"net/http"
	"strings"

	"holdfast/authz/record"
	"holdfast/mgmt"
	"holdfast/mgmt/problem"
)

type statusRequest struct{ mgmt.Owner }

type openRequest struct {
	mgmt.Owner
	Body struct {
		Method record.KYCMethod `json:"method" rule:"enum=OPERATOR|AUTOMATED"`
	}
}

type documentRequest struct {
	mgmt.Owner
	Kind string `query:"kind" rule:"enum=PASSPORT|IDENTITY_CARD|PROOF_OF_ADDRESS|SELFIE|OTHER"`
	Body []byte `body:"application/pdf,image/jpeg,image/png"`
}

// Check refuses a document that does not say what it is.
func (r *documentRequest) Check() []problem.Field {
	if r.Kind == "" {
		return []problem.Field{{In: "query", Pointer: "kind", Rule: "is required"}}
	}
	return nil
}

type submitRequest struct {
	mgmt.Owner
	Body struct {
		// MRZ is the machine readable zone of the identity document, its lines as they are printed.
		MRZ []string `json:"mrz,omitempty" rule:"min=2 max=3"`
	}
}

// caseRoutes are the rows of one channel: cardholders for themselves, partners for their users.
func (m *Room) caseRoutes(channel mgmt.Channel, path string) []mgmt.Bound {
	row := func(method, path, audit, summary string, refusals ...string) mgmt.Route {
		return mgmt.Route{Method: method, Path: path, Channel: channel, Audit: audit, Summary: summary, Refusals: refusals}
	}
	opened := row(http.MethodPost, path, "kyc.open", "Begin KYC with us", "ILLEGAL_STATE", "USER_REMOVED")
	opened.Status = http.StatusCreated
	document := row(http.MethodPost, path+"/documents", "kyc.document", "Hand a document in", "DOCUMENT_REFUSED", "ILLEGAL_STATE",
		"LIMIT_REACHED")
	document.Status, document.BodyBytesMax = http.StatusCreated, record.DocumentBytesMax
	return []mgmt.Bound{
		mgmt.Handle(row(http.MethodGet, path, "", "How far the user is known"), status),
		mgmt.Handle(opened, openCase),
		mgmt.Handle(document, addDocument),
		mgmt.Handle(row(http.MethodPost, path+"/submit", "kyc.submit", "Say that all documents are there: the rules decide, or an operator",
			"ILLEGAL_STATE", "ALREADY_USED"), m.submit),
	}
}

func status(ctx context.Context, c *mgmt.Call, in *statusRequest) (Status, error) {
	tx := mgmt.In[Tx](c)
	u, err := tx.User(ctx, c.Partner, in.User(c))
	if err != nil {
		return Status{}, err
	}
	s := Status{Customer: u.ID, Status: u.KYC}
	k, ok, err := newest(ctx, c, u.ID)
	if err != nil || !ok {
		return s, err
	}
	documents, err := tx.Documents(ctx, k.ID)
	one := shown(&k, documents)
	s.Case = &one
	return s, err
}

func openCase(ctx context.Context, c *mgmt.Call, in *openRequest) (Case, error) {
	k, err := mgmt.In[Tx](c).OpenKYC(ctx, c.Partner, in.User(c), in.Body.Method, c.At)
	if err != nil {
		return Case{}, err
	}
	c.Object("kyc " + k.ID.String())
	return shown(&k, nil), nil
}

func addDocument(ctx context.Context, c *mgmt.Call, in *documentRequest) (Document, error) {
	k, err := open(ctx, c, in.User(c))
	if err != nil {
		return Document{}, err
	}
	d, err := mgmt.In[Tx](c).AddDocument(ctx, c.Partner, k.ID, in.Kind, in.Body, c.At)
	return shownDocument(&d), err
}

// submit lets the rules look at a case. What they find stays with us: an applicant would only learn how to get by them.
func (m *Room) submit(ctx context.Context, c *mgmt.Call, in *submitRequest) (Case, error) {
	tx := mgmt.In[Tx](c)
	k, err := open(ctx, c, in.User(c))
	if err != nil {
		return Case{}, err
	}
	documents, err := tx.Documents(ctx, k.ID)
	if err != nil {
		return Case{}, err
	}
	u, err := tx.User(ctx, c.Partner, k.User)
	if err != nil {
		return Case{}, err
	}
	verdict, found := m.cfg.Rules.Judge(&u, documents, strings.Join(in.Body.MRZ, "\n"), c.At)
	if k.Method != record.KYCByRules || verdict == record.VerdictAccept && m.cfg.Review {
		verdict = record.VerdictQueue
	}
	if k, _, err = tx.DecideKYC(ctx, c.Partner, k.ID, verdict, found, "rules", "", c.At); err != nil {
		return Case{}, err
	}
	if verdict != record.VerdictQueue {
		err = decided(ctx, tx, &k, c.At)
	}
	return shown(&k, documents), err
}
