package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"holdfast/authz/record"
	"holdfast/store/records"
)

// Goal: what the API has answered is what the next payment meets, and what a payment did is what the API shows. Method:
// one card in both modes, and a payment right behind each change.
func TestTheSwitchSeesAtOnceWhatTheAPIDid(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, e *estate) {
		const bin = 99999931
		program := e.program("CREDIT", bin, "")
		e.funded("CREDIT", 100_000)
		user := fmt.Sprintf("/lifecycle/v1/users/%d", e.user)
		e.want(200, nil, e.as("partner", "PUT", user+"/kyc", `{"status":"ACCEPTED"}`))
		var b shownBalance
		e.want(201, &b, e.as("user", "POST", "/customers/me/balances", `{"currency":"EUR"}`))
		money := "/secure/balances/" + b.BalanceID
		card, w := e.plantCard(program, bin, b.BalanceID), e.link()
		meets := func(after string, minor int64, want string) {
			t.Helper()
			if got := e.pay(w, card, minor); got != want {
				t.Errorf("after %s: a payment of %d is answered %s, want %s", after, minor, got, want)
			}
		}
		meets("nothing", 100, "51")
		e.want(200, nil, e.as("partner", "POST", money+"/credit", `{"amount":1000,"externalId":"1"}`))
		meets("a top-up of 1000", 600, "00")
		e.want(200, &b, e.as("user", "GET", "/customers/me/balances/"+b.BalanceID, ""))
		if b.Available != 400 || b.Held != 600 || b.Ledger != 1000 || len(b.Cards) != 1 {
			t.Errorf("after the payment the balance is %+v", b)
		}
		meets("a payment of 600", 401, "51")
		e.refused(409, "INSUFFICIENT_FUNDS", e.as("partner", "POST", money+"/debit", `{"amount":401,"externalId":"2"}`))
		e.want(200, nil, e.as("partner", "POST", money+"/debit", `{"amount":300,"externalId":"3"}`))
		meets("a debit of 300", 101, "51")
		meets("a debit of 300", 1, "00")
		for _, change := range []struct{ who, method, path, body, undo string }{
			{"partner", "POST", user + "/lock", "", user + "/unlock"},
			{"partner", "POST", money + "/lock", "", money + "/unlock"},
		} {
			if r := e.as(change.who, change.method, change.path, change.body); r.status >= 300 {
				t.Fatalf("%s: %d %s", change.path, r.status, r.text)
			}
			if got := e.pay(w, card, 1); got == "00" {
				t.Errorf("after %s a payment is approved", change.path)
			}
			if r := e.as(change.who, change.method, change.undo, ""); r.status >= 300 {
				t.Fatalf("%s: %d %s", change.undo, r.status, r.text)
			}
			meets(change.undo, 1, "00")
		}
		e.suspension(meets)
		var peers struct {
			Items []struct {
				Name, Dialect, Framing     string
				Links, FramesIn, FramesOut int64
			}
		}
		e.want(200, &peers, e.as("employee", "GET", "/admin/peers", ""))
		if len(peers.Items) != 1 || peers.Items[0].Links != 1 || peers.Items[0].FramesIn < 10 || peers.Items[0].FramesOut < 10 ||
			peers.Items[0].Dialect != "iso87-ascii" || peers.Items[0].Framing != "bin2" {
			t.Errorf("the peers are %+v", peers)
		}
		e.sound()
	})
}

func (e *estate) suspension(meets func(after string, minor int64, want string)) {
	e.t.Helper()
	partner := fmt.Sprintf("/admin/partners/%d", e.partner)
	// The user was locked, which ended the session.
	e.tokens["user"] = e.newSession(record.Session{Kind: record.SessionUser, Partner: e.partner, User: e.user})
	e.want(200, nil, e.as("user", "GET", "/customers/me/cards", ""))
	e.want(200, nil, e.as("admin", "PATCH", partner, `{"state":"SUSPENDED"}`))
	suspended := time.Now()
	meets("a suspension", 1, "62")
	e.refused(401, "UNAUTHENTICATED", e.as("user", "GET", "/customers/me/cards", ""))
	withinASecond(e.t, suspended, "the refusal of the suspended partner", func() error {
		if r := e.as("partner", "GET", "/secure/partner/balances", ""); r.status != 403 || r.code() != "PARTNER_SUSPENDED" {
			return errors.New(r.text)
		}
		return nil
	})
	e.want(200, nil, e.as("admin", "PATCH", partner, `{"state":"ACTIVE"}`))
	meets("the end of a suspension", 1, "00")
	e.want(200, nil, e.as("user", "GET", "/customers/me/cards", ""))
}

