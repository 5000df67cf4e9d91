package main

import (
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/authz/record"
	"holdfast/store/records"
)

// sessionFrom opens one that lives from a time on, and gives its token.
func (e *estate) sessionFrom(s record.Session, at time.Time, lives time.Duration) string {
	e.t.Helper()
	raw := random(32)
	token := base64.RawURLEncoding.EncodeToString(raw)
	hash := sha256.Sum256([]byte("holdfast token " + token))
	s.Hash, s.CreatedAt, s.SeenAt, s.ExpiresAt = hash[:], at, at, at.Add(lives)
	e.do(func(ctx context.Context, tx *records.Tx) error { return tx.NewSession(ctx, &s) })
	return token
}

// Goal: only a living session's own token lets in, as it was given, in its place, on its channel.
func TestBadSessionTokensByName(t *testing.T) {
	t.Parallel()
	e := openEstate(t, nil)
	token := e.tokens["user"]
	user := record.Session{Kind: record.SessionUser, Partner: e.partner, User: e.user, Device: e.newDevice(e.partner, e.user)}
	old := e.sessionFrom(user, time.Now().Add(-time.Hour), 10*time.Minute)
	soon := e.sessionFrom(user, time.Now().Add(-10*time.Minute), 10*time.Minute)
	loggedOut := e.sessionFrom(user, time.Now(), 10*time.Minute)
	e.call(e.clients[""], "DELETE", e.public+"/customers/sessions/current", "", "Authorization", "Bearer "+loggedOut)
	nobody := e.sessionFrom(record.Session{Kind: record.SessionUser, Partner: e.partner, User: 999999, Device: user.Device}, time.Now(), time.Hour)
	removed := e.newUser(e.partner, 77)
	gone := e.sessionFrom(record.Session{Kind: record.SessionUser, Partner: e.partner, User: removed, Device: e.newDevice(e.partner, removed)}, time.Now(), time.Hour)
	e.want(204, nil, e.as("partner", "POST", fmt.Sprintf("/lifecycle/v1/users/%d/lock", removed), ""))
	hash := sha256.Sum256([]byte("holdfast token " + token))
	changed := func(i int) string {
		b := []byte(token)
		b[i] = "AB"[strings.Count(token[i:i+1], "A")]
		return string(b)
	}
	twin := []byte(token) // its last character has two bits that mean nothing: the same bytes in another text
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	twin[42] = alphabet[strings.IndexByte(alphabet, twin[42])^1]
	jwt := func(header string) string {
		return base64url([]byte(header)) + "." + base64url([]byte(`{"sub":"1","name":"`+markText+`"}`)) + "."
	}
	headers := map[string]string{"none": "", "the word alone": "Bearer", "an empty token": "Bearer ", "no scheme": token, "scheme in lower case": "bearer " + token, "Basic": "Basic " + token,
		"Digest": "Digest username=" + markText, "user and password": "Basic " + base64.StdEncoding.EncodeToString([]byte("ann:"+token)), "two spaces": "Bearer  " + token,
		"a tab": "Bearer\t" + token, "quotes": `Bearer "` + token + `"`, "a comma": "Bearer " + token + "," + token, "cut": "Bearer " + token[:42], "longer": "Bearer " + token + "A",
		"padded": "Bearer " + token + "=", "first changed": "Bearer " + changed(0), "middle changed": "Bearer " + changed(21), "last changed": "Bearer " + string(twin),
		"upper case": "Bearer " + strings.ToUpper(token), "lower case": "Bearer " + strings.ToLower(token), "URL escapes": "Bearer %" + hex.EncodeToString([]byte(token[:1])) + token[1:],
		"hexadecimal": "Bearer " + hex.EncodeToString(must(base64.RawURLEncoding.DecodeString(token))), "its hash": "Bearer " + base64.RawURLEncoding.EncodeToString(hash[:]),
		"its hash, hexadecimal": "Bearer " + hex.EncodeToString(hash[:]), "zeros": "Bearer " + strings.Repeat("A", 43), "an operator's": "Bearer " + e.tokens["admin"], "over": "Bearer " + old,
		"over this moment": "Bearer " + soon, "logged out": "Bearer " + loggedOut, "of nobody": "Bearer " + nobody, "of a locked user": "Bearer " + gone,
		"unsigned JWT": "Bearer " + jwt(`{"alg":"none"}`), "JWT with its own key": "Bearer " + jwt(`{"alg":"HS256","jwk":{"kty":"oct"}}`) + "AAAA", "very long": "Bearer " + strings.Repeat("A", 8000),
		"SQL": "Bearer ' OR 1=1 --", "JSON": `Bearer {"token":"` + token + `"}`, "an e-mail": "Bearer ann1@example.com"}
	idle := e.idle()
	done := e.changesNothing(36, len(headers))
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		e.mustBe("session: "+name, badCaller, e.call(e.clients[""], "GET", e.public+"/customers/me/cards", "", "Authorization", headers[name]), token, old)
	}
	for name, r := range map[string]reply{"in the query": e.call(e.clients[""], "GET", e.public+"/customers/me/cards?access_token="+token, ""),
		"in a cookie":             e.call(e.clients[""], "GET", e.public+"/customers/me/cards", "", "Cookie", "token="+token),
		"in a header of its own":  e.call(e.clients[""], "GET", e.public+"/customers/me/cards", "", "X-Auth-Token", token),
		"a user's, for operators": e.call(e.clients[""], "GET", e.public+"/admin/operators", "", "Authorization", "Bearer "+token),
		"an operator's, over":     e.call(e.clients[""], "GET", e.public+"/admin/operators", "", "Authorization", "Bearer "+idle)} {
		e.mustBe("session: "+name, badCaller, r, token)
	}
	if r := e.as("user", "GET", "/customers/me/cards", ""); r.status != 200 {
		t.Errorf("the sound token: %d %s", r.status, r.text)
	}
	done()
}

