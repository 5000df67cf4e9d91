package iso

// notNibble marks a byte that is no hexadecimal digit.
const notNibble = 0xff

const (
	upperHex = "0123456789ABCDEF"
	lowerHex = "0123456789abcdef"
)

// hexValues leads from a character to the value of the hexadecimal digit, either case.
var hexValues = func() (v [256]byte) {
	for i := range v {
		v[i] = notNibble
	}
	for i := range byte(16) {
		v[upperHex[i]], v[lowerHex[i]] = i, i
	}
	return v
}()

// digitPairs are the two digits of every byte of packed digits; a zero says that the byte is none.
var digitPairs = func() (p [256][2]byte) {
	for i := range byte(100) {
		p[i/10<<4|i%10] = [2]byte{'0' + i/10, '0' + i%10}
	}
	return p
}()

// decodePage reads one character a byte and refuses those outside chars.
func decodePage(text, src []byte, p *page, chars *charset) ([]byte, Kind) {
	if p.plain {
		for _, c := range src {
			if !chars[c] {
				return text, KindCharacters
			}
		}
		return append(text, src...), 0
	}
	for _, b := range src {
		c := p.dec[b]
		if !chars[c] {
			return text, KindCharacters
		}
		text = append(text, c)
	}
	return text, 0
}

func appendPage(dst []byte, v string, p *page) []byte {
	if p.plain {
		return append(dst, v...)
	}
	for i := range len(v) {
		dst = append(dst, p.enc[v[i]])
	}
	return dst
}

// decodeNibbles reads n digits, two a byte. With track set the nibbles A to F are characters too.
func decodeNibbles(text, src []byte, n int, c codec, track bool) ([]byte, Kind) {
	if n == 0 {
		return text, 0
	}
	if n&1 == 1 && c == codecBCD {
		if src[0]>>4 != 0 {
			return text, KindPadding
		}
		if src[0] > 9 && !track {
			return text, KindCharacters
		}
		text = append(text, upperHex[src[0]])
		src = src[1:]
	}
	for i, b := range src {
		if pair := digitPairs[b]; pair[0] != 0 && (n&1 == 0 || c == codecBCD || i < len(src)-1) {
			text = append(text, pair[0], pair[1])
			continue
		}
		high, low := b>>4, b&0x0f
		if high > 9 && !track {
			return text, KindCharacters
		}
		text = append(text, upperHex[high])
		if n&1 == 1 && c != codecBCD && i == len(src)-1 {
			if c == codecBCDLeft && low != 0 || c == codecBCDLeftF && low != 0x0f {
				return text, KindPadding
			}
			break
		}
		if low > 9 && !track {
			return text, KindCharacters
		}
		text = append(text, upperHex[low])
	}
	return text, 0
}

// appendNibbles writes two digits a byte. Track characters 0x3a to 0x3f and the letters A to F are the
// nibbles ten to fifteen, so that a separator may be given as = or as D.
func appendNibbles(dst []byte, v string, c codec) []byte {
	i := 0
	if len(v)&1 == 1 && c == codecBCD {
		dst = append(dst, nibble(v[0]))
		i = 1
	}
	for ; i+1 < len(v); i += 2 {
		dst = append(dst, nibble(v[i])<<4|nibble(v[i+1]))
	}
	if i < len(v) {
		fill := byte(0)
		if c == codecBCDLeftF {
			fill = 0x0f
		}
		dst = append(dst, nibble(v[i])<<4|fill)
	}
	return dst
}

func nibble(c byte) byte {
	if c >= 'A' {
		return c - 'A' + 10
	}
	return c & 0x0f
}

// decodeHex reads two hexadecimal digits a byte, in either case.
func decodeHex(text, src []byte, p *page) ([]byte, Kind) {
	for i := 0; i+1 < len(src); i += 2 {
		high, low := hexValues[p.dec[src[i]]], hexValues[p.dec[src[i+1]]]
		if high == notNibble || low == notNibble {
			return text, KindCharacters
		}
		text = append(text, high<<4|low)
	}
	return text, 0
}

func appendHex(dst []byte, v string, p *page, upper bool) []byte {
	digits := lowerHex
	if upper {
		digits = upperHex
	}
	for i := range len(v) {
		dst = append(dst, p.enc[digits[v[i]>>4]], p.enc[digits[v[i]&0x0f]])
	}
	return dst
}
