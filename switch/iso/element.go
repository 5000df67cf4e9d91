package iso

// codec is how the characters of an element are written.
type codec uint8

const (
	codecPage     codec = iota + 1 // one byte a character, through a code page
	codecBCD                       // two digits a byte, odd numbers filled with a 0 in front
	codecBCDLeft                   // two digits a byte, odd numbers filled with a 0 behind
	codecBCDLeftF                  // two digits a byte, odd numbers filled with an F behind
	codecRaw                       // bytes as they are
	codecHex                       // two hexadecimal digits a byte, through a code page
)

// bcd reports whether the codec writes two digits a byte.
func (c codec) bcd() bool { return c == codecBCD || c == codecBCDLeft || c == codecBCDLeftF }

// element is everything a dialect says about one data element, compiled for the decode loop.
type element struct {
	de   int
	name string
	format
	codec codec
	// page writes text, and the sign of an amount.
	page *page
	// chars are the characters that the content may have.
	chars *charset
	// upper says whether hexadecimal digits are written in capitals.
	upper  bool
	length lengthCodec
	// layout is what is known of its inside; nil when it is opaque or plain.
	layout *layout
}

// wireBytes is the number of bytes that n characters take, without their length prefix.
func (e *element) wireBytes(n int) int {
	switch {
	case e.codec.bcd() && e.class == classAmount:
		return 1 + n/2 // the sign keeps a byte of its own; n counts it
	case e.codec.bcd():
		return (n + 1) / 2
	case e.codec == codecHex:
		return 2 * n
	}
	return n
}

// decode reads the element from the start of src, appends its characters to text, and says how many bytes
// it took. A kind other than 0 reports a fault; what was appended then means nothing.
func (e *element) decode(text, src []byte) ([]byte, int, Kind) {
	n, read := e.max, 0
	if e.dots > 0 {
		var kind Kind
		if n, read, kind = e.decodeLength(src); kind != 0 {
			return text, 0, kind
		}
	}
	size := e.wireBytes(n)
	if len(src)-read < size {
		return text, 0, KindShort
	}
	src = src[read : read+size]
	read += size

	var kind Kind
	switch {
	case e.class == classAmount:
		text, kind = e.decodeAmount(text, src, n)
	case e.codec == codecRaw:
		text = append(text, src...)
	case e.codec == codecHex:
		text, kind = decodeHex(text, src, e.page)
	case e.codec == codecPage:
		text, kind = decodePage(text, src, e.page, e.chars)
	case e.unitBytes() && e.codec == codecBCDLeftF:
		text, kind = e.decodeCounted(text, src, n)
	default:
		text, kind = decodeNibbles(text, src, n, e.codec, e.class == classTrack)
	}
	return text, read, kind
}

// append writes the element with its length prefix. The characters have passed check.
func (e *element) append(dst []byte, v string) []byte {
	if e.dots > 0 {
		dst = e.appendLength(dst, len(v))
	}
	switch {
	case e.class == classAmount && e.codec.bcd():
		return appendNibbles(append(dst, e.page.enc[v[0]]), v[1:], e.codec)
	case e.codec == codecRaw:
		return append(dst, v...)
	case e.codec == codecHex:
		return appendHex(dst, v, e.page, e.upper)
	case e.codec == codecPage:
		return appendPage(dst, v, e.page)
	}
	return appendNibbles(dst, v, e.codec)
}

// check says whether v may be the content of the element: 0, or the kind of fault.
func (e *element) check(v string) Kind {
	limit := e.max
	if e.unitBytes() && e.codec.bcd() {
		limit += limit & 1 // a length in bytes cannot tell an odd number of digits from the next even one
	}
	if len(v) > limit || e.dots == 0 && len(v) != e.max {
		return KindLength
	}
	if e.class == classAmount {
		if v[0] != 'C' && v[0] != 'D' {
			return KindCharacters
		}
		v = v[1:]
	}
	for i := range len(v) {
		if !e.chars[v[i]] {
			return KindCharacters
		}
	}
	return 0
}

// decodeAmount reads a signed amount: C or D in the page of the dialect, then digits.
func (e *element) decodeAmount(text, src []byte, n int) ([]byte, Kind) {
	sign := e.page.dec[src[0]]
	if sign != 'C' && sign != 'D' {
		return text, KindCharacters
	}
	text = append(text, sign)
	if e.codec.bcd() {
		return decodeNibbles(text, src[1:], n-1, e.codec, false)
	}
	return decodePage(text, src[1:], e.page, e.chars)
}

// decodeCounted reads left-justified nibbles whose length was counted in bytes: the F of an odd number of
// digits is the last nibble, and only that one tells how many digits there are.
func (e *element) decodeCounted(text, src []byte, n int) ([]byte, Kind) {
	if n > 0 && src[len(src)-1]&0x0f == 0x0f {
		n--
	}
	return decodeNibbles(text, src, n, e.codec, e.class == classTrack)
}
