package iso

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Part is one value inside an element that is made of parts.
type Part struct {
	// Name is the number, the tag or the identifier of the part, as places name it.
	Name string
	// Title is what the dialect calls the part; it may be empty.
	Title string
	// Value is its characters, or its bytes where the layout does not say how they are encoded.
	Value string
}

// partsMax bounds the parts of one element, those in others included.
const partsMax = 255

// layoutKind is how an element is made of parts.
type layoutKind uint8

const (
	layoutTLV     layoutKind = iota + 1 // two digits of tag, two of length, data
	layoutBER                           // BER-TLV, as chips write it
	layoutDataset                       // one byte of identifier, two of length, data
	layoutBitmap                        // a bitmap and the elements that it announces
)

var layoutKinds = map[string]layoutKind{"tlv": layoutTLV, "ber": layoutBER, "dataset": layoutDataset, "bitmap": layoutBitmap}

// layout is what a dialect knows of the inside of an element.
type layout struct {
	kind layoutKind
	skip int   // bytes in front of the first part
	page *page // of a TLV
	bits int   // of a bitmap: 8 to 128
	// fields are the elements behind a bitmap, by their number.
	fields map[int]*element
}

// partsFile is a layout as dialect files write it.
type partsFile struct {
	Layout   string              `yaml:"layout"`
	Skip     int                 `yaml:"skip"`
	Encoding string              `yaml:"encoding"`
	Bits     int                 `yaml:"bits"`
	Fields   map[int]elementFile `yaml:"fields"`
}

// partsSkipMax is more than any element has in front of its parts.
const partsSkipMax = 16

// compile sets up a layout. Its errors begin with the key, as those of an element do.
func (f *partsFile) compile(outer *element, length lengthFile, switches *switches) (*layout, error) {
	kind, err := choose("layout", f.Layout, "", layoutKinds)
	if err != nil {
		return nil, err
	}
	l := &layout{kind: kind, skip: f.Skip, bits: f.Bits}
	if f.Skip < 0 || f.Skip > partsSkipMax {
		return nil, fmt.Errorf("skip: %d is not 0 to %d", f.Skip, partsSkipMax)
	}
	if kind == layoutTLV {
		style, err := choose("encoding", f.Encoding, "ascii", textStyles)
		l.page = style.page
		return l, err
	}
	if outer.class != classBinary {
		return nil, fmt.Errorf("layout: parts that are not text stand in an element of class b")
	}
	if kind != layoutBitmap {
		return l, nil
	}
	if f.Bits < 8 || f.Bits > elementsMax || f.Bits%8 != 0 {
		return nil, fmt.Errorf("bits: %d is not a multiple of 8 up to %d", f.Bits, elementsMax)
	}
	l.fields = map[int]*element{}
	for _, n := range slices.Sorted(maps.Keys(f.Fields)) {
		if n < 1 || n > f.Bits {
			return nil, fmt.Errorf("fields.%d: the bitmap has bits 1 to %d", n, f.Bits)
		}
		over := f.Fields[n]
		if over.Format == "" || over.Parts != nil {
			return nil, fmt.Errorf("fields.%d: it needs a format, and has no parts of its own", n)
		}
		e := &element{de: n, name: over.Name, upper: switches.upper}
		if err := e.compile(over, length, switches); err != nil {
			return nil, fmt.Errorf("fields.%d%w", n, err)
		}
		l.fields[n] = e
	}
	return l, nil
}

// partName reads the name of a part as a place writes it, in the form that reading gives.
func (l *layout) partName(text string) (string, error) {
	switch l.kind {
	case layoutTLV:
		if len(text) == 2 && digitChars[text[0]] && digitChars[text[1]] {
			return text, nil
		}
	case layoutBER, layoutDataset:
		if len(text) > 0 && len(text) <= 6 && len(text)%2 == 0 && strings.Trim(text, upperHex) == "" {
			return text, nil
		}
	case layoutBitmap:
		if n, err := strconv.Atoi(text); err == nil && l.fields[n] != nil {
			return strconv.Itoa(n), nil
		}
	}
	return "", fmt.Errorf("%q is no part that the layout has", text)
}

