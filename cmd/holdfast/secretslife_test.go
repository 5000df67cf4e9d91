package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/smtp"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/switch/iso"
	"holdfast/switch/wirelog"
)

// The secrets that people bring.
const (
	secretPassword = "Zanzibar-horse-71 staple"
	wrongPassword  = "Wrong-horse-9931 staple"
	secretPIN      = "804251937264"    // the longest that there is, so that it is found wherever it stands
	wrongPIN       = "804251937264804" // too long
	secretDocument = "PASSPORT-QX7719042-OF-ANN"
)

// secretDialects are those whose messages carry the secrets of a run.
var secretDialects = []string{"iso87-ascii", "iso87-bcd", "ebcdic-87", "iso93-bcd", "cmf-2003", "mastercard-like", "visa-like"}

func newLeaky(t *testing.T, h http.Handler) string {
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = nil
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

// life is an estate in which everything happens that has to do with secrets.
type life struct {
	*estate
	v       *vault
	r       *receiver
	post    *mailbox
	balance string
	cards   []plainCard
}

// learn plants a secret that the run was given.
func (l *life) learn(name, value string) string {
	l.t.Helper()
	l.v.Plant(name, []byte(value))
	return value
}

// learnCard plants what a card has to hide.
func (l *life) learnCard(c plainCard) {
	l.t.Helper()
	for _, known := range l.cards {
		if known.CardNumber == c.CardNumber && known.CVC2 == c.CVC2 {
			return
		}
	}
	name := fmt.Sprintf(" of card %d", len(l.cards))
	l.cards = append(l.cards, c)
	l.learn("number"+name, c.CardNumber)
	l.learn("track 2"+name, c.CardNumber+"="+c.yymm()+"101987654321")
	l.learn("track 2"+name+", packed", c.CardNumber+"D"+c.yymm()+"101987654321")
	l.v.PlantShort("CVC2"+name, c.CVC2)
}

// live is the whole of it, in order.
func (l *life) live() {
	l.t.Helper()
	l.v.PlantBIN("99999901")
	l.v.plantKeys(l.data)
	l.people()
	l.program("CREDIT", 99999901, `,"digitalFirst":true`)
	credit := l.funded("CREDIT", 1_000_000)
	l.documents()
	l.balance = l.topped(50_000)
	l.hooks(credit)
	l.cardholder()
	l.device()
	l.mistakes()
	l.pages()
}

// people are operators: passwords, one-time codes, sessions.
func (l *life) people() {
	l.t.Helper()
	l.learn("password", secretPassword)
	l.learn("wrong password", wrongPassword)
	var made struct{ Otpauth string }
	r := l.want(201, &made, l.as("admin", "POST", "/admin/operators",
		`{"email":"root@example.com","name":"Root","role":"Admin","password":"`+secretPassword+`"}`))
	link, err := url.Parse(made.Otpauth)
	if err != nil || link.Query().Get("secret") == "" {
		l.t.Fatalf("no secret of one-time codes in %d bytes, %v", len(r.text), err)
	}
	secret := link.Query().Get("secret")
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		l.t.Fatal(err)
	}
	l.learn("secret of one-time codes, base32", secret)
	l.v.Plant("secret of one-time codes", raw)
	login := func(password, code string) reply {
		return l.as("", "POST", "/admin/sessions", `{"email":"root@example.com","password":"`+password+`","code":"`+code+`"}`)
	}
	code := totp(l.t, secret, time.Now())
	l.refused(401, "UNAUTHENTICATED", login(wrongPassword, code))
	var session struct{ Token string }
	l.want(201, &session, login(secretPassword, code))
	l.tokens["root"] = l.learn("token of an operator", session.Token)
	l.want(200, nil, l.as("root", "GET", "/admin/operators", ""))
	for who, token := range l.tokens {
		l.learn("token of "+who, token)
	}
	l.want(204, nil, l.as("root", "DELETE", "/admin/sessions/current", ""))
	l.refused(401, "UNAUTHENTICATED", l.as("root", "GET", "/admin/operators", ""))
}

// documents are handed in, looked at by nobody, and decided about.
func (l *life) documents() {
	l.t.Helper()
	l.learn("document", secretDocument)
	const mine = "/customers/me/kyc"
	l.want(201, nil, l.as("user", "POST", mine, `{"method":"OPERATOR"}`))
	l.want(201, nil, l.as("user", "POST", mine+"/documents?kind=PASSPORT", strings.Replace(aPDF, "%%EOF", secretDocument+"\n%%EOF", 1),
		"Content-Type", "application/pdf"))
	l.refused(422, "DOCUMENT_REFUSED", l.as("user", "POST", mine+"/documents?kind=SELFIE", secretDocument, "Content-Type", "image/png"))
	l.want(200, nil, l.as("user", "POST", mine+"/submit", `{}`))
}

