package keystore_test

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"holdfast/authz/keystore"
	"holdfast/authz/keystore/retail"
)

// blocksOf are the key 3F419E1CB7079442AA37474C2EFBF8B8 in key blocks of TR-31 under master, for a PIN key, a key of the
// retail MAC, and what no zone key may be; made by the acceptance tests' own cryptography.
var blocksOf = map[string]string{
	"P0B": "B0080P0TB00E0000435A2F34A72E65CFE4A74C46E5218F17E3B5ECC41BD50E82C5FFD6A0A7BDFBFB",
	"P0D": "B0080P0TD00E000015C5CD7C95E79909FD7CD9FA916F56AF41023BBD0A91D01273EA2C3D2AF3021A",
	"P0E": "B0080P0TE00E0000BBE97D07593F3C7595833D81DC4FE3B17D51C69245C77B58F981A9B9CE8437D1",
	"M3C": "B0080M3TC00E0000151C9F70487A50C56AA0F93C694EDADF41EFC8E87F97D3C675291851F0A1A5D7",
	"M6C": "B0080M6TC00E00001B1AC791D5A931EF2632BDA09B3FA1193C3F8EC9AE22F2765A86105382EBE9AC",
	"M3G": "B0080M3TG00E0000BBA74B4E3B16E16A88FC2BF7EB9B22FC997E67F2075ADAD462FAA3C45DBD7268",
	"D0B": "B0080D0TB00E000053DC7476F251319ED5BB97AC10FBB3E93326CD47D096F08E962A912FCD2D6A9C",
}

func TestImportKeyBlock(t *testing.T) {
	t.Parallel()
	good := map[keystore.ZoneUse]string{keystore.ZonePIN: "P0B P0D", keystore.ZoneMAC: "M3C M6C"}
	for name, block := range blocksOf {
		for use, names := range good {
			s := zoned(t)
			k, err := s.ImportZoneKey("network", use, []byte(block), nil)
			if ok := strings.Contains(names, name); ok != (err == nil) || !ok && !errors.Is(err, keystore.ErrInput) {
				t.Errorf("%s for %s: %v", name, use, err)
			}
			if err == nil && len(k.CheckValue) != 3 {
				t.Errorf("%s: a check value of %d bytes", name, len(k.CheckValue))
			}
		}
	}
}

// aesBlock puts a key of 128 bits into a block of version D under a key of 256 bits.
func aesBlock(t *testing.T, protection, key []byte, usage string) string {
	t.Helper()
	derive := func(purpose string) (out []byte) {
		for _, counter := range []string{"01", "02"} {
			part, err := retail.CMAC(protection, unhex(t, counter+purpose+"0000040100"))
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, part[:]...)
		}
		return out
	}
	head := "D0112" + usage[:3] + usage[3:] + "00E0000"
	data := slices.Concat(unhex(t, "0080"), key, make([]byte, 14))
	mac, err := retail.CMAC(derive("0001"), append([]byte(head), data...))
	if err != nil {
		t.Fatal(err)
	}
	c, err := aes.NewCipher(derive("0000"))
	if err != nil {
		t.Fatal(err)
	}
	cipher.NewCBCEncrypter(c, mac[:]).CryptBlocks(data, data)
	return head + strings.ToUpper(hex.EncodeToString(append(data, mac[:]...)))
}

// Goal: in an AES zone a block of version D brings an AES key, and nothing else does. Method: codes by the key.
func TestImportKeyBlockOfAES(t *testing.T) {
	t.Parallel()
	protection, key := unhex(t, "88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6"), unhex(t, zoneOne)
	s := imported(t, "zmk", hex.EncodeToString(protection), map[string]string{"peer": "network", "algorithm": "AES"})
	for name, block := range map[string]string{"a TDES key": aesBlock(t, protection, key, "M3TC"), "under TDES": blocksOf["M3C"],
		"for PINs": aesBlock(t, protection, key, "P0AB")} {
		if _, err := s.ImportZoneKey("network", keystore.ZoneMAC, []byte(block), nil); !errors.Is(err, keystore.ErrInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.ImportZoneKey("network", keystore.ZoneMAC, []byte(aesBlock(t, protection, key, "M6AC")), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ActivateZoneKey("network", keystore.ZoneMAC, moment, 0); err != nil {
		t.Fatal(err)
	}
	form := keystore.MACForm{Algorithm: keystore.MACCMAC, Bytes: 16}
	got, err := s.MAC("network", form, keystore.MACKeyActive, message)
	want, _ := retail.CMAC(key, message)
	if err != nil || string(got) != string(want[:]) {
		t.Errorf("a code by the key: %v", err)
	}
}
