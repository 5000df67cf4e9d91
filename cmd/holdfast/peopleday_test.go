package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/authz/record"
	"holdfast/store/records"
)

// shownBalance is what the tests read of a balance.
type shownBalance struct {
	BalanceID, Kind, Currency, State string
	Ledger, Held, Available          int64
	Threshold                        int64
	Cards                            []struct{ CardID int64 }
}

type shownMovement struct {
	MovementID, ExternalID string
	Amount                 int64
	Repeated               bool
	Balance                shownBalance
}

// program sets a program of the partner's up and gives its number.
func (e *estate) program(funding string, bin int, more string) int64 {
	e.t.Helper()
	var p struct{ ProgramID int64 }
	e.want(201, &p, e.as("admin", "POST", "/admin/programs", fmt.Sprintf(
		`{"partnerId":%d,"name":"%s %d","binLow":%d,"binHigh":%d,"currency":"EUR","funding":"%s"%s}`, e.partner, funding, bin, bin, bin,
		funding, more)))
	return p.ProgramID
}

// funded opens a partner balance and reloads it, one operator asking and another confirming.
func (e *estate) funded(kind string, amount int64) string {
	e.t.Helper()
	var b shownBalance
	e.want(201, &b, e.as("admin", "POST", fmt.Sprintf("/admin/partners/%d/balances", e.partner), `{"kind":"`+kind+`","currency":"EUR"}`))
	if amount == 0 {
		return b.BalanceID
	}
	var a struct{ ApprovalID string }
	e.want(202, &a, e.as("admin", "POST", "/admin/partner-balances/"+b.BalanceID+"/reload",
		fmt.Sprintf(`{"amount":%d,"externalId":"wire %s"}`, amount, b.BalanceID)))
	e.refused(409, "SECOND_PERSON_REQUIRED", e.as("admin", "POST", "/admin/approvals/"+a.ApprovalID+"/confirm", ""))
	var m shownMovement
	e.want(200, &m, e.as("admin2", "POST", "/admin/approvals/"+a.ApprovalID+"/confirm", ""))
	if m.Amount != amount || m.Balance.Available != amount {
		e.t.Errorf("reloaded %+v, want %d", m, amount)
	}
	e.refused(409, "ALREADY_USED", e.as("admin2", "POST", "/admin/approvals/"+a.ApprovalID+"/confirm", ""))
	e.refused(409, "ALREADY_USED", e.as("admin2", "POST", "/admin/approvals/"+a.ApprovalID+"/reject", ""))
	return b.BalanceID
}

// register registers a user by the API and gives the path of it under /lifecycle/v1 and /secure.
func (e *estate) register(number int) (lifecycle, secure string) {
	e.t.Helper()
	var u struct {
		CustomerID int64
		State, KYC string
	}
	e.want(201, &u, e.as("partner", "POST", "/lifecycle/v1/users", fmt.Sprintf(`{"firstName":"Jan","lastName":"Nowak","email":"jan%d@example.com",
"phone":"+4850000%04d","dateOfBirth":"1980-02-29","nationality":"POL","externalId":"jan-%d",
"address":{"street":"Prosta 1","city":"Lublin","postCode":"20-001","country":"POL"}}`, number, number, number)))
	if u.State != "ACTIVE" || u.KYC != "NOT_STARTED" {
		e.t.Errorf("a new user is %+v", u)
	}
	return fmt.Sprintf("/lifecycle/v1/users/%d", u.CustomerID), fmt.Sprintf("/secure/customers/%d", u.CustomerID)
}

