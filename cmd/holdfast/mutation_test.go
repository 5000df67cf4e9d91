package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"holdfast/mgmt"
	"holdfast/mgmt/problem"
	"holdfast/store/records"
)

// marker is planted in what is sent, and must never come back. It passes Luhn, as a card number in the wrong place does.
const marker = "4111111111111111"

// sample is a request that is sound in its form, and who may send it.
type sample struct {
	As   string
	Body map[string]any
}

// mutation is one way to break a sound request.
type mutation struct {
	name, body string
	headers    []string
}

func text(v any) string { return string(mustJSON(v)) }

// with is the body with one field replaced by a text that stands for a value.
func with(body map[string]any, name, value string) string {
	var members []string
	for _, key := range slices.Sorted(maps.Keys(body)) {
		if key == name {
			members = append(members, text(key)+":"+value)
		} else {
			members = append(members, text(key)+":"+text(body[key]))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

// wrongValues never fit where a value of the kind of v stands.
func wrongValues(v any) []string {
	all := []string{"null", "[]", "{}", `["` + marker + `"]`, `{"` + marker + `":1}`, "1.5", "1e999", "-1e3", marker + marker + marker,
		"NaN", "Infinity", "0x5", "+5", ".5", "05", "undefined", "'x'", `"x`}
	switch v.(type) {
	case string:
		return append(all, "true", "5", marker, `"a\u0000`+marker+`"`, `"a\n`+marker+`"`, `"a\u001b[31m`+marker+`"`, `"a\u202e`+marker+`"`,
			`"\ud800`+marker+`"`, `"`+strings.Repeat("x", 20000)+`"`, `"\u007f`+marker+`"`)
	case bool:
		return append(all, "0", "1", `"true"`, `"`+marker+`"`)
	}
	return append(all, "true", `"5"`, `"`+marker+`"`, "-99999999999999999999999", "9007199254740993", "5.0")
}

func mutations(body map[string]any, required []string) []mutation {
	sound := text(body)
	all := []mutation{
		{"empty", "", nil}, {"null", "null", nil}, {"list", "[" + sound + "]", nil}, {"text", text(sound), nil}, {"number", marker, nil},
		{"twice", sound + sound, nil}, {"trailing", sound + marker, nil}, {"cut", sound[:len(sound)-1], nil}, {"comma", sound[:len(sound)-1] + ",}", nil},
		{"comment", "/* " + marker + " */" + sound, nil}, {"single quotes", strings.ReplaceAll(sound, `"`, "'"), nil},
		{"byte order mark", "\ufeff" + sound, nil}, {"broken UTF-8", strings.Replace(sound, ":", ":\"\xff\xfe\",", 1), nil}, {"zero byte", sound + "\x00", nil},
		{"deep", strings.Repeat("[", 10000) + strings.Repeat("]", 10000), nil}, {"large", sound[:len(sound)-1] + strings.Repeat(" ", 70000) + "}", nil},
		{"unknown field", sound[:len(sound)-1] + `,"` + marker + `":"` + marker + `"}`, nil}, {"proto", sound[:len(sound)-1] + `,"__proto__":{"` + marker + `":1}}`, nil},
		{"no content type", sound, []string{"Content-Type", ""}}, {"a form", sound, []string{"Content-Type", "application/x-www-form-urlencoded"}},
		{"text/plain", sound, []string{"Content-Type", "text/plain"}}, {"XML", "<a>" + marker + "</a>", []string{"Content-Type", "application/xml"}},
		{"other charset", sound, []string{"Content-Type", "application/json; charset=utf-16"}}, {"problem as type", sound, []string{"Content-Type", "application/problem+json"}},
		{"multipart", sound, []string{"Content-Type", "multipart/form-data; boundary=x"}},
		{"bad idempotency key", sound, []string{"X-Idempotency-Key", marker + " "}}, {"short idempotency key", sound, []string{"X-Idempotency-Key", "x"}},
		{"long idempotency key", sound, []string{"X-Idempotency-Key", strings.Repeat(marker, 10)}},
	}
	for _, name := range slices.Sorted(maps.Keys(body)) {
		for i, wrong := range wrongValues(body[name]) {
			all = append(all, mutation{fmt.Sprintf("%s, wrong value %d", name, i), with(body, name, wrong), nil})
		}
		member := text(name) + ":" + text(body[name])
		all = append(all, mutation{name + " repeated", sound[:len(sound)-1] + "," + member + "}", nil},
			mutation{name + " in capitals", strings.Replace(sound, text(name), text(strings.ToUpper(name)), 1), nil},
			mutation{name + " with a space", strings.Replace(sound, text(name), text(name+" "), 1), nil})
		if slices.Contains(required, name) {
			less := maps.Clone(body)
			delete(less, name)
			all = append(all, mutation{name + " left out", text(less), nil})
		}
	}
	return all
}

// Goal: whatever is wrong with a request, the refusal is a 4xx that is in the document, tells no value and no stack, and
// nothing is changed. Method: each route that takes JSON, its sound sample, and all ways to break it.
func TestMutatedRequestsAreRefused(t *testing.T) {
	t.Parallel()
	c := gather(t)
	content, err := os.ReadFile("testdata/sound.json")
	if err != nil {
		t.Fatal(err)
	}
	samples := map[string]sample{}
	if err := json.Unmarshal(content, &samples); err != nil {
		t.Fatal(err)
	}
	for _, r := range c.door.Rows() {
		op := c.document.Paths.Find(r.Path).GetOperation(r.Method)
		if op.RequestBody == nil || op.RequestBody.Value.Content["application/json"] == nil || r.JWE {
			continue
		}
		s, ok := samples[r.Method+" "+r.Path]
		if !ok {
			continue // TestBadInputToEveryRoute makes samples from the document
		}
		delete(samples, r.Method+" "+r.Path)
		before, tried := c.state(), 0
		token := ""
		if s.As != "nobody" {
			token = c.session(s.As)
		}
		for _, m := range mutations(s.Body, op.RequestBody.Value.Content["application/json"].Schema.Value.Required) {
			if r.Method != "POST" && len(m.headers) > 0 && m.headers[0] == "X-Idempotency-Key" {
				continue // honoured with POST only
			}
			tried++
			c.refused(r, m, token)
		}
		if tried < 60 {
			t.Errorf("%s %s: only %d mutations", r.Method, r.Path, tried)
		}
		if after := c.state(); !reflect.DeepEqual(before, after) {
			t.Errorf("%s %s: refused requests changed something: %v, %v", r.Method, r.Path, before, after)
		}
	}
	for unused := range samples {
		t.Errorf("the sample of %s is of no route", unused)
	}
}

func (c *crowd) refused(r mgmt.Route, m mutation, token string) {
	c.t.Helper()
	q := httptest.NewRequest(r.Method, parameter.ReplaceAllString(r.Path, "0190a0b0-0000-7000-8000-000000000000"), strings.NewReader(m.body))
	if strings.HasPrefix(r.Path, "/admin/partners/") {
		q.URL.Path = parameter.ReplaceAllString(r.Path, "1")
	}
	q.Header.Set("Content-Type", "application/json")
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(m.headers); i += 2 {
		q.Header.Set(m.headers[i], m.headers[i+1])
	}
	rec := httptest.NewRecorder()
	c.door.Public().ServeHTTP(rec, q)
	where := r.Method + " " + r.Path + ", " + m.name
	if rec.Code != 400 && rec.Code != 413 && rec.Code != 415 || rec.Header().Get("Content-Type") != problem.ContentType {
		c.t.Errorf("%s: %d %s", where, rec.Code, rec.Body)
	}
	for _, leak := range []string{marker, "goroutine", ".go:", "\x1b"} {
		if strings.Contains(rec.Body.String(), leak) {
			c.t.Errorf("%s: the answer has %q: %s", where, leak, rec.Body)
		}
	}
	c.conforms(r, rec)
}

// state is what a request that is done would change: its audit record is in the same transaction.
func (c *crowd) state() (counts []int64) {
	c.t.Helper()
	for _, table := range []string{"audit", "operators", "certificates", "devices", "challenges", "idempotency"} {
		if err := c.store.View(context.Background(), func(q records.Querier) error {
			return q.Query(context.Background(), func(r records.Row) error { counts = append(counts, r.Int(0)); return nil }, "SELECT count(*) FROM "+table)
		}); err != nil {
			c.t.Fatal(err)
		}
	}
	return counts
}
