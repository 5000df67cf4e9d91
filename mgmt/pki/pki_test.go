package pki_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/authz/keystore"
	"holdfast/authz/record"
	"holdfast/mgmt/pki"
)

func request(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	// All that a requester could wish for. None of it counts.
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: "partner 99", Organization: []string{"Evil"}},
		DNSNames: []string{"bank.example"}, EmailAddresses: []string{"x@bank.example"}, URIs: []*url.URL{{Scheme: "urn", Opaque: "holdfast:partner:99"}},
		ExtraExtensions: []pkix.Extension{{Id: []int{2, 5, 29, 19}, Critical: true, Value: []byte{0x30, 3, 1, 1, 0xff}}}}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

func made[K crypto.Signer](t testing.TB) func(K, error) crypto.Signer {
	return func(k K, err error) crypto.Signer {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
}

// Goal: only the key of a request counts. Method: a request that wishes for everything, with each kind of key.
func TestOnlyTheKeyOfARequestCounts(t *testing.T) {
	t.Parallel()
	keys, err := completed(filepath.Join(t.TempDir(), "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	roots := x509.NewCertPool()
	for _, a := range keys.Authorities() {
		roots.AddCert(a)
	}
	serials := map[string]bool{}
	for name, key := range map[string]crypto.Signer{"RSA": made[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048)),
		"P-256": made[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), "Ed25519": ed} {
		public, err := pki.ParseRequest(request(t, key))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		c, err := pki.Sign(keys, public, &record.Partner{ID: 7, Name: "Acme"}, 30, "test", at)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(c.DER)
		if err != nil {
			t.Fatal(err)
		}
		if cert.Subject.CommonName != "partner 7" || cert.Subject.Organization[0] != "Acme" || cert.IsCA || len(cert.DNSNames) != 0 ||
			len(cert.EmailAddresses) != 0 || len(cert.URIs) != 1 || cert.URIs[0].String() != "urn:holdfast:partner:7" {
			t.Errorf("%s: signed %+v", name, cert.Subject)
		}
		if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err == nil {
			t.Errorf("%s: it is good for servers", name)
		}
		if !bytes.Equal(c.Fingerprint, pki.Fingerprint(c.DER)) || serials[c.Serial] || c.NotAfter.Sub(at) > 31*24*time.Hour || !c.Valid(at) {
			t.Errorf("%s: kept %+v", name, c)
		}
		serials[c.Serial] = true
	}
}

func TestBadRequestsAreRefused(t *testing.T) {
	t.Parallel()
	key := made[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	sound := request(t, key)
	block, _ := pem.Decode(sound)
	encode := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	flipped := func(at int) []byte {
		der := bytes.Clone(block.Bytes)
		der[at] ^= 1
		return encode("CERTIFICATE REQUEST", der)
	}
	cases := map[string][]byte{
		"empty": nil, "not PEM": block.Bytes, "text": []byte("hello"), "two blocks": append(bytes.Clone(sound), sound...),
		"trailing": append(bytes.Clone(sound), "x"...), "a certificate": encode("CERTIFICATE", block.Bytes), "a key": encode("PUBLIC KEY", block.Bytes),
		"empty block": encode("CERTIFICATE REQUEST", nil), "cut": encode("CERTIFICATE REQUEST", block.Bytes[:len(block.Bytes)-1]),
		"longer": encode("CERTIFICATE REQUEST", append(bytes.Clone(block.Bytes), 0)), "very large": []byte(strings.Repeat(string(sound), 100)),
		"P-384": request(t, made[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))),
		"P-224": request(t, made[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))),
		"SHA-1": encode("CERTIFICATE REQUEST", sha1Request(t)),
		"old":   []byte(strings.ReplaceAll(string(sound), "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")),
	}
	for i := 0; i < len(block.Bytes); i += len(block.Bytes) / 50 { // each byte is under the signature, or is it
		cases["flipped at "+time.Duration(i).String()] = flipped(i)
	}
	for name, text := range cases {
		if public, err := pki.ParseRequest(text); public != nil || !errors.Is(err, pki.ErrRequest) {
			t.Errorf("%s: accepted, %v", name, err)
		}
	}
	if len(cases) < 60 {
		t.Errorf("only %d cases", len(cases))
	}
	keys, err := completed(filepath.Join(t.TempDir(), "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, days := range []int{-1, 0, 398, 1 << 40} {
		if _, err := pki.Sign(keys, key.Public(), &record.Partner{ID: 7}, days, "test", time.Now()); !errors.Is(err, pki.ErrRequest) {
			t.Errorf("%d days: %v", days, err)
		}
	}
}

// sha1Request is a request whose signature holds, over a hash that does not.
func sha1Request(t *testing.T) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{SignatureAlgorithm: x509.SHA1WithRSA},
		made[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048)))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func FuzzParseRequest(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(request(f, key))
	f.Fuzz(func(t *testing.T, text []byte) {
		if public, err := pki.ParseRequest(text); (public == nil) != (err != nil) {
			t.Errorf("%v and %v", public, err)
		}
	})
}

// completed is a new key file with key pairs.
func completed(path string) (*keystore.Store, error) {
	if _, err := keystore.Create(path, nil); err != nil {
		return nil, err
	}
	s, _, err := keystore.Complete(path, nil)
	return s, err
}
