package gateway_test

import (
	"testing"
	"time"

	"holdfast/switch/gateway"
	"holdfast/switch/iso"
)

// A clearing says which of how many parts it is where the peer's profile says; what makes no sense is passed over.
func TestClearingInParts(t *testing.T) {
	source, err := iso.Source("iso87-ascii")
	if err != nil {
		t.Fatal(err)
	}
	d, err := iso.Parse("parts", append(source, "profile: {places: {part: 62.1-2, parts: 62.3-4}}\n"...))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		mti, says   string
		part, parts int
	}{{"0220", "0103", 1, 3}, {"0220", "0303", 3, 3}, {"0220", "0000", 0, 0}, {"0220", "    ", 0, 0}, {"0220", "0402", 0, 0},
		{"0220", "A1B2", 0, 0}, {"0220", "01", 0, 0}, {"0220", "-1-1", 0, 0}, {"0120", "0103", 0, 0}, {"0100", "0103", 0, 0}} {
		m := d.New(test.mti)
		for de, v := range map[int]string{2: "9999991000000012", 3: "000000", 4: "000000001000", 7: "0314092653", 11: "000101",
			12: "092653", 13: "0314", 49: "978", 62: test.says} {
			if err := m.Set(de, v); err != nil {
				t.Fatal(err)
			}
		}
		body, err := m.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		s := yes()
		passed(t, "iso87-ascii", time.Now(), body, s, func(p *gateway.Peer) { p.Dialect = d })
		if s.asked == nil {
			t.Fatalf("%s with %q is not decided", test.mti, test.says)
		}
		if s.asked.Part != test.part || s.asked.Parts != test.parts {
			t.Errorf("%s with %q is part %d of %d, want %d of %d", test.mti, test.says, s.asked.Part, s.asked.Parts, test.part, test.parts)
		}
	}
}
