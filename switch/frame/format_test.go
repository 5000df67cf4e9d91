package frame_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"holdfast/switch/frame"
)

func TestFormatRoundTripsThroughItsText(t *testing.T) {
	t.Parallel()
	for _, f := range allFormats(t) {
		if got := mustParse(t, f.String()); got != f {
			t.Errorf("%s comes back as %s", f, got)
		}
		var text frame.Format
		b, err := f.MarshalText()
		if err == nil {
			err = text.UnmarshalText(b)
		}
		if err != nil || text != f {
			t.Errorf("text of %s comes back as %s, %v", f, text, err)
		}
	}
	for in, want := range map[string]string{
		"nac": "bin2+tpdu", "nac+incl": "bin2+incl+tpdu", "bcd2+tpdu+incl": "bcd2+incl+tpdu", "ascii4+hdr=012": "ascii4+hdr=12",
	} {
		if got := mustParse(t, in).String(); got != want {
			t.Errorf("Parse(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestParseNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                  `unknown kind of length ""`,
		"bin5":              `"bin5"`,
		"BIN2":              `"BIN2"`,
		"bin2+":             `unknown suffix ""`,
		"bin2+excl":         `unknown suffix "excl"`,
		"bin2+incl+incl":    `"incl" is given twice`,
		"nac+tpdu":          `second header`,
		"bin2+hdr=3+tpdu":   `second header`,
		"bin2+hdr=0":        `"0" is not a number from 1 to 255`,
		"bin2+hdr=256":      `"256" is not a number`,
		"bin2+hdr=-1":       `"-1" is not a number`,
		"bin2+hdr=":         `"" is not a number`,
		"bin2+hdr":          `unknown suffix "hdr"`,
		"bin2+tpdu=5":       `unknown suffix "tpdu=5"`,
		"bin2+fixed=":       `"" is not 1 to 255 bytes`,
		"bin2+fixed=0":      `"0" is not 1 to 255 bytes`,
		"bin2+cup+base1":    `second header`,
		"bin2+hdr=1+hdr=1":  `second header`,
		"bin2+etx+etx-free": `second end`,
	} {
		if _, err := frame.Parse(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %v, want an error with %s", in, err, want)
		}
	}
}

func TestLengthsOnTheWire(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{
		"bin2":            "\x01\x35",
		"bin2+incl":       "\x01\x37",
		"bin4":            "\x00\x00\x01\x35",
		"bin3":            "\x00\x01\x35",
		"bin3+incl":       "\x00\x01\x38",
		"bin4+incl":       "\x00\x00\x01\x39",
		"bin2le":          "\x35\x01",
		"bcd2":            "\x03\x09",
		"bcd2+incl":       "\x03\x11",
		"ascii4":          "0309",
		"ascii4+incl":     "0313",
		"hex4":            "0135",
		"vmlh":            "\x01\x35\x00\x00",
		"bin2res":         "\x01\x35\x00\x00",
		"bin2res+incl":    "\x01\x39\x00\x00",
		"ascii3":          "309",
		"ascii5":          "00309",
		"ascii6+incl":     "000315",
		"bin2+etx":        "\x01\x36",
		"bin2+etx-free":   "\x01\x35",
		"ascii4+incl+etx": "0314",
		"bcd2+tpdu":       "\x03\x14",
		"ascii4+hdr=12":   "0321",
		"hex4+incl+hdr=6": "013F",
	} {
		f := mustParse(t, format)
		if got := mustAppend(t, f, bodyOf(309)); !strings.HasPrefix(string(got), want) {
			t.Errorf("%s of 309 bytes begins with % x, want % x", format, got[:4], want)
		}
	}
}

func TestEndCutsBackWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	for format, most := range map[string]int{
		"bin2": 65535, "bin2+incl": 65533, "bin2+incl+hdr=255": 65278, "bcd2": 9999, "bcd2+tpdu": 9994,
		"ascii4": 9999, "ascii4+incl+hdr=12": 9983, "hex4": 65535, "bin4+incl+hdr=255": 65535, "vmlh+incl": 65531,
	} {
		f := mustParse(t, format)
		if got := f.BodyBytesMax(); got != most {
			t.Errorf("%s: BodyBytesMax is %d, want %d", format, got, most)
		}
		before := []byte("before")
		if out, err := f.Append(before, headerOf(f, 0), bodyOf(most+1)); !errors.Is(err, frame.ErrTooLong) || string(out) != "before" {
			t.Errorf("%s: %d bytes: %v, %d bytes left", format, most+1, err, len(out))
		}
		if out, err := f.Append(before, headerOf(f, 0), nil); err == nil || string(out) != "before" {
			t.Errorf("%s: an empty body gives %q, %v", format, out, err)
		}
		if out, err := f.Append(before, make([]byte, f.HeaderBytes()+1), bodyOf(12)); err == nil || string(out) != "before" {
			t.Errorf("%s: a long header gives %q, %v", format, out, err)
		}
		whole, err := f.Append(nil, headerOf(f, 0), bodyOf(most))
		if err != nil {
			t.Fatal(err)
		}
		_, body, err := frame.NewReader(bytes.NewReader(whole), f, frame.Limits{FrameBytesMax: frame.BytesMax}).Next()
		if err != nil || len(body) != most {
			t.Errorf("%s: the largest body comes back with %d bytes, %v", format, len(body), err)
		}
	}
}

func TestReplyHeader(t *testing.T) {
	t.Parallel()
	tests := []struct{ format, in, reply, first string }{
		{"bin2", "", "", ""},
		{"bcd2+tpdu", "\x60\x00\x03\x12\x34", "\x60\x12\x34\x00\x03", "\x60\x00\x00\x00\x00"},
		{"ascii4+hdr=5", "\x60\x00\x03\x12\x34", "\x60\x00\x03\x12\x34", "\x00\x00\x00\x00\x00"},
		{"bin2+cup", "\x60\x00\x03\x12\x34abcdef", "\x60\x12\x34\x00\x03abcdef", "\x60" + strings.Repeat("\x00", 10)},
		{"vmlh+base1", "\x16\x01\x02\x00\xADdddsss01234567890", "\x16\x01\x02\x00\xADsssddd01234567890",
			"\x16\x01\x02" + strings.Repeat("\x00", 19)},
		{"vmlh+base1", "\x1A\x01\x02\x00\xADdddsss01234567890\x00\xD1\x80\x00\x05\x13"[:26], "\x16\x01\x02\x00\xADsssddd01234567890",
			"\x16\x01\x02" + strings.Repeat("\x00", 19)},
		{"bin2+base24", "ISO025006850", "ISO025000055", "ISO005000050"},
		{"bin2+fixed=4142", "xy", "AB", "AB"},
		{"bin2+hdr=12", "ISO025000055", "ISO025000055", strings.Repeat("\x00", 12)},
	}
	for _, tt := range tests {
		f := mustParse(t, tt.format)
		if got := f.ReplyHeader([]byte("x"), []byte(tt.in)); string(got) != "x"+tt.reply {
			t.Errorf("%s: reply to %q is %q, want %q", tt.format, tt.in, got, tt.reply)
		}
		if got := f.FirstHeader([]byte("x")); string(got) != "x"+tt.first {
			t.Errorf("%s: first header is %q, want %q", tt.format, got, tt.first)
		}
	}
}

func TestBASE1HeaderCountsHeaderAndBody(t *testing.T) {
	t.Parallel()
	f := mustParse(t, "vmlh+base1")
	whole, err := f.Append(nil, f.FirstHeader(nil), bodyOf(100))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(whole[:9]), "\x00\x7A\x00\x00\x16\x01\x02\x00\x7A"; got != want {
		t.Errorf("a frame of 100 bytes begins with % x, want % x", got, want)
	}
}

func TestPlausibleLooksAtWhatAHeaderSaysOfItself(t *testing.T) {
	t.Parallel()
	for format, headers := range map[string][2]string{
		"bin2+tpdu":       {"\x60\x00\x03\x00\x00", "\x61\x00\x03\x00\x00"},
		"bin2+cup":        {"\x60\x00\x03\x00\x00\x60\x31\x00\x31\x01\x00", "\x00\x00\x03\x00\x00\x60\x31\x00\x31\x01\x00"},
		"bin2+base1":      {"\x16\x01\x02" + strings.Repeat("\x00", 19), "\x1A\x01\x02" + strings.Repeat("\x00", 19)},
		"bin2+base24":     {"ISO025000055", "0SO025000055"},
		"bin2+fixed=4142": {"AB", "AC"},
		"bin2+hdr=2":      {"AB", "ABC"},
	} {
		f := mustParse(t, format)
		if !f.Plausible([]byte(headers[0])) || f.Plausible([]byte(headers[1])) {
			t.Errorf("%s takes %q for a header: %t, and %q: %t", format, headers[0], f.Plausible([]byte(headers[0])),
				headers[1], f.Plausible([]byte(headers[1])))
		}
	}
}

// Goal: what the network gives back to us is known for what it is. Method: a header of BASE I of the longer kind, whose
// bitmap says that a code follows, and one of that length that is none.
func TestRejectedMessagesAreKnown(t *testing.T) {
	t.Parallel()
	f := mustParse(t, "vmlh+base1")
	for flags, want := range map[string]bool{"\x80\x00": true, "\x00\x00": false} {
		long := "\x1A\x01\x02\x00\x00dddsss01234567890" + flags + "\x05\x13"
		stream, err := f.Append(nil, []byte(long), bodyOf(40))
		if err != nil {
			t.Fatal(err)
		}
		stream, err = f.Append(stream, f.FirstHeader(nil), bodyOf(30))
		if err != nil {
			t.Fatal(err)
		}
		r := frame.NewReader(bytes.NewReader(stream), f, frame.Limits{})
		header, body, err := r.Next()
		if err != nil || len(header) != 26 || !bytes.Equal(body, bodyOf(40)) {
			t.Fatalf("a header of %d bytes and a body of %d, %v", len(header), len(body), err)
		}
		if code, rejected := f.Rejected(header); rejected != want || want && code != "0513" {
			t.Errorf("rejected %t with %q, want %t with 0513", rejected, code, want)
		}
		if header, body, err = r.Next(); err != nil || len(header) != 22 || !bytes.Equal(body, bodyOf(30)) {
			t.Errorf("then a header of %d bytes and a body of %d, %v", len(header), len(body), err)
		}
		if _, rejected := f.Rejected(header); rejected {
			t.Error("an usual header is a rejection")
		}
	}
}

// Goal: a frame whose end is not where its length says is refused at once, since the stream is out of step.
func TestEndsAreLookedAt(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"bin2+etx", "bin2+etx-free", "ascii4+incl+etx+tpdu"} {
		f := mustParse(t, format)
		stream := mustAppend(t, f, bodyOf(20), bodyOf(30))
		if n := len(stream); stream[n-1] != 3 {
			t.Fatalf("%s: a frame ends with %02x", format, stream[n-1])
		}
		stream[len(stream)-1] = 4
		r := frame.NewReader(bytes.NewReader(stream), f, frame.Limits{})
		if _, body, err := r.Next(); err != nil || !bytes.Equal(body, bodyOf(20)) {
			t.Errorf("%s: the first frame has %d bytes, %v", format, len(body), err)
		}
		var wrong *frame.LengthError
		if _, _, err := r.Next(); !errors.As(err, &wrong) || wrong.Fault != frame.End {
			t.Errorf("%s: an end of 04 gives %v", format, err)
		}
	}
}

// Goal: reserved bytes may hold anything where the format says so.
func TestReservedBytesAreIgnored(t *testing.T) {
	t.Parallel()
	stream := append([]byte("\x00\x14\xAB\xCD"), bodyOf(20)...)
	if _, body, err := frame.NewReader(bytes.NewReader(stream), mustParse(t, "bin2res"), frame.Limits{}).Next(); err != nil ||
		!bytes.Equal(body, bodyOf(20)) {
		t.Errorf("a body of %d bytes, %v", len(body), err)
	}
	if _, _, err := frame.NewReader(bytes.NewReader(stream), mustParse(t, "vmlh"), frame.Limits{}).Next(); err == nil {
		t.Error("vmlh takes reserved bytes that are not zero")
	}
}
