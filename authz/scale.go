package authz

import "math/bits"

// scale brings a final amount of the transaction currency into the card's, by the ratio of the
// original: rounded half up, so that what stays held is never short by rounding down to nothing.
func scale(final int64, row *Record) int64 {
	if final <= 0 || row.Amount <= 0 {
		return 0
	}
	if final >= row.Amount {
		return row.Placed
	}
	hi, lo := bits.Mul64(uint64(final), uint64(row.Placed))
	lo, carry := bits.Add64(lo, uint64(row.Amount)/2, 0)
	quotient, _ := bits.Div64(hi+carry, lo, uint64(row.Amount)) // final < Amount, so it fits
	return int64(quotient)
}