// Goal: a partner's day up to the topped-up balance, by the API alone, in both modes: the books are sound after it.
func TestPartnersDayUpToTheTopUp(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, e *estate) {
		e.program("CREDIT", 99999930, `,"partnerBalances":true`)
		credit := e.funded("CREDIT", 10_000)
		life, user := e.register(1)
		e.refused(409, "ALREADY_EXISTS", e.as("partner", "POST", "/lifecycle/v1/users",
			`{"firstName":"J","lastName":"N","email":"jan1@example.com","phone":"+48500009999"}`))
		e.refused(409, "KYC_REQUIRED", e.as("partner", "POST", user+"/balances", `{"currency":"EUR"}`))
		e.want(200, nil, e.as("partner", "PUT", life+"/kyc", `{"status":"ACCEPTED"}`))
		e.refused(400, "VALIDATION_ERROR", e.as("partner", "POST", user+"/balances", `{"currency":"EUU"}`))
		e.refused(422, "CURRENCY_MISMATCH", e.as("partner", "POST", user+"/balances", `{"currency":"USD"}`))
		var b shownBalance
		e.want(201, &b, e.as("partner", "POST", user+"/balances", `{"currency":"EUR"}`))

		topUp := "/secure/balances/" + b.BalanceID + "/credit"
		var m shownMovement
		e.want(200, &m, e.as("partner", "POST", topUp, `{"amount":6000,"externalId":"top-1","description":"=1+1"}`))
		if m.Repeated || m.Balance.Available != 6000 {
			t.Errorf("top-up: %+v", m)
		}
		e.want(200, &m, e.as("partner", "POST", topUp, `{"amount":6000,"externalId":"top-1","description":"=1+1"}`))
		if !m.Repeated || m.Balance.Available != 6000 {
			t.Errorf("the same top-up again: %+v", m)
		}
		e.refused(409, "EXTERNAL_ID_REUSED", e.as("partner", "POST", topUp, `{"amount":5999,"externalId":"top-1"}`))
		e.refused(422, "CURRENCY_MISMATCH", e.as("partner", "POST", topUp, `{"amount":1,"currency":"USD","externalId":"top-2"}`))

		// Both or neither: the partner's credit has 4000 left.
		e.refused(409, "INSUFFICIENT_CREDIT", e.as("partner", "POST", topUp, `{"amount":4001,"externalId":"top-3"}`))
		e.balances(user, b.BalanceID, 6000, credit, 4000)
		e.refused(409, "INSUFFICIENT_FUNDS", e.as("partner", "POST", "/secure/balances/"+b.BalanceID+"/debit",
			`{"amount":6001,"externalId":"take-1"}`))
		e.want(200, nil, e.as("partner", "POST", "/secure/balances/"+b.BalanceID+"/debit", `{"amount":1000,"externalId":"take-2"}`))
		e.balances(user, b.BalanceID, 5000, credit, 5000)

		e.statement(user+"/balances/"+b.BalanceID, credit)
		var sums struct {
			Items []struct{ Users, Wallet int64 }
		}
		e.want(200, &sums, e.as("employee", "GET", "/admin/balances/summary", ""))
		if len(sums.Items) != 1 || sums.Items[0].Users != 5000 || sums.Items[0].Wallet != 10_000 {
			t.Errorf("the sums are %+v", sums)
		}
		e.foreign(life, user, b.BalanceID, credit)
		e.endings(life, user, b.BalanceID)
		if err := e.auditHolds(); err != nil {
			t.Error(err)
		}
		e.sound()
	})
}

// balances compares what a user and the partner have.
func (e *estate) balances(user, userBalance string, has int64, partnerBalance string, left int64) {
	e.t.Helper()
	var b shownBalance
	e.want(200, &b, e.as("partner", "GET", user+"/balances/"+userBalance, ""))
	var own struct{ Items []shownBalance }
	e.want(200, &own, e.as("partner", "GET", "/secure/partner/balances", ""))
	for _, o := range own.Items {
		if o.BalanceID == partnerBalance && o.Available != left || b.Available != has {
			e.t.Errorf("the user has %d and the partner %d, want %d and %d", b.Available, o.Available, has, left)
		}
	}
	if len(own.Items) == 0 {
		e.t.Error("the partner has no balance")
	}
}

// statement reads the statements of a user's balance with three movements and of the partner's, as JSON in pages and as CSV.
func (e *estate) statement(balance, credit string) {
	e.t.Helper()
	type lines struct {
		Items []struct {
			Kind, ExternalID, Description string
			Amount                        int64
		}
		Next string
	}
	var first, second lines
	e.want(200, &first, e.as("partner", "GET", balance+"/transactions?limit=1", ""))
	if len(first.Items) != 1 || first.Items[0].Kind != "DEBIT" || first.Items[0].Amount != -1000 || first.Next == "" {
		e.t.Fatalf("the newest line is %+v", first)
	}
	e.want(200, &second, e.as("partner", "GET", balance+"/transactions?limit=1&cursor="+first.Next, ""))
	if len(second.Items) != 1 || second.Items[0].Amount != 6000 || second.Items[0].ExternalID != "top-1" || second.Next != "" {
		e.t.Errorf("the line before is %+v", second)
	}
	r := e.want(200, nil, e.as("partner", "GET", balance+"/transactions", "", "Accept", "text/csv"))
	if !strings.Contains(r.text, ",TOP_UP,6000,EUR,") || !strings.Contains(r.text, ",'=1+1\n") || strings.Count(r.text, "\n") != 3 {
		e.t.Errorf("CSV: %s", r.text)
	}
	if r := e.as("partner", "GET", balance+"/transactions?limit=1", "", "Accept", "text/csv"); r.header.Get("X-Next-Cursor") != first.Next {
		e.t.Errorf("the cursor of CSV is %q", r.header.Get("X-Next-Cursor"))
	}
	for accept, kind := range map[string]string{"Text/CSV; charset=utf-8, application/json;q=0.5": "text/csv; charset=utf-8",
		"application/json, text/csv": "application/json", "*/*": "application/json", "text/csvx": "application/json"} {
		if r := e.as("partner", "GET", balance+"/transactions", "", "Accept", accept); r.header.Get("Content-Type") != kind {
			e.t.Errorf("accepting %s: %s", accept, r.header.Get("Content-Type"))
		}
	}
	var own lines
	e.want(200, &own, e.as("partner", "GET", "/secure/partner/balances/"+credit+"/transactions", ""))
	if len(own.Items) != 3 || own.Items[2].Kind != "RELOAD" {
		e.t.Errorf("the partner's statement is %+v", own)
	}
}

