package retail

import "strings"

// PVV computes a PIN verification value of four digits under a double-length key. index is the key's digit, which
// the stripe carries beside the value. Of a longer PIN only the first four digits count, by the algorithm.
func PVV(key []byte, number string, index byte, pin string) (string, error) {
	if len(key) != 16 {
		return "", ErrKey
	}
	if len(number) < 12 || len(number) > 19 || !decimal(number) || index < '0' || index > '9' || !validPIN(pin) {
		return "", ErrInput
	}
	block, err := TDES(key)
	if err != nil {
		return "", err
	}
	var data [BlockSize]byte
	defer clear(data[:])
	pack(data[:], number[len(number)-12:len(number)-1]+string(index)+pin[:4])
	block.Encrypt(data[:], data[:])
	return string(digits(data[:], 4)), nil
}

// Offset computes the IBM 3624 offset of a PIN: digit by digit, the PIN less the natural PIN, which is the encrypted
// validation data (16 digits) read through the decimalisation table (16 digits).
func Offset(key []byte, validation, table, pin string) (string, error) {
	if len(validation) != 16 || len(table) != 16 || !decimal(validation+table) || !validPIN(pin) {
		return "", ErrInput
	}
	block, err := TDES(key)
	if err != nil {
		return "", err
	}
	var data [BlockSize]byte
	defer clear(data[:])
	pack(data[:], validation)
	block.Encrypt(data[:], data[:])
	var offset strings.Builder
	for i := range len(pin) {
		natural := table[nibble(data[:], i)] - '0'
		offset.WriteByte('0' + (pin[i]-'0'+10-natural)%10)
	}
	return offset.String(), nil
}

// PIN lengths by ISO 9564-1.
const (
	PINMin = 4
	PINMax = 12
)

func validPIN(pin string) bool { return len(pin) >= PINMin && len(pin) <= PINMax && decimal(pin) }
