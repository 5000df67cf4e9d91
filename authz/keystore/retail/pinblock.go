package retail

import (
	"crypto/aes"
	"crypto/rand"
	"errors"
)

// Format is the format of a PIN block by ISO 9564-1.
type Format byte

// The formats that a network sends. Format 2 is between a terminal and a chip only.
const (
	ISO0 Format = '0' // bound to the card number, filled with F
	ISO1 Format = '1' // bound to nothing: for peers with whom it is agreed
	ISO3 Format = '3' // bound to the card number, filled with random A to F
	ISO4 Format = '4' // bound to the card number, AES, 16 bytes
)

// ErrPINBlock says that a block is not one that opens: a wrong format, length, digit, fill, card or key. Which of
// them is not told, because the difference would help to search for PINs.
var ErrPINBlock = errors.New("open PIN block: it is not valid")

// OpenPINBlock decrypts a block (8 bytes under TDES, 16 bytes under AES) and returns its format and its PIN, which
// the caller wipes. accept lists the formats that may come. The error is ErrKey or ErrPINBlock.
func OpenPINBlock(key, block []byte, number string, accept string) (format Format, pin []byte, err error) {
	if len(number) < 12 || len(number) > 19 || !decimal(number) {
		return 0, nil, ErrPINBlock
	}
	var field []byte
	switch len(block) {
	case BlockSize:
		field, err = open8(key, block, number)
	case aes.BlockSize:
		field, err = open16(key, block, number)
	default:
		return 0, nil, ErrPINBlock
	}
	if err != nil {
		return 0, nil, err
	}
	defer clear(field)
	format = Format('0' + nibble(field, 0))
	agreed := false
	for i := range len(accept) {
		agreed = agreed || Format(accept[i]) == format
	}
	if !agreed || (format == ISO4) != (len(block) == aes.BlockSize) {
		return 0, nil, ErrPINBlock
	}
	pin, ok := readPIN(field, format)
	if !ok {
		clear(pin)
		return 0, nil, ErrPINBlock
	}
	return format, pin, nil
}

// open8 decrypts a block of formats 0, 1 and 3 to its plain PIN field.
func open8(key, block []byte, number string) ([]byte, error) {
	c, err := TDES(key)
	if err != nil {
		return nil, err
	}
	field := make([]byte, BlockSize)
	c.Decrypt(field, block)
	if f := Format('0' + nibble(field, 0)); f == ISO0 || f == ISO3 {
		xor(field, account(number))
	}
	return field, nil
}

// account is the account field of formats 0 and 3: the twelve digits before the check digit.
func account(number string) []byte {
	field := make([]byte, BlockSize)
	digits := "0" + number[:len(number)-1] // a number of 12 digits has only eleven
	pack(field[2:], digits[len(digits)-12:])
	return field
}

// open16 decrypts a block of format 4 to its plain PIN field.
func open16(key, block []byte, number string) ([]byte, error) {
	c, err := aes.NewCipher(key)
	if err != nil {
		return nil, ErrKey
	}
	field := make([]byte, aes.BlockSize)
	c.Decrypt(field, block)
	xor(field, account4(number))
	c.Decrypt(field, field)
	return field, nil
}

// account4 is the account field of format 4: how much longer than 12 digits the number is, then its digits.
func account4(number string) []byte {
	field := make([]byte, aes.BlockSize)
	pack(field, string(rune('0'+len(number)-12))+number)
	return field
}

// readPIN takes the PIN out of a plain field and checks everything that the format fixes.
func readPIN(field []byte, format Format) (pin []byte, ok bool) {
	length := int(nibble(field, 1))
	if length < PINMin || length > PINMax {
		return nil, false
	}
	pin, ok = make([]byte, length), true
	for i := range pin {
		d := nibble(field, 2+i)
		ok = ok && d <= 9
		pin[i] = '0' + d
	}
	for i := 2 + length; i < 2*BlockSize; i++ {
		switch d := nibble(field, i); format {
		case ISO0:
			ok = ok && d == 15
		case ISO3:
			ok = ok && d >= 10
		case ISO4:
			ok = ok && d == 10
		}
	}
	return pin, ok
}

// SealPINBlock encrypts a PIN for a zone: for the demo's terminals, for tests, and for translation inside the
// keystore. The fill of formats 1, 3 and 4 is random.
func SealPINBlock(key []byte, format Format, pin []byte, number string) ([]byte, error) {
	if len(number) < 12 || len(number) > 19 || !decimal(number) || !validPIN(string(pin)) {
		return nil, ErrInput
	}
	field := make([]byte, aes.BlockSize)
	defer clear(field)
	_, _ = rand.Read(field) // never fails: it ends the program instead
	for i := range 2 * BlockSize {
		d := nibble(field, i)
		switch {
		case i == 0:
			d = byte(format) - '0'
		case i == 1:
			d = byte(len(pin))
		case i < 2+len(pin):
			d = pin[i-2] - '0'
		case format == ISO0:
			d = 15
		case format == ISO3:
			d = 10 + d%6 // of sixteen values, four letters come up three times, two twice: nothing depends on it
		case format == ISO4:
			d = 10
		}
		field[i/2] = field[i/2]&(0xf0>>(4*(1-i%2))) | d<<(4*(1-i%2))
	}
	return encrypt(key, format, field, number)
}

// encrypt turns a plain PIN field into a block.
func encrypt(key []byte, format Format, field []byte, number string) ([]byte, error) {
	if format == ISO4 {
		c, err := aes.NewCipher(key)
		if err != nil {
			return nil, ErrKey
		}
		out := make([]byte, aes.BlockSize)
		c.Encrypt(out, field)
		xor(out, account4(number))
		c.Encrypt(out, out)
		return out, nil
	}
	c, err := TDES(key)
	if err != nil {
		return nil, err
	}
	out := make([]byte, BlockSize)
	copy(out, field[:BlockSize])
	switch format {
	case ISO0, ISO3:
		xor(out, account(number))
	case ISO1:
	default:
		return nil, ErrInput
	}
	c.Encrypt(out, out)
	return out, nil
}
