package main

import (
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/authz/keystore"
	"holdfast/authz/leak"
	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

// 15: a refund that is authorized is a promise; the money comes with its clearing, once.
func acceptRefund(t *testing.T, m mode) {
	s := script{mode: m, holders: one, listeners: listenersIn("iso87-ascii")}.open(t)
	l := s.dial("iso87-ascii")
	refund := l.pays("0100", "anna", 80_00, fields{3: "200000"})
	a := l.ask(refund, "00")
	s.has("anna", purse{1000_00, 0})
	clearing := l.pays("0220", "anna", 80_00, fields{3: "200000", 38: a.Get(38)}, about(refund))
	l.ask(clearing, "00")
	s.has("anna", purse{1080_00, 0})
	for range 3 {
		l.ask(l.again(clearing, "0221"), "00")
	}
	s.has("anna", purse{1080_00, 0})
	s.lives("anna", "AUTHORIZATION CLEARED 0", "FINANCIAL_ADVICE CAPTURED 8000")
	s.cases("anna")
	// A clearing that was declined where it was decided moves nothing.
	l.ask(l.pays("0220", "anna", 10_00, fields{39: "05"}), "00")
	s.has("anna", purse{1080_00, 0})
	s.cases("anna")
}

// loadLinks and loadEach are how many links pay, and how often, while the peer cuts over.
const (
	loadLinks = 4
	loadEach  = 60
)

// 16: totals that are not ours are answered with ours, and at a cut-over under load every transaction is in exactly one
// day.
func acceptReconciliation(t *testing.T, m mode) {
	if left := time.Until(time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 1)); left < time.Minute {
		lasts(left) // what is paid before midnight and what is after it are of two days
	}
	s := script{mode: m, holders: one, listeners: listenersIn("iso87-ascii")}.open(t)
	l := s.dial("iso87-ascii")
	l.ask(l.pays("0200", "anna", 30_00), "00")
	undone := l.pays("0200", "anna", 20_00)
	l.ask(undone, "00")
	l.ask(l.pays("0420", "anna", 20_00, about(undone), fields{90: "0200" + about(undone)[90][4:]}), "00")
	s.has("anna", purse{1000_00 - 30_00, 0})
	today := time.Now().UTC()
	totals := func(day time.Time, e fields) *iso.Message {
		m := l.network("301")
		out := l.again(m, "0500", fields{70: "-", 15: day.Format("0102"), 50: "978"}, e)
		return out
	}
	wrong := totals(today, fields{74: "0000000000", 75: "0000000000", 76: "0000000002", 77: "0000000000",
		86: amount16(0), 87: amount16(0), 88: amount16(51_00), 89: amount16(0), 97: "D" + amount16(51_00)})
	ours := fields{66: "2", 74: "0000000000", 75: "0000000000", 76: "0000000002", 77: "0000000001",
		86: amount16(0), 87: amount16(0), 88: amount16(50_00), 89: amount16(20_00), 97: "D" + amount16(30_00)}
	l.ask(wrong, "00", ours)
	right := fields{}
	for de, v := range ours {
		if de != 66 {
			right[de] = v
		}
	}
	l.ask(totals(today, right), "00", right, fields{66: "1"})
	s.countsAll(l, totals, today, right)
	s.cutsOverUnderLoad(l, totals, today)
}

// countsAll compares what some peers count beside: fees, transfers, and what moved no money. In yen and dinars there is
// nothing, and the fees of a reversal are none of ours.
func (s *stage) countsAll(l *line, totals func(time.Time, fields) *iso.Message, today time.Time, moved fields) {
	s.t.Helper()
	l.ask(l.pays("0100", "anna", 1_00), "00")
	l.ask(l.pays("0120", "anna", 1_00, fields{38: "STAND1", 39: "00"}), "00")
	l.ask(l.pays("0100", "anna", 0), "85")
	l.ask(l.pays("0100", "anna", 9999_00), "51")
	l.ask(l.pays("0120", "anna", 1_00, fields{39: "05"}), "00")
	l.ask(l.pays("0100", "anna", 0, fields{3: "310000"}), "00", fields{54: "*"})
	l.ask(l.pays("0200", "anna", 0, fields{3: "310000"}), "00", fields{54: "*"})
	bought := l.pays("0200", "anna", 5_00, fields{28: "D00000030", 30: "D00000004"})
	l.ask(bought, "00")
	l.ask(l.pays("0420", "anna", 5_00, fields{28: "D00000030"}, about(bought), fields{90: "0200" + about(bought)[90][4:]}), "00")
	l.ask(l.pays("0200", "anna", 5_00, fields{3: "200000", 28: "C00000007"}), "00")
	all := maps.Clone(moved)
	maps.Copy(all, fields{74: "0000000001", 76: "0000000003", 77: "0000000002", 86: amount16(5_00), 88: amount16(55_00), 89: amount16(25_00),
		97: "D" + amount16(25_00)})
	l.ask(totals(today, all), "00", all, fields{66: "1"})
	extra := fields{78: "0000000000", 79: "0000000000", 80: "0000000002", 81: "0000000003", 82: "000000000000", 83: "000000000007",
		84: "000000000004", 85: "000000000030"}
	maps.Copy(all, extra)
	l.ask(totals(today, all), "00", all, fields{66: "1"})
	for de := range extra {
		wrong := maps.Clone(all)
		wrong[de] = strings.Repeat("0", len(all[de])-1) + "9"
		l.ask(totals(today, wrong), "00", all, fields{66: "2"})
	}
	none := fields{50: "392", 97: "C" + amount16(0)}
	for de := range all {
		if de != 97 {
			none[de] = strings.Repeat("0", len(all[de]))
		}
	}
	l.ask(totals(today, none), "00", none, fields{66: "1"})
}

