package isotest

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/switch/iso"
)

// Vector is one line of switch/iso/testdata/vectors: a message, the encodings it is written in, and what it says.
type Vector struct {
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

// Vectors reads both files, from the folder of switch/iso.
func Vectors(t testing.TB, folder string) []Vector {
	t.Helper()
	var out []Vector
	for _, name := range []string{"iso8583.jsonl", "iso8583-synthetic.jsonl"} {
		f, err := os.Open(filepath.Join(folder, "testdata", "vectors", name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var v Vector
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

// Raw is the message without what stands in front of it on a link.
func (v Vector) Raw(t testing.TB) []byte {
	t.Helper()
	raw, err := hex.DecodeString(v.Hex)
	if err != nil {
		t.Fatalf("%s: %v", v.ID, err)
	}
	return raw[v.ISOOffset:]
}

// hexCase is the case of the hexadecimal digits in the message's bitmap.
func (v Vector) hexCase(t testing.TB) string {
	if v.Codec.Bitmap == "ha" && bytes.ContainsAny(v.Raw(t)[4:20], "abcdef") {
		return "lower"
	}
	return "upper"
}

// File is the dialect file of the vector's encodings.
func (v Vector) File(t testing.TB) string { return v.Codec.yaml(t, v.hexCase(t)) }

// Dialect is the one that the message is written in.
func (v Vector) Dialect(t testing.TB) *iso.Dialect {
	t.Helper()
	text := v.File(t)
	d, err := iso.Parse(v.ID, []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return d
}

// Content is what the vector says the message holds.
func (v Vector) Content() map[string]string {
	if v.Decoded != nil {
		return v.Decoded
	}
	return v.Expected
}
