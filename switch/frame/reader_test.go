package frame_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"holdfast/switch/frame"
)

// allFormats is every kind of length, with and without itself, with every kind of header.
func allFormats(t testing.TB) []frame.Format {
	t.Helper()
	var formats []frame.Format
	for _, kind := range []string{"bin2", "bin3", "bin4", "bin2le", "bcd2", "ascii4", "hex4", "vmlh", "bin2res", "ascii3", "ascii5", "ascii6"} {
		for _, incl := range []string{"", "+incl", "+etx", "+incl+etx", "+etx-free"} {
			for _, header := range []string{"", "+tpdu", "+cup", "+base1", "+base24", "+fixed=30313130", "+hdr=1", "+hdr=12", "+hdr=255"} {
				formats = append(formats, mustParse(t, kind+incl+header))
			}
		}
	}
	return formats
}

func mustParse(t testing.TB, s string) frame.Format {
	t.Helper()
	f, err := frame.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// mustAppend builds a stream of one frame for each body, with headers that differ from frame to frame.
func mustAppend(t testing.TB, f frame.Format, bodies ...[]byte) []byte {
	t.Helper()
	var stream []byte
	for i, body := range bodies {
		var err error
		if stream, err = f.Append(stream, headerOf(f, i), body); err != nil {
			t.Fatal(err)
		}
	}
	return stream
}

func headerOf(f frame.Format, i int) []byte {
	return bytes.Repeat([]byte{byte(0x60 + i)}, f.HeaderBytes())
}

func bodyOf(n int) []byte {
	body := make([]byte, n)
	for i := range body {
		body[i] = byte('0' + i%10)
	}
	return body
}

// Goal: a frame comes out whole wherever the network cuts the stream.
// Method: two glued frames, a keep-alive between them, cut at every position, and one byte at a time.
func TestEverySplitGivesTheSameFrames(t *testing.T) {
	t.Parallel()
	for _, f := range allFormats(t) {
		first, second := bodyOf(12), bodyOf(77)
		stream := mustAppend(t, f, first)
		stream = append(f.AppendKeepAlive(stream), mustAppend(t, f, second)...)
		for cut := range len(stream) + 1 {
			src := io.MultiReader(bytes.NewReader(stream[:cut]), bytes.NewReader(stream[cut:]))
			checkTwo(t, fmt.Sprintf("%s cut at %d", f, cut), f, src, first, second)
		}
		checkTwo(t, f.String()+" byte by byte", f, iotest.OneByteReader(bytes.NewReader(stream)), first, second)
		checkTwo(t, f.String()+" error with data", f, iotest.DataErrReader(bytes.NewReader(stream)), first, second)
	}
}

func checkTwo(t *testing.T, name string, f frame.Format, src io.Reader, first, second []byte) {
	t.Helper()
	r := frame.NewReader(src, f, frame.Limits{})
	for i, want := range [][]byte{first, nil, second} {
		header, body, err := r.Next()
		wantHeader := headerOf(f, 0)
		if want == nil {
			wantHeader = nil
		} else if strings.HasSuffix(f.String(), "+base1") { // its total length was written when the body was there
			binary.BigEndian.PutUint16(wantHeader[3:], uint16(len(wantHeader)+len(want)))
		}
		if err != nil || !bytes.Equal(body, want) || !bytes.Equal(header, wantHeader) {
			t.Fatalf("%s: frame %d is %q %q %v, want %q", name, i, header, body, err, want)
		}
	}
	for range 2 {
		if _, _, err := r.Next(); err != io.EOF {
			t.Fatalf("%s: end is %v, want io.EOF", name, err)
		}
	}
}

func TestEveryTruncationIsTold(t *testing.T) {
	t.Parallel()
	for _, f := range allFormats(t) {
		stream := mustAppend(t, f, bodyOf(20))
		for cut := 1; cut < len(stream); cut++ {
			_, _, err := frame.NewReader(bytes.NewReader(stream[:cut]), f, frame.Limits{}).Next()
			if !errors.Is(err, frame.ErrTruncated) {
				t.Fatalf("%s cut at %d: %v, want ErrTruncated", f, cut, err)
			}
		}
	}
}

func TestBadLengthsAreRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		format, wire string
		want         frame.Fault
	}{
		{"ascii4", "-001", frame.Digits},
		{"ascii4", "+005", frame.Digits},
		{"ascii4", " 001", frame.Digits},
		{"ascii4", "001 ", frame.Digits},
		{"ascii4", "0x1F", frame.Digits},
		{"ascii4", "00FF", frame.Digits},
		{"ascii4", "\x00\x00\x00\x00", frame.Digits},
		{"ascii4", "\xF0\xF0\xF5\xF0", frame.Digits}, // EBCDIC
		{"ascii4", "9999", frame.Long},
		{"ascii4", "0011", frame.Short},
		{"bcd2", "\x00\x0A", frame.Digits},
		{"bcd2", "\xFF\xFF", frame.Digits},
		{"bcd2", "\xA0\x12", frame.Digits},
		{"bcd2", "\x99\x99", frame.Long},
		{"bcd2", "\x00\x01", frame.Short},
		{"hex4", "00G0", frame.Digits},
		{"hex4", "+0FF", frame.Digits},
		{"hex4", "FFFF", frame.Long},
		{"hex4", "000b", frame.Short},
		{"bin2", "\xFF\xFF", frame.Long},
		{"bin2", "\x20\x01", frame.Long},
		{"bin2", "\x00\x0B", frame.Short},
		{"bin2+incl", "\x00\x01", frame.Short},
		{"bin2+incl", "\x00\x0D", frame.Short},
		{"bin2+tpdu", "\x00\x05", frame.Short},
		{"bin2+tpdu", "\x00\x10", frame.Short},
		{"bin2le", "\x00\xFF", frame.Long},
		{"bin4", "\xFF\xFF\xFF\xFF", frame.Long},
		{"bin4", "\x80\x00\x00\x20", frame.Long},
		{"bin4+incl", "\x00\x00\x00\x03", frame.Short},
		{"vmlh", "\x00\x20\x00\x01", frame.Digits},
		{"vmlh", "\x00\x20\x01\x00", frame.Digits},
		{"vmlh", "\xFF\xFF\x00\x00", frame.Long},
	}
	for _, tt := range tests {
		r := frame.NewReader(strings.NewReader(tt.wire+strings.Repeat("0", 64)), mustParse(t, tt.format), frame.Limits{})
		for range 2 { // the error is final
			_, _, err := r.Next()
			var wrong *frame.LengthError
			if !errors.As(err, &wrong) || wrong.Fault != tt.want || wrong.Format.String() != tt.format {
				t.Errorf("%s % x: %v, want %s", tt.format, tt.wire, err, tt.want)
			}
		}
	}
}

