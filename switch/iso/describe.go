package iso

import (
	"fmt"
	"slices"
	"strings"

	"holdfast/authz/pan"
)

// Element is one line of a description: a number, a name, and a value that may be shown.
type Element struct {
	// DE is the element's number; 0 is the message type.
	DE int `json:"de"`
	// Part is the number or tag of a part inside the element; empty for the element itself.
	Part string `json:"part,omitempty"`
	// Name is what the dialect calls the element.
	Name string `json:"name"`
	// Value is the content in UTF-8, masked, or its length in the form "(8 bytes)".
	Value string `json:"value"`
}

// shown lists, by edition, the elements whose content may be seen. An element belongs here only when the
// standard leaves no room in it for card data; whatever is not on the list shows its length. Expiry (14)
// and the numbers that only look harmless stay off it.
var shown = map[Version][]int{
	V1987: {
		3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
		32, 33, 37, 38, 39, 41, 42, 43, 49, 50, 51, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80,
		81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, 97, 99, 100,
	},
	V1993: {
		3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30,
		32, 33, 37, 38, 39, 41, 42, 43, 49, 50, 51, 57, 58, 67, 68, 69, 70, 71, 73, 93, 94, 97, 99, 100,
	},
	V2003: {
		3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 19, 20, 23, 24, 25, 26, 28, 29,
		32, 33, 37, 38, 39, 41, 42, 57, 58, 73, 93, 94, 97, 99, 100,
	},
}

// Describe lists the message type and the elements present, ascending, with values fit for a screen or a log:
// the card number masked, what is not known to be harmless as a length only. The parts of an element whose layout the
// dialect knows follow it, as lengths.
func (m *Message) Describe() []Element {
	des := m.Elements()
	number, _ := m.PAN() // none is within no text
	out := make([]Element, 0, len(des)+1)
	out = append(out, Element{DE: 0, Name: m.content().dialect.mti.name, Value: m.safeMTI()})
	for _, de := range des {
		e := &m.content().dialect.elements[de]
		out = append(out, Element{DE: de, Name: e.name, Value: m.describe(e, number)})
		parts, _ := m.Parts(de) // those before a fault are described, and the element's length tells that there is more
		for _, p := range parts {
			out = append(out, Element{DE: de, Part: p.Name, Name: p.Title, Value: fmt.Sprintf("(%d bytes)", len(p.Value))})
		}
	}
	return out
}

func (m *Message) describe(e *element, number pan.Number) string {
	v := m.Get(e.de)
	length := fmt.Sprintf("(%d bytes)", len(v))
	if e.de == 2 && e.class == classNumeric {
		if n, err := pan.Parse(v); err == nil {
			return n.String()
		}
		return length
	}
	if !m.content().dialect.mayShow(e) || holdsCardNumber(v) || number.Within(v) {
		return length
	}
	return utf8Text(v)
}

// mayShow reports whether the element is on the list and still is what the list means: a dialect that gave it
// another class or another length may keep anything in it.
func (d *Dialect) mayShow(e *element) bool {
	base := table()[e.de].formats[d.version]
	same := e.class != classBinary && e.class == base.class && e.max == base.max
	return same && slices.Contains(shown[d.version], e.de)
}

// holdsCardNumber reports whether a run of 13 to 19 digits passes the check of a card number, as a merchant
// might put it into its own name. Longer runs, such as element 90, are made of parts and pass.
func holdsCardNumber(v string) bool {
	notDigit := func(r rune) bool { return r < '0' || r > '9' }
	for _, run := range strings.FieldsFunc(v, notDigit) {
		if len(run) < 13 || len(run) > 19 {
			continue
		}
		if n, err := pan.Parse(run); err == nil && n.LuhnValid() && strings.Trim(run, "0") != "" {
			return true
		}
	}
	return false
}
