package retail

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strconv"
)

// KeyBlock is a key that was sent in a block of TR-31 (ANSI X9.143): with what it may be used for, which nobody can change
// on the way.
type KeyBlock struct {
	Version   byte   // B: under a TDES key, D: under an AES key
	Usage     string // two characters: P0 a PIN encryption key, M1, M3, M6 keys of message authentication
	Algorithm byte   // T: TDES, A: AES
	Mode      byte   // of use: B, D, E of a cipher; C, G, V of authentication; N without restriction
	Key       []byte
}

// ErrKeyBlock says that a block has a wrong form, or is not under the key that it was opened with. Which of both would
// help nobody but a forger.
var ErrKeyBlock = errors.New("key block does not open")

// The parts of a block, in characters.
const (
	blockHeader    = 16
	blockCharsMax  = 1024
	blockOptionMax = 16 // optional blocks
)

// OpenKeyBlock opens a block of version B by a TDES key of 16 or 24 bytes, of version D by an AES key. The error is
// ErrKeyBlock, or ErrKey when the key is of another length.
func OpenKeyBlock(protection []byte, block string) (KeyBlock, error) {
	head, body, ok := splitKeyBlock(block)
	if !ok {
		return KeyBlock{}, ErrKeyBlock
	}
	b := KeyBlock{Version: head[0], Usage: head[5:7], Algorithm: head[7], Mode: head[8]}
	encryption, authentication, err := deriveBlockKeys(protection, b.Version)
	if err != nil {
		return KeyBlock{}, err
	}
	defer clear(encryption)
	defer clear(authentication)
	var c cipher.Block
	mac := make([]byte, aes.BlockSize)
	sum := func(data []byte) error {
		full, err := CMAC(authentication, data)
		copy(mac, full[:])
		return err
	}
	if b.Version == 'B' {
		c, err = TDES(encryption)
		mac = mac[:BlockSize]
		sum = func(data []byte) error {
			full, err := TDESCMAC(authentication, data)
			copy(mac, full[:])
			return err
		}
	} else {
		c, err = aes.NewCipher(encryption)
	}
	if err != nil {
		return KeyBlock{}, ErrKey
	}
	size := c.BlockSize()
	data, sent := body[:len(body)-size], body[len(body)-size:]
	if len(data) == 0 || len(data)%size != 0 {
		return KeyBlock{}, ErrKeyBlock
	}
	cipher.NewCBCDecrypter(c, sent).CryptBlocks(data, data)
	defer clear(data)
	if err := sum(append([]byte(head), data...)); err != nil {
		return KeyBlock{}, ErrKey
	}
	if subtle.ConstantTimeCompare(mac, sent) != 1 {
		return KeyBlock{}, ErrKeyBlock
	}
	bits := int(binary.BigEndian.Uint16(data)) // the key behind it, and then a filling
	if bits == 0 || bits%8 != 0 || bits/8 > len(data)-2 {
		return KeyBlock{}, ErrKeyBlock
	}
	b.Key = append([]byte(nil), data[2:2+bits/8]...)
	return b, nil
}

// splitKeyBlock checks the form of a block: its header with optional blocks, and the rest as bytes.
func splitKeyBlock(block string) (head string, body []byte, ok bool) {
	if len(block) < blockHeader || len(block) > blockCharsMax || block[0] != 'B' && block[0] != 'D' {
		return "", nil, false
	}
	if length, err := strconv.ParseUint(block[1:5], 10, 32); err != nil || int(length) != len(block) {
		return "", nil, false
	}
	options, err := strconv.ParseUint(block[12:14], 10, 32)
	if err != nil || options > blockOptionMax {
		return "", nil, false
	}
	at := blockHeader
	for range options {
		n, ok := optionLength(block[at:])
		if !ok {
			return "", nil, false
		}
		at += n
	}
	if body, err = hex.DecodeString(block[at:]); err != nil {
		return "", nil, false
	}
	tail := BlockSize
	if block[0] == 'D' {
		tail = aes.BlockSize
	}
	return block[:at], body, len(body) > tail
}

// optionLength is how many characters an optional block has: two of a name, two hexadecimal digits of its length, or 00
// and a length of another length.
func optionLength(s string) (int, bool) {
	if len(s) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:4], 16, 32)
	least := 4
	if err == nil && n == 0 {
		if len(s) < 6 {
			return 0, false
		}
		var digits uint64
		if digits, err = strconv.ParseUint(s[4:6], 16, 32); err != nil || digits == 0 || digits > 4 || len(s) < 6+int(digits) {
			return 0, false
		}
		least = 6 + int(digits)
		n, err = strconv.ParseUint(s[6:least], 16, 32)
	}
	return int(n), err == nil && int(n) >= least && int(n) <= len(s)
}

// The last but one field of what keys are derived from, by the bytes of the protection key: its algorithm.
var blockAlgorithms = map[byte]map[int]byte{'B': {16: 0, 24: 1}, 'D': {16: 2, 24: 3, 32: 4}}

// deriveBlockKeys makes the keys of encryption and of authentication from the protection key: CMACs of a counter, the
// purpose, the algorithm and the length in bits.
func deriveBlockKeys(protection []byte, version byte) (encryption, authentication []byte, err error) {
	algorithm, known := blockAlgorithms[version][len(protection)]
	if !known {
		return nil, nil, ErrKey
	}
	derive := func(purpose byte) ([]byte, error) {
		var out []byte
		for counter := byte(1); len(out) < len(protection); counter++ {
			input := binary.BigEndian.AppendUint16([]byte{counter, 0, purpose, 0, 0, algorithm}, uint16(8*len(protection)))
			if version == 'B' {
				part, err := TDESCMAC(protection, input)
				if err != nil {
					return nil, err
				}
				out = append(out, part[:]...)
				continue
			}
			part, err := CMAC(protection, input)
			if err != nil {
				return nil, err
			}
			out = append(out, part[:]...)
		}
		return out[:len(protection)], nil
	}
	if encryption, err = derive(0); err == nil {
		authentication, err = derive(1)
	}
	return encryption, authentication, err
}
