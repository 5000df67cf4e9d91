// Package partners is the operators' room of institutions: partners, the card programs that they run, the networks that
// connect, and the trail of what everybody did.
package partners

import (
	"context"
	"crypto/x509"
	"net/http"
	"strconv"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/mgmt"
	"holdfast/mgmt/jwe"
	"holdfast/mgmt/problem"
)

// Tx is what the room needs of a transaction. *records.Tx is one.
type Tx interface {
	InsertPartner(ctx context.Context, p *record.Partner) error
	Partner(ctx context.Context, id authz.PartnerID) (record.Partner, error)
	Partners(ctx context.Context, page record.Page) (record.List[record.Partner], error)
	UpdatePartner(ctx context.Context, p *record.Partner) error

	InsertProgram(ctx context.Context, p *record.Program) error
	Program(ctx context.Context, partner authz.PartnerID, id authz.ProgramID) (record.Program, error)
	Programs(ctx context.Context, partner authz.PartnerID, page record.Page) (record.List[record.Program], error)
	UpdateProgram(ctx context.Context, p *record.Program) error

	InsertPeer(ctx context.Context, p record.PeerChange, at time.Time) error
	SetPeer(ctx context.Context, p record.PeerChange, at time.Time) error
	ResetPeer(ctx context.Context, name string) error
	PeerChanges(ctx context.Context) ([]record.PeerChange, error)

	SetRate(ctx context.Context, r authz.Rate, since time.Time) error
	RatesPage(ctx context.Context, at time.Time, page record.Page) (record.List[authz.Rate], error)

	Audits(ctx context.Context, f record.AuditFilter, page record.Page) (record.List[record.Audit], error)
}

// Config is what the room asks of others.
type Config struct {
	// Align brings all cards of a partner in line with its state, which is too much for one transaction. It may be run
	// again at any time.
	Align func(ctx context.Context, id authz.PartnerID) error
	// Peers tells who the configuration of this node lets connect to it.
	Peers func() []Peer
	// CheckPeer refuses a change of a peer that the switch could not use; of one that this node does not know it is
	// [authz.ErrNotFound].
	CheckPeer func(record.PeerChange) error
	// Codes refuses action codes of a program, or of a peer whose dialect is not known, that no switch could use.
	Codes func(map[string]string) error
}

// Room is the room.
type Room struct{ cfg Config }

// New makes the room.
func New(cfg Config) *Room { return &Room{cfg} }

// Partner is one as operators see it.
type Partner struct {
	ID          authz.PartnerID     `json:"partnerId"`
	Name        string              `json:"name"`
	State       record.PartnerState `json:"state" rule:"enum=ACTIVE|SUSPENDED"`
	Networks    []string            `json:"networks" rule:"max=32"`
	HasKey      bool                `json:"hasResponseKey"`
	UnboundKeys bool                `json:"unboundKeys"`
	CreatedAt   time.Time           `json:"createdAt"`
}

func shown(p *record.Partner) Partner {
	s := Partner{ID: p.ID, Name: p.Name, State: p.State, Networks: p.Networks, HasKey: len(p.ResponseKey) > 0, UnboundKeys: p.UnboundKeys,
		CreatedAt: p.CreatedAt}
	if s.Networks == nil {
		s.Networks = []string{}
	}
	return s
}

type createRequest struct {
	Body struct {
		Name        string   `json:"name" rule:"min=1 max=100"`
		Networks    []string `json:"networks,omitempty" rule:"max=32"`                    // addresses or networks that calls may come from
		ResponseKey string   `json:"responseKey,omitempty" rule:"format=base64 max=4096"` // PEM or SPKI DER: RSA
		UnboundKeys bool     `json:"unboundKeys,omitempty"`
	}
}

type changeRequest struct {
	ID   authz.PartnerID `path:"id" rule:"min=1"`
	Body struct {
		Name        *string              `json:"name" rule:"min=1 max=100"`
		State       *record.PartnerState `json:"state" rule:"enum=ACTIVE|SUSPENDED"`
		Networks    *[]string            `json:"networks" rule:"max=32"`
		ResponseKey *string              `json:"responseKey" rule:"format=base64 max=4096"`
		UnboundKeys *bool                `json:"unboundKeys"`
	}
}

