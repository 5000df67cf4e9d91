package iso

import (
	"encoding/hex"
	"fmt"
	"strings"

	"holdfast/authz/money"
)

// The amounts of a message.
const (
	AmountTransaction = 4 // in the currency of the transaction
	AmountSettlement  = 5 // as the network settles it
	AmountBilling     = 6 // in the cardholder's currency
)

// Lengths of the parts of amounts, in characters.
const (
	minorDigits = 12
	amount2003  = 3 + 1 + minorDigits // currency, exponent, amount
)

// Amount is one of the amounts of a message, in minor units of ISO 4217 whatever the peer's own decimals are; false
// when the message does not have it or, in 1987 and 1993, not its currency. A *FormatError says what is wrong with it.
func (m *Message) Amount(of int) (a money.Amount, given bool, err error) {
	p := m.Dialect().Profile()
	if !m.Has(of) {
		return a, false, nil
	}
	if p.Forms.Amounts == V2003 {
		a, kind := p.parseAmount2003(m.Get(of))
		return a, true, formatError(of, kind)
	}
	currencyDE := of + 45 // 49, 50 and 51
	if !m.Has(currencyDE) {
		return a, false, nil
	}
	a.Currency, err = money.ByNumeric(m.Get(currencyDE))
	if err != nil {
		return money.Amount{}, true, &FormatError{DE: currencyDE, Kind: KindValue}
	}
	var kind Kind
	a.Minor, kind = p.parseMinor(m.Get(of), a.Currency)
	return a, true, formatError(of, kind)
}

// SetAmount writes one of the amounts and, in 1987 and 1993, its currency, in the peer's own decimals. The error is a
// *FormatError when the amount is negative, has more than twelve digits, or cannot be said in these decimals.
func (m *Message) SetAmount(of int, a money.Amount) error {
	p := m.Dialect().Profile()
	digits, kind := p.formatMinor(a)
	if kind != 0 {
		return &FormatError{DE: of, Kind: kind}
	}
	if p.Forms.Amounts == V2003 {
		return m.Set(of, fmt.Sprintf("%s%d%s", a.Currency.Numeric(), p.exponent(a.Currency), digits))
	}
	if err := m.Set(of, digits); err != nil {
		return err
	}
	return m.Set(of+45, a.Currency.Numeric())
}

// formatError is the fault of an element, nil when the kind is none.
func formatError(de int, kind Kind) error {
	if kind == 0 {
		return nil
	}
	return &FormatError{DE: de, Kind: kind}
}

// exponent is the number of decimals that the peer counts the currency in.
func (p *Profile) exponent(c money.Currency) int {
	if n, own := p.Exponents[c.Numeric()]; own {
		return n
	}
	return c.Exponent()
}

// parseMinor reads digits in the peer's decimals. What our decimals cannot say is refused rather than rounded.
func (p *Profile) parseMinor(digits string, c money.Currency) (int64, Kind) {
	minor, err := money.ParseMinor(digits)
	if err != nil {
		return 0, KindAmount
	}
	return rescale(minor, p.exponent(c), c.Exponent())
}

// formatMinor is the opposite of parseMinor.
func (p *Profile) formatMinor(a money.Amount) (string, Kind) {
	minor, kind := rescale(a.Minor, a.Currency.Exponent(), p.exponent(a.Currency))
	if kind != 0 || minor < 0 || minor > amountMax || a.Currency.IsZero() {
		return "", KindAmount
	}
	return fmt.Sprintf("%012d", minor), 0
}

// amountMax is what twelve digits can say.
const amountMax = 999_999_999_999

// rescale turns minor units of one number of decimals into those of another, without rounding.
func rescale(minor int64, from, to int) (int64, Kind) {
	for ; from < to; from++ {
		if minor > money.MinorMax/10 || minor < -money.MinorMax/10 {
			return 0, KindAmount
		}
		minor *= 10
	}
	for ; from > to; from-- {
		if minor%10 != 0 {
			return 0, KindAmount
		}
		minor /= 10
	}
	return minor, 0
}

