package iso

import "math/bits"

// textUsual is room for the characters of a usual message: a packed byte holds two.
const textUsual = 1024

// place is where the characters of an element stand in the text of its message.
type place struct {
	de       uint8
	from, to int32
}

// messageBytesMax bounds what Decode accepts. Frames are limited to less before they get here.
const messageBytesMax = 4 << 20

// Decode reads a message. Every byte of raw must belong to it. A fault is a *FormatError, and when the message
// type was readable the message comes with it, holding the elements before the fault; otherwise it is nil.
// Nothing of raw is kept.
func (d *Dialect) Decode(raw []byte) (*Message, error) {
	if len(raw) > messageBytesMax {
		return nil, &FormatError{DE: WholeMessage, Kind: KindLength}
	}
	var usual [textUsual]byte // on the stack: most messages need no buffer of their own
	buffer := usual[:0]
	if 2*len(raw) > textUsual {
		buffer = make([]byte, 0, 2*len(raw))
	}
	text, at, kind := d.mti.decode(buffer, raw)
	if kind == KindShort {
		return nil, &FormatError{DE: 0, Kind: KindShort}
	} else if kind != 0 {
		return nil, &FormatError{DE: 0, Kind: KindMTI}
	}
	words, secondary, read, kind := d.decodeBitmaps(raw[at:])
	if kind != 0 {
		m := d.New(string(text))
		return m, &FormatError{DE: 1, Kind: kind}
	}

	var places [elementsMax]place
	text, found, fault := d.decodeElements(text, raw[at+read:], words, &places)

	m := newMessage(d, max(len(found), 1))
	c := m.content()
	c.firstBit, c.secondary = words[0]&bit(1) != 0, secondary
	all := string(text)
	c.mti = all[:d.mti.max]
	for _, p := range found {
		c.put(int(p.de), all[p.from:p.to])
	}
	if fault != nil {
		return m, fault
	}
	return m, nil
}

// decodeBitmaps reads one bitmap, and the second when the first announces it or the dialect always has it.
func (d *Dialect) decodeBitmaps(src []byte) (words [2]uint64, secondary bool, read int, kind Kind) {
	words[0], read, kind = d.bitmap.word(src)
	if kind != 0 {
		return words, false, 0, kind
	}
	if words[0]&bit(1) == 0 && !d.bitmap.fixed {
		return words, false, read, 0
	}
	var more int
	words[1], more, kind = d.bitmap.word(src[read:])
	return words, true, read + more, kind
}

// decodeElements reads the elements that the bitmaps announce, appends their characters to text and notes
// their places. The places before a fault are good.
func (d *Dialect) decodeElements(text, src []byte, words [2]uint64, places *[elementsMax]place) (
	[]byte, []place, *FormatError,
) {
	found := places[:0]
	words[0] &^= bit(1)
	at := 0
	for half, word := range words {
		for word != 0 {
			n := bits.LeadingZeros64(word)
			word &^= 1 << 63 >> n
			de := half*64 + n + 1
			if de == 65 { // it would announce a third bitmap
				return text, found, &FormatError{DE: 1, Kind: KindBitmap}
			}
			e := &d.elements[de]
			if e.class == 0 {
				return text, found, &FormatError{DE: de, Kind: KindUndefined}
			}
			from := len(text)
			var read int
			var kind Kind
			if text, read, kind = e.decode(text, src[at:]); kind != 0 {
				return text, found, &FormatError{DE: de, Kind: kind}
			}
			at += read
			found = append(found, place{de: uint8(de), from: int32(from), to: int32(len(text))})
		}
	}
	if at < len(src) {
		return text, found, &FormatError{DE: WholeMessage, Kind: KindTrailing}
	}
	return text, found, nil
}

// Append writes the message to the end of dst. Its one error is a message type that is not four digits,
// because elements were checked when they came in.
func (m *Message) Append(dst []byte) ([]byte, error) {
	c := m.content()
	d := c.dialect
	if d.mti.check(c.mti) != 0 {
		return dst, &FormatError{DE: 0, Kind: KindMTI}
	}
	dst = d.mti.append(dst, c.mti)

	first, second := c.present[0], c.present[1]
	switch {
	case d.bitmap.fixed:
		if c.firstBit {
			first |= bit(1)
		}
		dst = d.bitmap.appendWord(d.bitmap.appendWord(dst, first), second)
	case second != 0 || c.secondary:
		dst = d.bitmap.appendWord(d.bitmap.appendWord(dst, first|bit(1)), second)
	default:
		dst = d.bitmap.appendWord(dst, first)
	}
	for half, word := range c.present {
		for word != 0 {
			n := bits.LeadingZeros64(word)
			word &^= 1 << 63 >> n
			de := half*64 + n + 1
			dst = d.elements[de].append(dst, c.values[c.slot[de]-1])
		}
	}
	return dst, nil
}