// idle is the token of an operator who did nothing for too long.
func (e *estate) idle() string {
	e.t.Helper()
	o := record.Operator{Email: "idle@example.com", Name: "idle", Role: record.RoleAdmin, PasswordHash: "x", TOTPSecret: []byte("x"), CreatedAt: time.Now()}
	e.do(func(ctx context.Context, tx *records.Tx) error { return tx.InsertOperator(ctx, &o) })
	return e.sessionFrom(record.Session{Kind: record.SessionOperator, Operator: o.ID}, time.Now().Add(-16*time.Minute), time.Hour)
}

// pairing asks for a code of the estate's user.
func (e *estate) pairing() string {
	e.t.Helper()
	var code struct{ Code string }
	e.want(201, &code, e.as("partner", "POST", fmt.Sprintf("/lifecycle/v1/users/%d/pairing-codes", e.user), ""))
	return code.Code
}

func pairBody(code string, key []byte, more string) string {
	return `{"pairingCode":"` + code + `","deviceId":"phone","publicKey":"` + base64.StdEncoding.EncodeToString(key) + `"` + more + `}`
}

// Goal: a device's key is of the kinds that sign, and nothing that hides something else.
func TestBadDeviceKeysByName(t *testing.T) {
	t.Parallel()
	e := openEstate(t, nil)
	pub := func(k any) []byte { return must(x509.MarshalPKIXPublicKey(k)) }
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	sound := pub(&key.PublicKey)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	named := must(asn1.Marshal(oidP256))
	point := func(p []byte) []byte { return spkiOf(oidEC, asn1.RawValue{FullBytes: named}, p) }
	off := append([]byte{4}, random(64)...)
	all := map[string][]byte{"P-224": pub(&must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)).PublicKey), "P-384": pub(&must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)).PublicKey),
		"P-521": pub(&must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)).PublicKey), "RSA": e.spki(), "X25519": pub(must(ecdh.X25519().GenerateKey(rand.Reader)).PublicKey()),
		"Ed448": spkiOf(oidEd448, asn1.RawValue{}, random(57)), "Ed25519, short": spkiOf(asn1.ObjectIdentifier{1, 3, 101, 112}, asn1.RawValue{}, random(31)), "DSA": spkiOf(oidDSA, derNull, random(20)),
		"unknown": spkiOf(oidUnknown, derNull, random(20)), "private, PKCS 8": must(x509.MarshalPKCS8PrivateKey(key)), "private, SEC 1": must(x509.MarshalECPrivateKey(key)),
		"private, Ed25519": must(x509.MarshalPKCS8PrivateKey(edKey)), "PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: sound}), "off the curve": point(off), "infinity": point([]byte{0}),
		"zeros": point(append([]byte{4}, make([]byte, 64)...)), "compressed": point(append([]byte{2}, sound[27:59]...)), "hybrid": point(append([]byte{6}, sound[27:]...)), "cut": sound[:len(sound)-1],
		"a byte behind": append(slices.Clone(sound), 0), "the point alone": sound[26:], "without a curve": spkiOf(oidEC, asn1.RawValue{}, sound[26:]), "empty": {},
		"a curve in full": spkiOf(oidEC, asn1.RawValue{FullBytes: must(asn1.Marshal([]int{1, 2, 3}))}, sound[26:]), "JWK": []byte(`{"kty":"EC","crv":"P-256"}`), "text": []byte(markText)}
	done := e.changesNothing(26, len(all))
	code := e.pairing()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		e.mustBe("device key: "+name, badContent, e.as("", "POST", "/customers/devices", pairBody(code, all[name], "")), code)
	}
	for name, response := range map[string][]byte{"small": rsaSPKI(modulus(1024), keyExponent), "EC": sound, "private": x509.MarshalPKCS1PrivateKey(must(rsa.GenerateKey(rand.Reader, 2048)))} {
		r := e.as("", "POST", "/customers/devices", pairBody(code, sound, `,"responseKey":"`+base64.StdEncoding.EncodeToString(response)+`"`))
		e.mustBe("response key: "+name, badKey, r, code)
	}
	for name, c := range map[string]string{"of nobody": strings.Repeat("0", 16), "nearly": code[:15] + string("01"[strings.Count(code[15:], "0")]), "in lower case": strings.ToLower(code[:8]) + strings.ToLower(code[8:])} {
		if c != code {
			e.mustBe("code: "+name, badCaller, e.as("", "POST", "/customers/devices", pairBody(c, sound, "")), c)
		}
	}
	done()
	e.want(201, nil, e.as("", "POST", "/customers/devices", pairBody(code, sound, "")))
	e.mustBe("code: used", badCaller, e.as("", "POST", "/customers/devices", pairBody(code, sound, "")), code)
}

