package iso_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"holdfast/switch/iso"
)

// vector is one line of testdata/vectors: a message, the encodings it is written in, and what it says.
type vector struct {
	ID        string            `json:"id"`
	Class     string            `json:"class"`
	ISOOffset int               `json:"iso_offset"`
	Hex       string            `json:"hex"`
	Codec     codec             `json:"codec"`
	Expected  map[string]string `json:"expected"`
	Decoded   map[string]string `json:"decoded"`
}

// codec is the short description of encodings that the vectors use.
type codec struct {
	MTI          string            `json:"mti"`
	Bitmap       string            `json:"bmp"`
	BitmapLength int               `json:"bmplen"`
	Numeric      string            `json:"n"`
	Text         string            `json:"c"`
	Length       string            `json:"len"`
	Track        string            `json:"z"`
	Binary       string            `json:"bin"`
	Base         string            `json:"base"`
	Fields       map[string]string `json:"fields"`
}

// codecWords leads from the codes of the vectors to the words of a dialect file.
var codecWords = map[string]map[string]string{
	"base":   {"87": "iso87", "93": "iso93", "cmf": "cmf2003"},
	"mti":    {"a": "ascii", "b": "bcd", "e": "ebcdic"},
	"bitmap": {"b": "binary", "ha": "hex", "he": "hex-ebcdic"},
	"text":   {"a": "ascii", "l1": "latin1", "e": "ebcdic", "e1047": "ebcdic1047"},
	"binary": {"b": "raw", "h": "hex", "ha": "hex", "he": "hex-ebcdic"},
	"length": {"a": "ascii", "b": "bcd", "x": "binary", "e": "ebcdic"},
	"digits": {
		"a": "ascii", "e": "ebcdic", "b": "bcd", "bl": "bcd-left", "nl0": "bcd-left", "nl": "bcd-left-f",
		"nr": "bcd", "e1047": "ebcdic1047",
	},
}

