package iso_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

// TestDescriptionShowsNoSecret plants a secret in every place that could hold one and looks for it.
func TestDescriptionShowsNoSecret(t *testing.T) {
	t.Parallel()
	m := isotest.Purchase(builtin(t, "iso87-ascii"))
	emv, err := hex.DecodeString("5A08" + testPAN + "5713" + testPAN + "D28122010000012345678F")
	if err != nil {
		t.Fatal(err)
	}
	for de, v := range map[int]string{
		34: testPAN, 36: testPAN + "=9", 45: "B" + testPAN + "^HOLDER/ANY^2812", 48: "92 03 737 " + testPAN,
		52: "\x41\x42\x43\x44\x45\x46\x47\x48", 53: "1234567890123456", 55: string(emv), 60: testPAN, 102: testPAN,
		103: testPAN, 120: testPAN, 127: testPAN, 64: "SECRET64", 128: "SECRET28", 54: "0000978C000000001234", 96: "SECRET96",
		43: "CALL " + testPAN + " NOW            PL",
	} {
		if de == 43 {
			v = (v + strings.Repeat(" ", 40))[:40]
		}
		if err := m.Set(de, v); err != nil {
			t.Fatal(err)
		}
	}
	text := describe(m)
	for _, secret := range []string{
		testPAN, testPAN[6:12], "2812", "ABCDEFGH", "SECRET", "737", "HOLDER", "1234567890123456", string(emv), hex.EncodeToString(emv),
	} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(secret)) {
			t.Errorf("the description holds %q:\n%s", secret, text)
		}
	}
	number, _ := m.PAN()
	for _, want := range []string{number.String(), "000101", "TERM0001", "(8 bytes)", "(37 bytes)", "000000001234"} {
		if !strings.Contains(text, want) {
			t.Errorf("the description lacks %q:\n%s", want, text)
		}
	}
}

func TestDescriptionFailsClosed(t *testing.T) {
	t.Parallel()
	d, err := iso.Parse("test", []byte(`
base: iso87
mti: ascii
bitmap: hex
numeric: ascii
text: latin1
length: {encoding: ascii}
elements:
  2: {format: ans..19, name: card or token}
  11: {format: ans...40}
  38: {format: an8}
  41: {name: till}
`))
	if err != nil {
		t.Fatal(err)
	}
	m := d.New("0100")
	for de, v := range map[int]string{2: "tokenTOKEN", 11: "secret", 38: "SECRETS!", 41: "caf\xe9\x9b31m", 42: testPAN[:15]} {
		if err := m.Set(de, v); err != nil {
			t.Fatal(err)
		}
	}
	want := []iso.Element{
		{DE: 0, Name: "message type", Value: "0100"},
		{DE: 2, Name: "card or token", Value: "(10 bytes)"},
		{DE: 11, Name: "systems trace audit number", Value: "(6 bytes)"},
		{DE: 38, Name: "approval code", Value: "(8 bytes)"},
		{DE: 41, Name: "till", Value: "café.31m"}, // no terminal is sent a control sequence
		{DE: 42, Name: "card acceptor id", Value: "411111111111111"},
	}
	got := m.Describe()
	if len(got) != len(want) {
		t.Fatalf("got %d lines, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %+v, want %+v", got[i], want[i])
		}
	}
}
