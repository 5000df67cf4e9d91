package load

import (
	"bytes"
	"strings"

	"holdfast/switch/iso"
)

// layoutsMax bounds what is learned of a peer that answers in ever new ways; the rest is decoded one by one.
const layoutsMax = 16

// layout is where the two elements that matter stand in answers of one shape.
type layout struct {
	prefix []byte // all that stands before the digits of DE 2: message type, bitmap, length
	bytes  int
	number patch
	code   int // where DE 39 begins, two characters of text
}

// answers reads the answers of one link.
type answers struct {
	dialect *iso.Dialect
	layouts []layout
	decoded int // how many were read by the dialect, not by a layout
}

// verdict is what an answer means for the accounting.
type verdict uint8

const (
	ignored verdict = iota // no answer to a 0100: the peer's own sign-off, say
	approved
	declined
	undecided // 91, 96 and the like: the issuer could not decide
	foreign   // an answer without a number of ours
)

// read tells which message is answered and how.
func (a *answers) read(body []byte) (number uint64, v verdict) {
	for i := range a.layouts {
		l := &a.layouts[i]
		if len(body) == l.bytes && bytes.HasPrefix(body, l.prefix) {
			if n, ok := l.number.get(body); ok {
				return n, judge(body[l.code : l.code+2])
			}
		}
	}
	return a.decode(body)
}

func (a *answers) decode(body []byte) (number uint64, v verdict) {
	a.decoded++
	m, err := a.dialect.Decode(body)
	if err != nil {
		return 0, foreign
	}
	if m.MTI() != "0110" {
		return 0, ignored
	}
	text := []byte(m.Get(37))
	n, ok := patch{digits: len(text), zero: '0'}.get(text)
	if !ok || len(text) != numberDigits {
		return 0, foreign
	}
	code := []byte(m.Get(39))
	v = judge(code)
	if len(a.layouts) == layoutsMax {
		return n, v
	}
	if l, ok := learn(m, body); ok && bytes.Equal(body[l.code:l.code+2], code) {
		if same, ok := l.number.get(body); ok && same == n {
			a.layouts = append(a.layouts, l)
		}
	}
	return n, v
}

// judge reads DE 39 of 1987.
func judge(code []byte) verdict {
	switch string(code) {
	case "00":
		return approved
	case "91", "96", "68", "06":
		return undecided
	}
	return declined
}

// learn finds the layout of an answer. It is false for an answer that cannot be recognised by its bytes.
func learn(m *iso.Message, body []byte) (layout, bool) {
	l := layout{bytes: len(body)}
	pack := func() ([]byte, error) { return m.Append(nil) }
	place := func(de, digits int) (patch, bool) {
		was := m.Get(de)
		if len(was) != digits || m.Set(de, strings.Repeat("1", digits)) != nil {
			return patch{}, false
		}
		with1, err := pack()
		if err != nil {
			return patch{}, false
		}
		p, err := find(m, de, digits, with1, pack)
		return p, err == nil && m.Set(de, was) == nil
	}
	card, ok := place(2, CardDigits)
	if !ok {
		return l, false
	}
	code, ok := place(39, 2)
	if !ok || code.packed || code.zero != '0' {
		return l, false
	}
	if l.number, ok = place(37, numberDigits); !ok {
		return l, false
	}
	l.prefix, l.code = bytes.Clone(body[:card.at]), code.at
	return l, true
}
