package iso

import (
	"fmt"
	"strings"
)

// The elements of message authentication: the last one of a message without a second bitmap, and of one with it.
const (
	macFirst  = 64
	macSecond = 128
)

// MACBytesMin is the least room for an authentication code.
const MACBytesMin = 4

// MAC splits the bytes that the message was decoded from into those that its authentication code covers, which are all in
// front of it, and the code. It is false when the message has none, or when something follows it: that would not be
// covered. The bytes are as they came, never written anew.
func (m *Message) MAC(raw []byte) (covered []byte, code string, ok bool) {
	c := m.content()
	de := macSecond
	if c.present[1] == 0 {
		de = macFirst
	}
	if !m.Has(de) {
		return nil, "", false
	}
	code = m.Get(de)
	var space [128]byte
	size := len(c.dialect.elements[de].append(space[:0], code)) // whatever the case of its digits, the length is the same
	if size > len(raw) {
		return nil, "", false
	}
	return raw[:len(raw)-size], code, true
}

// HasMAC reports whether the message has an authentication code, wherever it stands.
func (m *Message) HasMAC() bool { return m.Has(macFirst) || m.Has(macSecond) }

// Sign makes the authentication code of the bytes that it covers.
type Sign = func(covered []byte) ([]byte, error)

// MACBy reports whether the message ends in the code that sign makes of the rest. It writes the message anew, so it is for
// tools; who acts on a message judges its bytes as they came.
func (m *Message) MACBy(sign Sign) bool {
	raw, err := m.Append(nil)
	if err != nil {
		return false
	}
	covered, code, ok := m.MAC(raw)
	if !ok {
		return false
	}
	want, err := sign(covered)
	return err == nil && len(want) > 0 && strings.HasPrefix(code, string(want))
}

// AppendMAC is Append with the authentication code that sign makes of all bytes in front of it. A code that is shorter
// than its element is filled up with zeros. The errors are those of sign, and a *FormatError when the dialect has no
// element for the code or a shorter one. Without sign it is Append.
func (m *Message) AppendMAC(dst []byte, sign Sign) ([]byte, error) {
	if sign == nil {
		return m.Append(dst)
	}
	m.Unset(macFirst)
	m.Unset(macSecond)
	c := m.content()
	de := macFirst
	if c.present[1] != 0 || c.secondary || c.dialect.bitmap.fixed {
		de = macSecond
	}
	if err := c.dialect.CheckMAC(MACBytesMin); err != nil {
		return dst, err
	}
	e := &c.dialect.elements[de]
	c.put(de, string(make([]byte, e.max)))
	start := len(dst)
	out, err := m.Append(dst)
	if err != nil {
		return dst, err
	}
	covered := out[start : len(out)-e.wireBytes(e.max)]
	code, err := sign(covered)
	if err != nil {
		return dst, fmt.Errorf("authenticate message: %w", err)
	}
	if len(code) > e.max {
		return dst, &FormatError{DE: de, Kind: KindLength}
	}
	full := make([]byte, e.max)
	copy(full, code)
	c.put(de, string(full))
	return e.append(out[:start+len(covered)], string(full)), nil
}

// CheckMAC reports whether the dialect's messages have room for an authentication code of so many bytes: elements 64
// and 128 are binary, of fixed length and no shorter. The error is a *FormatError.
func (d *Dialect) CheckMAC(bytes int) error {
	for _, de := range []int{macFirst, macSecond} {
		e := d.element(de)
		switch {
		case e == nil:
			return &FormatError{DE: de, Kind: KindUndefined}
		case e.class != classBinary || e.dots != 0:
			return &FormatError{DE: de, Kind: KindValue}
		case e.max < bytes:
			return &FormatError{DE: de, Kind: KindLength}
		}
	}
	return nil
}
