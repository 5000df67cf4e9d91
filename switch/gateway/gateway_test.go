package gateway_test

import (
	"encoding/csv"
	"os"
	"strings"
	"testing"

	"holdfast/authz"
	"holdfast/store/storetest"
	"holdfast/switch/gateway"
	"holdfast/switch/iso"
)

var dialects = []string{"iso87-ascii", "iso87-ascii-binbmp", "iso87-bcd"}

func TestPurchaseInEveryDialect(t *testing.T) {
	for _, d := range dialects {
		t.Run(d, func(t *testing.T) {
			c := open(t, d)
			c.SetPIN(c.Alice, "1234")
			track := c.Alice.Number.Reveal() + "=" + expiry.YYMM() + "2011234500000" // its value is not looked at beside a chip
			if strings.HasSuffix(d, "bcd") {
				track = strings.Replace(track, "=", "D", 1)
			}
			m := c.message("0100", c.Alice, elements{35: track, 52: c.PINBlock(c.Alice, "1234").Reveal(),
				55: c.Chip(c.Alice, 30_00, 1).Reveal()})
			a := c.expect(m, "00")
			if a.MTI() != "0110" || len(a.Get(38)) != 6 {
				t.Errorf("answer %s with approval code of %d characters", a.MTI(), len(a.Get(38)))
			}
			for _, de := range []int{2, 3, 4, 7, 11, 12, 13, 32, 37, 41, 42, 49, 63} {
				if a.Get(de) != m.Get(de) {
					t.Errorf("element %d is not echoed character by character", de)
				}
			}
			for _, de := range []int{14, 18, 22, 25, 35, 43, 45, 52, 53} {
				if a.Has(de) {
					t.Errorf("element %d came back", de)
				}
			}
			if chip := a.Get(55); len(chip) < 10 || chip[0] != 0x91 || int(chip[1]) != len(chip)-2 || strings.Contains(m.Get(55), chip[2:]) {
				t.Error("the card's chip is not answered by tag 91 alone")
			}
			if left := c.Available(c.Alice.Balance); left != storetest.UserFunds-30_00 {
				t.Errorf("Alice has %d left", left)
			}
		})
	}
}

func TestRepeatGetsTheSameBytes(t *testing.T) {
	c := open(t, "iso87-ascii")
	m := c.message("0100", c.Alice, nil)
	bytes := func(m *iso.Message) string {
		body, err := m.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := c.raw(body).answer.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		return string(answer)
	}
	first := bytes(m)
	m.SetMTI("0101")
	if again := bytes(m); again != first {
		t.Error("the repeat is answered otherwise")
	}
	if err := m.Set(7, "1122120959"); err != nil {
		t.Fatal(err)
	}
	a := c.expect(m, "00")
	first38, _ := c.peer.Dialect.Decode([]byte(first))
	if a.Get(38) != first38.Get(38) {
		t.Error("a repeat with a new DE 7 is a new decision")
	}
	if left := c.Available(c.Alice.Balance); left != storetest.UserFunds-30_00 {
		t.Errorf("Alice has %d left: held more than once", left)
	}
}

