package iso

import "fmt"

// Limits of BER-TLV, far above what chips send.
const (
	berDepthMax    = 4
	berTagBytesMax = 3
)

// WalkBER reads BER-TLV (ISO/IEC 8825-1, as EMV uses it) and shows its parts one after the other, those inside a
// constructed part behind it, until see answers false. Zero bytes between parts are skipped. The kind is 0, or says
// what is wrong: the parts shown before are good. Nothing is copied, and depth, number and lengths are bounded by
// what has been received. The name of a part is its tag in capital hexadecimal digits.
func WalkBER(v string, see func(Part) bool) Kind {
	left := partsMax
	kind, _ := walkBER(v, berDepthMax, &left, see)
	return kind
}

func walkBER(v string, depth int, left *int, see func(Part) bool) (kind Kind, stopped bool) {
	for len(v) > 0 {
		if v[0] == 0x00 {
			v = v[1:]
			continue
		}
		tag := berTag(v)
		if tag == 0 || depth == 0 || *left == 0 {
			return KindLength, false
		}
		*left--
		n, lengthBytes, ok := berLength(v[tag:])
		if !ok {
			return KindLength, false
		}
		head := tag + lengthBytes
		if len(v)-head < n {
			return KindShort, false
		}
		value := v[head : head+n]
		if !see(Part{Name: fmt.Sprintf("%X", v[:tag]), Value: value}) {
			return 0, true
		}
		if constructed := v[0]&0x20 != 0; constructed {
			if kind, stopped := walkBER(value, depth-1, left, see); kind != 0 || stopped {
				return kind, stopped
			}
		}
		v = v[head+n:]
	}
	return 0, false
}

// berTag is the number of bytes of the tag at the start of v; 0 when there is none that can be read.
func berTag(v string) int {
	if v[0]&0x1f != 0x1f {
		return 1
	}
	for n := 1; n < berTagBytesMax && n < len(v); n++ {
		if v[n]&0x80 == 0 {
			return n + 1
		}
	}
	return 0
}

// berLength reads a definite length of one byte, or of 81 and one, or of 82 and two.
func berLength(v string) (n, read int, ok bool) {
	switch {
	case len(v) >= 1 && v[0] < 0x80:
		return int(v[0]), 1, true
	case len(v) >= 2 && v[0] == 0x81:
		return int(v[1]), 2, true
	case len(v) >= 3 && v[0] == 0x82:
		return int(v[1])<<8 | int(v[2]), 3, true
	}
	return 0, 0, false
}