// hooks are told of everything, and one mail is sent.
func (l *life) hooks(credit string) {
	l.t.Helper()
	for _, kind := range []string{"WEBHOOK", "THIN"} {
		var hook struct{ Secret string }
		l.want(201, &hook, l.as("partner", "POST", "/secure/webhooks", `{"kind":"`+kind+`","target":"`+l.r.URL+`"}`))
		raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(hook.Secret, "whsec_"))
		if err != nil {
			l.t.Fatal(err)
		}
		l.v.Plant("secret of an endpoint, "+kind, raw)
	}
	l.want(201, nil, l.as("partner", "POST", "/secure/webhooks", `{"kind":"EMAIL","target":"ops@partner.example","events":["balance.low"]}`))
	l.want(200, nil, l.as("partner", "PUT", "/secure/partner/balances/"+credit+"/threshold", `{"amount":940000}`))
	l.want(200, nil, l.as("partner", "POST", "/secure/balances/"+l.balance+"/credit", `{"amount":20000,"externalId":"second"}`))
	select {
	case mail := <-l.post.mails:
		l.v.put("the mails", mail)
	case <-time.After(20 * time.Second):
		l.t.Fatal("no mail came")
	}
}

// cardholder has cards of all kinds and does everything with them.
func (l *life) cardholder() {
	l.t.Helper()
	var c plainCard
	take := func(status int, r reply) plainCard {
		l.t.Helper()
		c = plainCard{}
		l.want(status, &c, r)
		l.learnCard(c)
		return c
	}
	of := func(c plainCard) string { return fmt.Sprintf("/secure/customers/%d/cards/%d", l.user, c.CardID) }
	mine := func(c plainCard) string { return fmt.Sprintf("/customers/me/cards/%d", c.CardID) }
	virtual := `{"balanceId":"` + l.balance + `"}`
	for range 2 { // the second one is the kept answer
		take(201, l.secret("partner", "POST", fmt.Sprintf("/secure/customers/%d/cards/virtual", l.user), virtual, "X-Idempotency-Key", "card-000001"))
	}
	first := c
	take(200, l.secret("partner", "GET", of(first), ""))
	take(200, l.secret("user", "GET", mine(first), ""))
	digital := take(201, l.secret("user", "POST", "/customers/me/cards/virtual", `{"balanceId":"`+l.balance+`","digitalFirst":true}`))
	take(200, l.secret("user", "POST", mine(digital)+"/cvv", "", "X-Idempotency-Key", "cvv-000001"))
	l.want(200, nil, l.secret("employee", "POST", fmt.Sprintf("/admin/cards/%d/cvv", digital.CardID), ""))
	take(200, l.secret("user", "GET", mine(digital), ""))
	l.learn("PIN", secretPIN)
	l.want(204, nil, l.secret("user", "POST", mine(digital)+"/pin", `{"pin":"`+secretPIN+`"}`, "X-Idempotency-Key", "pin-000001"))
	l.refused(400, "VALIDATION_ERROR", l.secret("user", "POST", mine(digital)+"/pin", `{"pin":"`+wrongPIN+`"}`))
	l.refused(400, "ENCRYPTION_REQUIRED", l.as("user", "POST", mine(digital)+"/pin", `{"pin":"`+secretPIN+`"}`))
	l.want(201, nil, l.secret("user", "POST", "/customers/me/cards/physical", `{"balanceId":"`+l.balance+
		`","deliveryAddress":{"street":"Prosta 1","city":"Lublin","postCode":"20-001","country":"POL"}}`))
	l.r.next(l.t, "/notifications/order", `"DELIVERED"`)
	l.want(202, nil, l.as("partner", "POST", fmt.Sprintf("/secure/customers/%d/cards/virtual/async", l.user), virtual))
	for _, path := range []string{"/transactions", "/transactions"} {
		l.want(200, nil, l.as("partner", "POST", "/sandbox"+path, fmt.Sprintf(`{"cardId":%d,"amount":2500,"ecommerce":true}`, first.CardID)))
	}
	l.want(200, nil, l.as("partner", "POST", of(first)+"/lock", `{"reasonCode":3}`))
	l.want(200, nil, l.as("partner", "POST", "/sandbox/transactions", fmt.Sprintf(`{"cardId":%d,"amount":2500}`, first.CardID)))
	l.want(200, nil, l.as("partner", "POST", of(first)+"/unlock", ""))
	l.r.next(l.t, "/notifications/transaction", `"DECLINED"`)
	l.r.next(l.t, "/notifications/card", "")
	for who, path := range map[string]string{"partner": "/secure/transactions", "user": "/customers/me/cards", "admin": "/admin/audit"} {
		l.want(200, nil, l.as(who, "GET", path, ""))
	}
}

