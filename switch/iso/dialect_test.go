package iso_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"holdfast/switch/iso"
)

// plain is a dialect file with nothing wrong; cases add to it or take from it.
const plain = "base: iso87\nmti: ascii\nbitmap: hex\nnumeric: ascii\ntext: ascii\nlength: {encoding: ascii}\n"

func TestBuiltinDialectsDefineEveryElement(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"iso87-ascii", "iso87-ascii-binbmp", "iso87-bcd", "iso93-ascii", "iso93-bcd", "cmf-2003", "ebcdic-87", "mastercard-like",
		"visa-like", "amex-like-93", "base24-ascii", "cup-pos", "postilion-like", "fr-issuer-like",
	} {
		d := builtin(t, name)
		// The message type, the bitmap, and 2 to 128 without 65, which is a bitmap; the profile of 2003 has fewer.
		want := map[iso.Version]int{iso.V1987: 128, iso.V1993: 128, iso.V2003: 91}[d.Version()]
		if got := len(d.Spec().Fields); d.Name() != name || got != want {
			t.Errorf("%s: name %s, %d elements, want %d", name, d.Name(), got, want)
		}
	}
}

func TestDialectFileFaultsNameTheKeyAndTheFault(t *testing.T) {
	t.Parallel()
	without := func(key string) string {
		lines := strings.SplitAfter(plain, "\n")
		return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, key+":") }), "")
	}
	cases := []struct {
		name, text string
		want       []string
	}{
		{"empty", "", []string{"empty"}},
		{"no YAML", "base: [", []string{"[1:"}},
		{"two documents", plain + "---\n" + plain, []string{"more than one document"}},
		{"unknown key", plain + "framing: bin2\n", []string{"framing", "unknown field"}},
		{"unknown key of an element", plain + "elements: {48: {frmat: b8}}\n", []string{"frmat", "unknown field"}},
		{"key given twice", plain + "base: iso93\n", []string{"base", "already defined"}},
		{"no base", without("base"), []string{"base:", "missing", "cmf2003"}},
		{"unknown base", strings.Replace(plain, "iso87", "iso88", 1), []string{"base:", `"iso88"`, "iso87"}},
		{"no message type", without("mti"), []string{"mti:", "missing"}},
		{"no bitmap", without("bitmap"), []string{"bitmap:", "missing"}},
		{"no digits", without("numeric"), []string{"numeric:", "missing"}},
		{"no text", without("text"), []string{"text:", "missing"}},
		{"no length", without("length"), []string{"length.encoding:", "missing"}},
		{"unknown hex case", plain + "hex_case: title\n", []string{"hex_case:", `"title"`}},
		{"unknown bitmap size", plain + "bitmap_size: 64\n", []string{"bitmap_size:", `"64"`}},
		{"wrong track", plain + "track: latin1\n", []string{"track:", `"latin1"`}},
		{"wrong binary", plain + "binary: base64\n", []string{"binary:", `"base64"`}},
		{"wrong variable digits", plain + "numeric_variable: hex\n", []string{"numeric_variable:", `"hex"`}},
		{"element 1", plain + "elements: {1: {format: b8}}\n", []string{"elements.1:"}},
		{"element 65", plain + "elements: {65: {format: b8}}\n", []string{"elements.65:"}},
		{"element 129", plain + "elements: {129: {format: b8}}\n", []string{"elements.129:"}},
		{"format without a class", plain + "elements: {48: {format: 12}}\n", []string{"elements.48.format:", `"12"`}},
		{"format without a length", plain + "elements: {48: {format: ans..}}\n", []string{"elements.48.format:", `"ans.."`}},
		{"format of nothing", plain + "elements: {48: {format: n0}}\n", []string{"elements.48.format:", "1 to"}},
		{"format with a sign", plain + "elements: {48: {format: n+5}}\n", []string{"elements.48.format:"}},
		{"format with one dot", plain + "elements: {48: {format: n.5}}\n", []string{"elements.48.format:", "dots"}},
		{"format without end", plain + "elements: {48: {format: n...999999999999}}\n", []string{"elements.48.format:"}},
		{"variable amount", plain + "elements: {28: {format: x..9}}\n", []string{"elements.28.format:"}},
		{"packed text", plain + "elements: {48: {encoding: bcd}}\n", []string{"elements.48.encoding:", `"bcd"`, "latin1"}},
		{"odd packed amount", plain + "elements: {28: {format: x10, encoding: bcd}}\n", []string{"elements.28.encoding:", "even"}},
		{"length of a fixed element", plain + "elements: {11: {length: {width: 2}}}\n", []string{"elements.11.length:", "fixed"}},
		{"width that cannot count", plain + "elements: {48: {length: {width: 2}}}\n", []string{"elements.48.length.width:", "999"}},
		{"width too wide", plain + "elements: {48: {length: {width: 7}}}\n", []string{"elements.48.length.width:"}},
		{"negative width", plain + "elements: {48: {length: {width: -1}}}\n", []string{"elements.48.length.width:"}},
		{"unknown length", plain + "elements: {48: {length: {encoding: hex}}}\n", []string{"elements.48.length.encoding:", `"hex"`}},
		{"unknown unit", plain + "elements: {48: {length: {unit: nibbles}}}\n", []string{"elements.48.length.unit:", `"nibbles"`}},
		{"element that the base lacks", strings.Replace(plain, "iso87", "cmf2003", 1) + "elements: {75: {name: x}}\n",
			[]string{"elements.75.format:", "base"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := iso.Parse("peer.yaml", []byte(c.text))
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range append(c.want, "peer.yaml") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not name %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q has more than one line", err)
			}
		})
	}
}

