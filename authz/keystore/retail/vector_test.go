package retail_test

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"holdfast/authz/keystore/retail"
)

// vector is a line of the published vectors; where they come from is in NOTICE.
type vector struct {
	Alg string            `json:"alg"`
	In  map[string]string `json:"in"`
	Out string            `json:"out"`
}

func vectors(t testing.TB) []vector {
	t.Helper()
	f, err := os.Open("../testdata/vectors/crypto.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []vector
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if err := lines.Err(); err != nil || len(all) < 19 {
		t.Fatalf("%d vectors, %v", len(all), err)
	}
	return all
}

func (v *vector) hex(t testing.TB, name string) []byte {
	t.Helper()
	b, err := hex.DecodeString(v.In[name])
	if err != nil || len(b) == 0 {
		t.Fatalf("%s: %s is not hexadecimal", v.Alg, name)
	}
	return b
}

// xorKey is a key under which a block is known: the vectors of clear blocks are made under it and undone again.
var xorKey, _ = hex.DecodeString("0123456789ABCDEFFEDCBA9876543210")

func TestVectors(t *testing.T) {
	tested := 0
	for _, v := range vectors(t) {
		got, ok := compute(t, &v)
		if !ok {
			continue // chip cryptograms: tested where they are computed
		}
		tested++
		if got != v.Out {
			t.Errorf("%s: %s, want %s", v.Alg, got, v.Out)
		}
	}
	if tested != 9 {
		t.Errorf("%d vectors were tested, want 9", tested)
	}
}

func compute(t *testing.T, v *vector) (string, bool) {
	t.Helper()
	must := func(s string, err error) (string, bool) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", v.Alg, err)
		}
		return s, true
	}
	pin := func(key, block []byte, accept string) (string, bool) {
		_, pin, err := retail.OpenPINBlock(key, block, v.In["pan"], accept)
		return must(string(pin), err)
	}
	switch {
	case v.Alg == "CVV":
		return must(retail.CVV(v.hex(t, "cvk"), v.In["pan"], v.In["exp_yymm"], v.In["sc"]))
	case v.Alg == "PVV":
		return must(retail.PVV(v.hex(t, "pvk"), v.In["pan"], v.In["pvki"][0], v.In["pin"]))
	case v.Alg == "IBM3624-offset":
		return must(retail.Offset(v.hex(t, "pvk"), v.In["validation_data"], v.In["dectab"], v.In["pin"]))
	case v.Alg == "PINBLOCK-ISO0", v.Alg == "PINBLOCK-ISO3(fill F)":
		cipher, err := retail.TDES(xorKey)
		if err != nil {
			t.Fatal(err)
		}
		clear, err := hex.DecodeString(v.Out)
		if err != nil {
			t.Fatal(err)
		}
		block := make([]byte, 8)
		cipher.Encrypt(block, clear)
		if got, _ := pin(xorKey, block, "03"); got != v.In["pin"] {
			t.Errorf("%s opens to another PIN", v.Alg)
		}
		if v.Alg != "PINBLOCK-ISO0" {
			return v.Out, true // its fill is random: it is opened only
		}
		made, err := retail.SealPINBlock(xorKey, retail.ISO0, []byte(v.In["pin"]), v.In["pan"])
		if err != nil {
			t.Fatal(err)
		}
		cipher.Decrypt(made, made)
		return strings.ToUpper(hex.EncodeToString(made)), true
	case strings.HasPrefix(v.Alg, "PIN decrypt ISO0"):
		return unfilled(t, v), true
	case strings.HasPrefix(v.Alg, "PINBLOCK-ISO4 decrypt"):
		return pin(v.hex(t, "key"), v.hex(t, "block"), "4")
	case strings.HasPrefix(v.Alg, "PINBLOCK-ISO4"):
		block, err := hex.DecodeString(v.Out)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := pin(v.hex(t, "key"), block, "4"); got != v.In["pin"] {
			t.Errorf("%s opens to another PIN", v.Alg)
		}
		return v.Out, true
	case strings.HasPrefix(v.Alg, "MAC retail"):
		mac, err := retail.RetailMAC(v.hex(t, "key"), v.hex(t, "data"))
		return must(strings.ToUpper(hex.EncodeToString(mac[:])), err)
	}
	return "", false
}

