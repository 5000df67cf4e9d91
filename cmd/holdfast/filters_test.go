package main

import (
	"fmt"
	"net/url"
	"testing"
	"time"
)

// counts wants a list to have so many items for each of some queries, and a query that is no filter's value to be refused.
func (e *estate) counts(who, path string, want map[string]int) {
	e.t.Helper()
	for query, n := range want {
		r := e.as(who, "GET", path+"?"+query, "")
		if n < 0 {
			e.refused(400, "VALIDATION_ERROR", r)
			continue
		}
		var list struct{ Items []any }
		if e.want(200, &list, r); len(list.Items) != n {
			e.t.Errorf("%s?%s has %d items, want %d: %s", path, query, len(list.Items), n, r.text)
		}
	}
}

// Goal: each list gives what its filters choose and nothing else. Method: a few cards, payments and locks, and every filter
// with a value that chooses some, one that chooses none, and one that is no value.
func TestListsAreFiltered(t *testing.T) {
	t.Parallel()
	bothDays(t, func(t *testing.T, e *estate, r *receiver) {
		e.program("CREDIT", 99999901, `,"digitalFirst":true`)
		e.funded("CREDIT", 1_000_000)
		began := time.Now().UTC().Add(-time.Minute)
		balance := e.topped(10_000)
		e.want(201, nil, e.as("partner", "POST", "/secure/webhooks", `{"kind":"WEBHOOK","target":"`+r.URL+`"}`))
		card, locked := e.order("partner", balance), e.order("partner", balance)
		e.issueDigital(balance)
		one := fmt.Sprintf("/secure/customers/%d/cards", e.user)
		e.want(200, nil, e.as("partner", "POST", fmt.Sprintf("%s/%d/lock", one, locked.CardID), `{"reasonCode":3}`))
		play := func(path, body string) string {
			var p struct{ TransactionID string }
			e.want(200, &p, e.as("partner", "POST", "/sandbox/transactions"+path, body))
			return p.TransactionID
		}
		pay := func(minor int) string { return play("", fmt.Sprintf(`{"cardId":%d,"amount":%d}`, card.CardID, minor)) }
		play("/"+pay(100)+"/reversal", `{}`)
		play("/"+pay(200)+"/clearing", `{}`)
		pay(300)
		pay(99_999)
		r.next(t, "/notifications/transaction", `"DECLINED"`)

		none, all, some := "2020-01-01T00:00:00Z", url.QueryEscape(began.Format(time.RFC3339)), fmt.Sprint(locked.CardID)
		e.counts("partner", one, map[string]int{"": 3, "status=LOCKED": 1, "status=ACTIVE": 2, "status=EXPIRED": 0, "status=INACTIVE": 0,
			"kind=DIGITAL_FIRST": 1, "kind=PHYSICAL": 0, "kind=VIRTUAL&status=ACTIVE": 1, "status=REMOVED": -1, "kind=virtual": -1})
		e.counts("partner", "/secure/transactions", map[string]int{"": 5, "status=DECLINED": 1, "status=REVERSED": 1, "status=AUTHORIZED": 1,
			"status=CLEARED": 2, "status=EXPIRED": 0, "status=CLEARED&cardId=" + some: 0, "status=PAID": -1, "partnerId=1": -1})
		e.counts("admin", "/admin/transactions", map[string]int{fmt.Sprintf("partnerId=%d", e.partner): 5, fmt.Sprintf("partnerId=%d", e.partner+1): 0,
			fmt.Sprintf("status=DECLINED&partnerId=%d", e.partner): 1, "partnerId=0": -1})
		e.counts("user", "/customers/me/transactions", map[string]int{"status=AUTHORIZED": 1, "customerId=1": -1})
		e.counts("partner", "/secure/events", map[string]int{"event=card.locked": 1, "event=kyc.decided": 0, "event=paid": -1,
			"subject=card+" + some: 1, "event=card.unlocked&subject=card+" + some: 0})
		e.want(201, nil, e.as("partner", "POST", "/secure/webhooks", `{"kind":"THIN","target":"`+r.URL+`"}`))
		var hooks struct {
			Items []struct{ Kind string }
			Next  string
		}
		query := "?limit=1"
		for _, kind := range []string{"THIN", "WEBHOOK"} { // the newest first
			e.want(200, &hooks, e.as("partner", "GET", "/secure/webhooks"+query, ""))
			query += "&cursor=" + hooks.Next
			if len(hooks.Items) != 1 || hooks.Items[0].Kind != kind {
				t.Errorf("a page of endpoints is %+v, want the %s", hooks, kind)
			}
		}
		of := fmt.Sprintf("/secure/customers/%d/balances", e.user)
		e.counts("partner", of, map[string]int{"": 1, "currency=EUR": 1, "currency=USD": 0, "currency=EUU": -1, "currency=eur": -1,
			"state=ACTIVE": 1, "state=LOCKED": 0, "state=ALIVE": -1})
		e.counts("partner", of+"/"+balance+"/transactions", map[string]int{"": 2, "since=" + all: 2, "until=" + all: 0, "until=" + none: 0,
			"since=" + none + "&until=" + all: 0, "since=yesterday": -1})
		e.counts("admin", "/admin/audit", map[string]int{fmt.Sprintf("partnerId=%d&action=card.lock&since=%s", e.partner, all): 1,
			fmt.Sprintf("partnerId=%d&action=card.lock&until=%s", e.partner, all): 0, "since=1": -1})
		e.want(200, nil, e.as("partner", "POST", "/sandbox/clock", `{"advance":"35064h"}`)) // four years
		e.counts("partner", one, map[string]int{"status=LOCKED": 1, "status=ACTIVE": 0, "status=EXPIRED": 2})
	})
}