// parseAmount2003 reads currency, exponent and amount. The exponent must be the one that both sides count in.
func (p *Profile) parseAmount2003(v string) (money.Amount, Kind) {
	if len(v) != amount2003 {
		return money.Amount{}, KindLength
	}
	c, err := money.ByNumeric(v[:3])
	if err != nil {
		return money.Amount{}, KindValue
	}
	if int(v[3])-'0' != p.exponent(c) {
		return money.Amount{}, KindAmount
	}
	minor, kind := p.parseMinor(v[4:], c)
	return money.Amount{Minor: minor, Currency: c}, kind
}

// OriginalAmounts are what the transaction's and the settlement's amount were before they were changed (DE 30 of
// 1993 and 2003). One that is zero or of no currency is not given. The error is a *FormatError.
func (m *Message) OriginalAmounts() (transaction, settlement money.Amount, err error) {
	p := m.Dialect().Profile()
	place := p.Places.OriginalAmounts
	v := m.At(place)
	if v == "" {
		return transaction, settlement, nil
	}
	var kinds [2]Kind
	half := len(v) / 2
	if half != minorDigits && half != amount2003 && half != amount2003/2 || len(v)%2 != 0 {
		return transaction, settlement, &FormatError{DE: place.de, Kind: KindLength}
	}
	if p.Forms.Amounts == V2003 {
		v = unpacked(v)
		half = len(v) / 2
		transaction, kinds[0] = p.parseGiven2003(v[:half])
		settlement, kinds[1] = p.parseGiven2003(v[half:])
	} else {
		transaction, kinds[0] = p.parseGiven(v[:half], m.Get(49))
		settlement, kinds[1] = p.parseGiven(v[half:], m.Get(50))
	}
	return transaction, settlement, formatError(place.de, max(kinds[0], kinds[1]))
}

// SetOriginalAmounts writes what the amounts were before they were changed; a zero one is not given. The error is a
// *FormatError, KindUndefined where the peer has no place for it.
func (m *Message) SetOriginalAmounts(transaction, settlement money.Amount) error {
	p := m.Dialect().Profile()
	de := p.Places.OriginalAmounts.de
	e := m.Dialect().element(de)
	if e == nil {
		return &FormatError{DE: de, Kind: KindUndefined}
	}
	text := ""
	for _, a := range []money.Amount{transaction, settlement} {
		part := strings.Repeat("0", minorDigits)
		if p.Forms.Amounts == V2003 {
			part = strings.Repeat("0", amount2003)
		}
		if !a.Currency.IsZero() {
			digits, kind := p.formatMinor(a)
			if kind != 0 {
				return &FormatError{DE: de, Kind: kind}
			}
			part = digits
			if p.Forms.Amounts == V2003 {
				part = fmt.Sprintf("%s%d%s", a.Currency.Numeric(), p.exponent(a.Currency), digits)
			}
		}
		text += part
	}
	if e.class == classBinary {
		raw, err := hex.DecodeString(text)
		if err != nil {
			return &FormatError{DE: de, Kind: KindAmount}
		}
		text = string(raw)
	}
	return m.Set(de, text)
}

// unpacked turns packed digits, as the profile of 2003 keeps amounts in DE 30, into characters.
func unpacked(v string) string {
	if len(v) != amount2003 {
		return v
	}
	return fmt.Sprintf("%x", v)
}

func (p *Profile) parseGiven2003(v string) (money.Amount, Kind) {
	if strings.Trim(v, "0") == "" {
		return money.Amount{}, 0
	}
	return p.parseAmount2003(v)
}

func (p *Profile) parseGiven(digits, currency string) (money.Amount, Kind) {
	if len(digits) != minorDigits {
		return money.Amount{}, KindLength
	}
	c, err := money.ByNumeric(currency)
	if err != nil || strings.Trim(digits, "0") == "" {
		return money.Amount{}, 0
	}
	minor, kind := p.parseMinor(digits, c)
	return money.Amount{Minor: minor, Currency: c}, kind
}
