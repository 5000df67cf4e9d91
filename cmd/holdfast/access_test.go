package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/authz/record"
	"holdfast/mgmt"
	"holdfast/mgmt/authn"
	"holdfast/mgmt/partners"
	"holdfast/mgmt/pki"
	"holdfast/mgmt/problem"
	"holdfast/store/litestore"
	"holdfast/store/records"
)

// crowd is one of each kind of caller, on books of its own.
type crowd struct {
	t        *testing.T
	store    *litestore.Store
	keys     *keystore.Store
	door     *mgmt.Door
	handlers map[bool]http.Handler // by whether it is the mTLS listener's
	document *openapi3.T
	now      func() time.Time // of the door

	users        map[string]authz.UserID
	devices      map[string]record.UUID // one of each user's
	operators    map[string]record.UUID
	certificates map[string]*x509.Certificate
	partners     map[string]authz.PartnerID
}

func (c *crowd) do(f func(ctx context.Context, tx *records.Tx) error) {
	c.t.Helper()
	ctx := context.Background()
	if _, err := records.Transact(ctx, c.store, c.keys, func(tx *records.Tx) error { return f(ctx, tx) }); err != nil {
		c.t.Fatal(err)
	}
}

func gather(t *testing.T) *crowd {
	t.Helper()
	c := &crowd{t: t, users: map[string]authz.UserID{}, devices: map[string]record.UUID{}, operators: map[string]record.UUID{}, certificates: map[string]*x509.Certificate{},
		partners: map[string]authz.PartnerID{}, now: time.Now}
	var err error
	books := config{Data: t.TempDir()}
	if c.keys, c.store, err = openData(books.Data); err == nil {
		c.keys, _, err = books.completeKeys()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.store.Close() })
	now := time.Now()
	for _, name := range []string{"partner", "paused"} {
		p := record.Partner{Name: name, State: record.PartnerActive, Networks: []string{"192.0.2.0/24"}, CreatedAt: now}
		c.do(func(ctx context.Context, tx *records.Tx) error { return tx.InsertPartner(ctx, &p) })
		c.partners[name] = p.ID
		if name == "paused" {
			p.State = record.PartnerSuspended
			c.do(func(ctx context.Context, tx *records.Tx) error { return tx.UpdatePartner(ctx, &p) })
		}
	}
	for _, name := range []string{"user", "late", "locked"} {
		u := record.User{Partner: c.partners["partner"], State: record.UserActive, KYC: record.KYCNotStarted, FirstName: "A", LastName: "B",
			Email: name + "@example.com", Phone: fmt.Sprintf("+4812345678%d", len(c.users)), CreatedAt: now}
		d := record.Device{Hardware: "first", PublicKey: []byte("x")}
		c.do(func(ctx context.Context, tx *records.Tx) error {
			if err := tx.InsertUser(ctx, &u); err != nil {
				return err
			}
			if err := tx.NewPairing(ctx, record.Pairing{Hash: []byte(name), Partner: u.Partner, User: u.ID, ExpiresAt: now.Add(time.Hour)}); err != nil {
				return err
			}
			return tx.Pair(ctx, []byte(name), &d, now)
		})
		c.users[name], c.devices[name] = u.ID, d.ID
	}
	for name, role := range map[string]record.Role{"admin": record.RoleAdmin, "manager": record.RoleManager, "employee": record.RoleEmployee,
		"gone": record.RoleAdmin, "idle": record.RoleAdmin} {
		o := record.Operator{Email: name + "@example.com", Name: name, Role: role, PasswordHash: "x", TOTPSecret: []byte("x"), CreatedAt: now}
		c.do(func(ctx context.Context, tx *records.Tx) error { return tx.InsertOperator(ctx, &o) })
		c.operators[name] = o.ID
	}
	c.do(func(ctx context.Context, tx *records.Tx) error {
		o, err := tx.Operator(ctx, c.operators["gone"])
		if err != nil {
			return err
		}
		o.Disabled = true
		return tx.UpdateOperator(ctx, &o)
	})
	for name, of := range map[string]string{"partner": "partner", "abroad": "partner", "revoked": "partner", "expired": "partner", "paused": "paused"} {
		c.certify(name, c.partners[of])
	}
	c.build()
	return c
}

func (c *crowd) certify(name string, partner authz.PartnerID) {
	c.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	at := time.Now()
	if name == "expired" {
		at = at.AddDate(0, 0, -2)
	}
	made, err := pki.Sign(c.keys, &key.PublicKey, &record.Partner{ID: partner, Name: "Acme"}, 1, "test", at)
	if err != nil {
		c.t.Fatal(err)
	}
	c.do(func(ctx context.Context, tx *records.Tx) error { return tx.InsertCertificate(ctx, made) })
	if name == "revoked" {
		c.do(func(ctx context.Context, tx *records.Tx) error {
			return tx.RevokeCertificate(ctx, partner, made.ID, at)
		})
	}
	if c.certificates[name], err = x509.ParseCertificate(made.DER); err != nil {
		c.t.Fatal(err)
	}
}

func (c *crowd) build() {
	c.t.Helper()
	books := doorBooks{store: c.store, keys: c.keys}
	room := authn.New(books, c.keys, c.now, 0)
	peers := partners.Config{Peers: func() []partners.Peer { return nil }, CheckPeer: func(record.PeerChange) error { return authz.ErrNotFound }}
	var err error
	c.door, err = mgmt.New(mgmt.Config{Routes: routes(rooms{identities: room, partners: peers}), Authn: room.Authenticators(), Store: books, Keys: c.keys,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Limits: mgmt.Limits{PerSecondMax: 1e6}, Now: c.now, Sandbox: true})
	if err != nil {
		c.t.Fatal(err)
	}
	c.handlers = map[bool]http.Handler{false: c.door.Public(), true: c.door.Mutual()}
	rec := httptest.NewRecorder()
	c.door.Public().ServeHTTP(rec, httptest.NewRequest("GET", "/openapi.json", nil))
	if c.document, err = openapi3.NewLoader().LoadFromData(rec.Body.Bytes()); err != nil {
		c.t.Fatal(err)
	}
	if err := c.document.Validate(context.Background()); err != nil {
		c.t.Fatal(err)
	}
}

