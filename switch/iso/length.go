package iso

// lengthCode is how a length prefix is written.
type lengthCode uint8

const (
	lengthDigits lengthCode = iota + 1 // digits in a code page
	lengthBCD                          // packed digits, filled with a 0 in front
	lengthBinary                       // a big-endian number
)

// lengthCodec is the length prefix of a variable element.
type lengthCodec struct {
	code lengthCode
	page *page
	// width is the number of digits, or of bytes for a binary prefix.
	width int
	// bytes says that the prefix counts the bytes that follow. Otherwise it counts characters: digits for n
	// and z, bytes of content for b.
	bytes bool
}

// size is the number of bytes that the prefix itself takes.
func (l *lengthCodec) size() int {
	if l.code == lengthBCD {
		return (l.width + 1) / 2
	}
	return l.width
}

// greatest is the greatest number that the prefix can hold.
func (l *lengthCodec) greatest() int {
	n := 1
	for range l.width {
		if l.code == lengthBinary {
			n *= 256
		} else {
			n *= 10
		}
	}
	return n - 1
}

// unitBytes reports whether the length of the element is counted in bytes on the wire.
func (e *element) unitBytes() bool { return e.dots > 0 && e.length.bytes }

// decodeLength reads the prefix and answers the number of characters and the bytes read. Only plain digits
// are digits here: a sign or a nibble above nine is a fault, and so is a number beyond the greatest length.
func (e *element) decodeLength(src []byte) (n, read int, kind Kind) {
	l := &e.length
	read = l.size()
	if len(src) < read {
		return 0, 0, KindShort
	}
	for _, b := range src[:read] {
		switch l.code {
		case lengthBinary:
			n = n<<8 | int(b)
		case lengthBCD:
			if b>>4 > 9 || b&0x0f > 9 {
				return 0, 0, KindLength
			}
			n = n*100 + int(b>>4)*10 + int(b&0x0f)
		default:
			c := l.page.dec[b]
			if c < '0' || c > '9' {
				return 0, 0, KindLength
			}
			n = n*10 + int(c-'0')
		}
	}
	if n < 0 { // four binary bytes, where an int has 32 bits
		return 0, 0, KindLength
	}
	if l.bytes {
		return e.countedInBytes(n, read)
	}
	if n > e.max {
		return 0, 0, KindLength
	}
	return n, read, 0
}

// countedInBytes turns a length in bytes into one in characters. For packed digits that is the even number;
// an F behind them takes one away again while they are decoded.
func (e *element) countedInBytes(n, read int) (int, int, Kind) {
	if n > e.wireBytes(e.max) {
		return 0, 0, KindLength
	}
	switch {
	case e.codec.bcd():
		return 2 * n, read, 0
	case e.codec == codecHex:
		if n&1 == 1 {
			return 0, 0, KindLength
		}
		return n / 2, read, 0
	}
	return n, read, 0
}

// appendLength writes the prefix of n characters.
func (e *element) appendLength(dst []byte, n int) []byte {
	l := &e.length
	if l.bytes {
		n = e.wireBytes(n)
	}
	size := l.size()
	for range size {
		dst = append(dst, 0)
	}
	for at := len(dst) - 1; at >= len(dst)-size; at-- {
		switch l.code {
		case lengthBinary:
			dst[at] = byte(n)
			n >>= 8
		case lengthBCD:
			dst[at] = byte(n/10%10<<4 | n%10)
			n /= 100
		default:
			dst[at] = l.page.enc['0'+n%10]
			n /= 10
		}
	}
	return dst
}
