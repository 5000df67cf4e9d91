package iso

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// style is an encoding by the name that dialect files use.
type style struct {
	codec codec
	page  *page
}

// The encodings that each class can be written in.
var (
	mtiStyles = map[string]style{
		"ascii": {codecPage, asciiPage}, "ebcdic": {codecPage, ebcdicPage}, "bcd": {codecBCD, nil},
	}
	numericStyles = map[string]style{
		"ascii": {codecPage, asciiPage}, "ebcdic": {codecPage, ebcdicPage},
		"bcd": {codecBCD, nil}, "bcd-left": {codecBCDLeft, nil}, "bcd-left-f": {codecBCDLeftF, nil},
	}
	textStyles = map[string]style{
		"ascii": {codecPage, asciiPage}, "latin1": {codecPage, latin1Page},
		"ebcdic": {codecPage, ebcdicPage}, "ebcdic1047": {codecPage, ebcdic1047Page},
	}
	binaryStyles = map[string]style{
		"raw": {codecRaw, nil}, "hex": {codecHex, asciiPage}, "hex-ebcdic": {codecHex, ebcdicPage},
	}
	bitmapStyles = map[string]bitmapCodec{
		"binary": {}, "hex": {hex: true, page: asciiPage}, "hex-ebcdic": {hex: true, page: ebcdicPage},
	}
	lengthStyles = map[string]lengthCodec{
		"ascii":  {code: lengthDigits, page: asciiPage},
		"ebcdic": {code: lengthDigits, page: ebcdicPage},
		"bcd":    {code: lengthBCD}, "binary": {code: lengthBinary},
	}
)

// switches are the encodings that a dialect gives to whole classes.
type switches struct {
	numeric, numericVariable, text, track, binary style
	upper                                         bool
}

// choose looks up a word of the file. An empty word means the default; without one the key is required.
func choose[T any](key, word, byDefault string, choices map[string]T) (T, error) {
	var none T
	if word == "" {
		word = byDefault
	}
	if word == "" {
		return none, fmt.Errorf("%s: the key is missing; it takes %s", key, words(choices))
	}
	if v, ok := choices[word]; ok {
		return v, nil
	}
	return none, fmt.Errorf("%s: %q is none of %s", key, word, words(choices))
}

func words[T any](choices map[string]T) string {
	return strings.Join(slices.Sorted(maps.Keys(choices)), ", ")
}

// switches reads the encodings of the classes. Tracks follow the text and binary elements are raw unless
// the file says otherwise.
func (f *dialectFile) switches(upper bool) (*switches, error) {
	s := &switches{upper: upper}
	var errs [5]error
	s.numeric, errs[0] = choose("numeric", f.Numeric, "", numericStyles)
	s.numericVariable, errs[1] = choose("numeric_variable", f.NumericVariable, f.Numeric, numericStyles)
	s.text, errs[2] = choose("text", f.Text, "", textStyles)
	s.track, errs[3] = choose("track", f.Track, trackDefault(f.Text), trackStyles())
	s.binary, errs[4] = choose("binary", f.Binary, "raw", binaryStyles)
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	_, err := choose("length.encoding", f.Length.Encoding, "", lengthStyles)
	return s, err
}

// trackDefault is the encoding of tracks when the file names none: that of text.
func trackDefault(text string) string {
	if text == "latin1" {
		return "ascii"
	}
	return text
}

// trackStyles are those of digits and of text together.
func trackStyles() map[string]style {
	all := maps.Clone(numericStyles)
	all["ebcdic1047"] = textStyles["ebcdic1047"]
	return all
}

// setEncoding gives the element the encoding that the file asks for, or that of its class.
func (e *element) setEncoding(word string, s *switches) error {
	byClass, choices := s.text, textStyles
	switch e.class {
	case classNumeric, classAmount:
		byClass, choices, e.chars = s.numeric, numericStyles, digitChars
		if e.dots > 0 {
			byClass = s.numericVariable
		}
	case classTrack:
		byClass, choices, e.chars = s.track, trackStyles(), trackChars
	case classBinary:
		byClass, choices, e.chars = s.binary, binaryStyles, opaqueChars
	}
	if word != "" {
		chosen, ok := choices[word]
		if !ok {
			return fmt.Errorf("%q is none of %s, which its class can have", word, words(choices))
		}
		byClass = chosen
	}
	e.codec, e.page = byClass.codec, byClass.page
	if e.class == classAmount && e.codec.bcd() {
		e.page = s.text.page
		if e.max&1 == 0 {
			return fmt.Errorf("packed digits of an amount must be even in number, %d are not", e.max-1)
		}
	}
	if e.class == classText {
		e.chars = e.page.printable
		if private(e.de) {
			e.chars = opaqueChars
		}
	}
	return nil
}

// setLength gives the element its length prefix. A prefix in another encoding than the dialect's has a width
// of its own, so the dialect's width is not taken over for it.
func (e *element) setLength(over, dialect lengthFile) error {
	word, width, unit := dialect.Encoding, dialect.Width, dialect.Unit
	if over.Encoding != "" {
		if over.Encoding != word {
			width = 0
		}
		word = over.Encoding
	}
	if over.Width != 0 {
		width = over.Width
	}
	if over.Unit != "" {
		unit = over.Unit
	}
	var err error
	if e.length, err = choose("length.encoding", word, "", lengthStyles); err != nil {
		return err
	}
	units := map[string]bool{"characters": false, "bytes": true}
	if e.length.bytes, err = choose("length.unit", unit, "characters", units); err != nil {
		return err
	}
	return e.setWidth(width, over.Width != 0)
}

// setWidth settles how wide the prefix is. A width that an element asks for must hold its greatest length; the
// width of the whole dialect wins over the base table instead, and shortens what it cannot count.
func (e *element) setWidth(width int, own bool) error {
	e.length.width = width
	if width == 0 {
		e.length.width = e.defaultWidth()
	}
	if e.length.width < 1 || e.length.width > 6 || e.length.code == lengthBinary && e.length.width > 4 {
		return fmt.Errorf("length.width: %d is not 1 to 6 digits or 1 to 4 binary bytes", width)
	}
	if e.length.greatest() >= e.counted() {
		return nil
	}
	if own || width == 0 {
		return fmt.Errorf("length.width: a length of %d does not fit into %d", e.counted(), e.length.width)
	}
	for e.length.greatest() < e.counted() {
		e.max--
	}
	return nil
}

// counted is the greatest number that the prefix has to hold.
func (e *element) counted() int {
	if e.length.bytes {
		return e.wireBytes(e.max)
	}
	return e.max
}

// defaultWidth is the width that the format shows by its dots. Binary lengths take one byte, and two when
// one cannot count that far.
func (e *element) defaultWidth() int {
	switch {
	case e.length.code != lengthBinary:
		return e.dots
	case e.counted() > 255:
		return 2
	}
	return 1
}
