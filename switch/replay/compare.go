package replay

import (
	"fmt"
	"slices"

	"holdfast/switch/iso"
)

// Difference is one way in which the peer did other than expected. Its texts may be shown: card data is masked.
type Difference struct {
	Line    int    `json:"line"`           // of the trace
	Step    int    `json:"step"`           // from 1
	ID      string `json:"id,omitempty"`   // the step's
	Note    string `json:"note,omitempty"` // the step's
	Element int    `json:"element"`        // 0 is the message type; -1 the answer as a whole
	Want    string `json:"want"`
	Got     string `json:"got"`
}

// WholeAnswer is the Element of a difference that belongs to no element.
const WholeAnswer = -1

// compare lists the differences between an answer and what was expected of it, by element.
func (p *player) compare(e *expectation, want map[int]string, got *iso.Message) []Difference {
	var found []Difference
	add := func(de int, want, got string) {
		if want == got {
			want, got = want+" of one content", got+" of another"
		}
		found = append(found, Difference{Element: de, Want: want, Got: got})
	}
	if e.mti != "" && got.MTI() != e.mti {
		add(0, e.mti, got.MTI())
	}
	elements := make([]int, 0, len(want))
	for de := range want {
		elements = append(elements, de)
	}
	slices.Sort(elements)
	for _, de := range elements {
		v, has := want[de], got.Has(de)
		if id, refers := reference(v); refers {
			v = p.answered(id, de)
		} else if v == present {
			if !has {
				add(de, "present", "absent")
			}
			continue
		} else {
			v = literal(v)
		}
		switch {
		case !has:
			add(de, shown(got.Dialect(), de, v), "absent")
		case got.Get(de) != v:
			add(de, shown(got.Dialect(), de, v), shown(got.Dialect(), de, got.Get(de)))
		}
	}
	for _, de := range e.absent {
		if got.Has(de) {
			add(de, "absent", shown(got.Dialect(), de, got.Get(de)))
		}
	}
	if e.same != "" {
		p.compareWhole(p.answers[e.same], got, add)
	}
	return found
}

// compareWhole holds an answer against an earlier one, all but DE 7, which a repeat may have anew, and the code that
// covers it.
func (p *player) compareWhole(first, got *iso.Message, add func(de int, want, got string)) {
	if first == nil {
		add(WholeAnswer, "the answer of the earlier step", "it had none")
		return
	}
	if first.MTI() != got.MTI() {
		add(0, first.MTI(), got.MTI())
	}
	for de := 2; de <= 128; de++ {
		if de == 7 || de == 64 || de == 128 || first.Has(de) == got.Has(de) && first.Get(de) == got.Get(de) {
			continue
		}
		add(de, describe(first, de), describe(got, de))
	}
}

func describe(m *iso.Message, de int) string {
	if !m.Has(de) {
		return "absent"
	}
	return shown(m.Dialect(), de, m.Get(de))
}

// shown is a value as it may be seen: the dialect's own description of a message that has it.
func shown(d *iso.Dialect, de int, v string) string {
	m := d.New("0000")
	if m.Set(de, v) == nil {
		for _, e := range m.Describe() {
			if e.DE == de {
				return e.Value
			}
		}
	}
	return fmt.Sprintf("(%d bytes)", len(v))
}

// answered is an element of the answer that an earlier step got.
func (p *player) answered(id string, de int) string {
	if m := p.answers[id]; m != nil {
		return m.Get(de)
	}
	return ""
}
