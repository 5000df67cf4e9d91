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
		card := e.carded()
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

// Goal: what an operator changes of a peer counts at once, also on links that are open; the
// configuration comes back when it is reset. What is no code, no BIN or no peer is refused.
func TestPeerIsChanged(t *testing.T) {
	t.Parallel()
	bothDays(t, func(t *testing.T, e *estate, _ *receiver) {
		card := e.carded()
		e.want(200, nil, e.as("partner", "POST", fmt.Sprintf("/secure/customers/%d/cards/%d/lock", e.user, card.CardID), `{"reasonCode":7}`))
		var list struct {
			Items []struct {
				Name                 string
				Changed, FileActions bool
				BINs                 []string
				ActionCodes          []struct{ Reason, ActionCode string }
			}
		}
		e.want(200, &list, e.as("employee", "GET", "/admin/peers", ""))
		was := fmt.Sprint(list.Items)
		one := "/admin/peers/" + list.Items[0].Name
		x := e.terminal()
		answers := func(what, want string) {
			t.Helper()
			if code, _ := x.pay(card, 100); code != want {
				t.Errorf("%s: answered %s, want %s", what, code, want)
			}
		}
		answers("before", "59")
		for _, bad := range []string{`{"bins":["12345x"]}`, `{"bins":["123456789"]}`, `{"actionCodes":[{"reason":"LOCKED_FRAUD","actionCode":"00"}]}`,
			`{"actionCodes":[{"reason":"LOCKED_TWICE","actionCode":"05"}]}`, `{"name":"another"}`} {
			e.refused(400, "VALIDATION_ERROR", e.as("admin", "PATCH", one, bad))
		}
		e.refused(404, "NOT_FOUND", e.as("admin", "PATCH", "/admin/peers/nobody", `{"fileActions":true}`))
		e.refused(404, "NOT_FOUND", e.as("admin", "DELETE", "/admin/peers/nobody", ""))
		e.refused(403, "FORBIDDEN", e.as("manager", "PATCH", one, `{"fileActions":true}`))
		e.want(200, nil, e.as("admin", "PATCH", one, `{"actionCodes":[{"reason":"LOCKED_FRAUD","actionCode":"62"}]}`))
		answers("another code", "62")
		e.want(200, nil, e.as("admin", "PATCH", one, `{"bins":["1"],"fileActions":true}`))
		answers("other BINs", "92")
		e.want(200, &list, e.as("employee", "GET", "/admin/peers", ""))
		if p := list.Items[0]; !p.Changed || !p.FileActions || fmt.Sprint(p.BINs, p.ActionCodes) != "[1] [{LOCKED_FRAUD 62}]" {
			t.Errorf("shown as %+v", p)
		}
		e.want(200, nil, e.as("admin", "PATCH", one, `{"bins":[]}`))
		answers("all BINs", "62")
		e.want(204, nil, e.as("admin", "DELETE", one, ""))
		answers("after", "59")
		e.want(200, &list, e.as("employee", "GET", "/admin/peers", ""))
		if now := fmt.Sprint(list.Items); now != was {
			t.Errorf("reset to %s, want %s", now, was)
		}
	})
}

// pages reads a list by pages of one item.
func (e *estate) pages(who, path string, see func(item map[string]any)) {
	e.t.Helper()
	query := "?limit=1"
	for range 100 {
		var page struct {
			Items []map[string]any
			Next  string
		}
		e.want(200, &page, e.as(who, "GET", path+query, ""))
		if len(page.Items) != 1 {
			e.t.Fatalf("%s%s has %d items", path, query, len(page.Items))
		}
		see(page.Items[0])
		if page.Next == "" {
			return
		}
		query = "?limit=1&cursor=" + page.Next
	}
	e.t.Errorf("%s has no end", path)
}

