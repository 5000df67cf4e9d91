package money

import (
	"errors"
	"fmt"

	"github.com/moov-io/iso4217"
)

// ErrCurrency says that a text is no code of a currency that can be held.
var ErrCurrency = errors.New("unknown currency")

// exponentMax is the most decimals that a currency of ISO 4217 has (CLF, UYW).
const exponentMax = 4

// numericCodes is how many three-digit codes there are.
const numericCodes = 1000

// Currency is a currency of ISO 4217. It is small and comparable with ==; the
// zero value is "no currency", and only ByNumeric and ByAlpha make others.
type Currency struct {
	index uint16 // the numeric code, and so the row of the table
}

type currencyRow struct {
	numeric, alpha string
	exponent       uint8
}

// refused has rows in ISO 4217 but no minor unit, so that no amount can be held
// in it: metals, bond market units, units of account, and the codes for tests
// and for "no currency".
var refused = map[string]bool{
	"XAG": true, "XAU": true, "XPD": true, "XPT": true,
	"XBA": true, "XBB": true, "XBC": true, "XBD": true,
	"XDR": true, "XSU": true, "XUA": true,
	"XTS": true, "XXX": true,
}

// The library's own look-up formats and trims its argument each time, which
// costs an allocation and accepts " eur "; these tables are read-only after.
var (
	byNumeric = currencyTable()
	byAlpha   = currencyIndex(&byNumeric)
)

// ByNumeric finds a currency by its three digits, such as "978", as DE 49 to 51
// carry them. The error is ErrCurrency.
func ByNumeric(code string) (Currency, error) {
	if len(code) != 3 {
		return Currency{}, ErrCurrency
	}
	index := 0
	for i := range len(code) {
		if code[i] < '0' || code[i] > '9' {
			return Currency{}, ErrCurrency
		}
		index = index*10 + int(code[i]-'0')
	}
	if byNumeric[index].numeric == "" {
		return Currency{}, ErrCurrency
	}
	return Currency{uint16(index)}, nil
}

// ByAlpha finds a currency by its three capital letters, such as "EUR". The
// error is ErrCurrency.
func ByAlpha(code string) (Currency, error) {
	c, ok := byAlpha[code]
	if !ok {
		return Currency{}, ErrCurrency
	}
	return c, nil
}

// IsZero tells whether there is no currency.
func (c Currency) IsZero() bool { return c.index == 0 }

// Numeric is the three digits, such as "978"; empty for the zero value.
func (c Currency) Numeric() string { return byNumeric[c.index].numeric }

// Alpha is the three letters, such as "EUR"; empty for the zero value.
func (c Currency) Alpha() string { return byNumeric[c.index].alpha }

// Exponent is how many decimals the minor unit stands for: 2 for EUR, 0 for
// JPY, 3 for KWD, 4 for CLF.
func (c Currency) Exponent() int { return int(byNumeric[c.index].exponent) }

// String is the three letters.
func (c Currency) String() string { return c.Alpha() }

// MarshalText is the three letters, for JSON and configuration.
func (c Currency) MarshalText() ([]byte, error) { return []byte(c.Alpha()), nil }

// UnmarshalText reads the three letters, or nothing for no currency.
func (c *Currency) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*c = Currency{}
		return nil
	}
	found, err := ByAlpha(string(text))
	if err != nil {
		return fmt.Errorf("read currency: %w", err)
	}
	*c = found
	return nil
}

// currencyTable asks the library for every numeric code once. Withdrawn codes
// that share a number with their successor have no row.
func currencyTable() (table [numericCodes]currencyRow) {
	for index := 1; index < numericCodes; index++ {
		numeric := fmt.Sprintf("%03d", index)
		code, ok := iso4217.Lookup(numeric)
		if !ok || refused[code.Code] {
			continue
		}
		if code.DecimalPlaces > exponentMax {
			panic("money: internal error: a currency has more than 4 decimals: " + code.Code)
		}
		table[index] = currencyRow{numeric, code.Code, code.DecimalPlaces}
	}
	return table
}

func currencyIndex(table *[numericCodes]currencyRow) map[string]Currency {
	index := make(map[string]Currency)
	for i, row := range table {
		if row.alpha != "" {
			index[row.alpha] = Currency{uint16(i)}
		}
	}
	return index
}
