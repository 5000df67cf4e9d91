package iso_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

// TestDamagedMessagesNeverPanicAndNeverLie cuts every vector at every byte and turns every bit of it, and
// gives the result to the vector's own dialect; what is cut is given to the built-in ones too. Method: what is
// accepted must encode to the very bytes that came in, so nothing was skipped, guessed or repaired.
func TestDamagedMessagesNeverPanicAndNeverLie(t *testing.T) {
	t.Parallel()
	for _, v := range isotest.Vectors(t, ".") {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			raw := v.Raw(t)
			own := subjectOf(v.Dialect(t))
			subjects := []subject{own}
			for _, name := range iso.Names() {
				subjects = append(subjects, subjectOf(builtin(t, name)))
			}
			for _, s := range subjects {
				for n := range raw {
					holdsTrue(t, s, raw[:n], v.Content()["2"])
				}
			}
			damaged := bytes.Clone(raw)
			for i := range 8 * len(raw) {
				damaged[i/8] ^= 1 << (i % 8)
				holdsTrue(t, own, damaged, v.Content()["2"])
				damaged[i/8] ^= 1 << (i % 8)
			}
		})
	}
}

// subject is a dialect under test, and where the hexadecimal digits of its first bitmap begin and how many they
// are at least; none when it is binary.
type subject struct {
	*iso.Dialect
	from, hexDigits int
}

// subjectOf finds out by writing a message without elements.
func subjectOf(d *iso.Dialect) subject {
	raw, err := d.New("0800").Append(nil)
	if err != nil {
		panic(err)
	}
	s := subject{Dialect: d, from: 4}
	if raw[0] == 0x08 {
		s.from = 2
	}
	if n := len(raw) - s.from; n%16 == 0 && raw[s.from] != 0 {
		s.hexDigits = n
	}
	return s
}

// holdsTrue checks what must hold for any bytes at all.
func holdsTrue(t *testing.T, d subject, raw []byte, card string) {
	t.Helper()
	m, err := d.Decode(raw)
	if err != nil {
		var fault *iso.FormatError
		if !errors.As(err, &fault) {
			t.Fatalf("%s: a fault that is no format error: %v", d.Name(), err)
		}
		if strings.ContainsAny(fault.Kind.String(), "0123456789") || card != "" && strings.Contains(err.Error(), card) {
			t.Fatalf("%s: the error tells content", d.Name())
		}
		if m != nil {
			// The elements before the fault are whole, so they encode and decode once more.
			mustDecode(t, d, m)
		}
		return
	}
	again, err := m.Append(nil)
	if err != nil {
		t.Fatalf("%s: encode what was decoded: %v", d.Name(), err)
	}
	if !bytes.Equal(again, raw) && !d.sameButForHexCase(again, raw) {
		t.Fatalf("%s: decoded\n     %x\nencodes to\n     %x", d.Name(), raw, again)
	}
	if text := describe(m); len(card) >= 13 && strings.Contains(text, card) {
		t.Fatalf("%s: the description tells the card number", d.Name())
	}
}

func mustDecode(t *testing.T, d subject, m *iso.Message) {
	t.Helper()
	raw, err := m.Append(nil)
	if err != nil {
		t.Fatalf("%s: encode the elements before the fault: %v", d.Name(), err)
	}
	again, err := d.Decode(raw)
	if err != nil {
		t.Fatalf("%s: the elements before the fault do not decode: %v", d.Name(), err)
	}
	for _, de := range m.Elements() {
		if again.Get(de) != m.Get(de) {
			t.Fatalf("%s: element %d changed", d.Name(), de)
		}
	}
}

// sameButForHexCase allows for the one thing that encoding does not give back: the case of the hexadecimal
// digits of the bitmaps, which stand between the message type and the first element.
func (s subject) sameButForHexCase(got, want []byte) bool {
	end := s.from + s.hexDigits
	if s.hexDigits == 0 || len(got) != len(want) || len(got) < end {
		return false
	}
	first := capital(want[s.from])
	if letter := first&0xf0 == 0x40 || first&0xf0 == 0xc0; s.hexDigits == 16 && (letter || first&0x0f >= 8) {
		end = min(end+16, len(want)) // bit 1 announces a second bitmap
	}
	for i := range got {
		if got[i] != want[i] && (i < s.from || i >= end || capital(got[i]) != capital(want[i])) {
			return false
		}
	}
	return true
}

// capital is the capital of a to f, in ASCII or in EBCDIC.
func capital(b byte) byte {
	switch {
	case b >= 'a' && b <= 'f':
		return b - 'a' + 'A'
	case b >= 0x81 && b <= 0x86:
		return b + 0x40
	}
	return b
}

func describe(m *iso.Message) string {
	var b strings.Builder
	for _, e := range m.Describe() {
		b.WriteString(e.Name + " " + e.Value + "\n")
	}
	return b.String()
}

