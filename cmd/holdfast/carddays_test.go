package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// card is what everybody may see of one.
type shownCard struct {
	CardID                                 int64
	Status, Kind, MaskedNumber, ResourceID string
	LockReasonCode                         int
}

// Goal: plastic from the order to the payment: made, visible once it is reported, activated, with a PIN, replaced CVC2 only
// where nothing is printed.
func TestPlastic(t *testing.T) {
	t.Parallel()
	bothDays(t, func(t *testing.T, e *estate, r *receiver) {
		e.program("CREDIT", 99999901, `,"digitalFirst":true`)
		e.funded("CREDIT", 1_000_000)
		balance := e.topped(10_000)
		e.want(201, nil, e.as("partner", "POST", "/secure/webhooks", `{"kind":"WEBHOOK","target":"`+r.URL+`"}`))
		e.refused(400, "VALIDATION_ERROR", e.secret("user", "POST", "/customers/me/cards/physical", `{"balanceId":"`+balance+`"}`)) // no address
		var o struct {
			OrderID, Status string
			CardID          int64
		}
		e.want(201, &o, e.secret("user", "POST", "/customers/me/cards/physical", `{"balanceId":"`+balance+
			`","deliveryAddress":{"street":"Prosta 1","city":"Lublin","postCode":"20-001","country":"POL"}}`))
		if o.Status != "REQUESTED" || o.CardID != 0 {
			t.Errorf("ordered %+v", o)
		}
		eventually(t, 20*time.Second, "the delivery", func() error {
			e.want(200, &o, e.as("user", "GET", "/customers/me/orders/"+o.OrderID, ""))
			if o.Status != "DELIVERED" || o.CardID == 0 {
				return fmt.Errorf("order is %s", o.Status)
			}
			return nil
		})
		e.refused(404, "NOT_FOUND", e.as("other", "GET", fmt.Sprintf("/secure/customers/%d/orders/%s", e.user, o.OrderID), ""))
		r.next(t, "/notifications/order", `"DELIVERED"`)
		mine := fmt.Sprintf("/customers/me/cards/%d", o.CardID)
		var full plainCard
		e.want(200, &full, e.secret("user", "GET", mine, ""))
		x := e.terminal()
		if code, _ := x.pay(full, 100); code != "78" {
			t.Errorf("paid before it was activated: %s", code)
		}
		var c shownCard
		e.want(200, &c, e.as("user", "POST", mine+"/activate", ""))
		if c.Status != "ACTIVE" || c.Kind != "PHYSICAL" {
			t.Errorf("activated %+v", c)
		}
		e.refused(409, "ILLEGAL_STATE", e.as("user", "POST", mine+"/activate", ""))
		if h := r.next(t, "/notifications/order", `"ACTIVATED"`); !strings.Contains(h.body, `"resourceId":"`+c.ResourceID+`"`) {
			t.Errorf("told %s of card %s", h.body, c.ResourceID)
		}
		e.want(200, &o, e.as("employee", "GET", "/admin/orders/"+o.OrderID, ""))
		if o.Status != "ACTIVATED" {
			t.Errorf("the order of an activated card is %s", o.Status)
		}
		if code, _ := x.pay(full, 100); code != "00" {
			t.Errorf("paid: %s", code)
		}
		e.pins(mine)
		e.refused(409, "CARD_KIND", e.secret("user", "POST", mine+"/cvv", ""))
		e.copies(e.issueDigital(balance), x)
		e.verifies()
	})
}

// pins wants PINs of the right form only, encrypted, from nobody but the holder.
func (e *estate) pins(mine string) {
	e.t.Helper()
	const pin = "246813579246" // the longest that there is, which no id of a request has by chance, and a part of one below
	e.refused(400, "ENCRYPTION_REQUIRED", e.as("user", "POST", mine+"/pin", `{"pin":"`+pin+`"}`))
	for _, bad := range []string{"1234", "4321", "7777", "246", "2468135792468", "24a8"} {
		r := e.secret("user", "POST", mine+"/pin", `{"pin":"`+bad+`"}`)
		e.refused(400, "VALIDATION_ERROR", r)
		var p struct{ RequestID string } // of any digits, by chance those of a PIN
		r.into(e.t, &p)
		if strings.Contains(strings.Replace(r.text, p.RequestID, "", 1), bad) {
			e.t.Errorf("a refusal repeats the PIN")
		}
	}
	e.want(204, nil, e.secret("user", "POST", mine+"/pin", `{"pin":"`+pin+`"}`))
	for _, path := range []string{"/secure" + strings.Replace(mine, "/me/", fmt.Sprintf("/%d/", e.user), 1) + "/pin", strings.Replace(mine, "/customers/me", "/admin", 1) + "/pin"} {
		who := "admin"
		if mutualPath(path) {
			who = "partner"
		}
		if r := e.secret(who, "POST", path, `{"pin":"`+pin+`"}`); r.status != 404 {
			e.t.Errorf("%s: %d", path, r.status)
		}
	}
	if strings.Contains(e.log.String(), pin) {
		e.t.Error("the PIN is in the log")
	}
}

