package guess

import (
	"errors"
	"fmt"

	"holdfast/switch/frame"
	"holdfast/switch/iso"
)

// Cut reads the bodies of the frames in every chunk by a framing as frame.Parse reads it; each chunk must be used up.
func Cut(framing string, chunks [][]byte) ([][]byte, error) {
	format, err := frame.Parse(framing)
	if err != nil {
		return nil, err
	}
	c, ok := cutBy(format, chunks)
	if !ok || !c.whole {
		return nil, fmt.Errorf("the input is not made of %s frames", framing)
	}
	return c.bodies, nil
}

// Check says what of one message does not fit the dialect: the element, where it begins, how the dialect writes it and
// what is wrong with it. What was read is then held against what it may mean. It tells no content.
func Check(d *iso.Dialect, body []byte) []string {
	m, err := d.Decode(body)
	var fault *iso.FormatError
	if errors.As(err, &fault) {
		return append([]string{unreadable(d, m, fault)}, meaning(m)...)
	}
	if !messageType(m) {
		return []string{fmt.Sprintf("offset 0: the message type %s is none of ISO 8583:%d", m.MTI(), d.Version())}
	}
	return meaning(m)
}

// unreadable puts the fault of a message that cannot be read into words.
func unreadable(d *iso.Dialect, m *iso.Message, fault *iso.FormatError) string {
	text := fmt.Sprintf("offset %d: %v", d.Offset(m, fault), fault)
	if def, ok := d.Definition(fault.DE); ok {
		return fmt.Sprintf("%s (%s: %s)", text, def.Name, def)
	}
	switch fault.Kind {
	case iso.KindUndefined:
		return text + " (the bitmap announces it, and the dialect does not say what it is)"
	case iso.KindTrailing:
		return text + " (an element before it may be longer than the dialect says)"
	}
	return text
}

// meaning lists what was read and cannot be.
func meaning(m *iso.Message) []string {
	if m == nil {
		return nil
	}
	var out []string
	note := func(err error) {
		if err != nil {
			out = append(out, err.Error())
		}
	}
	_, _, err := m.Transmitted(now)
	note(err)
	_, _, err = m.LocalTime(now)
	note(err)
	for _, of := range []int{iso.AmountTransaction, iso.AmountSettlement, iso.AmountBilling} {
		_, _, err = m.Amount(of)
		note(err)
	}
	_, _, err = m.Original()
	note(err)
	_, _, err = m.OriginalAmounts()
	note(err)
	_, err = m.AdditionalAmounts()
	note(err)
	for _, de := range m.Elements() {
		_, err := m.Parts(de)
		note(err)
	}
	return out
}
