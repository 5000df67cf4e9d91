package iso

import (
	"fmt"
	"strings"
)

// acceptorParts is how many places a profile may name for the card acceptor's name and location.
const acceptorParts = 8

// Acceptor is the card acceptor's name, city and country (DE 43) as the message says them: the parts that the profile names,
// without the blanks that fill them up and with one between two. A text that is no such layout is taken as one: it does not
// reach the layout's end, or it is not cut by backslashes where the profile takes the element as a whole. Empty: the
// message does not say, or what it has is no text. The characters are those of [Message.Get].
func (m *Message) Acceptor() string {
	var room [acceptorParts]string
	parts := room[:0]
	for _, p := range m.Dialect().profile.Acceptor {
		whole := m.At(Place{de: p.de, part: p.part})
		if len(whole) < p.to {
			return spaced(append(room[:0], whole))
		}
		parts = append(parts, m.At(p))
	}
	if len(parts) == 1 {
		parts = acceptor93(parts)
	}
	return spaced(parts)
}

// acceptor93 cuts the one text as 1993 writes it: name, street and city, each ended by a backslash, then postal code (10),
// region (3) and country (3).
func acceptor93(parts []string) []string {
	cut := strings.SplitN(parts[0], `\`, 4)
	if len(cut) < 4 {
		return cut
	}
	return append(parts[:0], cut[0], cut[2], country93(cut[3]))
}

// country93 is the country behind postal code and region, the last word where these are shorter than they should be.
func country93(rest string) string {
	if len(rest) >= 16 {
		return rest[13:16]
	}
	rest = strings.TrimRight(rest, " ")
	last := rest[strings.LastIndexByte(rest, ' ')+1:]
	if len(last) < 2 || len(last) > 3 || strings.Trim(last, upperLetters) != "" {
		return ""
	}
	return last
}

const upperLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// spaced joins the parts by single blanks. Controls, which only an element of bytes can have, say that it is no text, but
// for zeros behind it.
func spaced(parts []string) string {
	var room [128]byte
	out := room[:0]
	for _, part := range parts {
		part = strings.TrimRight(part, "\x00")
		blank := len(out) > 0
		for i := range len(part) {
			switch c := part[i]; {
			case c < ' ' || c == 0x7f:
				return ""
			case c == ' ':
				blank = len(out) > 0
			default:
				if blank {
					out, blank = append(out, ' '), false
				}
				out = append(out, c)
			}
		}
	}
	return string(out)
}

// compileAcceptor sets the places of the card acceptor's name and location. None at all says that the peer does not send it.
func (f *profileFile) compileAcceptor(d *Dialect, p *Profile) error {
	if f.Acceptor == nil {
		return nil
	}
	if len(f.Acceptor) > acceptorParts {
		return fmt.Errorf("acceptor: %d places are more than %d", len(f.Acceptor), acceptorParts)
	}
	p.Acceptor = make([]Place, len(f.Acceptor))
	for i, w := range f.Acceptor {
		var err error
		if p.Acceptor[i], err = d.parsePlace(string(w)); err != nil {
			return fmt.Errorf("acceptor.%d: %w", i+1, err)
		}
	}
	return nil
}
