package retail

import (
	"crypto/aes"
	"crypto/cipher"
)

// RetailMAC is ISO 9797-1 algorithm 3 with padding 1 (zeros) over data: eight bytes, of which some peers send the
// first four. The key has double length.
func RetailMAC(key, data []byte) ([BlockSize]byte, error) { return mac3(key, data, false) }

// mac3 is ISO 9797-1 algorithm 3, with padding 1 or, when marked, padding 2 (80 and zeros).
func mac3(key, data []byte, marked bool) (mac [BlockSize]byte, err error) {
	if len(key) != 16 {
		return mac, ErrKey
	}
	first, err := single(key[:8])
	if err != nil {
		return mac, err
	}
	second, err := single(key[8:])
	if err != nil {
		return mac, err
	}
	chain(first, data, marked, &mac)
	second.Decrypt(mac[:], mac[:])
	first.Encrypt(mac[:], mac[:])
	return mac, nil
}

// chain is cipher block chaining over padded data; the last block is the result.
func chain(c cipher.Block, data []byte, marked bool, mac *[BlockSize]byte) {
	var block [BlockSize]byte
	for rest := data; ; rest = rest[BlockSize:] {
		full := len(rest) >= BlockSize
		if !full && len(rest) == 0 && len(data) > 0 && !marked {
			return
		}
		clear(block[:])
		n := copy(block[:], rest)
		if !full && marked {
			block[n] = 0x80
		}
		xor(mac[:], block[:])
		c.Encrypt(mac[:], mac[:])
		if !full {
			return
		}
	}
}

// MAC1 is ISO 9797-1 algorithm 1 over data with TDES as the cipher, with padding 1 (zeros) or, when marked, padding 2
// (80 and zeros).
func MAC1(key, data []byte, marked bool) (mac [BlockSize]byte, err error) {
	block, err := TDES(key)
	if err == nil {
		chain(block, data, marked, &mac)
	}
	return mac, err
}

// MAC3Marked is ISO 9797-1 algorithm 3 with padding 2: what chips sign by EMV.
func MAC3Marked(key, data []byte) ([BlockSize]byte, error) { return mac3(key, data, true) }

// CMAC is AES-CMAC (NIST SP 800-38B, RFC 4493) over data: sixteen bytes.
func CMAC(key, data []byte) (mac [aes.BlockSize]byte, err error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return mac, ErrKey
	}
	cmac(block, data, mac[:])
	return mac, nil
}

// TDESCMAC is the CMAC of TDES (NIST SP 800-38B) over data.
func TDESCMAC(key, data []byte) (mac [BlockSize]byte, err error) {
	block, err := TDES(key)
	if err == nil {
		cmac(block, data, mac[:])
	}
	return mac, err
}

// cmac writes the CMAC of a cipher of 8 or 16 byte blocks to mac, which has that size and holds zeros.
func cmac(block cipher.Block, data, mac []byte) {
	size := block.BlockSize()
	sub := make([]byte, size)
	defer clear(sub)
	block.Encrypt(sub, sub)
	double(sub)
	for len(data) > size {
		xor(mac, data[:size])
		block.Encrypt(mac, mac)
		data = data[size:]
	}
	xor(mac, data)
	if len(data) < size {
		mac[len(data)] ^= 0x80
		double(sub)
	}
	xor(mac, sub)
	block.Encrypt(mac, mac)
}

// double is the multiplication by x that makes CMAC's sub-keys.
func double(b []byte) {
	reduction := byte(0x87)
	if len(b) == BlockSize {
		reduction = 0x1b
	}
	carry := byte(0)
	for i := len(b) - 1; i >= 0; i-- {
		next := b[i] >> 7
		b[i] = b[i]<<1 | carry
		carry = next
	}
	b[len(b)-1] ^= reduction & -carry
}

// CheckValue names a key without telling it, as both sides of a key exchange compare it. Of a TDES key (16 or 24
// bytes) it is the first three bytes of encrypted zeros. Of an AES key it is five bytes of the CMAC of zeros, because
// an AES key must never encrypt a block that means something.
func CheckValue(key []byte, isAES bool) ([]byte, error) {
	if isAES {
		mac, err := CMAC(key, make([]byte, aes.BlockSize))
		return mac[:5], err
	}
	block, err := TDES(key)
	if err != nil {
		return nil, err
	}
	var zeros [BlockSize]byte
	block.Encrypt(zeros[:], zeros[:])
	return zeros[:3], nil
}