// yaml writes the codec as a dialect file, so that the file format itself proves that it can say all of it.
func (c codec) yaml(t testing.TB, hexCase string) string {
	t.Helper()
	word := func(kind, code string) string {
		w, ok := codecWords[kind][code]
		if !ok {
			t.Fatalf("the vectors have no code %q for %s", code, kind)
		}
		return w
	}
	var b strings.Builder
	fmt.Fprintf(&b, "base: %s\nmti: %s\nbitmap: %s\n", word("base", c.Base), word("mti", c.MTI), word("bitmap", c.Bitmap))
	fmt.Fprintf(&b, "numeric: %s\ntext: %s\n", word("digits", c.Numeric), word("text", c.Text))
	fmt.Fprintf(&b, "track: %s\nbinary: %s\n", word("digits", c.Track), word("binary", c.Binary))
	fmt.Fprintf(&b, "length: {encoding: %s}\nhex_case: %s\n", word("length", c.Length), hexCase)
	if c.BitmapLength == 16 {
		b.WriteString("bitmap_size: 128\n")
	}
	if len(c.Fields) > 0 {
		b.WriteString("elements:\n")
	}
	for de, text := range c.Fields {
		parts := strings.Split(text, ";")
		fmt.Fprintf(&b, "  %s: {format: %s", de, parts[0])
		for _, part := range parts[1:] {
			key, value, _ := strings.Cut(part, "=")
			switch key {
			case "len":
				fmt.Fprintf(&b, ", length: {encoding: %s, width: %s}", word("length", value[:1]), value[1:])
			case "enc":
				fmt.Fprintf(&b, ", encoding: %s", word(encodingKind(parts[0]), value))
			default:
				t.Fatalf("the vectors have no override %q", key)
			}
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// encodingKind says which codes an element of that format takes.
func encodingKind(format string) string {
	switch format[0] {
	case 'n', 'z', 'x':
		return "digits"
	case 'b':
		return "binary"
	}
	return "text"
}

// vectors reads both files.
func vectors(t testing.TB) []vector {
	t.Helper()
	var out []vector
	for _, name := range []string{"iso8583.jsonl", "iso8583-synthetic.jsonl"} {
		f, err := os.Open("testdata/vectors/" + name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var v vector
			if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			out = append(out, v)
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
	}
	if len(out) < 71 {
		t.Fatalf("read %d vectors, want all 71", len(out))
	}
	return out
}

func (v vector) raw(t testing.TB) []byte {
	t.Helper()
	raw, err := hex.DecodeString(v.Hex)
	if err != nil {
		t.Fatalf("%s: %v", v.ID, err)
	}
	return raw[v.ISOOffset:]
}

// hexCase is the case of the hexadecimal digits in the message's bitmap.
func (v vector) hexCase(t testing.TB) string {
	if v.Codec.Bitmap == "ha" && bytes.ContainsAny(v.raw(t)[4:20], "abcdef") {
		return "lower"
	}
	return "upper"
}

func (v vector) dialect(t testing.TB) *iso.Dialect {
	t.Helper()
	text := v.Codec.yaml(t, v.hexCase(t))
	d, err := iso.Parse(v.ID, []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return d
}

// content is what the vector says the message holds.
func (v vector) content() map[string]string {
	if v.Decoded != nil {
		return v.Decoded
	}
	return v.Expected
}

// rejected says where the vectors that must be refused are at fault. The second one carries a byte too many,
// which shifts its packed currency by a nibble before any byte is left over.
var rejected = map[string]iso.FormatError{
	"moov-legacy-ascii-10": {DE: 55, Kind: iso.KindShort},
	"tieto-d8-93-01":       {DE: 49, Kind: iso.KindPadding},
}

func TestVectorsDecodeToTheirContentAndEncodeBack(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			raw := v.raw(t)
			m, err := v.dialect(t).Decode(raw)
			if v.Class == "must-reject" {
				var fault *iso.FormatError
				if !errors.As(err, &fault) {
					t.Fatalf("decode: %v, want a format error", err)
				}
				if want, known := rejected[v.ID]; known && *fault != want {
					t.Errorf("got %v, want %v", fault, &want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			compare(t, v, m)
			again, err := m.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(again, raw) {
				t.Errorf("encoded\n got %x\nwant %x", again, raw)
			}
		})
	}
}

// compare holds every element of the message against the vector, both ways.
func compare(t *testing.T, v vector, m *iso.Message) {
	t.Helper()
	want := v.content()
	if m.MTI() != want["0"] {
		t.Errorf("message type %q, want %q", m.MTI(), want["0"])
	}
	for key, value := range want {
		de, err := strconv.Atoi(key)
		if err != nil || de < 2 {
			continue // parts of elements, and the message type
		}
		got := m.Get(de)
		if !m.Has(de) {
			t.Errorf("element %d is absent", de)
		} else if got != value && !strings.EqualFold(hex.EncodeToString([]byte(got)), value) {
			t.Errorf("element %d: got %q, want %q", de, got, value)
		}
	}
	for _, de := range m.Elements() {
		if _, ok := want[strconv.Itoa(de)]; !ok {
			t.Errorf("element %d is not in the vector", de)
		}
	}
	if !slices.IsSorted(m.Elements()) {
		t.Errorf("elements out of order: %v", m.Elements())
	}
}

func TestMoovsLoopOverOurSpecificationAgrees(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		if v.Class == "must-reject" {
			continue
		}
		raw := v.raw(t)
		m := newMoovMessage(v.dialect(t))
		if err := m.Unpack(raw); err != nil {
			t.Errorf("%s: unpack: %v", v.ID, err)
			continue
		}
		again, err := m.Pack()
		if err != nil {
			t.Errorf("%s: pack: %v", v.ID, err)
		} else if !bytes.Equal(again, raw) {
			t.Errorf("%s: packed\n got %x\nwant %x", v.ID, again, raw)
		}
	}
}
