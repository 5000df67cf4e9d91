package authz

import "math/bits"

// Scale brings an amount of the transaction's currency into the card's, by the ratio of what was billed for the whole:
// rounded half up, so that what stays held is never short by rounding down to nothing.
func Scale(part, amount, billed int64) int64 {
	if part <= 0 || amount <= 0 || billed <= 0 {
		return 0
	}
	if amount == billed {
		return part
	}
	high, low := bits.Mul64(uint64(part), uint64(billed))
	low, carry := bits.Add64(low, uint64(amount)/2, 0)
	return quotient(high+carry, low, amount)
}

// portion is value x part / whole, rounded down: of what may be approved never more than there is.
func portion(value, part, whole int64) int64 {
	if value <= 0 || part <= 0 || whole <= 0 {
		return 0
	}
	high, low := bits.Mul64(uint64(value), uint64(part))
	return quotient(high, low, whole)
}

// quotient divides 128 bits. What is beyond any amount of money is cut to the largest.
func quotient(high, low uint64, by int64) int64 {
	if high >= uint64(by) {
		return 1<<63 - 1
	}
	q, _ := bits.Div64(high, low, uint64(by))
	return int64(min(q, 1<<63-1))
}

// ApprovedTransaction is what an approval allows in the transaction's currency: what was asked for, or of a part what
// the held amount buys, rounded down. Billed is what was asked for in the currency of held. Who asks for nothing, at a
// pump, asks in the card's own currency.
func ApprovedTransaction(reason Reason, held, amount, billed int64) int64 {
	switch reason {
	case Approved:
		return amount
	case ApprovedPart:
		if amount == 0 {
			return held
		}
		return portion(held, amount, billed)
	}
	return 0
}
