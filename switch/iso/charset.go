package iso

import (
	"unicode/utf8"

	"github.com/moov-io/iso8583/encoding"
)

// page is a code page: how characters are written as bytes. Inside the house a character is a byte of
// Latin-1, whatever the peer writes. Every page is a bijection, so decoding and encoding lose nothing.
type page struct {
	// plain is true when bytes and characters are the same, so that no table is needed.
	plain bool
	// dec and enc lead from a byte to its character and back.
	dec, enc [256]byte
	// printable are the characters that text may hold in this page.
	printable *charset
}

// charset is a set of characters.
type charset [256]bool

var (
	digitChars  = newCharset(func(c byte) bool { return c >= '0' && c <= '9' })
	opaqueChars = newCharset(func(byte) bool { return true })
	asciiChars  = newCharset(func(c byte) bool { return c >= 0x20 && c <= 0x7e })
	latin1Chars = newCharset(func(c byte) bool { return c >= 0x20 && c <= 0x7e || c >= 0x80 })
	// ebcdicChars leaves out 0x80 to 0x9f, which are control characters in both EBCDIC pages.
	ebcdicChars = newCharset(func(c byte) bool { return c >= 0x20 && c <= 0x7e || c >= 0xa0 })
	// trackChars are the sixteen characters of ISO/IEC 7811 track 2, and the hexadecimal letters
	// by which hosts that keep tracks in nibbles write six of them (D for the separator).
	trackChars = newCharset(func(c byte) bool { return c >= 0x30 && c <= 0x3f || c >= 'A' && c <= 'F' })
)

func newCharset(has func(byte) bool) *charset {
	var s charset
	for c := range s {
		s[c] = has(byte(c))
	}
	return &s
}

var (
	asciiPage      = newPage(asciiChars, func(b byte) byte { return b })
	latin1Page     = newPage(latin1Chars, func(b byte) byte { return b })
	ebcdicPage     = newPage(ebcdicChars, moovByte(encoding.EBCDIC))
	ebcdic1047Page = newPage(ebcdicChars, moovByte(encoding.EBCDIC1047))
)

func newPage(printable *charset, character func(byte) byte) *page {
	p := &page{plain: true, printable: printable}
	for b := range p.dec {
		c := character(byte(b))
		p.dec[b] = c
		p.enc[c] = byte(b)
		p.plain = p.plain && c == byte(b)
	}
	return p
}

// moovByte reads a code page out of moov's encoder, one byte at a time. Its EBCDIC1047 answers in UTF-8,
// its EBCDIC in single bytes, and both stay within Latin-1.
func moovByte(e encoding.Encoder) func(byte) byte {
	return func(b byte) byte {
		out, _, err := e.Decode([]byte{b}, 1)
		if err != nil || len(out) == 0 {
			panic("iso: internal error: code page is incomplete")
		}
		if len(out) == 1 {
			return out[0]
		}
		r, _ := utf8.DecodeRune(out)
		return byte(r)
	}
}

// utf8Text turns characters into UTF-8 for a screen or a file. What no terminal should be sent becomes a dot.
func utf8Text(characters string) string {
	out := make([]rune, 0, len(characters))
	for i := range len(characters) {
		c := characters[i]
		if c < 0x20 || c >= 0x7f && c < 0xa0 {
			c = '.'
		}
		out = append(out, rune(c))
	}
	return string(out)
}
