package gateway_test

import (
	"encoding/hex"
	"fmt"
	"slices"
	"testing"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/store/storetest"
	"holdfast/switch/gateway"
	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

// codeOf picks the form that the peer's action codes have.
func codeOf(d *iso.Dialect, code87, code93, code03 string) string {
	switch d.Profile().Forms.ActionCodes {
	case iso.V1993:
		return code93
	case iso.V2003:
		return code03
	}
	return code87
}

// next makes the next message for Alice in whatever dialect the counter has.
func (c *counter) next(rest string, minor int64) *iso.Message {
	c.t.Helper()
	c.stan++
	d := c.peer.Dialect
	m := isotest.Purchase(d)
	m.SetMTI(isotest.MTI(d, rest))
	for _, de := range []int{14, 35, 36, 45, 52, 53, 55, 62, 63} {
		m.Unset(de)
	}
	width := 6
	if d.Version() == iso.V2003 {
		width = 12
	}
	c.set(m, elements{2: c.Alice.Number.Reveal(), 11: fmt.Sprintf("%0*d", width, c.stan), 37: fmt.Sprintf("6326120%05d", c.stan)})
	c.amount(m, minor)
	return m
}

func (c *counter) set(m *iso.Message, values elements) {
	c.t.Helper()
	for de, v := range values {
		if err := m.Set(de, v); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *counter) amount(m *iso.Message, minor int64) {
	c.t.Helper()
	if err := m.SetAmount(iso.AmountTransaction, money.Amount{Minor: minor, Currency: storetest.EUR(c.t)}); err != nil {
		c.t.Fatal(err)
	}
}

// undo makes the reversal of a message, which names it, in whole (stays 0) or down to what stays.
func (c *counter) undo(of *iso.Message, stays int64) *iso.Message {
	c.t.Helper()
	was, _, err := of.Amount(iso.AmountTransaction)
	if err != nil {
		c.t.Fatal(err)
	}
	m := c.next("420", was.Minor)
	if err := m.SetOriginal(iso.Original{MTI: of.MTI(), STAN: of.Get(11), Transmitted: of.Get(7), Local: of.Get(12), Acquirer: of.Get(32)}); err != nil {
		c.t.Fatal(err)
	}
	p := c.peer.Dialect.Profile()
	if c.peer.Dialect.Version() != iso.V1987 {
		c.set(m, elements{24: "400", 25: "4021"})
	}
	switch {
	case stays == 0:
	case p.Reversal.Field == iso.ReversalDE95:
		length := c.peer.Dialect.Spec().Fields[95].Spec().Length
		c.set(m, elements{95: fmt.Sprintf("%012d%0*d", stays, length-12, 0)})
	case p.Reversal.Field == iso.ReversalDE30:
		text := m.Get(4) + fmt.Sprintf("%0*d", len(m.Get(4)), 0)
		if p.Forms.Amounts == iso.V2003 {
			packed, err := hex.DecodeString(text)
			if err != nil {
				c.t.Fatal(err)
			}
			text = string(packed)
		}
		c.set(m, elements{24: "401", 30: text})
		c.amount(m, stays)
	}
	return m
}

// The same life in every dialect that is built in: a purchase and its repeat, a partial and a full reversal, the eight
// locks, and what never comes back.
func TestLifeInEveryDialect(t *testing.T) {
	for _, name := range iso.Names() {
		t.Run(name, func(t *testing.T) {
			c := open(t, name)
			d := c.peer.Dialect
			left := func(want int64) {
				t.Helper()
				if got := c.Available(c.Alice.Balance); got != want {
					t.Errorf("Alice has %d, want %d", got, want)
				}
			}
			ok, reversed := codeOf(d, "00", "000", "0000"), codeOf(d, "00", "400", "4000")
			m := c.next("100", 30_00)
			c.set(m, elements{14: expiry.YYMM()})
			a := c.expect(m, ok)
			left(70_00)
			if a.MTI() != isotest.MTI(d, "110") || len(a.Get(38)) != 6 {
				t.Errorf("answered by %s with %d characters of approval code", a.MTI(), len(a.Get(38)))
			}
			for _, de := range []int{2, 3, 4, 11, 12, 32, 37, 41, 42} {
				if a.Get(de) != m.Get(de) {
					t.Errorf("element %d is not echoed character by character", de)
				}
			}
			for _, de := range []int{14, 22, 35, 36, 43, 45, 52, 53, 55} {
				if a.Has(de) {
					t.Errorf("element %d came back", de)
				}
			}
			m.SetMTI(isotest.MTI(d, "101"))
			if again := c.expect(m, ok); again.Get(38) != a.Get(38) {
				t.Error("the repeat has another approval code")
			}
			left(70_00)
			m.SetMTI(isotest.MTI(d, "100"))
			c.expect(c.undo(m, 12_50), reversed)
			left(87_50)
			if a := c.expect(c.undo(m, 0), reversed); a.MTI() != isotest.MTI(d, "430") {
				t.Errorf("the reversal is answered by %s", a.MTI())
			}
			left(100_00)
			c.expect(c.next("100", 100_01), codeOf(d, "51", "116", "1016"))
			c.locks()
		})
	}
}

// locks locks Alice's card for each reason, and expects the code of the seed's table unless the dialect has its own.
func (c *counter) locks() {
	d := c.peer.Dialect
	for lock, codes := range map[authz.LockReason][3]string{
		authz.LockLost: {"41", "208", "2008"}, authz.LockStolen: {"43", "209", "2009"}, authz.LockQuery: {"05", "100", "1000"},
		authz.LockConsolidation: {"51", "116", "1016"}, authz.LockInactive: {"56", "118", "1018"},
		authz.LockPINTries: {"75", "106", "1006"}, authz.LockFraud: {"59", "102", "1002"}, authz.LockReplaced: {"14", "111", "1011"},
	} {
		c.Lock(c.Alice.Card, lock)
		want := codeOf(d, codes[0], codes[1], codes[2])
		if own := d.Profile().ActionCodes[codes[2]]; own != "" {
			want = own
		}
		if own := d.Profile().LockCodes[int(lock)]; own != "" {
			want = own
		}
		c.expect(c.next("100", 1_00), want)
		m := c.next("400", 1_00) // it has happened, locked or not
		c.expect(m, codeOf(d, "00", "400", "4000"))
	}
	c.Lock(c.Alice.Card, authz.LockNone)
	c.expect(c.next("100", 1_00), codeOf(d, "00", "000", "0000"))
}

var threeVersions = []string{"iso87-ascii", "iso93-ascii", "cmf-2003"}

// A notification is processed and not answered.
func TestNotificationsAreProcessedInSilence(t *testing.T) {
	for _, name := range threeVersions {
		c := open(t, name)
		m := c.next("140", 10_00)
		c.set(m, elements{38: "STAND1", 39: codeOf(c.peer.Dialect, "00", "000", "0000")})
		if a := c.send(m); a != nil {
			t.Errorf("%s: answered by %s", name, a.MTI())
		}
		if got := c.Available(c.Alice.Balance); got != 90_00 {
			t.Errorf("%s: Alice has %d left", name, got)
		}
	}
}

// A part that is approved: DE 4 is the part, the original stands where the version has it.
func TestPartialApprovalInEveryVersion(t *testing.T) {
	for name, original := range map[string]func(a, m *iso.Message) bool{
		"iso87-ascii": func(a, _ *iso.Message) bool { return a.Get(54) == "0057978C000000003000" },
		"iso93-ascii": func(a, m *iso.Message) bool { return a.Get(30) == m.Get(4)+"000000000000" },
		"cmf-2003": func(a, m *iso.Message) bool {
			return hex.EncodeToString([]byte(a.Get(30))) == m.Get(4)+"0000000000000000"
		},
	} {
		c := open(t, name)
		m := c.next("100", 30_00)
		s := &scripted{says: authz.Decision{Reason: authz.ApprovedPart, ApprovalCode: "ABC123", Amount: 20_00, ApprovedTransaction: 20_00,
			Currency: storetest.EUR(t)}}
		a := answered(t, passed(t, name, storetest.Epoch, c.bytes(m), s, nil), name)
		got, _, err := a.Amount(iso.AmountTransaction)
		if err != nil || got.Minor != 20_00 || a.Get(39) != codeOf(c.peer.Dialect, "10", "002", "0002") || !original(a, m) {
			t.Errorf("%s: %v in answer to %s, DE 39 %s, DE 54 %q", name, got, m.MTI(), a.Get(39), a.Get(54))
		}
	}
}

func TestInquiryTellsTheBalanceInEveryVersion(t *testing.T) {
	for name, want := range map[string]string{"iso87-ascii": "0002978C000000010000", "iso93-ascii": "0002978C000000010000",
		"cmf-2003": "00029782C000000010000"} {
		c := open(t, name)
		m := c.next("100", 0)
		c.set(m, elements{3: "310000"})
		if a := c.expect(m, codeOf(c.peer.Dialect, "00", "000", "0000")); a.Get(54) != want {
			t.Errorf("%s: DE 54 is %q, want %q", name, a.Get(54), want)
		}
	}
}

// A format error of 2003 names the element and the fault in DE 18.
func TestFormatErrorsOf2003SayWhatIsWrong(t *testing.T) {
	c := open(t, "cmf-2003")
	for want, change := range map[string]func(*iso.Message){
		"00000100300000": func(m *iso.Message) { m.Unset(3) },
		"00000501200000": func(m *iso.Message) { c.set(m, elements{12: "20260230120000"}) },
		"00000400400000": func(m *iso.Message) { c.set(m, elements{4: "9783000000001000"}) },
		"00000300400000": func(m *iso.Message) { c.set(m, elements{4: "0002000000001000"}) },
	} {
		m := c.next("100", 10_00)
		change(m)
		if a := c.expect(m, "9100"); a.Get(18) != want {
			t.Errorf("DE 18 is %q, want %q", a.Get(18), want)
		}
	}
}

// The three styles of partial reversal, and the two meanings, from 130.00 to 83.54.
func TestStylesOfPartialReversal(t *testing.T) {
	base := "base: iso87\nmti: ascii\nbitmap: hex\nnumeric: ascii\ntext: ascii\nlength: {encoding: ascii}\n"
	for name, test := range map[string]struct {
		profile         string
		amount, part    int64
		final, returned int64
	}{
		"DE 95 states what stays":     {"reversal: {field: 95, meaning: final}", 130_00, 83_54, 83_54, 0},
		"DE 95 states what goes back": {"reversal: {field: 95, meaning: reversed}", 130_00, 46_46, 0, 46_46},
		"DE 4 states what goes back":  {"reversal: {field: 4, meaning: reversed}", 46_46, 0, 0, 46_46},
		"DE 4 states what stays":      {"reversal: {field: 4, meaning: final}", 83_54, 0, 83_54, 0},
	} {
		d, err := iso.Parse("own", []byte(base+"profile: {"+test.profile+"}\n"))
		if err != nil {
			t.Fatal(err)
		}
		m := isotest.Purchase(d)
		m.SetMTI("0420")
		if err := m.SetAmount(4, amountOf(t, "EUR", test.amount)); err != nil {
			t.Fatal(err)
		}
		if test.part != 0 {
			if err := m.Set(95, fmt.Sprintf("%012d%030d", test.part, 0)); err != nil {
				t.Fatal(err)
			}
		}
		body, err := m.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		s := &scripted{}
		passed(t, "iso87-ascii", storetest.Epoch, body, s, func(p *gateway.Peer) { p.Dialect = d })
		if r := s.asked; r == nil || !r.Partial || r.Final != test.final || r.Returned != test.returned {
			t.Errorf("%s: read %+v", name, r)
		}
	}
}

// What the peers of a dialect get is decided by its lists; nothing secret is ever in one.
func TestNothingSecretIsEchoedInAnyDialect(t *testing.T) {
	for _, name := range iso.Names() {
		d, err := iso.Builtin(name)
		if err != nil {
			t.Fatal(err)
		}
		m := isotest.Purchase(d)
		for _, de := range []int{14, 35, 45, 52, 53, 55} {
			_ = m.Set(de, "0000") // where it fits
		}
		for _, mti := range []string{"100", "120", "200", "220", "400", "420", "300", "500", "800"} {
			m.SetMTI(isotest.MTI(d, mti))
			body, err := m.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			x := passed(t, name, storetest.Epoch, body, &scripted{says: authz.Decision{Reason: authz.FundsShort}}, nil)
			a := answered(t, x, name)
			for _, de := range a.Elements() {
				if slices.Contains([]int{14, 35, 36, 45, 52, 53, 55}, de) {
					t.Errorf("%s: the answer to %s has element %d", name, mti, de)
				}
			}
		}
	}
}
