package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"holdfast/authz/record"
	"holdfast/mgmt/authn"
	"holdfast/store/records"
)

// bordered is a crowd at whose door a test sets the time.
type bordered struct {
	*crowd
	at time.Time
}

// ask sends a request without a session, as the partner where the path is one of the mutual listener's.
func (b *bordered) ask(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr = "192.0.2.7:1234"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if mutualPath(path) {
		chain := []*x509.Certificate{b.certificates["partner"]}
		r.TLS = &tls.ConnectionState{PeerCertificates: chain, VerifiedChains: [][]*x509.Certificate{chain}}
	}
	rec := httptest.NewRecorder()
	b.handlers[mutualPath(path)].ServeHTTP(rec, r)
	return rec
}

// made sends a request that makes something, and reads what.
func (b *bordered) made(path, body string, into any, headers ...string) {
	b.t.Helper()
	rec := b.ask("POST", path, body, headers...)
	if rec.Code != 201 {
		b.t.Fatalf("%s: %d %s", path, rec.Code, rec.Body)
	}
	if err := json.Unmarshal(rec.Body.Bytes(), into); err != nil {
		b.t.Fatal(err)
	}
}

// border asks anew for each moment: a second before a time is over, when it is, and a second after.
func (b *bordered) border(what string, over time.Duration, before, after int, begin func() (end func() int)) {
	b.t.Helper()
	for _, off := range []time.Duration{-time.Second, 0, time.Second} {
		end := begin()
		b.at = b.at.Add(over + off)
		want := after
		if off < 0 {
			want = before
		}
		if got := end(); got != want {
			b.t.Errorf("%s, %s: status %d, want %d", what, over+off, got, want)
		}
		b.at = b.at.Add(time.Hour) // nothing of one round counts in the next
	}
}

// Goal: every time that ends something ends it at its moment: no second earlier, none later. Method: a door whose clock
// the test sets.
func TestBordersOfTime(t *testing.T) {
	t.Parallel()
	b := &bordered{crowd: gather(t), at: time.Now().UTC().Truncate(time.Second)}
	b.now = func() time.Time { return b.at }
	b.build()
	b.devices()
	b.operatorsSessions()
	b.logins()
	b.keys24()
}

// devices are the borders of pairing codes, challenges and cardholders' sessions.
func (b *bordered) devices() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		b.t.Fatal(err)
	}
	var device struct{ InstallationID string }
	pair := func() (body string) {
		var code struct{ Code string }
		b.made(fmt.Sprintf("/lifecycle/v1/users/%d/pairing-codes", b.users["user"]), "", &code)
		return `{"pairingCode":"` + code.Code + `","deviceId":"phone","publicKey":"` + base64.StdEncoding.EncodeToString(spki) + `"}`
	}
	b.border("a pairing code", 10*time.Minute, 201, 401, func() func() int {
		body := pair()
		return func() int { return b.ask("POST", "/customers/devices", body).Code }
	})
	b.made("/customers/devices", pair(), &device)
	sign := func() (body string) {
		var challenge struct{ ChallengeID, Sign string }
		b.made("/customers/sessions/challenge", `{"installationId":"`+device.InstallationID+`"}`, &challenge)
		sum := sha256.Sum256([]byte(challenge.Sign))
		signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
		if err != nil {
			b.t.Fatal(err)
		}
		return `{"challengeId":"` + challenge.ChallengeID + `","signature":"` + base64.StdEncoding.EncodeToString(signature) + `"}`
	}
	b.border("a challenge", time.Minute, 201, 401, func() func() int {
		body := sign()
		return func() int { return b.ask("POST", "/customers/sessions", body).Code }
	})
	b.border("a session, although it is used", 10*time.Minute, 200, 401, func() func() int {
		var s struct{ Token string }
		b.made("/customers/sessions", sign(), &s)
		use := func() int { return b.ask("GET", "/customers/me/cards", "", "Authorization", "Bearer "+s.Token).Code }
		b.at = b.at.Add(5 * time.Minute)
		if status := use(); status != 200 {
			b.t.Errorf("a session in use: %d", status)
		}
		b.at = b.at.Add(-5 * time.Minute)
		return use
	})
}

