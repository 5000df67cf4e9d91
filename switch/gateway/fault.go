package gateway

import (
	"errors"
	"fmt"

	"holdfast/switch/iso"
)

// wrong says which element is at fault and how, never what it holds.
func wrong(de int, kind iso.Kind) error { return &iso.FormatError{DE: de, Kind: kind} }

// errorCodes are how DE 18 of the 2003 version says what is wrong with an element: the public CMF profile's.
var errorCodes = map[iso.Kind]string{iso.KindMissing: "0001", iso.KindShort: "0002", iso.KindLength: "0002",
	iso.KindCharacters: "0003", iso.KindPadding: "0003", iso.KindValue: "0003", iso.KindAmount: "0004", iso.KindDate: "0005"}

// indicator is one set of DE 18: severity 00 (rejected), error, element, sub-element, dataset, bit. It is empty when the
// cause is no fault of an element.
func indicator(cause error) string {
	var f *iso.FormatError
	if !errors.As(cause, &f) || f.DE < 2 || errorCodes[f.Kind] == "" {
		return ""
	}
	return fmt.Sprintf("00%s%03d00000", errorCodes[f.Kind], f.DE)
}
