package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/authz/record"
	"holdfast/mgmt"
)

// possessions are things of the estate's partner and user, by the pattern of a path that names them.
func (e *estate) possessions(r *receiver) map[string]string {
	e.t.Helper()
	e.program("CREDIT", 99999901, `,"digitalFirst":true`)
	credit := e.funded("CREDIT", 1_000_000)
	balance := e.topped(10_000)
	var hook struct{ ID string }
	e.want(201, &hook, e.as("partner", "POST", "/secure/webhooks", `{"kind":"WEBHOOK","target":"`+r.URL+`"}`))
	card := e.issueDigital(balance)
	var o struct{ OrderID string }
	e.want(201, &o, e.secret("user", "POST", "/customers/me/cards/physical", `{"balanceId":"`+balance+
		`","deliveryAddress":{"street":"Prosta 1","city":"Lublin","postCode":"20-001","country":"POL"}}`))
	var q struct{ RequestID string }
	e.want(202, &q, e.as("user", "POST", "/customers/me/cards/virtual/async", `{"balanceId":"`+balance+`"}`))
	var p struct{ TransactionID string }
	e.want(200, &p, e.as("partner", "POST", "/sandbox/transactions", fmt.Sprintf(`{"cardId":%d,"amount":2500}`, card.CardID)))
	event := r.next(e.t, "/notifications/order", `"REQUESTED"`).header.Get("webhook-id")
	return map[string]string{"{c}": fmt.Sprint(e.user), "{cardId}": fmt.Sprint(card.CardID), "/partner/balances/{id}": credit, "/balances/{id}": balance,
		"/orders/{id}": o.OrderID, "/requests/{id}": q.RequestID, "/transactions/{id}": p.TransactionID, "/webhooks/{id}": hook.ID, "/events/{id}": event}
}

// pathOf is a path with the names of things in it; owner is who {c} is.
func pathOf(path, owner string, things map[string]string) string {
	if owner != "" {
		path = strings.Replace(path, "{c}", owner, 1)
	}
	longest := slices.SortedFunc(maps.Keys(things), func(a, b string) int { return len(b) - len(a) })
	for _, pattern := range longest {
		before, _, _ := strings.Cut(pattern, "{")
		path = strings.Replace(path, pattern, before+things[pattern], 1)
	}
	return path
}

// trespass sends a sound request with the names of things to a row.
func (e *estate) trespass(who string, r *mgmt.Route, path string) reply {
	e.t.Helper()
	body, headers := "", []string{}
	if op := e.doc.Paths.Find(r.Path).GetOperation(r.Method); op.RequestBody != nil {
		if op.RequestBody.Value.Content["application/json"] != nil {
			body = string(mustJSON(soundValue(e.bodyForm(r, "application/json"))))
		} else {
			path, body, headers = path+"?kind=OTHER", aPNG, []string{"Content-Type", "image/png"}
		}
	}
	if r.JWE {
		return e.secret(who, r.Method, path, body, headers...)
	}
	return e.as(who, r.Method, path, body, headers...)
}

// Goal: whatever names a thing of another partner's, or of another user's, finds nothing, on every route that names one, and
// changes nothing. Method: the names of real things, which their owner finds; sound requests from the document.
func TestForeignThingsAreAbsent(t *testing.T) {
	t.Parallel()
	bothDays(t, func(t *testing.T, e *estate, r *receiver) {
		things := e.possessions(r)
		neighbour := e.newUser(e.partner, 7)
		e.tokens["neighbour"] = e.newSession(record.Session{Kind: record.SessionUser, Partner: e.partner, User: neighbour})
		tried := 0
		e.quiet(things)
		before := e.digest()
		for _, row := range e.node.management.door.Rows() {
			path := pathOf(row.Path, "", things)
			trespassers := map[string]string{"other": path}
			if row.Channel == mgmt.Customers {
				trespassers = map[string]string{"neighbour": path}
			} else if !mutualPath(row.Path) {
				continue
			} else if strings.Count(row.Path, "{") > 1 {
				trespassers["partner"] = pathOf(row.Path, fmt.Sprint(neighbour), things) // the right partner, another user of it
			}
			if !strings.Contains(row.Path, "{") {
				continue
			}
			if row.Method == "GET" {
				owner := map[bool]string{true: "user", false: "partner"}[row.Channel == mgmt.Customers]
				if got := e.trespass(owner, &row, path); got.status != 200 {
					t.Errorf("%s %s for its owner: %d %s", row.Method, path, got.status, got.text)
				}
			}
			for who, path := range trespassers {
				tried++
				if got := e.trespass(who, &row, path); got.status != 404 || got.code() != "NOT_FOUND" {
					t.Errorf("%s %s for %s: %d %s", row.Method, path, who, got.status, got.text)
				}
			}
		}
		if tried < 70 {
			t.Errorf("%d routes were tried", tried)
		}
		for _, path := range []string{"/virtual", "/physical"} { // a balance of another user, in the body
			body := `{"balanceId":"` + things["/balances/{id}"] + `"}`
			e.refused(400, "VALIDATION_ERROR", e.secret("neighbour", "POST", "/customers/me/cards"+path, body))
			e.refused(400, "VALIDATION_ERROR", e.secret("partner", "POST", fmt.Sprintf("/secure/customers/%d/cards%s", neighbour, path), body))
		}
		e.refused(400, "VALIDATION_ERROR", e.as("neighbour", "POST", "/customers/me/cards/virtual/async", `{"balanceId":"`+things["/balances/{id}"]+`"}`))
		if after := e.digest(); !maps.Equal(before, after) {
			t.Errorf("the books were %v, are %v", before, after)
		}
	})
}

// quiet waits until what was begun is done: the books change no more by themselves.
func (e *estate) quiet(things map[string]string) {
	e.t.Helper()
	eventually(e.t, 20*time.Second, "the delivery and the card", func() error {
		var o, q struct{ Status string }
		e.want(200, &o, e.as("user", "GET", "/customers/me/orders/"+things["/orders/{id}"], ""))
		e.want(200, &q, e.as("user", "GET", "/customers/me/requests/"+things["/requests/{id}"], ""))
		var told struct{ Items []any }
		e.want(200, &told, e.as("partner", "GET", "/secure/events?event=transaction", ""))
		if o.Status != "DELIVERED" || q.Status != "DONE" || len(told.Items) != 1 {
			return fmt.Errorf("order is %s, request is %s, %d transactions are told of", o.Status, q.Status, len(told.Items))
		}
		return nil
	})
}
