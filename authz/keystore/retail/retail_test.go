package retail_test

import (
	"bytes"
	"crypto/aes"
	"errors"
	"testing"

	"holdfast/authz/keystore/retail"
)

const card = "9999991000000012"

var aesKey = bytes.Repeat([]byte{0x5a}, 32)

func keyOf(f retail.Format) []byte {
	if f == retail.ISO4 {
		return aesKey
	}
	return xorKey
}

func TestPINBlocksRoundTrip(t *testing.T) {
	t.Parallel()
	for _, f := range []retail.Format{retail.ISO0, retail.ISO1, retail.ISO3, retail.ISO4} {
		for _, pin := range []string{"1234", "00000", "123456789012"} {
			for _, number := range []string{card, "999999100002", "9999991000000000017"} {
				block, err := retail.SealPINBlock(keyOf(f), f, []byte(pin), number)
				if err != nil {
					t.Fatal(err)
				}
				format, got, err := retail.OpenPINBlock(keyOf(f), block, number, "0134")
				if err != nil || format != f || string(got) != pin {
					t.Errorf("format %c: opened as %c, %v", f, format, err)
				}
			}
		}
	}
}

// A block that does not open is never a wrong PIN. Method: each field of a plain block made wrong in turn.
func TestPINBlockChecks(t *testing.T) {
	t.Parallel()
	seal := func(plain []byte) []byte {
		c, err := retail.TDES(xorKey)
		if err != nil {
			t.Fatal(err)
		}
		out := make([]byte, len(plain))
		c.Encrypt(out, plain)
		return out
	}
	fill := func(plain string) []byte { // the account field of the card is in
		b := []byte(plain)
		for i, a := range []byte{0, 0, 0x99, 0x91, 0x00, 0x00, 0x00, 0x01} {
			b[i] ^= a
		}
		return b
	}
	good := seal(fill("\x04\x12\x34\xff\xff\xff\xff\xff"))
	if _, pin, err := retail.OpenPINBlock(xorKey, good, card, "0"); err != nil || string(pin) != "1234" {
		t.Fatalf("the good block: %v", err)
	}
	for name, block := range map[string][]byte{
		"too short a PIN":     seal(fill("\x03\x12\x3f\xff\xff\xff\xff\xff")),
		"too long a PIN":      seal(fill("\x0d\x12\x34\x12\x34\x12\x34\x12")),
		"a letter in the PIN": seal(fill("\x04\x12\x3a\xff\xff\xff\xff\xff")),
		"a wrong fill":        seal(fill("\x04\x12\x34\xff\xff\xff\xff\xf0")),
		"a digit in fill 3":   seal(fill("\x34\x12\x34\xff\xff\xff\xff\xf9")),
		"format 2":            seal([]byte("\x24\x12\x34\xff\xff\xff\xff\xff")),
		"format 1, not agreed": seal(
			[]byte("\x14\x12\x34\x01\x02\x03\x04\x05")),
		"format 9":     seal([]byte("\x94\x12\x34\xff\xff\xff\xff\xff")),
		"seven bytes":  good[:7],
		"nine bytes":   append(good[:8:8], 0),
		"nothing":      nil,
		"another card": seal([]byte("\x04\x12\x34\x00\xff\xff\xff\xfe")),
	} {
		if format, pin, err := retail.OpenPINBlock(xorKey, block, card, "03"); !errors.Is(err, retail.ErrPINBlock) || pin != nil {
			t.Errorf("%s: opened as format %c, %v", name, format, err)
		}
	}
	for _, number := range []string{"", "12345678901", "12345678901x2345", "12345678901234567890"} {
		if _, _, err := retail.OpenPINBlock(xorKey, good, number, "0"); !errors.Is(err, retail.ErrPINBlock) {
			t.Errorf("a number of %d characters: %v", len(number), err)
		}
	}
	if _, _, err := retail.OpenPINBlock(xorKey[:8], good, card, "0"); !errors.Is(err, retail.ErrKey) {
		t.Errorf("single DES: %v", err)
	}
}

func TestInputIsChecked(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"a long service code":  second(retail.CVV(xorKey, card, "4912", "0000")),
		"a short expiry":       second(retail.CVV(xorKey, card, "491", "000")),
		"a letter":             second(retail.CVV(xorKey, "99999910000000ab", "4912", "000")),
		"no number":            second(retail.CVV(xorKey, "", "4912", "000")),
		"a short PIN":          second(retail.PVV(xorKey, card, '1', "123")),
		"an index of a letter": second(retail.PVV(xorKey, card, 'x', "1234")),
		"a short table":        second(retail.Offset(xorKey, card, "0123", "1234")),
	} {
		if !errors.Is(err, retail.ErrInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := retail.CVV(xorKey[:8], card, "4912", "000"); !errors.Is(err, retail.ErrKey) {
		t.Errorf("a short key: %v", err)
	}
}

func second(_ string, err error) error { return err }

func TestParityDoesNotCount(t *testing.T) {
	t.Parallel()
	odd := bytes.Clone(xorKey)
	for i := range odd {
		odd[i] ^= 1
	}
	a, _ := retail.CheckValue(xorKey, false)
	b, _ := retail.CheckValue(odd, false)
	retail.OddParity(odd)
	if !bytes.Equal(a, b) || !bytes.Equal(odd, xorKey) {
		t.Errorf("check values %x and %x, parity restored: %v", a, b, bytes.Equal(odd, xorKey))
	}
}

func FuzzOpenPINBlock(f *testing.F) {
	f.Add([]byte("\x04\x12\x34\xff\xff\xff\xff\xff"), card, "0134")
	f.Add(make([]byte, aes.BlockSize), card, "4")
	f.Add([]byte{}, "", "")
	f.Fuzz(func(t *testing.T, block []byte, number, accept string) {
		for _, key := range [][]byte{xorKey, aesKey[:16]} {
			format, pin, err := retail.OpenPINBlock(key, block, number, accept)
			if err != nil {
				continue
			}
			if len(pin) < retail.PINMin || len(pin) > retail.PINMax {
				t.Fatalf("a PIN of %d digits", len(pin))
			}
			again, err := retail.SealPINBlock(key, format, pin, number)
			if err != nil {
				t.Fatalf("what was opened does not seal: %v", err)
			}
			if format == retail.ISO0 && !bytes.Equal(again, block) {
				t.Fatal("a block of format 0 has two forms")
			}
		}
	})
}
