package iso_test

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

// fuzzDecode gives any bytes to one dialect. What it accepts must encode to the same bytes.
func fuzzDecode(f *testing.F, name string) {
	d := subjectOf(builtin(f, name))
	for _, v := range isotest.Vectors(f, ".") {
		f.Add(v.Raw(f))
	}
	f.Add(encoded(f, isotest.Purchase(d.Dialect)))
	f.Fuzz(func(t *testing.T, raw []byte) { holdsTrue(t, d, raw, "") })
}

func FuzzDecodeAmexLike93(f *testing.F)          { fuzzDecode(f, "amex-like-93") }
func FuzzDecodeBASE24(f *testing.F)              { fuzzDecode(f, "base24-ascii") }
func FuzzDecodeCMF2003(f *testing.F)             { fuzzDecode(f, "cmf-2003") }
func FuzzDecodeCUP(f *testing.F)                 { fuzzDecode(f, "cup-pos") }
func FuzzDecodeD8Like93(f *testing.F)            { fuzzDecode(f, "d8-like-93") }
func FuzzDecodeEBCDIC87(f *testing.F)            { fuzzDecode(f, "ebcdic-87") }
func FuzzDecodeEBCDIC93(f *testing.F)            { fuzzDecode(f, "ebcdic-93") }
func FuzzDecodeEBCDIC93Hex(f *testing.F)         { fuzzDecode(f, "ebcdic-93-hex") }
func FuzzDecodeBCDPacked(f *testing.F)           { fuzzDecode(f, "iso87-bcd-packed") }
func FuzzDecodeFrenchIssuerLike(f *testing.F)    { fuzzDecode(f, "fr-issuer-like") }
func FuzzDecodeASCII(f *testing.F)               { fuzzDecode(f, "iso87-ascii") }
func FuzzDecodeASCII128(f *testing.F)            { fuzzDecode(f, "iso87-ascii-128") }
func FuzzDecodeASCIIBinaryBitmap(f *testing.F)   { fuzzDecode(f, "iso87-ascii-binbmp") }
func FuzzDecodeBCD(f *testing.F)                 { fuzzDecode(f, "iso87-bcd") }
func FuzzDecodeASCII93(f *testing.F)             { fuzzDecode(f, "iso93-ascii") }
func FuzzDecodeASCII93BinaryBitmap(f *testing.F) { fuzzDecode(f, "iso93-ascii-binbmp") }
func FuzzDecodeBCD93(f *testing.F)               { fuzzDecode(f, "iso93-bcd") }
func FuzzDecodeMastercardLike(f *testing.F)      { fuzzDecode(f, "mastercard-like") }
func FuzzDecodePostilionLike(f *testing.F)       { fuzzDecode(f, "postilion-like") }
func FuzzDecodeTSYSLike(f *testing.F)            { fuzzDecode(f, "tsys-like") }
func FuzzDecodeVisaLike(f *testing.F)            { fuzzDecode(f, "visa-like") }

// TestEveryDialectHasItsFuzzTarget keeps the list above whole.
func TestEveryDialectHasItsFuzzTarget(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("fuzz_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range iso.Names() {
		if !bytes.Contains(source, []byte(`fuzzDecode(f, "`+name+`")`)) {
			t.Errorf("%s has no fuzz target", name)
		}
	}
}

// FuzzDialectFile gives any text to the loader. A dialect that it accepts must be able to write the longest
// value of every element and read it back.
func FuzzDialectFile(f *testing.F) {
	for _, v := range isotest.Vectors(f, ".") {
		f.Add([]byte(v.File(f)))
	}
	f.Add([]byte(`{base: iso87, mti: ebcdic, bitmap: hex-ebcdic, numeric: bcd-left-f, text: latin1, binary: hex,
		length: {encoding: binary, width: 4, unit: bytes}}`))
	for _, name := range iso.Names() {
		text, err := iso.Source(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
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
