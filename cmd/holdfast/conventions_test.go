package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"holdfast/authz/record"
)

// Goal: what every partner takes for granted: how ids, times, money and days of expiry look, how large a body may be, that
// paths are as they are written, and that the sandbox is not there unless it was asked for.
func TestConventions(t *testing.T) {
	t.Parallel()
	e := openEstate(t, nil)
	e.program("CREDIT", 99999901, "")
	e.funded("CREDIT", 1_000_000)
	balance := e.topped(10_000)
	card := e.order("partner", balance)
	var list struct {
		Items []struct {
			BalanceID, CreatedAt, Currency string
			CustomerID                     json.Number
			Ledger, Held, Available        json.Number
			Cards                          []struct {
				CardID int64
				Exp    string
			}
		}
	}
	e.want(200, &list, e.as("partner", "GET", fmt.Sprintf("/secure/customers/%d/balances", e.user), ""))
	b := list.Items[0]
	if id, err := record.ParseUUID(b.BalanceID); err != nil || id.String()[14] != '7' {
		t.Errorf("a balance is called %s", b.BalanceID)
	}
	if at, err := time.Parse(time.RFC3339, b.CreatedAt); err != nil || !strings.HasSuffix(b.CreatedAt, "Z") || time.Since(at) > time.Minute {
		t.Errorf("it was made at %s", b.CreatedAt)
	}
	if b.Currency != "EUR" || b.Available != "10000" || b.Ledger != "10000" || b.Held != "0" || b.CustomerID.String() != fmt.Sprint(e.user) {
		t.Errorf("it is %+v", b)
	}
	if len(b.Cards) != 1 || b.Cards[0].CardID != card.CardID || b.Cards[0].Exp != card.ExpiryDate {
		t.Errorf("its cards are %+v", b.Cards)
	}
	if day, err := time.Parse(time.DateOnly, card.ExpiryDate); err != nil || day.AddDate(0, 0, 1).Day() != 1 {
		t.Errorf("a card expires on %s", card.ExpiryDate)
	}
	e.sizes()
	for _, path := range []string{"/Secure/partner/balances", "/secure/Partner/balances", "/secure/partner/balances/", "//secure/partner/balances",
		"/lifecycle/v2/users", "/lifecycle/users"} {
		if r := e.call(e.clients["partner"], "GET", e.secure+path, ""); r.status != 404 {
			t.Errorf("%s: %d %s", path, r.status, r.text)
		}
	}
	for _, path := range []string{"/sandbox/clock", "/sandbox/transactions"} {
		e.refused(404, "NOT_FOUND", e.as("partner", "POST", path, `{}`))
	}
	if r := e.as("partner", "DELETE", "/secure/partner/balances", ""); r.status != 405 || !strings.Contains(r.header.Get("Allow"), "GET") {
		t.Errorf("a method that is not there: %d, allowed are %q", r.status, r.header.Get("Allow"))
	}
}

// sizes sends bodies of 64 KiB and of one byte more, whole and in pieces of unknown number.
func (e *estate) sizes() {
	e.t.Helper()
	const limit = 64 << 10
	for size, want := range map[int]string{limit: "VALIDATION_ERROR", limit + 1: "BODY_TOO_LARGE"} {
		body := "{}" + strings.Repeat(" ", size-2)
		if r := e.as("partner", "POST", "/lifecycle/v1/users", body); r.code() != want {
			e.t.Errorf("%d bytes: %d %s, want %s", size, r.status, r.code(), want)
		}
		q, err := http.NewRequestWithContext(e.t.Context(), http.MethodPost, e.secure+"/lifecycle/v1/users", struct{ *strings.Reader }{strings.NewReader(body)})
		if err != nil {
			e.t.Fatal(err)
		}
		q.ContentLength = -1
		q.Header.Set("Content-Type", "application/json")
		resp, err := e.clients["partner"].Do(q)
		if err != nil {
			e.t.Fatal(err)
		}
		var p struct{ Code string }
		if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || p.Code != want {
			e.t.Errorf("%d bytes in pieces: %d %s, want %s: %v", size, resp.StatusCode, p.Code, want, err)
		}
		_ = resp.Body.Close() // only read from
	}
}