func TestOpenTakesANameOrAPath(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "peer.yaml")
	if err := os.WriteFile(path, []byte(plain), 0o600); err != nil {
		t.Fatal(err)
	}
	if d, err := iso.Open(path); err != nil || d.Name() != "peer" {
		t.Errorf("by path: %v", err)
	}
	if d, err := iso.Open("iso87-bcd"); err != nil || d != builtin(t, "iso87-bcd") {
		t.Errorf("by name: %v", err)
	}
	if _, err := iso.Open("iso87-bdc"); err == nil || !strings.Contains(err.Error(), "iso87-bcd") {
		t.Errorf("a mistyped name: %v", err)
	}
	if _, err := iso.Open(path + ".gone"); err == nil || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a path that is not there: %v", err)
	}
	if err := os.WriteFile(path, []byte("base: iso66\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := iso.Load(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a faulty file: %v", err)
	}
	if err := os.WriteFile(path, make([]byte, 300<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := iso.Load(path); err == nil || !strings.Contains(err.Error(), "longer") {
		t.Errorf("a huge file: %v", err)
	}
}

// TestEncodingsOnTheWire shows what each switch does to one element, byte by byte.
func TestEncodingsOnTheWire(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, element string // the override of the element under test
		de            int
		value, wire   string
	}{
		{"packed, odd, filled in front", "format: n3, encoding: bcd", 70, "301", "\x03\x01"},
		{"packed, odd, filled behind", "format: n3, encoding: bcd-left", 70, "301", "\x30\x10"},
		{"packed, odd, an F behind", "format: n3, encoding: bcd-left-f", 70, "301", "\x30\x1f"},
		{"digits in EBCDIC", "format: n3, encoding: ebcdic", 70, "301", "\xf3\xf0\xf1"},
		{"track in nibbles", "format: z..37, encoding: bcd", 35, "411D2", "05\x04\x11\xd2"},
		{"track in nibbles to the left", "format: z..37, encoding: bcd-left-f", 35, "411D2", "05\x41\x1d\x2f"},
		{"length in four packed digits", "format: ans..999, length: {encoding: bcd, width: 4}", 102, "abc", "\x00\x03abc"},
		{"length in three packed digits", "format: ans...999, length: {encoding: bcd}", 102, "abc", "\x00\x03abc"},
		{"length in one byte", "format: n..11, encoding: bcd, length: {encoding: binary}", 102, "12345", "\x05\x01\x23\x45"},
		{"length in two bytes", "format: ans...999, length: {encoding: binary}", 102, "abc", "\x00\x03abc"},
		{"length in four bytes", "format: ans...999, length: {encoding: binary, width: 4}", 102, "abc", "\x00\x00\x00\x03abc"},
		{"length in EBCDIC digits", "format: ans..99, length: {encoding: ebcdic}", 102, "abc", "\xf0\xf3abc"},
		{"length that counts bytes", "format: n..11, encoding: bcd-left-f, length: {unit: bytes}", 102, "12345", "03\x12\x34\x5f"},
		{"binary as it is", "format: b..8", 102, "\xde\xad", "02\xde\xad"},
		{"binary as hexadecimal digits", "format: b..8, encoding: hex", 102, "\xde\xad", "02DEAD"},
		{"and their number counted", "format: b..8, encoding: hex, length: {unit: bytes}", 102, "\xde\xad", "04DEAD"},
		{"binary as digits in EBCDIC", "format: b2, encoding: hex-ebcdic", 102, "\xde\x12", "\xc4\xc5\xf1\xf2"},
		{"amount in packed digits", "format: x9, encoding: bcd", 28, "D00000100", "D\x00\x00\x01\x00"},
		{"text in EBCDIC", "format: ans3, encoding: ebcdic", 102, "A!|", "\xc1\x4f\x6a"},
		{"text in code page 1047", "format: ans3, encoding: ebcdic1047", 102, "A!|", "\xc1\x5a\x4f"},
		{"text in Latin-1", "format: ans3, encoding: latin1", 102, "\xe9tu", "\xe9tu"},
		{"length in six digits", "format: b......9999", 127, "abc", "000003abc"},
		{"empty", "format: ans..10", 102, "", "00"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(plain, "bitmap: hex", "bitmap: binary", 1) + "elements:\n  " + strconv.Itoa(c.de) + ": {" + c.element + "}\n"
			d, err := iso.Parse("test", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			m := d.New("0100")
			if err := m.Set(c.de, c.value); err != nil {
				t.Fatal(err)
			}
			raw := encoded(t, m)
			head := 4 + 8
			if c.de > 64 {
				head += 8
			}
			if got := string(raw[head:]); got != c.wire {
				t.Errorf("wrote %x, want %x", got, c.wire)
			}
			again, err := d.Decode(raw)
			if err != nil || again.Get(c.de) != c.value {
				t.Errorf("read back: %v", err)
			}
		})
	}
}