func (e *estate) issueDigital(balance string) (card plainCard) {
	e.t.Helper()
	e.want(201, &card, e.secret("user", "POST", "/customers/me/cards/virtual", `{"balanceId":"`+balance+`","digitalFirst":true}`))
	return card
}

// copies wants a digital first card to be printed, and its CVC2 to change.
func (e *estate) copies(card plainCard, x *terminal) {
	e.t.Helper()
	mine := fmt.Sprintf("/customers/me/cards/%d", card.CardID)
	var o struct{ OrderID, Kind string }
	e.want(201, &o, e.secret("user", "POST", mine+"/print",
		`{"deliveryAddress":{"street":"Prosta 1","city":"Lublin","postCode":"20-001","country":"POL"}}`))
	if o.Kind != "PRINT" {
		e.t.Errorf("printed %+v", o)
	}
	var again plainCard
	e.want(200, &again, e.secret("user", "POST", mine+"/cvv", ""))
	if again.CVC2 == card.CVC2 || again.CardNumber != card.CardNumber {
		e.t.Error("the CVC2 is the old one, or the number a new one")
	}
	r := e.want(200, nil, e.secret("employee", "POST", fmt.Sprintf("/admin/cards/%d/cvv", card.CardID), ""))
	if strings.Contains(r.text, card.CardNumber) || strings.Contains(r.text, "cvv") {
		e.t.Error("an operator gets full data")
	}
	if code, _ := x.pay(card, 100); code != "00" {
		e.t.Errorf("paid with a digital first card: %s", code)
	}
}

// Goal: a card in the background, limits, removal, a lock from outside, and the same request twice.
func TestCardsInTheBackground(t *testing.T) {
	t.Parallel()
	bothDays(t, func(t *testing.T, e *estate, _ *receiver) {
		e.program("CREDIT", 99999901, "")
		e.funded("CREDIT", 1_000_000)
		balance := e.topped(10_000)
		var q struct {
			RequestID, Status string
			CardID            int64
		}
		path := fmt.Sprintf("/secure/customers/%d/cards", e.user)
		e.want(202, &q, e.as("partner", "POST", path+"/virtual/async", `{"balanceId":"`+balance+`"}`, "X-Idempotency-Key", "once-0001"))
		first := q.RequestID
		e.want(202, &q, e.as("partner", "POST", path+"/virtual/async", `{"balanceId":"`+balance+`"}`, "X-Idempotency-Key", "once-0001"))
		if q.RequestID != first {
			t.Errorf("the same request made %s and %s", first, q.RequestID)
		}
		e.refused(422, "IDEMPOTENCY_KEY_REUSED", e.as("partner", "POST", path+"/virtual/async", `{"balanceId":"`+balance+`","description":"x"}`,
			"X-Idempotency-Key", "once-0001"))
		eventually(t, 20*time.Second, "the card", func() error {
			e.want(200, &q, e.as("partner", "GET", "/secure/requests/"+first, ""))
			if q.Status != "DONE" {
				return fmt.Errorf("request is %s", q.Status)
			}
			return nil
		})
		e.refused(404, "NOT_FOUND", e.as("other", "GET", "/secure/requests/"+first, ""))
		one := fmt.Sprintf("%s/%d", path, q.CardID)
		e.want(200, nil, e.as("partner", "PUT", one+"/limits", `{"limits":[{"type":"ATM","timeUnit":"DAY","amount":500}]}`))
		e.refused(422, "LIMIT_INVALID", e.as("partner", "PUT", one+"/limits",
			`{"limits":[{"type":"ATM","timeUnit":"DAY","amount":500},{"type":"ATM","timeUnit":"WEEK","amount":400}]}`))
		var l struct {
			Currency string
			Limits   []struct {
				Type, TimeUnit string
				Amount         int64
			}
		}
		e.want(200, &l, e.as("employee", "GET", fmt.Sprintf("/admin/cards/%d/limits", q.CardID), ""))
		if len(l.Limits) != 1 || l.Limits[0].Amount != 500 || l.Currency != "EUR" {
			t.Errorf("limits %+v", l)
		}
		var c shownCard
		e.want(200, &c, e.as("admin", "POST", fmt.Sprintf("/admin/cards/%d/lock-outside", q.CardID), `{"reasonCode":7}`))
		e.refused(403, "FORBIDDEN", e.as("manager", "POST", fmt.Sprintf("/admin/cards/%d/lock-outside", q.CardID), `{"reasonCode":7}`))
		e.refused(400, "VALIDATION_ERROR", e.as("partner", "POST", one+"/lock", `{"reasonCode":9}`))
		e.refused(409, "CARD_LOCK_OUTSIDE", e.as("partner", "POST", one+"/lock", `{"reasonCode":3}`))
		e.refused(404, "NOT_FOUND", e.as("other", "POST", one+"/lock", `{"reasonCode":1}`))
		e.want(204, nil, e.as("partner", "DELETE", fmt.Sprintf("/lifecycle/v1/users/%d/cards/%d", e.user, q.CardID), ""))
		e.refused(409, "CARD_REMOVED", e.as("partner", "POST", one+"/unlock", ""))
		var list struct{ Items []shownCard }
		e.want(200, &list, e.as("user", "GET", "/customers/me/cards", ""))
		if len(list.Items) != 0 {
			t.Errorf("a removed card is listed: %+v", list)
		}
	})
}

