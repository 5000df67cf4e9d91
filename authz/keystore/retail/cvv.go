package retail

import "errors"

// ErrInput says that a card number, date or code has a form that its algorithm does not take. It never tells which
// characters.
var ErrInput = errors.New("compute: input has a wrong form")

// Service codes that stand in for the card's own when a value is computed for another place than its stripe.
const (
	ServiceCVV2 = "000" // printed on the card, or shown
	ServiceICVV = "999" // in the chip's image of track 2
)

// cvvDigits is the length of a verification value.
const cvvDigits = 3

// CVV computes a card verification value of three digits under a double-length key. expiry has four digits in the
// order that the key's owner agreed on (YYMM or MMYY). service is the card's service code, or one of the constants.
func CVV(key []byte, number, expiry, service string) (string, error) {
	if len(key) != 16 {
		return "", ErrKey
	}
	input := number + expiry + service
	if len(number) < 12 || len(number) > 19 || len(expiry) != 4 || len(service) != 3 || !decimal(input) {
		return "", ErrInput
	}
	first, err := single(key[:8])
	if err != nil {
		return "", err
	}
	double, err := TDES(key)
	if err != nil {
		return "", err
	}
	var data [2 * BlockSize]byte
	defer clear(data[:])
	pack(data[:], input)
	x := data[:BlockSize]
	first.Encrypt(x, x)
	xor(x, data[BlockSize:])
	double.Encrypt(x, x)
	return string(digits(x, cvvDigits)), nil
}
