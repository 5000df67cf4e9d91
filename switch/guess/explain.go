package guess

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"holdfast/switch/iso"
)

// Weights of an explanation, in thousandths. Reading to the last byte counts most; of what was read before a fault a
// part counts; making sense decides between dialects that read the same bytes.
const (
	weightDecoded = 700
	weightPartial = 350
	weightSense   = 300
	// A length that cuts all chunks, or a header that says what it is, is hardly ever there by chance; a header of
	// unknown bytes can always be made up.
	penaltyOpaque = 20
	penaltyTyped  = 5
	penaltyCutOff = 5
	penaltyIdle   = 5
	bonusFraming  = 1
)

// now is any time: dates without a year only have to exist.
var now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// explain says how well the dialect explains the frames of a cut.
func explain(d *iso.Dialect, c cut) Guess {
	g := Guess{Dialect: d, Framing: c.framing, Frames: len(c.bodies)}
	faults, senses, total := map[string]int{}, map[string]*sense{}, 0
	for _, body := range c.bodies {
		m, err := d.Decode(body)
		if m == nil || !messageType(m) {
			faults["the message type is none of the edition"]++
			continue
		}
		passed, all := judge(m, senses)
		quality := passed * 1000 / max(all, 1)
		if all == 0 {
			quality = 500
		}
		if err == nil {
			g.Decoded++
			total += weightDecoded + weightSense*quality/1000
			continue
		}
		var fault *iso.FormatError
		if errors.As(err, &fault) {
			faults[fault.Error()]++
		}
		if fault != nil && fault.DE != 1 { // without a bitmap nothing was read
			total += weightPartial * min(d.Offset(m, fault), len(body)) / len(body) * quality / 1000
		}
	}
	g.Score = total / max(g.Frames, 1)
	if g.Score == 0 {
		return g
	}
	g.Score = max(1, g.Score-penalty(d, c))
	g.Reasons = reasons(g, c, senses, faults)
	return g
}

// penalty orders ways that explain the frames equally well by what they suppose.
func penalty(d *iso.Dialect, c cut) int {
	p := 0
	switch {
	case c.opaque && c.framing[:4] == "none":
		p += 2 * penaltyOpaque // no length speaks for it either
	case c.opaque:
		p += penaltyOpaque
	}
	if c.typed {
		p += penaltyTyped
	}
	if !c.whole {
		p += penaltyCutOff
	}
	if c.idle { // zeros in a longer length look like empty frames
		p += penaltyIdle
	}
	if c.framing != d.Profile().Framing.String() {
		p += bonusFraming
	}
	return p
}

// messageType reports whether the message type can be one of the dialect's edition.
func messageType(m *iso.Message) bool {
	version := map[iso.Version]byte{iso.V1987: '0', iso.V1993: '1', iso.V2003: '2'}[m.Dialect().Version()]
	t := m.MTI()
	return t[0] == version && t[1] >= '1' && t[1] <= '9' && t[2] <= '7' && t[3] <= '5'
}

// sense counts how often one kind of content made sense.
type sense struct{ passed, all int }

// judge looks at what was read and answers how much of it makes sense, and how much was looked at.
func judge(m *iso.Message, senses map[string]*sense) (passed, all int) {
	note := func(what string, weight int, good bool) {
		if senses[what] == nil {
			senses[what] = &sense{}
		}
		senses[what].all++
		all += weight
		if good {
			senses[what].passed++
			passed += weight
		}
	}
	if m.Get(2) != "" {
		n, ok := m.PAN()
		note("card numbers pass their check digit", 2, ok && n.LuhnValid())
	}
	if _, given, err := m.Transmitted(now); given {
		note("times of transmission exist", 2, err == nil)
	}
	if _, given, err := m.LocalTime(now); given {
		note("local times exist", 1, err == nil)
	}
	for _, of := range []int{iso.AmountTransaction, iso.AmountBilling} {
		if _, given, err := m.Amount(of); given {
			note("amounts and their currencies exist", 2, err == nil)
		}
	}
	if v := m.Get(14); v != "" {
		note("expiry dates exist", 1, len(v) == 4 && (v[2:] >= "01" && v[2:] <= "12" || v == "0000"))
	}
	for _, de := range []int{37, 38, 41, 42, 43} {
		if v := m.Get(de); v != "" {
			note("text is made of letters and digits", 2, words(v))
		}
	}
	if _, given, err := m.Original(); given {
		note("originals are named in the edition's form", 1, err == nil)
	}
	if v := m.Get(55); v != "" {
		_, err := m.Parts(55)
		note("chip data is BER-TLV", 1, err == nil)
	}
	for _, de := range private {
		if v := m.Get(de); v != "" {
			if parts, err := m.Parts(de); len(parts) > 0 || err != nil {
				note("private elements have the parts that they should", 1, err == nil)
			} else if def, _ := m.Dialect().Definition(de); strings.HasPrefix(def.Format, "a") {
				note("private text can be printed", 1, !strings.ContainsFunc(v, unprinted))
			}
		}
	}
	return passed, all
}

// private are the elements whose content dialects differ in most.
var private = []int{44, 46, 48, 60, 61, 62, 63, 111, 120, 123, 126, 127}

// unprinted reports a control character. Other bytes beyond ASCII come as what is no UTF-8.
func unprinted(r rune) bool { return r < ' ' || r == 0x7f }

// words reports whether most of the text is letters, digits and blanks.
func words(v string) bool {
	good := 0
	for i := range len(v) {
		c := v[i] | 0x20
		if c >= 'a' && c <= 'z' || v[i] >= '0' && v[i] <= '9' || v[i] == ' ' {
			good++
		}
	}
	return good*5 >= len(v)*4
}

// reasons puts the counts into words, the weightiest first.
func reasons(g Guess, c cut, senses map[string]*sense, faults map[string]int) []string {
	out := []string{fmt.Sprintf("%d of %d messages are read to the last byte", g.Decoded, g.Frames)}
	switch {
	case c.framing != "none" && c.whole:
		out = append(out, "the framing leaves nothing over")
	case !c.whole:
		out = append(out, "the last frame is cut off")
	}
	for _, what := range slices.Sorted(maps.Keys(senses)) {
		if s := senses[what]; s.passed == s.all {
			out = append(out, fmt.Sprintf("%s (%d)", what, s.all))
		} else {
			out = append(out, fmt.Sprintf("%s only in %d of %d", what, s.passed, s.all))
		}
	}
	for _, fault := range slices.Sorted(maps.Keys(faults)) {
		out = append(out, fmt.Sprintf("%s: %d of %d", fault, faults[fault], g.Frames))
	}
	return out
}
