package simulate

import (
	"fmt"
	"strings"

	"holdfast/authz/money"
	"holdfast/switch/iso"
)

// amount says how much, and keeps the total of the life.
func (b *builder) amount(out *sent, s *Step, k *kind) error {
	a := money.Amount{Currency: b.currency}
	var err error
	switch {
	case k.class == '4':
		a = out.root.total
	case s.Amount != "":
		if a, err = parseAmount(s.Amount, b.currency); err != nil {
			return err
		}
	}
	out.total = a
	switch {
	case out.root == nil || k.phase == iso.PhaseUnsaid:
	case k.phase == iso.PhaseIncremental:
		if out.becomes, err = out.root.total.Add(a); err != nil {
			return err
		}
	default:
		out.becomes = a
	}
	return out.message.SetAmount(iso.AmountTransaction, a)
}

// life names the earlier message, and for a reversal of a part how much stays.
func (b *builder) life(out *sent, s *Step, k *kind) error {
	m, profile := out.message, b.dialect.Profile()
	if k.function == '2' && k.class != '4' {
		b.stoodIn(out)
	}
	if out.root == nil {
		if !profile.Places.NetworkTraceOf.IsZero() {
			out.trace = fmt.Sprintf("SIM%06d", b.stan)
			_ = m.SetAt(profile.Places.NetworkTrace, out.trace) // then it is found by its other numbers
		}
		return nil
	}
	if out.root.trace != "" {
		_ = m.SetAt(profile.Places.NetworkTraceOf, out.root.trace) // the same
	}
	if k.phase != iso.PhaseUnsaid {
		return nil // more of the same is a request, which names no original
	}
	of := b.steps[s.Of]
	if k.class != '4' {
		of = out.root
	}
	was := of.message
	o := iso.Original{MTI: was.MTI(), STAN: was.Get(11), Transmitted: was.Get(7), Local: was.Get(12), Acquirer: was.Get(32)}
	if err := m.SetOriginal(o); err != nil {
		return unsaid("the original: %w", err)
	}
	if s.Keep == "" {
		return nil
	}
	keep, err := parseAmount(s.Keep, b.currency)
	if err != nil {
		return err
	}
	return b.partly(out, keep)
}

// stoodIn fills in what an advice says of the decision that somebody has made: that of our own answer, if there was one.
func (b *builder) stoodIn(out *sent) {
	code := "SIM001"
	if b.dialect.Profile().ApprovalAlphabet == "0123456789" {
		code = "100001"
	}
	if root := out.root; root != nil && root.answer != nil && root.answer.Has(38) {
		code = root.answer.Get(38)
	}
	put(out.message, 38, code)
	w := words["approved"]
	put(out.message, 39, w.accepts(b.dialect.Profile())[0])
}

// partly says how much of the total a reversal leaves, in the style of the peer.
func (b *builder) partly(out *sent, keep money.Amount) error {
	m, style, total := out.message, b.dialect.Profile().Reversal, out.root.total
	stated := keep
	var err error
	if style.GivesBack {
		if stated, err = total.Sub(keep); err != nil {
			return err
		}
	}
	out.becomes = keep
	if style.Field == iso.ReversalDE95 {
		scratch := b.dialect.New(m.MTI())
		if err := scratch.SetAmount(iso.AmountTransaction, stated); err != nil {
			return err
		}
		length := b.dialect.Spec().Fields[95].Spec().Length
		return m.Set(95, scratch.Get(4)+strings.Repeat("0", max(0, length-len(scratch.Get(4)))))
	}
	if style.Field == iso.ReversalDE30 {
		put(m, 24, "401")
		if err := m.SetOriginalAmounts(total, money.Amount{}); err != nil {
			return unsaid("the original amounts: %w", err)
		}
	}
	return m.SetAmount(iso.AmountTransaction, stated)
}

// phase says where in its life the transaction is, by the peer's rules.
func (b *builder) phase(out *sent, s *Step, k *kind) error {
	m, profile := out.message, b.dialect.Profile()
	if s.PartOK {
		if len(profile.PartialApproval) == 0 {
			return unsaid("partOK")
		}
		if err := meet(m, profile.PartialApproval[0]); err != nil {
			return err
		}
	}
	if k.phase == iso.PhaseUnsaid || m.Phase() == k.phase {
		return nil
	}
	for _, rule := range profile.Phases {
		if rule.Phase != k.phase {
			continue
		}
		for _, c := range rule.When {
			if err := meet(m, c); err != nil {
				return err
			}
		}
		return nil
	}
	if k.phase == iso.PhasePreAuthorization {
		return nil // a peer that does not tell an estimate from a final amount sends a plain authorization
	}
	return unsaid("%s", s.Send)
}

// meet makes a condition hold.
func meet(m *iso.Message, c iso.Condition) error {
	if c.Holds(m) {
		return nil
	}
	if len(c.Is) == 0 {
		return unsaid("element %s", c.At)
	}
	if err := m.SetAt(c.At, c.Is[0]); err != nil {
		return unsaid("element %s: %w", c.At, err)
	}
	return nil
}
