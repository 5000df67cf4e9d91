package keystore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // RSA-OAEP of RFC 7518 hashes with it, where collisions do not matter
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"slices"
	"syscall"
	"time"
)

// The key pairs of the management API, kept as PKCS #8. A new key file has none; [Complete]
// adds them.
const (
	usageJWE       = "jwe-rsa"    // RSA, what callers encrypt for
	usageAuthority = "partner-ca" // P-256, signs the certificates of partners
)

// pairUsages are the usages whose keys are pairs, in the order in which they are made.
var pairUsages = []string{usageJWE, usageAuthority}

// jweBits is the size of our RSA keys: NIST SP 800-57 allows 2048 until 2030, and a larger one would
// cost each decryption three times as much.
const jweBits = 2048

// authorityYears is how long the authority's certificate is valid from its key's first day.
const authorityYears = 10

// Errors of the key pairs.
var (
	// ErrNoPairs: the key file has no key pairs yet.
	ErrNoPairs = errors.New("key file has no key pairs for the management API")
	// ErrUnwrap: a wrapped key does not open with the key that was named.
	ErrUnwrap = errors.New("wrapped key does not open")
)

// EncryptionKey is one of our public keys that callers encrypt for.
type EncryptionKey struct {
	ID     string // the thumbprint of RFC 7638
	Key    *rsa.PublicKey
	Active bool // callers should use this one; the others still open what they wrapped
}

type rsaPair struct {
	EncryptionKey
	private *rsa.PrivateKey
}

type authority struct {
	private     *ecdsa.PrivateKey
	certificate *x509.Certificate
}

// Complete gives the key file at path the key pairs that it has not got, and opens it; added tells whether it had to.
// A new file has none: making them takes a moment, and a switch without the management API needs none. Of two programs
// that do so at once, one makes them and both use them. Where several nodes have copies of a file, it is done on one
// and copied to the others.
func Complete(path string, passphrase []byte) (s *Store, added bool, err error) {
	lock, err := os.Open(path)
	if err != nil {
		return nil, false, fmt.Errorf("open key file: %w", err)
	}
	defer func() { _ = lock.Close() }() // gives the lock back; only read from
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return nil, false, fmt.Errorf("lock key file: %w", err)
	}
	// edit reads the file by its name: whoever had the lock before may have replaced it.
	if err := edit(path, passphrase, func(f *file) (err error) { added, err = f.addPairs(); return err }); err != nil {
		return nil, false, err
	}
	s, err = Open(path, passphrase)
	return s, added, err
}

// addPairs makes the key pairs that are missing.
func (f *file) addPairs() (added bool, err error) {
	for _, usage := range pairUsages {
		if slices.ContainsFunc(f.Keys, func(rec record) bool { return rec.Usage == usage }) {
			continue
		}
		key, err := newPair(usage)
		if err != nil {
			return added, err
		}
		f.add(usage, stateActive, now(), nil, key)
		added = true
	}
	return added, nil
}

// newPair makes the key of a usage that has pairs.
func newPair(usage string) ([]byte, error) {
	var private any
	var err error
	if usage == usageJWE {
		private, err = rsa.GenerateKey(rand.Reader, jweBits)
	} else {
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return nil, fmt.Errorf("generate key pair: %w", err)
	}
	return x509.MarshalPKCS8PrivateKey(private)
}

// loadPair puts a key pair into the ring.
func (r *ring) loadPair(rec *record) error {
	private, err := x509.ParsePKCS8PrivateKey(rec.key)
	if err != nil {
		return ErrFormat // the parser's own error could quote the key
	}
	switch key := private.(type) {
	case *rsa.PrivateKey:
		if rec.Usage != usageJWE {
			return ErrFormat
		}
		r.rsa = append(r.rsa, rsaPair{EncryptionKey{Thumbprint(&key.PublicKey), &key.PublicKey, rec.State == stateActive}, key})
		return nil
	case *ecdsa.PrivateKey:
		if rec.Usage != usageAuthority {
			return ErrFormat
		}
		a, err := newAuthority(key, rec)
		if err == nil && rec.State == stateActive {
			r.signer = a
		}
		if err == nil {
			r.authorities = append(r.authorities, a.certificate)
		}
		return err
	}
	return ErrFormat
}

// newAuthority makes the authority's own certificate, the same in all but its signature each time.
func newAuthority(key *ecdsa.PrivateKey, rec *record) (*authority, error) {
	created, err := time.Parse(time.RFC3339, rec.Created)
	if err != nil {
		return nil, ErrFormat
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(rec.ID)), Subject: pkix.Name{CommonName: fmt.Sprintf("Holdfast partner authority %d", rec.ID)},
		NotBefore: created, NotAfter: created.AddDate(authorityYears, 0, 0), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("certify the authority: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("certify the authority: %w", err)
	}
	return &authority{key, certificate}, nil
}

// Thumbprint names a public key: the base64url SHA-256 of its JWK, after RFC 7638.
func Thumbprint(key *rsa.PublicKey) string {
	text, err := json.Marshal(struct { // the order of the members is that of RFC 7638
		E   string `json:"e"`
		Kty string `json:"kty"`
		N   string `json:"n"`
	}{base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()), "RSA",
		base64.RawURLEncoding.EncodeToString(key.N.Bytes())})
	if err != nil {
		panic("keystore: internal error: texts always encode")
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// EncryptionKeys are our public keys that callers may encrypt for, the active one first. Two live while one
// replaces the other; none when the key file has no pairs.
func (s *Store) EncryptionKeys() []EncryptionKey {
	var keys []EncryptionKey
	for _, p := range s.keys().rsa {
		if p.Active {
			keys = slices.Insert(keys, 0, p.EncryptionKey)
		} else {
			keys = append(keys, p.EncryptionKey)
		}
	}
	return keys
}

// UnwrapKey opens a key that a caller wrapped for one of [Store.EncryptionKeys] with RSA-OAEP; sha1 chooses the
// old hash. The error is ErrUnwrap and tells nothing else: how it failed would help to forge (Manger, 2001).
func (s *Store) UnwrapKey(id string, sha1Hash bool, wrapped []byte) ([]byte, error) {
	options := &rsa.OAEPOptions{Hash: crypto.SHA256}
	if sha1Hash {
		options.Hash = crypto.SHA1
	}
	for _, p := range s.keys().rsa {
		if p.ID != id {
			continue
		}
		key, err := p.private.Decrypt(rand.Reader, wrapped, options)
		if err != nil {
			return nil, ErrUnwrap
		}
		return key, nil
	}
	return nil, ErrUnwrap
}

// Authorities are the certificates of our own authority: those that certificates of partners may come from.
func (s *Store) Authorities() []*x509.Certificate { return slices.Clone(s.keys().authorities) }

// SignCertificate signs a certificate for a public key with the active authority. The template is complete but
// for the issuer. The error is ErrNoPairs when there is no authority.
func (s *Store) SignCertificate(template *x509.Certificate, public any) ([]byte, error) {
	a := s.keys().signer
	if a == nil {
		return nil, ErrNoPairs
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, public, a.private)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	return der, nil
}
