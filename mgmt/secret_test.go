package mgmt_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/mgmt"
	"holdfast/mgmt/jwe"
	"holdfast/mgmt/problem"
)

// caller has a key pair: it is a keystore of its own, which opens what is sealed for it.
type caller struct {
	key *rsa.PublicKey
	box *jwe.Box
}

func newCaller(t testing.TB) caller {
	t.Helper()
	s, err := completed(filepath.Join(t.TempDir(), "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	return caller{s.EncryptionKeys()[0].Key, jwe.New(s, jwe.Limits{})}
}

func (c caller) header(t testing.TB) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(c.key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// Goal: the four refusals of the encryption, the bound key, and that errors and empty answers stay in clear.
func TestEncryptedRoutes(t *testing.T) {
	t.Parallel()
	secret := route("POST", "/secure/secrets/{id}/add", mgmt.Secure)
	secret.JWE = true
	read := route("GET", "/secure/secrets/{id}", mgmt.Secure)
	read.JWE, read.Audit = true, "secret.read"
	empty := route("POST", "/secure/secrets/{id}/empty", mgmt.Secure)
	empty.JWE = true
	type one struct {
		ID int64 `path:"id" rule:"min=1"`
	}
	w := newWorld(t, nil, addRow(), mgmt.Handle(secret, add),
		mgmt.Handle(read, func(_ context.Context, _ *mgmt.Call, in *one) (addAnswer, error) { return addAnswer{ID: in.ID}, nil }),
		mgmt.Handle(empty, func(context.Context, *mgmt.Call, *one) (mgmt.None, error) { return mgmt.None{}, nil }))
	ours := w.keys.EncryptionKeys()[0].Key
	me, other := newCaller(t), newCaller(t)
	w.who.Key = me.key
	seal := func(text string) string {
		sealed, err := me.box.Seal(ours, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return string(sealed)
	}
	on := []string{"Encrypted-Request", "true", "Public-Key", me.header(t)}
	const path = "/secure/secrets/7/add"
	sound := seal(`{"amount":5}`)
	for name, c := range map[string]struct {
		body    string
		headers []string
		want    problem.Code
	}{
		"plain":              {`{"amount":5}`, nil, problem.EncryptionNeeded},
		"said to be plain":   {sound, []string{"Encrypted-Request", "false", "Public-Key", me.header(t)}, problem.EncryptionNeeded},
		"neither":            {sound, []string{"Encrypted-Request", "TRUE", "Public-Key", me.header(t)}, problem.EncryptionNeeded},
		"no key":             {sound, []string{"Encrypted-Request", "true"}, problem.PublicKey},
		"bad key":            {sound, []string{"Encrypted-Request", "true", "Public-Key", "AAAA"}, problem.PublicKey},
		"not the bound key":  {sound, []string{"Encrypted-Request", "true", "Public-Key", other.header(t)}, problem.PublicKey},
		"plain body":         {`{"amount":5}`, on, problem.Payload},
		"no body":            {"", on, problem.Payload},
		"for another":        {string(must(other.box.Seal(other.key, []byte(`{"amount":5}`)))), on, problem.CannotDecrypt},
		"bad inside":         {seal(`{"amount":4111111111111111}`), on, problem.Validation},
		"no JSON inside":     {seal(`4111111111111111 x`), on, problem.Validation},
		"nothing inside":     {seal(``), on, problem.Validation},
		"refused by a rule":  {seal(`{"amount":666}`), on, "INSUFFICIENT_FUNDS"},
		"a payload in a row": {seal(sound), on, problem.Validation},
	} {
		rec := w.call("POST", path, c.body, c.headers...)
		if code(t, rec) != c.want || rec.Header().Get("Content-Type") != problem.ContentType || strings.Contains(rec.Body.String(), cameDigits) {
			t.Errorf("%s: %d %s, want %s", name, rec.Code, rec.Body, c.want)
		}
	}
	if w.store.counter != 0 {
		t.Errorf("refused calls had %d effects", w.store.counter)
	}
	open := func(body []byte) string {
		plain, err := me.box.Open(context.Background(), body)
		if err != nil {
			t.Errorf("the answer does not open: %v", err)
		}
		return string(plain)
	}
	rec := w.call("POST", path, sound, on...)
	if rec.Code != 200 || !bytes.Contains(rec.Body.Bytes(), []byte(`"payload"`)) || !strings.Contains(open(rec.Body.Bytes()), `"amount":5`) {
		t.Errorf("done: %d %s", rec.Code, rec.Body)
	}
	rec = w.call("GET", "/secure/secrets/7", "", on...)
	if rec.Code != 200 || !strings.Contains(open(rec.Body.Bytes()), `"id":7`) || len(w.store.audit) != 2 {
		t.Errorf("read: %d %s; audit %v", rec.Code, rec.Body, w.store.audit)
	}
	if rec := w.call("POST", "/secure/secrets/7/empty", "", on...); rec.Code != 204 || rec.Body.Len() != 0 {
		t.Errorf("nothing to say: %d %s", rec.Code, rec.Body)
	}
	w.who.Key, w.who.Unbound = nil, true
	if rec := w.call("POST", path, sound, "Encrypted-Request", "true", "Public-Key", other.header(t)); rec.Code != 200 {
		t.Errorf("an unbound key: %d %s", rec.Code, rec.Body)
	}
	w.who.Unbound = false
	if rec := w.call("POST", path, sound, on...); code(t, rec) != problem.PublicKey {
		t.Errorf("no key registered: %d %s", rec.Code, rec.Body)
	}
}

// Goal: the repeat of an encrypted request has the same content, encrypted anew, though its own token differs; that somebody
// read it once more is in the audit.
func TestRepeatedKeyOfAnEncryptedCall(t *testing.T) {
	t.Parallel()
	secret := route("POST", "/secure/secrets/{id}/add", mgmt.Secure)
	secret.JWE = true
	w := newWorld(t, nil, mgmt.Handle(secret, add))
	me := newCaller(t)
	w.who.Key = me.key
	headers := []string{"Encrypted-Request", "true", "Public-Key", me.header(t), "X-Idempotency-Key", "0190-e-key"}
	var answers, contents []string
	for range 2 {
		sealed := must(me.box.Seal(w.keys.EncryptionKeys()[0].Key, []byte(`{"amount":5}`)))
		rec := w.call("POST", "/secure/secrets/7/add", string(sealed), headers...)
		if rec.Code != 200 {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
		answers = append(answers, rec.Body.String())
		contents = append(contents, string(must(me.box.Open(context.Background(), rec.Body.Bytes()))))
	}
	if answers[0] == answers[1] || contents[0] != contents[1] || w.store.counter != 1 {
		t.Errorf("%v; %d effects", contents, w.store.counter)
	}
	if all := w.store.audit; len(all) != 2 || all[0].Outcome != "OK" || all[1].Outcome != "REPEATED" || all[1].Actor != all[0].Actor ||
		all[1].Action != all[0].Action {
		t.Errorf("the audit has %+v", all)
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
