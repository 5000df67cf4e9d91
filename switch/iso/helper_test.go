package iso_test

import (
	"testing"

	"holdfast/switch/iso"
)

const testPAN = "4111111111111111"

func builtin(t testing.TB, name string) *iso.Dialect {
	t.Helper()
	d, err := iso.Builtin(name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// purchase is a usual 0100 of twenty elements.
func purchase(t testing.TB, d *iso.Dialect) *iso.Message {
	t.Helper()
	m := d.New("0100")
	for de, v := range map[int]string{
		2: testPAN, 3: "000000", 4: "000000001234", 7: "0314092653", 11: "000101", 12: "102653", 13: "0314",
		14: "2812", 18: "5411", 19: "616", 22: "051", 23: "001", 25: "00", 32: "123456",
		35: testPAN + "D28122010000012345678", 37: "607309000101", 41: "TERM0001", 42: "MERCHANT0000001",
		43: "ACME STORE               WARSZAWA     PL", 49: "978",
	} {
		if err := m.Set(de, v); err != nil {
			t.Fatalf("set: %v", err)
		}
	}
	return m
}

func encoded(t testing.TB, m *iso.Message) []byte {
	t.Helper()
	raw, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
