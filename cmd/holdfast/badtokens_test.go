package main

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

// refusal is what something bad must be answered.
type refusal struct {
	status int
	code   string
}

var (
	badPayload    = refusal{400, "INVALID_PAYLOAD"}
	badDecryption = refusal{400, "CANT_DECRYPT_PAYLOAD"}
	badContent    = refusal{400, "VALIDATION_ERROR"}
	badKey        = refusal{400, "INVALID_PUBLIC_KEY"}
	badSecrecy    = refusal{400, "ENCRYPTION_REQUIRED"}
	badMedia      = refusal{415, "UNSUPPORTED_MEDIA_TYPE"}
	badSize       = refusal{413, "BODY_TOO_LARGE"}
	badCaller     = refusal{401, "UNAUTHENTICATED"}
)

// mustBe wants a refusal that repeats nothing of what was sent and shows no stack.
func (e *estate) mustBe(what string, want refusal, r reply, sent ...string) {
	e.t.Helper()
	if r.status != want.status || r.code() != want.code {
		e.t.Errorf("%s: %d %s, want %d %s", what, r.status, r.code(), want.status, want.code)
	}
	for _, s := range append(sent, markText, ".go:", "goroutine ", "asn1:", "x509:", "crypto/") {
		if len(s) >= 5 && strings.Contains(r.text, s) {
			e.t.Errorf("%s: the answer has what was sent, or the inside of the program", what)
		}
	}
}

// changesNothing runs bad requests, and wants the books to be as they were and the log to have no mark.
func (e *estate) changesNothing(least int, all int) func() {
	e.t.Helper()
	if all < least {
		e.t.Errorf("there are %d cases, want at least %d", all, least)
	}
	before := e.digest()
	return func() {
		e.t.Helper()
		after := e.digest()
		for _, table := range slices.Sorted(maps.Keys(before)) {
			if before[table] != after[table] {
				e.t.Errorf("%s was %.60s, is %.60s", table, before[table], after[table])
			}
		}
		for _, s := range []string{markText, "goroutine "} {
			if strings.Contains(e.log.String(), s) {
				e.t.Errorf("the log has %q", s)
			}
		}
	}
}

// forge makes tokens after RFC 7516 with the standard library, sound ones and others.
type forge struct {
	key   *rsa.PublicKey
	plain string
}

const (
	soundHeader = `{"alg":"RSA-OAEP-256","enc":"A256GCM"}`
	headerStart = `{"alg":"RSA-OAEP-256","enc":"A256GCM",`
)

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: it ends the program instead
	return b
}

func (f forge) wrap(h hash.Hash, cek []byte, label string) []byte {
	wrapped, err := rsa.EncryptOAEP(h, rand.Reader, f.key, cek, []byte(label))
	if err != nil {
		panic(err)
	}
	return wrapped
}

// parts are the five of a token in bytes; aad is what the content is bound to, the header as it is sent when empty.
func (f forge) parts(header string, cek, wrapped []byte, iv int, aad string) [5][]byte {
	block, err := aes.NewCipher(cek)
	if err != nil {
		panic(err)
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, iv)
	if err != nil {
		panic(err)
	}
	if aad == "" {
		aad = base64.RawURLEncoding.EncodeToString([]byte(header))
	}
	nonce := random(iv)
	sealed := gcm.Seal(nil, nonce, []byte(f.plain), []byte(aad))
	at := len(sealed) - 16
	return [5][]byte{[]byte(header), wrapped, nonce, sealed[:at], sealed[at:]}
}

func (f forge) sound(header string) [5][]byte {
	cek := random(32)
	h := hash.Hash(sha256.New())
	if strings.Contains(header, `"RSA-OAEP"`) {
		h = sha1.New()
	}
	return f.parts(header, cek, f.wrap(h, cek, ""), 12, "")
}

func compact(p [5][]byte) string {
	var text [5]string
	for i := range p {
		text[i] = base64.RawURLEncoding.EncodeToString(p[i])
	}
	return strings.Join(text[:], ".")
}

func inEnvelope(token string) string { return `{"payload":` + string(mustJSON(token)) + `}` }