// Goal: a session opens with the device's signature of this challenge, once; with nothing like it, and not with the same again.
func TestBadDeviceSignaturesByName(t *testing.T) {
	t.Parallel()
	e := openEstate(t, nil)
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	other := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	var device struct{ InstallationID string }
	e.want(201, &device, e.as("", "POST", "/customers/devices", pairBody(e.pairing(), must(x509.MarshalPKIXPublicKey(&key.PublicKey)), "")))
	type challenge struct{ ChallengeID, Sign string }
	ask := func() (c challenge) {
		e.want(201, &c, e.as("", "POST", "/customers/sessions/challenge", `{"installationId":"`+device.InstallationID+`"}`))
		return c
	}
	sign := func(k *ecdsa.PrivateKey, text string) []byte {
		sum := sha256.Sum256([]byte(text))
		return must(ecdsa.SignASN1(rand.Reader, k, sum[:]))
	}
	open := func(id string, signature []byte) reply {
		return e.as("", "POST", "/customers/sessions", `{"challengeId":"`+id+`","signature":"`+base64.StdEncoding.EncodeToString(signature)+`"}`)
	}
	type numbers struct{ R, S *big.Int }
	of := func(signature []byte) (n numbers) { must(asn1.Unmarshal(signature, &n)); return n }
	der := func(r, s *big.Int) []byte { return must(asn1.Marshal(numbers{r, s})) }
	order := elliptic.P256().Params().N
	first := ask()
	replayed := sign(key, first.Sign)
	e.want(201, nil, open(first.ChallengeID, replayed))
	signatures := map[string]func(c challenge) []byte{"none": func(challenge) []byte { return nil }, "one byte": func(challenge) []byte { return []byte{0} },
		"random": func(challenge) []byte { return random(70) }, "of a text of its own": func(challenge) []byte { return sign(key, markText) }, "of the id alone": func(c challenge) []byte { return sign(key, c.ChallengeID) },
		"of the text in capitals": func(c challenge) []byte { return sign(key, strings.ToUpper(c.Sign)) }, "of the text and a line end": func(c challenge) []byte { return sign(key, c.Sign+"\n") },
		"by another key": func(c challenge) []byte { return sign(other, c.Sign) }, "of the challenge before": func(challenge) []byte { return replayed },
		"r is zero": func(c challenge) []byte { return der(new(big.Int), of(sign(key, c.Sign)).S) }, "s is zero": func(c challenge) []byte { return der(of(sign(key, c.Sign)).R, new(big.Int)) },
		"both are zero": func(challenge) []byte { return der(new(big.Int), new(big.Int)) }, "both are one": func(challenge) []byte { return der(big.NewInt(1), big.NewInt(1)) },
		"r is the order": func(c challenge) []byte { return der(order, of(sign(key, c.Sign)).S) }, "r negative": func(c challenge) []byte { n := of(sign(key, c.Sign)); return der(n.R.Neg(n.R), n.S) },
		"s and the order": func(c challenge) []byte { n := of(sign(key, c.Sign)); return der(n.R, n.S.Add(n.S, order)) },
		"in turn":         func(c challenge) []byte { n := of(sign(key, c.Sign)); return der(n.S, n.R) },
		"without DER": func(c challenge) []byte {
			n := of(sign(key, c.Sign))
			return append(n.R.FillBytes(make([]byte, 32)), n.S.FillBytes(make([]byte, 32))...)
		},
		"a byte behind":   func(c challenge) []byte { return append(sign(key, c.Sign), 0) },
		"cut":             func(c challenge) []byte { s := sign(key, c.Sign); return s[:len(s)-1] },
		"a bit changed":   func(c challenge) []byte { s := sign(key, c.Sign); s[20] ^= 1; return s },
		"a longer length": func(c challenge) []byte { s := sign(key, c.Sign); return append([]byte{0x30, 0x81, s[1]}, s[2:]...) },
		"with SHA-512": func(c challenge) []byte {
			sum := sha512.Sum512([]byte(c.Sign))
			return must(ecdsa.SignASN1(rand.Reader, key, sum[:]))
		},
		"with no hash":        func(c challenge) []byte { return must(ecdsa.SignASN1(rand.Reader, key, []byte(c.Sign))) },
		"with a hash of hash": func(c challenge) []byte { sum := sha256.Sum256([]byte(c.Sign)); return sign(key, string(sum[:])) },
		"Ed25519": func(c challenge) []byte {
			_, k, _ := ed25519.GenerateKey(rand.Reader)
			return ed25519.Sign(k, []byte(c.Sign))
		},
		"twice": func(c challenge) []byte { s := sign(key, c.Sign); return append(s, s...) }}
	done := e.changesNothing(26, len(signatures))
	for _, name := range slices.Sorted(maps.Keys(signatures)) {
		c := ask()
		want := badCaller
		signature := signatures[name](c)
		if len(signature) == 0 {
			want = badContent
		}
		if len(signature) > 150 {
			want = badContent // longer than any is
		}
		e.mustBe("signature: "+name, want, open(c.ChallengeID, signature), c.Sign)
		if want == badCaller {
			e.mustBe("signature: "+name+", then the right one", badCaller, open(c.ChallengeID, sign(key, c.Sign)), c.Sign)
		}
	}
	e.mustBe("challenge: used", badCaller, open(first.ChallengeID, replayed))
	e.mustBe("challenge: of nobody", badCaller, open("01a2062e-6628-76a6-86fe-5085770c56fd", replayed))
	for name, text := range map[string]string{"base64url": "-_-_", "no base64": "!!" + markText, "padding only": "====", "too long": strings.Repeat("A", 204)} {
		r := e.as("", "POST", "/customers/sessions", `{"challengeId":"`+ask().ChallengeID+`","signature":"`+text+`"}`)
		e.mustBe("signature: "+name, badContent, r, text)
	}
	done()
}
