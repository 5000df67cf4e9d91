// Package pki is our own certificate authority for partner backends, and the TLS of our listeners.
//
// A certificate signing request contributes its public key and nothing else: the name, the rights and the days of
// the certificate come from the partner's record. The authority's private key stays in the keystore.
package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"time"

	"holdfast/authz/keystore"
	"holdfast/authz/record"
)

// Bounds of what is signed.
const (
	requestBytesMax = 16 << 10
	rsaBitsMin      = 2048
	rsaBitsMax      = 4096
	rsaExponent     = 65537
	serialBits      = 127 // positive, and 16 bytes at most: more random than RFC 5280 asks for
	backdate        = 5 * time.Minute

	DaysUsual = 365
	DaysMax   = 397 // as browsers and CAs agree for servers; nobody needs longer
)

// ErrRequest: a signing request is not acceptable. The text names the rule and nothing of the request.
var ErrRequest = errors.New("signing request is not acceptable")

func refuse(rule string) error { return fmt.Errorf("%w: %s", ErrRequest, rule) }

// ParseRequest reads a signing request, PEM, and gives its public key: RSA of 2048 to 4096 bits, ECDSA on P-256 or
// Ed25519, proven by the request's own signature. The error is ErrRequest.
func ParseRequest(text []byte) (any, error) {
	if len(text) > requestBytesMax {
		return nil, refuse("it is too large")
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE REQUEST" || len(bytes.TrimSpace(rest)) != 0 {
		return nil, refuse("it must be one PEM block of a certificate request")
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, refuse("it does not parse") // the parser's own error could quote it
	}
	switch key := request.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < rsaBitsMin || bits > rsaBitsMax || key.E != rsaExponent {
			return nil, refuse("RSA keys have 2048 to 4096 bits and the exponent 65537")
		}
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return nil, refuse("ECDSA keys are on P-256")
		}
	case ed25519.PublicKey:
	default:
		return nil, refuse("keys are RSA, ECDSA on P-256 or Ed25519")
	}
	// The standard library still takes SHA-1 in requests. A requester who cannot do better is not let in.
	sha1 := request.SignatureAlgorithm == x509.SHA1WithRSA || request.SignatureAlgorithm == x509.ECDSAWithSHA1
	if err := request.CheckSignature(); sha1 || err != nil {
		return nil, refuse("its signature does not hold")
	}
	return request.PublicKey, nil
}

// Sign makes a certificate for a partner and a key that ParseRequest gave. It is not valid before it is in the records.
func Sign(keys *keystore.Store, public any, p *record.Partner, days int, by string, at time.Time) (*record.Certificate, error) {
	if days < 1 || days > DaysMax {
		return nil, refuse(fmt.Sprintf("certificates are valid for 1 to %d days", DaysMax))
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	serial.Add(serial, big.NewInt(1))
	at = at.UTC().Truncate(time.Second)
	name := &url.URL{Scheme: "urn", Opaque: fmt.Sprintf("holdfast:partner:%d", p.ID)}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: fmt.Sprintf("partner %d", p.ID), Organization: []string{p.Name}},
		NotBefore:    at.Add(-backdate), NotAfter: at.AddDate(0, 0, days),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true, URIs: []*url.URL{name},
	}
	der, err := keys.SignCertificate(template, public)
	if err != nil {
		return nil, err
	}
	print := Fingerprint(der)
	return &record.Certificate{Partner: p.ID, Serial: hex.EncodeToString(serial.Bytes()), Fingerprint: print, DER: der,
		NotBefore: template.NotBefore, NotAfter: template.NotAfter, IssuedBy: by, CreatedAt: at}, nil
}

// Fingerprint names a certificate: SHA-256 of its DER.
func Fingerprint(der []byte) []byte {
	sum := sha256.Sum256(der)
	return sum[:]
}

// PEM is a certificate as partners get it.
func PEM(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
