package money

import (
	"errors"
	"fmt"
	"math/bits"
)

// ErrRate says that a text is no exchange rate of eight digits, or is zero.
var ErrRate = errors.New("parse exchange rate: want 8 decimal digits, not zero")

// rateDigits is the length of DE 9 and DE 10: ABBBBBBB.
const rateDigits = 8

// powersOfTen reaches what a rate and an exponent need together: 9 + 4.
var powersOfTen = [...]uint64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13,
}

// Convert exchanges minor units of a currency with exponent from into minor
// units of one with exponent to. The rate is the text of DE 9 or DE 10,
// ABBBBBBB, which means BBBBBBB / 10^A units of the second for one of the first
// (ISO 8583:1987 and later). The result is rounded half up, once, at the end.
//
// A rate of zero is refused: it would make every purchase free. Errors are
// ErrRate, and ErrOverflow for a negative amount, an exponent that no currency
// has, or a result above MinorMax.
func Convert(minor int64, rate string, from, to int) (int64, error) {
	return ConvertMarkedUp(minor, rate, 0, from, to)
}

// wholeMarkUp is a mark-up of 100 percent.
const wholeMarkUp = 100_00

// ConvertMarkedUp is Convert with so many hundredths of a percent on top, rounded once with the rest. A mark-up that
// is negative or above 100 percent is ErrOverflow.
func ConvertMarkedUp(minor int64, rate string, markUp int64, from, to int) (int64, error) {
	mantissa, decimals, err := parseRate(rate)
	if err != nil {
		return 0, err
	}
	if markUp < 0 || markUp > wholeMarkUp || minor < 0 || minor > MinorMax || from < 0 || from > exponentMax || to < 0 || to > exponentMax {
		return 0, fmt.Errorf("convert amount: %w", ErrOverflow)
	}
	// minor x BBBBBBB x 10^to x (1 + mark-up) / 10^(A+from): the second factor stays below 10^16.
	divisor, factor := powersOfTen[decimals+from], mantissa*powersOfTen[to]
	if markUp > 0 {
		divisor, factor = divisor*wholeMarkUp, factor*uint64(wholeMarkUp+markUp)
	}
	high, low := bits.Mul64(uint64(minor), factor)
	low, carry := bits.Add64(low, divisor/2, 0)
	high += carry
	if high >= divisor {
		return 0, fmt.Errorf("convert amount: %w", ErrOverflow)
	}
	result, _ := bits.Div64(high, low, divisor)
	if result > MinorMax {
		return 0, fmt.Errorf("convert amount: %w", ErrOverflow)
	}
	return int64(result), nil
}

// parseRate splits ABBBBBBB into BBBBBBB and A.
func parseRate(rate string) (mantissa uint64, decimals int, err error) {
	if len(rate) != rateDigits {
		return 0, 0, ErrRate
	}
	for i := range len(rate) {
		if rate[i] < '0' || rate[i] > '9' {
			return 0, 0, ErrRate
		}
		if i > 0 {
			mantissa = mantissa*10 + uint64(rate[i]-'0')
		}
	}
	if mantissa == 0 {
		return 0, 0, ErrRate
	}
	return mantissa, int(rate[0] - '0'), nil
}
