package iso

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/moov-io/iso8583"
	"github.com/moov-io/iso8583/field"
	"github.com/moov-io/iso8583/prefix"
)

// newSpec builds moov's message specification of a dialect: its bitmap field with our encoder, and for every
// other element a specField, so that moov's loop encodes and checks exactly as ours does.
func newSpec(d *Dialect) *iso8583.MessageSpec {
	length := bitmapBytes
	if d.bitmap.fixed {
		length = 2 * bitmapBytes
	}
	fields := map[int]field.Field{
		0: newSpecField(&d.mti),
		1: field.NewBitmap(&field.Spec{
			Length: length, Description: "bitmap", DisableAutoExpand: d.bitmap.fixed,
			Enc: &bitmapEncoder{codec: d.bitmap}, Pref: prefix.Binary.Fixed,
		}),
	}
	for de := range d.elements {
		if e := d.element(de); e != nil {
			fields[de] = newSpecField(e)
		}
	}
	return &iso8583.MessageSpec{Name: d.name, Fields: fields}
}

// specField is one element as moov's library handles it. Its value is the characters, as in Message.
type specField struct {
	element *element
	spec    *field.Spec
	// value stands behind a pointer so that printing a structure around the field shows an address.
	value *string
}

var (
	_ field.Field        = (*specField)(nil)
	_ field.Instantiator = (*specField)(nil)
)

func newSpecField(e *element) *specField {
	return &specField{element: e, value: new(string), spec: &field.Spec{Length: e.max, Description: e.name}}
}

// NewInstance returns an empty field of the same element.
func (f *specField) NewInstance() field.Field {
	return &specField{element: f.element, spec: f.spec, value: new(string)}
}

// Spec is what moov knows of the element: its length and its name.
func (f *specField) Spec() *field.Spec { return f.spec }

// SetSpec replaces what moov knows of the element; the encoding stays the dialect's.
func (f *specField) SetSpec(s *field.Spec) { f.spec = s }

// Pack encodes the element with its length prefix.
func (f *specField) Pack() ([]byte, error) {
	if err := f.set(*f.value); err != nil {
		return nil, err
	}
	return f.element.append(make([]byte, 0, f.element.wireBytes(len(*f.value))+5), *f.value), nil
}

// Unpack decodes the element from the start of data and answers the bytes it took.
func (f *specField) Unpack(data []byte) (int, error) {
	text, read, kind := f.element.decode(nil, data)
	if kind != 0 {
		return 0, &FormatError{DE: f.element.de, Kind: kind}
	}
	*f.value = string(text)
	return read, nil
}

// set takes a value that the dialect allows.
func (f *specField) set(v string) error {
	if kind := f.element.check(v); kind != 0 {
		return &FormatError{DE: f.element.de, Kind: kind}
	}
	*f.value = v
	return nil
}

// SetBytes sets the characters, or the bytes of a binary element.
func (f *specField) SetBytes(data []byte) error { return f.set(string(data)) }

// Bytes returns the characters, or the bytes of a binary element.
func (f *specField) Bytes() ([]byte, error) { return []byte(*f.value), nil }

// String returns the characters; a binary element in capital hexadecimal digits, as moov's own does.
func (f *specField) String() (string, error) {
	if f.element.class == classBinary {
		return strings.ToUpper(hex.EncodeToString([]byte(*f.value))), nil
	}
	return *f.value, nil
}

// SetData is the old name of Marshal, which moov still asks for.
func (f *specField) SetData(data any) error { return f.Marshal(data) }

// Marshal sets the value from a string, bytes or another field; nil empties it. Strings hold characters, or
// hexadecimal digits for a binary element, so that what Unmarshal gave can be marshalled again.
func (f *specField) Marshal(v any) error {
	switch v := v.(type) {
	case nil:
		*f.value = ""
		return nil
	case *specField:
		return f.set(*v.value)
	case []byte:
		return f.set(string(v))
	case *[]byte:
		return f.set(string(*v))
	}
	rv := reflect.Indirect(reflect.ValueOf(v))
	if !rv.IsValid() || rv.Kind() != reflect.String {
		return fmt.Errorf("marshal element %d: a %T is no string and no bytes", f.element.de, v)
	}
	return f.setText(rv.String())
}

func (f *specField) setText(s string) error {
	if f.element.class != classBinary {
		return f.set(s)
	}
	raw, err := hex.DecodeString(s)
	if err != nil {
		return &FormatError{DE: f.element.de, Kind: KindCharacters}
	}
	return f.set(string(raw))
}

// Unmarshal gives the value to a *string, a *[]byte, a field, or a settable reflect.Value of these kinds.
func (f *specField) Unmarshal(v any) error {
	text, err := f.String()
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case *string:
		*v = text
		return nil
	case *[]byte:
		*v = []byte(*f.value)
		return nil
	case *specField:
		return v.set(*f.value)
	case reflect.Value:
		return f.unmarshalValue(v, text)
	}
	return fmt.Errorf("unmarshal element %d: a %T cannot take it", f.element.de, v)
}

func (f *specField) unmarshalValue(v reflect.Value, text string) error {
	if !v.CanSet() {
		return errors.New("unmarshal element: the value cannot be set")
	}
	switch {
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		v.SetBytes([]byte(*f.value))
	default:
		return fmt.Errorf("unmarshal element %d: a %s cannot take it", f.element.de, v.Kind())
	}
	return nil
}

// Format shows the number of the element and no content, whatever the verb.
func (f *specField) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, fmt.Sprintf("iso.element(%d)", f.element.de)) // a fmt.State keeps errors itself
}
