// Package strict reads what comes from outside into Go values and says what is wrong with it by place and rule,
// never by value. The rules stand in the struct tags of the request types, from which the OpenAPI document is
// made too, so that what is promised and what is checked cannot differ:
//
//	Amount   int64  `json:"amount" rule:"min=1 max=1000000"`
//	Currency string `json:"currency" rule:"format=currency"`
//	Reason   string `json:"reason,omitempty" rule:"max=200"`
//
// A field without omitempty that is not a pointer is required. Bounds of a string are in characters, of a number in
// its unit, of a list in elements. Without a bound a string has at most 255 characters and a list 100 elements.
package strict

import (
	"fmt"
	"net/mail"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Rule is what a tag asks of a value.
type Rule struct {
	Min, Max *int64
	Enum     []string
	Format   string
}

// Bounds that hold where a rule names none.
const (
	CharactersMax = 255
	ElementsMax   = 100
	NumberMax     = 1<<53 - 1 // what every JSON reader keeps exactly
)

// Formats are the forms of text that a rule may name, as patterns of RFC 9485 that are anchored at both ends.
var Formats = map[string]string{
	"uuid":     `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`,
	"currency": `[A-Z]{3}`,
	"country":  `[A-Z]{3}`,
	"date":     `[0-9]{4}-[0-9]{2}-[0-9]{2}`,
	"phone":    `\+[1-9][0-9]{6,14}`,
	"email":    `[^@ ]+@[^@ ]+`,
	"digits":   `[0-9]+`,
	"name":     `[A-Za-z0-9][A-Za-z0-9._-]*`,
	"base64":   `[A-Za-z0-9+/]+={0,2}`,
	"token":    `[A-Za-z0-9_-]+`,
	"cursor":   `[A-Za-z0-9._-]+`,
	"https":    `https://[^ ]+`,
}

var patterns = sync.OnceValue(func() map[string]*regexp.Regexp {
	all := map[string]*regexp.Regexp{}
	for name, pattern := range Formats {
		all[name] = regexp.MustCompile(`\A(?:` + pattern + `)\z`)
	}
	return all
})

// ParseRule reads a tag. The error is a mistake in our source.
func ParseRule(tag string) (Rule, error) {
	var r Rule
	for _, part := range strings.Fields(tag) {
		key, value, _ := strings.Cut(part, "=")
		switch key {
		case "min", "max":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return r, fmt.Errorf("rule %q: %w", tag, err)
			}
			if key == "min" {
				r.Min = &n
			} else {
				r.Max = &n
			}
		case "enum":
			r.Enum = strings.Split(value, "|")
		case "format":
			if Formats[value] == "" {
				return r, fmt.Errorf("rule %q: unknown format", tag)
			}
			r.Format = value
		default:
			return r, fmt.Errorf("rule %q: unknown word %q", tag, key)
		}
	}
	return r, nil
}

// RuleOf is the rule of a struct's field. It panics on a tag that is wrong: the door reads every tag at its start.
func RuleOf(f reflect.StructField) Rule {
	r, err := ParseRule(f.Tag.Get("rule"))
	if err != nil {
		panic("strict: internal error: field " + f.Name + ": " + err.Error())
	}
	return r
}

// text says what is wrong with a text, or nothing.
func (r Rule) text(s string, characters int64) string {
	limit := int64(CharactersMax)
	if r.Max != nil {
		limit = *r.Max
	}
	switch {
	case r.Enum != nil && !slices.Contains(r.Enum, s):
		return "must be one of " + strings.Join(r.Enum, ", ")
	case r.Min != nil && characters < *r.Min:
		return fmt.Sprintf("must have at least %d characters", *r.Min)
	case characters > limit:
		return fmt.Sprintf("must have at most %d characters", limit)
	case r.Format != "" && !r.formed(s):
		return "must have the form " + r.Format
	}
	return ""
}

func (r Rule) formed(s string) bool {
	if !patterns()[r.Format].MatchString(s) {
		return false
	}
	switch r.Format {
	case "date":
		_, err := time.Parse(time.DateOnly, s)
		return err == nil
	case "email":
		a, err := mail.ParseAddress(s)
		return err == nil && a.Address == s
	}
	return true
}

// number says what is wrong with a number, or nothing.
func (r Rule) number(n int64) string {
	low, high := int64(-NumberMax), int64(NumberMax)
	if r.Min != nil {
		low = *r.Min
	}
	if r.Max != nil {
		high = *r.Max
	}
	if n < low || n > high {
		return fmt.Sprintf("must be from %d to %d", low, high)
	}
	return ""
}

func (r Rule) elementsMax() int {
	if r.Max != nil {
		return int(*r.Max)
	}
	return ElementsMax
}

// elements says what is wrong with the length of a list, or nothing.
func (r Rule) elements(n int) string {
	switch {
	case r.Min != nil && int64(n) < *r.Min:
		return fmt.Sprintf("must have at least %d elements", *r.Min)
	case n > r.elementsMax():
		return fmt.Sprintf("must have at most %d elements", r.elementsMax())
	}
	return ""
}
