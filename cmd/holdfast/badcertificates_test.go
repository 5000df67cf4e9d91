package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/authz/record"
	"holdfast/mgmt/pki"
	"holdfast/store/records"
)

// signingRequest is one in its parts, so that each can be another.
type signingRequest struct {
	Info      asn1.RawValue
	Algorithm asn1.RawValue
	Signature asn1.BitString
}

type requestInfo struct {
	Version    int
	Subject    asn1.RawValue
	Key        asn1.RawValue
	Attributes asn1.RawValue
}

func armoured(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

const requestKind = "CERTIFICATE REQUEST"

// requestOf is a sound signing request of a key.
func requestOf(key crypto.Signer, template *x509.CertificateRequest) []byte {
	return must(x509.CreateCertificateRequest(rand.Reader, template, key))
}

// badRequestsForms are texts that are no request.
func badRequestForms(der []byte) map[string][]byte {
	sound := armoured(requestKind, der)
	return map[string][]byte{"empty": {}, "no PEM": der, "text": []byte(markText), "two blocks": append(bytes.Clone(sound), sound...), "text behind": append(bytes.Clone(sound), markText...),
		"a certificate behind": append(bytes.Clone(sound), armoured("CERTIFICATE", der)...), "a certificate": armoured("CERTIFICATE", der), "a public key": armoured("PUBLIC KEY", der),
		"a private key": armoured("PRIVATE KEY", der), "an old name": armoured("NEW CERTIFICATE REQUEST", der), "another case": armoured("Certificate Request", der),
		"an empty block": armoured(requestKind, nil), "zeros": armoured(requestKind, make([]byte, 300)), "cut": armoured(requestKind, der[:len(der)-1]), "cut in the middle": armoured(requestKind, der[:len(der)/2]),
		"a byte behind": armoured(requestKind, append(bytes.Clone(der), 0)), "a byte before": armoured(requestKind, append([]byte{0}, der...)), "without an end": sound[:len(sound)-30],
		"no base64": bytes.Replace(sound, []byte("\nMI"), []byte("\n!!"), 1), "too large": bytes.Repeat(sound, 60)[:12_000], "base64 twice": armoured(requestKind, []byte(base64.StdEncoding.EncodeToString(der))),
		"a sequence around": armoured(requestKind, must(asn1.Marshal([]asn1.RawValue{{FullBytes: der}}))), "JSON": []byte(`{"csr":"` + markText + `"}`), "a longer length": armoured(requestKind, append([]byte{0x30, 0x83, 0}, der[2:]...)),
		"SPKAC": []byte("SPKAC=MIIB" + markText), "PKCS 7": armoured("PKCS7", der), "OpenSSH": []byte("ssh-ed25519 AAAA " + markText)}
}

// badRequestKeys are requests with keys that are not signed for. Their signatures do not hold either, but for those of real
// keys: the key is judged first.
func badRequestKeys(der []byte) map[string][]byte {
	var sound signingRequest
	must(asn1.Unmarshal(der, &sound))
	var info requestInfo
	must(asn1.Unmarshal(sound.Info.FullBytes, &info))
	with := func(spki []byte) []byte {
		i := info
		i.Key = asn1.RawValue{FullBytes: spki}
		r := sound
		r.Info = asn1.RawValue{FullBytes: must(asn1.Marshal(i))}
		return must(asn1.Marshal(r))
	}
	named := asn1.RawValue{FullBytes: must(asn1.Marshal(oidP256))}
	all := map[string][]byte{"P-224": requestOf(must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)), &x509.CertificateRequest{}),
		"P-384": requestOf(must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), &x509.CertificateRequest{}), "P-521": requestOf(must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)), &x509.CertificateRequest{}),
		"X25519": with(spkiOf(asn1.ObjectIdentifier{1, 3, 101, 110}, asn1.RawValue{}, random(32))), "Ed448": with(spkiOf(oidEd448, asn1.RawValue{}, random(57))),
		"off the curve": with(spkiOf(oidEC, named, append([]byte{4}, random(64)...))), "infinity": with(spkiOf(oidEC, named, []byte{0})), "without a curve": with(spkiOf(oidEC, asn1.RawValue{}, append([]byte{4}, random(64)...)))}
	for _, name := range []string{"1024 bits", "2047 bits", "4097 bits", "8192 bits", "exponent 1", "exponent 2", "exponent 3", "exponent 65539", "exponent 2^31-1", "exponent 0", "exponent negative",
		"even modulus", "modulus 0", "modulus negative", "RSA-PSS", "RSA-OAEP", "DSA", "unknown", "empty key"} {
		all["RSA, "+name] = with(badSPKIs(must(x509.MarshalPKIXPublicKey(&must(rsa.GenerateKey(rand.Reader, 2048)).PublicKey)))[name])
	}
	return all
}

