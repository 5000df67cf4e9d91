package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/authz/pan"
	"holdfast/authz/record"
	"holdfast/mgmt"
	"holdfast/mgmt/jwe"
	"holdfast/mgmt/pki"
	"holdfast/store/records"
	"holdfast/switch/client"
	"holdfast/switch/frame"
	"holdfast/switch/iso"
)

// estate is an office with people in it: the partners Acme (partner) and Other (other) with their certificates, a user
// of Acme's (user) with a session, and operators. Every answer that passes [estate.as] is held against the document.
type estate struct {
	*office
	doc     *openapi3.T
	raw     map[string]any // the same, as it was sent
	box     *jwe.Box       // the callers' key pair, for all of them
	key     *rsa.PublicKey
	clients map[string]*http.Client
	tokens  map[string]string
	network *site // whose payments reach the house's listener
}

// bothModes runs a test in embedded mode, and in full mode when there are servers.
func bothModes(t *testing.T, test func(t *testing.T, e *estate)) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(t, openEstate(t, nil))
	})
	t.Run("full", func(t *testing.T) {
		t.Parallel()
		s := openSite(t, sharedServers(t), patient(plainListener))
		test(t, openEstate(t, s))
	})
}

// openEstate opens an embedded estate, or one on a site. The change is made to the configuration before it starts.
func openEstate(t *testing.T, s *site, change ...func(*config)) *estate {
	t.Helper()
	cfg := config{Data: t.TempDir(), Store: storeEmbedded, Listeners: patient([]listenerConfig{{Address: "127.0.0.1:0", Framing: "bin2"}})}
	if s == nil {
		dialect, err := iso.Builtin("iso87-ascii")
		if err != nil {
			t.Fatal(err)
		}
		s = &site{dialect: dialect}
	} else {
		var err error
		if cfg, err = loadConfig(s.config(t, 1)); err != nil {
			t.Fatal(err)
		}
	}
	unhurried := func(cfg *config) {
		cfg.Management.Limits = limitsConfig{PerSecondMax: 1e6, DecryptionsPerSecondMax: 1e6}
	}
	e := newEstate(openOfficeOn(t, cfg, append([]func(*config){unhurried}, change...)...), s)
	e.populate()
	return e
}

// newEstate is an office of which nobody is known yet.
func newEstate(o *office, network *site) *estate {
	o.t.Helper()
	e := &estate{office: o, clients: map[string]*http.Client{}, tokens: map[string]string{}, network: network}
	e.box, e.key = newCaller(o.t)
	e.clients[""] = e.http()
	e.readDocument()
	return e
}

