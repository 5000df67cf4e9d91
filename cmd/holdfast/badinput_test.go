package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"holdfast/authz/record"
	"holdfast/mgmt"
	"holdfast/store/records"
)

// The marks are in everything bad that is sent. No answer and no line of the log may have one.
const (
	markText   = "Zq7Mark"
	markNumber = "73317331733" // too long for a part of a random id, of which there are many, and too short for a card's number
)

// badRequest is one request that must be refused. what tells of it, in our words.
type badRequest struct {
	what, path, body string
	headers          []string
	statuses         []int
}

// mutationsMin is how many bad requests each route gets at least.
const mutationsMin = 60

// Goal: bad input of every kind, to every route, gets the right 4xx, names no value, and changes nothing. Method: a sound
// request is made from what the document says of the route, and broken in every way that its parts allow.
func TestBadInputToEveryRoute(t *testing.T) {
	t.Parallel()
	e := openEstate(t, nil, func(cfg *config) { cfg.Management.Sandbox = true })
	before := e.digest()
	total := 0
	for _, r := range e.node.management.door.Rows() {
		n := 0
		for _, bad := range e.badRequests(&r) {
			n++
			e.mustRefuse(&r, bad)
		}
		if n < mutationsMin {
			t.Errorf("%s %s: %d bad requests, want %d", r.Method, r.Path, n, mutationsMin)
		}
		total += n
	}
	t.Logf("%d bad requests", total)
	after := e.digest()
	for table, was := range before {
		if after[table] != was {
			t.Errorf("%s was %s, is %s", table, was, after[table])
		}
	}
	for _, mark := range []string{markText, markNumber, "goroutine "} {
		if strings.Contains(e.log.String(), mark) {
			t.Errorf("the log has %q", mark)
		}
	}
}

// Goal: a cursor of another list is refused, in both modes: it is well formed, and means nothing here.
func TestCursorsOfOtherLists(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, e *estate) {
		const uuid, number = "01a2062e-6628-76a6-86fe-5085770c56fd", "5"
		for path, cursor := range map[string]string{"/lifecycle/v1/users": uuid, "/secure/partner/balances": uuid, "/secure/events": number,
			"/secure/transactions": number, "/admin/partners": uuid, "/admin/programs": uuid, "/admin/operators": number, "/admin/kyc": number,
			"/admin/approvals": number, "/admin/audit": uuid, "/admin/peers": uuid, "/admin/fx-rates": uuid, fmt.Sprintf("/secure/customers/%d/balances", e.user): uuid,
			fmt.Sprintf("/secure/customers/%d/cards", e.user): uuid, fmt.Sprintf("/admin/partners/%d/certificates", e.partner): number} {
			who := "admin"
			if mutualPath(path) {
				who = "partner"
			}
			r := e.as(who, "GET", path+"?cursor="+cursor, "")
			if r.status != 400 || r.code() != "VALIDATION_ERROR" {
				t.Errorf("%s: %d %s", path, r.status, r.text)
			}
		}
	})
}

// caller is someone whom a channel lets in, with every right.
func caller(c mgmt.Channel) string {
	return map[mgmt.Channel]string{mgmt.Customers: "user", mgmt.Admin: "admin", mgmt.Open: ""}[c]
}

func (e *estate) mustRefuse(r *mgmt.Route, bad badRequest) {
	e.t.Helper()
	who := caller(r.Channel)
	if mutualPath(r.Path) {
		who = "partner"
	}
	where := r.Method + " " + r.Path + ", " + bad.what
	var got reply
	if r.JWE && bad.headers == nil {
		got = e.secret(who, r.Method, bad.path, bad.body)
	} else {
		got = e.as(who, r.Method, bad.path, bad.body, bad.headers...)
	}
	if !slices.Contains(bad.statuses, got.status) {
		e.t.Errorf("%s: status %d, want %v: %.200s", where, got.status, bad.statuses, got.text)
	}
	if strings.Contains(got.text, markText) || strings.Contains(got.text, markNumber) || strings.Contains(got.text, ".go:") {
		e.t.Errorf("%s: the answer has what was sent, or a stack: %.300s", where, got.text)
	}
}