// Goal: a digital first card is made in the background where it may be made at once, and can be printed; it is refused where
// the program has none.
func TestDigitalFirstInTheBackground(t *testing.T) {
	t.Parallel()
	bothDays(t, func(t *testing.T, e *estate, _ *receiver) {
		program := fmt.Sprintf("/admin/programs/%d", e.program("CREDIT", 99999901, ""))
		e.funded("CREDIT", 1_000_000)
		body := `{"balanceId":"` + e.topped(10_000) + `","digitalFirst":true}`
		e.refused(409, "NOT_ALLOWED", e.as("user", "POST", "/customers/me/cards/virtual/async", body))
		e.want(200, nil, e.as("admin", "PATCH", program, `{"digitalFirst":true}`))
		for _, who := range []string{"user", "partner"} {
			path, requests := "/customers/me/cards", "/customers/me/requests/"
			if who == "partner" {
				path, requests = fmt.Sprintf("/secure/customers/%d/cards", e.user), "/secure/requests/"
			}
			var q struct {
				RequestID, Status string
				CardID            int64
			}
			e.want(202, &q, e.as(who, "POST", path+"/virtual/async", body))
			eventually(t, 20*time.Second, "the card", func() error {
				if e.want(200, &q, e.as(who, "GET", requests+q.RequestID, "")); q.Status != "DONE" {
					return fmt.Errorf("request is %s", q.Status)
				}
				return nil
			})
			e.want(201, nil, e.secret(who, "POST", fmt.Sprintf("%s/%d/print", path, q.CardID),
				`{"deliveryAddress":{"street":"Prosta 1","city":"Lublin","postCode":"20-001","country":"POL"}}`))
		}
		e.counts("partner", fmt.Sprintf("/secure/customers/%d/cards", e.user), map[string]int{"kind=DIGITAL_FIRST": 2, "": 2})
	})
}