func TestAnswersByKindOfMessage(t *testing.T) {
	c := open(t, "iso87-ascii")
	for name, test := range map[string]struct {
		mti, answer, code string
		change            elements
	}{
		"cash":                    {"0100", "0110", "00", elements{3: "010000", 4: "000000000100", 18: "6011"}},
		"financial":               {"0200", "0210", "00", elements{4: "000000000100"}},
		"financial repeat":        {"0201", "0210", "00", elements{4: "000000000100"}},
		"authorization repeat":    {"0101", "0110", "00", elements{4: "000000000100"}},
		"verification":            {"0100", "0110", "85", elements{4: "000000000000"}},
		"refund":                  {"0100", "0110", "00", elements{3: "200000"}},
		"funds short":             {"0100", "0110", "51", elements{4: "000000010001"}},
		"cash of nothing":         {"0100", "0110", "13", elements{3: "010000", 4: "000000000000"}},
		"unknown processing code": {"0100", "0110", "12", elements{3: "990000"}},
		"other currency":          {"0100", "0110", "12", elements{49: "840"}},
		"billed in ours":          {"0100", "0110", "00", elements{49: "840", 6: "000000000200", 10: "61000000", 51: "978"}},
		"other expiry":            {"0100", "0110", "54", elements{14: "3001"}},
		"unknown card":            {"0100", "0110", "14", elements{2: "9999991000009998"}},
		"unknown BIN":             {"0100", "0110", "92", elements{2: "4111111111111111"}},
		"advice":                  {"0120", "0130", "00", elements{4: "000000000100", 38: "STAND1", 39: "00"}},
		"advice repeat":           {"0121", "0130", "00", elements{4: "000000000100", 38: "STAND2", 39: "00"}},
		"advice of a decline":     {"0120", "0130", "00", elements{39: "51"}},
		"reversal of nothing":     {"0400", "0410", "00", nil},
		"reversal repeat":         {"0401", "0410", "00", nil},
		"reversal advice":         {"0420", "0430", "00", elements{39: "68"}},
		"reversal advice repeat":  {"0421", "0430", "00", nil},
		"amount missing":          {"0100", "0110", "30", elements{4: ""}},
		"currency unknown":        {"0100", "0110", "30", elements{49: "000"}},
		"month 13":                {"0100", "0110", "30", elements{7: "1322120001"}},
		"30 February":             {"0100", "0110", "30", elements{13: "0230"}},
		"hour 24":                 {"0100", "0110", "30", elements{12: "240000"}},
		"expiry month 13":         {"0100", "0110", "30", elements{14: "2913"}},
		"track of another card":   {"0100", "0110", "30", elements{35: "4111111111111111=29112011234500000"}},
		"no card at all":          {"0100", "0110", "30", elements{2: ""}},
		"version 1993":            {"1100", "1110", "30", nil},
	} {
		t.Run(name, func(t *testing.T) {
			a := c.expect(c.message(test.mti, c.Alice, test.change), test.code)
			if a.MTI() != test.answer {
				t.Errorf("answered by %s, want %s", a.MTI(), test.answer)
			}
			if approved := test.code == "00" || test.code == "85"; approved && a.MTI()[1] != '4' && a.Get(38) == "" && test.change[39] == "" {
				t.Error("approved without a code")
			} else if !approved && a.Has(38) {
				t.Error("declined with an approval code")
			}
		})
	}
}

func TestInquiryAnswersTheBalance(t *testing.T) {
	c := open(t, "iso87-ascii")
	c.expect(c.message("0100", c.Alice, nil), "00")
	a := c.expect(c.message("0100", c.Alice, elements{3: "310000", 4: "000000000000"}), "00")
	if got := a.Get(54); got != "0002978C000000007000" {
		t.Errorf("DE 54 is %q", got)
	}
}

func TestReversals(t *testing.T) {
	c := open(t, "iso87-ascii")
	left := func(want int64) {
		t.Helper()
		if got := c.Available(c.Alice.Balance); got != want {
			t.Errorf("Alice has %d, want %d", got, want)
		}
	}
	original := c.message("0100", c.Alice, nil)
	c.expect(original, "00")
	data := func(m *iso.Message) string {
		return "0100" + m.Get(11) + m.Get(7) + "00000" + m.Get(32) + "00000000000"
	}
	partial := c.message("0420", c.Alice, elements{90: data(original), 95: "000000001250000000000000" + "C00000000C00000000"})
	a := c.expect(partial, "00")
	if a.MTI() != "0430" || a.Get(90) != partial.Get(90) || a.Get(95) != partial.Get(95) {
		t.Error("the answer does not echo what is reversed")
	}
	left(100_00 - 12_50)
	c.expect(c.message("0400", c.Alice, elements{90: data(original)}), "00")
	left(100_00)

	byRRN := c.message("0100", c.Alice, nil)
	c.expect(byRRN, "00")
	c.expect(c.message("0420", c.Alice, elements{37: byRRN.Get(37)}), "00")
	left(100_00)

	late := c.message("0100", c.Alice, nil)
	c.expect(c.message("0420", c.Alice, elements{90: data(late)}), "00")
	if a := c.expect(late, "05"); a.Has(38) {
		t.Error("a reversed original has an approval code")
	}
	left(100_00)
}

