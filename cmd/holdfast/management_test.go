package main

import (
	"bytes"
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
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/store/records"
)

// office is a node with a management API on ports of its own, one partner, and a user of it.
type office struct {
	t       *testing.T
	node    *node
	data    string
	partner authz.PartnerID
	user    authz.UserID
	log     *lockedBuffer
	public  string
	secure  string
	ops     string
	ca      *x509.CertPool
	client  tls.Certificate
	id      string // of the client's certificate
	heard   func(method, url string, r reply)
	stop    func() // ends the node; harmless again
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// run runs a command on the office's books and gives what it printed.
func (o *office) run(stdin string, args ...string) string {
	o.t.Helper()
	var out, errs bytes.Buffer
	e := &env{context.Background(), strings.NewReader(stdin), &out, &errs}
	if status := run(e, append(args, "--data", o.data)); status != exitOK {
		o.t.Fatalf("holdfast %v: %d, %s", args, status, errs.String())
	}
	return strings.TrimSpace(out.String())
}

// openOffice opens an embedded one. change may be nil.
func openOffice(t *testing.T, change ...func(*config)) *office {
	t.Helper()
	cfg := config{Data: t.TempDir(), Store: storeEmbedded}
	return openOfficeOn(t, cfg, change...)
}

func openOfficeOn(t *testing.T, cfg config, change ...func(*config)) *office {
	t.Helper()
	cfg.Management = &managementConfig{Public: "127.0.0.1:0", Secure: "127.0.0.1:0", Ops: "127.0.0.1:0"}
	for _, f := range change {
		f(&cfg)
	}
	o := &office{t: t, data: cfg.Data, log: &lockedBuffer{}, heard: func(string, string, reply) {}}
	n, err := openSwitch(context.Background(), &cfg, slog.New(slog.NewTextHandler(o.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	o.node = n
	setups, err := cfg.setups()
	if err == nil {
		err = n.listen(setups)
	}
	if err != nil {
		t.Fatal(err)
	}
	if n.management, err = n.openManagement(&cfg); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := n.serve(ctx); err != nil {
			t.Error(err)
		}
	})
	o.stop = func() { stop(); wg.Wait() }
	t.Cleanup(o.stop)
	o.reach()
	return o
}

// reach learns where the node's listeners are, and its certificate.
func (o *office) reach() {
	o.t.Helper()
	for i, url := range []*string{&o.public, &o.secure, &o.ops} {
		*url = "https://" + o.node.management.listeners[i].Net.Addr().String()
	}
	o.ops = "http" + strings.TrimPrefix(o.ops, "https")
	text, err := os.ReadFile(filepath.Join(o.data, serverCertificateFile))
	if err != nil {
		o.t.Fatal(err)
	}
	o.ca = x509.NewCertPool()
	o.ca.AppendCertsFromPEM(text)
}

// enrol makes the partner, its certificate by the command line, and a user.
func (o *office) enrol() {
	o.t.Helper()
	o.run("", "partner", "add", "Acme")
	o.partner = 1
	o.client, o.id = o.certify()
	user := record.User{Partner: o.partner, State: record.UserActive, KYC: record.KYCNotStarted, FirstName: "Ann", LastName: "Bee",
		Email: "ann@example.com", Phone: "+48123456789", CreatedAt: time.Now()}
	if _, err := records.Transact(context.Background(), o.node.store, o.node.keys, func(tx *records.Tx) error {
		return tx.InsertUser(context.Background(), &user)
	}); err != nil {
		o.t.Fatal(err)
	}
	o.user = user.ID
}

func (o *office) certify() (tls.Certificate, string) {
	o.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		o.t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		o.t.Fatal(err)
	}
	file := filepath.Join(o.t.TempDir(), "request.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), 0o600); err != nil {
		o.t.Fatal(err)
	}
	text := o.run("", "partner", "certificate", "1", file)
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		o.t.Fatalf("no certificate: %s", text)
	}
	list := o.run("", "partner", "list", "1")
	return tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}, list[:36]
}

func (o *office) http(certificates ...tls.Certificate) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: o.ca, Certificates: certificates,
		ClientSessionCache: tls.NewLRUClientSessionCache(8)}}
	o.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

type reply struct {
	status int
	header http.Header
	text   string
}

func (r reply) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.text), v); err != nil {
		t.Fatalf("%d %s: %v", r.status, r.text, err)
	}
}

func (o *office) call(c *http.Client, method, url, body string, headers ...string) reply {
	o.t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		return reply{text: err.Error()}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	got := reply{resp.StatusCode, resp.Header, string(text)}
	o.heard(method, url, got)
	return got
}