type oneRequest struct {
	ID authz.PartnerID `path:"id" rule:"min=1"`
}

type listRequest struct{ mgmt.Page }

// Routes are the room's rows of the routing table.
func (m *Room) Routes() []mgmt.Bound {
	const all, one = "/admin/partners", "/admin/partners/{id}"
	created := row(http.MethodPost, all, mgmt.RoleAdmin, "partner.create", "Enrol a partner", "ALREADY_EXISTS")
	created.Status = http.StatusCreated
	rows := []mgmt.Bound{
		mgmt.Handle(created, create),
		mgmt.Handle(row(http.MethodGet, all, mgmt.RolesAll, "", "The partners"),
			func(ctx context.Context, c *mgmt.Call, in *listRequest) (mgmt.List[Partner], error) {
				l, err := mgmt.In[Tx](c).Partners(ctx, in.Ask())
				return mgmt.Show(l, shown), err
			}),
		mgmt.Handle(row(http.MethodGet, one, mgmt.RolesAll, "", "A partner"),
			func(ctx context.Context, c *mgmt.Call, in *oneRequest) (Partner, error) {
				p, err := mgmt.In[Tx](c).Partner(ctx, in.ID)
				return shown(&p), err
			}),
		mgmt.Handle(row(http.MethodPatch, one, mgmt.RoleAdmin, "partner.change",
			"Change or suspend a partner: all its cards are declined from now on", "ALREADY_EXISTS", "VERSION_CONFLICT"), m.change),
	}
	rows = append(append(append(rows, m.programRoutes()...), rateRoutes()...), m.peerRoutes()...)
	return append(rows, auditRoute())
}

func row(method, path string, roles mgmt.Roles, audit, summary string, refusals ...string) mgmt.Route {
	return mgmt.Route{Method: method, Path: path, Channel: mgmt.Admin, Roles: roles, Audit: audit, Summary: summary, Refusals: refusals}
}

func number[T ~int64](n T) string { return strconv.FormatInt(int64(n), 10) }

// key reads the key that answers are encrypted for.
func key(text string) ([]byte, error) {
	parsed, err := jwe.ParseKey([]string{text})
	if err != nil {
		return nil, problem.Body("/responseKey", "must be an RSA key of 2048 to 4096 bits")
	}
	return x509.MarshalPKIXPublicKey(parsed)
}

func create(ctx context.Context, c *mgmt.Call, in *createRequest) (Partner, error) {
	p := record.Partner{Name: in.Body.Name, State: record.PartnerActive, Networks: in.Body.Networks, UnboundKeys: in.Body.UnboundKeys,
		CreatedAt: c.At}
	var err error
	if in.Body.ResponseKey != "" {
		if p.ResponseKey, err = key(in.Body.ResponseKey); err != nil {
			return Partner{}, err
		}
	}
	if err := mgmt.In[Tx](c).InsertPartner(ctx, &p); err != nil {
		return Partner{}, err
	}
	c.Object("partner " + number(p.ID))
	return shown(&p), nil
}

func (m *Room) change(ctx context.Context, c *mgmt.Call, in *changeRequest) (Partner, error) {
	tx := mgmt.In[Tx](c)
	c.Object("partner " + number(in.ID))
	p, err := tx.Partner(ctx, in.ID)
	if err != nil {
		return Partner{}, err
	}
	if in.Body.Name != nil {
		p.Name = *in.Body.Name
	}
	if in.Body.Networks != nil {
		p.Networks = *in.Body.Networks
	}
	if in.Body.UnboundKeys != nil {
		p.UnboundKeys = *in.Body.UnboundKeys
	}
	if in.Body.ResponseKey != nil {
		if p.ResponseKey, err = key(*in.Body.ResponseKey); err != nil {
			return Partner{}, err
		}
	}
	if in.Body.State != nil { // also when it is as it was: that finishes what was cut short
		p.State = *in.Body.State
		c.After(func() error { return m.cfg.Align(ctx, p.ID) })
	}
	if err := tx.UpdatePartner(ctx, &p); err != nil {
		return Partner{}, err
	}
	return shown(&p), nil
}