func TestWidthOfAWholeDialectShortensItsElements(t *testing.T) {
	t.Parallel()
	d, err := iso.Parse("test", []byte(strings.Replace(plain, "{encoding: ascii}", "{encoding: binary, width: 1}", 1)))
	if err != nil {
		t.Fatal(err)
	}
	m := d.New("0100")
	if err := m.Set(48, strings.Repeat("x", 256)); err == nil {
		t.Error("took more than one byte can count")
	}
	if err := m.Set(48, strings.Repeat("x", 255)); err != nil {
		t.Error(err)
	}
}

func TestBitmapOfFixedSizeKeepsItsFirstBit(t *testing.T) {
	t.Parallel()
	d, err := iso.Parse("test", []byte(plain+"bitmap_size: 128\nhex_case: lower\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range []string{
		"0800022000000000000004000000000000000314092653000101301",
		"0800822000000000000004000000000000000314092653000101301",
		"0800022000000010000000000000000000000314092653000101" + "00",
	} {
		m, err := d.Decode([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(encoded(t, m)); got != raw {
			t.Errorf("got %s, want %s", got, raw)
		}
	}
	m := d.New("0800")
	if err := m.Set(70, "301"); err != nil {
		t.Fatal(err)
	}
	if got, want := string(encoded(t, m)), "080000000000000000000400000000000000301"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