// badRequests breaks what a route takes: parameters, body, headers.
func (e *estate) badRequests(r *mgmt.Route) []badRequest {
	op := e.doc.Paths.Find(r.Path).GetOperation(r.Method)
	path, body, form := e.soundPath(r, op), "", (*openapi3.Schema)(nil)
	raw := ""
	if op.RequestBody != nil {
		for _, kind := range slices.Sorted(maps.Keys(op.RequestBody.Value.Content)) {
			if form = e.bodyForm(r, kind); form == nil {
				raw = kind
			}
		}
	}
	if form != nil {
		body = string(mustJSON(soundValue(form)))
	}
	bad := e.badQueries(r, op, path, body, raw)
	bad = append(bad, e.badPaths(r, body, raw)...)
	switch {
	case form != nil:
		bad = append(bad, badBodies(path, form)...)
		bad = append(bad, badTypes(path, body)...)
	case raw == "":
		for i := range 20 {
			bad = append(bad, badRequest{what: "a body where none is", path: path, body: strings.Repeat("{", i%5) + markText + fmt.Sprint(i),
				statuses: []int{400}})
		}
	default:
		bad = append(bad, badTypes(path, body)...)
	}
	return bad
}

// soundPath puts ids into a path that have the right form.
func (e *estate) soundPath(r *mgmt.Route, op *openapi3.Operation) string {
	path := r.Path
	for _, p := range op.Parameters {
		if p.Value.In == "path" {
			path = strings.Replace(path, "{"+p.Value.Name+"}", fmt.Sprint(soundValue(p.Value.Schema.Value)), 1)
		}
	}
	return path
}

// bodyForm is the schema of a JSON body, nil of another; an encrypted route's is what is inside.
func (e *estate) bodyForm(r *mgmt.Route, kind string) *openapi3.Schema {
	if kind != "application/json" {
		return nil
	}
	at := any(e.raw)
	for _, step := range []string{"paths", r.Path, strings.ToLower(r.Method), "requestBody", "content", kind, "schema", "description"} {
		next, _ := at.(map[string]any)
		at = next[step]
	}
	if inside, ok := at.(string); ok {
		s := e.doc.Components.Schemas[strings.TrimPrefix(inside, "Inside: ")]
		if s == nil {
			e.t.Fatalf("%s %s: the document does not say what is inside", r.Method, r.Path)
		}
		return s.Value
	}
	return e.doc.Paths.Find(r.Path).GetOperation(r.Method).RequestBody.Value.Content[kind].Schema.Value
}

// soundValue is a value that a schema allows.
func soundValue(s *openapi3.Schema) any {
	switch {
	case s.Type.Is("object"):
		v := map[string]any{}
		for name, p := range s.Properties {
			v[name] = soundValue(p.Value)
		}
		return v
	case s.Type.Is("array"):
		return slices.Repeat([]any{soundValue(s.Items.Value)}, max(1, int(s.MinItems)))
	case s.Type.Is("boolean"):
		return true
	case s.Type.Is("integer"):
		if s.Min != nil {
			return int64(*s.Min)
		}
		return int64(1)
	case len(s.Enum) > 0:
		return s.Enum[0]
	case s.Format == "uuid":
		return "01a2062e-6628-76a6-86fe-5085770c56fd"
	case s.Format == "date-time":
		return "2026-01-02T03:04:05Z"
	}
	for _, text := range []string{"text", "EUR", "2026-01-02", "+48123456789", "ann@example.com", "https://example.com", "246813"} {
		text += strings.Repeat("A", max(0, int(s.MinLength)-len(text)))
		if s.VisitJSON(text) == nil {
			return text
		}
	}
	return "text"
}

