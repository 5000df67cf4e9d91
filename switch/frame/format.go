package frame

import (
	"fmt"
	"strconv"
	"strings"
)

// lengthKind says how the number in front of a frame is written.
type lengthKind uint8

const (
	bin2    lengthKind = iota // two bytes, big-endian
	bin3                      // three bytes, big-endian
	bin4                      // four bytes, big-endian
	bin2le                    // two bytes, little-endian
	bcd2                      // four digits in two bytes
	ascii4                    // four ASCII digits
	hex4                      // four ASCII hexadecimal digits
	vmlh                      // two bytes, big-endian, then two zero bytes
	bin2res                   // two bytes, big-endian, then two reserved bytes of any content
	ascii3                    // three ASCII digits
	ascii5                    // five ASCII digits
	ascii6                    // six ASCII digits
)

// lengthKinds has one row a kind, in the order of the constants.
var lengthKinds = [...]struct {
	name  string
	bytes int // on the wire
	max   int // the greatest number the kind can write, capped at the largest frame we ever handle
}{
	bin2:   {"bin2", 2, 0xFFFF},
	bin3:   {"bin3", 3, BytesMax + headerBytesMax + 3},
	bin4:   {"bin4", 4, BytesMax + headerBytesMax + 4},
	bin2le: {"bin2le", 2, 0xFFFF},
	bcd2:   {"bcd2", 2, 9999},
	ascii4: {"ascii4", 4, 9999},
	hex4:   {"hex4", 4, 0xFFFF},
	vmlh:   {"vmlh", 4, 0xFFFF},

	bin2res: {"bin2res", 4, 0xFFFF},
	ascii3:  {"ascii3", 3, 999},
	ascii5:  {"ascii5", 5, BytesMax + headerBytesMax + 6},
	ascii6:  {"ascii6", 6, BytesMax + headerBytesMax + 7},
}

// noLength is room for the widest of them.
const noLength = "\x00\x00\x00\x00\x00\x00"

const (
	// BytesMax is the largest body that any format may carry, in bytes.
	BytesMax = 65535

	headerBytesMax = 255
)

// Format says how frames are laid out on a link: how the length is written, whether it counts itself, and which
// header stands between length and body. The length always counts the header. The zero value is "bin2". A Format is
// a comparable value.
//
// Some hosts end each frame with the byte 03 (ETX), which the length counts or does not.
type Format struct {
	kind        lengthKind
	inclusive   bool // the length counts its own bytes too
	header      headerKind
	headerBytes uint8  // 0 = no header
	template    string // of a fixed header, its bytes
	trailer     trailer
}

// trailer says whether the byte ETX ends a frame, and whether the length counts it.
type trailer uint8

const (
	trailerNone trailer = iota
	trailerCounted
	trailerFree
)

const etx = 0x03

// Parse reads a format as it is written in configuration and flags: the kind of length (bin2, bin3, bin4, bin2le, bcd2,
// ascii3, ascii4, ascii5, ascii6, hex4, vmlh or bin2res), then in any order and each at most once "+incl" when the length
// counts itself, "+etx" when the byte 03 ends the frame and is counted ("+etx-free": and is not), and one header: "+tpdu",
// "+cup", "+base1", "+base24", "+hdr=N" (1 to 255 bytes, echoed) or "+fixed=HEX" (the same bytes in front of everything
// that is sent). "nac" is another name of "bin2+tpdu".
func Parse(s string) (Format, error) {
	name, rest, more := strings.Cut(s, "+")
	f, err := parseKind(name)
	if err != nil {
		return Format{}, fmt.Errorf("parse frame format %q: %w", s, err)
	}
	for more {
		var suffix string
		suffix, rest, more = strings.Cut(rest, "+")
		if err := f.parseSuffix(suffix); err != nil {
			return Format{}, fmt.Errorf("parse frame format %q: %w", s, err)
		}
	}
	return f, nil
}

func parseKind(name string) (Format, error) {
	if name == "nac" {
		return Format{kind: bin2, header: headerTPDU, headerBytes: headerKinds[headerTPDU].bytes}, nil
	}
	for kind, row := range lengthKinds {
		if row.name == name {
			return Format{kind: lengthKind(kind)}, nil
		}
	}
	return Format{}, fmt.Errorf("unknown kind of length %q (want bin2, bin3, bin4, bin2le, bcd2, ascii3 to ascii6, hex4, vmlh, "+
		"bin2res or nac)", name)
}

func (f *Format) parseSuffix(suffix string) error {
	if suffix == "incl" {
		if f.inclusive {
			return fmt.Errorf("suffix %q is given twice", suffix)
		}
		f.inclusive = true
		return nil
	}
	if suffix == "etx" || suffix == "etx-free" {
		if f.trailer != trailerNone {
			return fmt.Errorf("suffix %q is a second end", suffix)
		}
		f.trailer = map[string]trailer{"etx": trailerCounted, "etx-free": trailerFree}[suffix]
		return nil
	}
	name, value, hasValue := strings.Cut(suffix, "=")
	for kind, row := range headerKinds {
		if takesValue := row.bytes == 0; row.name == "" || row.name != name || hasValue != takesValue {
			continue
		}
		if f.header != headerNone {
			return fmt.Errorf("suffix %q is a second header", suffix)
		}
		f.header, f.headerBytes = headerKind(kind), row.bytes
		return f.parseHeaderValue(value)
	}
	return fmt.Errorf("unknown suffix %q (want incl, etx, etx-free, tpdu, cup, base1, base24, hdr=N or fixed=HEX)", suffix)
}

// String gives the format back as [Parse] reads it, in one canonical order.
func (f Format) String() string {
	s := lengthKinds[f.kind].name
	if f.inclusive {
		s += "+incl"
	}
	s += [...]string{trailerNone: "", trailerCounted: "+etx", trailerFree: "+etx-free"}[f.trailer]
	switch f.header {
	case headerNone:
		return s
	case headerOpaque:
		return s + "+hdr=" + strconv.Itoa(int(f.headerBytes))
	case headerFixed:
		return fmt.Sprintf("%s+fixed=%X", s, f.template)
	}
	return s + "+" + headerKinds[f.header].name
}

// MarshalText writes the format as [Format.String] does.
func (f Format) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads the format as [Parse] does.
func (f *Format) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*f = parsed
	return nil
}

// HeaderBytes is the size of the header between length and body, in bytes; 0 when there is none.
func (f Format) HeaderBytes() int { return int(f.headerBytes) }

// BodyBytesMax is the largest body that the format's length can announce, in bytes.
func (f Format) BodyBytesMax() int {
	return min(lengthKinds[f.kind].max-f.overhead(), BytesMax)
}

// lengthBytes is the size of the length on the wire.
func (f Format) lengthBytes() int { return lengthKinds[f.kind].bytes }

// overhead is what the length counts beside the body.
func (f Format) overhead() int {
	n := int(f.headerBytes)
	if f.inclusive {
		n += f.lengthBytes()
	}
	if f.trailer == trailerCounted {
		n++
	}
	return n
}
