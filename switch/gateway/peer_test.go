package gateway_test

import (
	"strings"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/switch/gateway"
	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

// The code of a reason is the peer's own, else the program's, else the dialect's.
func TestActionCodesOfPeersAndPrograms(t *testing.T) {
	c := open(t, "iso87-ascii", func(c *counter) {
		c.peer.ActionCodes = gateway.Codes{"LOCKED_REPLACED": "46 135 1035", "FILE_DUPLICATE": "00"}
		c.config.Programs = []gateway.ProgramCodes{{BINs: []string{"99999911"}, Codes: gateway.Codes{"LOCKED_LOST": "05"}},
			{BINs: []string{"9999991"}, Codes: gateway.Codes{"LOCKED_LOST": "62", "LOCKED_REPLACED": "63", "LOCKED_QUERY": "104"}}}
	})
	for lock, want := range map[authz.LockReason]string{authz.LockLost: "62", authz.LockReplaced: "46", authz.LockQuery: "05",
		authz.LockFraud: "59"} {
		c.Lock(c.Alice.Card, lock)
		c.expect(c.next("100", 1_00), want)
	}
	c.Lock(c.Alice.Card, authz.LockFraud)
	c.expect(c.file("304", "1", authz.LockFraud), "00")
	c.Lock(c.Carol.Card, authz.LockLost)
	c.expect(c.message("0100", c.Carol, nil), "05")
}

// Programs that are set later count from the next answer on, behind the configuration's; one that cannot be used is left
// out, named, and keeps no other from counting.
func TestActionCodesOfProgramsThatAreSetLater(t *testing.T) {
	c := open(t, "iso87-ascii", func(c *counter) {
		c.config.Programs = []gateway.ProgramCodes{{BINs: []string{"99999911"}, Codes: gateway.Codes{"LOCKED_LOST": "05"}}}
	})
	c.Lock(c.Alice.Card, authz.LockLost)
	c.Lock(c.Carol.Card, authz.LockLost)
	c.expect(c.next("100", 1_00), "41")
	err := c.gateway.SetPrograms([]gateway.ProgramCodes{{Low: 99999900, High: 99999909, Codes: gateway.Codes{"LOCKED_LOST": "61"}},
		{Low: 99999910, High: 99999911, Codes: gateway.Codes{"LOCKED_LOST": "00"}},
		{Low: 99999910, High: 99999911, Codes: gateway.Codes{"LOCKED_LOST": "62 205 2005"}}})
	if err == nil || !strings.Contains(err.Error(), "program 2") {
		t.Errorf("a code that says the opposite: %v", err)
	}
	c.expect(c.next("100", 1_00), "62")
	c.expect(c.message("0100", c.Carol, nil), "05")
	if err := c.gateway.SetPrograms(nil); err != nil {
		t.Error(err)
	}
	c.expect(c.next("100", 1_00), "41")
}

func TestActionCodesThatLieAreRefused(t *testing.T) {
	d, err := iso.Builtin("iso87-ascii")
	if err != nil {
		t.Fatal(err)
	}
	for name, codes := range map[string]gateway.Codes{"no reason": {"LOCKED_TWICE": "05"}, "opposite": {"LOCKED_LOST": "00"},
		"says the opposite": {"APPROVED": "51"}, "four characters": {"LOCKED_LOST": "12345"}} {
		p := &gateway.Peer{Name: "network", Dialect: d, ActionCodes: codes}
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v: %v", codes, err)
		}
	}
	p := &gateway.Peer{Name: "network", Dialect: d, ActionCodes: gateway.Codes{"LOCKED_LOST": "209 2009"}}
	if err := p.Validate(); err != nil {
		t.Errorf("codes of other versions: %v", err)
	}
}

// A peer that may ask for some cards only may not tell us of others either: its advice would bind us.
func TestPeersAreKeptToTheirBINs(t *testing.T) {
	c := open(t, "iso87-ascii", func(c *counter) { c.peer.BINs = []string{"99999911", "4"} })
	before := c.Available(c.Alice.Balance)
	for _, mti := range []string{"0100", "0120", "0200", "0220", "0400", "0420"} {
		c.expect(c.message(mti, c.Alice, elements{38: "STAND1"}), "92")
	}
	if got := c.Available(c.Alice.Balance); got != before {
		t.Errorf("Alice has %d", got)
	}
	c.expect(c.file("304", "1", authz.LockLost), "25")
	c.expect(c.message("0100", c.Carol, nil), "00")
}

// The links of a peer share it: a repeat on the twin is the same transaction. The state of sign-on is each link's own.
func TestTwinLinks(t *testing.T) {
	c := open(t, "iso87-ascii", func(c *counter) { c.peer.RequireSignOn = true })
	twin := c.gateway.Open(c.peer)
	on := c.peer.Dialect.New("0800")
	c.set(on, elements{7: "1122120001", 11: "000009", 70: "001"})
	c.expect(on, "00")
	m := c.next("100", 10_00)
	first := c.expect(m, "00")
	first38 := first.Get(38)
	c.session = twin
	m.SetMTI("0101")
	c.expect(m, "91")
	c.expect(on, "00")
	if a := c.expect(m, "00"); a.Get(38) != first38 {
		t.Error("the twin link decided anew")
	}
	if got := c.Available(c.Alice.Balance); got != 90_00 {
		t.Errorf("Alice has %d left", got)
	}
	other := *c.peer
	if err := c.gateway.Admit(&other); err == nil {
		t.Error("a second peer of the name was admitted")
	}
	if c.gateway.Open(&other) != nil {
		t.Error("a peer that was not admitted has a session")
	}
}