// badEnvelopes are bodies around a sound token.
func badEnvelopes(f forge) map[string]badToken {
	p := f.sound(soundHeader)
	sound := compact(p)
	text := strings.Split(sound, ".")
	flat := `{"protected":"` + text[0] + `","encrypted_key":"` + text[1] + `","iv":"` + text[2] + `","ciphertext":"` + text[3] + `","tag":"` + text[4] + `"}`
	general := func(n int) string {
		return `{"protected":"` + text[0] + `","recipients":[` + strings.TrimSuffix(strings.Repeat(`{"encrypted_key":"`+text[1]+`"},`, n), ",") +
			`],"iv":"` + text[2] + `","ciphertext":"` + text[3] + `","tag":"` + text[4] + `"}`
	}
	all := map[string]string{"empty object": `{}`, "null": `null`, "list": `["` + sound + `"]`, "a number": `{"payload":1}`, "a truth": `{"payload":true}`,
		"nothing": `{"payload":null}`, "an object": `{"payload":{"` + markText + `":1}}`, "a list inside": `{"payload":["` + sound + `"]}`,
		"an empty text": inEnvelope(""), "two payloads": `{"payload":"` + sound + `","payload":"` + sound + `"}`,
		"two payloads, one in escapes": `{"payload":"` + sound + `","pay\u006coad":"` + sound + `"}`, "another name": `{"Payload":"` + sound + `"}`,
		"another member": `{"payload":"` + sound + `","` + markText + `":1}`, "more behind": inEnvelope(sound) + `{}`, "no JSON": sound,
		"a text alone": `"` + sound + `"`, "in clear": f.plain, "an envelope in an envelope": inEnvelope(inEnvelope(sound)),
		"a space before": inEnvelope(" " + sound), "a line end behind": inEnvelope(sound + "\n"), "a line end inside": inEnvelope(sound[:80] + "\r\n" + sound[80:]),
		"a tab inside": inEnvelope(sound[:80] + "\t" + sound[80:]), "a NUL behind": inEnvelope(sound + "\x00"), "a mark of order": "\ufeff" + inEnvelope(sound),
		"a scheme": inEnvelope("Bearer " + sound), "a data URL": inEnvelope("data:application/jose," + sound),
		"URL escapes": inEnvelope(strings.ReplaceAll(sound, ".", "%2E")), "base64 of it": inEnvelope(base64.StdEncoding.EncodeToString([]byte(sound))),
		"flattened JSON": flat, "flattened JSON as a text": inEnvelope(flat), "general JSON": general(1), "general JSON, 33 recipients": general(33),
		"deep": strings.Repeat(`{"payload":`, 2000) + `1` + strings.Repeat("}", 2000), "dots": inEnvelope(strings.Repeat(".", 60_000)),
		"a broken escape": `{"payload":"\ud800` + sound + `"}`, "a comment": `/**/` + inEnvelope(sound)}
	out := map[string]badToken{"too large": {inEnvelope(strings.Repeat("e", 66_000)), badSize, ""}, "dots, too many": {inEnvelope(strings.Repeat(".", 1<<20)), badSize, ""},
		"as a form": {"payload=" + sound, badMedia, "application/x-www-form-urlencoded"}, "as jose": {sound, badMedia, "application/jose"}}
	for name, body := range all {
		out["envelope: "+name] = badToken{body, badPayload, ""}
	}
	return out
}

// badToken is a body with its refusal; kind is its content type, JSON when empty.
type badToken struct {
	body string
	want refusal
	kind string
}

