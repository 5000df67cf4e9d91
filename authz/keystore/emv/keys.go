package emv

import (
	"crypto/sha1" // option B of EMV 4.3, book 2, annex A1.4.2 is defined with it
	"encoding/hex"

	"holdfast/authz/keystore/retail"
)

// CardKey derives the key of one card (UDK) from the issuer's master key, by option A for numbers of up to 16 digits
// and by option B for longer ones. sequence is the PAN sequence number, two digits.
func CardKey(master []byte, number, sequence string) ([]byte, error) {
	if len(number) > 16 {
		return cardKeyB(master, number+sequence)
	}
	return CardKeyA(master, number, sequence)
}

// CardKeyA is option A whatever the length: some issuers use it for all their cards.
func CardKeyA(master []byte, number, sequence string) ([]byte, error) {
	return deriveKey(master, number+sequence)
}

// cardKeyB decimalises the hash of number and sequence, and goes on as option A.
func cardKeyB(master []byte, identity string) ([]byte, error) {
	if len(identity)%2 != 0 {
		identity = "0" + identity
	}
	packed, err := hex.DecodeString(identity)
	if err != nil || !decimalText(identity) {
		return nil, ErrData
	}
	hash := sha1.Sum(packed)
	text := hex.EncodeToString(hash[:])
	decimal := make([]byte, 0, 16)
	for _, letters := range []bool{false, true} {
		for i := range len(text) {
			isLetter := text[i] >= 'a'
			if len(decimal) == 16 || isLetter != letters {
				continue
			}
			d := text[i]
			if isLetter {
				d = '0' + d - 'a'
			}
			decimal = append(decimal, d)
		}
	}
	return deriveKey(master, string(decimal))
}

// deriveKey encrypts the 16 rightmost digits, and their complement.
func deriveKey(master []byte, identity string) ([]byte, error) {
	if len(master) != 16 {
		return nil, retail.ErrKey
	}
	if !decimalText(identity) || len(identity) > 21 {
		return nil, ErrData
	}
	for len(identity) < 16 {
		identity = "0" + identity
	}
	y, err := hex.DecodeString(identity[len(identity)-16:])
	if err != nil {
		return nil, ErrData
	}
	return pair(master, y, func(second []byte) {
		for i := range second {
			second[i] = ^second[i]
		}
	})
}

// SessionKey derives the common session key of EMV 4.3, book 2, annex A1.3 from r: the transaction counter and zeros.
func SessionKey(card, r []byte) ([]byte, error) {
	if len(r) != retail.BlockSize {
		return nil, ErrData
	}
	first := append([]byte(nil), r...)
	first[2] = 0xf0
	return pair(card, first, func(second []byte) { second[2] = 0x0f })
}

// pair encrypts a block, and its variant, to the two halves of a key with odd parity.
func pair(key, block []byte, vary func([]byte)) ([]byte, error) {
	c, err := retail.TDES(key)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 2*retail.BlockSize)
	copy(out, block)
	copy(out[retail.BlockSize:], block)
	vary(out[retail.BlockSize:])
	c.Encrypt(out[:retail.BlockSize], out[:retail.BlockSize])
	c.Encrypt(out[retail.BlockSize:], out[retail.BlockSize:])
	retail.OddParity(out)
	return out, nil
}

func decimalText(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
