package webhooks

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/authz/record"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// Goal: a receiver that a partner names cannot lead us into our own networks. Method: addresses as a name may resolve to.
func TestPrivateAddressesAreRefused(t *testing.T) {
	t.Parallel()
	for address, public := range map[string]bool{"93.184.216.34:443": true, "[2606:2800:220:1::1]:443": true, "127.0.0.1:443": false,
		"10.1.2.3:443": false, "172.16.0.1:443": false, "192.168.1.1:443": false, "169.254.169.254:80": false, "100.64.0.1:443": false,
		"0.0.0.0:443": false, "[::1]:443": false, "[fe80::1]:443": false, "[fd00::1]:443": false, "[::ffff:127.0.0.1]:443": false,
		"224.0.0.1:443": false, "nonsense": false} {
		if err := refusePrivate("tcp", address, nil); (err == nil) != public {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// Goal: only what was taken counts as taken, redirects lead nowhere, and what a receiver says is not kept.
func TestSending(t *testing.T) {
	t.Parallel()
	var hits []string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits = append(hits, r.URL.Path)
		switch {
		case strings.HasPrefix(r.URL.Path, "/moved"):
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		case strings.HasPrefix(r.URL.Path, "/bad"):
			http.Error(w, "a secret of the receiver", http.StatusBadRequest)
		}
	}))
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	event := record.Event{ID: record.NewUUID(noon), Kind: record.EventCardLocked, Body: []byte(`{}`), CreatedAt: noon}
	send := func(h *HTTP, target string) (int64, error) {
		defer h.Close()
		return h.Send(t.Context(), &record.Claimed{Event: event, Endpoint: record.Endpoint{Kind: record.EndpointWebhook, Target: target,
			Secret: make([]byte, 32)}}, noon)
	}
	for path, want := range map[string]int64{"/good": 200, "/moved": 307, "/bad": 400} {
		status, err := send(NewHTTP(roots, true), server.URL+path+"/")
		if status != want || (err == nil) != (want == 200) || err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %d, %v", path, status, err)
		}
	}
	slices.Sort(hits)
	if got := fmt.Sprint(hits); got != "[/bad/notifications/card /good/notifications/card /moved/notifications/card]" {
		t.Errorf("asked for %s", got)
	}
	if _, err := send(NewHTTP(roots, false), server.URL); err == nil || err.Error() != errPrivate.Error() {
		t.Errorf("our own network: %v", err)
	}
	if _, err := send(NewHTTP(nil, true), server.URL); err == nil || !strings.Contains(err.Error(), "authority") {
		t.Errorf("a stranger's certificate: %v", err)
	}
	if len(hits) != 3 {
		t.Errorf("refused receivers were asked: %v", hits)
	}
}

// Goal: the signature covers id, time and body under the key, and the secret does not print.
func TestSignature(t *testing.T) {
	t.Parallel()
	key, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") // the published example
	if err != nil {
		t.Fatal(err)
	}
	const id, at, body = "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", `{"test": 2432232314}`
	a := Signature(key, id, at, []byte(body))
	if a != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("signed %s", a)
	}
	for name, b := range map[string]string{
		"another id":   Signature(key, id+"x", at, []byte(body)),
		"another time": Signature(key, id, "1614265331", []byte(body)),
		"another body": Signature(key, id, at, []byte(body+" ")),
		"another key":  Signature(key[1:], id, at, []byte(body)),
	} {
		if a == b {
			t.Errorf("%s has the same signature", name)
		}
	}
	if s := fmt.Sprintf("%v %s %q %+v", secret("whsec_x"), secret("whsec_x"), secret("whsec_x"), NewEndpoint{Secret: "whsec_x"}); strings.Contains(s, "whsec_x") {
		t.Errorf("a secret prints: %s", s)
	}
}

// Goal: the body is the documented one, with its two statuses.
func TestNotification(t *testing.T) {
	t.Parallel()
	pln, err := money.ByAlpha("PLN")
	if err != nil {
		t.Fatal(err)
	}
	x := record.Transaction{ID: record.NewUUID(noon), Balance: record.NewUUID(noon), Card: record.NewUUID(noon), CardID: 357970,
		Kind: authz.Authorization, Class: authz.Purchase, State: "DECLINED", Reason: authz.FundsShort, Amount: money.Amount{Minor: 10000, Currency: pln},
		Requested: money.Amount{Minor: 12300, Currency: pln}, Merchant: "FROG", Acceptor: "FrogShop Lublin POL", MCC: "5122", EntryMode: "071", RRN: "000000000007", Last4: "1234", At: noon}
	text, err := json.Marshal(notify(&x, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"status":"DECLINED","date":"2026-11-22T12:00:00Z","description":"INSUFFICIENT_FUNDS"`, `"cardId":"357970"`,
		`"resource":"card"`, `"referenceExternalTransactionId":null`, `"type":"POS","category":"DEBIT","amount":10000,"currency":"PLN"`,
		`"originalAmount":12300`, `"status":"AUTHORIZED","description":"FrogShop Lublin POL"`, `"mcc":"5122","merchantIdentifier":"FROG","captureMode":"NFC","lastFourDigits":"1234"`} {
		if !strings.Contains(string(text), part) {
			t.Errorf("no %s in %s", part, text)
		}
	}
	x.Reason, x.State, x.Country = authz.Approved, "AUTHORIZED", "616"
	reversal := record.Transaction{ID: record.NewUUID(noon), Kind: authz.Reversal, State: "AUTHORIZED", Reason: authz.ReversalAccepted, RRN: "000000000008",
		Given: 10000, At: noon}
	n := notify(&reversal, &x)
	if n.Status != "SUCCESS" || n.Transaction.Status != "REVERSED" || n.Transaction.Amount != 10000 || n.Transaction.Reference == nil ||
		*n.Transaction.Reference != x.RRN {
		t.Errorf("a reversal is told as %+v", n)
	}
	part := reversal
	part.Given = 2500
	if n := notify(&part, &x).Transaction; n.Status != "REVERSED" || n.Amount != 2500 || n.OriginalAmount != 3075 || n.Data.Country != "POL" {
		t.Errorf("the reversal of a part is told as %+v", n)
	}
	ended := reversal
	ended.Kind = authz.HoldExpiry
	if n := notify(&ended, &x); n.Status != "SUCCESS" || n.Description != "EXPIRED" || n.Transaction.Status != "REVERSED" || n.Transaction.Amount != 10000 {
		t.Errorf("the end of a hold is told as %+v", n)
	}
	cleared := x
	cleared.Kind, cleared.State, cleared.RRN = authz.FinancialAdvice, "CLEARED", "000000000009"
	if n := notify(&cleared, &x).Transaction; n.Status != "CLEARED" || n.External != "000000000009" || n.Reference == nil || *n.Reference != x.RRN {
		t.Errorf("a clearing is told as %+v", n)
	}
	for _, test := range []struct{ own, first, want string }{{"", "", "FROG"}, {"", "Shop POL", "Shop POL"}, {"Shop DE", "Shop POL", "Shop DE"}} {
		cleared.Acceptor, x.Acceptor = test.own, test.first
		if got := notify(&cleared, &x).Transaction.Description; got != test.want {
			t.Errorf("a clearing at %q of what was authorized at %q is described as %q", test.own, test.first, got)
		}
	}
	x.Acceptor = "Shop POL"
	if got := notify(&reversal, &x).Transaction.Description; got != "Shop POL" {
		t.Errorf("a reversal is described as %q", got)
	}
}
