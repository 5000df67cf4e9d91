package pgstore

import (
	"strings"
	"unicode/utf8"
)

// clean makes text of a message storable: one bad row would fail its whole group. What is not UTF-8 is read as
// Latin-1, so that nothing is lost; the zero character, which PostgreSQL cannot store, becomes U+FFFD.
func clean(s string) string {
	if utf8.ValidString(s) {
		if strings.IndexByte(s, 0) < 0 {
			return s
		}
		return strings.ReplaceAll(s, "\x00", "\uFFFD")
	}
	var b strings.Builder
	b.Grow(len(s) + len(s)/2)
	for i := range len(s) {
		if s[i] == 0 {
			b.WriteRune(utf8.RuneError)
		} else {
			b.WriteRune(rune(s[i]))
		}
	}
	return b.String()
}

func cleanAll(texts []string) []string {
	all := make([]string, len(texts))
	for i, s := range texts {
		all[i] = clean(s)
	}
	return all
}
