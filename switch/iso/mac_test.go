package iso_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

// Goal: what is signed is what was received in front of the code. Method: a published message whose code is known; the
// bytes that it covers are those of the published computation (crypto.jsonl, "MAC retail pad1 DE128").
func TestMACCoversThePublishedMessage(t *testing.T) {
	t.Parallel()
	for _, v := range isotest.Vectors(t, ".") {
		if v.ID != "rs-mixed93-01" {
			continue
		}
		raw := v.Raw(t)
		m, err := v.Dialect(t).Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		covered, code, ok := m.MAC(raw)
		if !ok || hex.EncodeToString([]byte(code)) != "e47006f5de8c70b9" || !bytes.Equal(covered, raw[:len(raw)-8]) {
			t.Errorf("code %x over %d of %d bytes, %v", code, len(covered), len(raw), ok)
		}
		signed, err := m.AppendMAC([]byte("before"), func(covered []byte) ([]byte, error) {
			if !bytes.Equal(covered, raw[:len(raw)-8]) {
				t.Errorf("signed were %d bytes that are not those of the message", len(covered))
			}
			return []byte(code), nil
		})
		if err != nil || string(signed) != "before"+string(raw) {
			t.Errorf("written again: %v, %d bytes", err, len(signed))
		}
		return
	}
	t.Fatal("the vector is not there")
}

// Goal: every dialect that has room for a code says which bytes it is of, alike for who writes and who reads, with a
// second bitmap and without. Method: the code is a digest of what it covers.
func TestMACOfEveryDialect(t *testing.T) {
	t.Parallel()
	for _, name := range iso.Names() {
		d := builtin(t, name)
		if d.CheckMAC(8) != nil && d.CheckMAC(4) != nil {
			t.Errorf("%s has no room for a code", name)
			continue
		}
		for _, second := range []bool{false, true} {
			m := isotest.Purchase(d)
			for de := 65; de <= 127; de++ {
				m.Unset(de)
			}
			if second {
				if err := m.Set(102, "ACCOUNT"); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			plain := encoded(t, m)
			checkMAC(t, d, m, name)
			if m.Unset(64); second {
				m.Unset(128)
				if again := encoded(t, m); !bytes.Equal(again, plain) {
					t.Errorf("%s: the message is another one", name)
				}
			}
		}
	}
}

// sum is a code that any changed byte, or one more or less, changes.
func sum(covered []byte) []byte {
	h := uint32(2166136261)
	for _, b := range covered {
		h = (h ^ uint32(b)) * 16777619
	}
	return []byte{byte(h >> 24), byte(h >> 16), byte(h >> 8), byte(h)}
}

// checkMAC signs a message, reads it back, and holds what is covered against what was signed.
func checkMAC(t *testing.T, d *iso.Dialect, m *iso.Message, name string) {
	t.Helper()
	var signed []byte
	raw, err := m.AppendMAC([]byte{1, 2, 3}, func(covered []byte) ([]byte, error) {
		signed = bytes.Clone(covered)
		return sum(covered), nil
	})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if !bytes.HasPrefix(raw, []byte{1, 2, 3}) {
		t.Fatalf("%s: what stood in front is gone", name)
	}
	raw = raw[3:]
	again, err := d.Decode(raw)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	covered, code, ok := again.MAC(raw)
	if !ok || !bytes.Equal(covered, signed) || !strings.HasPrefix(code, string(sum(signed))) || strings.Trim(code[4:], "\x00") != "" {
		t.Errorf("%s: %d bytes are covered, %d were signed, %v", name, len(covered), len(signed), ok)
	}
}

func TestMACIsTheLastElement(t *testing.T) {
	t.Parallel()
	d := builtin(t, "iso87-ascii")
	m := isotest.Purchase(d)
	for de := 64; de <= 128; de++ {
		m.Unset(de)
	}
	if _, _, ok := m.MAC(encoded(t, m)); ok || m.HasMAC() {
		t.Error("a message without a code has one")
	}
	if err := errors.Join(m.Set(64, "12345678"), m.Set(102, "ACCOUNT")); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := m.MAC(encoded(t, m)); ok || !m.HasMAC() {
		t.Error("a code that does not cover the end of the message counts")
	}
	if err := m.Set(128, "87654321"); err != nil {
		t.Fatal(err)
	}
	if _, code, ok := m.MAC(encoded(t, m)); !ok || code != "87654321" {
		t.Errorf("the code at the end is %q, %v", code, ok)
	}
	fault := errors.New("no key")
	if raw, err := m.AppendMAC([]byte("x"), func([]byte) ([]byte, error) { return nil, fault }); !errors.Is(err, fault) || string(raw) != "x" {
		t.Errorf("an error of the signer: %v", err)
	}
	if _, err := m.AppendMAC(nil, func([]byte) ([]byte, error) { return make([]byte, 9), nil }); err == nil {
		t.Error("nine bytes fit into eight")
	}
	text, err := iso.Source("iso87-ascii")
	if err != nil {
		t.Fatal(err)
	}
	narrow, err := iso.Parse("narrow", append(text, "\nelements: {64: {format: n8}}\n"...))
	if err != nil {
		t.Fatal(err)
	}
	if narrow.CheckMAC(4) == nil {
		t.Error("digits hold a code")
	}
}

// FuzzMAC: of whatever decodes, code and covered bytes are the message, and a message that is signed reads back.
func FuzzMAC(f *testing.F) {
	dialects := []string{"iso87-ascii", "iso87-bcd", "iso87-ascii-128", "iso93-ascii-binbmp", "cmf-2003"}
	for i, name := range dialects {
		m := isotest.Purchase(builtin(f, name))
		f.Add(byte(i), encoded(f, m))
		signed, err := m.AppendMAC(nil, func(covered []byte) ([]byte, error) { return sum(covered), nil })
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(i), signed)
	}
	f.Fuzz(func(t *testing.T, which byte, raw []byte) {
		d := builtin(t, dialects[int(which)%len(dialects)])
		m, err := d.Decode(raw)
		if err != nil {
			return
		}
		if covered, code, ok := m.MAC(raw); ok {
			if !bytes.HasPrefix(raw, covered) || len(raw)-len(covered) < len(code) {
				t.Fatalf("%d bytes covered and a code of %d, of %d", len(covered), len(code), len(raw))
			}
		}
		checkMAC(t, d, m, d.Name())
	})
}
