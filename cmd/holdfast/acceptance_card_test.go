package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/switch/iso"
)

// 10: a part is approved where the terminal takes one; yen have no decimals and dinars three; what the network converted
// is held as it is.
func acceptPartsAndCurrencies(t *testing.T, m mode) {
	listeners := listenersIn(dialectLike(t, "iso87-ascii", "profile: {partial_approval: [{at: 60.1, is: [1]}]}\n"),
		dialectLike(t, "iso93-ascii", "profile: {partial_approval: [{at: 60.1, is: [1]}]}\n"), "cmf-2003")
	listeners[0].Name, listeners[1].Name = "iso87", "iso93"
	var holders []holder
	for _, l := range []string{"iso87", "iso93", "cmf-2003"} {
		for currency, amount := range map[string]string{"EUR": "100", "JPY": "5000", "KWD": "20.000"} {
			holders = append(holders, holder{ref: l + currency, currency: currency, amount: amount})
		}
		holders = append(holders, holder{ref: l + "FX", currency: "EUR", amount: "100"})
	}
	s := script{mode: m, terms: ", terms: {partApproval: true}", holders: holders, listeners: listeners}.open(t)
	for _, c := range []struct {
		listener, approved, part, short string
		flag                            fields
		original                        func(currency string, minor int64) fields
	}{
		{"iso87", "00", "10", "51", fields{60: "1"}, func(currency string, minor int64) fields {
			return fields{54: fmt.Sprintf("0057%sC%012d", currencies[currency].numeric, minor)}
		}},
		{"iso93", "000", "002", "116", fields{60: "1"}, func(_ string, minor int64) fields {
			return fields{30: fmt.Sprintf("%012d%012d", minor, 0)}
		}},
		{"cmf-2003", "0000", "0002", "1016", fields{24: "181"}, func(currency string, minor int64) fields {
			c := currencies[currency]
			return fields{30: string(unhex(fmt.Sprintf("%s%d%012d%016d", c.numeric, c.exponent, minor, 0)))}
		}},
	} {
		l := s.dial(c.listener)
		for currency, money := range map[string]struct{ has, asks int64 }{"EUR": {100_00, 150_00}, "JPY": {5000, 7001}, "KWD": {20_000, 20_001}} {
			ref := c.listener + currency
			asks := amountIn(l.dialect, currency, money.asks)
			l.ask(l.message("0100", ref, asks), c.short)
			s.has(ref, purse{money.has, 0})
			small := l.message("0100", ref, amountIn(l.dialect, currency, 1))
			l.ask(small, c.approved)
			s.has(ref, purse{money.has, 1})
			l.ask(l.message("0420", ref, amountIn(l.dialect, currency, 1), about(small)), reversedIn(l.dialect))
			partial := l.message("0100", ref, asks, c.flag)
			l.ask(partial, c.part, fields{4: amountIn(l.dialect, currency, money.has)[4]}, c.original(currency, money.asks))
			s.has(ref, purse{money.has, money.has})
			l.ask(l.message("0420", ref, asks, about(partial)), reversedIn(l.dialect))
			s.has(ref, purse{money.has, 0})
		}
		foreign := amountIn(l.dialect, "USD", 50_00)
		billed := fields{6: "000000004659", 51: "978", 10: "70931800"}
		if l.dialect.Version() == iso.V2003 {
			billed = fields{6: "9782000000004659"}
		}
		l.ask(l.message("0100", c.listener+"FX", foreign, billed), c.approved)
		s.has(c.listener+"FX", purse{100_00, 46_59})
	}
}

func reversedIn(d *iso.Dialect) string {
	return map[iso.Version]string{iso.V1987: "00", iso.V1993: "400", iso.V2003: "4000"}[d.Version()]
}

// 11: the third wrong PIN exceeds the tries, and the right one does not help until the card is reset. A repeat of a
// wrong one, and a block that cannot be read, are no tries.
func acceptPINTries(t *testing.T, m mode) {
	s := script{mode: m, holders: []holder{{ref: "pia", currency: "EUR", amount: "1000", more: `, pin: "1234"`}},
		listeners: listenersIn("iso87-ascii-binbmp"), keys: stageKeys("iso87-ascii-binbmp")}.open(t)
	l := s.dial("iso87-ascii-binbmp")
	l.ask(l.network("101", fields{48: demoZoneKey + demoZoneCheck}), "00")
	s.until("the zone key", func() bool { return s.node.keys.HasZoneKey("iso87-ascii-binbmp", keystore.ZonePIN) })
	withdraws := func(pin string, code string) *iso.Message {
		m := l.pays("0100", "pia", 20_00, fields{3: "010000", 18: "6011", 52: string(pinBlock(s.cards["pia"], pin))})
		l.ask(m, code)
		return m
	}
	withdraws("1234", "00")
	wrong := withdraws("4321", "55")
	for range 3 {
		l.ask(l.again(wrong, "0101"), "55")
	}
	for range 3 {
		l.ask(l.pays("0100", "pia", 20_00, fields{3: "010000", 18: "6011", 52: "no block"}), "81")
	}
	withdraws("4321", "55")
	withdraws("1111", "75")
	withdraws("1234", "75")
	l.ask(l.pays("0100", "pia", 20_00), "75")
	s.has("pia", purse{1000_00, 20_00})
	l.ask(l.fileAction("0304", "pia", "3", ""), "00")
	withdraws("4321", "55")
	withdraws("1234", "00")
	withdraws("4321", "55")
	withdraws("4321", "55")
	withdraws("4321", "75")
	s.has("pia", purse{1000_00, 40_00})
}