// newCaller is the key pair of somebody who calls.
func newCaller(t *testing.T) (*jwe.Box, *rsa.PublicKey) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	_, err := keystore.Create(path, nil)
	var own *keystore.Store
	if err == nil {
		own, _, err = keystore.Complete(path, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return jwe.New(own, jwe.Limits{PerSecondMax: 1e6}), own.EncryptionKeys()[0].Key
}

func (e *estate) readDocument() {
	e.t.Helper()
	r := e.call(e.http(), "GET", e.public+"/openapi.json", "")
	r.into(e.t, &e.raw)
	var err error
	if e.doc, err = openapi3.NewLoader().LoadFromData([]byte(r.text)); err == nil {
		err = e.doc.Validate(context.Background())
	}
	if err != nil {
		e.t.Fatal(err)
	}
}

// do changes the books behind the API's back, for what a test is not about.
func (e *estate) do(f func(ctx context.Context, tx *records.Tx) error) {
	e.t.Helper()
	ctx := context.Background()
	if _, err := records.Transact(ctx, e.node.store, e.node.keys, func(tx *records.Tx) error { return f(ctx, tx) }); err != nil {
		e.t.Fatal(err)
	}
}

func (e *estate) populate() {
	now := time.Now()
	spki, err := x509.MarshalPKIXPublicKey(e.key)
	if err != nil {
		e.t.Fatal(err)
	}
	for _, name := range []string{"partner", "other"} {
		p := record.Partner{Name: "Acme " + name, State: record.PartnerActive, ResponseKey: spki, CreatedAt: now}
		e.do(func(ctx context.Context, tx *records.Tx) error { return tx.InsertPartner(ctx, &p) })
		e.clients[name] = e.http(e.certificate(&p))
		if name == "partner" {
			e.partner = p.ID
		}
	}
	e.user = e.newUser(e.partner, 1)
	e.tokens["user"] = e.newSession(record.Session{Kind: record.SessionUser, Partner: e.partner, User: e.user})
	for name, role := range map[string]record.Role{"admin": record.RoleAdmin, "admin2": record.RoleAdmin,
		"manager": record.RoleManager, "employee": record.RoleEmployee} {
		o := record.Operator{Email: name + "@example.com", Name: name, Role: role, PasswordHash: "x", TOTPSecret: []byte("x"), CreatedAt: now}
		e.do(func(ctx context.Context, tx *records.Tx) error { return tx.InsertOperator(ctx, &o) })
		e.tokens[name] = e.newSession(record.Session{Kind: record.SessionOperator, Operator: o.ID})
	}
}

// newUser registers a user of a partner.
func (e *estate) newUser(p authz.PartnerID, number int) authz.UserID {
	e.t.Helper()
	u := record.User{Partner: p, FirstName: "Ann", LastName: "Bee", Email: fmt.Sprintf("ann%d@example.com", number),
		Phone: fmt.Sprintf("+4812345%04d", number), BirthDate: "1990-05-17", Nationality: "POL", CreatedAt: time.Now()}
	e.do(func(ctx context.Context, tx *records.Tx) error { return tx.InsertUser(ctx, &u) })
	return u.ID
}

// newDevice pairs one with a user without its ceremony. Answers to it are encrypted for the estate's key.
func (e *estate) newDevice(p authz.PartnerID, u authz.UserID) record.UUID {
	e.t.Helper()
	now, code := time.Now(), make([]byte, 32)
	_, _ = rand.Read(code)
	d := record.Device{Hardware: fmt.Sprintf("phone %x", code[:8]), PublicKey: []byte("x"), ResponseKey: e.spki()}
	e.do(func(ctx context.Context, tx *records.Tx) error {
		if err := tx.NewPairing(ctx, record.Pairing{Hash: code, Partner: p, User: u, ExpiresAt: now.Add(time.Minute)}); err != nil {
			return err
		}
		return tx.Pair(ctx, code, &d, now)
	})
	return d.ID
}

// newSession opens a session without its ceremony and gives its token; a user's is of a new device unless it names one.
func (e *estate) newSession(s record.Session) string {
	e.t.Helper()
	if s.Kind == record.SessionUser && s.Device.IsZero() {
		s.Device = e.newDevice(s.Partner, s.User)
	}
	raw := make([]byte, 32)
	_, _ = rand.Read(raw)
	token := base64.RawURLEncoding.EncodeToString(raw)
	hash := sha256.Sum256([]byte("holdfast token " + token))
	s.Hash, s.CreatedAt, s.SeenAt, s.ExpiresAt = hash[:], time.Now(), time.Now(), time.Now().Add(time.Hour)
	e.do(func(ctx context.Context, tx *records.Tx) error { return tx.NewSession(ctx, &s) })
	return token
}

// as sends a request as one of the estate: partner, other, user, admin, admin2, manager, employee, or empty for nobody.
// An answer that is not as the document promises fails the test.
func (e *estate) as(who, method, path, body string, headers ...string) reply {
	e.t.Helper()
	base, client := e.public, e.clients[""]
	if mutualPath(path) {
		base = e.secure
	}
	if c := e.clients[who]; c != nil {
		client = c
	}
	if token := e.tokens[who]; token != "" {
		headers = append([]string{"Authorization", "Bearer " + token}, headers...)
	}
	r := e.call(client, method, base+path, body, headers...)
	e.check(method, path, r)
	return r
}

func mutualPath(path string) bool {
	return strings.HasPrefix(path, "/secure/") || strings.HasPrefix(path, "/lifecycle/") || strings.HasPrefix(path, "/sandbox/")
}

// secret is as with encryption both ways; the answer comes decrypted, and is held against the document too.
func (e *estate) secret(who, method, path, body string, headers ...string) reply {
	e.t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(e.key)
	if err != nil {
		e.t.Fatal(err)
	}
	if body != "" {
		sealed, err := e.box.Seal(e.node.keys.EncryptionKeys()[0].Key, []byte(body))
		if err != nil {
			e.t.Fatal(err)
		}
		body = string(sealed)
	}
	r := e.as(who, method, path, body, append(headers, "Encrypted-Request", "true", "Public-Key",
		base64.StdEncoding.EncodeToString(spki))...)
	if r.status >= 300 || r.text == "" {
		return r
	}
	plain, err := e.box.Open(context.Background(), []byte(r.text))
	if err != nil {
		e.t.Fatalf("%s %s: the answer does not open: %v", method, path, err)
	}
	r.text = string(plain)
	if route := e.route(method, path); route != nil && route.JWE {
		if err := e.inside(route, r); err != nil {
			e.t.Errorf("%s %s: %v", method, path, err)
		}
	}
	return r
}

// want is as, and fails unless the status is the one that was expected; into may be nil.
func (e *estate) want(status int, into any, r reply) reply {
	e.t.Helper()
	if r.status != status {
		e.t.Fatalf("status %d, want %d: %s", r.status, status, r.text)
	}
	if into != nil {
		r.into(e.t, into)
	}
	return r
}

// refused fails unless the answer is a problem of a code.
func (e *estate) refused(status int, code string, r reply) {
	e.t.Helper()
	if r.status != status || r.code() != code {
		e.t.Errorf("status %d, code %s, want %d, %s", r.status, r.code(), status, code)
	}
}

func (r reply) code() string {
	var p struct{ Code string }
	_ = json.Unmarshal([]byte(r.text), &p) // an answer that is no problem has no code
	return p.Code
}

// route finds the row of a path, nil when there is none. A row without parameters wins.
func (e *estate) route(method, path string) *mgmt.Route {
	path, _, _ = strings.Cut(path, "?")
	rows := e.node.management.door.Rows()
	for _, exact := range []bool{true, false} {
		for i := range rows {
			if rows[i].Method == method && (rows[i].Path == path || !exact && samePath(rows[i].Path, path)) {
				return &rows[i]
			}
		}
	}
	return nil
}

func samePath(pattern, path string) bool {
	return slices.EqualFunc(strings.Split(pattern, "/"), strings.Split(path, "/"),
		func(a, b string) bool { return a == b || strings.HasPrefix(a, "{") })
}

func (e *estate) check(method, path string, r reply) {
	e.t.Helper()
	if route := e.route(method, path); route != nil && r.status != 0 {
		if err := conforms(e.doc, *route, r); err != nil {
			e.t.Errorf("%s %s: %v", method, path, err)
		}
	}
}

// inside holds what was encrypted against the schema that the document names for it.
func (e *estate) inside(route *mgmt.Route, r reply) error {
	at := any(e.raw)
	for _, step := range []string{"paths", route.Path, strings.ToLower(route.Method), "responses", fmt.Sprint(r.status), "content",
		"application/json", "schema", "description"} {
		next, ok := at.(map[string]any)
		if !ok {
			return fmt.Errorf("the document has no %s", step)
		}
		at = next[step]
	}
	text, _ := at.(string)
	schema := e.doc.Components.Schemas[strings.TrimPrefix(text, "Inside: ")]
	if schema == nil {
		return fmt.Errorf("the document does not name what is inside")
	}
	return visit(schema.Value, r)
}

// conforms holds an answer against the document: its status is promised, and its body has the form that was promised.
func conforms(doc *openapi3.T, route mgmt.Route, r reply) error {
	response := doc.Paths.Find(route.Path).GetOperation(route.Method).Responses.Status(r.status)
	if response == nil {
		return fmt.Errorf("the document has no answer %d: %s", r.status, r.text)
	}
	kind, _, _ := strings.Cut(r.header.Get("Content-Type"), ";")
	content := response.Value.Content.Get(kind)
	switch {
	case r.text == "" && len(response.Value.Content) == 0:
		return nil
	case content == nil:
		return fmt.Errorf("the document has no %s for %d", kind, r.status)
	case !strings.HasSuffix(kind, "json"):
		return nil
	}
	return visit(content.Schema.Value, r)
}

func visit(schema *openapi3.Schema, r reply) error {
	var value any
	if err := json.Unmarshal([]byte(r.text), &value); err != nil {
		return err
	}
	if err := schema.VisitJSON(value); err != nil {
		return fmt.Errorf("the answer %d is not as promised: %w", r.status, err)
	}
	return nil
}

// link opens a network's link to the switch.
func (e *estate) link() *wire {
	e.t.Helper()
	raw, err := client.DialRaw(e.t.Context(), e.node.listeners[0].Addr().String(), frame.Format{})
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { _ = raw.Close() }) // it may be closed already
	return &wire{dialect: e.network.dialect, raw: raw}
}

