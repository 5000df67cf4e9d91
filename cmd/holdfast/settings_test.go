package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"testing"
	"time"
)

// Goal: what an operator sets of a program and a partner counts from then on, without a restart: how long a hold lives and a
// card is valid, who undoes a lock from outside, and which key answers are encrypted for.
func TestSettingsCount(t *testing.T) {
	t.Parallel()
	bothDays(t, func(t *testing.T, e *estate, _ *receiver) {
		program := e.program("CREDIT", 99999901, "")
		e.funded("CREDIT", 1_000_000)
		balance := e.topped(10_000)
		long := e.order("partner", balance)
		one := fmt.Sprintf("/admin/programs/%d", program)
		e.refused(400, "VALIDATION_ERROR", e.as("admin", "PATCH", one, `{"holdHours":8761}`))
		e.refused(400, "VALIDATION_ERROR", e.as("admin", "PATCH", one, `{"currency":"USD"}`))
		e.want(200, nil, e.as("admin", "PATCH", one, `{"holdHours":2,"cardMonths":1,"outsideOnly":true}`))
		var shown struct{ FXToUser bool }
		if e.want(200, &shown, e.as("admin", "PATCH", one, `{"fxToUser":true}`)); !shown.FXToUser {
			t.Error("the differences of exchange are not the user's")
		}
		short := e.order("partner", balance)
		if now := time.Now().UTC(); short.ExpiryDate != time.Date(now.Year(), now.Month()+2, 0, 0, 0, 0, 0, time.UTC).Format(time.DateOnly) ||
			long.ExpiryDate[:4] <= short.ExpiryDate[:4] {
			t.Errorf("cards expire on %s and %s", long.ExpiryDate, short.ExpiryDate)
		}
		own := fmt.Sprintf("/secure/customers/%d/cards/%d", e.user, long.CardID)
		anyCard := fmt.Sprintf("/admin/cards/%d", long.CardID)
		e.want(200, nil, e.as("admin", "POST", anyCard+"/lock-outside", `{"reasonCode":7}`))
		e.refused(409, "CARD_LOCK_OUTSIDE", e.as("partner", "POST", own+"/unlock", ""))
		e.refused(409, "CARD_LOCK_OUTSIDE", e.as("user", "POST", fmt.Sprintf("/customers/me/cards/%d/unlock", long.CardID), ""))
		e.want(200, nil, e.as("manager", "POST", anyCard+"/unlock", ""))
		e.want(200, nil, e.as("admin", "PATCH", one, `{"outsideOnly":false}`))
		e.want(200, nil, e.as("admin", "POST", anyCard+"/lock-outside", `{"reasonCode":7}`))
		e.want(200, nil, e.as("partner", "POST", own+"/unlock", ""))

		e.anotherKey(own)
		e.want(200, nil, e.as("partner", "POST", "/sandbox/transactions", fmt.Sprintf(`{"cardId":%d,"amount":2500}`, long.CardID)))
		e.available(balance, 75_00)
		e.want(200, nil, e.as("partner", "POST", "/sandbox/clock", `{"advance":"3h"}`))
		eventually(t, 20*time.Second, "the hold's end", func() error {
			var b shownBalance
			if e.want(200, &b, e.as("partner", "GET", fmt.Sprintf("/secure/customers/%d/balances/%s", e.user, balance), "")); b.Held != 0 {
				return fmt.Errorf("%d is held", b.Held)
			}
			return nil
		})
	})
}

// anotherKey reads a card with a key that is not registered: not before the partner may.
func (e *estate) anotherKey(card string) {
	e.t.Helper()
	key := must(rsa.GenerateKey(rand.Reader, 2048))
	header := base64.StdEncoding.EncodeToString(must(x509.MarshalPKIXPublicKey(&key.PublicKey)))
	read := func() reply {
		return e.as("partner", "GET", card, "", "Encrypted-Request", "true", "Public-Key", header)
	}
	e.refused(400, "INVALID_PUBLIC_KEY", read())
	e.want(200, nil, e.as("admin", "PATCH", fmt.Sprintf("/admin/partners/%d", e.partner), `{"unboundKeys":true}`))
	eventually(e.t, 20*time.Second, "the other key is taken", func() error {
		if r := read(); r.status != 200 {
			return errors.New(r.text)
		}
		return nil
	})
}