// badQueries are unknown, repeated and malformed parameters, and broken headers of the API's own.
func (e *estate) badQueries(r *mgmt.Route, op *openapi3.Operation, path, body, raw string) []badRequest {
	var bad []badRequest
	headers := []string(nil)
	if raw != "" {
		headers, body = []string{"Content-Type", raw}, markText
	}
	add := func(what, query string) {
		bad = append(bad, badRequest{what, path + "?" + query, body, headers, []int{400}})
	}
	add("a broken escape", "a=%zz"+markText)
	add("a semicolon", "a=1;b="+markText)
	for _, name := range []string{markText, "limit[]", "Limit", "LIMIT", "cursor%00", "__proto__", "id", "partner", "partner_id", "user", "admin",
		"pan", "fields", "sort", "offset", "page", "debug", "token", "callback", "_method", "format", "c%20", "..", "%27", "a.b", "customerId2", "tenant", "q", "filter", "where", "select", "expand", "include", "role", "roles",
		"scope", "key", "X-Idempotency-Key", "Authorization", "card%5B%5D", "page%5Bsize%5D", "%F0%9F%92%A9", "null"} {
		add("an unknown parameter", name+"="+markText)
	}
	for _, p := range op.Parameters {
		if p.Value.In != "query" {
			continue
		}
		good := fmt.Sprint(soundValue(p.Value.Schema.Value))
		add("a parameter twice", p.Value.Name+"="+good+"&"+p.Value.Name+"="+good)
		for what, v := range badTexts(p.Value.Schema.Value) {
			add(p.Value.Name+": "+what, p.Value.Name+"="+v)
		}
	}
	if r.Method == http.MethodPost && r.Channel != mgmt.Open && raw == "" && !r.JWE {
		for _, key := range []string{"short", strings.Repeat("a", 65), markText + " with spaces", markText + "=====", "ключключ"} {
			bad = append(bad, badRequest{"a bad idempotency key", path, body, []string{"X-Idempotency-Key", key}, []int{400}})
		}
	}
	return bad
}

// badTexts are values of a parameter that its schema does not allow, escaped.
func badTexts(s *openapi3.Schema) map[string]string {
	bad := map[string]string{"a control": markText + "%07", "too long": strings.Repeat(markText, 60), "broken UTF-8": markText + "%ff%fe",
		"turns the reading": markText + "%E2%80%AE"}
	if s.Type.Is("integer") {
		for what, v := range map[string]string{"a word": markText, "a fraction": "1." + markNumber, "huge": strings.Repeat(markNumber, 4),
			"negative": "-" + markNumber, "hexadecimal": "0x" + markNumber, "with a plus": "%2B1", "with a zero before": "0" + markNumber,
			"with a space": "%201", "an exponent": "1e9", "empty": ""} {
			bad[what] = v
		}
	}
	if len(s.Enum) > 0 || s.Pattern != "" || s.Format != "" {
		bad["of another form"] = "%20" + markText + "%20"
	}
	return bad
}

// badPaths are ids that cannot be, which are as absent as those that are not.
func (e *estate) badPaths(r *mgmt.Route, body, raw string) []badRequest {
	if !strings.Contains(r.Path, "{") {
		return nil
	}
	headers := []string(nil)
	if raw != "" {
		headers, body = []string{"Content-Type", raw}, "x"
	}
	var bad []badRequest
	for _, id := range []string{"0", "-1", "-" + markNumber, "1.5", "1e3", "0x10", "01", "+1", "%201", "1%20", "abc", markText, markText + "%00",
		strings.Repeat("9", 19), strings.Repeat("9", 40), strings.Repeat(markNumber, 30), "null", "undefined", "NaN", "true", "%7B%7D", "*", "'",
		"1;drop", "1'--", "%F0%9F%92%A9", "00000000-0000-0000-0000-00000000000G", "01A2062E-6628-76A6-86FE-5085770C56FD",
		"%7B01a2062e-6628-76a6-86fe-5085770c56fd%7D", "01a2062e662876a686fe5085770c56fd", "..%2f..%2fetc", "%2e%2e", "١"} {
		path := parameter.ReplaceAllString(r.Path, id)
		if e.route(r.Method, path) == nil {
			continue
		}
		bad = append(bad, badRequest{"a path that cannot be", path, body, headers, []int{404}})
	}
	return bad
}

// badTypes are content types that a route does not take.
func badTypes(path, body string) []badRequest {
	var bad []badRequest
	for _, kind := range []string{"text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
		"application/json; charset=utf-16", "application/jsonp", "application/problem+json", markText, "application/json, text/csv", "*/*",
		"application/octet-stream", "text/html", "application/json; charset=" + markText, "image/svg+xml", "application/json;;"} {
		bad = append(bad, badRequest{"another content type", path, body + " ", []string{"Content-Type", kind}, []int{415, 400}})
	}
	return bad
}

