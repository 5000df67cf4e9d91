package iso

import (
	"fmt"
	"strings"
)

// SetAt writes what stands at the place, as [Message.At] reads it: a whole element, a part of one made of tags and
// lengths in text, or some characters of either. Characters in front of a range that are not there yet become zeros. The
// error is a *FormatError, with KindUndefined when it is no place or its layout is one that is only read.
func (m *Message) SetAt(p Place, v string) error {
	e := m.content().dialect.element(p.de)
	if e == nil || p.part != "" && e.layout.kind != layoutTLV {
		return &FormatError{DE: p.de, Kind: KindUndefined}
	}
	if p.from > 0 {
		if p.to-p.from+1 != len(v) {
			return &FormatError{DE: p.de, Kind: KindLength}
		}
		whole := m.At(Place{de: p.de, part: p.part})
		whole += strings.Repeat("0", max(0, p.to-len(whole)))
		v = whole[:p.from-1] + v + whole[p.to:]
	}
	if p.part == "" {
		return m.Set(p.de, v)
	}
	whole, kind := e.layout.writeTLV(m.Get(p.de), p.part, v)
	if kind != 0 {
		return &FormatError{DE: p.de, Kind: kind}
	}
	return m.Set(p.de, whole)
}

// CopyHead begins the element of a place that has parts with what stands in front of them in another message, such as a
// category, so that parts can be added behind it. Where there is no such thing it does nothing.
func (m *Message) CopyHead(from *Message, p Place) {
	e := m.content().dialect.element(p.de)
	if e == nil || e.layout == nil || e.layout.skip == 0 || m.Has(p.de) || len(from.Get(p.de)) < e.layout.skip {
		return
	}
	_ = m.Set(p.de, from.Get(p.de)[:e.layout.skip]) // an element that may not be so short begins with blanks
}

// writeTLV gives the part of that name another value, behind the others when there was none.
func (l *layout) writeTLV(whole, name, value string) (string, Kind) {
	head := l.page.encoded(strings.Repeat(" ", l.skip))
	var parts []Part
	if whole != "" {
		if kind := l.walk(whole, func(p Part) bool {
			parts = append(parts, p)
			return true
		}); kind != 0 {
			return "", kind
		}
		head = whole[:l.skip]
	}
	found := false
	for i := range parts {
		if parts[i].Name == name && !found {
			parts[i].Value, found = value, true
		}
	}
	if !found {
		parts = append(parts, Part{Name: name, Value: value})
	}
	var b strings.Builder
	b.WriteString(head)
	for _, p := range parts {
		if len(p.Value) > 99 {
			return "", KindLength
		}
		b.WriteString(l.page.encoded(fmt.Sprintf("%s%02d%s", p.Name, len(p.Value), p.Value)))
	}
	return b.String(), 0
}

// encoded is text as the bytes of the page.
func (p *page) encoded(text string) string {
	if p.plain {
		return text
	}
	b := []byte(text)
	for i, c := range b {
		b[i] = p.enc[c]
	}
	return string(b)
}
