package frame

import (
	"errors"
	"fmt"
)

// ErrTooLong reports a body that the format's length cannot announce.
var ErrTooLong = errors.New("body does not fit the frame's length")

// Mark remembers where a frame begins in a buffer, from Begin to End.
type Mark struct {
	at, headerBytes int
}

// Begin opens a frame at the end of dst: it leaves room for the length and appends the header, which must have
// HeaderBytes bytes, or be one that [Reader.Next] has returned. The caller then appends the body to the slice returned,
// and closes the frame with End.
func (f Format) Begin(dst []byte, header []byte) ([]byte, Mark) {
	mark := Mark{at: len(dst), headerBytes: len(header)}
	dst = append(dst, noLength[:f.lengthBytes()]...)
	return append(dst, header...), mark
}

// End closes the frame that began at mark: it writes the length in front of what was appended since. A header of the
// wrong size, an empty body, or one that the length cannot announce (ErrTooLong), is an error; dst is then returned
// cut back to the mark, so that the frames before it can still be sent.
func (f Format) End(dst []byte, mark Mark) ([]byte, error) {
	body := len(dst) - mark.at - f.lengthBytes() - mark.headerBytes
	switch {
	case !f.headerFits(mark.headerBytes):
		return dst[:min(mark.at, len(dst))], fmt.Errorf("end frame: the header has %d bytes, %s wants %d",
			mark.headerBytes, f, f.HeaderBytes())
	case body < 1:
		return dst[:min(mark.at, len(dst))], errors.New("end frame: the body is empty")
	case body > f.BodyBytesMax()-mark.headerBytes+f.HeaderBytes():
		return dst[:mark.at], fmt.Errorf("end frame: %w: %d bytes, %s allows %d", ErrTooLong, body, f, f.BodyBytesMax())
	}
	f.putLength(dst[mark.at:], body+f.overhead()+mark.headerBytes-f.HeaderBytes())
	f.finishHeader(dst[mark.at+f.lengthBytes():])
	if f.trailer != trailerNone {
		dst = append(dst, etx)
	}
	return dst, nil
}

// Append appends a whole frame to dst. On an error, which is one of End, dst is returned as it was.
func (f Format) Append(dst, header, body []byte) ([]byte, error) {
	dst, mark := f.Begin(dst, header)
	return f.End(append(dst, body...), mark)
}

// AppendKeepAlive appends a frame of length zero.
func (f Format) AppendKeepAlive(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, noLength[:f.lengthBytes()]...)
	f.putLength(dst[at:], 0)
	return dst
}
