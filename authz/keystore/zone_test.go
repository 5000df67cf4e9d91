package keystore_test

import (
	"crypto/aes"
	"encoding/hex"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"holdfast/authz/keystore"
	"holdfast/authz/keystore/retail"
	"holdfast/authz/pan"
)

const (
	master    = "FEDCBA98765432100123456789ABCDEF"
	zoneOne   = "1123456789ABCDEFFEDCBA9876543210"
	zoneTwo   = "2223456789ABCDEFFEDCBA9876543210"
	pinValues = "3323456789ABCDEFFEDCBA9876543210"
)

var moment = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// wrapped is a key as a peer sends it, with its check value.
func wrapped(t testing.TB, key string) (block, check []byte) {
	t.Helper()
	c, err := retail.TDES(unhex(t, master))
	if err != nil {
		t.Fatal(err)
	}
	block = unhex(t, key)
	c.Encrypt(block, block)
	c.Encrypt(block[8:], block[8:])
	check, err = retail.CheckValue(unhex(t, key), false)
	if err != nil {
		t.Fatal(err)
	}
	return block, check
}

// zoned has a key for the values of PINs, too: they have four digits, and under a key by chance a wrong PIN would be right
// now and then.
func zoned(t testing.TB) *keystore.Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	if _, err := keystore.Create(path, nil); err != nil {
		t.Fatal(err)
	}
	importedTo(t, path, "pvk", pinValues, nil)
	return importedTo(t, path, "zmk", master, map[string]string{"peer": "network", "formats": "03"})
}

