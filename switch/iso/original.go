package iso

import (
	"fmt"
	"strconv"
	"strings"

	"holdfast/authz/money"
)

// Original names the message that another one is about. An empty part says nothing and fits everything: networks
// fill what they do not know with zeros.
type Original struct {
	// MTI is the message type, four digits.
	MTI string
	// STAN is the trace number of its sender.
	STAN string
	// Transmitted is its DE 7, MMDDhhmmss; 1987 only.
	Transmitted string
	// Local is its DE 12; 1993 and 2003 only.
	Local string
	// Acquirer and Forwarder are its DE 32 and 33; the second in 1987 only. 1987 fills them with zeros in front, so
	// they are compared without these.
	Acquirer, Forwarder string
}

// Original reads what the message says of the one that it is about, in the peer's form: DE 90 of 1987, or DE 56. It
// is false when the message says nothing. The error is a *FormatError.
func (m *Message) Original() (o Original, given bool, err error) {
	form := m.Dialect().profile.Forms.Original
	de := originalDE(form)
	if m.Get(de) == "" {
		return o, false, nil
	}
	o, kind := ParseOriginal(form, m.Get(de))
	return o, true, formatError(de, kind)
}

// SetOriginal writes DE 90 or DE 56 in the peer's form. The error is a *FormatError.
func (m *Message) SetOriginal(o Original) error {
	form := m.Dialect().profile.Forms.Original
	return m.Set(originalDE(form), o.format(form))
}

func originalDE(form Version) int {
	if form == V1987 {
		return 90
	}
	return 56
}

// ParseOriginal reads the characters of DE 90 in the form of 1987 (type 4, STAN 6, DE 7 10, institutions 11 and 11),
// and of DE 56 in those of 1993 (type 4, STAN 6, DE 12 12, length 2 and institution) and 2003 (type 4, STAN 12, DE 12
// 14, institution without a length, as the jPOS Common Message Format has it). The kind is 0 or KindLength,
// KindCharacters or KindValue.
func ParseOriginal(form Version, v string) (o Original, kind Kind) {
	if strings.Trim(v, "0123456789 ") != "" {
		return o, KindCharacters
	}
	switch form {
	case V1987:
		if len(v) != 42 {
			return o, KindLength
		}
		o = Original{MTI: said(v[:4]), STAN: said(v[4:10]), Transmitted: said(v[10:20]),
			Acquirer: institution(v[20:31]), Forwarder: institution(v[31:42])}
	case V1993:
		if len(v) < 24 {
			return o, KindLength
		}
		n, err := strconv.Atoi(v[22:24])
		if err != nil || n > 11 || len(v) != 24+n {
			return o, KindLength
		}
		o = Original{MTI: said(v[:4]), STAN: said(v[4:10]), Local: said(v[10:22]), Acquirer: institution(v[24:])}
	default:
		if len(v) < 30 || len(v) > 41 {
			return o, KindLength
		}
		o = Original{MTI: said(v[:4]), STAN: said(v[4:16]), Local: said(v[16:30]), Acquirer: institution(v[30:])}
	}
	if strings.Contains(o.MTI+o.STAN+o.Transmitted+o.Local+o.Acquirer+o.Forwarder, " ") {
		return o, KindCharacters // a blank behind or among digits: nobody can say which number that is
	}
	if o.MTI != "" && (o.MTI[1] < '1' || o.MTI[1] > '8') {
		return o, KindValue
	}
	return o, 0
}

// said is empty when a part is zeros or blanks, which say nothing. Blanks in front of a number are zeros.
func said(v string) string {
	if strings.Trim(v, "0 ") == "" {
		return ""
	}
	return zeros(strings.TrimLeft(v, " "), len(v))
}

// institution drops the zeros and blanks around the number of an institution.
func institution(v string) string { return strings.TrimRight(strings.TrimLeft(v, "0 "), " ") }

// format writes the characters of DE 90 or DE 56; parts that say nothing are zeros.
func (o Original) format(form Version) string {
	switch form {
	case V1987:
		return zeros(o.MTI, 4) + zeros(o.STAN, 6) + zeros(o.Transmitted, 10) + zeros(o.Acquirer, 11) + zeros(o.Forwarder, 11)
	case V1993:
		return fmt.Sprintf("%s%s%s%02d%s", zeros(o.MTI, 4), zeros(o.STAN, 6), zeros(o.Local, 12), len(o.Acquirer), o.Acquirer)
	}
	return zeros(o.MTI, 4) + zeros(o.STAN, 12) + zeros(o.Local, 14) + o.Acquirer
}

// zeros fills up with zeros in front.
func zeros(v string, n int) string { return strings.Repeat("0", max(0, n-len(v))) + v }

// Replacement is what a reversal of a part says.
type Replacement struct {
	// Amount is in the currency of the transaction; its currency is zero when the message has none, as DE 95 of a
	// reversal without DE 49.
	Amount money.Amount
	// Billing is the same in the cardholder's currency, zero when it is not given.
	Billing money.Amount
	// GivesBack says that both are what is reversed. Otherwise they are what stays.
	GivesBack bool
}

// partialReversal is the function code of a reversal of a part, in 1993 and 2003.
const partialReversal = "401"

// Replacement reads how much of a transaction a reversal leaves or gives back, in the peer's style; false when the
// whole is reversed. A reversal of a part that leaves nothing is one of the whole. The error is a *FormatError.
func (m *Message) Replacement() (r Replacement, partial bool, err error) {
	p := m.Dialect().Profile()
	r.GivesBack = p.Reversal.GivesBack
	switch p.Reversal.Field {
	case ReversalDE95:
		return m.replacement95(p, r)
	case ReversalDE30:
		if m.At(p.Places.Function) != partialReversal {
			return Replacement{}, false, nil
		}
	}
	var given bool
	if r.Amount, given, err = m.Amount(AmountTransaction); err != nil || !given {
		return Replacement{}, false, err
	}
	if r.Billing, _, err = m.Amount(AmountBilling); err != nil {
		return Replacement{}, false, err
	}
	if r.Amount.Minor == 0 {
		return Replacement{}, false, nil
	}
	return r, true, nil
}

// replacement95 reads DE 95, whose first twelve characters are in the currency of the transaction.
func (m *Message) replacement95(p *Profile, r Replacement) (Replacement, bool, error) {
	v := m.Get(95)
	if said(v) == "" || len(v) < minorDigits {
		return Replacement{}, false, nil
	}
	var kind Kind
	if r.Amount, kind = p.replaced(v[:minorDigits], m.Get(49)); kind != 0 {
		return Replacement{}, false, &FormatError{DE: 95, Kind: kind}
	}
	if r.Billing, kind = p.replaced(m.At(p.Reversal.Billing), m.Get(51)); kind != 0 {
		return Replacement{}, false, &FormatError{DE: p.Reversal.Billing.de, Kind: kind}
	}
	if r.Amount.Minor == 0 {
		return Replacement{}, false, nil
	}
	return r, true, nil
}

// replaced reads a part of DE 95, which is text: blanks say as little as zeros. Without a currency the peer's decimals
// are taken for ours.
func (p *Profile) replaced(digits, currency string) (money.Amount, Kind) {
	if said(digits) == "" {
		return money.Amount{}, 0
	}
	c, err := money.ByNumeric(currency)
	if err == nil {
		minor, kind := p.parseMinor(digits, c)
		return money.Amount{Minor: minor, Currency: c}, kind
	}
	minor, err := money.ParseMinor(digits)
	if err != nil {
		return money.Amount{}, KindAmount
	}
	return money.Amount{Minor: minor}, 0
}
