package frame

import (
	"errors"
	"fmt"
	"io"
)

// ErrTruncated reports a stream that ended inside a frame.
var ErrTruncated = errors.New("stream ended inside a frame")

const (
	bufferBytes     = 4 << 10  // what an idle link costs
	bufferBytesKeep = 16 << 10 // a buffer that grew beyond this is given back once it is empty
	emptyReadsMax   = 100      // reads in a row that may return neither bytes nor an error
)

// Limits bounds the frames that a [Reader] accepts. Both count the body alone, in bytes.
type Limits struct {
	// FrameBytesMin is the smallest body; 0 means 12, an MTI and a bitmap.
	FrameBytesMin int
	// FrameBytesMax is the largest body, at most BytesMax; 0 means 8192.
	FrameBytesMax int
}

// Defaults replaces each zero by the value that it stands for.
func (l Limits) Defaults() Limits {
	if l.FrameBytesMin == 0 {
		l.FrameBytesMin = 12
	}
	if l.FrameBytesMax == 0 {
		l.FrameBytesMax = 8192
	}
	return l
}

// Validate names the limit that cannot be kept, zeros being read as their defaults.
func (l Limits) Validate() error {
	l = l.Defaults()
	switch {
	case l.FrameBytesMin < 1:
		return fmt.Errorf("FrameBytesMin is %d, want at least 1", l.FrameBytesMin)
	case l.FrameBytesMax < l.FrameBytesMin || l.FrameBytesMax > BytesMax:
		return fmt.Errorf("FrameBytesMax is %d, want %d to %d", l.FrameBytesMax, l.FrameBytesMin, BytesMax)
	}
	return nil
}

// Reader cuts a stream into frames. It is used by one goroutine.
type Reader struct {
	src    io.Reader
	format Format
	limits Limits

	// Waiting, when set, is called by Next before it reads from a stream that has to deliver more: with false when
	// not one byte of the next frame has arrived, so that the caller can set its idle deadline, and once a frame
	// with true when a frame has started, so that the rest can be given its own deadline. Frames that
	// are in the buffer already cost no call.
	Waiting func(started bool)

	buf        []byte
	start, end int // buf[start:end] was read and is not consumed
	waited     bool
	err        error // final
}

// NewReader makes a reader of frames within the limits, of which a zero means its default. Limits that do not pass
// [Limits.Validate] are a bug of the caller, and panic.
func NewReader(src io.Reader, format Format, limits Limits) *Reader {
	if err := limits.Validate(); err != nil {
		panic("frame: internal error: " + err.Error())
	}
	return &Reader{src: src, format: format, limits: limits.Defaults()}
}

// Next returns the next frame: its header, empty when the format has none, and its body, which is never empty. A
// keep-alive (a length of zero) is returned as two nil slices without error. Both slices point into a buffer that
// the next call overwrites.
//
// The error is io.EOF when the stream ended between two frames, ErrTruncated when it ended inside one, a
// *LengthError when a length cannot be believed, and otherwise the stream's own, wrapped. Errors are final, but for
// a time-out: after it the caller may go on, and nothing that arrived is lost.
func (r *Reader) Next() (header, body []byte, err error) {
	if r.err != nil {
		return nil, nil, r.err
	}
	r.shrink()
	r.waited = false
	lengthBytes := r.format.lengthBytes()
	if err := r.fill(lengthBytes); err != nil {
		return nil, nil, err
	}
	size, err := r.payload()
	if err != nil {
		r.err = err
		return nil, nil, err
	}
	if size == 0 {
		r.start += lengthBytes
		return nil, nil, nil
	}
	if err := r.fill(lengthBytes + size); err != nil {
		return nil, nil, err
	}
	payload := r.buf[r.start+lengthBytes : r.start+lengthBytes+size]
	if r.format.trailer != trailerNone {
		if payload[size-1] != etx {
			r.err = &LengthError{Format: r.format, Fault: End}
			return nil, nil, r.err
		}
		size--
	}
	r.start += lengthBytes + len(payload)
	split := r.format.headerIn(payload[:size])
	return payload[:split:split], payload[split:size:size], nil
}

// Buffered is the number of bytes that were read from the stream and not yet returned.
func (r *Reader) Buffered() int { return r.end - r.start }

// payload decodes and checks the length at the start of the buffer. It returns the size of header, body and what ends them
// together, or 0 for a keep-alive.
func (r *Reader) payload() (int, error) {
	n, ok := r.format.length(r.buf[r.start:])
	if !ok {
		return 0, &LengthError{Format: r.format, Fault: Digits}
	}
	if n == 0 {
		return 0, nil
	}
	if r.format.inclusive {
		n -= r.format.lengthBytes()
		if n == 0 {
			return 0, nil // a length that counts only itself is a keep-alive too
		}
	}
	if r.format.trailer == trailerFree {
		n++
	}
	body := n - r.format.HeaderBytes()
	if r.format.trailer != trailerNone {
		body--
	}
	switch {
	case body < r.limits.FrameBytesMin:
		return 0, &LengthError{Format: r.format, Fault: Short}
	case body > r.limits.FrameBytesMax:
		return 0, &LengthError{Format: r.format, Fault: Long}
	}
	return n, nil
}

// fill reads until the buffer holds n bytes from start.
func (r *Reader) fill(n int) error {
	for empty := 0; r.end-r.start < n; {
		r.room(n)
		if r.Waiting != nil && !r.waited {
			r.waited = r.end > r.start
			r.Waiting(r.waited)
		}
		got, err := r.src.Read(r.buf[r.end:])
		r.end += got
		if got > 0 {
			empty = 0
			continue // an error that came with bytes is met again by the next read
		}
		if err == nil {
			if empty++; empty < emptyReadsMax {
				continue
			}
			err = io.ErrNoProgress
		}
		return r.failed(err)
	}
	return nil
}

// room makes sure that there is space behind end on the way to n bytes. The buffer grows by doubling, as bytes
// arrive, so a peer pays for the memory that its lengths announce.
func (r *Reader) room(n int) {
	if r.start > 0 && r.start+n > len(r.buf) {
		copy(r.buf, r.buf[r.start:r.end])
		r.start, r.end = 0, r.end-r.start
	}
	if r.end < len(r.buf) {
		return
	}
	grown := make([]byte, max(bufferBytes, min(2*len(r.buf), n)))
	r.end = copy(grown, r.buf[r.start:r.end])
	r.start, r.buf = 0, grown
}

// shrink starts over at the front of an empty buffer, and gives a big one back.
func (r *Reader) shrink() {
	if r.start < r.end {
		return
	}
	r.start, r.end = 0, 0
	if len(r.buf) > bufferBytesKeep {
		r.buf = nil
	}
}

// failed turns an error of the stream into ours.
func (r *Reader) failed(err error) error {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, io.EOF) && r.end > r.start:
		err = ErrTruncated
	case errors.Is(err, io.EOF):
		err = io.EOF
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("read frame: %w", err)
	default:
		err = fmt.Errorf("read frame: %w", err)
	}
	r.err = err
	return err
}
