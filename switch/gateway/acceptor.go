package gateway

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// acceptorMax bounds the merchant's name and location, in characters: what the longest DE 43 that is text holds.
const acceptorMax = 99

// oneLine is characters of a peer as text that may be shown anywhere: UTF-8, and what is none read as Latin-1, of at most
// acceptorMax characters, blanks in the place of controls, of marks of the direction of writing and of what else is not seen.
func oneLine(characters string) string {
	if len(characters) <= acceptorMax && strings.IndexFunc(characters, func(c rune) bool { return c < ' ' || c > '~' }) < 0 {
		return characters
	}
	encoded := utf8.ValidString(characters)
	var b strings.Builder
	for count := 0; len(characters) > 0 && count < acceptorMax; count++ {
		c, size := rune(characters[0]), 1
		if encoded {
			c, size = utf8.DecodeRuneInString(characters)
		}
		if c == utf8.RuneError || !unicode.IsPrint(c) {
			c = ' '
		}
		b.WriteRune(c)
		characters = characters[size:]
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