// find is the value of the first part of that name, "" when there is none before the parts end or make no sense.
func (l *layout) find(v, name string) (found string) {
	_ = l.walk(v, func(p Part) bool { // parts before a fault are good
		if p.Name == name {
			found = p.Value
		}
		return p.Name != name
	})
	return found
}

// walk reads the parts one after the other until see answers false. The kind says what is wrong with them.
func (l *layout) walk(v string, see func(Part) bool) Kind {
	if len(v) < l.skip {
		return KindShort
	}
	v = v[l.skip:]
	switch l.kind {
	case layoutTLV:
		return walkTLV(v, l.page, see)
	case layoutBER:
		return WalkBER(v, see)
	case layoutDataset:
		return walkDatasets(v, see)
	}
	return l.walkBitmap(v, see)
}

// walkBitmap reads nested elements. A bit without a definition ends the reading: nobody knows how long it is.
func (l *layout) walkBitmap(v string, see func(Part) bool) Kind {
	if len(v) < l.bits/8 {
		return KindShort
	}
	bitmap, src := v[:l.bits/8], []byte(v[l.bits/8:])
	for n := 1; n <= l.bits; n++ {
		if bitmap[(n-1)/8]>>(7-(n-1)%8)&1 == 0 {
			continue
		}
		e := l.fields[n]
		if e == nil {
			return KindUndefined
		}
		text, read, kind := e.decode(nil, src)
		if kind != 0 {
			return kind
		}
		src = src[read:]
		if !see(Part{Name: strconv.Itoa(n), Title: e.name, Value: string(text)}) {
			return 0
		}
	}
	if len(src) > 0 {
		return KindTrailing
	}
	return 0
}

// walkTLV reads sub-elements of two digits of tag and two of length, in a code page.
func walkTLV(v string, p *page, see func(Part) bool) Kind {
	for count := 0; len(v) > 0; count++ {
		if len(v) < 4 {
			return KindShort
		}
		var head [4]byte
		for i := range head {
			if head[i] = p.dec[v[i]]; !digitChars[head[i]] {
				return KindLength
			}
		}
		n := int(head[2]-'0')*10 + int(head[3]-'0')
		if len(v)-4 < n {
			return KindShort
		}
		value, _ := decodePage(nil, []byte(v[4:4+n]), p, opaqueChars) // every byte is a character
		if count == partsMax {
			return KindLength
		}
		if !see(Part{Name: string(head[:2]), Value: string(value)}) {
			return 0
		}
		v = v[4+n:]
	}
	return 0
}

// walkDatasets reads sets of one byte of identifier and two of length.
func walkDatasets(v string, see func(Part) bool) Kind {
	for count := 0; len(v) > 0; count++ {
		if len(v) < 3 {
			return KindShort
		}
		n := int(binary.BigEndian.Uint16([]byte(v[1:3])))
		if len(v)-3 < n {
			return KindShort
		}
		if count == partsMax {
			return KindLength
		}
		if !see(Part{Name: fmt.Sprintf("%02X", v[0]), Value: v[3 : 3+n]}) {
			return 0
		}
		v = v[3+n:]
	}
	return 0
}

// Parts lists the parts of an element that the dialect knows the layout of; others have none. A *FormatError says
// why the rest cannot be read; the parts before it come with it.
func (m *Message) Parts(de int) ([]Part, error) {
	e := m.content().dialect.element(de)
	if e == nil || e.layout == nil || !m.Has(de) {
		return nil, nil
	}
	var parts []Part
	kind := e.layout.walk(m.Get(de), func(p Part) bool {
		parts = append(parts, p)
		return true
	})
	if kind != 0 {
		return parts, &FormatError{DE: de, Kind: kind}
	}
	return parts, nil
}
