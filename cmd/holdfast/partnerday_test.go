package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/mgmt/webhooks"
	"holdfast/store/records"
	"holdfast/switch/client"
	"holdfast/switch/frame"
	"holdfast/switch/iso"
)

// heard is what a partner's server was told.
type heard struct {
	path, body string
	header     http.Header
}

// receiver is a partner's server for events, which remembers all that it was told.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	told   []heard
	status int // that it answers
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func openReceiver(t *testing.T) (r *receiver, authorities string) {
	t.Helper()
	r = &receiver{status: http.StatusOK}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.told = append(r.told, heard{q.URL.Path, string(body), q.Header})
		w.WriteHeader(r.status)
	}))
	r.Config.ErrorLog = nil
	r.StartTLS()
	t.Cleanup(r.Close)
	authorities = filepath.Join(t.TempDir(), "authorities.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw})
	if err := os.WriteFile(authorities, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return r, authorities
}

// all are the events at a path that have a text in them.
func (r *receiver) all(path, text string) (found []heard) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.told {
		if h.path == path && strings.Contains(h.body, text) {
			found = append(found, h)
		}
	}
	return found
}

// next waits for an event at a path that has a text in it.
func (r *receiver) next(t *testing.T, path, text string) (h heard) {
	t.Helper()
	eventually(t, 20*time.Second, "an event", func() error {
		found := r.all(path, text)
		if len(found) == 0 {
			return fmt.Errorf("nothing with %s came to %s", text, path)
		}
		h = found[0]
		return nil
	})
	return h
}

// bothDays runs a test in both modes with a sandbox and a receiver of events.
func bothDays(t *testing.T, test func(t *testing.T, e *estate, r *receiver)) {
	open := func(t *testing.T, s *site) {
		r, authorities := openReceiver(t)
		test(t, openEstate(t, s, func(cfg *config) {
			cfg.Management.Sandbox = true
			cfg.Management.Webhooks = webhooksConfig{Authorities: authorities, Private: true}
			cfg.Management.Orders.Personalize = 100 * time.Millisecond
		}), r)
	}
	t.Run("embedded", func(t *testing.T) { t.Parallel(); open(t, nil) })
	t.Run("full", func(t *testing.T) { t.Parallel(); open(t, openSite(t, sharedServers(t), patient(plainListener))) })
}

// topped is the user's balance after the partner's KYC, with money on it.
func (e *estate) topped(minor int64) (balance string) {
	e.t.Helper()
	user := fmt.Sprint(e.user)
	e.want(200, nil, e.as("partner", "PUT", "/lifecycle/v1/users/"+user+"/kyc", `{"status":"ACCEPTED"}`))
	var b struct{ BalanceID string }
	r := e.as("partner", "POST", "/secure/customers/"+user+"/balances", `{"currency":"EUR"}`)
	e.want(201, &b, r)
	if b.BalanceID == "" {
		e.t.Fatalf("no id: %s", r.text)
	}
	e.want(200, nil, e.as("partner", "POST", "/secure/balances/"+b.BalanceID+"/credit",
		fmt.Sprintf(`{"amount":%d,"externalId":"first"}`, minor)))
	return b.BalanceID
}

// plainCard is the encrypted answer, by the names that the seed has.
type plainCard struct {
	CardID     int64
	CardNumber string `json:"cardNo"`
	ExpiryDate string `json:"exp"`
	CVC2       string `json:"cvv"`
}

func (c plainCard) yymm() string { return c.ExpiryDate[2:4] + c.ExpiryDate[5:7] }

// terminal sends payments to the estate's first listener.
type terminal struct {
	t       *testing.T
	raw     *client.Raw
	dialect *iso.Dialect
	next    int
}

func (e *estate) terminal() *terminal {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), 5*time.Second)
	defer cancel()
	raw, err := client.DialRaw(ctx, e.node.listeners[0].Addr().String(), frame.Format{})
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { _ = raw.Close() })
	d, err := iso.Builtin("iso87-ascii")
	if err != nil {
		e.t.Fatal(err)
	}
	return &terminal{e.t, raw, d, 1}
}