// session opens a session for a caller, anew for each request: some of them end it.
func (c *crowd) session(name string) string {
	c.t.Helper()
	raw := make([]byte, 32)
	_, _ = rand.Read(raw)
	token := strings.TrimRight(base64url(raw), "=")
	hash := sha256.Sum256([]byte("holdfast token " + token))
	now := time.Now()
	s := record.Session{Hash: hash[:], Kind: record.SessionOperator, Operator: c.operators[name], CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(time.Hour)}
	if user, ok := c.users[name]; ok {
		s.Kind, s.Partner, s.User, s.Operator, s.Device = record.SessionUser, c.partners["partner"], user, record.UUID{}, c.devices[name]
	}
	switch name {
	case "late":
		s.ExpiresAt = now.Add(-time.Millisecond)
	case "idle":
		s.SeenAt = now.Add(-15 * time.Minute)
	}
	c.do(func(ctx context.Context, tx *records.Tx) error {
		if name == "locked" {
			if u, err := tx.User(ctx, c.partners["partner"], s.User); err != nil || u.State == record.UserActive {
				if _, err := tx.SetUserState(ctx, c.partners["partner"], s.User, record.UserLocked, now); err != nil {
					return err
				}
			}
		}
		return tx.NewSession(ctx, &s)
	})
	return token
}

var parameter = regexp.MustCompile(`\{[^}]+\}`)

// call sends a plain request without a body to a route as one of the crowd.
func (c *crowd) call(method, path, who string) *httptest.ResponseRecorder {
	c.t.Helper()
	r := httptest.NewRequest(method, parameter.ReplaceAllString(path, "1"), nil)
	r.RemoteAddr = "192.0.2.7:1234"
	if who == "abroad" {
		r.RemoteAddr = "198.51.100.7:1234"
	}
	_, isUser := c.users[who]
	_, isOperator := c.operators[who]
	if isUser || isOperator {
		r.Header.Set("Authorization", "Bearer "+c.session(who))
	}
	mutual := strings.HasPrefix(path, "/secure/") || strings.HasPrefix(path, "/lifecycle/") || strings.HasPrefix(path, "/sandbox/")
	if cert := c.certificates[who]; cert != nil && mutual { // the public listener asks for no certificate
		chain := []*x509.Certificate{cert}
		r.TLS = &tls.ConnectionState{PeerCertificates: chain, VerifiedChains: [][]*x509.Certificate{chain}}
	}
	rec := httptest.NewRecorder()
	c.handlers[mutual].ServeHTTP(rec, r)
	return rec
}

// Goal: every route lets in whom it should and nobody else. Method: every row against every caller, and every method
// that has no row; the expectation is written by hand.
func TestAccessMatrix(t *testing.T) {
	t.Parallel()
	c := gather(t)
	text, err := os.ReadFile("testdata/access.txt")
	if err != nil {
		t.Fatal(err)
	}
	var callers []string
	expected := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || fields[0] == "#":
		case fields[0] == "route":
			callers = fields[2:]
		default:
			expected[fields[0]+" "+fields[1]] = fields[2:]
		}
	}
	methods := map[string][]string{}
	for _, r := range c.door.Rows() {
		key := r.Method + " " + r.Path
		methods[r.Path] = append(methods[r.Path], r.Method)
		want := expected[key]
		delete(expected, key)
		if len(want) != 1+len(callers) {
			t.Errorf("%s: the expectation has %d columns, want %d", key, len(want), 1+len(callers))
			continue
		}
		if r.JWE != (want[0] == "jwe") {
			t.Errorf("%s: encryption is %v, expected %s", key, r.JWE, want[0])
		}
		for i, who := range callers {
			rec := c.call(r.Method, r.Path, who)
			got := fmt.Sprint(rec.Code)
			if rec.Code != 401 && rec.Code != 403 {
				got = "in"
			}
			if got != want[1+i] {
				t.Errorf("%s as %s: %d %s, expected %s", key, who, rec.Code, rec.Body, want[1+i])
			}
			if r.JWE && got == "in" && !strings.Contains(rec.Body.String(), string(problem.EncryptionNeeded)) {
				t.Errorf("%s as %s, plain: %d %s", key, who, rec.Code, rec.Body)
			}
			c.conforms(r, rec)
		}
	}
	for key := range expected {
		t.Errorf("%s is expected and not served", key)
	}
	for path, known := range methods {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT"} {
			taken := func(r mgmt.Route) bool { return r.Method == method && samePath(r.Path, path) } // by a row with a parameter here
			if slices.Contains(known, method) || slices.ContainsFunc(c.door.Rows(), taken) {
				continue
			}
			if rec := c.call(method, path, "admin"); rec.Code != 405 {
				t.Errorf("%s %s has no row: %d", method, path, rec.Code)
			}
		}
	}
}

// conforms holds an answer against the document: its status is promised, and its body has the form that was promised.
func (c *crowd) conforms(r mgmt.Route, rec *httptest.ResponseRecorder) {
	c.t.Helper()
	if err := conforms(c.document, r, reply{rec.Code, rec.Header(), rec.Body.String()}); err != nil {
		c.t.Errorf("%s %s: %v", r.Method, r.Path, err)
	}
}
