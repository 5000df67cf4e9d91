package retail_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"holdfast/authz/keystore/retail"
)

// The examples of TR-31: version B under a TDES key of double length (2010, A.7.2) and version D under an AES key of 256
// bits (2018, A.7.4). The key inside is the same.
var keyBlocks = []struct{ protection, block, key string }{
	{"DD7515F2BFC17F85CE48F3CA25CB21F6",
		"B0080P0TE00E000094B420079CC80BA3461F86FE26EFC4A3B8E4FA4C5F5341176EED7B727B8A248E", "3F419E1CB7079442AA37474C2EFBF8B8"},
	{"88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6",
		"D0112P0AE00E0000B82679114F470F540165EDFBF7E250FCEA43F810D215F8D207E2E417C07156A27E8E31DA05F7425509593D03A457DC34",
		"3F419E1CB7079442AA37474C2EFBF8B8"},
}

func TestKeyBlocks(t *testing.T) {
	t.Parallel()
	for _, v := range keyBlocks {
		protection, _ := hex.DecodeString(v.protection)
		b, err := retail.OpenKeyBlock(protection, v.block)
		if err != nil {
			t.Fatalf("version %c: %v", v.block[0], err)
		}
		if got := strings.ToUpper(hex.EncodeToString(b.Key)); got != v.key || b.Usage != "P0" || b.Mode != 'E' ||
			b.Algorithm != v.block[7] || b.Version != v.block[0] {
			t.Errorf("version %c: usage %s, algorithm %c, mode %c, and the key is right: %v", b.Version, b.Usage, b.Algorithm, b.Mode, got == v.key)
		}
		for at := range v.block { // whatever is changed, it does not open
			other := byte('0')
			if v.block[at] == other {
				other = '1'
			}
			changed := v.block[:at] + string(other) + v.block[at+1:]
			if _, err := retail.OpenKeyBlock(protection, changed); !errors.Is(err, retail.ErrKeyBlock) {
				t.Errorf("version %c, another character %d: %v", b.Version, at, err)
			}
		}
		for n := range v.block {
			if _, err := retail.OpenKeyBlock(protection, v.block[:n]); !errors.Is(err, retail.ErrKeyBlock) {
				t.Errorf("version %c, cut to %d: %v", b.Version, n, err)
			}
		}
		protection[0] ^= 2
		if _, err := retail.OpenKeyBlock(protection, v.block); !errors.Is(err, retail.ErrKeyBlock) {
			t.Errorf("version %c under another key: %v", b.Version, err)
		}
		if _, err := retail.OpenKeyBlock(protection[:8], v.block); !errors.Is(err, retail.ErrKey) {
			t.Errorf("version %c under a short key: %v", b.Version, err)
		}
	}
}

// FuzzOpenKeyBlock: nothing but what was made under the key opens, and nothing panics.
func FuzzOpenKeyBlock(f *testing.F) {
	for _, v := range keyBlocks {
		f.Add(v.block)
		f.Add(v.block[:12] + "01" + v.block[14:16] + "KS18FFFF00A0200001E00000" + v.block[16:])
		f.Add(v.block[:12] + "01" + v.block[14:16] + "KS000400FF" + v.block[16:])
	}
	f.Fuzz(func(t *testing.T, block string) {
		for _, v := range keyBlocks {
			protection, _ := hex.DecodeString(v.protection)
			if b, err := retail.OpenKeyBlock(protection, block); err == nil {
				known := strings.EqualFold(block[16:], v.block[16:]) && block[:16] == v.block[:16] // hexadecimal digits have two forms
				if !known || strings.ToUpper(hex.EncodeToString(b.Key)) != v.key {
					t.Fatal("a block that nobody made opens")
				}
			}
		}
	})
}