func TestNetworkManagementAndSignOn(t *testing.T) {
	c := open(t, "iso87-bcd", func(c *counter) { c.peer.RequireSignOn = true })
	manage := func(code string) *iso.Message {
		return c.message("0800", storetest.Holder{Number: c.Alice.Number}, elements{2: "", 3: "", 4: "", 14: "", 18: "", 22: "", 25: "", 35: "",
			41: "", 42: "", 43: "", 49: "", 63: "", 37: "", 70: code})
	}
	c.expect(c.message("0100", c.Alice, nil), "91")
	c.expect(c.message("0420", c.Alice, nil), "91") // nobody yet
	c.expect(manage("301"), "00")
	c.expect(manage("001"), "00")
	c.expect(c.message("0100", c.Alice, nil), "00")
	a := c.expect(manage("201"), "00")
	if a.MTI() != "0810" || a.Get(70) != "201" {
		t.Errorf("answered by %s with code %s", a.MTI(), a.Get(70))
	}
	c.ready.Store(false)
	c.expect(manage("301"), "91")
	c.ready.Store(true)
	c.expect(manage("999"), "12")
	c.expect(manage("002"), "00")
	c.expect(c.message("0100", c.Alice, nil), "91")
	c.expect(c.message("0420", c.Alice, nil), "00") // it has happened
	c.expect(manage(""), "30")
	c.expect(manage("001"), "00")
	off := c.session.Goodbye()
	if len(off) != 1 {
		t.Fatalf("%d goodbyes, want a sign-off", len(off))
	}
	body, err := off[0].Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := c.peer.Dialect.Decode(body); err != nil || m.MTI() != "0800" || m.Get(70) != "002" {
		t.Errorf("the goodbye is %v, %v", m, err)
	}
	c.expect(c.message("0100", c.Alice, nil), "91")
}

func TestAnswersAreNotAnswered(t *testing.T) {
	c := open(t, "iso87-ascii")
	for _, mti := range []string{"0110", "0130", "0410", "0810", "0140", "0150"} {
		if a := c.send(c.message(mti, c.Alice, nil)); a != nil {
			t.Errorf("%s was answered by %s", mti, a.MTI())
		}
	}
}

func TestLockReasonsAnswerTheSeedsCodes(t *testing.T) {
	c := open(t, "iso87-ascii")
	for lock, want := range map[authz.LockReason][3]string{
		authz.LockLost: {"41", "208", "2008"}, authz.LockStolen: {"43", "209", "2009"}, authz.LockQuery: {"05", "100", "1000"},
		authz.LockConsolidation: {"51", "116", "1016"}, authz.LockInactive: {"56", "118", "1018"},
		authz.LockPINTries: {"75", "106", "1006"}, authz.LockFraud: {"59", "102", "1002"}, authz.LockReplaced: {"14", "111", "1011"},
	} {
		c.Lock(c.Alice.Card, lock)
		c.expect(c.message("0100", c.Alice, nil), want[0])
		for i, v := range []iso.Version{iso.V1987, iso.V1993, iso.V2003} {
			if got := gateway.ActionCode(lock.Reason(), v); got != want[i] {
				t.Errorf("lock %d in version %d is %s, want %s", lock, v, got, want[i])
			}
		}
	}
	c.Lock(c.Alice.Card, authz.LockNone)
	c.expect(c.message("0100", c.Alice, nil), "00")
}

// The table is held against the facts that were collected independently of it.
func TestActionCodesAgreeWithTheFacts(t *testing.T) {
	f, err := os.Open("testdata/action_codes.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	facts := map[string][]string{}
	for _, row := range rows[1:] {
		facts[row[0]] = row
	}
	for r := range authz.ReasonCount {
		reason := authz.Reason(r)
		row, ok := facts[gateway.ActionCode(reason, iso.V2003)]
		if !ok {
			t.Errorf("%s: %s is not an action code of 2003", reason, gateway.ActionCode(reason, iso.V2003))
			continue
		}
		if got := gateway.ActionCode(reason, iso.V1993); got != row[1] && row[1] != "" {
			t.Errorf("%s: %s in 1993, the facts say %s", reason, got, row[1])
		}
		if got := gateway.ActionCode(reason, iso.V1987); got != row[2] {
			t.Errorf("%s: %s in 1987, the facts say %s", reason, got, row[2])
		}
		if approve := row[8] == "approve"; approve != reason.Approval() {
			t.Errorf("%s: an approval to us is %v, to the peer %v", reason, reason.Approval(), approve)
		}
	}
}
