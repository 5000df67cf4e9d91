// Package pan holds a card number that cannot be printed by accident.
//
// Masking methods alone are not enough: fmt reaches into an unexported field of
// another struct without calling any method. The digits therefore live behind a
// pointer, which fmt prints as an address, and every formatter that does find a
// method gets the mask. It has to be a pointer to a string: fmt follows a
// pointer to a struct or an array when the verb does not suit a pointer.
package pan

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Shortest and longest card number, in digits. ISO/IEC 7812-1 allows up to 19;
// shorter ones than 12 are not issued.
const (
	DigitsMin = 12
	DigitsMax = 19
)

// Digits a mask leaves in clear at either end: what PCI DSS lets a display show.
const (
	clearFirst = 6
	clearLast  = 4
)

// ErrInvalid says that a text is no card number. It never tells the text.
var ErrInvalid = errors.New("parse card number: want 12 to 19 decimal digits")

// ErrPrefix says that a text is no prefix of a card number, so that it has no
// check digit.
var ErrPrefix = errors.New("compute check digit: want 11 to 18 decimal digits")

// Number is a card number (PAN). The zero value is "no card". Every way of
// printing it shows the first six and the last four digits only. Compare with
// Equal: == compares the places where the digits are kept.
type Number struct {
	digits *string
}

// Parse reads 12 to 19 decimal digits and nothing else. Whether the check digit
// is right is a separate question (LuhnValid): a switch has to be able to
// decline a card number that was typed wrong. The error is ErrInvalid.
func Parse(s string) (Number, error) {
	if len(s) < DigitsMin || len(s) > DigitsMax {
		return Number{}, ErrInvalid
	}
	if !allDigits(s) {
		return Number{}, ErrInvalid
	}
	own := strings.Clone(s) // or a received frame would live as long as the number
	return Number{&own}, nil
}

// IsZero tells whether there is no card number.
func (n Number) IsZero() bool { return n.digits == nil }

// Equal compares two numbers in a time that does not depend on their digits.
// Two zero values are equal.
func (n Number) Equal(other Number) bool {
	var a, b [DigitsMax]byte // filled up, so that lengths differ as digits do
	copy(a[:], n.Reveal())
	copy(b[:], other.Reveal())
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// Len is the count of digits, 0 for the zero value.
func (n Number) Len() int { return len(n.Reveal()) }

// BIN is the first count digits, which name the issuer: 6 or 8 by ISO/IEC
// 7812-1. More than 8 are never given, and the zero value has none.
func (n Number) BIN(count int) string {
	all := n.Reveal()
	return strings.Clone(all[:min(max(count, 0), 8, len(all))]) // a part must not keep the whole
}

// Last4 is the last four digits, empty for the zero value.
func (n Number) Last4() string {
	all := n.Reveal()
	return strings.Clone(all[max(len(all)-clearLast, 0):])
}

// LuhnValid tells whether the last digit is the check digit of the others
// (ISO/IEC 7812-1 annex B). The zero value is not valid.
func (n Number) LuhnValid() bool {
	all := n.Reveal()
	if all == "" {
		return false
	}
	return luhn(all[:len(all)-1]) == all[len(all)-1]
}

// hiddenMin is how many digits in a row of a number no text may show. A BIN of eight may be shown beside the last four,
// which each row has; with twelve digits those are the whole of 16, and with eleven the check digit tells the rest.
const hiddenMin = 9

// Within tells whether a text shows so much of the number that it has to be kept like the number itself: a good part of it, in
// one piece or in groups with blanks or signs between them, or all its digits, whatever stands between. No text does for
// the zero value.
func (n Number) Within(text string) bool {
	all := n.Reveal()
	size := min(hiddenMin, len(all))
	count, joined := 0, true
	for i := range len(text) {
		if digit(text[i]) {
			count++
		}
		joined = joined && !separates(text[i])
	}
	if size == 0 || count < size {
		return false
	}
	if count >= len(all) && strings.Contains(without(text, func(c byte) bool { return !digit(c) }), all) {
		return true
	}
	if !joined {
		text = without(text, separates)
	}
	for from := range len(all) - size + 1 {
		if strings.Contains(text, all[from:from+size]) {
			return true
		}
	}
	return false
}

// without is a text without some of its bytes.
func without(text string, drop func(byte) bool) string {
	kept := make([]byte, 0, len(text))
	for i := range len(text) {
		if !drop(text[i]) {
			kept = append(kept, text[i])
		}
	}
	return string(kept)
}

// separates tells whether a character may stand between groups of digits: not a letter, nor the star of a mask.
func separates(c byte) bool {
	return c < '0' && c != '*' || c > '9' && c < 'A' || c > 'Z' && c < 'a' || c > 'z' && c < 0x80
}

// Reveal gives the digits in clear. The house's tests list the few packages
// that may call it; everything else works with the mask, the tag or an id.
func (n Number) Reveal() string {
	if n.digits == nil {
		return ""
	}
	return *n.digits
}

// String is the mask, such as 411111******1111; empty for the zero value.
func (n Number) String() string {
	masked := []byte(n.Reveal())
	for i := clearFirst; i < len(masked)-clearLast; i++ {
		masked[i] = '*'
	}
	return string(masked)
}

// GoString is the mask, for %#v.
func (n Number) GoString() string { return "pan.Number(" + n.String() + ")" }

// Format writes the mask for every verb, so that %x or %d of a card number does
// not fall back to its fields.
func (n Number) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		_, _ = io.WriteString(f, n.GoString()) // fmt's writer cannot fail
		return
	}
	_, _ = io.WriteString(f, n.String()) // fmt's writer cannot fail
}

// LogValue is the mask, for slog.
func (n Number) LogValue() slog.Value { return slog.StringValue(n.String()) }

// MarshalText is the mask, for every encoder that takes texts (and map keys).
// There is no way back: a masked number cannot be read in again.
func (n Number) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// MarshalJSON is the mask as a JSON string.
func (n Number) MarshalJSON() ([]byte, error) { return json.Marshal(n.String()) }
