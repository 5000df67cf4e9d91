package frame

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
)

// headerKind says what stands between length and body, and how the answer's is made from the request's.
type headerKind uint8

const (
	headerNone   headerKind = iota
	headerOpaque            // comes back as it is
	headerTPDU              // identifier, destination, source: the two addresses are swapped
	headerCUP               // a TPDU and six bytes that come back
	headerBASE1             // 22 bytes: the two stations are swapped, the total length is ours; 26 of a rejection
	headerBASE24            // 12 characters: the status is cleared, the responder is the host
	headerFixed             // always the same bytes
)

// headerKinds has one row a kind, in the order of the constants. Zero bytes mean that the suffix tells.
var headerKinds = [...]struct {
	name  string
	bytes uint8
}{
	headerNone: {}, headerOpaque: {"hdr", 0}, headerTPDU: {"tpdu", 5}, headerCUP: {"cup", 11},
	headerBASE1: {"base1", 22}, headerBASE24: {"base24", 12}, headerFixed: {"fixed", 0},
}

// The parts of headers that we write, by their offset.
const (
	base1Total, base1Destination, base1Source = 3, 5, 8 // two bytes, three bytes, three bytes
	base1Bitmap, base1Code, base1RejectBytes  = 22, 24, 26
	base24Status, base24Responder             = 7, 11 // three characters, one character
	base24Host                                = '5'
)

// parseHeaderValue reads what stands behind the equals sign of a header's suffix.
func (f *Format) parseHeaderValue(value string) error {
	switch f.header {
	case headerOpaque:
		n, err := strconv.ParseUint(value, 10, 8)
		if err != nil || n == 0 {
			return fmt.Errorf("header length %q is not a number from 1 to %d", value, headerBytesMax)
		}
		f.headerBytes = uint8(n)
	case headerFixed:
		raw, err := hex.DecodeString(value)
		if err != nil || len(raw) == 0 || len(raw) > headerBytesMax {
			return fmt.Errorf("header %q is not 1 to %d bytes in hexadecimal digits", value, headerBytesMax)
		}
		f.headerBytes, f.template = uint8(len(raw)), string(raw)
	}
	return nil
}

// ReplyHeader appends to dst the header of the answer to a frame that came with the given header: the same bytes
// where the kind of header says nothing else. It is the identity for formats without a header.
func (f Format) ReplyHeader(dst []byte, requestHeader []byte) []byte {
	at := len(dst)
	dst = append(dst, requestHeader...)
	if f.header == headerBASE1 && len(requestHeader) == base1RejectBytes {
		dst = dst[:at+f.HeaderBytes()]
		dst[at] = f.headerBytes
	}
	h := dst[at:]
	if len(h) != f.HeaderBytes() {
		return dst // End will refuse it
	}
	switch f.header {
	case headerTPDU, headerCUP:
		h[1], h[2], h[3], h[4] = h[3], h[4], h[1], h[2]
	case headerBASE1:
		for i := range base1Source - base1Destination {
			h[base1Destination+i], h[base1Source+i] = h[base1Source+i], h[base1Destination+i]
		}
	case headerBASE24:
		copy(h[base24Status:], "000")
		h[base24Responder] = base24Host
	case headerFixed:
		copy(h, f.template)
	}
	return dst
}

// FirstHeader appends to dst the header for a frame that answers none: what its kind says of itself, with zero
// addresses, or zero bytes for an opaque header.
func (f Format) FirstHeader(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, f.HeaderBytes())...)
	h := dst[at:]
	switch f.header {
	case headerTPDU, headerCUP:
		h[0] = 0x60
	case headerBASE1:
		h[0], h[1], h[2] = 22, 1, 2
	case headerBASE24:
		copy(h, "ISO005000050")
	case headerFixed:
		copy(h, f.template)
	}
	return dst
}

// finishHeader writes into a header what is known only when the body is there. The slice begins with the header and
// ends with the body.
func (f Format) finishHeader(payload []byte) {
	if f.header == headerBASE1 {
		binary.BigEndian.PutUint16(payload[base1Total:], uint16(len(payload)))
	}
}

// headerIn is the size of the header at the start of what the length counts. One of BASE I says itself that it is longer
// than usual, by a bitmap and the code of a rejection.
func (f Format) headerIn(payload []byte) int {
	if f.header == headerBASE1 && len(payload) > base1RejectBytes && payload[0] == base1RejectBytes {
		return base1RejectBytes
	}
	return f.HeaderBytes()
}

// headerFits reports whether a header may have so many bytes.
func (f Format) headerFits(n int) bool {
	return n == f.HeaderBytes() || f.header == headerBASE1 && n == base1RejectBytes
}

// Rejected reports whether a header says that the network gives a message of ours back because it cannot use it, and the
// four digits that say why. Such a frame is answered by nobody.
func (f Format) Rejected(header []byte) (code string, rejected bool) {
	if f.header != headerBASE1 || len(header) != base1RejectBytes || header[base1Bitmap]&0x80 == 0 {
		return "", false
	}
	return hex.EncodeToString(header[base1Code:]), true
}

// Plausible reports whether a received header can be of the format's kind, as far as its bytes tell. An opaque one
// always can.
func (f Format) Plausible(header []byte) bool {
	if !f.headerFits(len(header)) {
		return false
	}
	switch f.header {
	case headerTPDU, headerCUP:
		return header[0] == 0x60
	case headerBASE1:
		return int(header[0]) == len(header) && (header[1] == 1 || header[1] == 2)
	case headerBASE24:
		return string(header[:3]) == "ISO"
	case headerFixed:
		return string(header) == f.template
	}
	return true
}