// badParts are tokens whose five parts are not what they must be.
func badParts(f forge) map[string]badToken {
	p := f.sound(soundHeader)
	sound := compact(p)
	text := strings.Split(sound, ".")
	put := func(i int, b []byte) string { q := p; q[i] = b; return compact(q) }
	putText := func(i int, s string) string { q := slices.Clone(text); q[i] = s; return strings.Join(q, ".") }
	flip := func(b []byte) []byte { b = bytes.Clone(b); b[len(b)/2] ^= 1; return b }
	loose := []byte(text[4]) // the last character of a tag has four bits that mean nothing
	loose[len(loose)-1]++
	other := f.sound(soundHeader)
	cek := random(32)
	wide, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		panic(err)
	}
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	//lint:ignore SA1019 one of the bad tokens is made in the old way
	old, err := rsa.EncryptPKCS1v15(rand.Reader, f.key, cek)
	if err != nil {
		panic(err)
	}
	short := func(n int) string { // a content key of another size inside
		key := cek
		if n == 16 || n == 24 {
			key = random(n)
			return compact(f.parts(soundHeader, key, f.wrap(sha256.New(), key, ""), 12, ""))
		}
		return compact(f.parts(soundHeader, key, f.wrap(sha256.New(), random(n), ""), 12, ""))
	}
	form := map[string]string{"one part": text[0], "two parts": text[0] + "." + text[1], "a JWS": "eyJhbGciOiJIUzI1NiJ9.e30.AAAA", "four parts": strings.Join(text[:4], "."),
		"an unsigned JWT": "eyJhbGciOiJub25lIn0.e30.", "six parts": sound + ".AAAA", "a header that is no base64": putText(0, "!"+text[0][1:]),
		"padding": putText(0, text[0]+"=="), "standard base64": putText(1, "+/"+text[1][2:]), "loose bits": putText(4, string(loose)), "no header": putText(0, ""),
		"no key": putText(1, ""), "no nonce": putText(2, ""), "no tag": putText(4, ""), "a nonce of 11": put(2, p[2][:11]), "a nonce of 13": put(2, append(bytes.Clone(p[2]), 0)),
		"a nonce of 16": compact(f.parts(soundHeader, cek, f.wrap(sha256.New(), cek, ""), 16, "")), "a tag of 12": put(4, p[4][:12]), "a tag of 15": put(4, p[4][:15]),
		"a tag of 17": put(4, append(bytes.Clone(p[4]), 0)), "a key of 255": put(1, p[1][:255]), "a key of 513": put(1, bytes.Repeat([]byte{1}, 513)),
		"a key of 8": put(1, p[1][:8]), "letters of no alphabet": putText(3, "é"+text[3]), "key and nonce in turn": strings.Join([]string{text[0], text[2], text[1], text[3], text[4]}, ".")}
	content := map[string]string{"the header in another order": put(0, []byte(`{"enc":"A256GCM","alg":"RSA-OAEP-256"}`)), "a space in the header": put(0, []byte(soundHeader+" ")),
		"a flipped key": put(1, flip(p[1])), "a key of zeros": put(1, make([]byte, 256)), "a key of ones": put(1, bytes.Repeat([]byte{0xff}, 256)),
		"a key of another token": put(1, other[1]), "a nonce of another token": put(2, other[2]), "a content of another token": put(3, other[3]), "a tag of another token": put(4, other[4]),
		"a flipped nonce": put(2, flip(p[2])), "a nonce of zeros": put(2, make([]byte, 12)), "a flipped content": put(3, flip(p[3])), "a shorter content": put(3, p[3][1:]),
		"a longer content": put(3, append(bytes.Clone(p[3]), 0)), "no content": put(3, nil), "a flipped tag": put(4, flip(p[4])), "a tag of zeros": put(4, make([]byte, 16)),
		"a label": compact(f.parts(soundHeader, cek, f.wrap(sha256.New(), cek, markText), 12, "")), "bound to nothing": compact(f.parts(soundHeader, cek, f.wrap(sha256.New(), cek, ""), 12, "none")),
		"PKCS 1": compact(f.parts(soundHeader, cek, old, 12, "")), "SHA-1 where SHA-256 is said": compact(f.parts(soundHeader, cek, f.wrap(sha1.New(), cek, ""), 12, "")),
		"SHA-256 where SHA-1 is said": compact(f.parts(`{"alg":"RSA-OAEP","enc":"A256GCM"}`, cek, f.wrap(sha256.New(), cek, ""), 12, "")),
		"for a stranger":              compact(forge{&stranger.PublicKey, f.plain}.sound(soundHeader)), "for a wider key": compact(forge{&wide.PublicKey, f.plain}.sound(soundHeader)),
		"a content key of 0": short(0), "a content key of 16": short(16), "a content key of 24": short(24), "a content key of 31": short(31), "a content key of 33": short(33),
		"a content key of 64": short(64)}
	out := map[string]badToken{}
	for name, token := range form {
		out["parts: "+name] = badToken{inEnvelope(token), badPayload, ""}
	}
	for name, token := range content {
		out["content: "+name] = badToken{inEnvelope(token), badDecryption, ""}
	}
	return out
}

