package simulate

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"holdfast/authz/money"
	"holdfast/switch/client"
	"holdfast/switch/iso"
)

// Difference is one way in which the host did other than expected. Its texts may be shown: card data is masked.
type Difference struct {
	What string `json:"what"` // "answer", "message type", "element 39", "balance"
	Want string `json:"want"`
	Got  string `json:"got"`
}

func (o *Outcome) differ(what, want, got string) {
	o.Found = append(o.Found, Difference{what, want, got})
}

// judge holds what came back for one copy against what the step expects.
func (s *Simulation) judge(o *Outcome, a arrival) {
	e := &o.Step.Expected
	switch {
	case e.Is == "silence" && a.message != nil:
		o.differ("answer", "none", "type "+a.message.MTI()+", action code "+a.message.Get(39))
		return
	case e.Is == "silence" && errors.Is(a.err, client.ErrTimeout):
		return
	case a.message == nil:
		o.differ("answer", "one", "none: "+a.err.Error())
		return
	}
	m := a.message
	if want := answerType(o.Sent.MTI()); m.MTI() != want {
		o.differ("message type", want, m.MTI())
	}
	if s.config.MAC != nil && !m.MACBy(s.config.MAC) {
		o.differ("message authentication", "a code by our key", map[bool]string{false: "none", true: "another"}[m.HasMAC()])
	}
	s.judgeCode(o, m)
	if e.Same != "" {
		compareSame(o, s.build.steps[e.Same].answer, m)
	}
	if len(o.Answers) > 1 {
		compareSame(o, o.Answers[0], m) // copies of one message are one
	}
	s.judgeAmount(o, m)
	for _, key := range slices.Sorted(maps.Keys(e.Elements)) {
		de, _ := element(key) // it was checked
		judgeElement(o, m, de, e.Elements[key])
	}
	if e.Balance != nil {
		s.judgeBalance(o, m)
	}
}

// answerType is the type of the answer to a message: the function one up, the origin without its repeat bit.
func answerType(mti string) string {
	return string([]byte{mti[0], mti[1], mti[2] + 1, mti[3] &^ 1})
}

func (s *Simulation) judgeCode(o *Outcome, m *iso.Message) {
	e, got := &o.Step.Expected, m.Get(39)
	if len(e.Code) > 0 && !slices.Contains(e.Code, got) {
		o.differ("element 39", strings.Join(e.Code, " or "), quoted(got))
	}
	profile := s.config.Dialect.Profile()
	w := words[e.Is]
	switch accepted := w.accepts(profile); {
	case e.Is == "declined" && goesAhead(got, profile.Forms.ActionCodes):
		o.differ("element 39", "a decline", quoted(got))
	case len(accepted) > 0 && !slices.Contains(accepted, got):
		o.differ("element 39", fmt.Sprintf("%s (%s)", strings.Join(accepted, " or "), e.Is), quoted(got))
	}
}

// judgeAmount holds DE 4 against the amount that is expected.
func (s *Simulation) judgeAmount(o *Outcome, m *iso.Message) {
	if o.Step.Expected.Amount == "" {
		return
	}
	want, _ := parseAmount(o.Step.Expected.Amount, s.config.Currency) // it was checked
	got, given, err := m.Amount(iso.AmountTransaction)
	switch {
	case err != nil || !given:
		o.differ("element 4", want.String(), "none that can be read")
	case got != want:
		o.differ("element 4", want.String(), got.String())
	}
}

func judgeElement(o *Outcome, m *iso.Message, de int, want string) {
	what := fmt.Sprintf("element %d", de)
	switch has := m.Has(de); {
	case want == "present" && !has, want != "present" && want != "absent" && !has:
		o.differ(what, "present", "absent")
	case want == "absent" && has:
		o.differ(what, "absent", shown(m, de))
	case want != "present" && want != "absent" && m.Get(de) != want:
		o.differ(what, fmt.Sprintf("another of %d characters", len(want)), shown(m, de))
	}
}

// judgeBalance holds the change of what can be spent, in the inquiry's currency, against the one that is expected.
func (s *Simulation) judgeBalance(o *Outcome, m *iso.Message) {
	b := o.Step.Expected.Balance
	before, had := available(s.build.steps[b.Since].answer)
	now, has := available(m)
	if !had || !has {
		o.differ("balance", "two answers that tell it (DE 54)", "one without")
		return
	}
	want, _ := parseAmount(b.By, s.config.Currency) // it was checked
	if change, err := now.Sub(before); err != nil || change != want {
		o.differ("balance", "changed by "+want.String(), "changed by "+change.String())
	}
}

// available is what can be spent, by DE 54.
func available(m *iso.Message) (money.Amount, bool) {
	if m == nil {
		return money.Amount{}, false
	}
	sets, _ := m.AdditionalAmounts() // those before a fault are good
	for _, set := range sets {
		if set.Kind == "02" {
			return set.Amount, true
		}
	}
	return money.Amount{}, false
}

// compareSame holds an answer against an earlier one, all but DE 7, which a repeat may have anew, and the code that covers
// it.
func compareSame(o *Outcome, first, got *iso.Message) {
	if first == nil {
		o.differ("answer", "that of the earlier step", "it had none")
		return
	}
	if first.MTI() != got.MTI() {
		o.differ("message type", first.MTI(), got.MTI())
	}
	for de := 2; de <= 128; de++ {
		if de != 7 && de != 64 && de != 128 && (first.Has(de) != got.Has(de) || first.Get(de) != got.Get(de)) {
			o.differ(fmt.Sprintf("element %d", de), shown(first, de), shown(got, de))
		}
	}
}

// shown is an element as it may be seen.
func shown(m *iso.Message, de int) string {
	for _, e := range m.Describe() {
		if e.DE == de && e.Part == "" {
			return quoted(e.Value)
		}
	}
	return "absent"
}

func quoted(v string) string {
	if v == "" {
		return "nothing"
	}
	return v
}
