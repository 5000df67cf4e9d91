package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"holdfast/store/records"
	"holdfast/switch/iso"
)

// one is a world with one holder of 1,000 euros.
var one = []holder{{ref: "anna", currency: "EUR", amount: "1000"}}

// 01: a repeat, with a DE 7 of its own or not, has the first answer again, byte for byte, and so have ten copies at once;
// there is one hold.
func acceptRepeats(t *testing.T, m mode) {
	s := script{mode: m, holders: one, listeners: listenersIn("iso87-ascii")}.open(t)
	l := s.dial("iso87-ascii")
	first := l.pays("0100", "anna", 25_00)
	l.send(first)
	a, want := l.read()
	compareAnswer(t, first, a, "00")
	l.send(l.again(first, "0101"))
	if _, again := l.read(); !bytes.Equal(again, want) {
		t.Error("the repeat has another answer")
	}
	later := s.start.Add(time.Minute).Format("0102150405")
	repeat := l.ask(l.again(first, "0101", fields{7: later}), "00", fields{38: a.Get(38)})
	if err := repeat.Set(7, a.Get(7)); err != nil {
		t.Fatal(err)
	}
	if again, err := repeat.Append(nil); err != nil || !bytes.Equal(again, want) {
		t.Error("but for DE 7, the answer to a repeat with its own is another")
	}
	s.has("anna", purse{1000_00, 25_00})

	copied := l.pays("0100", "anna", 30_00)
	lines := make([]*line, 10)
	for i := range lines {
		lines[i] = s.dial("iso87-ascii")
	}
	for _, l := range lines {
		l.send(copied)
	}
	var answer []byte
	for _, l := range lines {
		a, raw := l.read()
		compareAnswer(t, copied, a, "00")
		if answer != nil && !bytes.Equal(raw, answer) {
			t.Error("two copies have different answers")
		}
		answer = raw
	}
	s.has("anna", purse{1000_00, 55_00})
	s.lives("anna", "AUTHORIZATION AUTHORIZED 2500", "AUTHORIZATION AUTHORIZED 3000")
	if d := s.deposit(978); d.held != 55_00 {
		t.Errorf("the deposit holds %d", d.held)
	}
}

// 02: the answer is lost with the connection, and the reversal gives the funds back; or the reversal overtakes its
// original on another link, and nothing is ever held.
func acceptLostAnswer(t *testing.T, m mode) {
	s := script{mode: m, holders: one, listeners: listenersIn("iso87-ascii")}.open(t)
	lost := s.dial("iso87-ascii")
	purchase := lost.pays("0100", "anna", 40_00)
	lost.send(purchase)
	if err := lost.raw.Close(); err != nil {
		t.Fatal(err)
	}
	s.until("the purchase", func() bool { return s.purse("anna") == purse{1000_00, 40_00} })
	l := s.dial("iso87-ascii")
	l.ask(l.pays("0420", "anna", 40_00, about(purchase)), "00")
	s.has("anna", purse{1000_00, 0})
	s.lives("anna", "AUTHORIZATION REVERSED 4000", "REVERSAL RECORDED 0")

	twin := s.dial("iso87-ascii")
	overtaken := l.pays("0100", "anna", 50_00)
	twin.ask(twin.pays("0420", "anna", 50_00, about(overtaken)), "00")
	l.ask(overtaken, "05")
	s.has("anna", purse{1000_00, 0})
	s.lives("anna", "AUTHORIZATION REVERSED 4000", "REVERSAL RECORDED 0", "REVERSAL RECORDED 0", "AUTHORIZATION DECLINED 0")
	if d := s.deposit(978); d.held != 0 {
		t.Errorf("the deposit holds %d", d.held)
	}
	s.cases("anna")
}

