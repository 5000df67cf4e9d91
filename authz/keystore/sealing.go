package keystore

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// kdfName and kdfIterations are how a passphrase becomes a key. The count is
// the one that OWASP's password storage notes give for PBKDF2 with SHA-256.
const (
	kdfName          = "pbkdf2-hmac-sha256"
	kdfIterations    = 600_000
	kdfIterationsMax = 10_000_000 // a file cannot make a start hang for minutes
	kdfSaltSize      = 16
)

// sealing is how the keys of a file are sealed by a passphrase.
type sealing struct {
	KDF        string `json:"kdf"`
	Iterations int    `json:"iterations"`
	Salt       []byte `json:"salt"`
}

// lock fills in the material of every key, sealed if there is a passphrase, and
// the MAC over the file.
func (f *file) lock(passphrase []byte) error {
	if len(passphrase) == 0 {
		for i := range f.Keys {
			f.Keys[i].Material = f.Keys[i].key
		}
		return f.authenticate(nil)
	}
	f.Sealing = &sealing{KDF: kdfName, Iterations: kdfIterations, Salt: make([]byte, kdfSaltSize)}
	_, _ = rand.Read(f.Sealing.Salt) // never fails: it ends the program instead
	root, aead, err := f.Sealing.derive(passphrase)
	if err != nil {
		return err
	}
	for i := range f.Keys {
		rec := &f.Keys[i]
		rec.Material = aead.Seal(nil, nil, rec.key, rec.context())
	}
	return f.authenticate(root)
}

// unlock checks the MAC and gets every key in clear.
func (f *file) unlock(passphrase []byte) error {
	if (f.Sealing != nil) != (len(passphrase) > 0) {
		return ErrPassphrase
	}
	var root []byte
	var aead cipher.AEAD
	if f.Sealing != nil {
		var err error
		if root, aead, err = f.Sealing.derive(passphrase); err != nil {
			return err
		}
	}
	found := f.MAC
	if err := f.authenticate(root); err != nil {
		return err
	}
	if !hmac.Equal(found, f.MAC) {
		return ErrAltered
	}
	for i := range f.Keys {
		rec := &f.Keys[i]
		rec.key = rec.Material
		if aead != nil {
			var err error
			if rec.key, err = aead.Open(nil, nil, rec.Material, rec.context()); err != nil {
				return ErrAltered
			}
		}
		if use := usages[rec.Usage]; !use.pair && !slices.Contains(use.sizes, len(rec.key)) {
			return ErrFormat
		}
	}
	return nil
}

// authenticate computes the MAC of the file. The key comes from the passphrase;
// without one, from the keys in the file: this finds damage and careless edits,
// while whoever can write a file in clear can replace all of it anyway.
func (f *file) authenticate(root []byte) error {
	if root == nil {
		for _, rec := range f.Keys {
			root = append(root, rec.Material...)
		}
	}
	key, err := hkdf.Key(sha256.New, root, nil, "holdfast keystore mac", keySize)
	if err != nil {
		return fmt.Errorf("derive key: %w", err)
	}
	f.MAC = nil
	content, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("authenticate: %w", err)
	}
	h := hmac.New(sha256.New, key)
	h.Write(content)
	f.MAC = h.Sum(nil)
	return nil
}

// derive turns the passphrase into the root of this file and the cipher that
// seals its keys.
func (s *sealing) derive(passphrase []byte) (root []byte, aead cipher.AEAD, err error) {
	known := s.KDF == kdfName && len(s.Salt) == kdfSaltSize
	if !known || s.Iterations < kdfIterations || s.Iterations > kdfIterationsMax {
		return nil, nil, ErrFormat
	}
	root, err = pbkdf2.Key(sha256.New, string(passphrase), s.Salt, s.Iterations, keySize)
	if err != nil {
		return nil, nil, fmt.Errorf("derive key: %w", err)
	}
	key, err := hkdf.Key(sha256.New, root, nil, "holdfast keystore seal", keySize)
	if err != nil {
		return nil, nil, fmt.Errorf("derive key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, fmt.Errorf("derive key: %w", err)
	}
	aead, err = cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, nil, fmt.Errorf("derive key: %w", err)
	}
	return root, aead, nil
}

// context binds what a key is for to its sealed form: a key moved to another
// usage, state or id does not open.
func (r *record) context() []byte {
	context := fmt.Appendf(nil, "holdfast key v%d %d %q %q %q", fileVersion, r.ID, r.Usage, r.State, r.Created)
	for _, name := range slices.Sorted(maps.Keys(r.Attributes)) {
		context = fmt.Appendf(context, " %q %q", name, r.Attributes[name])
	}
	return context
}
