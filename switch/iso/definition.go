package iso

import (
	"fmt"
	"strconv"
	"strings"
)

// Definition is how a dialect writes one element, in the words of dialect files.
type Definition struct {
	// DE is the element's number; 0 is the message type.
	DE   int
	Name string
	// Format is n6, ans..25 and so on; all classes of text are ans here.
	Format string
	// Encoding is the word of the class's encoding, and of the length in front where there is one.
	Encoding string
	// Parts is the layout of what is inside, empty when none is known.
	Parts string
}

// String puts all but number and name into one line.
func (d Definition) String() string {
	if d.Parts == "" {
		return d.Format + ", " + d.Encoding
	}
	return d.Format + ", " + d.Encoding + ", parts as " + d.Parts
}

// Definitions lists the message type and the elements that the dialect has, ascending.
func (d *Dialect) Definitions() []Definition {
	out := []Definition{d.mti.definition()}
	for de := range d.elements {
		if e := d.element(de); e != nil {
			out = append(out, e.definition())
		}
	}
	return out
}

// Definition is that of one element, 0 being the message type; false when the dialect has none.
func (d *Dialect) Definition(de int) (Definition, bool) {
	if de == 0 {
		return d.mti.definition(), true
	}
	if e := d.element(de); e != nil {
		return e.definition(), true
	}
	return Definition{}, false
}

func (e *element) definition() Definition {
	letters := map[class]string{classNumeric: "n", classText: "ans", classAmount: "x", classTrack: "z", classBinary: "b"}
	out := Definition{
		DE: e.de, Name: e.name, Encoding: e.encodingWord(),
		Format: letters[e.class] + strings.Repeat(".", e.dots) + strconv.Itoa(e.max),
	}
	if e.dots > 0 {
		out.Encoding += ", " + e.length.words()
	}
	if e.layout != nil {
		for word, kind := range layoutKinds {
			if kind == e.layout.kind {
				out.Parts = word
			}
		}
	}
	return out
}

// encodingWord finds the name of the encoding, which is the same in every class that has it.
func (e *element) encodingWord() string {
	for _, styles := range []map[string]style{numericStyles, textStyles, binaryStyles} {
		for word, s := range styles {
			if s.codec == e.codec && (s.page == e.page || s.page == nil) {
				return word
			}
		}
	}
	return "?"
}

// words describes a length prefix.
func (l *lengthCodec) words() string {
	name := ""
	for word, style := range lengthStyles {
		if style.code == l.code && style.page == l.page {
			name = word
		}
	}
	unit, of := "digits", "characters"
	if l.code == lengthBinary {
		unit = "bytes"
	}
	if l.bytes {
		of = "bytes"
	}
	return fmt.Sprintf("length of %d %s %s counting %s", l.width, name, unit, of)
}

// Offset is where the element at fault begins, in bytes from the start of the message, when m came with the fault from
// Decode: writing loses nothing, so what was read has the length that it had. Of bytes after the last element it is the
// first.
func (d *Dialect) Offset(m *Message, fault *FormatError) int {
	switch {
	case m == nil || fault.DE == 0:
		return 0
	case fault.DE == 1:
		return d.mti.wireBytes(d.mti.max)
	}
	raw, err := m.Append(nil)
	if err != nil {
		return 0
	}
	return len(raw)
}
