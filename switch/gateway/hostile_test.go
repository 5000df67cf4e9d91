package gateway_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"holdfast/store/storetest"
)

// Every truncation and every flipped bit of a purchase that would be approved: nothing panics, an
// unreadable frame costs a strike, nothing is approved for another amount or card than was sent, and
// the good message that follows is answered.
func TestDamagedPurchaseIsNeverApprovedOtherwise(t *testing.T) {
	for _, d := range dialects {
		t.Run(d, func(t *testing.T) {
			c := open(t, d)
			good, err := c.message("0100", c.Alice, elements{4: "000000000001"}).Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			for cut := range good {
				x := c.raw(good[:cut])
				if a := c.decode(x); a != nil && a.Get(39) != "30" {
					t.Fatalf("cut at %d is answered %s", cut, a.Get(39))
				}
				if !x.strike {
					t.Fatalf("cut at %d costs no strike", cut)
				}
			}
			approvals := map[string]int64{}
			for bit := range len(good) * 8 {
				flipped := bytes.Clone(good)
				flipped[bit/8] ^= 1 << (bit % 8)
				a := c.decode(c.raw(flipped))
				if a == nil || a.Get(39) != "00" || a.MTI() != "0110" && a.MTI() != "0210" {
					continue
				}
				sent, err := c.peer.Dialect.Decode(flipped)
				if err != nil {
					t.Fatalf("bit %d: approved what does not decode", bit)
				}
				if sent.Get(4) != a.Get(4) || sent.Get(2) != a.Get(2) {
					t.Fatalf("bit %d: approved other than was sent", bit)
				}
				approvals[sent.Get(4)]++
			}
			if len(approvals) == 0 {
				t.Error("no flip left it a valid purchase: the test is not looking")
			}
			c.expect(c.message("0100", c.Carol, nil), "00")
			if left := c.Available(c.Alice.Balance); left < 0 {
				t.Errorf("Alice has %d", left)
			}
		})
	}
}

// What the log says of hostile messages never holds what they carried.
func TestLogsHoldNoCardData(t *testing.T) {
	c := open(t, "iso87-ascii")
	number := c.Alice.Number.Reveal()
	track := number + "=" + expiry.YYMM() + "2019988776655443"
	for _, change := range []elements{nil, {35: track}, {14: "2913", 35: track}, {7: "9999999999"}, {49: "000"}, {4: ""},
		{52: "PINBLOCK", 55: "CRYPTOGR"}, {2: ""}, {35: "4111111111111111=29112011234500000"}} {
		m := c.message("0100", c.Alice, change)
		body, err := m.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		c.raw(body)
		c.raw(append(body, "trailing "+number...))
		c.raw(body[:len(body)-9])
		c.raw([]byte(number + track))
	}
	log := c.log.String()
	if !strings.Contains(log, "format error") {
		t.Fatal("nothing was logged: the test is not looking")
	}
	for _, secret := range []string{number, "2019988776655443", "4111111111111111", "PINBLOCK", "CRYPTOGR"} {
		for _, form := range []string{secret, hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret)))} {
			if strings.Contains(log, form) {
				t.Errorf("the log holds card data")
			}
		}
	}
}

func TestMalfunctionAnswersWhatItCan(t *testing.T) {
	c := open(t, "iso87-ascii")
	m := c.message("0100", storetest.Holder{Number: c.Alice.Number}, nil)
	body, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	first := c.raw(body)
	x := &exchange{done: make(chan struct{})}
	c.session.Malfunction(x, first.attached)
	if a := c.decode(x); a == nil || a.Get(39) != "96" || a.Get(11) != m.Get(11) || a.MTI() != "0110" {
		t.Errorf("answered %v", a)
	}
	empty := &exchange{done: make(chan struct{})}
	c.session.Malfunction(empty, nil)
	if empty.answer != nil {
		t.Error("answered an exchange that it knows nothing of")
	}
}