// amount16 is an amount of a reconciliation.
func amount16(minor int64) string { return fmt.Sprintf("%016d", minor) }

// cutsOverUnderLoad has links pay while the peer cuts over to the next day, and counts both days.
func (s *stage) cutsOverUnderLoad(l *line, totals func(time.Time, fields) *iso.Message, today time.Time) {
	s.t.Helper()
	tomorrow := today.AddDate(0, 0, 1)
	var wg sync.WaitGroup
	lines := make([]*line, loadLinks)
	requests := make([][]*iso.Message, loadLinks)
	for i := range lines {
		lines[i] = s.dial("iso87-ascii")
		for range loadEach {
			requests[i] = append(requests[i], lines[i].pays("0200", "anna", 1_00))
		}
	}
	half := make(chan struct{}, loadLinks) // a word from each link
	cut := make(chan struct{})
	for i, l := range lines {
		wg.Go(func() {
			for n, m := range requests[i] {
				switch n {
				case loadEach / 2:
					half <- struct{}{}
				case loadEach - 1:
					<-cut // the next day has one of each link, however late it begins
				}
				l.send(m)
				if a, _ := l.read(); a.Get(39) != "00" {
					s.t.Errorf("a payment during the cut-over is answered %s", a.Get(39))
				}
			}
		})
	}
	<-half
	l.ask(l.network("201", fields{15: tomorrow.Format("0102")}), "00")
	close(cut)
	wg.Wait()
	counted := int64(0)
	for _, day := range []time.Time{today, tomorrow} {
		l.send(totals(day, fields{76: "0000009999", 88: amount16(1)}))
		a, _ := l.read()
		if a.Get(66) != "2" {
			s.t.Errorf("invented totals are answered %q", a.Get(66))
		}
		var count, minor int64
		if _, err := fmt.Sscan(strings.TrimLeft(a.Get(76), "0")+" "+strings.TrimLeft(a.Get(88), "0"), &count, &minor); err != nil {
			s.t.Errorf("totals of %s: %v", day.Format(time.DateOnly), err)
		}
		if day == today {
			count, minor = count-3, minor-55_00
		}
		if minor != count*1_00 || count < 1 {
			s.t.Errorf("%s has %d payments of %d together", day.Format(time.DateOnly), count, minor)
		}
		counted += count
	}
	if counted != loadLinks*loadEach {
		s.t.Errorf("the two days have %d payments, %d were made", counted, loadLinks*loadEach)
	}
	s.has("anna", purse{1000_00 - 30_00 + 5_00 - loadLinks*loadEach*1_00, 2_00})
}