// badRequestSignatures are requests of sound keys whose signatures do not prove them.
func badRequestSignatures(der []byte, key *ecdsa.PrivateKey) map[string][]byte {
	var sound signingRequest
	must(asn1.Unmarshal(der, &sound))
	other := requestOf(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), &x509.CertificateRequest{})
	var stranger signingRequest
	must(asn1.Unmarshal(other, &stranger))
	put := func(change func(*signingRequest)) []byte {
		r := sound
		r.Signature.Bytes = bytes.Clone(sound.Signature.Bytes)
		change(&r)
		return must(asn1.Marshal(r))
	}
	algorithm := func(oid ...int) func(*signingRequest) {
		return func(r *signingRequest) {
			r.Algorithm = asn1.RawValue{FullBytes: must(asn1.Marshal(pkix.AlgorithmIdentifier{Algorithm: oid}))}
		}
	}
	tampered := func(f func(*requestInfo)) []byte {
		return put(func(r *signingRequest) {
			var i requestInfo
			must(asn1.Unmarshal(r.Info.FullBytes, &i))
			f(&i)
			r.Info = asn1.RawValue{FullBytes: must(asn1.Marshal(i))}
		})
	}
	weak := must(rsa.GenerateKey(rand.Reader, 2048))
	old := must(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{SignatureAlgorithm: x509.SHA1WithRSA}, weak))
	return map[string][]byte{"flipped": put(func(r *signingRequest) { r.Signature.Bytes[20] ^= 1 }), "another's": put(func(r *signingRequest) { r.Signature = stranger.Signature }),
		"empty": put(func(r *signingRequest) { r.Signature = asn1.BitString{} }), "cut": put(func(r *signingRequest) { r.Signature = asn1.BitString{Bytes: r.Signature.Bytes[:8], BitLength: 64} }),
		"zeros": put(func(r *signingRequest) { clear(r.Signature.Bytes) }), "said to be RSA": put(algorithm(1, 2, 840, 113549, 1, 1, 11)), "said to be MD5": put(algorithm(1, 2, 840, 113549, 1, 1, 4)),
		"said to be SHA-1": put(algorithm(1, 2, 840, 10045, 4, 1)), "said to be SHA-512": put(algorithm(1, 2, 840, 10045, 4, 3, 4)), "said to be Ed25519": put(algorithm(1, 3, 101, 112)),
		"of an unknown kind": put(algorithm(1, 3, 6, 1, 4, 1, 99999, 1)), "of none": put(algorithm(0, 0)), "with SHA-1": old, "the key of another": put(func(r *signingRequest) { r.Info = stranger.Info }),
		"of another subject": tampered(func(i *requestInfo) {
			i.Subject = asn1.RawValue{FullBytes: must(asn1.Marshal(pkix.Name{CommonName: markText}.ToRDNSequence()))}
		}),
		"of another version": tampered(func(i *requestInfo) { i.Version = 7 }), "with more attributes": tampered(func(i *requestInfo) { i.Attributes = asn1.RawValue{FullBytes: []byte{0xa0, 2, 5, 0}} })}
}

// Goal: of a signing request only a sound key that is proven counts: everything else is refused in one way, and no
// certificate is made.
func TestBadSigningRequestsByName(t *testing.T) {
	t.Parallel()
	e := openEstate(t, nil)
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	der := requestOf(key, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "any"}})
	all := badRequestForms(der)
	for kind, some := range map[string]map[string][]byte{"key: ": badRequestKeys(der), "signature: ": badRequestSignatures(der, key)} {
		for name, b := range some {
			all[kind+name] = armoured(requestKind, b)
		}
	}
	all["1000 names"] = armoured(requestKind, requestOf(key, &x509.CertificateRequest{DNSNames: slices.Repeat([]string{"bank.example"}, 1000)}))
	path := fmt.Sprintf("/admin/partners/%d/certificates", e.partner)
	send := func(csr, more string) reply {
		return e.call(e.clients[""], "POST", e.public+path, `{"csr":"`+csr+`"`+more+`}`, "Authorization", "Bearer "+e.tokens["admin"])
	}
	encoded := base64.StdEncoding.EncodeToString(armoured(requestKind, der))
	done := e.changesNothing(60, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		sent := base64.StdEncoding.EncodeToString(all[name])
		e.mustBe("request: "+name, badContent, send(sent, ""), sent[:min(len(sent), 30)])
	}
	for name, r := range map[string]reply{"base64url": send(strings.NewReplacer("+", "-", "/", "_").Replace(encoded)+"-_", ""), "not base64": send("!"+encoded[1:], ""), "in clear": send("-----BEGIN "+requestKind, ""),
		"no days": send(encoded, `,"days":0`), "fewer days": send(encoded, `,"days":-1`), "too many days": send(encoded, `,"days":398`), "very many days": send(encoded, `,"days":1099511627776`),
		"half a day": send(encoded, `,"days":0.5`), "days as a text": send(encoded, `,"days":"30"`), "a serial number": send(encoded, `,"serial":"`+markText+`"`), "a subject": send(encoded, `,"subject":"`+markText+`"`),
		"an authority": send(encoded, `,"isCA":true`)} {
		e.mustBe("request: "+name, badContent, r, encoded[:30])
	}
	e.refused(404, "NOT_FOUND", e.as("admin", "POST", "/admin/partners/999999/certificates", `{"csr":"`+encoded+`"}`))
	done()
	if r := send(encoded, ""); r.status != 201 {
		t.Errorf("a sound request: %d %s", r.status, r.text)
	}
	t.Logf("%d bad requests", len(all))
}