// operatorsSessions are the borders of an operator's session: not used for a while, and for all its life.
func (b *bordered) operatorsSessions() {
	open := func() (use func() int) {
		raw := make([]byte, 32)
		_, _ = rand.Read(raw)
		token := strings.TrimRight(base64url(raw), "=")
		hash := sha256.Sum256([]byte("holdfast token " + token))
		b.do(func(ctx context.Context, tx *records.Tx) error {
			return tx.NewSession(ctx, &record.Session{Hash: hash[:], Kind: record.SessionOperator, Operator: b.operators["manager"],
				CreatedAt: b.at, SeenAt: b.at, ExpiresAt: b.at.Add(12 * time.Hour)})
		})
		return func() int { return b.ask("GET", "/admin/operators", "", "Authorization", "Bearer "+token).Code }
	}
	b.border("an operator who does nothing", 15*time.Minute, 200, 401, open)
	b.border("an operator who did something", 15*time.Minute, 200, 401, func() func() int {
		use := open()
		b.at = b.at.Add(14 * time.Minute)
		if status := use(); status != 200 {
			b.t.Errorf("an operator's session in use: %d", status)
		}
		return use
	})
	b.border("an operator who never rests", 12*time.Hour, 200, 401, func() func() int {
		use, began := open(), b.at
		for b.at = b.at.Add(10 * time.Minute); b.at.Before(began.Add(12 * time.Hour)); b.at = b.at.Add(10 * time.Minute) {
			if status := use(); status != 200 {
				b.t.Fatalf("after %s: %d", b.at.Sub(began), status)
			}
		}
		b.at = began
		return use
	})
}

// logins are the border of the lock after five wrong tries, and that of the tries.
func (b *bordered) logins() {
	const password = "correct horse battery"
	o, err := authn.NewOperator("new@example.com", "New", record.RoleManager, password)
	if err != nil {
		b.t.Fatal(err)
	}
	o.CreatedAt = b.at
	b.do(func(ctx context.Context, tx *records.Tx) error { return tx.InsertOperator(ctx, o) })
	_, secret, _ := strings.Cut(authn.Link(o), "secret=")
	secret, _, _ = strings.Cut(secret, "&")
	login := func(password string) int {
		return b.ask("POST", "/admin/sessions", fmt.Sprintf(`{"email":"new@example.com","password":%q,"code":%q}`, password,
			totp(b.t, secret, b.at))).Code
	}
	fail := func(n int) {
		for range n {
			if status := login("wrong horse battery"); status != 401 {
				b.t.Errorf("a wrong password: %d", status)
			}
		}
	}
	b.border("locked after five wrong tries", 30*time.Minute, 401, 201, func() func() int {
		fail(5)
		return func() int { return login(password) }
	})
	fail(4)
	if status := login(password); status != 201 {
		b.t.Errorf("the right password after four wrong ones: %d", status)
	}
	b.at = b.at.Add(time.Hour)
	fail(4)
	if status := login(password); status != 201 {
		b.t.Errorf("the tries did not start over: %d", status)
	}
}

// keys24 is the border of a kept answer.
func (b *bordered) keys24() {
	number := 0
	b.border("a kept answer", 24*time.Hour, 201, 409, func() func() int {
		number++
		post := func() *httptest.ResponseRecorder {
			return b.ask("POST", "/lifecycle/v1/users", fmt.Sprintf(`{"firstName":"Ann","lastName":"Bee","email":"ann%d@example.org","phone":"+4812345000%d"}`,
				number, number), "X-Idempotency-Key", fmt.Sprintf("register-%d", number))
		}
		first := post()
		if first.Code != 201 {
			b.t.Fatalf("register: %d %s", first.Code, first.Body)
		}
		return func() int {
			again := post() // done anew, it finds the e-mail taken
			if again.Code == 201 && again.Body.String() != first.Body.String() {
				b.t.Error("the kept answer is another")
			}
			return again.Code
		}
	})
}
