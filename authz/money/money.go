// Package money holds amounts as whole minor units of a currency. Nothing is a
// float, every sum is checked for overflow, and the number of decimals comes
// from ISO 4217: it is not always two.
package money

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// MinorMax is the largest amount that may enter the house: 2^53-1 minor units,
// the last integer that a Redis script, whose numbers are floats, keeps exact.
const MinorMax = 1<<53 - 1

// minorDigitsMax is how long an amount may be on the wire: DE 4 of 2003 has 16.
const minorDigitsMax = 18

// What can be wrong with an amount. The errors tell no amount.
var (
	ErrSyntax   = errors.New("parse amount: want 1 to 18 decimal digits")
	ErrOverflow = errors.New("amount out of range")
	ErrMismatch = errors.New("amounts of two currencies")
)

// Amount is a sum of money: Minor units of Currency, so 1234 of EUR is 12.34.
// It may be negative: a difference, or a balance that was forced below zero.
type Amount struct {
	Minor    int64
	Currency Currency
}

// Add is a + b. The error is ErrMismatch or ErrOverflow.
func (a Amount) Add(b Amount) (Amount, error) {
	return a.combine(b, "add amounts", Add64)
}

// Sub is a - b. The error is ErrMismatch or ErrOverflow.
func (a Amount) Sub(b Amount) (Amount, error) {
	return a.combine(b, "subtract amounts", Sub64)
}

func (a Amount) combine(b Amount, verb string, op func(a, b int64) (int64, error)) (Amount, error) {
	if a.Currency != b.Currency {
		return Amount{}, fmt.Errorf("%s: %w", verb, ErrMismatch)
	}
	minor, err := op(a.Minor, b.Minor)
	if err != nil {
		return Amount{}, fmt.Errorf("%s: %w", verb, err)
	}
	return Amount{minor, a.Currency}, nil
}

// Cmp is -1, 0 or +1 as a is less than, equal to or greater than b. Amounts of
// two currencies have no order: the error is ErrMismatch.
func (a Amount) Cmp(b Amount) (int, error) {
	switch {
	case a.Currency != b.Currency:
		return 0, fmt.Errorf("compare amounts: %w", ErrMismatch)
	case a.Minor < b.Minor:
		return -1, nil
	case a.Minor > b.Minor:
		return +1, nil
	}
	return 0, nil
}

// IsNegative tells whether the amount is below zero.
func (a Amount) IsNegative() bool { return a.Minor < 0 }

// String is for people: "12.34 EUR", "601 JPY", "-0.005 KWD". An amount without
// a currency shows its minor units alone.
func (a Amount) String() string {
	if a.Currency.IsZero() {
		return strconv.FormatInt(a.Minor, 10)
	}
	magnitude, sign := uint64(a.Minor), ""
	if a.Minor < 0 {
		magnitude, sign = -magnitude, "-"
	}
	exponent := a.Currency.Exponent()
	if exponent == 0 {
		return fmt.Sprintf("%s%d %s", sign, magnitude, a.Currency)
	}
	unit := powersOfTen[exponent]
	return fmt.Sprintf("%s%d.%0*d %s", sign, magnitude/unit, exponent, magnitude%unit, a.Currency)
}

// ParseMinor reads an amount in minor units as an amount element carries it:
// 1 to 18 decimal digits, no sign, no space, at most MinorMax. The error is
// ErrSyntax or ErrOverflow.
func ParseMinor(digits string) (int64, error) {
	if len(digits) == 0 || len(digits) > minorDigitsMax {
		return 0, ErrSyntax
	}
	var minor int64 // 18 digits fit
	for i := range len(digits) {
		c := digits[i]
		if c < '0' || c > '9' {
			return 0, ErrSyntax
		}
		minor = minor*10 + int64(c-'0')
	}
	if minor > MinorMax {
		return 0, fmt.Errorf("parse amount: %w", ErrOverflow)
	}
	return minor, nil
}

// Add64 is a + b, or ErrOverflow.
func Add64(a, b int64) (int64, error) {
	sum := a + b
	if (sum >= a) != (b >= 0) {
		return 0, ErrOverflow
	}
	return sum, nil
}

// Sub64 is a - b, or ErrOverflow.
func Sub64(a, b int64) (int64, error) {
	difference := a - b
	if (difference <= a) != (b >= 0) {
		return 0, ErrOverflow
	}
	return difference, nil
}

// Neg64 is -a, or ErrOverflow for the one integer that has no opposite.
func Neg64(a int64) (int64, error) {
	if a == math.MinInt64 {
		return 0, ErrOverflow
	}
	return -a, nil
}