// Goal: the sandbox plays payments through the switch, and time can be moved past a card's life.
func TestSandbox(t *testing.T) {
	t.Parallel()
	bothDays(t, func(t *testing.T, e *estate, r *receiver) {
		e.program("CREDIT", 99999901, "")
		e.funded("CREDIT", 1_000_000)
		balance := e.topped(10_000)
		e.want(201, nil, e.as("partner", "POST", "/secure/webhooks", `{"kind":"WEBHOOK","target":"`+r.URL+`"}`))
		card := e.order("partner", balance)
		var p struct {
			TransactionID, ResponseCode string
			Approved                    bool
		}
		pay := fmt.Sprintf(`{"cardId":%d,"amount":2500,"ecommerce":true,"mcc":"5411"}`, card.CardID)
		e.want(200, &p, e.as("partner", "POST", "/sandbox/transactions", pay))
		if !p.Approved || p.ResponseCode != "00" {
			t.Fatalf("played %+v", p)
		}
		e.available(balance, 7_500)
		first := p.TransactionID
		e.want(200, &p, e.as("partner", "POST", "/sandbox/transactions/"+first+"/reversal", `{}`))
		if p.ResponseCode != "00" {
			t.Errorf("reversed %+v", p)
		}
		e.available(balance, 10_000)
		h := r.next(t, "/notifications/transaction", `"status":"REVERSED"`)
		if !strings.Contains(h.body, `"amount":2500`) {
			t.Errorf("told %s", h.body)
		}
		e.want(200, &p, e.as("partner", "POST", "/sandbox/transactions", fmt.Sprintf(`{"cardId":%d,"amount":10001}`, card.CardID)))
		if p.Approved || p.ResponseCode != "51" {
			t.Errorf("too much: %+v", p)
		}
		if h := r.next(t, "/notifications/transaction", `"status":"DECLINED"`); !strings.Contains(h.body, "INSUFFICIENT_FUNDS") {
			t.Errorf("told %s", h.body)
		}
		e.refused(404, "NOT_FOUND", e.as("other", "POST", "/sandbox/transactions", pay))
		e.refused(404, "NOT_FOUND", e.as("other", "POST", "/sandbox/transactions/"+first+"/reversal", `{}`))
		e.want(200, nil, e.as("partner", "POST", "/sandbox/clock", `{"advance":"35064h"}`)) // four years
		if code, _ := e.terminal().pay(card, 100); code != "54" {
			t.Errorf("an old card on the wire: %s", code)
		}
		e.want(200, &p, e.as("partner", "POST", "/sandbox/transactions", pay))
		if p.ResponseCode != "54" {
			t.Errorf("an old card: %+v", p)
		}
		e.refused(400, "VALIDATION_ERROR", e.as("partner", "POST", "/sandbox/clock", `{"advance":"-1h"}`))
	})
}

func (e *estate) available(balance string, want int64) {
	e.t.Helper()
	var b shownBalance
	e.want(200, &b, e.as("partner", "GET", fmt.Sprintf("/secure/customers/%d/balances/%s", e.user, balance), ""))
	if b.Available != want {
		e.t.Errorf("available %d, want %d", b.Available, want)
	}
}

// Goal: a receiver that fails is tried again, sees the same id, and is given nothing twice that it took; what was given up
// can be sent again.
func TestDeliveryIsTriedAgain(t *testing.T) {
	t.Parallel()
	bothDays(t, func(t *testing.T, e *estate, r *receiver) {
		card := e.carded()
		var hook struct{ ID string }
		e.want(201, &hook, e.as("partner", "POST", "/secure/webhooks", `{"kind":"WEBHOOK","target":"`+r.URL+`","events":["card.locked"]}`))
		e.refused(400, "VALIDATION_ERROR", e.as("partner", "POST", "/secure/webhooks", `{"kind":"WEBHOOK","target":"http://example.com"}`))
		r.answer(http.StatusServiceUnavailable)
		one := fmt.Sprintf("/secure/customers/%d/cards/%d", e.user, card.CardID)
		e.want(200, nil, e.as("partner", "POST", one+"/lock", `{"reasonCode":3}`))
		first := r.next(t, "/notifications/card", `"lockReasonCode":3`)
		r.answer(http.StatusOK) // before the first pause is over
		id := first.header.Get("webhook-id")
		e.want(200, nil, e.as("partner", "POST", one+"/lock", `{"reasonCode":3}`))      // is so already: no event
		e.want(200, nil, e.as("partner", "POST", "/sandbox/clock", `{"advance":"1m"}`)) // past the first pause
		eventually(t, 20*time.Second, "the second try", func() error {
			var d struct {
				Deliveries []struct {
					State    string
					Attempts []struct{ Status int }
				}
			}
			e.want(200, &d, e.as("partner", "GET", "/secure/events/"+id, ""))
			if len(d.Deliveries) != 1 || d.Deliveries[0].State != "DELIVERED" || len(d.Deliveries[0].Attempts) != 2 {
				return fmt.Errorf("%+v", d)
			}
			return nil
		})
		for _, h := range r.all("/notifications/card", "") {
			if h.header.Get("webhook-id") != id || h.body != first.body {
				t.Errorf("another id or body: %s", h.body)
			}
		}
		e.refused(404, "NOT_FOUND", e.as("other", "GET", "/secure/events/"+id, ""))
		e.refused(404, "NOT_FOUND", e.as("other", "POST", "/secure/events/"+id+"/resend", `{"endpointId":"`+hook.ID+`"}`))
		e.want(204, nil, e.as("partner", "POST", "/secure/events/"+id+"/resend", `{"endpointId":"`+hook.ID+`"}`))
		eventually(t, 20*time.Second, "the resent one", func() error {
			if n := len(r.all("/notifications/card", "")); n != 3 {
				return fmt.Errorf("%d came", n)
			}
			return nil
		})
	})
}