// 17: an echo fails while the store hangs; a sign-off drains; a key with a wrong check value leaves the old one in use.
func acceptNetworkManagement(t *testing.T, m mode) {
	listeners := listenersIn("iso87-ascii-binbmp")
	listeners[0].Settings.RequireSignOn, listeners[0].Settings.Deadline = true, 1200*time.Millisecond
	s := script{mode: m, holders: []holder{{ref: "pia", currency: "EUR", amount: "1000", more: `, pin: "1234"`}},
		listeners: listeners, keys: stageKeys("iso87-ascii-binbmp"), stops: true}.open(t)
	l := s.dial("iso87-ascii-binbmp")
	l.ask(l.pays("0100", "pia", 1_00), "91")
	l.ask(l.network("001"), "00")
	l.ask(l.network("301"), "00")

	block := demoZoneKey + demoZoneCheck
	wrong := demoZoneKey + "26F785"
	l.ask(l.network("101", fields{48: wrong}), "96")
	if s.node.keys.HasZoneKey("iso87-ascii-binbmp", keystore.ZonePIN) {
		t.Error("a key with a wrong check value is in use")
	}
	l.ask(l.network("101", fields{48: block}), "00")
	s.until("the zone key", func() bool { return s.node.keys.HasZoneKey("iso87-ascii-binbmp", keystore.ZonePIN) })
	l.ask(l.network("101", fields{48: strings.Replace(wrong, "E9", "E8", 1)}), "96")
	l.ask(l.pays("0100", "pia", 20_00, fields{3: "010000", 18: "6011", 52: string(pinBlock(s.cards["pia"], "1234"))}), "00")

	s.exchangesKeyBlocks(l)

	release := s.hang()
	l.ask(l.pays("0100", "pia", 2_00), "91")
	l.ask(l.network("301"), "91")
	release()
	s.until("an echo", func() bool {
		l.send(l.network("301"))
		a, _ := l.read()
		return a.Get(39) == "00"
	})
	s.until("the payment undone", func() bool { return s.purse("pia") == purse{1000_00, 20_00} })

	var last *iso.Message
	for range 20 { // on their way when the sign-off comes
		last = l.pays("0100", "pia", 1_00)
		l.send(last)
	}
	l.send(l.network("002"))
	answered, signedOff := 0, false
	for answered < 20 || !signedOff {
		a, _ := l.read()
		signedOff = signedOff || a.MTI() == "0810"
		if a.MTI() == "0110" {
			answered++
			if a.Get(39) != "00" {
				t.Errorf("a payment before the sign-off is answered %s", a.Get(39))
			}
		}
	}
	l.ask(l.pays("0100", "pia", 1_00), "91")
	l.ask(l.network("301"), "00")
	l.ask(l.pays("0420", "pia", 1_00, about(last)), "00") // what has happened is still taken
	s.has("pia", purse{1000_00, 39_00})
}

// exchangesKeyBlocks has the peer send the PIN key in a block of TR-31: one that was altered, or made for something else, is
// refused; the answer to the right one has our check value, since the block came without.
func (s *stage) exchangesKeyBlocks(l *line) {
	s.t.Helper()
	key := unhex("3F419E1CB7079442AA37474C2EFBF8B9")
	good := keyBlock(unhex(stageMaster), key, "P0B")
	altered := good[:40] + map[bool]string{false: "0", true: "1"}[good[40] == '0'] + good[41:]
	for _, bad := range []string{altered, keyBlock(unhex(stageMaster), key, "P0E"), keyBlock(unhex(stageMaster), key, "M3C"),
		keyBlock(key, key, "P0B"), good + "26F785"} {
		l.ask(l.network("101", fields{48: bad}), "96")
	}
	check := strings.ToUpper(hex.EncodeToString(blocks(tdes(key).Encrypt, make([]byte, 8))[:3]))
	l.ask(l.network("101", fields{48: good}), "00", fields{48: check})
	block := func() string {
		bound := unhex("0000" + s.cards["pia"][len(s.cards["pia"])-13:len(s.cards["pia"])-1])
		return string(blocks(tdes(key).Encrypt, xor(unhex("041234FFFFFFFFFF"), bound)))
	}
	cash := func(block string) *iso.Message {
		return l.pays("0100", "pia", 1, fields{3: "010000", 18: "6011", 52: block})
	}
	s.until("the key of the block", func() bool {
		m := cash(block())
		l.send(m)
		a, _ := l.read()
		if a.Get(39) == "00" {
			l.ask(l.pays("0420", "pia", 1, about(m)), "00")
		}
		return a.Get(39) == "00"
	})
	again := keyBlock(unhex(stageMaster), blocks(tdes(unhex(stageMaster)).Decrypt, unhex(demoZoneKey)), "P0D")
	l.ask(l.network("101", fields{48: again + demoZoneCheck}), "00")
}

