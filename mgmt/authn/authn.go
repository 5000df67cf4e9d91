// Package authn finds out who calls: partner backends by certificate, cardholders by a session of a paired device,
// operators by password and one-time code. It has the routes by which they come in and go out, and nothing that
// they can do once they are in.
//
// All ways of not being known have one answer, and take the same work where the work could be measured.
package authn

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/authz/record"
	"holdfast/mgmt"
	"holdfast/mgmt/problem"
)

// Tx is what the room needs of a transaction. *records.Tx is one.
type Tx interface {
	Certificate(ctx context.Context, fingerprint []byte) (record.Certificate, record.Partner, error)
	InsertCertificate(ctx context.Context, c *record.Certificate) error
	Certificates(ctx context.Context, partner authz.PartnerID, page record.Page) (record.List[record.Certificate], error)
	RevokeCertificate(ctx context.Context, partner authz.PartnerID, id record.UUID, at time.Time) error

	Partner(ctx context.Context, id authz.PartnerID) (record.Partner, error)
	User(ctx context.Context, partner authz.PartnerID, id authz.UserID) (record.User, error)

	NewPairing(ctx context.Context, p record.Pairing) error
	Pair(ctx context.Context, hash []byte, d *record.Device, at time.Time) error
	Device(ctx context.Context, id record.UUID) (record.Device, error)
	NewChallenge(ctx context.Context, c *record.Challenge, at time.Time) error
	UseChallenge(ctx context.Context, id record.UUID, at time.Time) (record.Challenge, record.Device, error)

	NewSession(ctx context.Context, s *record.Session) error
	Session(ctx context.Context, hash []byte, at time.Time) (record.Session, error)
	TouchSession(ctx context.Context, hash []byte, at time.Time) error
	EndSession(ctx context.Context, hash []byte) error
	EndOperatorSessions(ctx context.Context, id record.UUID) error

	InsertOperator(ctx context.Context, o *record.Operator) error
	FindOperator(ctx context.Context, email string) (record.Operator, error)
	OperatorByEmail(ctx context.Context, email string) (record.Operator, error)
	Operator(ctx context.Context, id record.UUID) (record.Operator, error)
	Operators(ctx context.Context, page record.Page) (record.List[record.Operator], error)
	UpdateOperator(ctx context.Context, o *record.Operator) error
}

// How long things live, unless the configuration says otherwise.
const (
	SessionUsual   = 10 * time.Minute // the seed's
	pairingFor     = 10 * time.Minute
	challengeFor   = time.Minute
	operatorFor    = 12 * time.Hour   // whatever happens
	operatorIdle   = 15 * time.Minute // PCI DSS 8.2.8
	touchEvery     = 20 * time.Second // how exactly idleness is known
	certificateFor = 500 * time.Millisecond
)

// Room authenticates. It is safe for concurrent use.
type Room struct {
	store   mgmt.Store
	keys    *keystore.Store
	now     func() time.Time
	session time.Duration
	cache   certificates
	hashing chan struct{}
}

// New makes the room. session is how long a cardholder's session lasts; zero is SessionUsual.
func New(store mgmt.Store, keys *keystore.Store, now func() time.Time, session time.Duration) *Room {
	if session == 0 {
		session = SessionUsual
	}
	return &Room{store: store, keys: keys, now: now, session: session, hashing: make(chan struct{}, hashingAtOnceMax),
		cache: certificates{known: map[string]certificate{}}}
}

// Authenticators are those of all channels.
func (m *Room) Authenticators() map[mgmt.Channel]mgmt.Authenticator {
	return map[mgmt.Channel]mgmt.Authenticator{mgmt.Customers: m.user, mgmt.Admin: m.operator,
		mgmt.Secure: m.partner, mgmt.Lifecycle: m.partner, mgmt.Sandbox: m.partner}
}

// Routes are the room's rows of the routing table.
func (m *Room) Routes() []mgmt.Bound {
	var rows []mgmt.Bound
	for _, more := range [][]mgmt.Bound{m.certificateRoutes(), m.deviceRoutes(), m.operatorRoutes()} {
		rows = append(rows, more...)
	}
	return rows
}

// view reads outside of a handler.
func (m *Room) view(ctx context.Context, f func(Tx) error) error {
	return m.store.View(ctx, func(tx mgmt.Tx) error { return f(tx.(Tx)) })
}

var errUnknown = problem.New(problem.Unauthenticated)

// unknown makes one answer of all ways of not being there; a store that is away stays one.
func unknown(err error) error {
	if errors.Is(err, authz.ErrNotFound) || record.Code(err) != "" {
		return errUnknown
	}
	return err
}

const tokenBytes = 32

// newToken is a random text and the hash that it is kept as.
func newToken() (token string, hash []byte) {
	raw := make([]byte, tokenBytes)
	_, _ = rand.Read(raw) // never fails: it ends the program instead
	token = base64.RawURLEncoding.EncodeToString(raw)
	return token, hashOf(token)
}

func hashOf(token string) []byte {
	sum := sha256.Sum256([]byte("holdfast token " + token))
	return sum[:]
}

// bearer is the hash of the token in the header.
func bearer(r *http.Request) ([]byte, error) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return nil, errUnknown
	}
	token, ok := strings.CutPrefix(values[0], "Bearer ")
	if !ok || len(token) != base64.RawURLEncoding.EncodedLen(tokenBytes) {
		return nil, errUnknown
	}
	return hashOf(token), nil
}
