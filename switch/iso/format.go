package iso

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// class is the kind of content of an element, as the standard names it.
type class uint8

const (
	classNumeric class = iota + 1 // n: digits
	classText                     // a, an, anp, ans, ns and the like: printable characters
	classAmount                   // x: C or D, then digits
	classTrack                    // z: the code set of tracks 2 and 3
	classBinary                   // b: bytes
)

var classes = map[string]class{
	"n": classNumeric, "x": classAmount, "z": classTrack, "b": classBinary,
	"a": classText, "an": classText, "anp": classText, "ans": classText,
	"as": classText, "ns": classText, "s": classText,
}

// format is the form of an element: its class and its length in characters, which are digits for n and
// bytes for b.
type format struct {
	class class
	// max is the length of a fixed element and the greatest length of a variable one.
	max int
	// dots is 0 for a fixed element, else the digits of the length prefix that the notation shows.
	dots int
}

// charactersMax bounds what a dialect may declare, so that no length overflows and no message is unbounded.
const charactersMax = 999_999

// parseFormat reads the notation of the standard: n6 is fixed, n..19 variable with two digits of length.
func parseFormat(s string) (format, error) {
	letters := strings.IndexFunc(s, func(r rune) bool { return r == '.' || r >= '0' && r <= '9' })
	if letters < 0 {
		return format{}, fmt.Errorf("format %q has no length", s)
	}
	c, ok := classes[s[:letters]]
	if !ok {
		return format{}, fmt.Errorf("format %q has no class of the standard in front", s)
	}
	digits := strings.TrimLeft(s[letters:], ".")
	dots := len(s) - letters - len(digits)
	if dots == 1 || dots > 6 {
		return format{}, fmt.Errorf("format %q must have no dots or two to six", s)
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || n == 0 || n > charactersMax {
		return format{}, fmt.Errorf("format %q must end in a length from 1 to %d", s, charactersMax)
	}
	if c == classAmount && (dots != 0 || n < 2) {
		return format{}, fmt.Errorf("format %q must be fixed and longer than its sign", s)
	}
	return format{class: c, max: int(n), dots: dots}, nil
}

//go:embed elements.csv
var elementTable []byte

// tableRow is what the element table says about one element in each base.
type tableRow struct {
	names   map[Version]string
	formats map[Version]format
}

// table holds elements 2 to 128 by number. It is read once; a fault in it is a fault of this package.
var table = sync.OnceValue(func() *[elementsMax + 1]tableRow {
	r := csv.NewReader(bytes.NewReader(elementTable))
	r.Comment = '#'
	rows, err := r.ReadAll()
	if err != nil {
		panic("iso: internal error: element table: " + err.Error())
	}
	var out [elementsMax + 1]tableRow
	for _, row := range rows[1:] {
		de, err := strconv.Atoi(row[0])
		if err != nil || de < 2 || de > elementsMax {
			panic("iso: internal error: element table: element " + row[0])
		}
		out[de] = tableRow{names: map[Version]string{}, formats: map[Version]format{}}
		name := ""
		for i, v := range []Version{V1987, V1993, V2003} {
			if row[1+i] != "" {
				name = row[1+i]
			}
			out[de].names[v] = name
			if row[4+i] == "" {
				continue
			}
			f, err := parseFormat(row[4+i])
			if err != nil {
				panic("iso: internal error: element table: " + err.Error())
			}
			out[de].formats[v] = f
		}
	}
	return &out
})

// private reports whether the standard leaves the content of an element to the parties, so that its
// characters are not ours to judge.
func private(de int) bool {
	return de == 47 || de == 48 || de >= 60 && de <= 63 || de >= 105 && de <= 127
}
