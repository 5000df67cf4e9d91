package leak

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Form is a value written down in one way.
type Form struct {
	Name string
	Text []byte
}

// Forms are all ways to write a value down, always in the same order. Different ways may have one text.
func Forms(value []byte) (all []Form) {
	all = append(all, written("", value)...)
	all = append(all, escaped(value)...)
	if code, ok := ebcdic(value); ok {
		all = append(all, written("EBCDIC ", code)...)
	}
	if digits(value) {
		all = append(all, packed(value)...)
		all = append(all, integers(value)...)
		all = append(all, grouped(value)...)
		backwards := bytes.Clone(value)
		for i, c := range value {
			backwards[len(value)-1-i] = c
		}
		all = append(all, Form{"backwards", backwards})
	}
	// A plain hash of a card number is guessed in minutes.
	for i, h := range []hash.Hash{md5.New(), sha1.New(), sha256.New()} {
		h.Write(value) // a hash never returns an error
		all = append(all, written([]string{"MD5 ", "SHA-1 ", "SHA-256 "}[i], h.Sum(nil))...)
	}
	return all
}

// named are the ways in which a value is written down together with its name.
func named(text []byte) []Form {
	all := written("", text)
	if code, ok := ebcdic(text); ok {
		all = append(all, Form{"EBCDIC", code})
	}
	return append(all, escaped(text)...)
}

// written are bytes as they are, and as texts of bytes.
func written(name string, value []byte) []Form {
	each := func(format, between string) []byte {
		parts := make([]string, len(value))
		for i, b := range value {
			parts[i] = fmt.Sprintf(format, b)
		}
		return []byte(strings.Join(parts, between))
	}
	all := []Form{{name + "as it is", value},
		{name + "hexadecimal, lower case", each("%02x", "")}, {name + "hexadecimal, upper case", each("%02X", "")},
		{name + "hexadecimal, spaced", each("%02x", " ")}, {name + "hexadecimal, upper case, spaced", each("%02X", " ")},
		{name + "hexadecimal, with colons", each("%02x", ":")},
		{name + "Go bytes", each("%d", " ")}, {name + "JSON bytes", each("%d", ",")},
		{name + "Go syntax", each("%#x", ", ")}, {name + "escapes of C", each(`\x%02x`, "")}}
	for lead := range 3 { // base64 of three bytes is four characters: what is inside depends on the offset
		whole := base64.StdEncoding.EncodeToString(append(make([]byte, lead), value...))
		inner := whole[(lead*8+5)/6 : (lead+len(value))*8/6]
		all = append(all, Form{fmt.Sprintf("%sbase64, offset %d", name, lead), []byte(inner)},
			Form{fmt.Sprintf("%sbase64url, offset %d", name, lead), []byte(strings.NewReplacer("+", "-", "/", "_").Replace(inner))})
	}
	return all
}

// escaped are texts as formats write them that have escapes.
func escaped(value []byte) []Form {
	var unicode, upper, percent, lower, entities, little, big []byte
	for _, b := range value {
		unicode = fmt.Appendf(unicode, `\u%04x`, b)
		upper = fmt.Appendf(upper, `\u%04X`, b)
		percent = fmt.Appendf(percent, "%%%02X", b)
		lower = fmt.Appendf(lower, "%%%02x", b)
		entities = fmt.Appendf(entities, "&#%d;", b)
		little, big = append(little, b, 0), append(big, 0, b)
	}
	quoted := strconv.Quote(string(value))
	all := []Form{{"JSON escapes", unicode}, {"JSON escapes, upper case", upper},
		{"URL escapes", percent}, {"URL escapes, lower case", lower},
		{"entities", entities}, {"UTF-16LE", little[:len(little)-1]}, {"UTF-16BE", big[1:]},
		{"a Go text", []byte(quoted[1 : len(quoted)-1])}, {"a URL's text", []byte(url.QueryEscape(string(value)))}}
	if utf8.Valid(value) {
		text, err := json.Marshal(string(value))
		if err == nil { // a text always encodes
			all = append(all, Form{"a JSON text", text[1 : len(text)-1]})
		}
	}
	return all
}

// packed are digits two to a byte, both ways round, from an even and from an odd place.
func packed(value []byte) (all []Form) {
	even := value[:len(value)&^1]
	odd := value[1:]
	odd = odd[:len(odd)&^1]
	for i, part := range [][]byte{even, odd} {
		name := []string{"packed", "packed, shifted"}[i]
		raw, err := hex.DecodeString(string(part))
		if err != nil {
			continue // digits are hexadecimal
		}
		turned := bytes.Clone(raw)
		for i, b := range raw {
			turned[i] = b<<4 | b>>4
		}
		all = append(all, written(name+", ", raw)...)
		all = append(all, written(name+", nibbles reversed, ", turned)...)
	}
	return all
}

// integers are digits as a number, as stores keep a text of digits to save room, Redis among them, or a column of integers:
// without the zeros that a shorter one need not have.
func integers(value []byte) []Form {
	n, err := strconv.ParseUint(string(value), 10, 64)
	if err != nil {
		return nil // more digits than fit
	}
	big := bytes.TrimLeft(binary.BigEndian.AppendUint64(nil, n), "\x00")
	little := bytes.Clone(big)
	slices.Reverse(little)
	return []Form{{"integer, big end first", big}, {"integer, little end first", little}}
}

// grouped are digits as people write card numbers.
func grouped(value []byte) (all []Form) {
	for _, size := range []int{1, 2, 4} {
		for _, between := range []string{" ", "-", "."} {
			var text []byte
			for i, c := range value {
				if i > 0 && i%size == 0 {
					text = append(text, between...)
				}
				text = append(text, c)
			}
			all = append(all, Form{fmt.Sprintf("digits with %q, by %d", between, size), text})
		}
	}
	return all
}

func digits(value []byte) bool {
	for _, c := range value {
		if !digit(c) {
			return false
		}
	}
	return true
}

// ebcdicSigns are the characters of code page 1047 that secrets have beside letters and digits.
var ebcdicSigns = map[byte]byte{
	' ': 0x40, '=': 0x7e, '^': 0x5f, '/': 0x61, '-': 0x60, ':': 0x7a, '_': 0x6d, '.': 0x4b, '"': 0x7f, '+': 0x4e, ';': 0x5e,
}

// ebcdic is a text in code page 1047; false when it has a character without a place in the table.
func ebcdic(value []byte) ([]byte, bool) {
	out := make([]byte, len(value))
	for i, c := range value {
		sign, ok := ebcdicSigns[c]
		switch {
		case digit(c):
			sign = 0xf0 + c - '0'
		case c|0x20 >= 'a' && c|0x20 <= 'i':
			sign = 0x81 + c | 0x20 - 'a'
		case c|0x20 >= 'j' && c|0x20 <= 'r':
			sign = 0x91 + c | 0x20 - 'j'
		case c|0x20 >= 's' && c|0x20 <= 'z':
			sign = 0xa2 + c | 0x20 - 's'
		case !ok:
			return nil, false
		}
		if c >= 'A' && c <= 'Z' {
			sign |= 0x40
		}
		out[i] = sign
	}
	return out, true
}
