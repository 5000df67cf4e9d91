package main

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// spki is the estate's own response key.
func (e *estate) spki() []byte {
	e.t.Helper()
	der, err := x509.MarshalPKIXPublicKey(e.key)
	if err != nil {
		e.t.Fatal(err)
	}
	return der
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Object identifiers of keys.
var (
	oidRSA      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidRSAPSS   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidRSAOAEP  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 7}
	oidDSA      = asn1.ObjectIdentifier{1, 2, 840, 10040, 4, 1}
	oidEC       = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidEd448    = asn1.ObjectIdentifier{1, 3, 101, 113}
	oidUnknown  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}
	oidP256     = asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
	derNull     = asn1.RawValue{Tag: asn1.TagNull}
	keyExponent = big.NewInt(65537)
)

// spkiOf is a public key with any numbers.
func spkiOf(oid asn1.ObjectIdentifier, parameters asn1.RawValue, key []byte) []byte {
	return must(asn1.Marshal(struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}{pkix.AlgorithmIdentifier{Algorithm: oid, Parameters: parameters}, asn1.BitString{Bytes: key, BitLength: 8 * len(key)}}))
}

func rsaKey(n, e *big.Int) []byte { return must(asn1.Marshal(struct{ N, E *big.Int }{n, e})) }

func rsaSPKI(n, e *big.Int) []byte { return spkiOf(oidRSA, derNull, rsaKey(n, e)) }

// modulus is an odd number of so many bits; nobody has to know its factors.
func modulus(bits int) *big.Int {
	n := new(big.Int).SetBytes(random((bits + 7) / 8))
	n.SetBit(n, bits-1, 1).SetBit(n, 0, 1)
	for i := bits; i < n.BitLen(); i++ {
		n.SetBit(n, i, 0)
	}
	return n
}

// badSPKIs are public keys in DER that are no RSA keys of 2048 to 4096 bits with the exponent 65537.
func badSPKIs(sound []byte) map[string][]byte {
	pub := func(k any) []byte { return must(x509.MarshalPKIXPublicKey(k)) }
	curve := func(c elliptic.Curve) []byte { return pub(&must(ecdsa.GenerateKey(c, rand.Reader)).PublicKey) }
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	n := modulus(2048)
	even := new(big.Int).Sub(n, big.NewInt(1))
	parsed := must(x509.ParsePKIXPublicKey(sound)).(*rsa.PublicKey)
	longLength := append([]byte{0x30, 0x83, 0}, sound[2:]...) // the same length in three bytes
	return map[string][]byte{"1024 bits": rsaSPKI(modulus(1024), keyExponent), "512 bits": rsaSPKI(modulus(512), keyExponent), "2047 bits": rsaSPKI(modulus(2047), keyExponent),
		"4097 bits": rsaSPKI(modulus(4097), keyExponent), "8192 bits": rsaSPKI(modulus(8192), keyExponent), "16384 bits": rsaSPKI(modulus(16384), keyExponent),
		"exponent 1": rsaSPKI(n, big.NewInt(1)), "exponent 2": rsaSPKI(n, big.NewInt(2)), "exponent 3": rsaSPKI(n, big.NewInt(3)), "exponent 17": rsaSPKI(n, big.NewInt(17)),
		"exponent 65539": rsaSPKI(n, big.NewInt(65539)), "exponent 2^31-1": rsaSPKI(n, big.NewInt(1<<31-1)), "exponent 2^64+1": rsaSPKI(n, new(big.Int).SetBit(big.NewInt(1), 64, 1)),
		"exponent 0": rsaSPKI(n, new(big.Int)), "exponent negative": rsaSPKI(n, big.NewInt(-3)), "even modulus": rsaSPKI(even, keyExponent), "modulus 0": rsaSPKI(new(big.Int), keyExponent),
		"modulus 1": rsaSPKI(big.NewInt(1), keyExponent), "modulus negative": rsaSPKI(new(big.Int).Neg(n), keyExponent), "P-256": curve(elliptic.P256()), "P-384": curve(elliptic.P384()),
		"P-521": curve(elliptic.P521()), "Ed25519": pub(ed), "X25519": pub(must(ecdh.X25519().GenerateKey(rand.Reader)).PublicKey()), "RSA-PSS": spkiOf(oidRSAPSS, derNull, rsaKey(n, keyExponent)),
		"RSA-OAEP": spkiOf(oidRSAOAEP, derNull, rsaKey(n, keyExponent)), "without parameters": spkiOf(oidRSA, asn1.RawValue{}, rsaKey(n, keyExponent)), "DSA": spkiOf(oidDSA, derNull, rsaKey(n, keyExponent)),
		"unknown": spkiOf(oidUnknown, derNull, rsaKey(n, keyExponent)), "empty key": spkiOf(oidRSA, derNull, nil), "PKCS 1": x509.MarshalPKCS1PublicKey(parsed), "a byte behind": append(bytes.Clone(sound), 0),
		"cut": sound[:len(sound)-1], "empty": {}, "zeros": make([]byte, 294), "a longer length": longLength, "a sequence around": must(asn1.Marshal([]asn1.RawValue{{FullBytes: sound}})),
		"a zero before the modulus": bytes.Replace(sound, []byte{2, 0x82, 1, 1, 0}, []byte{2, 0x82, 1, 1, 1}, 1)[:len(sound)-1], "JWK": []byte(`{"kty":"RSA","n":"AQAB","e":"AQAB"}`),
		"JWK with private parts": []byte(`{"kty":"RSA","n":"AQAB","e":"AQAB","d":"` + markText + `"}`), "JWK set": []byte(`{"keys":[]}`), "OpenSSH": []byte("ssh-rsa AAAAB3NzaC1yc2E= " + markText)}
}

