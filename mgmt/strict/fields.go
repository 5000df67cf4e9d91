package strict

import (
	"reflect"
	"strconv"
	"strings"
	"sync"
)

type field struct {
	index    []int
	rule     Rule
	required bool
}

var known sync.Map // reflect.Type -> map[string]field

// fieldsOf are the JSON fields of a struct by their exact names.
func fieldsOf(t reflect.Type) map[string]field {
	if cached, ok := known.Load(t); ok {
		return cached.(map[string]field)
	}
	fields := map[string]field{}
	for _, f := range reflect.VisibleFields(t) {
		name, optional, ok := Name(f)
		if !ok {
			continue
		}
		fields[name] = field{index: f.Index, rule: RuleOf(f), required: !optional}
	}
	known.Store(t, fields)
	return fields
}

// Name is the name of a field in JSON and whether it may be left out; not ok when it is no field of the JSON.
func Name(f reflect.StructField) (name string, optional, ok bool) {
	tag, tagged := f.Tag.Lookup("json")
	if !tagged || tag == "-" || !f.IsExported() {
		return "", false, false
	}
	name, options, _ := strings.Cut(tag, ",")
	return name, f.Type.Kind() == reflect.Pointer || strings.Contains(options, "omit"), true
}

// parameterDigitsMax is more than any id of ours has, and less than a card number or the longest PIN: one that somebody takes
// for an id goes no further than here, into no log of a database either.
const parameterDigitsMax = 11

// Parameter puts a text of a path, a query or a header into v and says what is wrong with it, or nothing.
// A number must be written as we would write it: no sign but minus, no leading zero.
func Parameter(v reflect.Value, rule Rule, s string) (wrong string) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch {
	case v.CanInt():
		if n, err := strconv.ParseInt(s, 10, 64); err != nil || len(s) > parameterDigitsMax || strconv.FormatInt(n, 10) != s {
			return "must be a whole number"
		}
		return setNumber(v, rule, s)
	case v.Kind() == reflect.Bool:
		if s != "true" && s != "false" {
			return "must be true or false"
		}
		v.SetBool(s == "true")
		return ""
	}
	return setText(v, rule, s)
}