// device pairs one and opens a session with it.
func (l *life) device() {
	l.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		l.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		l.t.Fatal(err)
	}
	l.v.plantPrivate("key of a device", private)
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		l.t.Fatal(err)
	}
	var code struct{ Code string }
	l.want(201, &code, l.as("partner", "POST", fmt.Sprintf("/lifecycle/v1/users/%d/pairing-codes", l.user), ""))
	l.learn("pairing code", code.Code)
	pair := `{"pairingCode":"` + code.Code + `","deviceId":"phone","publicKey":"` + base64.StdEncoding.EncodeToString(spki) + `"}`
	var device struct{ InstallationID string }
	l.want(201, &device, l.as("", "POST", "/customers/devices", pair))
	l.refused(401, "UNAUTHENTICATED", l.as("", "POST", "/customers/devices", pair))
	// Somebody sends the private key by mistake.
	mistaken := strings.Replace(pair, base64.StdEncoding.EncodeToString(spki), base64.StdEncoding.EncodeToString(private), 1)
	l.refused(400, "VALIDATION_ERROR", l.as("", "POST", "/customers/devices", mistaken))
	var challenge struct{ ChallengeID, Sign string }
	l.want(201, &challenge, l.as("", "POST", "/customers/sessions/challenge", `{"installationId":"`+device.InstallationID+`"}`))
	sum := sha256.Sum256([]byte(challenge.Sign))
	signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		l.t.Fatal(err)
	}
	open := `{"challengeId":"` + challenge.ChallengeID + `","signature":"` + base64.StdEncoding.EncodeToString(signature) + `"}`
	var session struct{ Token string }
	l.want(201, &session, l.as("", "POST", "/customers/sessions", open))
	l.refused(401, "UNAUTHENTICATED", l.as("", "POST", "/customers/sessions", open))
	l.tokens["phone"] = l.learn("token of a device", session.Token)
	l.want(200, nil, l.as("phone", "GET", "/customers/me/cards", ""))
	l.want(204, nil, l.as("phone", "DELETE", "/customers/sessions/current", ""))
}

// mistakes bring a secret wherever a caller can put one.
func (l *life) mistakes() {
	l.t.Helper()
	private, err := x509.MarshalPKCS8PrivateKey(l.clients["partner"].Transport.(*http.Transport).TLSClientConfig.Certificates[0].PrivateKey)
	if err != nil {
		l.t.Fatal(err)
	}
	l.v.plantPrivate("key of a partner", private)
	number, cvc := l.cards[0].CardNumber, l.cards[0].CVC2
	secrets := []string{number, number[:4] + " " + number[4:8] + " " + number[8:12] + " " + number[12:], secretPIN, l.tokens["user"],
		`{"cardNo":"` + number + `","cvv":"` + cvc + `"}`, base64.StdEncoding.EncodeToString(private), hex.EncodeToString([]byte(number))}
	for _, s := range secrets {
		in, escaped := string(mustJSON(s)), url.QueryEscape(s)
		for who, paths := range map[string][]string{"partner": {"/secure/customers/%s/cards", "/secure/transactions?cardId=%s", "/secure/events/%s", "/%s",
			"/secure/balances/" + l.balance + "/credit", "/lifecycle/v1/users", "/lifecycle/v1/users/import", "/sandbox/transactions"},
			"admin": {"/admin/audit?cursor=%s", "/admin/transactions?cardId=%s", "/admin/cards/%s/lock", "/admin/operators"},
			"user":  {"/customers/me/cards/%s", "/customers/me/transactions/%s", "/customers/me/balances?limit=%s"}, "": {"/customers/%s", "/docs?x=%s"}} {
			for _, path := range paths {
				path = strings.Replace(path, "%s", escaped, 1)
				for _, method := range []string{"GET", "POST", "PUT"} {
					for _, body := range []string{"", in, "{" + in + ":1}", `{"amount":` + in + `,"externalId":1}`, s, `{"email":` + in + `}`} {
						if method == "GET" && body != "" {
							continue
						}
						l.as(who, method, path, body)
					}
				}
			}
		}
		if !strings.ContainsAny(s, "{") {
			l.as("partner", "POST", "/secure/balances/"+l.balance+"/credit", `{"amount":1,"externalId":"x `+hex.EncodeToString([]byte{byte(len(s))})+`"}`,
				"X-Idempotency-Key", strings.NewReplacer(" ", "-", "=", "", "+", "-", "/", "_").Replace(s)[:min(len(s), 64)])
		}
		for _, header := range []string{"User-Agent", "Authorization", "Public-Key", "Encrypted-Request", "X-Request-Id", "Accept", "Cookie", "X-Forwarded-For",
			"Content-Type", "Referer"} {
			l.as("partner", "GET", "/lifecycle/v1/public-key", "", header, s)
			l.call(l.clients[""], "POST", l.public+"/admin/sessions", in, header, s)
		}
		sealed, err := l.box.Seal(l.node.keys.EncryptionKeys()[0].Key, []byte(s))
		if err != nil {
			l.t.Fatal(err)
		}
		l.secret("user", "POST", fmt.Sprintf("/customers/me/cards/%d/pin", l.cards[1].CardID), `{"pin":`+in+`}`)
		l.secret("user", "POST", fmt.Sprintf("/customers/me/cards/%d/pin", l.cards[1].CardID), s)
		l.as("user", "POST", fmt.Sprintf("/customers/me/cards/%d/pin", l.cards[1].CardID), string(sealed), "Encrypted-Request", "true", "Public-Key", s)
	}
}