func TestManagementSampleIsTheDefaults(t *testing.T) {
	t.Parallel()
	cfg, err := loadConfig("../../testdata/config/holdfast.yaml")
	if err != nil {
		t.Fatal(err)
	}
	usual := managementConfig{}
	if err := usual.check(); err != nil {
		t.Fatal(err)
	}
	if m := cfg.Management; m == nil || m.check() != nil || m.Public != usual.Public || m.Secure != usual.Secure || m.Ops != usual.Ops {
		t.Errorf("the sample says %+v, the defaults are %+v", cfg.Management, usual)
	}
	for _, c := range []managementConfig{{Public: "nowhere"}, {Ops: "0.0.0.0:1"}, {Ops: "192.0.2.1:1"}, {Certificate: "x"}, {Session: -1}} {
		if err := c.check(); err == nil {
			t.Errorf("accepted %+v", c)
		}
	}
}

// Goal: a partner's certificate lets it in until it is revoked, on an open connection and a resumed one too.
func TestRevokedCertificateIsOutWithinASecond(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	o.enrol()
	c := o.http(o.client)
	url := o.secure + "/lifecycle/v1/public-key"
	if r := o.call(c, "GET", url, ""); r.status != 200 || !strings.Contains(r.text, "BEGIN PUBLIC KEY") {
		t.Fatalf("%d %s", r.status, r.text)
	}
	if r := o.call(o.http(), "GET", url, ""); r.status != 0 {
		t.Errorf("without a certificate: %d %s", r.status, r.text)
	}
	o.run("", "partner", "revoke", "1", o.id)
	began := time.Now()
	for _, fresh := range []bool{false, true} {
		withinASecond(t, began, fmt.Sprintf("the refusal, new connection %v", fresh), func() error {
			if fresh {
				c.CloseIdleConnections()
			}
			if r := o.call(c, "GET", url, ""); r.status != 401 { // 429 is an answer to those who are known
				return fmt.Errorf("%d %s", r.status, r.text)
			}
			return nil
		})
	}
	if text := o.run("", "partner", "list", "1"); !strings.Contains(text, "revoked") {
		t.Errorf("listed as %s", text)
	}
}