// badHeaders are tokens that are sound but for what their header says. It is bound to the content as it is.
func badHeaders(f forge) map[string]badToken {
	const enc = `,"enc":"A256GCM"}`
	const alg = `{"alg":"RSA-OAEP-256"`
	jwk := `{"kty":"RSA","n":"` + strings.Repeat("A", 342) + `","e":"AQAB"`
	form := map[string]string{"no JSON": markText, "null": "null", "list": "[" + soundHeader + "]", "text": `"` + markText + `"`, "number": "1", "empty": "{}",
		"two": soundHeader + soundHeader, "cut": soundHeader[:30], "no alg": `{"enc":"A256GCM"}`, "no enc": alg + "}", "alg none": `{"alg":"none"` + enc, "alg None": `{"alg":"None"` + enc,
		"alg dir": `{"alg":"dir"` + enc, "alg RSA1_5": `{"alg":"RSA1_5"` + enc, "alg RSA-OAEP-384": `{"alg":"RSA-OAEP-384"` + enc, "alg RSA-OAEP-512": `{"alg":"RSA-OAEP-512"` + enc,
		"alg A256KW": `{"alg":"A256KW"` + enc, "alg A256GCMKW": `{"alg":"A256GCMKW","iv":"AAAAAAAAAAAAAAAA","tag":"AAAAAAAAAAAAAAAAAAAAAA"` + enc,
		"alg ECDH-ES": `{"alg":"ECDH-ES","epk":{"kty":"EC"}` + enc, "alg ECDH-ES+A256KW": `{"alg":"ECDH-ES+A256KW"` + enc,
		"alg PBES2 with many rounds": `{"alg":"PBES2-HS512+A256KW","p2c":2147483647,"p2s":"AAAA"` + enc, "alg HS256": `{"alg":"HS256"` + enc, "alg RS256": `{"alg":"RS256"` + enc,
		"alg number": `{"alg":1` + enc, "alg null": `{"alg":null` + enc, "alg list": `{"alg":["RSA-OAEP-256"]` + enc, "alg twice": `{"alg":"RSA-OAEP-256","alg":"dir"` + enc,
		"alg twice, other case": `{"alg":"RSA-OAEP-256","Alg":"dir"` + enc, "alg with a space": `{"alg":"RSA-OAEP-256 "` + enc, "alg in lower case": `{"alg":"rsa-oaep-256"` + enc,
		"enc A128GCM": alg + `,"enc":"A128GCM"}`, "enc A192GCM": alg + `,"enc":"A192GCM"}`, "enc A128CBC-HS256": alg + `,"enc":"A128CBC-HS256"}`,
		"enc A256CBC-HS512": alg + `,"enc":"A256CBC-HS512"}`, "enc in lower case": alg + `,"enc":"a256gcm"}`, "enc number": alg + `,"enc":256}`, "enc null": alg + `,"enc":null}`,
		"enc twice": alg + `,"enc":"A256GCM","enc":"A128GCM"}`, "zip": headerStart + `"zip":"DEF"}`, "zip, empty": headerStart + `"zip":""}`, "crit": headerStart + `"crit":["exp"],"exp":1}`,
		"crit, empty": headerStart + `"crit":[]}`, "crit of what is known": headerStart + `"crit":["alg"]}`, "b64": headerStart + `"b64":false}`, "jwk": headerStart + `"jwk":` + jwk + `}}`,
		"jwk with private parts": headerStart + `"jwk":` + jwk + `,"d":"` + markText + `"}}`, "jku": headerStart + `"jku":"https://` + markText + `.example"}`,
		"x5u": headerStart + `"x5u":"https://` + markText + `.example"}`, "x5c": headerStart + `"x5c":["AAAA"]}`, "x5t": headerStart + `"x5t":"AAAA"}`,
		"x5t#S256": headerStart + `"x5t#S256":"AAAA"}`, "epk": headerStart + `"epk":{}}`, "apu": headerStart + `"apu":"AAAA"}`, "apv": headerStart + `"apv":"AAAA"}`, "p2c": headerStart + `"p2c":1}`,
		"kid number": headerStart + `"kid":1}`, "kid null": headerStart + `"kid":null}`, "kid list": headerStart + `"kid":["a"]}`, "kid twice": headerStart + `"kid":"a","kid":"b"}`,
		"typ number": headerStart + `"typ":1}`, "iat text": headerStart + `"iat":"1"}`, "iat list": headerStart + `"iat":[1]}`, "exp in the past": headerStart + `"exp":1}`,
		"nbf in the future": headerStart + `"nbf":9999999999}`, "aud of others": headerStart + `"aud":"` + markText + `"}`, "iss": headerStart + `"iss":"` + markText + `"}`,
		"sub": headerStart + `"sub":"1"}`, "jti": headerStart + `"jti":"` + markText + `"}`, "url": headerStart + `"url":"https://example.com"}`, "nonce": headerStart + `"nonce":"AAAA"}`,
		"unknown": headerStart + `"` + markText + `":1}`, "too long": headerStart + `"typ":"` + strings.Repeat("x", 1000) + `"}`, "deep": headerStart + `"typ":` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + `}`,
		"a NUL in a name": headerStart + `"typ\u0000":"x"}`, "broken UTF-8 in a name": headerStart + "\"t\xff\":\"x\"}", "a comma too many": headerStart + `}`, "a comment": headerStart + `/**/"typ":"x"}`}
	unknown := map[string]string{"kid of nobody": "nobody", "kid that is a path": "../../../etc/passwd", "kid that is SQL": "' OR 1=1 --", "kid that is long": strings.Repeat("k", 500),
		"kid in capitals": strings.ToUpper("k-1"), "kid with a NUL": `a\u0000b`, "kid that is a link": "https://example.com/key"}
	out := map[string]badToken{}
	for name, header := range form {
		out["header: "+name] = badToken{inEnvelope(compact(f.sound(header))), badPayload, ""}
	}
	for name, kid := range unknown {
		out["header: "+name] = badToken{inEnvelope(compact(f.sound(headerStart + `"kid":"` + kid + `"}`))), badDecryption, ""}
	}
	return out
}

