package iso

import (
	"fmt"
	"strings"

	"holdfast/authz/money"
)

// The form of DE 54, in characters.
const (
	additional     = 2 + 2 + 3 + 1 + minorDigits // account, kind, currency, sign, amount
	additional2003 = additional + 1              // with the exponent behind the currency
	additionalMax  = 6                           // sets
)

// AdditionalAmount is one set of DE 54.
type AdditionalAmount struct {
	// Account is the kind of account, 00 when it does not matter; Kind is what the amount is (01 ledger balance,
	// 02 available, 40 cash, 57 original amount and so on).
	Account, Kind string
	// Amount is negative when its sign is D.
	Amount money.Amount
}

// AdditionalAmounts are the sets of DE 54, at most six. The error is a *FormatError; the sets before it are good.
func (m *Message) AdditionalAmounts() ([]AdditionalAmount, error) {
	sets, kind := m.Dialect().profile.ParseAdditional(m.Get(54))
	return sets, formatError(54, kind)
}

// SetAdditionalAmounts writes DE 54 in the peer's form. The error is a *FormatError.
func (m *Message) SetAdditionalAmounts(sets ...AdditionalAmount) error {
	p := m.Dialect().Profile()
	var b strings.Builder
	for _, set := range sets {
		sign, a := byte('C'), set.Amount
		if a.IsNegative() {
			sign, a.Minor = 'D', -a.Minor
		}
		digits, kind := p.formatMinor(a)
		if kind != 0 || len(set.Account) != 2 || len(set.Kind) != 2 || len(sets) > additionalMax {
			return &FormatError{DE: 54, Kind: KindAmount}
		}
		b.WriteString(set.Account + set.Kind + a.Currency.Numeric())
		if p.Forms.Amounts == V2003 {
			fmt.Fprintf(&b, "%d", p.exponent(a.Currency))
		}
		b.WriteByte(sign)
		b.WriteString(digits)
	}
	return m.Set(54, b.String())
}

// ParseAdditional reads the characters of DE 54: sets of 20, or of 21 with an exponent in 2003. The kind is 0, or says
// what is wrong with the set behind those returned.
func (p *Profile) ParseAdditional(v string) ([]AdditionalAmount, Kind) {
	size := additional
	if p.Forms.Amounts == V2003 {
		size = additional2003
	}
	if len(v)%size != 0 || len(v) > additionalMax*size {
		return nil, KindLength
	}
	var sets []AdditionalAmount
	for ; len(v) > 0; v = v[size:] {
		set := AdditionalAmount{Account: v[:2], Kind: v[2:4]}
		rest := v[7:size]
		c, err := money.ByNumeric(v[4:7])
		if err != nil {
			return sets, KindValue
		}
		if size == additional2003 {
			if int(rest[0])-'0' != p.exponent(c) {
				return sets, KindAmount
			}
			rest = rest[1:]
		}
		minor, kind := p.parseMinor(rest[1:], c)
		switch {
		case kind != 0:
			return sets, kind
		case rest[0] == 'D':
			minor = -minor
		case rest[0] != 'C':
			return sets, KindValue
		}
		set.Amount = money.Amount{Minor: minor, Currency: c}
		sets = append(sets, set)
	}
	return sets, 0
}

// Surcharge is the fee of the acquirer (DE 28 of 1987), in the currency of the transaction; it is negative when it is
// credited to the cardholder. It is false when there is none. The error is a *FormatError.
func (m *Message) Surcharge() (a money.Amount, given bool, err error) {
	v := m.Get(28)
	if m.Dialect().version != V1987 || len(v) < 2 {
		return a, false, nil
	}
	c, err := money.ByNumeric(m.Get(49))
	if err != nil {
		return a, true, &FormatError{DE: 49, Kind: KindValue}
	}
	minor, kind := m.Dialect().profile.parseMinor(v[1:], c)
	if v[0] == 'C' {
		minor = -minor
	}
	return money.Amount{Minor: minor, Currency: c}, true, formatError(28, kind)
}
