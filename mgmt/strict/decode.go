package strict

import (
	"bytes"
	"encoding"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"holdfast/mgmt/problem"
)

// DepthMax is how deep JSON may be nested.
const DepthMax = 16

// MistakesMax is how many mistakes one answer names.
const MistakesMax = 20

// JSON reads a body into the value that v points to. Every mistake is reported until there are [MistakesMax];
// the value is only good when there is none. Refused beside what breaks a rule: unknown and repeated fields, names in
// another case, null, trailing data, fractions, control characters and broken text.
func JSON(body []byte, v any) []problem.Field {
	if !utf8.Valid(body) || !json.Valid(body) {
		return []problem.Field{{In: "body", Pointer: "", Rule: "must be one JSON value in UTF-8"}}
	}
	d := &decoder{json: json.NewDecoder(bytes.NewReader(body))}
	d.json.UseNumber()
	if !shallow(body) {
		d.fail("", "is nested too deeply")
		return d.mistakes
	}
	d.value(reflect.ValueOf(v).Elem(), Rule{}, "")
	return d.mistakes
}

// shallow counts brackets outside of strings, before anything recursive looks at the body.
func shallow(body []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == '{' || c == '['):
			if depth++; depth > DepthMax {
				return false
			}
		case !quoted && (c == '}' || c == ']'):
			depth--
		}
	}
	return true
}

type decoder struct {
	json     *json.Decoder
	mistakes []problem.Field
}

func (d *decoder) fail(pointer, rule string) {
	if len(d.mistakes) < MistakesMax {
		d.mistakes = append(d.mistakes, problem.Field{In: "body", Pointer: pointer, Rule: rule})
	}
}

// next is the next token. The body is known to be sound JSON, so there is one.
func (d *decoder) next() json.Token {
	token, err := d.json.Token()
	if err != nil {
		panic("strict: internal error: sound JSON ended early")
	}
	return token
}

// value reads one value into v.
func (d *decoder) value(v reflect.Value, rule Rule, pointer string) {
	token := d.next()
	if v.Kind() == reflect.Pointer && token != nil {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch got := token.(type) {
	case json.Delim:
		switch {
		case got == '{' && v.Kind() == reflect.Struct && !isText(v.Type()):
			d.object(v, pointer)
		case got == '[' && v.Kind() == reflect.Slice:
			d.list(v, rule, pointer)
		default:
			d.skip()
			d.fail(pointer, "must be "+kindName(v))
		}
	case string:
		if v.Kind() != reflect.String && !isText(v.Type()) {
			d.fail(pointer, "must be "+kindName(v))
		} else if wrong := setText(v, rule, got); wrong != "" {
			d.fail(pointer, wrong)
		}
	case json.Number:
		if !v.CanInt() {
			d.fail(pointer, "must be "+kindName(v))
		} else if wrong := setNumber(v, rule, got.String()); wrong != "" {
			d.fail(pointer, wrong)
		}
	case bool:
		if v.Kind() != reflect.Bool {
			d.fail(pointer, "must be "+kindName(v))
		} else {
			v.SetBool(got)
		}
	default: // null
		d.fail(pointer, "must not be null")
	}
}

func (d *decoder) object(v reflect.Value, pointer string) {
	fields, seen := fieldsOf(v.Type()), map[string]bool{}
	unknown := false
	for d.json.More() {
		name := d.next().(string)
		field, known := fields[name]
		switch {
		case !known:
			unknown = true // its name may be anything, a card number too
			d.skipValue()
		case seen[name]:
			d.fail(pointer+"/"+name, "must not be repeated")
			d.skipValue()
		default:
			seen[name] = true
			d.value(v.FieldByIndex(field.index), field.rule, pointer+"/"+name)
		}
	}
	d.next()
	if unknown {
		d.fail(pointer, "must have no unknown field")
	}
	for name, field := range fields {
		if field.required && !seen[name] {
			d.fail(pointer+"/"+name, "is required")
		}
	}
}

func (d *decoder) list(v reflect.Value, rule Rule, pointer string) {
	n := 0
	for ; d.json.More(); n++ {
		if n >= rule.elementsMax() {
			d.skipValue()
			continue
		}
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		d.value(v.Index(v.Len()-1), Rule{Enum: rule.Enum, Format: rule.Format}, pointer+"/"+strconv.Itoa(n))
	}
	d.next()
	if wrong := rule.elements(n); wrong != "" {
		d.fail(pointer, wrong)
	}
}

func (d *decoder) skipValue() {
	if _, opens := d.next().(json.Delim); opens {
		d.skip()
	}
}

// skip reads to the end of what was just opened.
func (d *decoder) skip() {
	for depth := 1; depth > 0; {
		switch d.next() {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
}

var timeType = reflect.TypeFor[time.Time]()

// isText tells whether a type that is no string is written as one, such as a UUID.
func isText(t reflect.Type) bool {
	return t == timeType || t.Kind() == reflect.Array && reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func kindName(v reflect.Value) string {
	switch {
	case v.Type() == timeType:
		return "a time as in RFC 3339"
	case v.Kind() == reflect.Struct:
		return "an object"
	case v.Kind() == reflect.Slice:
		return "a list"
	case v.Kind() == reflect.String || isText(v.Type()):
		return "a text"
	case v.Kind() == reflect.Bool:
		return "true or false"
	}
	return "a whole number"
}

// setText puts a text into a string, a time or what reads itself from a text.
func setText(v reflect.Value, rule Rule, s string) string {
	if v.Type() == timeType {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return "must be a time as in RFC 3339"
		}
		v.Set(reflect.ValueOf(t.UTC()))
		return ""
	}
	if isText(v.Type()) {
		if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
			return "must be a UUID"
		}
		return ""
	}
	if strings.ContainsFunc(s, unwelcome) {
		return "must have no control characters"
	}
	if wrong := rule.text(s, int64(utf8.RuneCountInString(s))); wrong != "" {
		return wrong
	}
	v.SetString(s)
	return ""
}

// unwelcome is what has no business in a line of text: controls, marks that turn the direction of reading, and
// the sign that stands for broken text.
func unwelcome(r rune) bool {
	return unicode.IsControl(r) || r == utf8.RuneError || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// setNumber puts a number as it is written into an integer.
func setNumber(v reflect.Value, rule Rule, written string) string {
	n, err := strconv.ParseInt(written, 10, 64)
	if err != nil || v.OverflowInt(n) {
		return "must be a whole number in range"
	}
	if wrong := rule.number(n); wrong != "" {
		return wrong
	}
	v.SetInt(n)
	return ""
}