// foreign asks for things of the partner's as another partner and as another user: all are as absent as what never was.
func (e *estate) foreign(life, user, balance, credit string) {
	e.t.Helper()
	for _, c := range [][3]string{{"GET", life}, {"PATCH", life, `{"firstName":"X"}`}, {"DELETE", life}, {"POST", life + "/lock"},
		{"PUT", life + "/kyc", `{"status":"REJECTED"}`}, {"GET", user + "/balances"}, {"POST", user + "/balances", `{"currency":"EUR"}`},
		{"GET", user + "/balances/" + balance}, {"GET", user + "/balances/" + balance + "/transactions"}, {"GET", user + "/kyc"},
		{"POST", "/secure/balances/" + balance + "/credit", `{"amount":1,"externalId":"x"}`},
		{"POST", "/secure/balances/" + balance + "/debit", `{"amount":1,"externalId":"x"}`},
		{"POST", "/secure/balances/" + balance + "/lock"}, {"POST", "/secure/balances/" + balance + "/close"},
		{"PUT", "/secure/partner/balances/" + credit + "/threshold", `{"amount":1}`},
		{"GET", "/secure/partner/balances/" + credit + "/transactions"}} {
		if r := e.as("other", c[0], c[1], c[2]); r.status != 404 {
			e.t.Errorf("the other partner's %s %s: %d %s", c[0], c[1], r.status, r.text)
		}
	}
	for _, path := range []string{"/customers/me/balances/" + balance, "/customers/me/balances/" + balance + "/transactions",
		"/customers/me/balances/" + credit} {
		e.refused(404, "NOT_FOUND", e.as("user", "GET", path, ""))
	}
	// A partner's own balance is no user's balance, and the other way round.
	e.refused(404, "NOT_FOUND", e.as("partner", "POST", "/secure/balances/"+credit+"/credit", `{"amount":1,"externalId":"x"}`))
	e.refused(404, "NOT_FOUND", e.as("partner", "POST", "/secure/balances/"+credit+"/close", ""))
	e.refused(404, "NOT_FOUND", e.as("partner", "PUT", "/secure/partner/balances/"+balance+"/threshold", `{"amount":1}`))
	e.refused(404, "NOT_FOUND", e.as("admin", "POST", "/admin/partner-balances/"+balance+"/reload", `{"amount":1,"externalId":"x"}`))
}

// endings locks, empties and closes what there is, until only the number of the user is left.
func (e *estate) endings(life, user, balance string) {
	e.t.Helper()
	at := "/secure/balances/" + balance
	e.refused(409, "BALANCE_NOT_ZERO", e.as("partner", "POST", at+"/close", ""))
	e.refused(409, "BALANCE_NOT_ZERO", e.as("partner", "DELETE", life, ""))
	e.want(200, nil, e.as("partner", "POST", at+"/lock", ""))
	e.refused(409, "ILLEGAL_STATE", e.as("partner", "POST", at+"/lock", ""))
	e.refused(409, "BALANCE_LOCKED", e.as("partner", "POST", at+"/debit", `{"amount":5000,"externalId":"last"}`))
	e.want(200, nil, e.as("partner", "POST", at+"/unlock", ""))
	e.want(200, nil, e.as("partner", "POST", at+"/debit", `{"amount":5000,"externalId":"last"}`))
	e.want(200, nil, e.as("partner", "POST", at+"/close", ""))
	e.refused(409, "BALANCE_CLOSED", e.as("partner", "POST", at+"/credit", `{"amount":1,"externalId":"more"}`))
	e.want(204, nil, e.as("partner", "POST", life+"/lock", ""))
	e.refused(409, "USER_LOCKED", e.as("partner", "POST", user+"/balances", `{"currency":"EUR"}`))
	e.want(204, nil, e.as("partner", "POST", life+"/unlock", ""))
	var u struct{ State, FirstName, Email string }
	e.want(200, &u, e.as("partner", "PATCH", life, `{"firstName":"Ewa"}`))
	if u.FirstName != "Ewa" || u.Email != "jan1@example.com" {
		e.t.Errorf("changed to %+v", u)
	}
	e.want(204, nil, e.as("partner", "DELETE", life, ""))
	r := e.want(200, &u, e.as("partner", "GET", life, ""))
	if u.State != "REMOVED" || strings.Contains(r.text, "Nowak") || strings.Contains(r.text, "Ewa") || strings.Contains(r.text, "example.com") {
		e.t.Errorf("left of the user is %s", r.text)
	}
	e.refused(409, "USER_REMOVED", e.as("partner", "POST", life+"/unlock", ""))
}

