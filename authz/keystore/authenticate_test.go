package keystore_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"holdfast/authz/keystore"
	"holdfast/authz/keystore/retail"
	"holdfast/authz/pan"
)

var retailForm = keystore.MACForm{Algorithm: keystore.MACRetail, Bytes: 8}

var message = []byte("message")

func TestMessageAuthentication(t *testing.T) {
	t.Parallel()
	s := zoned(t)
	if _, err := s.MAC("network", retailForm, keystore.MACKeyActive, message); !errors.Is(err, keystore.ErrKey) || s.HasMACKey("network") {
		t.Errorf("without a key: %v", err)
	}
	if _, _, err := s.VerifyMAC("network", retailForm, message, message, moment); !errors.Is(err, keystore.ErrKey) {
		t.Errorf("to verify without a key: %v", err)
	}
	exchange(t, s, keystore.ZoneMAC, zoneOne)
	first, err := s.MAC("network", retailForm, keystore.MACKeyActive, message)
	if err != nil || !s.HasMACKey("network") {
		t.Fatal(err)
	}
	exchange(t, s, keystore.ZoneMAC, zoneTwo)
	second, err := s.MAC("network", retailForm, keystore.MACKeyActive, message)
	if err != nil || bytes.Equal(first, second) {
		t.Fatalf("after an exchange: the same code, or %v", err)
	}
	half := keystore.MACForm{Algorithm: keystore.MACRetail, Bytes: 4}
	for _, c := range []struct {
		name    string
		form    keystore.MACForm
		message string
		mac     []byte
		at      time.Time
		want    keystore.Verdict
		by      keystore.MACKey
	}{
		{"the active key", retailForm, "message", second, moment, keystore.Right, keystore.MACKeyActive},
		{"the key before", retailForm, "message", first, moment, keystore.Right, keystore.MACKeyBefore},
		{"its half", half, "message", first[:4], moment, keystore.Right, keystore.MACKeyBefore},
		{"what follows four bytes does not count", half, "message", append(first[:4:4], 9, 9, 9, 9), moment, keystore.Right, keystore.MACKeyBefore},
		{"a half where all is agreed", retailForm, "message", first[:4], moment, keystore.Malformed, 0},
		{"too late", retailForm, "message", first, moment.Add(time.Hour), keystore.Wrong, 0},
		{"another message", retailForm, "massage", second, moment, keystore.Wrong, 0},
		{"nothing", retailForm, "message", nil, moment, keystore.Malformed, 0},
	} {
		v, by, err := s.VerifyMAC("network", c.form, []byte(c.message), c.mac, c.at)
		if v != c.want || by != c.by || err != nil {
			t.Errorf("%s: %s by %d, %v", c.name, v, by, err)
		}
	}
	before, err := s.MAC("network", retailForm, keystore.MACKeyBefore, message)
	if err != nil || !bytes.Equal(before, first) {
		t.Errorf("an answer under the key before: %v", err)
	}
}

