package authn

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/mgmt"
	"holdfast/mgmt/jwe"
	"holdfast/mgmt/pki"
	"holdfast/mgmt/problem"
)

// certificates are what was read of certificates a moment ago, so that a busy partner does not cost a query for each
// request. What is in here is at most half a second old: a revocation counts within a second.
type certificates struct {
	mu    sync.Mutex
	known map[string]certificate
}

type certificate struct {
	record.Certificate
	partner record.Partner
	read    time.Time
}

const certificatesMax = 1000

func (m *Room) certificate(ctx context.Context, fingerprint []byte) (certificate, error) {
	m.cache.mu.Lock()
	c, ok := m.cache.known[string(fingerprint)]
	m.cache.mu.Unlock()
	began := time.Now() // the real clock: the sandbox's may jump
	if ok && began.Sub(c.read) < certificateFor {
		return c, nil
	}
	c.read = began
	if err := m.view(ctx, func(tx Tx) (err error) {
		c.Certificate, c.partner, err = tx.Certificate(ctx, fingerprint)
		return err
	}); err != nil {
		return c, err
	}
	m.cache.mu.Lock()
	defer m.cache.mu.Unlock()
	if len(m.cache.known) >= certificatesMax {
		clear(m.cache.known)
	}
	m.cache.known[string(fingerprint)] = c
	return c, nil
}

// partner authenticates by the certificate of the connection. The handshake has checked the chain; that the
// certificate, its partner and the address are still welcome is asked here, for each request.
func (m *Room) partner(ctx context.Context, r *http.Request) (mgmt.Identity, error) {
	none := problem.New(problem.CertificateNeeded)
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return mgmt.Identity{}, none
	}
	c, err := m.certificate(ctx, pki.Fingerprint(r.TLS.PeerCertificates[0].Raw))
	switch {
	case err != nil && unknown(err) == errUnknown:
		return mgmt.Identity{}, none
	case err != nil:
		return mgmt.Identity{}, err
	case !c.Valid(time.Now()):
		return mgmt.Identity{}, none
	case c.partner.State != record.PartnerActive:
		return mgmt.Identity{}, record.ErrPartner
	case !welcome(c.partner.Networks, r.RemoteAddr):
		return mgmt.Identity{}, problem.New(problem.Forbidden)
	}
	who := mgmt.Identity{Name: "partner " + number(c.partner.ID), Detail: "certificate " + c.ID.String(), Partner: c.partner.ID,
		Unbound: c.partner.UnboundKeys}
	if len(c.partner.ResponseKey) > 0 {
		if who.Key, err = jwe.ParseSPKI(c.partner.ResponseKey); err != nil {
			return mgmt.Identity{}, err
		}
	}
	return who, nil
}

// welcome tells whether an address is in one of the networks; no networks welcome all.
func welcome(networks []string, remote string) bool {
	if len(networks) == 0 {
		return true
	}
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return false
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	address = address.Unmap()
	for _, n := range networks {
		if prefix, err := netip.ParsePrefix(n); err == nil && prefix.Contains(address) {
			return true
		}
		if one, err := netip.ParseAddr(n); err == nil && one.Unmap() == address {
			return true
		}
	}
	return false
}

// Certificate is one as it is shown.
type Certificate struct {
	ID        record.UUID `json:"id"`
	Serial    string      `json:"serial"`
	NotBefore time.Time   `json:"notBefore"`
	NotAfter  time.Time   `json:"notAfter"`
	RevokedAt *time.Time  `json:"revokedAt,omitempty"`
	PEM       string      `json:"certificate" rule:"max=8192"`
}

func shown(c *record.Certificate) Certificate {
	s := Certificate{ID: c.ID, Serial: c.Serial, NotBefore: c.NotBefore, NotAfter: c.NotAfter, PEM: pki.PEM(c.DER)}
	if !c.RevokedAt.IsZero() {
		s.RevokedAt = &c.RevokedAt
	}
	return s
}

type issueRequest struct {
	Partner authz.PartnerID `path:"id" rule:"min=1"`
	Body    struct {
		CSR  string `json:"csr" rule:"format=base64 max=16384"` // base64 of the PEM: a text of one line
		Days int    `json:"days,omitempty" rule:"min=1 max=397"`
	}
}

type listRequest struct {
	Partner authz.PartnerID `path:"id" rule:"min=1"`
	mgmt.Page
}

type revokeRequest struct {
	Partner     authz.PartnerID `path:"id" rule:"min=1"`
	Certificate record.UUID     `path:"certificateId"`
}

func (m *Room) certificateRoutes() []mgmt.Bound {
	const path = "/admin/partners/{id}/certificates"
	return []mgmt.Bound{
		mgmt.Handle(mgmt.Route{Method: http.MethodPost, Path: path, Channel: mgmt.Admin, Roles: mgmt.RoleAdmin, Audit: "certificate.issue",
			Status: http.StatusCreated, Summary: "Sign a certificate for a partner", Refusals: []string{"PARTNER_SUSPENDED"}}, m.issue),
		mgmt.Handle(mgmt.Route{Method: http.MethodGet, Path: path, Channel: mgmt.Admin, Roles: mgmt.RolesAM,
			Summary: "The certificates of a partner"}, m.list),
		mgmt.Handle(mgmt.Route{Method: http.MethodDelete, Path: path + "/{certificateId}", Channel: mgmt.Admin, Roles: mgmt.RoleAdmin,
			Audit: "certificate.revoke", Summary: "Revoke a certificate, within a second"}, m.revoke),
	}
}

func (m *Room) issue(ctx context.Context, c *mgmt.Call, in *issueRequest) (Certificate, error) {
	tx := mgmt.In[Tx](c)
	text, err := decode64(in.Body.CSR)
	if err != nil {
		return Certificate{}, problem.Body("/csr", "must be base64 of PEM")
	}
	public, err := pki.ParseRequest(text)
	if err != nil {
		return Certificate{}, problem.Body("/csr", "must be a certificate request with an acceptable key")
	}
	p, err := tx.Partner(ctx, in.Partner)
	if err != nil {
		return Certificate{}, err
	}
	if p.State != record.PartnerActive {
		return Certificate{}, record.ErrPartner
	}
	days := in.Body.Days
	if days == 0 {
		days = pki.DaysUsual
	}
	made, err := pki.Sign(m.keys, public, &p, days, c.Name, c.At)
	if err != nil {
		return Certificate{}, err
	}
	if err := tx.InsertCertificate(ctx, made); err != nil {
		return Certificate{}, err
	}
	c.Object("certificate " + made.ID.String())
	return shown(made), nil
}

func (m *Room) list(ctx context.Context, c *mgmt.Call, in *listRequest) (mgmt.List[Certificate], error) {
	tx := mgmt.In[Tx](c)
	if _, err := tx.Partner(ctx, in.Partner); err != nil {
		return mgmt.List[Certificate]{}, err
	}
	l, err := tx.Certificates(ctx, in.Partner, in.Ask())
	return mgmt.Show(l, shown), err
}

func (m *Room) revoke(ctx context.Context, c *mgmt.Call, in *revokeRequest) (mgmt.None, error) {
	c.Object("certificate " + in.Certificate.String())
	return mgmt.None{}, mgmt.In[Tx](c).RevokeCertificate(ctx, in.Partner, in.Certificate, c.At)
}
