package keystore_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"holdfast/authz/keystore"
)

// Goal: key pairs are added once, by whoever comes first, and everything else of the file stays.
func TestCompleteAddsKeyPairsOnce(t *testing.T) {
	t.Parallel()
	for name, passphrase := range map[string]string{"in clear": "", "sealed": "correct horse"} {
		path := filepath.Join(t.TempDir(), "keys.json")
		first, err := keystore.Create(path, []byte(passphrase))
		if err != nil {
			t.Fatal(err)
		}
		if len(first.EncryptionKeys()) != 0 || len(first.Authorities()) != 0 {
			t.Errorf("%s: a new file has key pairs", name)
		}
		if _, err := first.SignCertificate(&x509.Certificate{}, nil); !errors.Is(err, keystore.ErrNoPairs) {
			t.Errorf("%s: signed without an authority: %v", name, err)
		}
		const programs = 4
		var ids [programs]string
		var added [programs]bool
		var group sync.WaitGroup
		for i := range programs {
			group.Go(func() {
				s, more, err := keystore.Complete(path, []byte(passphrase))
				if err != nil {
					t.Error(err)
					return
				}
				ids[i], added[i] = s.EncryptionKeys()[0].ID, more
			})
		}
		group.Wait()
		made := 0
		for i := range programs {
			if ids[i] != ids[0] {
				t.Errorf("%s: programs use different keys: %v", name, ids)
			}
			if added[i] {
				made++
			}
		}
		if made != 1 {
			t.Errorf("%s: %d programs made keys", name, made)
		}
		again, err := keystore.Open(path, []byte(passphrase))
		if err != nil || again.CheckValue() != first.CheckValue() || again.EncryptionKeys()[0].ID != ids[0] ||
			!again.EncryptionKeys()[0].Active || len(again.Authorities()) != 1 || !again.Authorities()[0].IsCA {
			t.Errorf("%s: opened again: %v", name, err)
		}
	}
}

func TestWrappedKeysOpenWithTheirKeyAndHash(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.json")
	if _, err := keystore.Create(path, nil); err != nil {
		t.Fatal(err)
	}
	s, _, err := keystore.Complete(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	ours := s.EncryptionKeys()[0]
	if ours.ID != keystore.Thumbprint(ours.Key) || ours.Key.N.BitLen() != 2048 {
		t.Errorf("key %s of %d bits", ours.ID, ours.Key.N.BitLen())
	}
	secret := []byte("a content key of thirty two byte")
	new256, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, ours.Key, secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	old, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, ours.Key, secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		id      string
		sha1    bool
		wrapped []byte
		sound   bool
	}{
		"SHA-256": {ours.ID, false, new256, true}, "SHA-1": {ours.ID, true, old, true}, "SHA-1 taken for SHA-256": {ours.ID, false, old, false},
		"SHA-256 taken for SHA-1": {ours.ID, true, new256, false}, "another key": {"x", false, new256, false}, "nothing": {ours.ID, false, nil, false},
		"cut": {ours.ID, false, new256[1:], false}, "longer": {ours.ID, false, append(bytes.Clone(new256), 0), false},
	} {
		got, err := s.UnwrapKey(c.id, c.sha1, c.wrapped)
		if c.sound != bytes.Equal(got, secret) || c.sound != (err == nil) || err != nil && !errors.Is(err, keystore.ErrUnwrap) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

// Goal: two of our keys live while one replaces the other. Method: the three steps of a rotation.
func TestEncryptionKeysRotate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.json")
	if _, err := keystore.Create(path, nil); err != nil {
		t.Fatal(err)
	}
	s, _, err := keystore.Complete(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	old := s.EncryptionKeys()[0]
	id, err := keystore.AddKey(path, nil, "jwe-rsa")
	if err != nil {
		t.Fatal(err)
	}
	if err := keystore.ActivateKey(path, nil, id); err != nil {
		t.Fatal(err)
	}
	if s, err = keystore.Open(path, nil); err != nil {
		t.Fatal(err)
	}
	if list, err := keystore.Keys(path, nil); err != nil || len(list) < 3 {
		t.Errorf("listed %d keys, %v", len(list), err)
	}
	live := s.EncryptionKeys()
	if len(live) != 2 || !live[0].Active || live[0].ID == old.ID || live[1].ID != old.ID || live[1].Active {
		t.Errorf("%d keys, the first is new: %v", len(live), live[0].ID != old.ID)
	}
	for _, k := range live {
		wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, k.Key, []byte("x"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.UnwrapKey(k.ID, false, wrapped); err != nil || string(got) != "x" {
			t.Errorf("a key that lives opens %q, %v", got, err)
		}
	}
}