// 18: what identifies a transaction comes back character by character, what identifies a cardholder never, and the log
// has nothing of it. Text is spaced, cased and signed as no host of ours would write it, in every family of encodings.
func acceptEcho(t *testing.T, m mode) {
	names := []string{"iso87-ascii-binbmp", "iso87-bcd", "ebcdic-87", "base24-ascii", "mastercard-like", "visa-like", "iso93-ascii-binbmp",
		"iso93-bcd", "amex-like-93", "cmf-2003"}
	listeners := listenersIn(names...)
	for i := range listeners {
		if names[i] == "visa-like" {
			listeners[i].Framing = "vmlh+base1"
		}
	}
	s := script{mode: m, holders: one, listeners: listeners, keys: stageKeys()}.open(t)
	number := s.cards["anna"]
	track := number + "D4912201" + "00000" + cvv(number, "4912", "201")
	day := time.Now().UTC()
	converted := fields{5: "000000001000", 9: "61000000", 10: "61000000", 16: "0314", 50: "978", 51: "978", 6: "000000001000"}
	for _, name := range names {
		l := s.dial(name)
		e := edition(l.dialect)
		code := func(codes ...string) string { return codes[e-'0'] }
		odd := fields{23: "001", 33: "00009", 37: "  rrn 00 b  ", 42: " M 0000000001  ", 59: " 0x ~", 62: "007 ", 63: " z", 102: " 00ACCOUNT 1 ",
			103: "B", 15: day.Format(code("0102", "060102", "20060102"))}
		also := fields{5: "9782000000001000"}
		switch e {
		case '0':
			also = maps.Clone(converted)
			maps.Copy(also, fields{24: "042", 28: "D00000025", 22: "901"})
		case '1':
			also = converted
		}
		switch name {
		case "visa-like":
			odd[59], odd[62], odd[63], also[25] = " 0x ", "\x40\x00\x00\x00\x00\x00\x00\x00"+"\x01\x23\x45\x67\x89\x01\x23\x45", "\x00\x00\x00z", "00"
		case "base24-ascii":
			odd[41] = " term 000000001 "
		}
		secret := fields{35: track, 45: "B" + number + "^ANNA^4912101"}
		m := l.pays("0100", "anna", 10_00, also, odd, secret)
		answer := l.ask(m, code("00", "000", "0000"), returned(also))
		l.ask(l.again(m, "0101"), code("00", "000", "0000"), fields{38: answer.Get(38)}, returned(also))
		block := fields{52: "PINBLOCK", 55: "CRYPTOGRAM"}
		l.ask(l.pays("0100", "anna", 10_00, also, odd, secret, block), code("63", "122", "1022"), returned(also))
		l.ask(l.pays("0120", "anna", 10_00, also, odd, secret, fields{38: "ab c 1"}), code("00", "901", "9001"), returned(also))
		l.ask(l.pays("0220", "anna", 10_00, also, odd, secret, about(m), fields{38: answer.Get(38)}), code("00", "901", "9001"), returned(also))
		l.ask(l.pays("0420", "anna", 10_00, also, odd, secret, about(m)), code("00", "400", "4000"), returned(also))
	}
	s.stop()
	log := s.log.bytes()
	if len(log) == 0 {
		t.Error("the log is empty: the test is not looking")
	}
	for what, secret := range map[string]string{"number": number, "track": track[17:], "PIN block": "PINBLOCK", "chip data": "CRYPTOGRAM"} {
		s := leak.New()
		s.Plant(what, []byte(secret))
		for _, f := range s.Find(log) {
			t.Errorf("the log has the %v", f)
		}
	}
}

// returned are the elements beyond the table that such peers want back.
func returned(also fields) fields {
	if also[25] == "" {
		return nil
	}
	return fields{25: also[25]}
}

// 21: Wireshark's dissector reads what we send in the dialects of 1987 and 1993 that it knows.
func acceptReferee(t *testing.T, m mode) {
	isotest.NeedTool(t, "tshark")
	dialects := []string{"iso87-ascii", "iso87-ascii-binbmp", "iso87-bcd", "iso93-ascii", "iso93-ascii-binbmp", "iso93-bcd"}
	s := script{mode: m, holders: one, listeners: listenersIn(dialects...), terms: ", terms: {partApproval: true}"}.open(t)
	for _, name := range dialects {
		l := s.dial(name)
		approved := map[byte]string{'0': "00", '1': "000"}[edition(l.dialect)]
		code := func(of87, of93 string) string { return map[string]string{"00": of87, "000": of93}[approved] }
		purchase := l.pays("0100", "anna", 1_00)
		single := l.pays("0200", "anna", 1_00)
		answers := []*iso.Message{
			l.ask(purchase, approved),
			l.ask(single, approved),
			l.ask(l.pays("0100", "anna", 9_999_00), code("51", "116")),
			l.ask(l.pays("0100", "anna", 0), code("85", "000")),
			l.ask(l.pays("0120", "anna", 1_00, fields{38: "STAND1", 39: approved}), code("00", "901")),
			l.ask(l.pays("0220", "anna", 1_00, about(purchase)), code("00", "901")),
			l.ask(l.pays("0420", "anna", 1_00, about(single)), code("00", "400")),
			l.ask(l.network(code("301", "831")), code("00", "800")),
			l.ask(l.fileAction("0304", "anna", "3", ""), code("26", "308")),
		}
		if edition(l.dialect) == '0' {
			inquiry := l.pays("0100", "anna", 0, fields{3: "310000"})
			answers = append(answers, l.ask(inquiry, "00", fields{54: "*"}))
			isotest.TsharkReads(t, l.dialect, answers)
		} else {
			isotest.TsharkReads(t, l.dialect, answers, unlikeTshark...)
		}
	}
}

// unlikeTshark are the elements of 1993 for which the dissector has the formats of 1987.
var unlikeTshark = []int{12, 24, 38, 39, 56}
