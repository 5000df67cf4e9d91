package iso

import (
	"math/bits"

	"holdfast/authz/pan"
)

// Message is one ISO 8583 message in a dialect: a message type and the characters of its elements. It is not
// safe for concurrent use. It holds card data and does not print itself.
//
// The characters of an element are what the peer sent, leading zeros and trailing blanks included: text as
// one byte of Latin-1 a character whatever its encoding was, digits as '0' to '9', binary elements as their
// bytes.
type Message struct {
	// The content stands behind two pointers because fmt prints the fields of a value that is itself an
	// unexported field without asking its methods. Of a pointer it then prints the address, but with a verb
	// that does not fit, such as %s, it follows a pointer to a structure once; never a pointer to a pointer.
	c **content
}

type content struct {
	dialect *Dialect
	mti     string
	// present holds a bit for each element of the two bitmaps; bit 1 stays clear.
	present [2]uint64
	// head keeps what the bitmaps say beyond the elements, so that decoding and encoding lose nothing.
	firstBit, secondary bool
	// slot is the place of an element in values, counted from 1; 0 means that it has none yet.
	slot   [elementsMax + 1]uint8
	values []string
}

// valuesUsual is room for the elements of a usual request, so that it is allocated once.
const valuesUsual = 24

func newMessage(d *Dialect, values int) *Message {
	whole := &struct {
		message Message
		pointer *content
		content content
	}{}
	whole.content.dialect = d
	whole.content.values = make([]string, 0, values)
	whole.pointer = &whole.content
	whole.message.c = &whole.pointer
	return &whole.message
}

// content is what the message holds.
func (m Message) content() *content { return *m.c }

// New returns a message of the dialect without elements. Append refuses a message type that is not four digits.
func (d *Dialect) New(mti string) *Message {
	m := newMessage(d, valuesUsual)
	m.content().mti = mti
	return m
}

// Dialect is the dialect that the message belongs to.
func (m *Message) Dialect() *Dialect { return m.content().dialect }

// MTI is the message type: four digits when the message was decoded.
func (m *Message) MTI() string { return m.content().mti }

// SetMTI changes the message type.
func (m *Message) SetMTI(mti string) { m.content().mti = mti }

// Has reports whether the element is present. An element may be present and empty.
func (m *Message) Has(de int) bool {
	return de >= 2 && de <= elementsMax && m.content().present[(de-1)>>6]&bit((de-1)&63+1) != 0
}

// Get returns the characters of an element, "" when it is absent. The string is a part of the whole message's
// text and keeps all of it in memory, card data included: clone what outlives the exchange.
func (m *Message) Get(de int) string {
	if !m.Has(de) {
		return ""
	}
	c := m.content()
	return c.values[c.slot[de]-1]
}

// Set gives an element its characters. A *FormatError says that the dialect has no such element, or that the
// length or a character is not allowed in it; the message is then unchanged.
func (m *Message) Set(de int, v string) error {
	e := m.content().dialect.element(de)
	if e == nil {
		return &FormatError{DE: de, Kind: KindUndefined}
	}
	if kind := e.check(v); kind != 0 {
		return &FormatError{DE: de, Kind: kind}
	}
	m.content().put(de, v)
	return nil
}

// put stores characters that have been checked.
func (c *content) put(de int, v string) {
	if at := c.slot[de]; at != 0 {
		c.values[at-1] = v
	} else {
		c.values = append(c.values, v)
		c.slot[de] = uint8(len(c.values))
	}
	c.present[(de-1)>>6] |= bit((de-1)&63 + 1)
}

// Unset removes an element. Removing an absent one changes nothing.
func (m *Message) Unset(de int) {
	if !m.Has(de) {
		return
	}
	c := m.content()
	c.present[(de-1)>>6] &^= bit((de-1)&63 + 1)
	c.values[c.slot[de]-1] = ""
}

// Copy takes over the characters of those of the elements that from has. Both messages must be of the same
// dialect, for only then are the characters known to fit; anything else is a fault of the caller and panics.
func (m *Message) Copy(from *Message, des ...int) {
	to, source := m.content(), from.content()
	if to.dialect != source.dialect {
		panic("iso: internal error: copy between messages of different dialects")
	}
	for _, de := range des {
		if from.Has(de) {
			to.put(de, source.values[source.slot[de]-1])
		}
	}
}

// Elements lists the numbers of the elements that are present, ascending.
func (m *Message) Elements() []int {
	present := m.content().present
	out := make([]int, 0, bits.OnesCount64(present[0])+bits.OnesCount64(present[1]))
	for half, word := range present {
		for ; word != 0; word &^= 1 << 63 >> bits.LeadingZeros64(word) {
			out = append(out, half*64+bits.LeadingZeros64(word)+1)
		}
	}
	return out
}

// PAN is the card number: element 2, and only when that is absent the number at the start of track 2. It is
// false when there is none or when it cannot be a card number.
func (m *Message) PAN() (pan.Number, bool) {
	digits := m.Get(2)
	if !m.Has(2) {
		track := m.Get(35)
		end := 0
		for end < len(track) && track[end] != '=' && track[end] != 'D' {
			end++
		}
		if end == len(track) {
			return pan.Number{}, false
		}
		digits = track[:end]
	}
	n, err := pan.Parse(digits)
	if err != nil {
		return pan.Number{}, false
	}
	return n, true
}
