package pan

// CheckDigit gives the digit to append to prefix (11 to 18 digits: the BIN and
// the account) so that the whole passes LuhnValid. The error is ErrPrefix.
func CheckDigit(prefix string) (byte, error) {
	if len(prefix) < DigitsMin-1 || len(prefix) > DigitsMax-1 {
		return 0, ErrPrefix
	}
	if !allDigits(prefix) {
		return 0, ErrPrefix
	}
	return luhn(prefix), nil
}

// luhn is the check digit of digits: from the right, every second digit counts
// double, and the digit brings the sum up to a multiple of ten.
func luhn(digits string) byte {
	sum := 0
	for i, c := range []byte(digits) {
		d := int(c - '0')
		if (len(digits)-i)%2 == 1 {
			d *= 2
			if d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return '0' + byte((10-sum%10)%10)
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func allDigits(s string) bool {
	for i := range len(s) {
		if !digit(s[i]) {
			return false
		}
	}
	return true
}