// pages are what an operator of the machine can see.
func (l *life) pages() {
	l.t.Helper()
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/debug/pprof/", "/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1",
		"/debug/pprof/allocs?debug=1", "/debug/pprof/cmdline", "/debug/pprof/threadcreate?debug=1", "/debug/pprof/goroutine", "/debug/pprof/heap",
		"/debug/pprof/mutex?debug=1", "/debug/pprof/block?debug=1", "/debug/pprof/trace?seconds=0.05"} {
		l.v.put("the pages of the machine's operators", l.call(l.clients[""], "GET", l.ops+path, "").text)
	}
	for _, path := range []string{"/openapi.json", "/docs"} {
		l.v.put("the pages of the reference", l.as("", "GET", path, "").text)
	}
}

// gather takes what has come to others.
func (l *life) gather() {
	l.t.Helper()
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	for _, h := range l.r.told {
		l.v.put("the events", fmt.Sprint(h.path, h.header, h.body))
	}
	for len(l.post.mails) > 0 {
		l.v.put("the mails", <-l.post.mails)
	}
	_, _ = l.v.place("the log").Write([]byte(l.log.String())) // a buffer takes all
}

// leakEvents has a leak take the way of an event and of a mail, for the proof that they are searched.
func (l *life) leakEvents() {
	l.t.Helper()
	for _, c := range l.v.canaries {
		resp, err := l.r.Client().Post(l.r.URL+"/notifications/leak", "application/json", strings.NewReader(string(c.Text)))
		if err != nil {
			l.t.Fatal(err)
		}
		_ = resp.Body.Close() // it has none
		if textual(c) {
			l.node.log.Info("a leak", "text", string(c.Text))
		}
	}
	text := "Subject: a leak\r\n\r\n"
	for _, c := range l.v.canaries {
		if textual(c) {
			text += string(c.Text) + "\r\n"
		}
	}
	c, err := smtp.Dial(l.post.address)
	if err == nil {
		err = errors.Join(c.Mail("a@issuer.example"), c.Rcpt("b@partner.example"))
	}
	if err != nil {
		l.t.Fatal(err)
	}
	w, err := c.Data()
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err != nil || w.Close() != nil || c.Close() != nil {
		l.t.Fatal(err)
	}
	l.gather()
	for _, name := range []string{"the events", "the mails", "the log"} {
		l.v.wantCanaries(name, true, l.v.Find(l.v.place(name).bytes()))
	}
}

// speak sends messages with the secrets in every dialect, sound and broken, one of so many of them, and keeps the answers and
// the wire log.
func (v *vault) speak(addresses map[string]string, cards []plainCard, oneOf int) (answered int) {
	v.t.Helper()
	path := filepath.Join(v.t.TempDir(), "wire.log")
	f, err := os.Create(path)
	if err != nil {
		v.t.Fatal(err)
	}
	log := wirelog.New(f)
	for _, name := range secretDialects {
		d, err := iso.Builtin(name)
		if err != nil {
			v.t.Fatal(err)
		}
		messages := v.messages(d, cards)
		for i, body := range messages {
			if i%oneOf == 0 {
				answered += v.exchange(log, d, addresses[name], body)
			}
		}
		v.printed(d, messages)
	}
	if err := log.Close(); err != nil {
		v.t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || f.Close() != nil {
		v.t.Fatal(err)
	}
	v.put("the wire log", string(text))
	return answered
}

// printed are the messages as the tools show them.
func (v *vault) printed(d *iso.Dialect, messages [][]byte) {
	for i, body := range messages {
		if i%7 != 0 {
			continue
		}
		text := hex.EncodeToString(body)
		v.runs("decode", "decode", "--dialect", d.Name(), text)
		v.runs("decode as JSON", "decode", "--json", text)
		if m, err := d.Decode(body); err == nil {
			v.put("a message's formatters", fmt.Sprintf("%v %+v %s %q", m, m, m, m))
		} else {
			v.put("a message's formatters", err.Error())
		}
	}
}