// fileAction asks for a change of a card's lock: 1 locks, 3 unlocks, for one of the seed's reasons.
func (l *line) fileAction(mti, ref, action, reason string) *iso.Message {
	l.s.t.Helper()
	e := fields{3: "-", 14: "-", 18: "-", 22: "-", 24: "-", 25: "-", 26: "-", 37: "-", 41: "-", 42: "-", 43: "-"}
	if edition(l.dialect) == '0' {
		e[91], e[101] = action, "CARDSTATUS"
		if reason != "" {
			e[120] = "LOCK=" + reason
		}
		return l.message(mti, ref, e)
	}
	e[24], e[101] = map[string]string{"1": "301", "3": "303"}[action], "CARDSTATUS"
	if reason != "" {
		e[25] = "370" + reason
	}
	return l.message(mti, ref, e)
}

// lockCodes are the seed's action codes of its eight reasons, in 1987, 1993 and 2003.
var lockCodes = map[authz.LockReason][3]string{1: {"41", "208", "2008"}, 2: {"43", "209", "2009"}, 3: {"05", "100", "1000"},
	4: {"51", "116", "1016"}, 5: {"56", "118", "1018"}, 6: {"75", "106", "1006"}, 7: {"59", "102", "1002"}, 8: {"14", "111", "1011"}}

// 12: the seed's eight reasons for a lock answer exactly its action codes, in each edition, whether the network locked the
// card or the API. What has happened is still taken, and what is irreversible stays.
func acceptLocks(t *testing.T, m mode) {
	var holders []holder
	for reason := range lockCodes {
		for _, by := range []string{"network", "api"} {
			holders = append(holders, holder{ref: fmt.Sprint(by, reason), currency: "EUR", amount: "1000"})
		}
	}
	s := script{mode: m, holders: holders, listeners: listenersIn("iso87-ascii", "iso93-ascii", "cmf-2003"), manages: true}.open(t)
	lines := []*line{s.dial("iso87-ascii"), s.dial("iso93-ascii"), s.dial("cmf-2003")}
	said := func(codes ...string) [3]string { return [3]string(codes) }
	approved, taken, reversed := said("00", "000", "0000"), said("00", "901", "9001"), said("00", "400", "4000")
	for reason, codes := range lockCodes {
		for _, h := range []string{"network", "api"} {
			ref := fmt.Sprint(h, reason)
			var later []func()
			for i, l := range lines {
				bought, undone := l.pays("0100", ref, 30_00), l.pays("0100", ref, 10_00)
				a := l.ask(bought, approved[i])
				l.ask(undone, approved[i])
				later = append(later, func() {
					l.ask(l.pays("0220", ref, 30_00, fields{38: a.Get(38)}, about(bought)), taken[i])
					l.ask(l.pays("0420", ref, 10_00, about(undone)), reversed[i])
				})
			}
			s.locks(ref, h, reason, lines)
			for i, l := range lines {
				l.ask(l.pays("0100", ref, 1_00), codes[i])
				l.ask(l.pays("0200", ref, 1_00), codes[i])
			}
			for _, f := range later {
				f()
			}
			s.cases(ref)
			lines[1].ask(lines[1].pays("0220", ref, 5_00), taken[1])
			s.has(ref, purse{1000_00 - 3*30_00 - 5_00, 0})
			s.cases(ref, "FORCE_POST")
			s.unlocks(ref, reason, lines)
		}
	}
}

// locks locks a card by the network, in the edition that is the reason's turn, or by the API, by who has the turn.
func (s *stage) locks(ref, by string, reason authz.LockReason, lines []*line) {
	s.t.Helper()
	turn := int(reason) % len(lines)
	if by == "network" {
		l := lines[turn]
		lock := func(code string) {
			l.ask(l.fileAction([]string{"0304", "0302", "0300"}[turn], ref, "1", fmt.Sprint(reason)), code)
		}
		lock([]string{"00", "300", "3000"}[turn])
		lock([]string{"26", "308", "3008"}[turn])
		return
	}
	card, user := s.holder(ref)
	who := []string{ref, "partner", "admin"}[turn]
	at := []string{fmt.Sprintf("/customers/me/cards/%d", card), fmt.Sprintf("/secure/customers/%d/cards/%d", user, card),
		fmt.Sprintf("/admin/cards/%d", card)}[turn]
	s.api.want(200, nil, s.api.as(who, "POST", at+"/lock", fmt.Sprintf(`{"reasonCode":%d}`, reason)))
}