// pay asks for a purchase over a link, and gives the action code that was answered.
func (e *estate) pay(w *wire, card pan.Number, minor int64) string {
	e.t.Helper()
	return w.must(e.t, e.network.message(e.t, e.network.payment(card, minor), "0100")).code
}

// plantCard issues a virtual card on a balance behind the API's back, with a number of the program's first BIN.
func (e *estate) plantCard(program int64, bin int, balance string) pan.Number {
	e.t.Helper()
	prefix := fmt.Sprintf("%d%07d", bin, e.network.serial.Add(1))
	check, err := pan.CheckDigit(prefix)
	if err != nil {
		e.t.Fatal(err)
	}
	number, err := pan.Parse(prefix + string(check))
	if err != nil {
		e.t.Fatal(err)
	}
	e.do(func(ctx context.Context, tx *records.Tx) error {
		id, err := record.ParseUUID(balance)
		if err != nil {
			return err
		}
		b, err := tx.Balance(ctx, e.partner, id)
		if err != nil {
			return err
		}
		return tx.IssueCard(ctx, &record.Card{Program: authz.ProgramID(program), Balance: b.ID, Kind: record.CardVirtual, Expiry: loadExpiry,
			CreatedAt: time.Now()}, number)
	})
	return number
}

// certificate signs one for a partner.
func (e *estate) certificate(p *record.Partner) tls.Certificate {
	e.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		e.t.Fatal(err)
	}
	made, err := pki.Sign(e.node.keys, &key.PublicKey, p, 1, "test", time.Now())
	if err != nil {
		e.t.Fatal(err)
	}
	e.do(func(ctx context.Context, tx *records.Tx) error { return tx.InsertCertificate(ctx, made) })
	return tls.Certificate{Certificate: [][]byte{made.DER}, PrivateKey: key}
}

// Goal: the estate itself: everybody is let in where they belong, in both modes.
func TestEstate(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, e *estate) {
		for who, path := range map[string]string{"partner": "/lifecycle/v1/public-key", "other": "/lifecycle/v1/public-key",
			"": "/customers/public-key", "manager": "/admin/operators"} {
			e.want(200, nil, e.as(who, "GET", path, ""))
			if who != "" {
				e.want(200, nil, e.secret(who, "GET", path, ""))
			}
		}
		e.refused(403, "FORBIDDEN", e.as("employee", "GET", "/admin/operators", ""))
		e.want(204, nil, e.as("user", "DELETE", "/customers/sessions/current", ""))
	})
}
