package frame_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"holdfast/switch/frame"
)

// FuzzReader reads any stream in any format: no panic, nothing asked for above the cap, no error that shows what was
// received, and the frames read, encoded again, are the bytes consumed.
func FuzzReader(f *testing.F) {
	formats := allFormats(f)
	for i, format := range formats {
		stream := mustAppend(f, format, bodyOf(12), bodyOf(300))
		stream = append(format.AppendKeepAlive(stream), mustAppend(f, format, bodyOf(50))...)
		f.Add(i, 7, stream)
		f.Add(i, 1000, stream[:len(stream)-3])
	}
	for i, wire := range []string{"-001", "+005", " 001", "0x1F", "9999", "\xFF\xFF", "0000", "", "\x00"} {
		f.Add(i*5, 1, []byte(wire))
	}
	f.Fuzz(func(t *testing.T, which, step int, stream []byte) {
		format := formats[int(uint(which)%uint(len(formats)))]
		checkStream(t, format, 1+int(uint(step)%4096), stream)
	})
}

func checkStream(t *testing.T, format frame.Format, step int, stream []byte) {
	const most = 600
	rest, asked := stream, 0
	src := readerFunc(func(p []byte) (int, error) {
		asked = max(asked, len(p))
		if len(rest) == 0 {
			return 0, io.EOF
		}
		n := copy(p, rest[:min(step, len(rest))])
		rest = rest[n:]
		return n, nil
	})
	r := frame.NewReader(src, format, frame.Limits{FrameBytesMax: most})
	at := 0
	for {
		header, body, err := r.Next()
		if err != nil {
			var wrong *frame.LengthError
			if err != io.EOF && !errors.Is(err, frame.ErrTruncated) && !errors.As(err, &wrong) {
				t.Fatalf("%s: unexpected error %v", format, err)
			}
			break
		}
		consumed := stream[at : len(stream)-len(rest)-r.Buffered()]
		at += len(consumed)
		checkAgain(t, format, header, body, consumed)
	}
	if asked > 4096 {
		t.Fatalf("%s: asked for %d bytes at once with frames of %d", format, asked, most)
	}
}

func checkAgain(t *testing.T, format frame.Format, header, body, consumed []byte) {
	if body == nil {
		if header != nil || len(consumed) > 6 {
			t.Fatalf("%s: a keep-alive took %d bytes", format, len(consumed))
		}
		return
	}
	again, err := format.Append(nil, header, body)
	if err != nil {
		t.Fatalf("%s: %v", format, err)
	}
	if strings.HasPrefix(format.String(), "hex4") { // the reader takes lower-case digits too
		consumed = append(bytes.ToUpper(consumed[:4]), consumed[4:]...)
	}
	if strings.HasPrefix(format.String(), "bin2res") { // what is reserved is written as zeros
		consumed = slices.Concat(consumed[:2], []byte{0, 0}, consumed[4:])
	}
	if strings.Contains(format.String(), "+base1") { // the total length in the header is always ours
		at := len(consumed) - len(body) - len(header) + 3
		if strings.Contains(format.String(), "+etx") {
			at--
		}
		consumed = slices.Concat(consumed[:at], again[at:at+2], consumed[at+2:])
	}
	if !bytes.Equal(again, consumed) {
		t.Fatalf("%s: encoded again % x, consumed % x", format, again, consumed)
	}
}
