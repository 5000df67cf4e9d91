package jwe_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"holdfast/authz/keystore"
	"holdfast/mgmt/jwe"
	"holdfast/mgmt/problem"
)

func keys(t testing.TB) *keystore.Store {
	t.Helper()
	s, err := completed(filepath.Join(t.TempDir(), "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// client is a partner's side, written after RFC 7516 with the standard library only.
type client struct {
	alg    string
	header string // replaces the usual one when not empty
	iv     int    // bytes of the nonce; 12 when zero
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (c client) token(t testing.TB, key *rsa.PublicKey, plain string) string {
	t.Helper()
	h, alg := hash.Hash(sha256.New()), c.alg
	if alg == "" {
		alg = "RSA-OAEP-256"
	}
	if alg == "RSA-OAEP" {
		h = sha1.New()
	}
	header := c.header
	if header == "" {
		header = fmt.Sprintf(`{"alg":%q,"enc":"A256GCM"}`, alg)
	}
	cek := random(32)
	wrapped, err := rsa.EncryptOAEP(h, rand.Reader, key, cek, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.seal(t, header, cek, wrapped, plain)
}

func (c client) seal(t testing.TB, header string, cek, wrapped []byte, plain string) string {
	t.Helper()
	block, err := aes.NewCipher(cek)
	if err != nil {
		t.Fatal(err)
	}
	size := 12
	if c.iv != 0 {
		size = c.iv
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, size)
	if err != nil {
		t.Fatal(err)
	}
	iv := random(size)
	sealed := gcm.Seal(nil, iv, []byte(plain), []byte(b64([]byte(header))))
	at := len(sealed) - 16
	return strings.Join([]string{b64([]byte(header)), b64(wrapped), b64(iv), b64(sealed[:at]), b64(sealed[at:])}, ".")
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func body(token string) []byte { return []byte(`{"payload":"` + token + `"}`) }

func codeOf(err error) problem.Code {
	var p *problem.Problem
	if errors.As(err, &p) {
		return p.Code
	}
	return ""
}

func TestTokensOfAnIndependentClientOpen(t *testing.T) {
	t.Parallel()
	s := keys(t)
	box := jwe.New(s, jwe.Limits{})
	ours := s.EncryptionKeys()[0]
	for name, c := range map[string]client{
		"RSA-OAEP-256": {}, "RSA-OAEP": {alg: "RSA-OAEP"},
		"with a kid":  {header: `{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"` + ours.ID + `"}`},
		"with extras": {header: ` {"iat": 1700000000, "typ":"JOSE","cty":"application/json","enc":"A256GCM","alg":"RSA-OAEP-256"}`},
	} {
		plain, err := box.Open(context.Background(), body(c.token(t, ours.Key, `{"a":1}`)))
		if err != nil || string(plain) != `{"a":1}` {
			t.Errorf("%s: %q, %v", name, plain, err)
		}
	}
	if box.Decryptions() != 4 {
		t.Errorf("%d decryptions", box.Decryptions())
	}
}

// Goal: every bad token has the right one of two refusals. Method: one defect each, from a sound token.
func TestBadTokens(t *testing.T) {
	t.Parallel()
	s := keys(t)
	box := jwe.New(s, jwe.Limits{PerSecondMax: 1e6})
	ours := s.EncryptionKeys()[0]
	sound := client{}.token(t, ours.Key, `{"pan":"4111111111111111"}`)
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	wide, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	part := func(i int, f func([]byte) []byte) []byte {
		parts := strings.Split(sound, ".")
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		parts[i] = b64(f(raw))
		return body(strings.Join(parts, "."))
	}
	flip := func(b []byte) []byte { b = bytes.Clone(b); b[len(b)/2] ^= 1; return b }
	cut := func(b []byte) []byte { return b[:len(b)-1] }
	none := func([]byte) []byte { return nil }
	header := func(h string) []byte { return body(client{header: h}.token(t, ours.Key, "{}")) }
	shortCEK := func(n int) []byte {
		cek := random(n)
		wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, ours.Key, cek, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n != 16 && n != 24 {
			cek = random(32)
		}
		return body(client{}.seal(t, `{"alg":"RSA-OAEP-256","enc":"A256GCM"}`, cek, wrapped, "{}"))
	}
	labelled, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, ours.Key, random(32), []byte("label"))
	if err != nil {
		t.Fatal(err)
	}
	const a, e = `"alg":"RSA-OAEP-256"`, `"enc":"A256GCM"`
	payload, cannot := problem.Payload, problem.CannotDecrypt
	for name, c := range map[string]struct {
		body []byte
		want problem.Code
	}{
		"empty": {nil, payload}, "empty object": {[]byte(`{}`), payload}, "null": {[]byte(`null`), payload}, "list": {[]byte(`[]`), payload},
		"number": {[]byte(`{"payload":1}`), payload}, "empty text": {body(""), payload}, "object": {[]byte(`{"payload":{}}`), payload},
		"two": {[]byte(`{"payload":"` + sound + `","payload":"` + sound + `"}`), payload}, "other name": {[]byte(`{"Payload":"` + sound + `"}`), payload},
		"and another": {[]byte(`{"payload":"` + sound + `","x":1}`), payload}, "trailing": {append(body(sound), '{', '}'), payload},
		"not JSON": {[]byte(sound), payload}, "plain text": {[]byte(`{"amount":5}`), payload}, "four parts": {body(sound[:strings.LastIndexByte(sound, '.')]), payload},
		"six parts": {body(sound + ".AA"), payload}, "no base64": {body("!" + sound[1:]), payload}, "padded": {body(sound + "="), payload},
		"line end": {[]byte(`{"payload":"` + sound[:20] + `\n` + sound[20:] + `"}`), payload}, "JWS": {body("e30.e30.e30"), payload},
		"JSON form":       {[]byte(`{"protected":"e30","encrypted_key":"","iv":"","ciphertext":"","tag":""}`), payload},
		"header no JSON":  {part(0, func([]byte) []byte { return []byte("x") }), payload},
		"header empty":    {part(0, none), payload},
		"header null":     {part(0, func([]byte) []byte { return []byte("null") }), payload},
		"header large":    {header(`{` + a + `,` + e + `,"typ":"` + strings.Repeat("x", 2000) + `"}`), payload},
		"alg none":        {header(`{"alg":"none",` + e + `}`), payload},
		"alg dir":         {header(`{"alg":"dir",` + e + `}`), payload},
		"alg RSA1_5":      {header(`{"alg":"RSA1_5",` + e + `}`), payload},
		"alg OAEP-512":    {header(`{"alg":"RSA-OAEP-512",` + e + `}`), payload},
		"alg PBES2":       {header(`{"alg":"PBES2-HS256+A128KW",` + e + `,"p2c":1000000,"p2s":"AA"}`), payload},
		"alg ECDH-ES":     {header(`{"alg":"ECDH-ES",` + e + `}`), payload},
		"alg lower case":  {header(`{"alg":"rsa-oaep-256",` + e + `}`), payload},
		"alg missing":     {header(`{` + e + `}`), payload},
		"alg number":      {header(`{"alg":1,` + e + `}`), payload},
		"alg twice":       {header(`{` + a + `,"alg":"dir",` + e + `}`), payload},
		"enc missing":     {header(`{` + a + `}`), payload},
		"enc A128GCM":     {header(`{` + a + `,"enc":"A128GCM"}`), payload},
		"enc CBC":         {header(`{` + a + `,"enc":"A256CBC-HS512"}`), payload},
		"zip":             {header(`{` + a + `,` + e + `,"zip":"DEF"}`), payload},
		"crit":            {header(`{` + a + `,` + e + `,"crit":["exp"]}`), payload},
		"crit as text":    {header(`{` + a + `,` + e + `,"crit":"exp"}`), payload},
		"jwk":             {header(`{` + a + `,` + e + `,"jwk":{"kty":"RSA"}}`), payload},
		"jku":             {header(`{` + a + `,` + e + `,"jku":"https://example.com"}`), payload},
		"x5u":             {header(`{` + a + `,` + e + `,"x5u":"https://example.com"}`), payload},
		"x5c":             {header(`{` + a + `,` + e + `,"x5c":["AA"]}`), payload},
		"x5t":             {header(`{` + a + `,` + e + `,"x5t":"AA"}`), payload},
		"b64":             {header(`{` + a + `,` + e + `,"b64":false}`), payload},
		"unknown":         {header(`{` + a + `,` + e + `,"amount":1}`), payload},
		"kid number":      {header(`{` + a + `,` + e + `,"kid":1}`), payload},
		"iat text":        {header(`{` + a + `,` + e + `,"iat":"1"}`), payload},
		"key empty":       {part(1, none), payload},
		"key cut":         {part(1, cut), payload},
		"key too long":    {part(1, func(b []byte) []byte { return bytes.Repeat(b, 3) }), payload},
		"iv empty":        {part(2, none), payload},
		"iv short":        {part(2, cut), payload},
		"iv of 16":        {body(client{iv: 16}.token(t, ours.Key, "{}")), payload},
		"tag short":       {part(4, cut), payload},
		"tag empty":       {part(4, none), payload},
		"kid of nobody":   {header(`{` + a + `,` + e + `,"kid":"nobody"}`), cannot},
		"header changed":  {part(0, func(b []byte) []byte { return []byte(`{` + e + `,` + a + `}`) }), cannot},
		"key flipped":     {part(1, flip), cannot},
		"key of zeros":    {part(1, func(b []byte) []byte { return make([]byte, len(b)) }), cannot},
		"key of ones":     {part(1, func(b []byte) []byte { return bytes.Repeat([]byte{0xff}, len(b)) }), cannot},
		"key with label":  {part(1, func([]byte) []byte { return labelled }), cannot},
		"key for others":  {body(client{}.token(t, &stranger.PublicKey, "{}")), cannot},
		"a wider key":     {body(client{}.token(t, &wide.PublicKey, "{}")), cannot},
		"other hash":      {body(client{alg: "RSA-OAEP", header: `{` + a + `,` + e + `}`}.token(t, ours.Key, "{}")), cannot},
		"iv flipped":      {part(2, flip), cannot},
		"content flipped": {part(3, flip), cannot},
		"content cut":     {part(3, cut), cannot},
		"content empty":   {part(3, none), cannot},
		"tag flipped":     {part(4, flip), cannot},
		"CEK of 16":       {shortCEK(16), cannot}, "CEK of 24": {shortCEK(24), cannot}, "CEK of 31": {shortCEK(31), cannot},
		"CEK of 33": {shortCEK(33), cannot}, "CEK empty": {shortCEK(0), cannot},
	} {
		plain, err := box.Open(context.Background(), c.body)
		if plain != nil || codeOf(err) != c.want {
			t.Errorf("%s: %q, %v, want %s", name, plain, err, c.want)
		}
	}
	// Each byte of a token matters, wherever it stands.
	for i := 0; i < len(sound); i += 5 {
		if sound[i] == '.' {
			continue
		}
		with := byte('A')
		if sound[i] == 'A' {
			with = 'B'
		}
		if plain, err := box.Open(context.Background(), body(sound[:i]+string(with)+sound[i+1:])); err == nil {
			t.Fatalf("byte %d changed: opened %q", i, plain)
		}
	}
}

func TestAnswersOpenWithTheCallersKeyOnly(t *testing.T) {
	t.Parallel()
	box := jwe.New(keys(t), jwe.Limits{})
	caller, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := box.Seal(&caller.PublicKey, []byte(`{"cvv":"123"}`))
	if err != nil {
		t.Fatal(err)
	}
	var envelope struct{ Payload string }
	if err := json.Unmarshal(sealed, &envelope); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(envelope.Payload, ".")
	var raw [5][]byte
	for i := range raw {
		if raw[i], err = base64.RawURLEncoding.DecodeString(parts[i]); err != nil {
			t.Fatal(err)
		}
	}
	var header struct{ Alg, Enc, KID string }
	if err := json.Unmarshal(raw[0], &header); err != nil || header.Alg != "RSA-OAEP-256" || header.Enc != "A256GCM" ||
		header.KID != keystore.Thumbprint(&caller.PublicKey) {
		t.Errorf("header %s, %v", raw[0], err)
	}
	cek, err := rsa.DecryptOAEP(sha256.New(), nil, caller, raw[1], nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(cek)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gcm.Open(nil, raw[2], append(raw[3], raw[4]...), []byte(parts[0]))
	if err != nil || string(plain) != `{"cvv":"123"}` {
		t.Errorf("%q, %v", plain, err)
	}
	if _, err := box.Seal(nil, []byte("{}")); err == nil {
		t.Error("sealed for nobody")
	}
}

func TestKeysOfCallers(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.StdEncoding.EncodeToString
	for !strings.ContainsAny(encode(der), "+/") { // one in 50,000: it would be the same in both alphabets
		if key, err = rsa.GenerateKey(rand.Reader, 2048); err == nil {
			der, err = x509.MarshalPKIXPublicKey(&key.PublicKey)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	for name, value := range map[string]string{"PEM": encode(text), "DER": encode(der)} {
		if got, err := jwe.ParseKey([]string{value}); err != nil || !got.Equal(&key.PublicKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	small := &rsa.PublicKey{N: key.N, E: 3}
	weak, err := x509.MarshalPKIXPublicKey(small)
	if err != nil {
		t.Fatal(err)
	}
	private := x509.MarshalPKCS1PrivateKey(key)
	for name, values := range map[string][]string{
		"none": nil, "empty": {""}, "two": {encode(der), encode(der)}, "no base64": {"!" + encode(der)[1:]}, "PEM in clear": {string(text)},
		"base64url": {base64.RawURLEncoding.EncodeToString(der)}, "trailing byte": {encode(append(bytes.Clone(der), 0))},
		"cut": {encode(der[:len(der)-1])}, "exponent 3": {encode(weak)}, "private key": {encode(private)}, "line end": {encode(der)[:76] + "\n" + encode(der)[76:]},
		"PEM of a private key": {encode(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: private}))},
		"PEM of a certificate": {encode(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))},
		"two PEM blocks":       {encode(append(bytes.Clone(text), text...))}, "PEM with headers": {encode(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Headers: map[string]string{"a": "b"}, Bytes: der}))},
		"very long": {strings.Repeat("A", 5000)}, "JSON": {encode([]byte(`{"kty":"RSA"}`))}, "zeros": {encode(make([]byte, 294))},
	} {
		if got, err := jwe.ParseKey(values); got != nil || codeOf(err) != problem.PublicKey {
			t.Errorf("%s: accepted, %v", name, err)
		}
	}
}

// Goal: more tokens than may wait are refused at once. Method: one turn that does not end, one that waits.
func TestDecryptionsAreBounded(t *testing.T) {
	t.Parallel()
	s := keys(t)
	ours := s.EncryptionKeys()[0]
	stuck := &stuckKeys{Store: s, entered: make(chan struct{}), leave: make(chan struct{})}
	box := jwe.New(stuck, jwe.Limits{AtOnceMax: 1, WaitingMax: 1, PerSecondMax: 1000})
	token := body(client{}.token(t, ours.Key, "{}"))
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := box.Open(context.Background(), token); err != nil {
			t.Error(err)
		}
	})
	<-stuck.entered
	ctx, cancel := context.WithCancel(context.Background())
	results := make(chan error, 2)
	for range 2 {
		wg.Go(func() { _, err := box.Open(ctx, token); results <- err })
	}
	if err := <-results; codeOf(err) != problem.Overloaded { // one of the two finds the other waiting
		t.Errorf("the third: %v", err)
	}
	cancel()
	if err := <-results; codeOf(err) != problem.Overloaded {
		t.Errorf("the second, whose client left: %v", err)
	}
	close(stuck.leave)
	wg.Wait()
}

type stuckKeys struct {
	*keystore.Store
	once           sync.Once
	entered, leave chan struct{}
}

func (s *stuckKeys) UnwrapKey(id string, sha1 bool, wrapped []byte) ([]byte, error) {
	s.once.Do(func() { close(s.entered) })
	<-s.leave
	return s.Store.UnwrapKey(id, sha1, wrapped)
}

func FuzzOpen(f *testing.F) {
	s := keys(f)
	box := jwe.New(s, jwe.Limits{PerSecondMax: 1e9})
	f.Add(body(client{}.token(f, s.EncryptionKeys()[0].Key, "{}")))
	f.Add([]byte(`{"payload":"e30.AA.AA.AA.AA"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := box.Open(context.Background(), text); err != nil {
			if code := codeOf(err); code != problem.Payload && code != problem.CannotDecrypt {
				t.Errorf("refused with %v", err)
			}
		}
	})
}

func FuzzParseKey(f *testing.F) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		f.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(base64.StdEncoding.EncodeToString(der))
	f.Fuzz(func(t *testing.T, value string) {
		if got, err := jwe.ParseKey([]string{value}); (got == nil) != (err != nil) {
			t.Errorf("%v and %v", got, err)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	s := keys(b)
	box := jwe.New(s, jwe.Limits{PerSecondMax: 1e9})
	token := body(client{}.token(b, s.EncryptionKeys()[0].Key, `{"amount":5}`))
	for b.Loop() {
		if _, err := box.Open(context.Background(), token); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	box := jwe.New(keys(b), jwe.Limits{})
	caller, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := box.Seal(&caller.PublicKey, []byte(`{"id":1125,"cvv":"123","exp":"2026-01-31"}`)); err != nil {
			b.Fatal(err)
		}
	}
}

// completed is a new key file with key pairs.
func completed(path string) (*keystore.Store, error) {
	if _, err := keystore.Create(path, nil); err != nil {
		return nil, err
	}
	s, _, err := keystore.Complete(path, nil)
	return s, err
}