// Peers that print no letters get digits.
func TestApprovalCodesOfDigits(t *testing.T) {
	d, err := iso.Parse("digits", []byte("base: iso87\nmti: ascii\nbitmap: hex\nnumeric: ascii\ntext: ascii\n"+
		"length: {encoding: ascii}\nprofile: {approval_codes: digits}\n"))
	if err != nil {
		t.Fatal(err)
	}
	c := open(t, "iso87-ascii", func(c *counter) { c.peer.Dialect = d })
	for range 10 {
		m := c.next("100", 1)
		if code := c.expect(m, "00").Get(38); len(code) != 6 || strings.Trim(code, "0123456789") != "" {
			t.Errorf("the approval code is %q", code)
		}
		c.expect(c.undo(m, 0), "00")
	}
}

// DE 7 of an answer is our own time or the request's, as the peer wants it.
func TestResponseTime(t *testing.T) {
	at := time.Date(2026, 11, 22, 13, 14, 15, 0, time.UTC)
	for manner, own := range map[string]bool{"own": true, "echo": false, "": false} {
		d, err := iso.Builtin("iso87-ascii")
		if err != nil {
			t.Fatal(err)
		}
		m := isotest.Purchase(d)
		body, err := m.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		x := passed(t, "iso87-ascii", at, body, &scripted{}, func(p *gateway.Peer) { p.ResponseTime = manner })
		if got := answered(t, x, "iso87-ascii").Get(7); (got == "1122131415") != own || !own && got != m.Get(7) {
			t.Errorf("%q: DE 7 is %s", manner, got)
		}
	}
}

// Settlement dates have no year in 1987: the nearest one counts, also at New Year and on 29 February.
func TestSettlementDaysAreNearToNow(t *testing.T) {
	for _, test := range []struct {
		now  time.Time
		text string
		want authz.Day
	}{
		{time.Date(2026, 12, 31, 23, 59, 0, 0, time.UTC), "0101", 20270101},
		{time.Date(2027, 1, 1, 0, 1, 0, 0, time.UTC), "1231", 20261231},
		{time.Date(2028, 3, 1, 0, 1, 0, 0, time.UTC), "0229", 20280229},
		{time.Date(2027, 3, 1, 0, 1, 0, 0, time.UTC), "0229", 20270301}, // no such day near: that of the moment
		{time.Date(2027, 3, 1, 0, 1, 0, 0, time.UTC), "0801", 20270301},
		{time.Date(2027, 3, 1, 0, 1, 0, 0, time.UTC), "0000", 20270301},
	} {
		d, err := iso.Builtin("iso87-ascii")
		if err != nil {
			t.Fatal(err)
		}
		m := isotest.Purchase(d)
		m.SetMTI("0200")
		if err := m.Set(15, test.text); err != nil {
			t.Fatal(err)
		}
		body, err := m.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		s := &scripted{}
		passed(t, "iso87-ascii", test.now, body, s, nil)
		if s.asked == nil || s.asked.Settlement.Day != test.want {
			t.Errorf("%s at %s: settled on %d, want %d", test.text, test.now, s.asked.Settlement.Day, test.want)
		}
	}
}

// A request for an account of an unknown type is refused; an advice of one has happened and is held.
func TestUnknownAccountsAreRefusedAndAdvised(t *testing.T) {
	c := open(t, "iso87-ascii")
	m := c.next("100", 10_00)
	c.set(m, elements{3: "009100"})
	c.expect(m, "12")
	m = c.next("120", 10_00)
	c.set(m, elements{3: "009100", 38: "STAND1", 39: "00"})
	c.expect(m, "00")
	if got := c.Available(c.Alice.Balance); got != 90_00 {
		t.Errorf("Alice has %d left", got)
	}
}

// A dialect's own codes count for what is no authorization, too, and never turn a decline into an approval.
func TestCodesOfTheDialect(t *testing.T) {
	d, err := iso.Parse("own", []byte("base: iso87\nmti: ascii\nbitmap: hex\nnumeric: ascii\ntext: ascii\nlength: {encoding: ascii}\n"+
		"profile: {action_codes: {\"3008\": \"80\", \"1016\": \"00\"}, lock_codes: {1: \"00\", 2: \"04\"}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	c := open(t, "iso87-ascii", func(c *counter) { c.peer.Dialect = d })
	c.expect(c.next("100", 100_01), "51")
	c.expect(c.file("304", "1", authz.LockLost), "00")
	c.expect(c.file("304", "1", authz.LockLost), "80")
	c.expect(c.next("100", 1_00), "41")
	c.Lock(c.Alice.Card, authz.LockStolen)
	c.expect(c.next("100", 1_00), "04")
}