// issued makes a certificate by our authority with anything in it, and keeps it in the books or does not.
func (e *estate) issued(key crypto.Signer, partner int64, keep bool, change func(*x509.Certificate)) tls.Certificate {
	e.t.Helper()
	now := time.Now()
	template := &x509.Certificate{SerialNumber: new(big.Int).SetBytes(random(15)), Subject: pkix.Name{CommonName: fmt.Sprintf("partner %d", partner)}, NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true}
	change(template)
	der, err := e.node.keys.SignCertificate(template, key.Public())
	if err != nil {
		e.t.Fatal(err)
	}
	if keep {
		c := &record.Certificate{Partner: e.partner, Serial: fmt.Sprintf("%x", template.SerialNumber), Fingerprint: pki.Fingerprint(der), DER: der, NotBefore: template.NotBefore,
			NotAfter: template.NotAfter, IssuedBy: "test", CreatedAt: now}
		e.do(func(ctx context.Context, tx *records.Tx) error { return tx.InsertCertificate(ctx, c) })
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// signedBy makes a certificate by an authority that is not ours.
func signedBy(parent *x509.Certificate, by crypto.Signer, key crypto.Signer, template *x509.Certificate) []byte {
	return must(x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by))
}

// Goal: who has not got a certificate that we signed for a partner, that is in the books and is good today, is not served:
// either the handshake fails or the call is refused, and nothing changes.
func TestBadCertificatesByName(t *testing.T) {
	t.Parallel()
	e := openEstate(t, nil)
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	nothing := func(*x509.Certificate) {}
	own := must(tls.LoadX509KeyPair(filepath.Join(e.data, serverCertificateFile), filepath.Join(e.data, serverKeyFile)))
	sound := e.issued(key, int64(e.partner), true, nothing)
	leaf := must(x509.ParseCertificate(sound.Certificate[0]))
	stranger := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	ours := e.node.keys.Authorities()[0]
	imitation := *ours
	imitation.PublicKey, imitation.SignatureAlgorithm = stranger.Public(), 0
	fake := must(x509.ParseCertificate(signedBy(&imitation, stranger, stranger, &imitation)))
	copied := *leaf
	copied.SignatureAlgorithm = 0
	child := &x509.Certificate{SerialNumber: big.NewInt(5), NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, ExtKeyUsage: leaf.ExtKeyUsage, KeyUsage: x509.KeyUsageDigitalSignature}
	chain := func(certificates ...[]byte) tls.Certificate {
		return tls.Certificate{Certificate: certificates, PrivateKey: key}
	}
	authorityLeaf := e.issued(key, int64(e.partner), true, func(c *x509.Certificate) {
		c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature
	})
	edKey := must2(ed25519.GenerateKey(rand.Reader))
	revoked := e.issued(key, int64(e.partner), true, nothing)
	e.revoke(revoked.Certificate[0])
	all := map[string]tls.Certificate{"self-signed": chain(signedBy(&copied, key, key, &copied)), "the server's own": own, "signed by another authority": chain(signedBy(fake, stranger, key, &copied)),
		"signed by another authority of our name": chain(signedBy(fake, stranger, key, &copied), fake.Raw), "signed by another, with ours behind": chain(signedBy(fake, stranger, key, &copied), ours.Raw),
		"ours behind a self-signed one": chain(signedBy(&copied, key, key, &copied), sound.Certificate[0]), "ours with a stranger's key": {Certificate: sound.Certificate, PrivateKey: stranger},
		"our authority's own": {Certificate: [][]byte{ours.Raw}, PrivateKey: stranger}, "signed by a partner": chain(signedBy(leaf, key, key, child), sound.Certificate[0]),
		"signed by a partner that is said to be an authority": chain(signedBy(must(x509.ParseCertificate(authorityLeaf.Certificate[0])), key, key, child), authorityLeaf.Certificate[0]),
		"three in a row": chain(signedBy(leaf, key, key, child), sound.Certificate[0], ours.Raw),
		"over":           e.issued(key, int64(e.partner), true, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }),
		"not begun":      e.issued(key, int64(e.partner), true, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(10 * time.Minute) }),
		"over before it began": e.issued(key, int64(e.partner), true, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
		}),
		"for servers": e.issued(key, int64(e.partner), true, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }),
		"for mail":    e.issued(key, int64(e.partner), true, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection} }),
		"for code":    e.issued(key, int64(e.partner), true, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} }),
		"with an unknown that is critical": e.issued(key, int64(e.partner), true, func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: oidUnknown, Critical: true, Value: []byte{5, 0}}}
		}),
		"not in the books":                e.issued(key, int64(e.partner), false, nothing),
		"not in the books, of Ed25519":    e.issued(edKey, int64(e.partner), false, nothing),
		"not in the books, as another":    e.issued(key, int64(e.partner)+1, false, nothing),
		"not in the books, of our serial": e.issued(key, int64(e.partner), false, func(c *x509.Certificate) { c.SerialNumber = leaf.SerialNumber }),
		"not in the books, an authority":  e.issued(key, int64(e.partner), false, func(c *x509.Certificate) { c.IsCA = true }),
		"revoked":                         revoked, "a changed byte": chain(flipped(sound.Certificate[0])), "cut": chain(sound.Certificate[0][:200])}
	urls := []string{"/lifecycle/v1/public-key", fmt.Sprintf("/secure/customers/%d/cards", e.user)}
	done := e.changesNothing(26, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, path := range urls {
			r := e.call(e.http(all[name]), "GET", e.secure+path, "")
			if r.status == 0 {
				if strings.Contains(r.text, "EOF") || strings.Contains(r.text, "tls") || strings.Contains(r.text, "reset") || strings.Contains(r.text, "broken pipe") || strings.Contains(r.text, "x509") {
					continue
				}
				t.Errorf("certificate: %s: no answer, and no refusal of the handshake: %s", name, r.text)
				continue
			}
			e.mustBe("certificate: "+name, refusal{401, "CERTIFICATE_REQUIRED"}, r)
		}
	}
	if r := e.call(e.http(), "GET", e.secure+urls[0], ""); r.status != 0 {
		t.Errorf("without a certificate: %d", r.status)
	}
	done()
	if r := e.call(e.http(sound), "GET", e.secure+urls[0], ""); r.status != 200 {
		t.Errorf("a sound certificate: %d %s", r.status, r.text)
	}
	e.welcomes(sound, urls[0])
}