// badInside are sound tokens with a content that the call does not take.
func badInside(f forge) map[string]badToken {
	zip := func(w func(io.Writer) io.WriteCloser, text []byte) string {
		var out bytes.Buffer
		c := w(&out)
		_, _ = c.Write(text) // a buffer takes all
		_ = c.Close()
		return out.String()
	}
	zipped := func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
	deflated := func(w io.Writer) io.WriteCloser { d, _ := flate.NewWriter(w, 9); return d } // the level is known
	var wide bytes.Buffer
	for _, u := range utf16.Encode([]rune(f.plain)) {
		wide.Write([]byte{byte(u), byte(u >> 8)})
	}
	all := map[string]string{"nothing": "", "no JSON": markText, "null": "null", "list": "[" + f.plain + "]", "two": f.plain + f.plain, "more behind": f.plain + markText,
		"twice the same": strings.Replace(f.plain, "{", f.plain[:len(f.plain)-1]+",", 1), "unknown": strings.Replace(f.plain, "}", `,"`+markText+`":1}`, 1),
		"a mark of order": "\ufeff" + f.plain, "UTF-16": wide.String(), "gzip": zip(zipped, []byte(f.plain)), "a bomb of gzip": zip(zipped, make([]byte, 20<<20)),
		"a bomb of deflate": zip(deflated, make([]byte, 20<<20)), "a JWS": "eyJhbGciOiJIUzI1NiJ9.e30.AAAA", "a token in a token": compact(f.sound(soundHeader)),
		"an envelope in a token": inEnvelope(compact(f.sound(soundHeader))), "for another call": `{"pin":"2468"}`, "another call's, with a card": `{"reasonCode":3}`,
		"deep": `{"balanceId":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + "}", "large": `{"balanceId":"` + strings.Repeat(markText, 5000) + `"}`,
		"a number": `{"balanceId":` + markNumber + `}`, "a NUL": `{"balanceId":"a\u0000` + markText + `"}`, "broken UTF-8": "{\"balanceId\":\"\xff\xfe\"}", "XML": "<balanceId>" + markText + "</balanceId>"}
	out := map[string]badToken{}
	for name, plain := range all {
		out["inside: "+name] = badToken{inEnvelope(compact(forge{f.key, plain}.sound(soundHeader))), badContent, ""}
	}
	return out
}

// Goal: whatever is wrong with a token, the refusal is the right one, tells nothing, and changes nothing. Method: tokens made
// by hand, each with one defect by name; a sound one shows that the forge works.
func TestBadTokensByName(t *testing.T) {
	t.Parallel()
	e := openEstate(t, nil)
	f := forge{e.node.keys.EncryptionKeys()[0].Key, `{"balanceId":"01a2062e-6628-76a6-86fe-5085770c56fd"}`}
	spki := e.responseKey()
	path := fmt.Sprintf("/secure/customers/%d/cards/virtual", e.user)
	const opened = "must be a balance of the user" // says who has read what is inside
	send := func(body, kind string) reply {
		headers := []string{"Encrypted-Request", "true", "Public-Key", spki}
		if kind != "" {
			headers = append(headers, "Content-Type", kind)
		}
		return e.call(e.clients["partner"], "POST", e.secure+path, body, headers...)
	}
	for _, header := range []string{soundHeader, `{"alg":"RSA-OAEP","enc":"A256GCM"}`, headerStart + `"kid":"` + e.node.keys.EncryptionKeys()[0].ID + `"}`} {
		if r := send(inEnvelope(compact(f.sound(header))), ""); !strings.Contains(r.text, opened) {
			t.Fatalf("a sound token: %d %s", r.status, r.text)
		}
	}
	all := map[string]badToken{}
	for _, some := range []map[string]badToken{badEnvelopes(f), badParts(f), badHeaders(f), badInside(f)} {
		maps.Copy(all, some)
	}
	done := e.changesNothing(150, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		bad := all[name]
		r := send(bad.body, bad.kind)
		if e.mustBe(name, bad.want, r, bad.body[:min(len(bad.body), 40)]); strings.Contains(r.text, opened) {
			t.Errorf("%s: it was opened and read", name)
		}
	}
	done()
	t.Logf("%d bad tokens", len(all))
}

// Goal: a token that was taken once does not do its work again under its idempotency key, and never opens another call.
func TestReplayedTokens(t *testing.T) {
	t.Parallel()
	e := openEstate(t, nil)
	e.program("CREDIT", 99999901, `,"digitalFirst":true`)
	e.funded("CREDIT", 100_000)
	balance := e.topped(1000)
	f := forge{e.node.keys.EncryptionKeys()[0].Key, `{"balanceId":"` + balance + `"}`}
	body, path := inEnvelope(compact(f.sound(soundHeader))), fmt.Sprintf("/secure/customers/%d/cards/virtual", e.user)
	headers := []string{"Encrypted-Request", "true", "Public-Key", e.responseKey(), "X-Idempotency-Key", "replay-00001"}
	e.want(201, nil, e.as("partner", "POST", path, body, headers...))
	before := e.digest()
	e.want(201, nil, e.as("partner", "POST", path, body, headers...))
	for who, to := range map[string]string{"partner": fmt.Sprintf("/secure/customers/%d/cards/physical", e.user), "user": "/customers/me/cards/1/pin"} {
		if r := e.as(who, "POST", to, body, headers[:4]...); r.status != 400 && r.status != 404 {
			t.Errorf("a token for another call, as %s: %d %s", who, r.status, r.text)
		}
	}
	if r := e.as("other", "POST", path, body, headers[:4]...); r.status != 404 {
		t.Errorf("another partner's token: %d %s", r.status, r.text)
	}
	if after := e.digest(); after["cards"] != before["cards"] {
		t.Errorf("%s cards, then %s", before["cards"], after["cards"])
	}
}

// responseKey is the header Public-Key that is registered for everybody of the estate.
func (e *estate) responseKey() string { return base64.StdEncoding.EncodeToString(e.spki()) }