func exchange(t testing.TB, s *keystore.Store, use keystore.ZoneUse, key string) []keystore.ZoneKey {
	t.Helper()
	block, check := wrapped(t, key)
	if _, err := s.ImportZoneKey("network", use, block, check); err != nil {
		t.Fatal(err)
	}
	kept, err := s.ActivateZoneKey("network", use, moment, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

// pinCard is a card whose PIN is 4711.
func pinCard(t testing.TB, s *keystore.Store) keystore.Card {
	t.Helper()
	c := cardOf(t, s, testCard)
	var err error
	if c.Profile, err = s.SetPIN(c, pan.NewSecret("4711")); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestKeyExchange(t *testing.T) {
	t.Parallel()
	s := zoned(t)
	c := pinCard(t, s)
	verdict := func(block pan.Secret, form string, at time.Time) keystore.Verdict {
		t.Helper()
		v, err := s.VerifyPIN(c, keystore.PIN{Peer: "network", Form: form, Block: block, At: at})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if _, err := s.VerifyPIN(c, keystore.PIN{Peer: "network", At: moment}); !errors.Is(err, keystore.ErrKey) {
		t.Errorf("without a zone key: %v", err)
	}
	exchange(t, s, keystore.ZonePIN, zoneOne)
	first, err := s.EncryptPIN("network", c.Number, pan.NewSecret("4711"))
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := s.EncryptPIN("network", c.Number, pan.NewSecret("4712"))
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range []struct {
		name  string
		block pan.Secret
		form  string
		want  keystore.Verdict
	}{{"right", first, "", keystore.Right}, {"right, format said", first, "0", keystore.Right},
		{"wrong", wrong, "", keystore.Wrong}, {"another format said", first, "3", keystore.Malformed},
		{"a format that is not agreed", first, "1", keystore.Malformed}, {"no format", first, "01", keystore.Malformed},
		{"cut", pan.NewSecret(first.Reveal()[:7]), "", keystore.Malformed},
		{"sixteen bytes", pan.NewSecret(first.Reveal() + first.Reveal()), "", keystore.Malformed}} {
		if v := verdict(check.block, check.form, moment); v != check.want {
			t.Errorf("%s: %s, want %s", check.name, v, check.want)
		}
	}

	block, check := wrapped(t, zoneTwo)
	check[0] ^= 1
	if _, err := s.ImportZoneKey("network", keystore.ZonePIN, block, check); !errors.Is(err, keystore.ErrCheckValue) {
		t.Errorf("a wrong check value: %v", err)
	}
	if _, err := s.ActivateZoneKey("network", keystore.ZonePIN, moment, 0); !errors.Is(err, keystore.ErrKey) {
		t.Errorf("nothing is pending: %v", err)
	}
	if v := verdict(first, "", moment); v != keystore.Right {
		t.Errorf("after an exchange that failed: %s", v)
	}

	kept := exchange(t, s, keystore.ZonePIN, zoneTwo)
	if v := verdict(first, "", moment.Add(59*time.Second)); v != keystore.Right {
		t.Errorf("the key before, within the overlap: %s", v)
	}
	if v := verdict(first, "", moment.Add(time.Minute)); v != keystore.Malformed {
		t.Errorf("the key before, after the overlap: %s", v)
	}
	second, err := s.EncryptPIN("network", c.Number, pan.NewSecret("4711"))
	if err != nil || verdict(second, "", moment.Add(time.Hour)) != keystore.Right {
		t.Errorf("the new key: %v", err)
	}
	if err := s.LoadZoneKeys(kept); err != nil || verdict(first, "", moment) != keystore.Right {
		t.Errorf("as they were kept: %v", err)
	}
	kept[0].Use = keystore.ZoneMAC
	if err := s.LoadZoneKeys(kept); !errors.Is(err, keystore.ErrKey) {
		t.Errorf("a PIN key as a MAC key: %v", err)
	}
}

func TestImportZoneKeyRefuses(t *testing.T) {
	t.Parallel()
	s := zoned(t)
	block, check := wrapped(t, zoneOne)
	same, sameCheck := wrapped(t, "11234567891BCDEF11234567891BCDEF")
	for name, err := range map[string]error{
		"no such peer":       second(s.ImportZoneKey("other", keystore.ZonePIN, block, check)),
		"no such use":        second(s.ImportZoneKey("network", "DATA", block, check)),
		"a short block":      second(s.ImportZoneKey("network", keystore.ZonePIN, block[:8], check)),
		"two equal halves":   second(s.ImportZoneKey("network", keystore.ZonePIN, same, sameCheck)),
		"a short check":      second(s.ImportZoneKey("network", keystore.ZonePIN, block, check[:2])),
		"no check":           second(s.ImportZoneKey("network", keystore.ZonePIN, block, nil)),
		"a check with zeros": second(s.ImportZoneKey("network", keystore.ZonePIN, block, append(check[:3:3], 0))),
	} {
		if !errors.Is(err, keystore.ErrKey) && !errors.Is(err, keystore.ErrInput) && !errors.Is(err, keystore.ErrCheckValue) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second(_ keystore.ZoneKey, err error) error { return err }

// An AES zone: key wrap by RFC 3394 (the vector of its section 4.1), PIN blocks of format 4, CMAC.
func TestAESZone(t *testing.T) {
	t.Parallel()
	s := imported(t, "zmk", "000102030405060708090A0B0C0D0E0F", map[string]string{"peer": "network", "algorithm": "AES"})
	block := unhex(t, "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5")
	check, err := retail.CheckValue(unhex(t, "00112233445566778899AABBCCDDEEFF"), true)
	if err != nil {
		t.Fatal(err)
	}
	for _, use := range []keystore.ZoneUse{keystore.ZonePIN, keystore.ZoneMAC} {
		if _, err := s.ImportZoneKey("network", use, block, check); err != nil {
			t.Fatal(err)
		}
		if _, err := s.ActivateZoneKey("network", use, moment, 0); err != nil {
			t.Fatal(err)
		}
	}
	c := pinCard(t, s)
	sealed, err := s.EncryptPIN("network", c.Number, pan.NewSecret("4711"))
	if err != nil || len(sealed.Reveal()) != aes.BlockSize {
		t.Fatalf("a block of %d bytes, %v", len(sealed.Reveal()), err)
	}
	if v, err := s.VerifyPIN(c, keystore.PIN{Peer: "network", Block: sealed, At: moment}); v != keystore.Right || err != nil {
		t.Errorf("format 4: %s, %v", v, err)
	}
	if v, err := s.VerifyPIN(c, keystore.PIN{Peer: "network", Block: pan.NewSecret(sealed.Reveal()[:8]), At: moment}); v != keystore.Malformed || err != nil {
		t.Errorf("eight bytes in an AES zone: %s, %v", v, err)
	}
	full, _ := retail.CMAC(unhex(t, "00112233445566778899AABBCCDDEEFF"), []byte("message"))
	for _, n := range []int{4, 8, 16} {
		form := keystore.MACForm{Algorithm: keystore.MACCMAC, Bytes: n}
		mac, err := s.MAC("network", form, keystore.MACKeyActive, []byte("message"))
		if err != nil || hex.EncodeToString(mac) != hex.EncodeToString(full[:n]) {
			t.Errorf("MAC of %d bytes: %x, %v", n, mac, err)
		}
	}
	if _, err := s.MAC("network", retailForm, keystore.MACKeyActive, []byte("message")); !errors.Is(err, keystore.ErrKey) {
		t.Errorf("a retail MAC in an AES zone: %v", err)
	}
	block[5] ^= 1
	if _, err := s.ImportZoneKey("network", keystore.ZonePIN, block, check); !errors.Is(err, keystore.ErrInput) {
		t.Errorf("an altered block: %v", err)
	}
}

// Goal: a translation gives the same PIN in the other zone, in its own format. Method: verified there.
func TestTranslatePIN(t *testing.T) {
	t.Parallel()
	s := zoned(t)
	exchange(t, s, keystore.ZonePIN, zoneOne)
	c := pinCard(t, s)
	block, err := s.EncryptPIN("network", c.Number, pan.NewSecret("4711"))
	if err != nil {
		t.Fatal(err)
	}
	in := keystore.PIN{Peer: "network", Block: block, At: moment}
	out, err := s.TranslatePIN(in, c.Number, "network")
	if err != nil || out.Reveal() != block.Reveal() { // format 0 has one form
		t.Errorf("to the same zone: %v", err)
	}
	if _, err := s.TranslatePIN(in, c.Number, "other"); !errors.Is(err, keystore.ErrKey) {
		t.Errorf("to a zone without a key: %v", err)
	}
	in.Block = pan.NewSecret("12345678")
	if _, err := s.TranslatePIN(in, c.Number, "network"); !errors.Is(err, retail.ErrPINBlock) {
		t.Errorf("a block that does not open: %v", err)
	}
}