// welcomes asks with a sound certificate of a partner that is not welcome: from elsewhere, and suspended.
func (e *estate) welcomes(sound tls.Certificate, path string) {
	e.t.Helper()
	for name, c := range map[string]struct {
		change string
		want   refusal
	}{"from another network": {`{"networks":["192.0.2.0/24"]}`, refusal{403, "FORBIDDEN"}}, "suspended": {`{"state":"SUSPENDED","networks":[]}`, refusal{403, "PARTNER_SUSPENDED"}}} {
		e.want(200, nil, e.as("admin", "PATCH", fmt.Sprintf("/admin/partners/%d", e.partner), c.change))
		eventually(e.t, 20*time.Second, name, func() error {
			if r := e.call(e.http(sound), "GET", e.secure+path, ""); r.status != c.want.status || r.code() != c.want.code {
				return fmt.Errorf("%d %s", r.status, r.code())
			}
			return nil
		})
		e.want(200, nil, e.as("admin", "PATCH", fmt.Sprintf("/admin/partners/%d", e.partner), `{"state":"ACTIVE","networks":[]}`))
	}
}

func (e *estate) revoke(der []byte) {
	e.t.Helper()
	e.do(func(ctx context.Context, tx *records.Tx) error {
		c, _, err := tx.Certificate(ctx, pki.Fingerprint(der))
		if err != nil {
			return err
		}
		return tx.RevokeCertificate(ctx, c.Partner, c.ID, time.Now())
	})
}

func must2[A, B any](_ A, v B, err error) B {
	if err != nil {
		panic(err)
	}
	return v
}

// flipped changes a byte inside of what is signed.
func flipped(der []byte) []byte {
	der = bytes.Clone(der)
	der[len(der)/3] ^= 1
	return der
}
