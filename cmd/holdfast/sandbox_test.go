package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/authz/record"
	"holdfast/mgmt/sandbox"
	"holdfast/switch/iso"
)

// Goal: the sandbox plays whole lives with the messages of a network: reversals of all and of a part, of what was asked for
// and of what was told, clearings, refunds, and time, which ends what nobody cleared.
func TestSandboxPlaysLives(t *testing.T) {
	t.Parallel()
	bothDays(t, func(t *testing.T, e *estate, _ *receiver) {
		e.program("CREDIT", 99999901, "")
		e.funded("CREDIT", 1_000_000)
		balance := e.topped(100_00)
		card := e.order("partner", balance)
		play := func(path, body string) string {
			t.Helper()
			var p struct {
				TransactionID string
				Approved      bool
			}
			e.want(200, &p, e.as("partner", "POST", "/sandbox/transactions"+path, body))
			if !p.Approved {
				t.Errorf("%s %s is refused", path, body)
			}
			return p.TransactionID
		}
		pay := func(body string) string {
			t.Helper()
			return play("", fmt.Sprintf(`{"cardId":%d,%s}`, card.CardID, body))
		}
		bought := pay(`"amount":2500`)
		e.available(balance, 75_00)
		play("/"+bought+"/reversal", `{"amount":1000}`) // ten stay
		e.available(balance, 90_00)
		play("/"+bought+"/clearing", `{"amount":1000}`)
		e.available(balance, 90_00)
		play("/"+bought+"/refund", `{"amount":400}`)
		e.available(balance, 94_00)
		told := pay(`"amount":2000,"advice":true`)
		e.available(balance, 74_00)
		for range 2 { // the second finds nothing to undo
			play("/"+told+"/reversal", `{}`)
			e.available(balance, 94_00)
		}
		cleared := pay(`"amount":1400`)
		play("/"+cleared+"/clearing", `{}`)
		e.available(balance, 80_00)
		play("/"+cleared+"/refund", `{}`)
		e.available(balance, 94_00)
		pay(`"amount":3000`)
		e.available(balance, 64_00)
		e.want(200, nil, e.as("partner", "POST", "/sandbox/clock", `{"advance":"192h"}`))
		eventually(t, 20*time.Second, "the hold's end", func() error {
			var b shownBalance
			e.want(200, &b, e.as("partner", "GET", fmt.Sprintf("/secure/customers/%d/balances/%s", e.user, balance), ""))
			if b.Available != 94_00 {
				return fmt.Errorf("available %d", b.Available)
			}
			return nil
		})
		e.verifies()
	})
}

// Goal: what follows a message names it in DE 90 as a network does: its type and number, and zeros for what matches all.
func TestSandboxNamesOriginals(t *testing.T) {
	t.Parallel()
	n := &network{}
	var err error
	if n.dialect, err = iso.Builtin(sandboxDialect); err != nil {
		t.Fatal(err)
	}
	euro, err := money.ByAlpha("EUR")
	if err != nil {
		t.Fatal(err)
	}
	for kind, mti := range map[authz.Kind]string{authz.Authorization: "0100", authz.AuthorizationAdvice: "0120", authz.Financial: "0200",
		authz.FinancialAdvice: "0220"} {
		o := record.Explanation{STAN: "42"}
		o.Kind = kind
		m := sandbox.Message{MTI: "0400", Class: authz.Purchase, Amount: money.Amount{Minor: 10_00, Currency: euro}, Original: &o,
			Stays: &money.Amount{Minor: 4_00, Currency: euro}, At: time.Now()}
		m.Card.Number, m.Card.Expiry = panOf("4111111111111111"), loadExpiry
		raw, err := n.write(&m)
		if err != nil {
			t.Fatal(err)
		}
		sent, err := n.dialect.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		if want := mti + "000042" + strings.Repeat("0", 32); sent.MTI() != "0400" || sent.Get(90) != want || sent.Get(95)[:12] != "000000000400" {
			t.Errorf("%v: %s with %q and %q, want 0400 with %q", kind, sent.MTI(), sent.Get(90), sent.Get(95), want)
		}
	}
}
