package pgstore

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// Whatever a message says can be stored, and what could be stored already is kept as it is.
func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "MERCHANT 1", "CAF\xC9", "café", "a\x00b", "\x00\xFF", "\xC3", "\uFFFD"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		if !utf8.ValidString(got) || strings.Contains(got, "\x00") {
			t.Errorf("%q became %q, which cannot be stored", s, got)
		}
		if utf8.ValidString(s) && !strings.Contains(s, "\x00") && got != s || clean(got) != got {
			t.Errorf("%q became %q", s, got)
		}
		if !utf8.ValidString(s) && utf8.RuneCountInString(got) != len(s) {
			t.Errorf("%q became %q: not one character a byte", s, got)
		}
	})
}
