package gateway

import (
	"fmt"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/switch/iso"
)

// echoed are the elements that an answer repeats character by character. What identifies the cardholder
// or the card beyond its number (14, 35, 36, 45, 52, 53, 55) never comes back. The card's sequence number
// is no part of a reversal's answer, and the replacement amounts are of no other.
var (
	echoed   = []int{2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16, 23, 24, 28, 32, 33, 37, 41, 42, 49, 50, 51, 59, 62, 63, 102, 103}
	advised  = append([]int{38, 90}, echoed...)
	reversed = []int{2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16, 24, 28, 32, 33, 37, 38, 41, 42, 49, 50, 51, 59, 62, 63, 90, 95, 102, 103}
	managed  = []int{7, 11, 12, 13, 15, 32, 33, 70, 93, 94, 99, 100}
	brief    = []int{2, 3, 4, 7, 11, 12, 13, 32, 37, 41, 42, 49}
)

// answer is a response that has yet to be encoded. It belongs to the link's writer once handed over.
type answer struct {
	request  *iso.Message
	decision authz.Decision
	brief    bool // only what must be there: the full answer could not be encoded
}

// Append implements [Encoder].
func (a *answer) Append(dst []byte) ([]byte, error) {
	t := mti(a.request.MTI())
	d := a.request.Dialect()
	m := d.New(t.answer())
	switch {
	case a.brief:
		m.Copy(a.request, brief...)
	case t.class() == classNetwork:
		m.Copy(a.request, managed...)
	case t.class() == classReversal:
		m.Copy(a.request, reversed...)
	case t.function() == functionAdvice:
		m.Copy(a.request, advised...)
	default:
		m.Copy(a.request, echoed...)
	}
	if err := a.result(m, d.Version()); err != nil {
		return dst, err
	}
	return m.Append(dst)
}

func (a *answer) result(m *iso.Message, v iso.Version) error {
	r := a.decision.Reason
	if err := m.Set(39, ActionCode(r, v)); err != nil {
		return fmt.Errorf("set the action code: %w", err)
	}
	if r.Approval() && a.decision.ApprovalCode != "" {
		if err := m.Set(38, a.decision.ApprovalCode); err != nil {
			return fmt.Errorf("set the approval code: %w", err)
		}
	}
	if r != authz.Approved || transactionOf(a.request.Get(3), a.decision.Amount) != authz.Inquiry {
		return nil
	}
	if available, ok := a.decision.Available(); ok && available <= shownMax && available >= -shownMax {
		if err := m.Set(54, additionalAmount(available, a.decision.Currency)); err != nil {
			return fmt.Errorf("set the balance: %w", err)
		}
	}
	return nil
}

// shownMax is the greatest balance that DE 54 has room for; a greater one is not told.
const shownMax = 999_999_999_999

// additionalAmount is one set of DE 54: account type 00, amount type 02 (available), currency, sign, amount.
func additionalAmount(minor int64, c money.Currency) string {
	sign := byte('C')
	if minor < 0 {
		sign, minor = 'D', -minor
	}
	return fmt.Sprintf("0002%s%c%012d", c.Numeric(), sign, minor)
}