// Goal: a partner balance that payments bring below its threshold is told of once, and again only after a reload.
func TestLowDepositIsToldOnce(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, e *estate) {
		const bin = 99999932
		program := e.program("DEPOSIT", bin, `,"partnerBalances":true`)
		e.refused(409, "NOT_ALLOWED", e.as("partner", "POST", "/secure/partner/balances", `{"kind":"CREDIT","currency":"EUR"}`))
		e.refused(409, "NOT_ALLOWED", e.as("partner", "POST", "/secure/partner/balances", `{"kind":"DEPOSIT","currency":"USD"}`))
		deposit := e.funded("DEPOSIT", 1000)
		e.refused(409, "ALREADY_EXISTS", e.as("partner", "POST", "/secure/partner/balances", `{"kind":"DEPOSIT","currency":"EUR"}`))
		e.want(200, nil, e.as("partner", "PUT", "/secure/partner/balances/"+deposit+"/threshold", `{"amount":500}`))
		e.want(200, nil, e.as("partner", "PUT", fmt.Sprintf("/lifecycle/v1/users/%d/kyc", e.user), `{"status":"ACCEPTED"}`))
		var b shownBalance
		e.want(201, &b, e.as("admin", "POST", fmt.Sprintf("/admin/customers/%d/balances", e.user), `{"currency":"EUR"}`))
		e.want(200, nil, e.as("partner", "POST", "/secure/balances/"+b.BalanceID+"/credit", `{"amount":5000,"externalId":"1"}`))
		card, w := e.plantCard(program, bin, b.BalanceID), e.link()
		told := func(n int) {
			t.Helper()
			eventually(t, 20*time.Second, "a notice of the low balance", func() error {
				if got := e.lowEvents(deposit); got != n {
					return fmt.Errorf("there are %d, want %d", got, n)
				}
				return nil
			})
		}
		for i, minor := range []int64{500, 1, 1} {
			if got := e.pay(w, card, minor); got != "00" {
				t.Fatalf("payment %d: %s", i, got)
			}
		}
		told(1)
		var a struct{ ApprovalID string }
		e.want(202, &a, e.as("admin", "POST", "/admin/partner-balances/"+deposit+"/reload", `{"amount":100,"externalId":"more"}`))
		e.want(200, nil, e.as("admin2", "POST", "/admin/approvals/"+a.ApprovalID+"/confirm", ""))
		if got := e.pay(w, card, 200); got != "00" {
			t.Fatalf("after the reload: %s", got)
		}
		told(2)
	})
}

// lowEvents counts the notices of a low balance.
func (e *estate) lowEvents(balance string) (n int) {
	e.t.Helper()
	e.do(func(ctx context.Context, tx *records.Tx) error {
		l, err := tx.Events(ctx, record.EventFilter{Partner: e.partner}, record.Page{})
		n = 0
		for i := range l.Items {
			if l.Items[i].Kind == record.EventLowBalance && strings.Contains(string(l.Items[i].Body), balance) {
				n++
			}
		}
		return err
	})
	return n
}

// Our own rate of a pair is the last one that was set, and only a sound one is.
func TestOwnRatesAreSetByOperators(t *testing.T) {
	bothModes(t, func(t *testing.T, e *estate) {
		for _, rate := range []string{"70920000", "70930000"} {
			e.want(201, nil, e.as("manager", "POST", "/admin/fx-rates", `{"from":"USD","to":"EUR","rate":"`+rate+`"}`))
		}
		for _, wrong := range []string{`{"from":"USD","to":"USD","rate":"70920000"}`, `{"from":"USD","to":"EUR","rate":"70000000"}`,
			`{"from":"ZZZ","to":"EUR","rate":"70920000"}`, `{"from":"USD","to":"EUR","rate":"0.92"}`} {
			e.refused(400, "VALIDATION_ERROR", e.as("admin", "POST", "/admin/fx-rates", wrong))
		}
		var rates struct {
			Items []struct{ From, To, Rate string }
		}
		e.want(200, &rates, e.as("employee", "GET", "/admin/fx-rates", ""))
		if len(rates.Items) != 1 || rates.Items[0].Rate != "70930000" || rates.Items[0].From != "USD" {
			t.Errorf("the rates are %+v", rates.Items)
		}
		e.want(201, nil, e.as("manager", "POST", "/admin/fx-rates", `{"from":"GBP","to":"EUR","rate":"61150000"}`))
		got := ""
		e.pages("employee", "/admin/fx-rates", func(item map[string]any) { got += fmt.Sprint(item["from"], " ") })
		if got != "GBP USD " {
			t.Errorf("the pages have the rates of %s", got)
		}
	})
}
