package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"holdfast/authz"
	"holdfast/mgmt/webhooks"
	"holdfast/store/records"
)

// Goal: a partner hears of what the switch and the networks do: a lock from outside and its end, and a hold whose time is
// over, each once, the last with a reference to what was authorized.
func TestToldOfWhatNobodyAskedFor(t *testing.T) {
	t.Parallel()
	bothDays(t, func(t *testing.T, e *estate, r *receiver) {
		card := e.carded()
		e.want(201, nil, e.as("partner", "POST", "/secure/webhooks", `{"kind":"WEBHOOK","target":"`+r.URL+`"}`))
		for _, lock := range []authz.LockReason{authz.LockFraud, authz.LockNone} {
			e.outside(card.CardID, lock)
		}
		locked := r.next(t, "/notifications/card", `"status":"LOCKED","lockReasonCode":7,"lockSource":"OUTSIDE"`)
		r.next(t, "/notifications/card", `"status":"ACTIVE","timestamp"`)
		if n := len(r.all("/notifications/card", "")); n != 2 || locked.header.Get("webhook-id") == "" {
			t.Errorf("%d events of the card, want 2", n)
		}

		var paid, promised struct{ TransactionID string }
		pay := func(into any, more string) {
			e.want(200, into, e.as("partner", "POST", "/sandbox/transactions", fmt.Sprintf(`{"cardId":%d,"amount":2500%s}`, card.CardID, more)))
		}
		pay(&paid, "")
		pay(&promised, `,"type":"REFUND"`)
		r.next(t, "/notifications/transaction", paid.TransactionID)
		e.want(200, nil, e.as("partner", "POST", "/sandbox/clock", `{"advance":"192h"}`))
		ended := r.next(t, "/notifications/transaction", `"status":"REVERSED"`)
		for _, part := range []string{`"status":"SUCCESS"`, `"description":"EXPIRED"`, `"amount":2500`, `"category":"DEBIT"`,
			`"referenceExternalTransactionId":"`} {
			if !strings.Contains(ended.body, part) {
				t.Errorf("no %s in %s", part, ended.body)
			}
		}
		var x struct{ Status string }
		e.want(200, &x, e.as("partner", "GET", "/secure/transactions/"+paid.TransactionID, ""))
		if x.Status != "EXPIRED" {
			t.Errorf("a hold whose time is over: %+v", x)
		}
		var list struct{ Items []struct{ ID, Status string } }
		e.want(200, &list, e.as("partner", "GET", "/secure/transactions", ""))
		if len(list.Items) != 2 || list.Items[0].ID != promised.TransactionID || list.Items[0].Status != "AUTHORIZED" {
			t.Errorf("listed %+v, want the refund that is promised and the purchase", list.Items)
		}
		if n := len(r.all("/notifications/transaction", `"status":"REVERSED"`)); n != 1 {
			t.Errorf("%d ends are told of, want 1", n)
		}
	})
}

// outside has a network lock a card, or lift its lock.
func (e *estate) outside(id int64, lock authz.LockReason) {
	e.t.Helper()
	ctx := context.Background()
	if err := e.node.store.Update(ctx, func(q records.Querier) error {
		var tag authz.Tag
		if err := q.Query(ctx, func(r records.Row) error { copy(tag[:], r.Bytes(0)); return nil },
			"SELECT tag FROM cards WHERE id = $1", id); err != nil {
			return err
		}
		d, err := records.LockOutside(ctx, q, records.FileAction{Peer: "network", MTI: "0304", STAN: "000001", Tags: []authz.Tag{tag},
			BIN: "999999", Last4: "0001", Wanted: lock, At: e.node.clock.Now()})
		if err == nil && d.Outcome != authz.LockChanged {
			err = fmt.Errorf("a lock from outside: %s", d.Outcome)
		}
		return err
	}); err != nil {
		e.t.Fatal(err)
	}
}

// Goal: while a secret is changed, messages are signed with both, the new one first; then with the new one alone.
func TestSecretOfWebhookRotates(t *testing.T) {
	t.Parallel()
	bothDays(t, func(t *testing.T, e *estate, r *receiver) {
		card := e.carded()
		var hook, rotated struct{ ID, Secret, OldSecretUntil string }
		e.want(201, &hook, e.as("partner", "POST", "/secure/webhooks", `{"kind":"WEBHOOK","target":"`+r.URL+`"}`))
		e.refused(404, "NOT_FOUND", e.as("other", "POST", "/secure/webhooks/"+hook.ID+"/secret", `{}`))
		e.refused(400, "VALIDATION_ERROR", e.as("partner", "POST", "/secure/webhooks/"+hook.ID+"/secret", `{"overlapHours":169}`))
		e.want(200, &rotated, e.as("partner", "POST", "/secure/webhooks/"+hook.ID+"/secret", `{}`))
		if rotated.Secret == hook.Secret || rotated.OldSecretUntil == "" {
			t.Errorf("rotated to %+v", rotated)
		}
		if list := e.want(200, nil, e.as("partner", "GET", "/secure/webhooks", "")); strings.Contains(list.text, "whsec_") ||
			!strings.Contains(list.text, "oldSecretUntil") {
			t.Error("the list has a secret, or does not say that there are two")
		}
		lock := func(reason int, secrets ...string) {
			e.want(200, nil, e.as("partner", "POST", fmt.Sprintf("/secure/customers/%d/cards/%d/lock", e.user, card.CardID),
				fmt.Sprintf(`{"reasonCode":%d}`, reason)))
			h := r.next(t, "/notifications/card", fmt.Sprintf(`"lockReasonCode":%d`, reason))
			var want []string
			for _, s := range secrets {
				key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, "whsec_"))
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, webhooks.Signature(key, h.header.Get("webhook-id"), h.header.Get("webhook-timestamp"), []byte(h.body)))
			}
			if got := h.header.Get("webhook-signature"); got != strings.Join(want, " ") {
				t.Errorf("signed %d times, want %d times, each by its secret", strings.Count(got, "v1,"), len(want))
			}
		}
		lock(3, rotated.Secret, hook.Secret)
		e.want(200, nil, e.as("partner", "POST", "/sandbox/clock", `{"advance":"24h"}`))
		lock(4, rotated.Secret)
	})
}