func TestFaultsNameTheElementAndTheKind(t *testing.T) {
	t.Parallel()
	ascii := func(mti, bitmap, rest string) []byte { return []byte(mti + bitmap + rest) }
	const (
		only2, only4  = "4000000000000000", "1000000000000000"
		only28        = "0000001000000000"
		only35        = "0000000020000000"
		only43, only7 = "0000000000200000", "0200000000000000"
		only48        = "0000000000010000"
		only65        = "80000000000000008000000000000000"
	)
	cases := []struct {
		name    string
		dialect string
		raw     []byte
		de      int
		kind    iso.Kind
	}{
		{"nothing at all", "iso87-ascii", nil, 0, iso.KindShort},
		{"half a message type", "iso87-ascii", []byte("01"), 0, iso.KindShort},
		{"letters for a message type", "iso87-ascii", ascii("01A0", only4, ""), 0, iso.KindMTI},
		{"a nibble above nine in the message type", "iso87-bcd", []byte{0x01, 0xA0, 0, 0, 0, 0, 0, 0, 0, 0}, 0, iso.KindMTI},
		{"half a bitmap", "iso87-ascii", ascii("0100", "7000", ""), 1, iso.KindShort},
		{"no second bitmap", "iso87-ascii", ascii("0100", "8000000000000000", ""), 1, iso.KindShort},
		{"a bitmap that is not hexadecimal", "iso87-ascii", ascii("0100", "G000000000000000", ""), 1, iso.KindBitmap},
		{"a third bitmap", "iso87-ascii", ascii("0100", only65, "0000000000000000"), 1, iso.KindBitmap},
		{"a length with a sign", "iso87-ascii", ascii("0100", only2, "+54111111"), 2, iso.KindLength},
		{"a negative length", "iso87-ascii", ascii("0100", only2, "-14111111"), 2, iso.KindLength},
		{"a length with a sign behind", "iso87-ascii", ascii("0100", only2, "1+41111"), 2, iso.KindLength},
		{"a length whose sign wraps to a number", "iso87-ascii", ascii("0100", only48, "00+"+strings.Repeat("A", 251)), 48, iso.KindLength},
		{"a length of blanks", "iso87-ascii", ascii("0100", only2, " 54111111"), 2, iso.KindLength},
		{"a length beyond the greatest", "iso87-ascii", ascii("0100", only2, "20"+strings.Repeat("1", 20)), 2, iso.KindLength},
		{"a length past the end", "iso87-ascii", ascii("0100", only2, "16411111"), 2, iso.KindShort},
		{"a letter in an amount", "iso87-ascii", ascii("0100", only4, "00000000123X"), 4, iso.KindCharacters},
		{"a negative amount", "iso87-ascii", ascii("0100", only4, "-00000001234"), 4, iso.KindCharacters},
		{"a blank in a date", "iso87-ascii", ascii("0100", only7, "031409265 "), 7, iso.KindCharacters},
		{"a fee without a sign", "iso87-ascii", ascii("0100", only28, "000000100"), 28, iso.KindCharacters},
		{"a fee with a wrong sign", "iso87-ascii", ascii("0100", only28, "-00000100"), 28, iso.KindCharacters},
		{"a blank in track 2", "iso87-ascii", ascii("0100", only35, "05411 1"), 35, iso.KindCharacters},
		{"a line feed in a name", "iso87-ascii", ascii("0100", only43, strings.Repeat("A", 39)+"\n"), 43, iso.KindCharacters},
		{"a byte above ASCII in a name", "iso87-ascii", ascii("0100", only43, strings.Repeat("A", 39)+"\xe9"), 43, iso.KindCharacters},
		{"bytes behind the end", "iso87-ascii", ascii("0100", only4, "0000000012345"), iso.WholeMessage, iso.KindTrailing},
		{"a nibble A in packed digits", "iso87-bcd", bcd4(0x00, 0x00, 0x00, 0x00, 0x12, 0x3A), 4, iso.KindCharacters},
		{"a nibble in front of an odd number", "iso87-bcd", bcd2(0x13, 0x14, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11), 2, iso.KindPadding},
		{"a length in nibbles above nine", "iso87-bcd", bcd2(0x0A, 0x11, 0x11, 0x11, 0x11, 0x11), 2, iso.KindLength},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m, err := builtin(t, c.dialect).Decode(c.raw)
			var fault *iso.FormatError
			if !errors.As(err, &fault) {
				t.Fatalf("got %v, want a format error", err)
			}
			if fault.DE != c.de || fault.Kind != c.kind {
				t.Errorf("got element %d, %v; want element %d, %v", fault.DE, fault.Kind, c.de, c.kind)
			}
			if readable := fault.DE != 0; (m != nil) != readable {
				t.Errorf("message returned: %t, want %t", m != nil, readable)
			}
		})
	}
}

func bcd4(digits ...byte) []byte {
	return append([]byte{0x01, 0, 0x10, 0, 0, 0, 0, 0, 0, 0}, digits...)
}
func bcd2(digits ...byte) []byte {
	return append([]byte{0x01, 0, 0x40, 0, 0, 0, 0, 0, 0, 0}, digits...)
}

func TestElementsBeforeAFaultAreReadable(t *testing.T) {
	t.Parallel()
	d := builtin(t, "iso87-ascii")
	m := isotest.Purchase(d)
	raw := encoded(t, m)
	raw[len(raw)-1] = 'X' // element 49, the last one
	got, err := d.Decode(raw)
	var fault *iso.FormatError
	if !errors.As(err, &fault) || fault.DE != 49 {
		t.Fatalf("got %v, want a fault in element 49", err)
	}
	if got.MTI() != "0100" || got.Get(11) != m.Get(11) || got.Get(43) != m.Get(43) || got.Has(49) {
		t.Errorf("the elements before the fault are %v", got.Elements())
	}
}

func TestEveryFaultHasAText(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for kind := iso.KindShort; kind <= iso.KindDate; kind++ {
		for _, de := range []int{iso.WholeMessage, 0, 1, 48} {
			text := (&iso.FormatError{DE: de, Kind: kind}).Error()
			if seen[text] || strings.Contains(text, "unknown") {
				t.Errorf("kind %d of element %d: %q", kind, de, text)
			}
			seen[text] = true
		}
	}
}