// sound fails when an invariant of the books is broken.
func (e *estate) sound() {
	e.t.Helper()
	report, err := records.Verify(context.Background(), e.node.store)
	for _, v := range report.Violations {
		e.t.Errorf("the books: %+v", v)
	}
	if err != nil {
		e.t.Fatal(err)
	}
}

// Goal: a repeated request with its key has the first answer, to the byte, and moves no money twice.
func TestTopUpWithAnIdempotencyKey(t *testing.T) {
	t.Parallel()
	e := openEstate(t, nil)
	e.do(func(ctx context.Context, tx *records.Tx) error {
		_, err := tx.SetKYC(ctx, e.partner, e.user, record.KYCAccepted, "test", time.Now())
		return err
	})
	e.program("DEPOSIT", 99999935, "")
	var b shownBalance
	e.want(201, &b, e.as("user", "POST", "/customers/me/balances", `{"currency":"EUR"}`))
	path, key := "/secure/balances/"+b.BalanceID+"/credit", []string{"X-Idempotency-Key", "key-000001"}
	first := e.want(200, nil, e.as("partner", "POST", path, `{"amount":10,"externalId":"a"}`, key...))
	e.want(200, nil, e.as("partner", "POST", path, `{"amount":5,"externalId":"b"}`))
	again := e.want(200, nil, e.as("partner", "POST", path, `{"amount":10,"externalId":"a"}`, key...))
	if again.text != first.text {
		t.Errorf("the repeat says %s, the first said %s", again.text, first.text)
	}
	e.refused(422, "IDEMPOTENCY_KEY_REUSED", e.as("partner", "POST", path, `{"amount":11,"externalId":"a"}`, key...))
	e.want(200, &b, e.as("user", "GET", "/customers/me/balances/"+b.BalanceID, ""))
	if b.Available != 15 {
		t.Errorf("available is %d, want 15", b.Available)
	}
	r := e.want(200, nil, e.secret("user", "GET", "/customers/me/balances/"+b.BalanceID+"/transactions", "", "Accept", "text/csv"))
	if strings.Count(r.text, ",TOP_UP,") != 2 {
		t.Errorf("encrypted CSV: %s", r.text)
	}
}

// Goal: top-ups and debits at once never move more than there is, and each pair of balances adds up. Method: twice as many
// top-ups as the partner's credit covers, on two balances, against debits, half of them under one key.
func TestMovementsAtOnce(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, e *estate) {
		e.program("CREDIT", 99999933, "")
		credit := e.funded("CREDIT", 1000)
		e.want(200, nil, e.as("partner", "PUT", fmt.Sprintf("/lifecycle/v1/users/%d/kyc", e.user), `{"status":"ACCEPTED"}`))
		user := fmt.Sprintf("/secure/customers/%d", e.user)
		var b [2]shownBalance
		for i := range b {
			e.want(201, &b[i], e.as("partner", "POST", user+"/balances", `{"currency":"EUR"}`))
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		codes := map[string]int{}
		for i := range 20 {
			wg.Go(func() {
				path := "/secure/balances/" + b[i%2].BalanceID + "/credit"
				r := e.as("partner", "POST", path, fmt.Sprintf(`{"amount":100,"externalId":"at once %d"}`, i/4*4+i%2))
				mu.Lock()
				defer mu.Unlock()
				codes[fmt.Sprint(r.status, r.code())]++
			})
		}
		wg.Wait()
		for code := range codes {
			if code != "200" && code != "409INSUFFICIENT_CREDIT" && code != "409VERSION_CONFLICT" {
				t.Errorf("answers were %v", codes)
			}
		}
		var sum int64
		for i := range b {
			e.want(200, &b[i], e.as("partner", "GET", user+"/balances/"+b[i].BalanceID, ""))
			sum += b[i].Available
		}
		if sum != 1000 || codes["200"] != 20 { // ten external ids, each twice
			t.Errorf("the users have %d, after %v", sum, codes)
		}
		e.balances(user, b[0].BalanceID, b[0].Available, credit, 1000-sum)
		r := e.as("partner", "POST", "/secure/balances/"+b[0].BalanceID+"/credit", `{"amount":1,"externalId":"too much"}`)
		e.refused(409, "INSUFFICIENT_CREDIT", r)
		e.sound()
	})
}