// 03: we are too slow, the network stands in and approves with its own code: one hold, with that code.
func acceptLateDecision(t *testing.T, m mode) {
	listeners := listenersIn("iso87-ascii")
	listeners[0].Settings.Deadline = 800 * time.Millisecond
	s := script{mode: m, holders: one, listeners: listeners, stops: true}.open(t)
	l := s.dial("iso87-ascii")
	release := s.hang()
	purchase := l.pays("0100", "anna", 60_00)
	l.ask(purchase, "91")
	l.ask(l.pays("0100", "anna", 1_00), "91") // twice the deadline has gone by
	release()
	advice := l.again(purchase, "0120", fields{38: "STAND1", 39: "00"})
	l.s.until("the advice", func() bool {
		l.send(advice)
		a, _ := l.read()
		return a.Get(39) == "00"
	})
	s.until("one hold", func() bool { return s.purse("anna") == purse{1000_00, 60_00} })
	var code []string
	s.rows(func(r records.Row) { code = append(code, r.Text(0)) },
		"SELECT approval FROM authorizations WHERE held > 0 AND card_id = (SELECT id FROM cards WHERE tag = $1)", s.tag("anna"))
	if !slices.Equal(code, []string{"STAND1"}) {
		t.Errorf("the codes of the holds are %q", code)
	}
	repeat := l.again(purchase, "0121", fields{38: "STAND1", 39: "00"})
	s.until("its repeat", func() bool { // which a busy machine may decide late, too
		l.send(repeat)
		a, _ := l.read()
		if a.Get(39) == "91" {
			return false
		}
		compareAnswer(t, repeat, a, "00")
		return true
	})
	s.has("anna", purse{1000_00, 60_00})
	s.cases("anna")
}

// 04: an approval in stand-in on a lost card without funds binds us all the same, and people are asked to look.
func acceptStandInOnLostCard(t *testing.T, m mode) {
	s := script{mode: m, holders: []holder{{ref: "lost87", currency: "EUR", amount: "5", more: ", lock: LOST"},
		{ref: "lost93", currency: "EUR", amount: "5", more: ", lock: LOST"}, {ref: "lost03", currency: "EUR", amount: "5", more: ", lock: LOST"}},
		listeners: listenersIn("iso87-ascii", "iso93-ascii", "cmf-2003")}.open(t)
	for i, c := range []struct{ dialect, ref, said, declined, code string }{{"iso87-ascii", "lost87", "00", "05", "00"},
		{"iso93-ascii", "lost93", "000", "100", "901"}, {"cmf-2003", "lost03", "0000", "1000", "9001"}} {
		l := s.dial(c.dialect)
		declined := l.pays("0120", c.ref, 70_00, fields{39: c.declined})
		l.ask(declined, map[string]string{"00": "00", "901": "900", "9001": "9000"}[c.code])
		s.has(c.ref, purse{5_00, 0})
		l.ask(l.pays("0120", c.ref, 35_00, fields{38: "STAND1", 39: c.said}), c.code, fields{38: "STAND1"})
		s.has(c.ref, purse{5_00, 35_00})
		s.lives(c.ref, "AUTHORIZATION_ADVICE RECORDED 0", "AUTHORIZATION_ADVICE AUTHORIZED 3500")
		s.cases(c.ref, "BELOW_ZERO")
		if d := s.deposit(978); d.held != int64(35_00*(i+1)) {
			t.Errorf("the deposit holds %d", d.held)
		}
	}
}

// 05: a reversal of what we do not know is accepted, its original then refused, and its repeat answered as it was.
func acceptReversalOfUnknown(t *testing.T, m mode) {
	s := script{mode: m, holders: one, listeners: listenersIn("iso87-ascii", "iso93-ascii", "cmf-2003")}.open(t)
	for _, c := range []struct{ dialect, reversed, refused string }{{"iso87-ascii", "00", "05"}, {"iso93-ascii", "400", "100"},
		{"cmf-2003", "4000", "1000"}} {
		l := s.dial(c.dialect)
		original := l.pays("0100", "anna", 45_00)
		reversal := l.pays("0420", "anna", 45_00, about(original))
		l.send(reversal)
		a, first := l.read()
		compareAnswer(t, reversal, a, c.reversed)
		l.ask(original, c.refused)
		l.ask(l.again(original, "0101"), c.refused)
		l.send(l.again(reversal, "0421"))
		again, raw := l.read()
		if again.Has(7) && edition(l.dialect) == '2' { // our own time
			if err := again.Set(7, a.Get(7)); err != nil {
				t.Fatal(err)
			}
			raw, _ = again.Append(nil)
		}
		if !bytes.Equal(raw, first) {
			t.Errorf("%s: the repeat of the reversal has another answer", c.dialect)
		}
		s.has("anna", purse{1000_00, 0})
	}
	s.cases("anna")
}

