package keystore_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/authz/keystore"
	"holdfast/authz/pan"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// imported makes a key file with one imported key that is active.
func imported(t testing.TB, usage, key string, attributes map[string]string) *keystore.Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	if _, err := keystore.Create(path, nil); err != nil {
		t.Fatal(err)
	}
	return importedTo(t, path, usage, key, attributes)
}

// importedTo adds an imported key that is active to a key file.
func importedTo(t testing.TB, path, usage, key string, attributes map[string]string) *keystore.Store {
	t.Helper()
	material := unhex(t, key)
	id, err := keystore.ImportKey(path, nil, usage, material, attributes)
	if err == nil {
		err = keystore.ActivateKey(path, nil, id)
	}
	if err != nil {
		t.Fatal(err)
	}
	if strings.Trim(string(material), "\x00") != "" {
		t.Error("the key that was imported is not wiped")
	}
	s, err := keystore.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func cardOf(t testing.TB, s *keystore.Store, number string) keystore.Card {
	t.Helper()
	n, err := pan.Parse(number)
	if err != nil {
		t.Fatal(err)
	}
	c := keystore.Card{ID: 7, Number: n, Expiry: "8701"}
	if c.Profile, err = s.NewProfile(7, "101"); err != nil {
		t.Fatal(err)
	}
	return c
}

// A known answer through the whole store, and the order of the expiry as the key says.
func TestKnownCVV2(t *testing.T) {
	t.Parallel()
	const cvk = "0123456789ABCDEFFEDCBA9876543210"
	s := imported(t, "cvk", cvk, nil)
	c := cardOf(t, s, "4123456789012345")
	track, err := s.Track2(c, false)
	if err != nil || track.Reveal() != "4123456789012345=870110100000561" {
		t.Errorf("the stripe has another value: %v", err)
	}
	swapped := imported(t, "cvk", cvk, map[string]string{"expiry": "MMYY"})
	other := cardOf(t, swapped, "4123456789012345")
	turned := c
	turned.Expiry = "0187"
	a, errA := s.CVV2(turned)
	b, errB := swapped.CVV2(other)
	if errA != nil || errB != nil || a.Reveal() != b.Reveal() {
		t.Errorf("MMYY: %v, %v", errA, errB)
	}
}

// flip turns one bit of a profile, so that it is another one whatever it was.
func flip(p keystore.Sealed, at int) keystore.Sealed {
	return p[:at] + keystore.Sealed([]byte{p[at] ^ 1}) + p[at+1:]
}

func TestProfileIsBoundToItsCard(t *testing.T) {
	t.Parallel()
	s, _ := create(t)
	c := cardOf(t, s, testCard)
	if _, err := s.CVV2(c); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*keystore.Card){
		"another card": func(c *keystore.Card) { c.ID = 8 },
		"none":         func(c *keystore.Card) { c.Profile = "" },
		"altered":      func(c *keystore.Card) { c.Profile = flip(c.Profile, len(c.Profile)-1) },
		"unknown key":  func(c *keystore.Card) { c.Profile = c.Profile[:4] + "\x63" + c.Profile[5:] },
		"unknown form": func(c *keystore.Card) { c.Profile = "\x09" + c.Profile[1:] },
	} {
		changed := c
		change(&changed)
		if _, err := s.CVV2(changed); err == nil {
			t.Errorf("%s: the profile opened", name)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v %s", c, c, c, c.Profile); strings.Contains(text, string(c.Profile)) || strings.Contains(text, testCard) {
		t.Error("a card prints what it has")
	}
}

func TestCVV2Generations(t *testing.T) {
	t.Parallel()
	s, _ := create(t)
	c := cardOf(t, s, testCard)
	value, err := s.CVV2(c)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		profile, next, err := s.ResetCVV2(c)
		if err != nil || next.Reveal() == value.Reveal() {
			t.Fatalf("the same value after a reset, %v", err)
		}
		c.Profile = profile
		if v, err := s.VerifyCVV2(c, next); v != keystore.Right || err != nil {
			t.Fatalf("the new value is %s, %v", v, err)
		}
		if v, err := s.VerifyCVV2(c, value); v != keystore.Wrong || err != nil {
			t.Fatalf("the old value is %s, %v", v, err)
		}
		value = next
	}
}

// A new PVV key does not change the PINs that were set under the old one.
func TestOldKeysVerify(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.json")
	s, err := keystore.Create(path, []byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	c := cardOf(t, s, testCard)
	cvv2, err := s.CVV2(c)
	if err != nil {
		t.Fatal(err)
	}
	id, err := keystore.AddKey(path, []byte("correct horse"), "cvk")
	if err == nil {
		err = keystore.ActivateKey(path, []byte("correct horse"), id)
	}
	if err != nil {
		t.Fatal(err)
	}
	if s, err = keystore.Open(path, []byte("correct horse")); err != nil {
		t.Fatal(err)
	}
	if v, err := s.VerifyCVV2(c, cvv2); v != keystore.Right || err != nil {
		t.Errorf("a card of the old key is %s, %v", v, err)
	}
	other := cardOf(t, s, testCard)
	if now, err := s.CVV2(other); err != nil || now.Reveal() == cvv2.Reveal() {
		again, _ := s.CVV2(c) // one in a thousand agrees by chance: then the keys still must differ for the stripe
		a, _ := s.Track2(c, false)
		b, _ := s.Track2(other, false)
		if again.Reveal() != cvv2.Reveal() || a.Reveal() == b.Reveal() {
			t.Errorf("a new card is under the old key, %v", err)
		}
	}
	if err := keystore.DropKey(path, []byte("correct horse"), id); !errors.Is(err, keystore.ErrKey) {
		t.Errorf("the active key was dropped: %v", err)
	}
}

func TestImportIsChecked(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.json")
	if _, err := keystore.Create(path, nil); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		usage      string
		size       int
		attributes map[string]string
	}{
		"a usage that is not known": {"tdes", 16, nil},
		"our own keys":              {"pan-aead", 32, nil},
		"a short key":               {"cvk", 8, nil},
		"an order that is none":     {"cvk", 16, map[string]string{"expiry": "DDMM"}},
		"an attribute of others":    {"cvk", 16, map[string]string{"index": "1"}},
		"a zone without a peer":     {"zmk", 16, nil},
		"a format that is none":     {"zmk", 16, map[string]string{"peer": "p", "formats": "2"}},
	} {
		if _, err := keystore.ImportKey(path, nil, c.usage, make([]byte, c.size), c.attributes); !errors.Is(err, keystore.ErrInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := keystore.AddKey(path, nil, "zmk"); !errors.Is(err, keystore.ErrInput) {
		t.Errorf("a zone master key of our own: %v", err)
	}
	if err := keystore.ActivateKey(path, nil, 99); !errors.Is(err, keystore.ErrKey) {
		t.Errorf("a key that is not there: %v", err)
	}
	all, err := keystore.Keys(path, nil)
	if err != nil || len(all) != 7 || all[0].CheckValue != "" || len(all[4].CheckValue) != 6 {
		t.Errorf("%d keys, %v", len(all), err)
	}
}
