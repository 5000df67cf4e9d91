package iso_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/moov-io/iso8583"

	"holdfast/switch/iso"
)

func newMoovMessage(d *iso.Dialect) *iso8583.Message { return iso8583.NewMessage(d.Spec()) }

func TestMoovMessageIsAsStrictAsOurs(t *testing.T) {
	t.Parallel()
	m := newMoovMessage(builtin(t, "iso87-bcd"))
	m.MTI("0800")
	var fault *iso.FormatError
	if err := m.Field(11, "12345x"); !errors.As(err, &fault) || fault.DE != 11 || fault.Kind != iso.KindCharacters {
		t.Errorf("a letter in element 11: %v", err)
	}
	if err := m.Field(11, "12345"); !errors.As(err, &fault) || fault.Kind != iso.KindLength {
		t.Errorf("five digits in element 11: %v", err)
	}
	if err := m.Unpack([]byte{0x08, 0x00, 0, 0x20, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0x5A}); err == nil {
		t.Error("a nibble A in element 11 was accepted")
	}
}

func TestMoovMessageTakesStructs(t *testing.T) {
	t.Parallel()
	type echo struct {
		STAN *string `iso8583:"11"`
		Code string  `iso8583:"70"`
		Key  []byte  `iso8583:"96"`
	}
	stan := "000042"
	in := echo{STAN: &stan, Code: "301", Key: []byte("\x01\x02\x03\x04\x05\x06\x07\x08")}
	m := newMoovMessage(builtin(t, "iso87-ascii"))
	m.MTI("0800")
	if err := m.Marshal(&in); err != nil {
		t.Fatal(err)
	}
	raw, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	back := newMoovMessage(builtin(t, "iso87-ascii"))
	if err := back.Unpack(raw); err != nil {
		t.Fatal(err)
	}
	var out echo
	if err := back.Unmarshal(&out); err != nil {
		t.Fatal(err)
	}
	if out.STAN == nil || *out.STAN != stan || out.Code != in.Code || string(out.Key) != string(in.Key) {
		t.Errorf("got %+v", out)
	}
}

func TestMoovFieldDoesNotPrintItself(t *testing.T) {
	t.Parallel()
	m := newMoovMessage(builtin(t, "iso87-ascii"))
	if err := m.Field(2, testPAN); err != nil {
		t.Fatal(err)
	}
	holder := struct{ hidden any }{m.GetField(2)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if out := fmt.Sprintf(verb, m.GetField(2)) + fmt.Sprintf(verb, holder); strings.Contains(out, testPAN) {
			t.Errorf("%s prints the card number", verb)
		}
	}
}