// badBodies break a JSON body as a whole and each of its fields.
func badBodies(path string, form *openapi3.Schema) []badRequest {
	var bad []badRequest
	add := func(what, body string, statuses ...int) {
		bad = append(bad, badRequest{what: what, path: path, body: body, statuses: append(statuses, 400)})
	}
	sound := soundValue(form)
	text := string(mustJSON(sound))
	for _, broken := range []string{" ", "null", "[]", "true", "1", `"` + markText + `"`, "{", "}", "{}}", text + text, text + "x", text + "[]", "[" + text + "]",
		text[:len(text)-1], "\ufeff" + text, "{" + strings.Repeat(`"a":{`, 40) + strings.Repeat("}", 41), strings.Repeat("[", 100_0), "\xff\xfe",
		`{"` + markText + "\x01\":1}", "{'a':1}", "{a:1}", "NaN", "// " + text, text + "//"} {
		add("a broken whole", broken)
	}
	add("too large", `{"a":"`+strings.Repeat(markText, 15_000)+`"}`, 413)
	fields, _ := sound.(map[string]any)
	with := func(name string, v any) string {
		all := maps.Clone(fields)
		all[name] = v
		return string(mustJSON(all))
	}
	for _, name := range []string{markText, "__proto__", "constructor", "id", "partnerId2", "role2", "", " ", "a\u0000b", "$ref"} {
		add("an unknown field", with(name, markText))
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		add(name+" twice", strings.Replace(text, "{", "{"+string(mustJSON(name))+":"+string(mustJSON(fields[name]))+",", 1))
		add(name+" in capitals", strings.Replace(text, `"`+name+`"`, `"`+strings.ToUpper(name)+`"`, 1))
		property := form.Properties[name].Value
		if slices.Contains(form.Required, name) {
			without := maps.Clone(fields)
			delete(without, name)
			add(name+" left out", string(mustJSON(without)))
		}
		for i, v := range badValues(property) {
			add(fmt.Sprintf("%s: bad value %d", name, i), strings.Replace(with(name, "@@"), `"@@"`, v, 1))
		}
	}
	return bad
}

// badValues are JSON texts that a property does not allow.
func badValues(s *openapi3.Schema) []string {
	long := string(mustJSON(strings.Repeat(markText, 2500)))
	all := []string{"null", "{}", `{"` + markText + `":1}`, "[[]]", "1.5", "1e400", strings.Repeat("9", 30), "-0.1", `"a\u0000` + markText + `"`,
		`"` + markText + `\u202e"`, `"\ud800` + markText + `"`, long}
	if !s.Type.Is("boolean") {
		all = append(all, "true", "false")
	}
	if !s.Type.Is("integer") {
		all = append(all, markNumber, "-1", "0")
	}
	if !s.Type.Is("array") {
		all = append(all, "[]", "[1]", `["`+markText+`"]`)
	}
	if !s.Type.Is("string") {
		all = append(all, `"`+markText+`"`, `"1"`, `""`)
	} else if len(s.Enum) > 0 || s.Pattern != "" || s.Format != "" {
		all = append(all, `" `+markText+` "`, `"\n"`)
	}
	if s.Type.Is("integer") && s.Min != nil {
		all = append(all, fmt.Sprint(int64(*s.Min)-1))
	}
	return all
}

// digest is what each table of the books holds that a refused request must not change.
func (e *estate) digest() map[string]string {
	e.t.Helper()
	digest := map[string]string{}
	for _, table := range []string{"partners", "programs", "users", "balances", "cards", "postings", "movements", "kyc_cases", "kyc_documents",
		"thresholds", "approvals", "operators", "endpoints", "events", "orders", "certificates", "devices", "limits", "card_requests", "peers", "rates"} {
		if err := e.node.store.View(e.t.Context(), func(q records.Querier) error {
			digest[table] = ""
			return q.Query(e.t.Context(), func(r records.Row) error { digest[table] = fmt.Sprint(r.Int(0)); return nil }, "SELECT count(*) FROM "+table)
		}); err != nil {
			e.t.Fatal(err)
		}
	}
	var users []record.User
	e.do(func(ctx context.Context, tx *records.Tx) error {
		l, err := tx.Users(ctx, record.UserFilter{}, record.Page{})
		users = l.Items
		return err
	})
	text, err := json.Marshal(users)
	if err != nil {
		e.t.Fatal(err)
	}
	digest["the users themselves"] = string(text)
	return digest
}