// unfilled decrypts the trace of a terminal that fills format 0 with anything: the PIN is there, and the block is
// refused all the same, as the standard says F.
func unfilled(t *testing.T, v *vector) string {
	t.Helper()
	cipher, err := retail.TDES(v.hex(t, "zpk"))
	if err != nil {
		t.Fatal(err)
	}
	block := v.hex(t, "de52")
	if _, _, err := retail.OpenPINBlock(v.hex(t, "zpk"), block, v.In["pan"], "0"); !errors.Is(err, retail.ErrPINBlock) {
		t.Errorf("%s: a wrong fill: %v", v.Alg, err)
	}
	cipher.Decrypt(block, block)
	account, err := hex.DecodeString("0000" + v.In["pan"][3:15])
	if err != nil {
		t.Fatal(err)
	}
	for i := range account {
		block[i] ^= account[i]
	}
	plain := hex.EncodeToString(block)
	return plain[2 : 2+block[0]]
}

// Published values of RFC 4493, of ISO 9797-1 and of ISO 7813 in the domain's reference.
func TestOtherKnownAnswers(t *testing.T) {
	key, _ := hex.DecodeString("2b7e151628aed2a6abf7158809cf4f3c")
	message, _ := hex.DecodeString("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411" +
		"e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710")
	for length, want := range map[int]string{0: "bb1d6929e95937287fa37d129b756746", 16: "070a16b46b4d4144f79bdd9dd04a287c",
		40: "dfa66747de9ae63030ca32611497c827", 64: "51f0bebf7e3b9d92fc49741779363cfe"} {
		mac, err := retail.CMAC(key, message[:length])
		if got := hex.EncodeToString(mac[:]); err != nil || got != want {
			t.Errorf("CMAC of %d bytes: %s, %v", length, got, err)
		}
	}
	cvk, _ := hex.DecodeString("0123456789ABCDEFFEDCBA9876543210")
	if cvv, err := retail.CVV(cvk, "4123456789012345", "8701", "101"); cvv != "561" || err != nil {
		t.Errorf("CVV is %s, %v", cvv, err)
	}
	if kcv, err := retail.CheckValue(cvk, false); hex.EncodeToString(kcv) != "08d7b4" || err != nil {
		t.Errorf("check value is %x, %v", kcv, err)
	}
}

// The examples of ISO/IEC 9797-1 (annex, "Now is the time for all "; an equal second half makes TDES single DES) and of
// NIST SP 800-38B (D.4 and D.5).
func TestMACKnownAnswers(t *testing.T) {
	t.Parallel()
	text, _ := hex.DecodeString("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")
	now := []byte("Now is the time for all ")
	three := "8aa83bf8cbda10620bc1bf19fbb6cd58bc313d4a371ca8b5"
	two := "4cf15134a2850dd58a3d10ba80570d38"
	one, pair := "0123456789ABCDEF0123456789ABCDEF", "0123456789ABCDEFFEDCBA9876543210"
	cbc := func(marked bool) func(key, data []byte) ([8]byte, error) {
		return func(key, data []byte) ([8]byte, error) { return retail.MAC1(key, data, marked) }
	}
	for _, c := range []struct {
		name string
		mac  func(key, data []byte) ([8]byte, error)
		key  string
		data []byte
		want string
	}{
		{"algorithm 1, padding 1", cbc(false), one, now, "70a30640cc76dd8b"},
		{"algorithm 1, padding 2", cbc(true), one, now, "10e1f0f108341b6d"},
		{"algorithm 3, padding 1", retail.RetailMAC, pair, now, "a1c72e74ea3fa9b6"},
		{"algorithm 3, padding 2", retail.MAC3Marked, pair, now, "e9086230ca3be796"},
		{"CMAC, three keys, nothing", retail.TDESCMAC, three, nil, "b7a688e122ffaf95"},
		{"CMAC, three keys, a block", retail.TDESCMAC, three, text[:8], "8e8f293136283797"},
		{"CMAC, three keys, a part of one", retail.TDESCMAC, three, text[:20], "743ddbe0ce2dc2ed"},
		{"CMAC, two keys", retail.TDESCMAC, two, text, "31b1e431dabc4eb8"},
	} {
		key, _ := hex.DecodeString(c.key)
		mac, err := c.mac(key, c.data)
		if got := hex.EncodeToString(mac[:]); got != c.want || err != nil {
			t.Errorf("%s: %s, %v, want %s", c.name, got, err, c.want)
		}
		if _, err := c.mac(key[:8], c.data); !errors.Is(err, retail.ErrKey) {
			t.Errorf("%s, half a key: %v", c.name, err)
		}
	}
}