// Goal: what came while an endpoint was disabled is sent when it asks for what it has missed, and only that.
func TestWhatWasMissedIsReplayed(t *testing.T) {
	t.Parallel()
	bothDays(t, func(t *testing.T, e *estate, r *receiver) {
		card := e.carded()
		var hook struct{ ID string }
		e.want(201, &hook, e.as("partner", "POST", "/secure/webhooks", `{"kind":"WEBHOOK","target":"`+r.URL+`"}`))
		one := fmt.Sprintf("/secure/customers/%d/cards/%d", e.user, card.CardID)
		e.want(200, nil, e.as("partner", "POST", one+"/lock", `{"reasonCode":3}`))
		r.next(t, "/notifications/card", `"lockReasonCode":3`)
		e.want(200, nil, e.as("partner", "PATCH", "/secure/webhooks/"+hook.ID, `{"disabled":true}`))
		e.want(200, nil, e.as("partner", "POST", one+"/unlock", ""))
		var paid struct{ TransactionID string }
		e.want(200, &paid, e.as("partner", "POST", "/sandbox/transactions", fmt.Sprintf(`{"cardId":%d,"amount":2500}`, card.CardID)))
		eventually(t, 20*time.Second, "the payment's event", func() error {
			var all struct{ Items []struct{ Subject string } }
			if e.want(200, &all, e.as("partner", "GET", "/secure/events", "")); all.Items[0].Subject != "transaction "+paid.TransactionID {
				return fmt.Errorf("the newest is of %s", all.Items[0].Subject)
			}
			return nil
		})
		e.want(200, nil, e.as("partner", "PATCH", "/secure/webhooks/"+hook.ID, `{"disabled":false}`))
		e.refused(404, "NOT_FOUND", e.as("other", "POST", "/secure/webhooks/"+hook.ID+"/replay", `{"since":"2026-01-01T00:00:00Z"}`))
		for _, want := range []int64{2, 0} {
			var n struct{ Count int64 }
			if e.want(200, &n, e.as("partner", "POST", "/secure/webhooks/"+hook.ID+"/replay", `{"since":"2026-01-01T00:00:00Z"}`)); n.Count != want {
				t.Errorf("%d are replayed, want %d", n.Count, want)
			}
		}
		r.next(t, "/notifications/transaction", paid.TransactionID)
		r.next(t, "/notifications/card", `"status":"ACTIVE"`)
		first := r.all("/notifications/card", `"lockReasonCode":3`)
		if len(first) != 1 {
			t.Fatalf("what had come came %d times", len(first))
		}
		var late struct{ ID string } // one event of before for an endpoint that was not there
		e.want(201, &late, e.as("partner", "POST", "/secure/webhooks", `{"kind":"WEBHOOK","target":"`+r.URL+`/late"}`))
		again := "/secure/events/" + first[0].header.Get("webhook-id") + "/resend"
		e.refused(404, "NOT_FOUND", e.as("other", "POST", again, `{"endpointId":"`+late.ID+`"}`))
		e.refused(404, "NOT_FOUND", e.as("partner", "POST", again, `{"endpointId":"01a2062e-6628-76a6-86fe-5085770c56fd"}`))
		e.want(204, nil, e.as("partner", "POST", again, `{"endpointId":"`+late.ID+`"}`))
		if h := r.next(t, "/late/notifications/card", `"lockReasonCode":3`); h.body != first[0].body {
			t.Errorf("sent again as %s", h.body)
		}
	})
}
