package gateway

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/switch/iso"
)

// echoed are the elements that an answer repeats character by character, by what is answered. What identifies the
// cardholder or the card beyond its number (14, 35, 36, 45, 52, 53, 55) never comes back. The card's sequence number is
// no part of a reversal's answer, and the replacement amounts are of no other.
type echoed struct{ request, advice, reversal, file, reconciliation, network, brief []int }

var echoes = map[iso.Version]echoed{
	iso.V1987: {
		request: []int{2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16, 23, 24, 28, 32, 33, 37, 41, 42, 49, 50, 51, 59, 62, 63,
			102, 103},
		advice:         []int{38, 90},
		reversal:       []int{38, 90, 95},
		file:           []int{2, 7, 11, 12, 13, 32, 33, 73, 91, 93, 94, 99, 100, 101},
		reconciliation: []int{7, 11, 12, 13, 15, 32, 33, 50, 93, 94, 99, 100},
		network:        []int{7, 11, 12, 13, 15, 32, 33, 37, 70, 93, 94, 99, 100},
		brief:          []int{2, 3, 4, 7, 11, 12, 13, 32, 37, 41, 42, 49},
	},
	iso.V1993: {
		request: []int{2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 15, 16, 23, 28, 32, 33, 37, 41, 42, 49, 50, 51, 59, 62, 63, 102, 103},
		advice:  []int{38, 56}, reversal: []int{30, 38, 56},
		file:           []int{2, 7, 11, 12, 32, 33, 59, 73, 93, 94, 99, 100, 101},
		reconciliation: []int{7, 11, 12, 15, 28, 32, 33, 50, 59, 93, 94, 99, 100},
		network:        []int{7, 11, 12, 15, 24, 28, 32, 33, 59, 93, 94, 99, 100},
		brief:          []int{2, 3, 4, 7, 11, 12, 32, 37, 41, 42, 49},
	},
	iso.V2003: {
		request: []int{2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 15, 16, 21, 23, 32, 33, 37, 41, 42, 59, 62, 63, 102, 103, 111},
		advice:  []int{38, 56}, reversal: []int{30, 38, 56},
		file:           []int{2, 7, 11, 12, 32, 33, 59, 63, 73, 93, 94, 99, 100, 101},
		reconciliation: []int{7, 11, 12, 15, 32, 33, 59, 63, 93, 94, 99, 100},
		network:        []int{7, 11, 12, 15, 24, 28, 32, 33, 59, 63, 93, 94, 99, 100},
		brief:          []int{2, 3, 4, 7, 11, 12, 32, 37, 41, 42},
	},
}

// tagIssuerAuth is the tag of the issuer's answer to the card's chip, of at most 16 bytes.
const tagIssuerAuth = 0x91

// tagResponseCode is the tag of the response code for the card's chip: two characters of 1987 in any edition, the same that
// the issuer's answer is computed with.
const tagResponseCode = 0x8a

var chipCodes = map[bool]string{true: "00", false: "05"}

// sequence is DE 23, which answers to reversals leave out.
const sequence = 23

// echoOf makes the lists of a dialect: those of its edition, with what its profile adds and takes away.
func echoOf(d *iso.Dialect) echoed {
	base, p := echoes[d.Version()], d.Profile()
	adjust := func(des ...int) []int {
		var out []int
		for _, de := range des {
			if !slices.Contains(p.NoEcho, de) {
				out = append(out, de)
			}
		}
		return out
	}
	common := slices.Concat(base.request, p.Echo)
	reversal := slices.DeleteFunc(slices.Concat(common, base.reversal), func(de int) bool { return de == sequence })
	return echoed{request: adjust(common...), advice: adjust(slices.Concat(common, base.advice)...), reversal: adjust(reversal...),
		file: adjust(base.file...), reconciliation: adjust(base.reconciliation...), network: adjust(base.network...),
		brief: base.brief}
}

// of is the list for the answer to a message.
func (e *echoed) of(t mti) []int {
	switch {
	case t.class() == classFile:
		return e.file
	case t.class() == classReconciliation:
		return e.reconciliation
	case t.class() == classNetwork:
		return e.network
	case t.class() == classReversal:
		return e.reversal
	case t.function() == functionAdvice:
		return e.advice
	}
	return e.request
}

// answer is a response that has yet to be encoded. It belongs to the link's writer once handed over.
type answer struct {
	session  *Session
	request  *iso.Message
	at       time.Time // when the request came
	decision authz.Decision
	verdict  verdict
	fee      int64          // of DE 28, in the amount that was decided on and not in DE 4
	more     map[int]string // elements of this answer alone
	cause    error          // of a format error
	brief    bool           // only what must be there: the full answer could not be encoded
	sent     func()         // to be done once the answer is on the wire
	seal     sealing        // its authentication code
	encoded  bool
}

// Append implements [Encoder].
func (a *answer) Append(dst []byte) ([]byte, error) {
	t := mti(a.request.MTI())
	place := a.session.place
	m := a.request.Dialect().New(t.answer())
	if a.brief {
		m.Copy(a.request, place.echo.brief...)
	} else {
		m.Copy(a.request, place.echo.of(t)...)
	}
	if place.ownTime && m.Has(7) {
		if err := m.Set(7, a.at.UTC().Format("0102150405")); err != nil {
			return dst, fmt.Errorf("set our time: %w", err)
		}
	}
	if err := a.result(m); err != nil {
		return dst, err
	}
	dst, err := a.session.append(dst, m, a.seal)
	a.encoded = err == nil
	return dst, err
}

