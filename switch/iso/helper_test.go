package iso_test

import (
	"testing"

	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

const testPAN = isotest.PAN

func builtin(t testing.TB, name string) *iso.Dialect {
	t.Helper()
	d, err := iso.Builtin(name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func encoded(t testing.TB, m *iso.Message) []byte {
	t.Helper()
	raw, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
