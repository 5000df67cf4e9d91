package iso

import "fmt"

// Kind says what is wrong with a message or with one of its elements.
type Kind uint8

// The kinds of fault: Decode and Set report those up to KindBitmap, the readers of meaning the others too.
const (
	// KindShort: the message ends before the element does.
	KindShort Kind = iota + 1
	// KindLength: the length is not allowed, or its prefix is not a number.
	KindLength
	// KindCharacters: a character does not belong to the class of the element.
	KindCharacters
	// KindPadding: the nibble that fills up an odd number of digits is not the dialect's.
	KindPadding
	// KindUndefined: the dialect has no such element.
	KindUndefined
	// KindTrailing: bytes are left after the last element.
	KindTrailing
	// KindMTI: the message type is not four digits.
	KindMTI
	// KindBitmap: the bitmap is not readable, or announces a third one.
	KindBitmap
	// KindMissing: an element that is needed is not there.
	KindMissing
	// KindValue: the content is of the right form and no value that the element can have.
	KindValue
	// KindAmount: the content is no amount, or one that cannot be.
	KindAmount
	// KindDate: there is no such date or time.
	KindDate
)

var kindNames = [...]string{
	KindShort:      "message ends too early",
	KindLength:     "wrong length",
	KindCharacters: "wrong characters",
	KindPadding:    "wrong padding",
	KindUndefined:  "undefined element",
	KindTrailing:   "bytes after the last element",
	KindMTI:        "message type is not four digits",
	KindBitmap:     "wrong bitmap",
	KindMissing:    "missing",
	KindValue:      "impossible value",
	KindAmount:     "impossible amount",
	KindDate:       "impossible date",
}

// String names the kind in lower-case words.
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "unknown fault"
}

// WholeMessage is the value of FormatError.DE for a fault that belongs to no element.
const WholeMessage = -1

// FormatError reports a message, or a value given to Set, that breaks the rules of its dialect.
// It carries no content, so it may be logged and shown.
type FormatError struct {
	// DE is the element at fault: 0 is the message type, 1 the bitmap, WholeMessage neither.
	DE int
	// Kind says what is wrong with it.
	Kind Kind
}

// Error names the element and the kind of fault, and nothing of what the message holds.
func (e *FormatError) Error() string {
	switch e.DE {
	case WholeMessage:
		return "decode message: " + e.Kind.String()
	case 0:
		return "message type: " + e.Kind.String()
	case 1:
		return "bitmap: " + e.Kind.String()
	}
	return fmt.Sprintf("element %d: %s", e.DE, e.Kind)
}