// Sent is called when what was encoded has been handed to the socket.
func (a *answer) Sent() {
	if a.encoded && a.sent != nil {
		a.sent()
	}
}

func (a *answer) result(m *iso.Message) error {
	r := a.decision.Reason
	if err := m.Set(39, a.session.code(a)); err != nil {
		return fmt.Errorf("set the action code: %w", err)
	}
	if a.brief {
		return nil
	}
	if r.Approval() && a.decision.ApprovalCode != "" {
		if err := m.Set(38, a.decision.ApprovalCode); err != nil {
			return fmt.Errorf("set the approval code: %w", err)
		}
	}
	if auth := a.decision.IssuerAuth; len(auth) > 0 {
		data := append([]byte{tagIssuerAuth, byte(len(auth))}, auth...)
		if a.session.place.profile.ChipResponseCode {
			data = append(append(data, tagResponseCode, 2), chipCodes[r.Approval()]...)
		}
		if err := m.Set(55, string(data)); err != nil {
			return fmt.Errorf("set the answer to the chip: %w", err)
		}
	}
	if err := a.cvv2(m); err != nil {
		return fmt.Errorf("set the result of the verification value: %w", err)
	}
	for de, v := range a.more {
		if err := m.Set(de, v); err != nil {
			return fmt.Errorf("set what was asked for: %w", err)
		}
	}
	switch {
	case a.verdict == noTotals && m.Dialect().Version() == iso.V1987:
		return m.Set(settlementElement, "3")
	case r == authz.ApprovedPart:
		return a.part(m)
	case r == authz.FormatError && m.Dialect().Version() == iso.V2003 && indicator(a.cause) != "":
		return m.Set(18, indicator(a.cause))
	case r == authz.Approved:
		a.balance(m)
	}
	return nil
}

// cvv2 tells what became of a verification value that came with a request, where the peer wants to hear. It follows from the
// decision: reasons that come later than that of a wrong value are given only when the value was right, and those that
// come earlier before it was looked at. So a repeat is told the same, and nobody learns anything of a card by a value
// that was not to be judged.
func (a *answer) cvv2(m *iso.Message) error {
	profile, t := a.session.place.profile, mti(a.request.MTI())
	form, r := &profile.CVV2Result, a.decision.Reason
	if form.At.IsZero() || t.told() || strings.TrimSpace(a.request.At(profile.Places.CVV2)) == "" {
		return nil
	}
	word := form.NotProcessed
	switch {
	case a.verdict != noVerdict || r.Undecided():
	case r == authz.CVV2Wrong:
		word = form.NoMatch
	case r.Approval() || r > authz.CVV2Wrong:
		word = form.Match
	}
	if word == "" {
		return nil
	}
	m.CopyHead(a.request, form.At)
	return m.SetAt(form.At, word)
}

// The kinds of additional amounts that we send, for any account.
const (
	kindAvailable = "02"
	kindOriginal  = "57"
	anyAccount    = "00"
)

// balance tells what an inquiry asked for. A balance that the peer's form has no room for is not told.
func (a *answer) balance(m *iso.Message) {
	if transactionOf(a.request.Get(3), a.decision.Amount) != authz.Inquiry {
		return
	}
	if available, ok := a.decision.Available(); ok {
		// An error leaves the element out.
		_ = m.SetAdditionalAmounts(iso.AdditionalAmount{Account: anyAccount, Kind: kindAvailable,
			Amount: money.Amount{Minor: available, Currency: a.decision.Currency}})
	}
}

// part answers an approval of less than was asked for: DE 4 and, where the request had it, DE 6 are the part, and what
// was asked for stands in DE 30 or, in 1987, in DE 54. Our own rounding never makes a part more than what is held.
func (a *answer) part(m *iso.Message) error {
	asked, given, err := a.request.Amount(iso.AmountTransaction)
	if err != nil || !given {
		return fmt.Errorf("read what was asked for: %w", err)
	}
	part := money.Amount{Minor: max(a.decision.ApprovedTransaction-a.fee, 0), Currency: asked.Currency}
	if err := m.SetAmount(iso.AmountTransaction, part); err != nil {
		return fmt.Errorf("set the part: %w", err)
	}
	if m.Has(iso.AmountBilling) {
		held := money.Amount{Minor: a.decision.Amount, Currency: a.decision.Currency}
		if err := m.SetAmount(iso.AmountBilling, held); err != nil {
			return fmt.Errorf("set the part that is billed: %w", err)
		}
	}
	at := a.session.place.profile.Places.OriginalAmounts
	if at.IsZero() {
		err = m.SetAdditionalAmounts(iso.AdditionalAmount{Account: anyAccount, Kind: kindOriginal, Amount: asked})
	} else {
		err = a.original(m, at.DE())
	}
	if err != nil {
		return fmt.Errorf("set what was asked for: %w", err)
	}
	return nil
}

// original writes DE 30: the amounts of the request as it wrote them, zeros for one that it had not. The 2003 profile
// packs them.
func (a *answer) original(m *iso.Message, de int) error {
	asked := a.request.Get(iso.AmountTransaction)
	settled := a.request.Get(iso.AmountSettlement)
	text := asked + settled + strings.Repeat("0", len(asked)-len(settled))
	if a.session.place.profile.Forms.Amounts == iso.V2003 {
		packed, err := hex.DecodeString(text)
		if err != nil {
			return err
		}
		text = string(packed)
	}
	return m.Set(de, text)
}