// Goal: a key that answers must not be encrypted for is refused wherever it is brought, also one that is sound and another's.
func TestBadKeysByName(t *testing.T) {
	t.Parallel()
	e := openEstate(t, nil)
	der := e.spki()
	key := must(rsa.GenerateKey(rand.Reader, 2048))
	pkcs8 := must(x509.MarshalPKCS8PrivateKey(key))
	armour := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	text := armour("PUBLIC KEY", der)
	certificate := e.clients["partner"].Transport.(*http.Transport).TLSClientConfig.Certificates[0].Certificate[0]
	var zip bytes.Buffer
	z := gzip.NewWriter(&zip)
	_, _ = z.Write(der) // a buffer takes all
	_ = z.Close()
	all := badSPKIs(der)
	for name, b := range map[string][]byte{"private, PKCS 1": x509.MarshalPKCS1PrivateKey(key), "private, PKCS 8": pkcs8, "private, PEM": armour("PRIVATE KEY", pkcs8),
		"private, PEM of RSA": armour("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)), "a certificate": certificate, "a certificate, PEM": armour("CERTIFICATE", certificate),
		"PEM of RSA": armour("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(e.key)), "PEM with a wrong name": armour("PUBLIC-KEY", der), "two PEM": append(bytes.Clone(text), text...),
		"PEM and text": append(bytes.Clone(text), markText...), "PEM with headers": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}, Bytes: der}),
		"PEM without an end": text[:len(text)-20], "PEM of a small key": armour("PUBLIC KEY", rsaSPKI(modulus(1024), keyExponent)), "base64 in base64": []byte(base64.StdEncoding.EncodeToString(der)),
		"gzip": zip.Bytes(), "another's": must(x509.MarshalPKIXPublicKey(&key.PublicKey)), "ours": must(x509.MarshalPKIXPublicKey(e.node.keys.EncryptionKeys()[0].Key))} {
		all[name] = b
	}
	headers := map[string]string{}
	for name, b := range all {
		headers[name] = base64.StdEncoding.EncodeToString(b)
	}
	sound := base64.StdEncoding.EncodeToString(der)
	maps.Copy(headers, map[string]string{"no base64": "!" + sound[1:], "base64url": strings.NewReplacer("+", "-", "/", "_").Replace(sound) + "-_", "without padding": strings.TrimRight(sound+"====", "=") + "A",
		"hexadecimal": hex.EncodeToString(der), "PEM in one line": strings.ReplaceAll(string(text), "\n", " "), "a data URL": "data:;base64," + sound, "quoted": `"` + sound + `"`, "null": "null",
		"two in one": sound + "," + sound, "a scheme": "RSA " + sound, "a thumbprint": "sha256:" + markText, "very long": strings.Repeat("A", 4100), "a space inside": sound[:40] + " " + sound[40:]})
	done := e.changesNothing(60, len(headers))
	path := fmt.Sprintf("/secure/customers/%d/cards", e.user)
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		r := e.call(e.clients["partner"], "GET", e.secure+path, "", "Encrypted-Request", "true", "Public-Key", headers[name])
		sent := headers[name]
		if len(sent) > 4200 { // more than a header may have, with the others
			if r.status != 400 && r.status != 431 {
				t.Errorf("%s: %d", name, r.status)
			}
			continue
		}
		e.mustBe("key: "+name, badKey, r, sent[:min(len(sent), 30)])
	}
	if r := e.call(e.clients["partner"], "GET", e.secure+path, "", "Encrypted-Request", "true", "Public-Key", sound); r.status != 200 {
		t.Errorf("the registered key: %d %s", r.status, r.text)
	}
	e.mustBe("key: none", badKey, e.call(e.clients["partner"], "GET", e.secure+path, "", "Encrypted-Request", "true"))
	for _, v := range []string{"", "TRUE", "True", "1", "yes", "on", "false", "true;q=1", "true, true", `"true"`} {
		r := e.call(e.clients["partner"], "POST", e.secure+path+"/virtual", `{"payload":"`+markText+`"}`, "Encrypted-Request", v, "Public-Key", sound)
		e.mustBe("Encrypted-Request "+v, badSecrecy, r)
	}
	done()
	t.Logf("%d bad keys", len(headers))
}
