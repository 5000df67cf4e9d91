package main

import (
	"fmt"
	"testing"
	"time"
)

// Goal: a program's action codes, its lock mapping among them, are what the network is answered, as soon as the API has
// answered, and the table's again when they are taken away; codes that would say the opposite are refused.
func TestActionCodesOfProgramReachTheNetwork(t *testing.T) {
	t.Parallel()
	bothDays(t, func(t *testing.T, e *estate, _ *receiver) {
		e.program("CREDIT", 99999901, "")
		e.funded("CREDIT", 1_000_000)
		card := e.order("partner", e.topped(10_000))
		var list struct {
			Items []struct {
				ProgramID   int64
				ActionCodes []struct{ Reason, ActionCode string }
			}
		}
		e.want(200, &list, e.as("admin", "GET", fmt.Sprintf("/admin/programs?partnerId=%d", e.partner), ""))
		one := fmt.Sprintf("/admin/programs/%d", list.Items[0].ProgramID)
		e.want(200, nil, e.as("partner", "POST", fmt.Sprintf("/secure/customers/%d/cards/%d/lock", e.user, card.CardID), `{"reasonCode":7}`))
		x := e.terminal()
		answers := func(want string) {
			t.Helper()
			eventually(t, 20*time.Second, "the code", func() error {
				var played struct{ ResponseCode string }
				e.want(200, &played, e.as("partner", "POST", "/sandbox/transactions", fmt.Sprintf(`{"cardId":%d,"amount":100}`, card.CardID)))
				if code, _ := x.pay(card, 100); code != want || played.ResponseCode != want {
					return fmt.Errorf("the network is answered %s, the sandbox %s, want %s", code, played.ResponseCode, want)
				}
				return nil
			})
		}
		answers("59")
		for _, lies := range []string{`{"reason":"LOCKED_FRAUD","actionCode":"00"}`, `{"reason":"APPROVED","actionCode":"05"}`,
			`{"reason":"LOCKED_TWICE","actionCode":"05"}`, `{"reason":"LOCKED_FRAUD","actionCode":"000"}`,
			`{"reason":"LOCKED_FRAUD","actionCode":"62"},{"reason":"LOCKED_FRAUD","actionCode":"63"}`} {
			e.refused(400, "VALIDATION_ERROR", e.as("admin", "PATCH", one, `{"actionCodes":[`+lies+`]}`))
		}
		e.want(200, nil, e.as("admin", "PATCH", one,
			`{"actionCodes":[{"reason":"LOCKED_FRAUD","actionCode":"62"},{"reason":"LOCKED_FRAUD","actionCode":"1005"}]}`))
		answers("62")
		e.want(200, &list.Items[0], e.as("employee", "GET", one, ""))
		if got := fmt.Sprint(list.Items[0].ActionCodes); got != "[{LOCKED_FRAUD 62} {LOCKED_FRAUD 1005}]" {
			t.Errorf("shown as %s", got)
		}
		e.want(200, nil, e.as("admin", "PATCH", one, `{"actionCodes":[]}`))
		answers("59")
	})
}