// pay asks for an approval and gives DE 39 and the reference.
func (x *terminal) pay(card plainCard, minor int64) (code, reference string) {
	x.t.Helper()
	x.next++
	now := time.Now().UTC()
	reference = fmt.Sprintf("%012d", now.UnixMicro()%1e12)
	m := x.dialect.New("0100")
	for de, v := range map[int]string{2: card.CardNumber, 3: "000000", 4: fmt.Sprintf("%012d", minor), 7: now.Format("0102150405"),
		11: fmt.Sprintf("%06d", x.next), 12: now.Format("150405"), 13: now.Format("0102"), 14: card.yymm(), 18: "5411", 22: "071", 32: "000123",
		37: reference, 41: "TERM0001", 42: "SHOP-0000000001", 49: "978"} {
		if err := m.Set(de, v); err != nil {
			x.t.Fatalf("element %d: %v", de, err)
		}
	}
	body, err := m.Append(nil)
	if err != nil {
		x.t.Fatal(err)
	}
	if err := x.raw.Write(body); err != nil {
		x.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(x.t.Context(), 10*time.Second)
	defer cancel()
	answer, err := x.raw.Read(ctx)
	if err != nil {
		x.t.Fatal(err)
	}
	got, err := x.dialect.Decode(answer)
	if err != nil {
		x.t.Fatal(err)
	}
	return got.Get(39), reference
}

// Goal: the day of a partner: user, KYC, balance, top-up, card, payment approved, listed and told, lock, payment declined at
// once with the exact code, and full data only where they belong.
func TestPartnersDay(t *testing.T) {
	t.Parallel()
	bothDays(t, func(t *testing.T, e *estate, r *receiver) {
		e.program("CREDIT", 99999901, `,"digitalFirst":true`)
		e.funded("CREDIT", 1_000_000)
		balance := e.topped(10_000)
		var hook struct{ ID, Secret string }
		e.want(201, &hook, e.as("partner", "POST", "/secure/webhooks", `{"kind":"WEBHOOK","target":"`+r.URL+`/hear"}`))
		e.want(201, nil, e.as("partner", "POST", "/secure/webhooks", `{"kind":"THIN","target":"`+r.URL+`"}`))
		card := e.order("partner", balance)
		x := e.terminal()
		code, reference := x.pay(card, 1_234)
		if code != "00" {
			t.Fatalf("paid: %s", code)
		}
		e.listed(card, reference)
		e.told(r, hook.Secret, reference)
		cards := fmt.Sprintf("/secure/customers/%d/cards/%d", e.user, card.CardID)
		for _, step := range []struct {
			reason int
			code   string
		}{{3, "05"}, {7, "59"}, {1, "41"}} {
			e.want(200, nil, e.as("partner", "POST", cards+"/lock", fmt.Sprintf(`{"reasonCode":%d}`, step.reason)))
			if code, _ := x.pay(card, 100); code != step.code {
				t.Errorf("locked for %d: %s, want %s", step.reason, code, step.code)
			}
			if step.reason != 1 {
				e.want(200, nil, e.as("partner", "POST", cards+"/unlock", ""))
				if code, _ := x.pay(card, 100); code != "00" {
					t.Errorf("unlocked from %d: %s", step.reason, code)
				}
			}
		}
		r.next(t, "/hear/notifications/card", `"lockReasonCode":1`)
		for _, who := range []string{"partner", "user", "admin"} {
			path := map[string]string{"user": fmt.Sprintf("/customers/me/cards/%d", card.CardID), "partner": cards,
				"admin": fmt.Sprintf("/admin/cards/%d", card.CardID)}[who]
			e.refused(409, "CARD_LOCK_IRREVERSIBLE", e.as(who, "POST", path+"/unlock", ""))
			e.refused(409, "CARD_LOCK_IRREVERSIBLE", e.as(who, "POST", path+"/lock", `{"reasonCode":3}`))
		}
		e.verifies()
	})
}

// carded gives the partner a CREDIT program, and the user a balance in it with money and a card.
func (e *estate) carded() plainCard {
	e.t.Helper()
	e.program("CREDIT", 99999901, "")
	e.funded("CREDIT", 1_000_000)
	return e.order("partner", e.topped(10_000))
}

// order has a virtual card issued and wants its number nowhere else.
func (e *estate) order(who, balance string) (card plainCard) {
	e.t.Helper()
	path := fmt.Sprintf("/secure/customers/%d/cards", e.user)
	e.refused(400, "ENCRYPTION_REQUIRED", e.as(who, "POST", path+"/virtual", `{"balanceId":"`+balance+`"}`))
	e.want(201, &card, e.secret(who, "POST", path+"/virtual", `{"balanceId":"`+balance+`"}`))
	if len(card.CardNumber) != 16 || len(card.CVC2) != 3 || len(card.ExpiryDate) != len(time.DateOnly) || card.CardID == 0 {
		e.t.Fatalf("card %d with %d and %d digits", card.CardID, len(card.CardNumber), len(card.CVC2))
	}
	one := fmt.Sprintf("%s/%d", path, card.CardID)
	e.refused(400, "ENCRYPTION_REQUIRED", e.as(who, "GET", one, ""))
	e.refused(404, "NOT_FOUND", e.secret("other", "GET", one, ""))
	stranger := fmt.Sprintf("/secure/customers/%d/cards/%d", e.newUser(e.partner, int(card.CardID)), card.CardID)
	e.refused(404, "NOT_FOUND", e.secret(who, "GET", stranger, ""))
	e.refused(404, "NOT_FOUND", e.as(who, "POST", stranger+"/lock", `{"reasonCode":3}`))
	var again plainCard
	e.want(200, &again, e.secret(who, "GET", one, ""))
	if again != card {
		e.t.Error("the card is another when it is read again")
	}
	for _, who := range []string{"admin", "manager", "employee"} {
		if r := e.secret(who, "GET", fmt.Sprintf("/admin/cards/%d", card.CardID), ""); r.status != 404 && r.status != 405 {
			e.t.Errorf("full data for %s: %d", who, r.status)
		}
		r := e.want(200, nil, e.as(who, "GET", fmt.Sprintf("/admin/customers/%d/cards", e.user), ""))
		if strings.Contains(r.text, card.CardNumber) || !strings.Contains(r.text, card.CardNumber[12:]) {
			e.t.Errorf("the list of %s is not masked, or has no card", who)
		}
	}
	if strings.Contains(e.log.String(), card.CardNumber) {
		e.t.Error("the number is in the log")
	}
	return card
}

// listed wants the payment in all three lists, and explained.
func (e *estate) listed(card plainCard, reference string) {
	e.t.Helper()
	var list struct {
		Items []struct{ ID, Status, RetrievalReferenceNumber string }
	}
	for who, path := range map[string]string{"partner": "/secure/transactions", "user": "/customers/me/transactions", "admin": "/admin/transactions"} {
		r := e.want(200, &list, e.as(who, "GET", fmt.Sprintf("%s?cardId=%d", path, card.CardID), ""))
		if len(list.Items) != 1 || list.Items[0].RetrievalReferenceNumber != reference || list.Items[0].Status != "AUTHORIZED" {
			e.t.Fatalf("%s reads %s", who, r.text)
		}
	}
	id := list.Items[0].ID
	e.want(200, nil, e.as("user", "GET", "/customers/me/transactions/"+id, ""))
	e.refused(404, "NOT_FOUND", e.as("other", "GET", "/secure/transactions/"+id, ""))
	var x struct {
		Description string
		Checks      []struct {
			Name, Outcome string
			Inputs        []struct{ Name, Value string }
		}
		Balance struct{ Before, After int64 }
		Stages  struct{ WaitedMicroseconds, CheckedMicroseconds, HeldMicroseconds, HandedOverMicroseconds, TotalMicroseconds, Rounds int64 }
	}
	e.want(200, &x, e.as("employee", "GET", "/admin/authorizations/"+id+"/explain", ""))
	if x.Description != "APPROVED" || len(x.Checks) < 10 || x.Balance.Before != 10_000 || x.Balance.After != 10_000-1_234 {
		e.t.Errorf("explained as %+v", x)
	}
	for _, check := range x.Checks {
		if check.Outcome != "PASSED" || len(check.Inputs) == 0 || check.Inputs[0].Name == "" || check.Inputs[0].Value == "" {
			e.t.Errorf("checked %+v", check)
		}
	}
	s := x.Stages
	if s.TotalMicroseconds != s.WaitedMicroseconds+s.CheckedMicroseconds+s.HeldMicroseconds+s.HandedOverMicroseconds ||
		s.TotalMicroseconds <= 0 || s.Rounds < 1 {
		e.t.Errorf("its stages are %+v", s)
	}
}

// told wants the event of a payment, signed, and in the thin form, each once.
func (e *estate) told(r *receiver, secret, reference string) {
	e.t.Helper()
	h := r.next(e.t, "/hear/notifications/transaction", reference)
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		e.t.Fatal(err)
	}
	want := webhooks.Signature(key, h.header.Get("webhook-id"), h.header.Get("webhook-timestamp"), []byte(h.body))
	if h.header.Get("webhook-signature") != want || h.header.Get("X-Idempotency-Key") != h.header.Get("webhook-id") {
		e.t.Errorf("signed %v", h.header)
	}
	var n webhooks.Notification
	if err := json.Unmarshal([]byte(h.body), &n); err != nil {
		e.t.Fatal(err)
	}
	if n.Status != "SUCCESS" || n.Description != "APPROVED" || n.Transaction.Status != "AUTHORIZED" || n.Transaction.Amount != 1_234 ||
		n.Transaction.Currency != "EUR" || n.Transaction.Data.CaptureMode != "NFC" {
		e.t.Errorf("told %s", h.body)
	}
	r.next(e.t, "/transaction-event", n.Transaction.ID)
	eventually(e.t, 10*time.Second, "the attempt", func() error {
		var d struct {
			Deliveries []struct {
				State    string
				Attempts []struct{ Status int }
			}
		}
		e.want(200, &d, e.as("partner", "GET", "/secure/events/"+h.header.Get("webhook-id"), ""))
		for _, one := range d.Deliveries {
			if one.State != "DELIVERED" || len(one.Attempts) != 1 || one.Attempts[0].Status != 200 {
				return fmt.Errorf("deliveries %+v", d)
			}
		}
		return nil
	})
}

func (e *estate) verifies() {
	e.t.Helper()
	report, err := records.Verify(context.Background(), e.node.store)
	if err != nil || len(report.Violations) > 0 {
		e.t.Errorf("verify: %v, %v", report.Violations, err)
	}
	if err := e.auditHolds(); err != nil {
		e.t.Error(err)
	}
}
