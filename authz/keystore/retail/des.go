package retail

import (
	"crypto/cipher"
	"crypto/des"
	"errors"
	"math/bits"
)

// BlockSize is the block of DES and TDES in bytes.
const BlockSize = des.BlockSize

// ErrKey says that a key has a length that its algorithm does not take.
var ErrKey = errors.New("use key: wrong length")

// TDES is the cipher of a double (16 bytes) or triple (24 bytes) length key. A double one is used as K1 K2 K1.
// Parity bits do not count. The error is ErrKey.
func TDES(key []byte) (cipher.Block, error) {
	var full [24]byte
	defer clear(full[:])
	switch len(key) {
	case 16:
		copy(full[:], key)
		copy(full[16:], key[:8])
	case 24:
		copy(full[:], key)
	default:
		return nil, ErrKey
	}
	return des.NewTripleDESCipher(full[:])
}

// single is DES under one part of a key, for the algorithms that begin with it.
func single(key []byte) (cipher.Block, error) {
	if len(key) != 8 {
		return nil, ErrKey
	}
	return des.NewCipher(key)
}

// OddParity sets the lowest bit of each byte so that the number of ones is odd, as DES keys are written.
func OddParity(key []byte) {
	for i, b := range key {
		key[i] = b&0xfe | byte(1-bits.OnesCount8(b&0xfe)%2)
	}
}

func xor(dst, other []byte) {
	for i := range other {
		dst[i] ^= other[i]
	}
}

// digits appends n decimal digits scanned from a cryptogram: its hexadecimal digits 0 to 9 in order, then, as far as
// they do not suffice, A to F in order less ten.
func digits(cryptogram []byte, n int) []byte {
	out := make([]byte, 0, n)
	for _, low := range []byte{0, 10} {
		for i := range 2 * len(cryptogram) {
			d := nibble(cryptogram, i)
			if len(out) < n && d >= low && (d < 10) == (low == 0) {
				out = append(out, '0'+d-low)
			}
		}
	}
	return out
}

// nibble is the i-th hexadecimal digit.
func nibble(b []byte, i int) byte {
	if i%2 == 0 {
		return b[i/2] >> 4
	}
	return b[i/2] & 15
}

// pack writes decimal digits as nibbles from the left; what is left of dst stays.
func pack(dst []byte, digits string) {
	for i := range len(digits) {
		d := digits[i] - '0'
		if i%2 == 0 {
			dst[i/2] = dst[i/2]&15 | d<<4
		} else {
			dst[i/2] = dst[i/2]&0xf0 | d
		}
	}
}

func decimal(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
