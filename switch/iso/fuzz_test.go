package iso_test

import (
	"bytes"
	"slices"
	"testing"

	"holdfast/switch/iso"
)

// fuzzDecode gives any bytes to one dialect. What it accepts must encode to the same bytes.
func fuzzDecode(f *testing.F, name string) {
	d := builtinSubject(f, name)
	for _, v := range vectors(f) {
		f.Add(v.raw(f))
	}
	f.Add(encoded(f, purchase(f, d.Dialect)))
	f.Fuzz(func(t *testing.T, raw []byte) { holdsTrue(t, d, raw, "") })
}

func FuzzDecodeASCII(f *testing.F)             { fuzzDecode(f, "iso87-ascii") }
func FuzzDecodeASCIIBinaryBitmap(f *testing.F) { fuzzDecode(f, "iso87-ascii-binbmp") }
func FuzzDecodeBCD(f *testing.F)               { fuzzDecode(f, "iso87-bcd") }

// FuzzDialectFile gives any text to the loader. A dialect that it accepts must be able to write the longest
// value of every element and read it back.
func FuzzDialectFile(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add([]byte(v.Codec.yaml(f, "upper")))
	}
	f.Add([]byte(`{base: iso87, mti: ebcdic, bitmap: hex-ebcdic, numeric: bcd-left-f, text: latin1, binary: hex,
		length: {encoding: binary, width: 4, unit: bytes}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := iso.Parse("fuzz", data)
		if err != nil {
			return
		}
		spec := d.Spec()
		for de := 2; de <= 128; de++ {
			field, ok := spec.Fields[de]
			if !ok || field.Spec().Length > 9999 {
				continue // longer ones take the same path and only more time
			}
			m := d.New("0100")
			if !setLongest(m, de, field.Spec().Length) {
				t.Fatalf("element %d takes no value of its greatest length %d", de, field.Spec().Length)
			}
			again, err := d.Decode(encoded(t, m))
			if err != nil {
				t.Fatalf("element %d: %v", de, err)
			}
			if !slices.Equal(again.Elements(), []int{de}) || !bytes.Equal(encoded(t, again), encoded(t, m)) {
				t.Fatalf("element %d came back changed", de)
			}
		}
	})
}

// setLongest gives the element a value of n characters, of whatever class it is.
func setLongest(m *iso.Message, de, n int) bool {
	digits := bytes.Repeat([]byte("1"), n)
	if m.Set(de, string(digits)) == nil {
		return true
	}
	digits[0] = 'C'
	return m.Set(de, string(digits)) == nil
}