// Goal: what a peer may do and is answered is set once, whether or not the configuration names it, and counts at once where
// it does; one that only the records have is listed, changed and taken away like the others.
func TestPeerIsMade(t *testing.T) {
	t.Parallel()
	bothDays(t, func(t *testing.T, e *estate, _ *receiver) {
		card := e.carded()
		e.want(200, nil, e.as("partner", "POST", fmt.Sprintf("/secure/customers/%d/cards/%d/lock", e.user, card.CardID), `{"reasonCode":7}`))
		type peer struct {
			Name, Address                    string
			Configured, Changed, FileActions bool
			BINs                             []string
			ActionCodes                      []struct{ Reason, ActionCode string }
		}
		var list struct{ Items []peer }
		e.want(200, &list, e.as("employee", "GET", "/admin/peers", ""))
		named := list.Items[0].Name
		create := func(body string) reply { return e.as("admin", "POST", "/admin/peers", body) }
		for _, bad := range []string{`{"bins":["1"]}`, `{"name":"a b"}`, `{"name":"later","links":1}`, `{"name":"later","bins":["12345x"]}`,
			`{"name":"later","actionCodes":[{"reason":"LOCKED_FRAUD","actionCode":"00"}]}`, `{"name":"later","actionCodes":[{"reason":"LOCKED_TWICE","actionCode":"05"}]}`,
			`{"name":"` + named + `","actionCodes":[{"reason":"LOCKED_FRAUD","actionCode":"00"}]}`} {
			e.refused(400, "VALIDATION_ERROR", create(bad))
		}
		e.refused(403, "FORBIDDEN", e.as("manager", "POST", "/admin/peers", `{"name":"later"}`))
		x := e.terminal()
		answers := func(what, want string) {
			t.Helper()
			if code, _ := x.pay(card, 100); code != want {
				t.Errorf("%s: answered %s, want %s", what, code, want)
			}
		}
		var made peer
		e.want(201, &made, create(`{"name":"`+named+`","actionCodes":[{"reason":"LOCKED_FRAUD","actionCode":"62"}]}`))
		answers("a code", "62")
		if !made.Configured || !made.Changed || made.Address == "" || len(made.ActionCodes) != 1 {
			t.Errorf("made %+v", made)
		}
		e.want(201, &made, create(`{"name":"zz.later","bins":["1"],"fileActions":true,"actionCodes":[{"reason":"LOCKED_FRAUD","actionCode":"1005"}]}`))
		if want := (peer{Name: "zz.later", Changed: true, FileActions: true, BINs: []string{"1"}, ActionCodes: made.ActionCodes}); fmt.Sprint(made) != fmt.Sprint(want) {
			t.Errorf("made %+v, want %+v", made, want)
		}
		for _, name := range []string{named, "zz.later"} {
			e.refused(409, "ALREADY_EXISTS", create(`{"name":"`+name+`"}`))
		}
		got := ""
		e.pages("employee", "/admin/peers", func(item map[string]any) { got += fmt.Sprint(item["name"], item["configured"], " ") })
		if got != named+"true zz.laterfalse " {
			t.Errorf("the pages have %s", got)
		}
		e.want(200, &made, e.as("admin", "PATCH", "/admin/peers/zz.later", `{"bins":[]}`))
		if !made.FileActions || len(made.BINs) != 0 || len(made.ActionCodes) != 1 {
			t.Errorf("changed to %+v", made)
		}
		e.refused(400, "VALIDATION_ERROR", e.as("admin", "PATCH", "/admin/peers/zz.later", `{"actionCodes":[{"reason":"APPROVED","actionCode":"05"}]}`))
		for _, name := range []string{named, "zz.later"} {
			e.want(204, nil, e.as("admin", "DELETE", "/admin/peers/"+name, ""))
		}
		answers("the table's code again", "59")
		e.refused(404, "NOT_FOUND", e.as("admin", "DELETE", "/admin/peers/zz.later", ""))
		e.refused(404, "NOT_FOUND", e.as("admin", "PATCH", "/admin/peers/zz.later", `{"bins":[]}`))
		e.counts("admin", "/admin/audit", map[string]int{"action=peer.create": 2, "action=peer.reset": 2})
		e.sound()
	})
}
