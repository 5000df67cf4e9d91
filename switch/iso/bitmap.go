package iso

import (
	"encoding/binary"
	"errors"
)

// bitmapBytes is the length of one bitmap of 64 bits.
const bitmapBytes = 8

// bit is the mask of a bitmap's bit n, 1 to 64 from the left.
func bit(n int) uint64 { return 1 << (64 - n) }

// bitmapCodec is how the bitmaps of a message are written.
type bitmapCodec struct {
	// hex says that each byte is two hexadecimal digits, of the code page.
	hex  bool
	page *page
	// upper says whether these digits are written in capitals.
	upper bool
	// fixed says that there are always 128 bits, whatever bit 1 says.
	fixed bool
}

// word reads 64 bits from the start of src and says how many bytes they took.
func (b *bitmapCodec) word(src []byte) (w uint64, read int, kind Kind) {
	if !b.hex {
		if len(src) < bitmapBytes {
			return 0, 0, KindShort
		}
		return binary.BigEndian.Uint64(src), bitmapBytes, 0
	}
	if len(src) < 2*bitmapBytes {
		return 0, 0, KindShort
	}
	for _, c := range src[:2*bitmapBytes] {
		v := hexValues[b.page.dec[c]]
		if v == notNibble {
			return 0, 0, KindBitmap
		}
		w = w<<4 | uint64(v)
	}
	return w, 2 * bitmapBytes, 0
}

// appendWord writes 64 bits.
func (b *bitmapCodec) appendWord(dst []byte, w uint64) []byte {
	if !b.hex {
		return binary.BigEndian.AppendUint64(dst, w)
	}
	digits := lowerHex
	if b.upper {
		digits = upperHex
	}
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, b.page.enc[digits[w>>shift&0x0f]])
	}
	return dst
}

// bitmapEncoder is a bitmapCodec as moov's bitmap field wants it.
type bitmapEncoder struct{ codec bitmapCodec }

// Encode writes whole bitmaps.
func (e *bitmapEncoder) Encode(data []byte) ([]byte, error) {
	if len(data)%bitmapBytes != 0 {
		return nil, errors.New("encode bitmap: it has no multiple of 64 bits")
	}
	out := make([]byte, 0, 2*len(data))
	for ; len(data) > 0; data = data[bitmapBytes:] {
		out = e.codec.appendWord(out, binary.BigEndian.Uint64(data))
	}
	return out, nil
}

// Decode reads length bytes of bitmap and says how many bytes it took for them.
func (e *bitmapEncoder) Decode(data []byte, length int) ([]byte, int, error) {
	out, read := make([]byte, 0, 2*bitmapBytes), 0
	for len(out) < length {
		w, n, kind := e.codec.word(data[read:])
		if kind != 0 {
			return nil, 0, &FormatError{DE: 1, Kind: kind}
		}
		out, read = binary.BigEndian.AppendUint64(out, w), read+n
	}
	return out, read, nil
}
