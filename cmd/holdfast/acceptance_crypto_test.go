package main

import (
	"crypto/cipher"
	"crypto/des"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"holdfast/authz/keystore"
)

// The keys of the acceptance tests are printed in books. What is computed with them here shares nothing with the
// keystore but the standard library's DES.
const (
	stageKey    = "0123456789ABCDEFFEDCBA9876543210" // of verification values and chips
	stageMaster = demoZoneMaster
)

func unhex(digits string) []byte {
	b, err := hex.DecodeString(digits)
	if err != nil {
		panic("acceptance: a test's own digits are not hexadecimal")
	}
	return b
}

// tdes is TDES with a key of two parts.
func tdes(key []byte) cipher.Block {
	c, err := des.NewTripleDESCipher(append(append([]byte{}, key...), key[:8]...))
	if err != nil {
		panic("acceptance: a test's own key has a wrong size")
	}
	return c
}

// blocks runs each block of the data through a function of a cipher.
func blocks(f func(dst, src []byte), data []byte) []byte {
	out := make([]byte, len(data))
	for i := 0; i < len(data); i += 8 {
		f(out[i:], data[i:i+8])
	}
	return out
}

func xor(a, b []byte) []byte {
	out := make([]byte, len(a))
	for i := range a {
		out[i] = a[i] ^ b[i]
	}
	return out
}

// mac3 is ISO 9797-1 algorithm 3 over whole blocks.
func mac3(key, data []byte) []byte {
	left, err := des.NewCipher(key[:8])
	if err != nil {
		panic("acceptance: a test's own key has a wrong size")
	}
	right, _ := des.NewCipher(key[8:16]) // of the same size
	mac := make([]byte, 8)
	for i := 0; i < len(data); i += 8 {
		left.Encrypt(mac, xor(mac, data[i:i+8]))
	}
	right.Decrypt(mac, mac)
	left.Encrypt(mac, mac)
	return mac
}

// cmacTDES is NIST SP 800-38B with TDES.
func cmacTDES(key, data []byte) []byte {
	c := tdes(key)
	double := func(b []byte) []byte {
		n := new(big.Int).Lsh(new(big.Int).SetBytes(b), 1)
		if n.Bit(64) == 1 {
			n.Xor(n, big.NewInt(0x1b))
		}
		return n.FillBytes(make([]byte, 9))[1:]
	}
	sub := double(blocks(c.Encrypt, make([]byte, 8)))
	data = append([]byte{}, data...)
	if len(data) == 0 || len(data)%8 != 0 {
		data, sub = append(data, 0x80), double(sub)
		data = append(data, make([]byte, (8-len(data)%8)%8)...)
	}
	last := data[len(data)-8:]
	copy(last, xor(last, sub))
	mac := make([]byte, 8)
	for i := 0; i < len(data); i += 8 {
		c.Encrypt(mac, xor(mac, data[i:i+8]))
	}
	return mac
}

// keyBlock is a key of double length in a block of TR-31, version B, for a usage and mode, under a key of double length.
// What fills it up is not random: a test's block is the same each time.
func keyBlock(protection, key []byte, usage string) string {
	derive := func(purpose string) []byte {
		return append(cmacTDES(protection, unhex("01"+purpose+"0000000080")), cmacTDES(protection, unhex("02"+purpose+"0000000080"))...)
	}
	head := "B0080" + usage[:2] + "T" + usage[2:] + "00E0000"
	data := append(append(unhex("0080"), key...), unhex("1C2965473CE2")...)
	mac := cmacTDES(derive("0001"), append([]byte(head), data...))
	c, before := tdes(derive("0000")), mac
	var out []byte
	for i := 0; i < len(data); i += 8 {
		block := make([]byte, 8)
		c.Encrypt(block, xor(before, data[i:i+8]))
		out, before = append(out, block...), block
	}
	return head + strings.ToUpper(hex.EncodeToString(append(out, mac...)))
}

// cvv is a verification value: of service code 000 it is the one on the back of the card.
func cvv(number, expiry, service string) string {
	d := unhex((number + expiry + service + strings.Repeat("0", 32))[:32])
	value := hex.EncodeToString(mac3(unhex(stageKey), d))
	out := ""
	for _, c := range value {
		if c <= '9' {
			out += string(c)
		}
	}
	for _, c := range value {
		if c >= 'a' {
			out += string(c - 'a' + '0')
		}
	}
	return out[:3]
}