func TestLimitsAreExact(t *testing.T) {
	t.Parallel()
	limits := frame.Limits{FrameBytesMin: 20, FrameBytesMax: 300}
	for _, f := range allFormats(t) {
		for size, want := range map[int]frame.Fault{19: frame.Short, 20: 0, 300: 0, 301: frame.Long} {
			_, body, err := frame.NewReader(bytes.NewReader(mustAppend(t, f, bodyOf(size))), f, limits).Next()
			var wrong *frame.LengthError
			if errors.As(err, &wrong) != (want != 0) || want != 0 && wrong.Fault != want || want == 0 && len(body) != size {
				t.Errorf("%s with %d bytes: %d bytes, %v", f, size, len(body), err)
			}
		}
	}
	for _, bad := range []frame.Limits{{FrameBytesMin: -1}, {FrameBytesMax: 65536}, {FrameBytesMax: 11}, {FrameBytesMin: 9000}} {
		if bad.Validate() == nil {
			t.Errorf("%+v passes", bad)
		}
	}
}

// Goal: nothing is allocated on the word of a length.
// Method: the largest length is announced, and the stream fills what it is offered three times and then falls silent;
// what is offered may only double what has come.
func TestMemoryFollowsBytesReceivedNotLengths(t *testing.T) {
	t.Parallel()
	var offered []int
	src := readerFunc(func(p []byte) (int, error) {
		if offered = append(offered, len(p)); len(offered) > 3 {
			return 0, os.ErrDeadlineExceeded
		}
		for i := range p {
			p[i] = 0xFF
		}
		return len(p), nil
	})
	_, _, err := frame.NewReader(src, frame.Format{}, frame.Limits{FrameBytesMax: frame.BytesMax}).Next()
	if got := fmt.Sprint(offered); !errors.Is(err, os.ErrDeadlineExceeded) || got != "[4096 4096 8192 16384]" {
		t.Errorf("offered %s, %v", got, err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestLargestFramesPassAndTheBufferIsGivenBack(t *testing.T) {
	t.Parallel()
	f := mustParse(t, "bin4+tpdu")
	big, small := bodyOf(frame.BytesMax), bodyOf(12)
	r := frame.NewReader(bytes.NewReader(mustAppend(t, f, big, small, big, small)), f,
		frame.Limits{FrameBytesMax: frame.BytesMax})
	for i, want := range [][]byte{big, small, big, small} {
		if _, body, err := r.Next(); err != nil || !bytes.Equal(body, want) {
			t.Fatalf("frame %d: %d bytes, %v", i, len(body), err)
		}
	}
}

// Goal: the owner can give a silent link and a started frame different deadlines, and go on after a time-out.
// Method: a scripted stream; the calls of Waiting and the reads are written down in order.
func TestWaitingTellsIdleFromStarted(t *testing.T) {
	t.Parallel()
	f := mustParse(t, "ascii4")
	stream := mustAppend(t, f, bodyOf(12), bodyOf(13))
	script := []string{string(stream[:1]), "", string(stream[1:7]), string(stream[7:]), ""}
	var log []string
	src := readerFunc(func(p []byte) (int, error) {
		if len(script) == 0 {
			return 0, io.EOF
		}
		part := script[0]
		script = script[1:]
		log = append(log, fmt.Sprintf("read %d", len(part)))
		if part == "" {
			return 0, os.ErrDeadlineExceeded
		}
		return copy(p, part), nil
	})
	r := frame.NewReader(src, f, frame.Limits{})
	r.Waiting = func(started bool) { log = append(log, fmt.Sprintf("waiting %t", started)) }
	for range 5 {
		_, body, err := r.Next()
		log = append(log, fmt.Sprintf("frame %d timeout %t", len(body), errors.Is(err, os.ErrDeadlineExceeded)))
	}
	got := strings.Join(log, ", ")
	want := "waiting false, read 1, waiting true, read 0, frame 0 timeout true, " +
		"waiting true, read 6, read 26, frame 12 timeout false, frame 13 timeout false, " +
		"waiting false, read 0, frame 0 timeout true, waiting false, frame 0 timeout false"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAStreamThatDeliversNothingIsGivenUp(t *testing.T) {
	t.Parallel()
	silent := readerFunc(func([]byte) (int, error) { return 0, nil })
	if _, _, err := frame.NewReader(silent, frame.Format{}, frame.Limits{}).Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v, want io.ErrNoProgress", err)
	}
}