// unlocks tries to lift a lock by every call of the API that could, and by file actions in every edition.
func (s *stage) unlocks(ref string, reason authz.LockReason, lines []*line) {
	s.t.Helper()
	if reason == 1 || reason == 2 || reason == 5 || reason == 8 {
		for _, call := range [][2]string{{"/unlock", ""}, {"/lock", `{"reasonCode":3}`}} {
			for _, r := range s.calls(ref, call[0], call[1]) {
				s.api.refused(409, "CARD_LOCK_IRREVERSIBLE", r)
			}
		}
		for i, l := range lines {
			l.ask(l.fileAction("0302", ref, "3", ""), []string{"29", "306", "3006"}[i])
			l.ask(l.fileAction("0304", ref, "1", "3"), []string{"29", "306", "3006"}[i])
			l.ask(l.pays("0100", ref, 1_00), lockCodes[reason][i])
		}
		return
	}
	lifted := 0
	for _, r := range s.calls(ref, "/unlock", "") { // whoever is first lifts it
		switch {
		case r.status == 200:
			lifted++
		case r.code() != "CARD_NOT_LOCKED":
			s.t.Errorf("lock %d: an unlock is answered %d %s", reason, r.status, r.code())
		}
	}
	if lifted != 1 {
		s.t.Errorf("lock %d was lifted %d times", reason, lifted)
	}
	for i, l := range lines {
		l.ask(l.pays("0100", ref, 1_00), []string{"00", "000", "0000"}[i])
	}
	lines[0].ask(lines[0].fileAction("0304", ref, "1", fmt.Sprint(reason)), "00")
	lines[2].ask(lines[2].fileAction("0302", ref, "3", ""), "3000") // by the network, too
	lines[1].ask(lines[1].pays("0100", ref, 1_00), "000")
}

// 13: a card that has not been activated is not locked: it has an answer of its own, until it is activated.
func acceptActivation(t *testing.T, m mode) {
	s := script{mode: m, holders: []holder{{ref: "new", currency: "EUR", amount: "1000", state: "INACTIVE"}}, manages: true,
		listeners: listenersIn("iso87-ascii", "iso93-ascii", "cmf-2003")}.open(t)
	codes := map[string][2]string{"iso87-ascii": {"78", "00"}, "iso93-ascii": {"125", "000"}, "cmf-2003": {"1025", "0000"}}
	for dialect, code := range codes {
		l := s.dial(dialect)
		l.ask(l.pays("0100", "new", 10_00), code[0])
	}
	s.has("new", purse{1000_00, 0})
	card, _ := s.holder("new")
	unlock := s.api.as("new", "POST", fmt.Sprintf("/customers/me/cards/%d/unlock", card), "")
	s.api.refused(409, "CARD_NOT_LOCKED", unlock)
	s.api.want(200, nil, s.api.as("new", "POST", fmt.Sprintf("/customers/me/cards/%d/activate", card), ""))
	for dialect, code := range codes {
		l := s.dial(dialect)
		l.ask(l.pays("0100", "new", 10_00), code[1])
	}
	s.has("new", purse{1000_00, 30_00})
}

