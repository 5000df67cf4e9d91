package iso

import (
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
)

// String shows the message type and the numbers of the elements, and no content.
func (m Message) String() string {
	if m.c == nil {
		return "iso.Message(empty)"
	}
	var b strings.Builder
	b.WriteString("iso.Message(")
	b.WriteString(m.safeMTI())
	for _, de := range m.Elements() {
		b.WriteByte(' ')
		b.WriteString(strconv.Itoa(de))
	}
	b.WriteByte(')')
	return b.String()
}

// safeMTI is the message type when it is one; a caller may have put anything into SetMTI.
func (m Message) safeMTI() string {
	if m.content().dialect.mti.check(m.content().mti) != 0 {
		return "????"
	}
	return m.content().mti
}

// GoString shows what String does.
func (m Message) GoString() string { return m.String() }

// Format shows what String does, whatever the verb.
func (m Message) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, m.String()) // a fmt.State keeps errors itself
}

// LogValue shows what String does.
func (m Message) LogValue() slog.Value { return slog.StringValue(m.String()) }

// MarshalText shows what String does; encoding/json calls it too.
func (m Message) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Format shows the name of the part and the length of its value, whatever the verb: it may be a card's number.
func (p Part) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "iso.Part(%s, %d bytes)", p.Name, len(p.Value)) // a fmt.State keeps errors itself
}

// LogValue shows what Format does.
func (p Part) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(p)) }

// MarshalText shows what Format does; encoding/json calls it too.
func (p Part) MarshalText() ([]byte, error) { return []byte(fmt.Sprint(p)), nil }