// 06: of 130.00 stays 83.54, in the three styles of partial reversals.
func acceptPartialReversals(t *testing.T, m mode) {
	naive := dialectLike(t, "iso87-ascii", "profile: {reversal: {field: 4, meaning: reversed}}\n")
	listeners := append(listenersIn("iso87-ascii", "iso93-ascii", "cmf-2003"), listenersIn(naive)...)
	listeners[3].Name = "naive"
	holders := []holder{{ref: "de95", currency: "EUR", amount: "1000"}, {ref: "de30", currency: "EUR", amount: "1000"},
		{ref: "cmf", currency: "EUR", amount: "1000"}, {ref: "de4", currency: "EUR", amount: "1000"}}
	s := script{mode: m, holders: holders, listeners: listeners}.open(t)
	for _, c := range []struct {
		dialect, ref, reversed string
		amount                 int64
		says                   fields
	}{
		{"iso87-ascii", "de95", "00", 130_00, fields{95: "000000008354000000008354000000000000000000"}},
		{"iso93-ascii", "de30", "400", 83_54, fields{24: "401", 30: "000000013000000000000000"}},
		{"cmf-2003", "cmf", "4000", 83_54, fields{24: "401", 30: "\x97\x82\x00\x00\x00\x01\x30\x00" + "\x00\x00\x00\x00\x00\x00\x00\x00"}},
		{"naive", "de4", "00", 46_46, fields{}},
	} {
		l := s.dial(c.dialect)
		approved := map[byte]string{'0': "00", '1': "000", '2': "0000"}[edition(l.dialect)]
		original := l.pays("0100", c.ref, 130_00)
		l.ask(original, approved)
		s.has(c.ref, purse{1000_00, 130_00})
		reversal := l.pays("0420", c.ref, c.amount, about(original), c.says)
		l.ask(reversal, c.reversed)
		s.has(c.ref, purse{1000_00, 83_54})
		l.ask(l.again(reversal, "0421"), c.reversed)
		s.has(c.ref, purse{1000_00, 83_54})
		s.cases(c.ref)
	}
}

// 07: more may be cleared than was authorized, within the tolerance of the merchant's kind; all of it is posted.
func acceptTolerances(t *testing.T, m mode) {
	var holders []holder
	for i := range 5 {
		holders = append(holders, holder{ref: fmt.Sprint("u", i), currency: "EUR", amount: "1000"})
	}
	s := script{mode: m, holders: holders, listeners: listenersIn("iso87-ascii")}.open(t)
	l := s.dial("iso87-ascii")
	for i, c := range []struct {
		mcc     string
		cleared int64
		cases   []string
	}{{"5812", 120_00, nil}, {"5812", 120_01, []string{"OVER_TOLERANCE"}}, {"5999", 100_00, nil},
		{"5999", 100_01, []string{"OVER_TOLERANCE"}}, {"5812", 90_00, nil}} {
		ref := fmt.Sprint("u", i)
		purchase := l.pays("0100", ref, 100_00, fields{18: c.mcc})
		a := l.ask(purchase, "00")
		advice := l.pays("0220", ref, c.cleared, fields{18: c.mcc, 38: a.Get(38)}, about(purchase))
		l.ask(advice, "00")
		s.has(ref, purse{1000_00 - c.cleared, 0})
		s.cases(ref, c.cases...)
		l.ask(l.again(advice, "0221"), "00")
		s.has(ref, purse{1000_00 - c.cleared, 0})
		s.lives(ref, "AUTHORIZATION CLEARED 10000", fmt.Sprintf("FINANCIAL_ADVICE CAPTURED %d", c.cleared))
	}
}

