package money

import "math/bits"

// Share is the part of an amount that is to it as part is to whole, rounded half up: all of it when part is not less
// than whole, and nothing when it is not above zero. Amounts are not negative.
func Share(amount, part, whole int64) int64 {
	switch {
	case part >= whole:
		return amount
	case part <= 0 || amount <= 0:
		return 0
	}
	high, low := bits.Mul64(uint64(amount), uint64(part))
	low, carry := bits.Add64(low, uint64(whole)/2, 0)
	quotient, _ := bits.Div64(high+carry, low, uint64(whole)) // part < whole: it is at most amount
	return int64(quotient)
}