// Goal: a certificate that we signed for a client is needed, no other. Method: strangers of several kinds.
func TestStrangersCertificatesAreRefused(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	o.enrol()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	known, err := x509.ParseCertificate(o.client.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	known.SignatureAlgorithm, known.PublicKey = x509.UnknownSignatureAlgorithm, &key.PublicKey
	self, err := x509.CreateCertificate(rand.Reader, known, known, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	server, err := tls.LoadX509KeyPair(filepath.Join(o.data, serverCertificateFile), filepath.Join(o.data, serverKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	for name, certificate := range map[string]tls.Certificate{
		"self-signed with our names":  {Certificate: [][]byte{self}, PrivateKey: key},
		"ours with a stranger's key":  {Certificate: o.client.Certificate, PrivateKey: key},
		"the server's own":            server,
		"the right one behind theirs": {Certificate: [][]byte{self, o.client.Certificate[0]}, PrivateKey: key},
	} {
		if r := o.call(o.http(certificate), "GET", o.secure+"/lifecycle/v1/public-key", ""); r.status != 0 {
			t.Errorf("%s: %d %s", name, r.status, r.text)
		}
	}
}

// Goal: a cardholder's way in: code, device, challenge, session, log-out, each once and in order.
func TestDeviceAndSession(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	o.enrol()
	partner, app := o.http(o.client), o.http()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	codes := o.secure + "/lifecycle/v1/users/1/pairing-codes"
	codes = strings.Replace(codes, "/1/", "/"+number64(int64(o.user))+"/", 1)
	var code struct{ Code string }
	r := o.call(partner, "POST", codes, "")
	if r.status != 201 {
		t.Fatalf("code: %d %s", r.status, r.text)
	}
	r.into(t, &code)
	if r := o.call(partner, "POST", strings.Replace(codes, "/users/", "/users/9", 1), ""); r.status != 404 {
		t.Errorf("a code for nobody: %d %s", r.status, r.text)
	}
	pair := `{"pairingCode":"` + code.Code + `","deviceId":"phone","publicKey":"` + base64.StdEncoding.EncodeToString(spki) + `"}`
	if r := o.call(app, "POST", o.public+"/customers/devices", strings.Replace(pair, code.Code, "0000000000000000", 1)); r.status != 401 {
		t.Errorf("a wrong code: %d %s", r.status, r.text)
	}
	var device struct{ InstallationID string }
	r = o.call(app, "POST", o.public+"/customers/devices", pair)
	if r.status != 201 {
		t.Fatalf("pair: %d %s", r.status, r.text)
	}
	r.into(t, &device)
	if r := o.call(app, "POST", o.public+"/customers/devices", pair); r.status != 401 {
		t.Errorf("the code again: %d %s", r.status, r.text)
	}
	sign := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(signature)
	}
	var challenge struct{ ChallengeID, Sign string }
	ask := func() {
		r := o.call(app, "POST", o.public+"/customers/sessions/challenge", `{"installationId":"`+device.InstallationID+`"}`)
		if r.status != 201 {
			t.Fatalf("challenge: %d %s", r.status, r.text)
		}
		r.into(t, &challenge)
	}
	open := func(signature string) reply {
		return o.call(app, "POST", o.public+"/customers/sessions", `{"challengeId":"`+challenge.ChallengeID+`","signature":"`+signature+`"}`)
	}
	ask()
	if r := open(sign("something else")); r.status != 401 {
		t.Errorf("a wrong signature: %d %s", r.status, r.text)
	}
	if r := open(sign(challenge.Sign)); r.status != 401 {
		t.Errorf("a second try at one challenge: %d %s", r.status, r.text)
	}
	ask()
	var session struct{ Token string }
	r = open(sign(challenge.Sign))
	if r.status != 201 {
		t.Fatalf("session: %d %s", r.status, r.text)
	}
	r.into(t, &session)
	logout := func() reply {
		return o.call(app, "DELETE", o.public+"/customers/sessions/current", "", "Authorization", "Bearer "+session.Token)
	}
	if r := logout(); r.status != 204 {
		t.Errorf("log out: %d %s", r.status, r.text)
	}
	if r := logout(); r.status != 401 {
		t.Errorf("log out again: %d %s", r.status, r.text)
	}
	for _, secret := range []string{code.Code, session.Token} {
		if strings.Contains(o.log.String(), secret) {
			t.Error("a secret is in the log")
		}
	}
	if err := o.auditHolds(); err != nil {
		t.Error(err)
	}
}

func number64(n int64) string { return string(json.RawMessage(mustJSON(n))) }

func mustJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

func (o *office) auditHolds() error {
	return o.node.store.View(context.Background(), func(q records.Querier) error {
		heads, broken, err := records.VerifyAudit(context.Background(), q)
		if len(broken) > 0 || len(heads) == 0 {
			o.t.Errorf("audit: %d chains, broken: %v", len(heads), broken)
		}
		return err
	})
}

func TestOpsListener(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	c := o.http()
	for path, want := range map[string]string{"/healthz": "alive", "/metrics": "holdfast_authz_submitted_total 0", "/debug/pprof/": "goroutine"} {
		if r := o.call(c, "GET", o.ops+path, ""); r.status != 200 || !strings.Contains(r.text, want) {
			t.Errorf("%s: %d %s", path, r.status, r.text)
		}
	}
	if r := o.call(c, "GET", o.public+"/metrics", ""); r.status != 404 {
		t.Errorf("metrics on the public listener: %d", r.status)
	}
}

// Goal: an operator's way in: password and code, none twice, five wrong tries lock, roles decide.
func TestOperators(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	o.enrol()
	link := o.run("correct horse battery\n", "operator", "add", "root@example.com")
	secret := regexp.MustCompile(`secret=([A-Z2-7]+)`).FindStringSubmatch(link)
	if secret == nil {
		t.Fatalf("printed %s", link)
	}
	c := o.http()
	login := func(password, code string) reply {
		return o.call(c, "POST", o.public+"/admin/sessions", `{"email":"root@example.com","password":"`+password+`","code":"`+code+`"}`)
	}
	code := totp(t, secret[1], time.Now())
	if r := login("wrong horse battery", code); r.status != 401 {
		t.Errorf("wrong password: %d %s", r.status, r.text)
	}
	r := login("correct horse battery", code)
	if r.status != 201 {
		t.Fatalf("log in: %d %s", r.status, r.text)
	}
	var session struct{ Token, Role string }
	r.into(t, &session)
	if r := login("correct horse battery", code); r.status != 401 {
		t.Errorf("the same code again: %d %s", r.status, r.text)
	}
	as := []string{"Authorization", "Bearer " + session.Token}
	if r := o.call(c, "GET", o.public+"/admin/operators", "", as...); r.status != 200 || !strings.Contains(r.text, "root@example.com") ||
		strings.Contains(r.text, "argon2") {
		t.Errorf("list: %d %s", r.status, r.text)
	}
	if r := o.call(c, "GET", o.public+"/admin/partners/1/certificates", "", as...); r.status != 200 || !strings.Contains(r.text, o.id) {
		t.Errorf("certificates: %d %s", r.status, r.text)
	}
	for range 5 {
		login("wrong horse battery", code)
	}
	if r := login("correct horse battery", totp(t, secret[1], time.Now().Add(30*time.Second))); r.status != 401 {
		t.Errorf("after five wrong tries: %d %s", r.status, r.text)
	}
	if r := o.call(c, "DELETE", o.public+"/admin/sessions/current", "", as...); r.status != 204 {
		t.Errorf("log out: %d %s", r.status, r.text)
	}
	if r := o.call(c, "GET", o.public+"/admin/operators", "", as...); r.status != 401 {
		t.Errorf("after the log-out: %d %s", r.status, r.text)
	}
}