// 14: nothing is asked for but whether the card is good: nothing is held, and a CVV2 that came is answered as the peer
// tells it, by the code and by its result: right, wrong, or not looked at.
func acceptVerification(t *testing.T, m mode) {
	typed := dialectLike(t, "iso87-ascii", "profile: {places: {cvv2: 48.1-3}, cvv2_result: {at: 44.2, match: M, no_match: N, not_processed: U}}\n")
	listeners := listenersIn("iso93-ascii", "cmf-2003", typed, "visa-like", "mastercard-like")
	listeners[2].Name, listeners[3].Framing = "typed", "vmlh+base1"
	s := script{mode: m, holders: append(slices.Clone(one), holder{ref: "lost", currency: "EUR", amount: "10", state: "ORDERED"}),
		listeners: listeners, keys: stageKeys()}.open(t)
	value := cvv(s.cards["anna"], "4912", "000")
	wrong := fmt.Sprintf("%d%s", ('9'-value[0])%10, value[1:])
	if wrong == value {
		wrong = "5" + value[1:]
	}
	for _, c := range []struct{ listener, good, bad string }{{"iso93-ascii", "000", ""}, {"cmf-2003", "0085", ""},
		{"typed", "85", "63"}, {"visa-like", "85", "N7"}, {"mastercard-like", "85", "63"}} {
		l := s.dial(c.listener)
		also := fields{}
		if c.listener == "visa-like" {
			also[25] = "00" // such peers want it back
		}
		l.ask(l.pays("0100", "anna", 0), c.good, also)
		if c.bad == "" {
			continue
		}
		says := func(value string) fields { return fields{48: value} }
		told := func(result string) fields {
			return fields{44: "0" + strings.Replace(result, "P", "U", 1)}
		}
		switch c.listener {
		case "mastercard-like": // behind the category, which comes back
			says = func(value string) fields { return fields{48: "\xe3" + ebcdicDigits("9203"+value)} }
			told = func(result string) fields {
				return fields{48: "\xe3" + ebcdicDigits("8701") + map[string]string{"M": "\xd4", "N": "\xd5", "P": "\xd7"}[result]}
			}
		case "visa-like":
			told = func(result string) fields { return fields{44: "          " + result} }
			says = func(value string) fields {
				return fields{126: "\x00\x40\x00\x00\x00\x00\x00\x00" + ebcdicDigits("11 "+value)}
			}
		}
		l.ask(l.pays("0100", "anna", 0, says(value)), c.good, also, told("M"))
		l.ask(l.pays("0100", "anna", 0, says(wrong)), c.bad, also, told("N"))
		failed := l.pays("0100", "anna", 5_00, says(wrong))
		l.ask(failed, c.bad, also, told("N"))
		l.ask(l.again(failed, "0101"), c.bad, also, told("N"))
		short := l.pays("0100", "anna", 5_000_00, says(value))
		l.ask(short, "51", also, told("M"))
		unlooked := l.pays("0100", "lost", 1_00, says(wrong))
		l.send(unlooked)
		a, _ := l.read()
		for de, v := range told("P") {
			if a.Get(de) != v {
				t.Errorf("%s: of a card that is not active DE %d says %q", c.listener, de, a.Get(de))
			}
		}
	}
	s.has("anna", purse{1000_00, 0})
	s.cases("anna")
}

// ebcdicDigits writes digits and blanks in EBCDIC.
func ebcdicDigits(text string) string {
	b := []byte(text)
	for i, c := range b {
		b[i] = 0xf0 + c - '0'
		if c == ' ' {
			b[i] = 0x40
		}
	}
	return string(b)
}

// 19: the chip's cryptogram decides, once, and an approval is answered with what the chip can check, whose response
// code are the two characters of 1987 in any edition.
func acceptChip(t *testing.T, m mode) {
	listeners := listenersIn("cmf-2003", "iso87-ascii-binbmp",
		dialectLike(t, "iso87-ascii-binbmp", "profile: {chip_response_code: sent}\n"))
	listeners[2].Name = "coded"
	s := script{mode: m, holders: one, listeners: listeners, keys: stageKeys()}.open(t)
	chip := icc{s.cards["anna"]}
	for i, c := range []struct{ listener, approved, wrong string }{{"cmf-2003", "0000", "1029"}, {"iso87-ascii-binbmp", "00", "59"},
		{"coded", "00", "59"}} {
		l := s.dial(c.listener)
		atc := uint16(10 * (i + 1))
		mode := fields{22: "051"}
		if edition(l.dialect) == '2' {
			mode = nil
		}
		data, cryptogram := chip.asks(20_00, atc)
		good := l.pays("0100", "anna", 20_00, fields{55: string(data)}, mode)
		answers := fields{55: string(append([]byte{0x91, 10}, chip.answer(cryptogram)...))}
		if !bytes.HasSuffix([]byte(answers[55]), []byte{0x30, 0x30}) {
			t.Fatal("the test's own answer does not end in the characters 00")
		}
		if c.listener == "coded" {
			answers[55] += "\x8a\x0200"
		}
		l.ask(good, c.approved, answers)
		l.ask(l.again(good, "0101"), c.approved, answers)
		l.ask(l.pays("0100", "anna", 20_00, fields{55: string(data)}, mode), c.wrong) // the counter was used
		bad := bytes.Clone(data)
		bad[len(bad)-1] ^= 1
		l.ask(l.pays("0100", "anna", 20_00, fields{55: string(bad)}, mode), c.wrong)
		forged, _ := chip.asks(20_00, atc+1)
		forged[len(forged)-1] ^= 1
		l.ask(l.pays("0100", "anna", 20_00, fields{55: string(forged)}, mode), c.wrong)
		older, _ := chip.asks(20_00, atc-1)
		l.ask(l.pays("0100", "anna", 20_00, fields{55: string(older)}, mode), c.wrong)
		s.has("anna", purse{1000_00, int64(20_00 * (i + 1))})
	}
}
