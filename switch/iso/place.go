package iso

import (
	"fmt"
	"strconv"
	"strings"
)

// Place says where a value stands in a message: a whole element ("18"), a part of one whose layout the dialect
// knows ("62.2", "55.9F26"), or some characters of either ("61.7", "95.1-12", "48.61.5"; counted from 1). The zero
// value is no place, at which every message has nothing.
type Place struct {
	de       int
	part     string
	from, to int // characters counted from 1; 0 means all of it
}

// nowhere is how files write the place that no message has.
const nowhere = "none"

// parsePlace reads a place. What stands behind the element's number depends on whether it has a layout.
func (d *Dialect) parsePlace(text string) (Place, error) {
	if text == nowhere {
		return Place{}, nil
	}
	words := strings.Split(text, ".")
	de, err := strconv.Atoi(words[0])
	if err != nil || d.element(de) == nil {
		return Place{}, fmt.Errorf("%q does not begin with the number of an element that the dialect has", text)
	}
	p, rest := Place{de: de}, words[1:]
	if layout := d.elements[de].layout; layout != nil && len(rest) > 0 {
		if p.part, err = layout.partName(rest[0]); err != nil {
			return Place{}, fmt.Errorf("%q: %w", text, err)
		}
		rest = rest[1:]
	}
	switch len(rest) {
	case 0:
		return p, nil
	case 1:
		if p.from, p.to, err = parseRange(rest[0]); err != nil {
			return Place{}, fmt.Errorf("%q: %w", text, err)
		}
		return p, nil
	}
	return Place{}, fmt.Errorf("%q has more steps than element %d has layers", text, de)
}

// parseRange reads "7" or "13-24".
func parseRange(text string) (from, to int, err error) {
	first, last, isRange := strings.Cut(text, "-")
	from, err = strconv.Atoi(first)
	to = from
	if err == nil && isRange {
		to, err = strconv.Atoi(last)
	}
	if err != nil || from < 1 || to < from || to > charactersMax {
		return 0, 0, fmt.Errorf("%q is no character counted from 1, and no range of them", text)
	}
	return from, to, nil
}

// IsZero reports whether this is no place.
func (p Place) IsZero() bool { return p.de == 0 }

// DE is the number of the element that the place is in; 0 when it is no place.
func (p Place) DE() int { return p.de }

// String writes the place as dialect files do.
func (p Place) String() string {
	if p.de == 0 {
		return nowhere
	}
	text := strconv.Itoa(p.de)
	if p.part != "" {
		text += "." + p.part
	}
	switch {
	case p.from == 0:
		return text
	case p.from == p.to:
		return text + "." + strconv.Itoa(p.from)
	}
	return fmt.Sprintf("%s.%d-%d", text, p.from, p.to)
}

// At is what stands at the place, "" when there is nothing: the element or the part is absent, cannot be read, or is
// shorter. Parts are read as far as they can be, for what a private element holds must not fail the rest.
func (m *Message) At(p Place) string {
	if !m.Has(p.de) {
		return ""
	}
	v := m.Get(p.de)
	if p.part != "" {
		v = m.content().dialect.elements[p.de].layout.find(v, p.part)
	}
	if p.from == 0 {
		return v
	}
	if p.from > len(v) {
		return ""
	}
	return v[p.from-1 : min(p.to, len(v))]
}