// 08: a pump asks for one unit, or for nothing, and means the fill to come: the program's amount is held, then the
// advised one, and that is cleared.
func acceptFuelPump(t *testing.T, m mode) {
	s := script{mode: m, terms: ", terms: {pumpHold: 150.00}", holders: []holder{{ref: "one", currency: "EUR", amount: "1000"},
		{ref: "zero", currency: "EUR", amount: "1000"}, {ref: "poor", currency: "EUR", amount: "20"}},
		listeners: listenersIn("iso87-ascii")}.open(t)
	l := s.dial("iso87-ascii")
	for ref, asked := range map[string]int64{"one": 1_00, "zero": 0} {
		check := l.pays("0100", ref, asked, fields{18: "5542"})
		a := l.ask(check, "00")
		s.has(ref, purse{1000_00, 150_00})
		l.ask(l.pays("0120", ref, 37_20, fields{18: "5542", 38: a.Get(38), 39: "00"}, about(check)), "00")
		s.has(ref, purse{1000_00, 37_20})
		l.ask(l.pays("0220", ref, 37_20, fields{18: "5542", 38: a.Get(38)}, about(check)), "00")
		s.has(ref, purse{1000_00 - 37_20, 0})
		s.lives(ref, "AUTHORIZATION REPLACED 15000", "AUTHORIZATION_ADVICE CLEARED 3720", "FINANCIAL_ADVICE CAPTURED 3720")
		s.cases(ref)
	}
	l.ask(l.pays("0100", "poor", 0, fields{18: "5542"}), "51")
	l.ask(l.pays("0100", "poor", 0), "85") // anywhere else nothing is a question about the card
	s.has("poor", purse{20_00, 0})
}

// orderedLives is in how many orders the messages of a life come.
const orderedLives = 200

// 09: a pre-authorization, two increments, a partial reversal and two partial clearings end with nothing held and the
// clearings posted, in whatever order they come.
func acceptWholeLife(t *testing.T, m mode) {
	parts := dialectLike(t, "iso93-ascii", "profile: {places: {part: 62.1-2, parts: 62.3-4}}\n")
	listeners := listenersIn(parts)
	listeners[0].Name = "parts"
	var holders []holder
	orders := orderedLives
	if underRace {
		orders /= 10
	}
	for i := range orders + 1 {
		holders = append(holders, holder{ref: fmt.Sprint("u", i), currency: "EUR", amount: "1000"})
	}
	s := script{mode: m, holders: holders, listeners: listeners}.open(t)
	l := s.dial("parts")
	random := rand.New(rand.NewPCG(9, 9))
	for i := range orders + 1 {
		ref := fmt.Sprint("u", i)
		life := wholeLife(l, ref)
		order := []int{0, 1, 2, 3, 4, 5}
		if i > 0 {
			random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		}
		held := []int64{100_00, 120_00, 127_00, 107_00, 67_00, 0}
		for n, at := range order {
			l.send(life[at])
			a, _ := l.read()
			want := map[string]string{"1110": "000", "1430": "400", "1230": "901"}[a.MTI()]
			if a.Get(39) != want {
				t.Errorf("order %v: %s is answered %s, want %s", order, a.MTI(), a.Get(39), want)
			}
			if i == 0 {
				compareAnswer(t, life[at], a, want)
				if got := s.purse(ref).held; got != held[n] {
					t.Errorf("after message %d %d is held, want %d", n+1, got, held[n])
				}
			}
		}
		if got, want := s.purse(ref), (purse{1000_00 - 95_00, 0}); got != want {
			t.Fatalf("in the order %v ledger and held end as %v, want %v\n%v", order, got, want, s.states(ref))
		}
	}
	if d := s.deposit(978); d.held != 0 {
		t.Errorf("the deposit still holds %d", d.held)
	}
}

// wholeLife are the messages of a life in the order in which they are sent.
func wholeLife(l *line, ref string) []*iso.Message {
	pre := l.pays("0100", ref, 100_00, fields{24: "101"})
	same := fields{37: pre.Get(37)}
	return []*iso.Message{pre,
		l.pays("0100", ref, 20_00, same, fields{24: "106"}),
		l.pays("0100", ref, 7_00, same, fields{24: "106"}),
		l.pays("0420", ref, 80_00, fields{24: "401", 30: "000000010000000000000000"}, about(pre)),
		l.pays("0220", ref, 40_00, fields{24: "202", 62: "0102"}, about(pre)),
		l.pays("0220", ref, 55_00, fields{24: "202", 62: "0202"}, about(pre)),
	}
}
