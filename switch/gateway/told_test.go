package gateway_test

import (
	"strings"
	"testing"

	"holdfast/switch/iso"
)

// An advice and a reversal have happened: what is odd about them does not make us refuse them, and
// what can be done with them is done.
func TestWhatIsToldIsAcknowledged(t *testing.T) {
	c := open(t, "iso87-ascii")
	for name, change := range map[string]elements{
		"date that is none": {13: "9099"}, "time that is none": {12: "250000"}, "no transmission time": {7: ""},
		"expiry that is none": {14: "4999"}, "currency unknown": {49: "000"}, "no currency": {49: ""}, "no amount": {4: ""},
		"track of another card": {35: "4111111111111111=29112011234500000"}, "BIN unknown": {2: "4111111111111111"},
		"card unknown": {2: "9999991000009998"}, "processing code unknown": {3: "990000"},
	} {
		t.Run(name, func(t *testing.T) {
			told := elements{38: "STAND1", 39: "00"}
			for de, v := range change {
				told[de] = v
			}
			x := c.raw(c.bytes(c.message("0120", c.Alice, told)))
			if a := c.decode(x); a == nil || a.MTI() != "0130" || a.Get(39) != "00" || a.Get(38) != "STAND1" || x.strike {
				t.Errorf("the advice is not acknowledged")
			}
			x = c.raw(c.bytes(c.message("0420", c.Alice, change)))
			if a := c.decode(x); a == nil || a.MTI() != "0430" || a.Get(39) != "00" || x.strike {
				t.Errorf("the reversal is not acknowledged")
			}
		})
	}
	if !strings.Contains(c.log.String(), "element 13: impossible date") {
		t.Error("what was odd is not logged")
	}
	c.expect(c.message("0120", c.Alice, elements{7: "", 12: ""}), "30")
	c.expect(c.message("0420", c.Alice, elements{2: ""}), "30")
}

func (c *counter) bytes(m *iso.Message) []byte {
	c.t.Helper()
	body, err := m.Append(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return body
}

func TestOddReversalStillGivesBack(t *testing.T) {
	c := open(t, "iso87-bcd")
	before := c.Available(c.Alice.Balance)
	m := c.message("0100", c.Alice, nil)
	c.expect(m, "00")
	original := "0100" + m.Get(11) + m.Get(7) + "00000" + m.Get(32) + "00000000000"
	c.expect(c.message("0420", c.Alice, elements{90: original, 95: "000000001000" + strings.Repeat(" ", 30)}), "00")
	if got := c.Available(c.Alice.Balance); got != before-10_00 {
		t.Errorf("with blanks for the second replacement amount Alice has %d, want %d", got, before-10_00)
	}
	c.expect(c.message("0420", c.Alice, elements{90: original, 13: "9099", 14: "0000", 49: "000"}), "00")
	if got := c.Available(c.Alice.Balance); got != before {
		t.Errorf("Alice has %d, want %d", got, before)
	}
}

// One merchant's nonsense does not cut off the others on its link.
func TestImpossibleContentCostsNoStrike(t *testing.T) {
	c := open(t, "iso87-ascii-binbmp")
	for _, change := range []elements{{49: ""}, {7: "1322120001"}, {14: "2913"}} {
		x := c.raw(c.bytes(c.message("0100", c.Alice, change)))
		if a := c.decode(x); a == nil || a.Get(39) != "30" || x.strike {
			t.Error("want a format error and no strike")
		}
	}
}

func TestAnswersEchoWhatTheirKindDoes(t *testing.T) {
	c := open(t, "iso87-ascii")
	all := elements{15: "1122", 23: "001", 28: "D00000000", 33: "00000000777", 38: "STAND1", 54: "0040978D000000000100",
		59: "TRANSPORT", 60: "60X", 62: "  LEADING", 63: "TRAILING  ", 90: strings.Repeat("0", 42),
		95: strings.Repeat("0", 24) + "D00000000D00000000", 102: "ACCOUNT "}
	for mti, absent := range map[string][]int{
		"0100": {14, 18, 22, 25, 43, 54, 60, 90, 95}, "0120": {14, 18, 22, 25, 43, 54, 60, 95},
		"0420": {14, 18, 22, 23, 25, 43, 54, 60},
	} {
		m := c.message(mti, c.Alice, all)
		a := c.expect(m, "00")
		for _, de := range absent {
			if a.Has(de) {
				t.Errorf("the answer to %s has element %d", mti, de)
			}
			m.Unset(de)
		}
		for _, de := range m.Elements() {
			if de != 38 && a.Get(de) != m.Get(de) {
				t.Errorf("the answer to %s does not echo element %d", mti, de)
			}
		}
	}
}

func TestDrainingLinkSendsThePeerElsewhere(t *testing.T) {
	c := open(t, "iso87-ascii")
	nothing := elements{2: "", 3: "", 4: "", 14: "", 18: "", 22: "", 25: "", 37: "", 41: "", 42: "", 43: "", 49: ""}
	manage := func(code string) *iso.Message {
		m := c.message("0800", c.Alice, nothing)
		if err := m.Set(70, code); err != nil {
			t.Fatal(err)
		}
		return m
	}
	c.expect(manage("301"), "00")
	c.session.Goodbye()
	c.expect(manage("301"), "91")
	c.expect(manage("001"), "91")
	c.expect(manage("002"), "00")
}