// Goal: the peer may use a new key as soon as it has our answer. Method: a key that is pending, of either use.
func TestAPendingKeyIsAccepted(t *testing.T) {
	t.Parallel()
	s := zoned(t)
	card := pinCard(t, s)
	exchange(t, s, keystore.ZoneMAC, zoneOne)
	exchange(t, s, keystore.ZonePIN, zoneOne)
	other := zoned(t)
	exchange(t, other, keystore.ZonePIN, zoneTwo)
	pinBlock, err := other.EncryptPIN("network", card.Number, pan.NewSecret("4711"))
	if err != nil {
		t.Fatal(err)
	}
	code, err := keystore.MACWith(unhex(t, zoneTwo), false, retailForm, message)
	if err != nil {
		t.Fatal(err)
	}
	judge := func() (mac keystore.Verdict, by keystore.MACKey, pin keystore.Verdict) {
		mac, by, err := s.VerifyMAC("network", retailForm, message, code, moment)
		if err == nil {
			pin, err = s.VerifyPIN(card, keystore.PIN{Peer: "network", Block: pinBlock, At: moment})
		}
		if err != nil {
			t.Fatal(err)
		}
		return mac, by, pin
	}
	if mac, _, pin := judge(); mac != keystore.Wrong || pin != keystore.Malformed {
		t.Errorf("before the exchange: %s, %s", mac, pin)
	}
	block, check := wrapped(t, zoneTwo)
	for _, use := range []keystore.ZoneUse{keystore.ZoneMAC, keystore.ZonePIN} {
		if _, err := s.ImportZoneKey("network", use, block, check); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []keystore.MACKey{keystore.MACKeyPending, keystore.MACKeyActive} {
		if mac, by, pin := judge(); mac != keystore.Right || by != want || pin != keystore.Right {
			t.Errorf("by key %d, want %d: %s, %s", by, want, mac, pin)
		}
		answer, err := s.MAC("network", retailForm, keystore.MACKeyPending, message) // activated meanwhile or not
		if err != nil || !bytes.Equal(answer, code) {
			t.Errorf("the answer is by another key, %v", err)
		}
		for _, use := range []keystore.ZoneUse{keystore.ZoneMAC, keystore.ZonePIN} {
			if _, err := s.ActivateZoneKey("network", use, moment, time.Minute); err != nil && want == keystore.MACKeyPending {
				t.Fatal(err)
			}
		}
	}
}

// Goal: each form computes what it says. Method: against the algorithms, which are held against published values.
func TestMACForms(t *testing.T) {
	t.Parallel()
	key := unhex(t, zoneOne)
	of := func(mac [8]byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return mac[:]
	}
	for _, c := range []struct {
		form keystore.MACForm
		want []byte
	}{
		{retailForm, of(retail.RetailMAC(key, message))},
		{keystore.MACForm{Algorithm: keystore.MACRetail, Marked: true, Bytes: 8}, of(retail.MAC3Marked(key, message))},
		{keystore.MACForm{Algorithm: keystore.MACCBC, Bytes: 8}, of(retail.MAC1(key, message, false))},
		{keystore.MACForm{Algorithm: keystore.MACCBC, Marked: true, Bytes: 4}, of(retail.MAC1(key, message, true))[:4]},
		{keystore.MACForm{Algorithm: keystore.MACCMAC, Bytes: 8}, of(retail.TDESCMAC(key, message))},
	} {
		if err := c.form.Validate(); err != nil {
			t.Errorf("%+v: %v", c.form, err)
		}
		got, err := keystore.MACWith(key, false, c.form, message)
		if err != nil || !bytes.Equal(got, c.want) {
			t.Errorf("%+v: %s, %v, want %s", c.form, hex.EncodeToString(got), err, hex.EncodeToString(c.want))
		}
	}
	for name, form := range map[string]keystore.MACForm{"no algorithm": {Bytes: 8}, "three bytes": {Algorithm: keystore.MACRetail, Bytes: 3},
		"nine bytes": {Algorithm: keystore.MACCBC, Bytes: 9}, "seventeen": {Algorithm: keystore.MACCMAC, Bytes: 17},
		"a padding for cmac": {Algorithm: keystore.MACCMAC, Bytes: 8, Marked: true}} {
		if form.Validate() == nil {
			t.Errorf("%s is a form", name)
		}
	}
	for name, err := range map[string]error{
		"a retail MAC under AES":     third(keystore.MACWith(key, true, retailForm, message)),
		"sixteen bytes under TDES":   third(keystore.MACWith(key, false, keystore.MACForm{Algorithm: keystore.MACCMAC, Bytes: 16}, message)),
		"a key of no length":         third(keystore.MACWith(nil, false, retailForm, message)),
		"an AES key of wrong length": third(keystore.MACWith(key[:8], true, keystore.MACForm{Algorithm: keystore.MACCMAC, Bytes: 8}, message)),
	} {
		if !errors.Is(err, keystore.ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func third(_ []byte, err error) error { return err }

// Goal: a key that was imported is used until the peer sends one, and for the overlap after that, also after a restart.
func TestImportedMACKeyIsReplacedByAnExchange(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.json")
	if _, err := keystore.Create(path, nil); err != nil {
		t.Fatal(err)
	}
	put := func(usage, key string) {
		id, err := keystore.ImportKey(path, nil, usage, unhex(t, key), map[string]string{"peer": "network"})
		if err == nil {
			err = keystore.ActivateKey(path, nil, id)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put("zak", zoneTwo)
	put("zmk", master)
	s, err := keystore.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	imported, err := s.MAC("network", retailForm, keystore.MACKeyActive, message)
	if err != nil || s.HasZoneKey("network", keystore.ZoneMAC) || !s.HasMACKey("network") {
		t.Fatalf("under the imported key: %v", err)
	}
	kept := exchange(t, s, keystore.ZoneMAC, zoneOne)
	verify := func(s *keystore.Store, at time.Time) keystore.Verdict {
		v, _, err := s.VerifyMAC("network", retailForm, message, imported, at)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	restarted, err := keystore.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := restarted.LoadZoneKeys(kept); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*keystore.Store{s, restarted} {
		if now, late := verify(s, moment.Add(59*time.Second)), verify(s, moment.Add(time.Minute)); now != keystore.Right || late != keystore.Wrong {
			t.Errorf("the imported key within the overlap: %s, after it: %s", now, late)
		}
	}
}

func TestCheckMAC(t *testing.T) {
	t.Parallel()
	cmac := keystore.MACForm{Algorithm: keystore.MACCMAC, Bytes: 8}
	long := keystore.MACForm{Algorithm: keystore.MACCMAC, Bytes: 16}
	double := map[string]string{"peer": "network"}
	aes := map[string]string{"peer": "network", "algorithm": "AES"}
	triple := zoneOne + "0123456789ABCDE0"
	for _, c := range []struct {
		name, usage, key string
		attributes       map[string]string
		form             keystore.MACForm
		ok               bool
	}{
		{"a zak", "zak", zoneOne, double, retailForm, true},
		{"a zmk", "zmk", zoneOne, double, retailForm, true},
		{"no key of the peer", "zak", zoneOne, map[string]string{"peer": "other"}, retailForm, false},
		{"cmac under AES", "zak", zoneOne, aes, long, true},
		{"cmac under TDES", "zak", zoneOne, double, cmac, true},
		{"sixteen bytes under TDES", "zak", zoneOne, double, long, false},
		{"a retail MAC under AES", "zmk", zoneOne, aes, retailForm, false},
		{"a retail MAC under three keys", "zak", triple, double, retailForm, false},
	} {
		if err := imported(t, c.usage, c.key, c.attributes).CheckMAC("network", c.form); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