// pinBlock is a PIN in a block of ISO format 0, under the key of the demo's zone.
func pinBlock(number, pin string) []byte {
	key := blocks(tdes(unhex(stageMaster)).Decrypt, unhex(demoZoneKey))
	clear := unhex((fmt.Sprintf("0%d%s", len(pin), pin) + strings.Repeat("f", 16))[:16])
	bound := unhex("0000" + number[len(number)-13:len(number)-1])
	return blocks(tdes(key).Encrypt, xor(clear, bound))
}

// icc is a chip of cryptogram version 10.
type icc struct{ number string }

func (c icc) key() []byte {
	y := unhex((c.number + "00")[len(c.number)+2-16:])
	master := tdes(unhex(stageKey))
	key := append(blocks(master.Encrypt, y), blocks(master.Encrypt, xor(y, []byte("\xff\xff\xff\xff\xff\xff\xff\xff")))...)
	for i, b := range key { // DES ignores parity, but books write it
		ones := 0
		for n := b >> 1; n > 0; n &= n - 1 {
			ones++
		}
		key[i] = b&^1 | byte(1-ones&1)
	}
	return key
}

// asks are the chip's data for an online decision, and its cryptogram.
func (c icc) asks(minor int64, atc uint16) (data, cryptogram []byte) {
	objects := []struct{ tag, value string }{{"9F02", fmt.Sprintf("%012d", minor)}, {"9F03", "000000000000"}, {"9F1A", "0616"},
		{"95", "0000048000"}, {"5F2A", "0978"}, {"9A", "260314"}, {"9C", "00"}, {"9F37", "52BF4585"}, {"82", "1800"},
		{"9F36", fmt.Sprintf("%04X", atc)}}
	var signed []byte
	for _, o := range objects {
		signed = append(signed, unhex(o.value)...)
		data = append(data, unhex(o.tag)...)
		data = append(append(data, byte(len(o.value)/2)), unhex(o.value)...)
	}
	signed = append(signed, unhex("03A06010")...)
	cryptogram = mac3(c.key(), append(signed, make([]byte, (8-len(signed)%8)%8)...))
	data = append(data, unhex("9F100706010A03A06010"+"9F270180"+"9F2608")...)
	return append(data, cryptogram...), cryptogram
}

// answer is tag 91 for an approval: the response cryptogram of method 1 and its response code, the characters 00.
func (c icc) answer(cryptogram []byte) []byte {
	arc := []byte("00")
	return append(blocks(tdes(c.key()).Encrypt, xor(cryptogram, append(append([]byte{}, arc...), make([]byte, 6)...))), arc...)
}

// The tests' own cryptography is held against published vectors.
func TestAcceptanceCryptographyIsThatOfTheBooks(t *testing.T) {
	t.Parallel()
	if got := cvv("4123456789012345", "8701", "101"); got != "561" {
		t.Errorf("the verification value is %s", got)
	}
	// The example of TR-31 (2010, A.7.2); its filling is this one.
	if got := keyBlock(unhex("DD7515F2BFC17F85CE48F3CA25CB21F6"), unhex("3F419E1CB7079442AA37474C2EFBF8B8"), "P0E"); got !=
		"B0080P0TE00E000094B420079CC80BA3461F86FE26EFC4A3B8E4FA4C5F5341176EED7B727B8A248E" {
		t.Errorf("the key block is %s", got)
	}
	data := unhex("0000000040000000000000000124800004800001241911050152BF45851800001C03A06010" + "000000")
	key := icc{"1234567890123456"}.key()
	arqc := mac3(key, data)
	if got := fmt.Sprintf("%X", arqc); got != "29CCA15AE665FA2E" {
		t.Errorf("the cryptogram is %s", got)
	}
	if got := fmt.Sprintf("%X", icc{"1234567890123456"}.answer(arqc)); got != "28993816AFAE4AEB3030" {
		t.Errorf("the answer is %s", got)
	}
}

// stageKeys puts the keys of the tests into a key file, the zone's for the peers named.
func stageKeys(peers ...string) func(path string) error {
	return func(path string) error {
		use := func(usage, key string, attributes map[string]string) error {
			id, err := keystore.ImportKey(path, nil, usage, unhex(key), attributes)
			if err == nil {
				err = keystore.ActivateKey(path, nil, id)
			}
			return err
		}
		for _, usage := range []string{"cvk", "imk-ac"} {
			if err := use(usage, stageKey, nil); err != nil {
				return err
			}
		}
		for _, peer := range peers {
			if err := use("zmk", stageMaster, map[string]string{"peer": peer}); err != nil {
				return err
			}
		}
		return nil
	}
}
