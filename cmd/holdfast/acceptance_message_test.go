package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/authz/pan"
	"holdfast/switch/iso"
)

// fields are elements by their numbers. In what an answer must have, "*" is anything but nothing and "-" is absent; in
// what a message is to have, "-" takes an element away.
type fields map[int]string

// edition is the edition's digit of message types: 0, 1 or 2.
func edition(d *iso.Dialect) byte {
	switch d.Version() {
	case iso.V1993:
		return '1'
	case iso.V2003:
		return '2'
	}
	return '0'
}

// currencies that the tests pay in: their digits and exponents, from ISO 4217 and not from our table.
var currencies = map[string]struct {
	numeric  string
	exponent int
}{"EUR": {"978", 2}, "USD": {"840", 2}, "JPY": {"392", 0}, "KWD": {"414", 3}}

// amountIn writes an amount of the transaction as the edition does.
func amountIn(d *iso.Dialect, currency string, minor int64) fields {
	c := currencies[currency]
	if d.Version() == iso.V2003 {
		return fields{4: fmt.Sprintf("%s%d%012d", c.numeric, c.exponent, minor)}
	}
	return fields{4: fmt.Sprintf("%012d", minor), 49: c.numeric}
}

// message makes a message about a holder's card, by its type in 1987. What it has is what a point of sale sends; changes
// are made to it in order.
func (l *line) message(mti, ref string, changes ...fields) *iso.Message {
	l.s.t.Helper()
	n := l.s.serial()
	at := l.s.began().Add(time.Duration(n) * time.Second)
	e := fields{2: l.s.cards[ref], 3: "000000", 7: at.Format("0102150405"), 11: fmt.Sprintf("%06d", n), 32: "123456",
		37: fmt.Sprintf("%012d", n), 41: fmt.Sprintf("%-*s", l.dialect.Spec().Fields[41].Spec().Length, "TERM0001"), 42: "MERCHANT0000001"}
	switch edition(l.dialect) {
	case '0':
		maps.Copy(e, fields{12: at.Format("150405"), 13: at.Format("0102"), 14: "4912", 18: "5411",
			22: fmt.Sprintf("%0*s", l.dialect.Spec().Fields[22].Spec().Length, "011"), 25: "00",
			43: "ACME STORE               WARSZAWA     PL"})
	case '1':
		maps.Copy(e, fields{12: at.Format("060102150405"), 14: "4912", 22: "21010121314C", 24: "100", 26: "5411"})
	default:
		maps.Copy(e, fields{11: fmt.Sprintf("%012d", n), 12: at.Format("20060102150405"), 14: "4912", 24: "100", 26: "5411"})
	}
	if mti[1] == '4' { // a reversal: what it is about stands in the changes
		for _, de := range []int{14, 22, 43} {
			delete(e, de)
		}
	}
	if edition(l.dialect) != '0' {
		e[24] = map[byte]string{'1': "100", '2': "200", '3': "302", '4': "400"}[mti[1]]
	}
	m := l.dialect.New(string(edition(l.dialect)) + mti[1:])
	for _, set := range append([]fields{e}, changes...) {
		for _, de := range slices.Sorted(maps.Keys(set)) {
			if set[de] == "-" {
				m.Unset(de)
			} else if err := m.Set(de, set[de]); err != nil {
				l.s.t.Fatalf("element %d: %v", de, err)
			}
		}
	}
	return m
}

// pays is a message with an amount in euros.
func (l *line) pays(mti, ref string, minor int64, changes ...fields) *iso.Message {
	l.s.t.Helper()
	return l.message(mti, ref, append([]fields{amountIn(l.dialect, "EUR", minor)}, changes...)...)
}

// again is the same message with another type and other elements.
func (l *line) again(m *iso.Message, mti string, changes ...fields) *iso.Message {
	l.s.t.Helper()
	out := l.dialect.New(string(edition(l.dialect)) + mti[1:])
	out.Copy(m, m.Elements()...)
	for _, set := range changes {
		for de, v := range set {
			if v == "-" {
				out.Unset(de)
			} else if err := out.Set(de, v); err != nil {
				l.s.t.Fatalf("element %d: %v", de, err)
			}
		}
	}
	return out
}

// about names the message that an advice or a reversal is about, as the edition does.
func about(m *iso.Message) fields {
	d := m.Dialect()
	switch d.Version() {
	case iso.V1987:
		return fields{90: m.MTI() + m.Get(11) + m.Get(7) + fmt.Sprintf("%011s", m.Get(32)) + strings.Repeat("0", 11), 37: m.Get(37)}
	case iso.V1993:
		return fields{56: m.MTI() + m.Get(11) + m.Get(12) + fmt.Sprintf("%02d%s", len(m.Get(32)), m.Get(32)), 37: m.Get(37)}
	}
	return fields{56: m.MTI() + m.Get(11) + m.Get(12) + m.Get(32), 37: m.Get(37)}
}

// network makes a message of network management.
func (l *line) network(code string, changes ...fields) *iso.Message {
	l.s.t.Helper()
	n := l.s.serial()
	e := fields{7: l.s.began().Format("0102150405"), 11: fmt.Sprintf("%06d", n), 70: code}
	if edition(l.dialect) != '0' {
		e = fields{11: e[11], 12: l.s.began().Format("060102150405"), 24: code}
	}
	m := l.dialect.New(string(edition(l.dialect)) + "80" + map[bool]string{true: "0", false: "4"}[edition(l.dialect) == '0'])
	for _, set := range append([]fields{e}, changes...) {
		for de, v := range set {
			if err := m.Set(de, v); err != nil {
				l.s.t.Fatalf("element %d: %v", de, err)
			}
		}
	}
	return m
}

// What comes back of a message, by the table of the reference (1.4) and not by ours.
var comesBack = map[byte][]int{
	'0': {2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16, 23, 24, 28, 32, 33, 37, 41, 42, 49, 50, 51, 59, 62, 63, 70, 73, 101, 102, 103},
	'1': {2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 15, 16, 23, 32, 33, 37, 41, 42, 49, 50, 51, 59, 62, 63, 73, 101, 102, 103},
	'2': {2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 15, 16, 21, 23, 32, 33, 37, 41, 42, 59, 62, 63, 73, 101, 102, 103},
}

// approvals are the action codes with which a request leaves with an approval code.
var approvals = []string{"00", "10", "85", "000", "002", "0000", "0002", "0085"}

// compareAnswer holds an answer against its message: its type, every element that it has, and none that it has not.
func compareAnswer(t *testing.T, m, a *iso.Message, code string, more ...fields) {
	t.Helper()
	mti := []byte(m.MTI())
	mti[2]++
	mti[3] = '0' + (mti[3]-'0')&^1
	if a.MTI() != string(mti) {
		t.Errorf("%s is answered by %s, want %s", m.MTI(), a.MTI(), mti)
	}
	want := fields{39: code}
	e := edition(m.Dialect())
	back := slices.Clone(comesBack[e])
	class, advice := mti[1], mti[2] == '3'
	switch {
	case class == '4':
		back = append(slices.DeleteFunc(back, func(de int) bool { return de == 23 }), 38, 56, 90)
		if e == '0' {
			back = append(back, 95)
		} else {
			back = append(back, 30)
		}
	case class == '3':
		back = []int{2, 7, 11, 12, 13, 32, 33, 73, 91, 101}
	case class == '8' && e != '0':
		back = append(back, 24)
	case advice:
		back = append(back, 38, 56, 90)
	}
	for _, de := range back {
		if m.Has(de) && (e == '0' || de != 13 && de != 90 && de != 91) {
			want[de] = m.Get(de)
		}
	}
	if e == '2' && m.Has(7) {
		want[7] = "*" // our own time
	}
	if (class == '1' || class == '2') && !advice && slices.Contains(approvals, code) {
		want[38] = "*"
	}
	for _, set := range more {
		maps.Copy(want, set)
	}
	compareElements(t, m.MTI()+" ("+code+")", a, want)
}

func compareElements(t *testing.T, what string, a *iso.Message, want fields) {
	t.Helper()
	for _, de := range a.Elements() {
		w, expected := want[de]
		switch got := a.Get(de); {
		case !expected || w == "-":
			t.Errorf("%s: the answer has element %d, which it must not have", what, de)
		case w == "*" && strings.Trim(got, " 0") == "", w != "*" && w != got:
			t.Errorf("%s: element %d is %s, want %s", what, de, show(de, got), show(de, w))
		}
	}
	for de, w := range want {
		if w != "-" && !a.Has(de) {
			t.Errorf("%s: the answer lacks element %d, %s", what, de, show(de, w))
		}
	}
}

// show keeps card data out of what tests print.
func show(de int, v string) string {
	if slices.Contains([]int{2, 14, 35, 36, 45, 52, 55}, de) {
		return fmt.Sprintf("%d characters", len(v))
	}
	return fmt.Sprintf("%q", v)
}

// panOf reads a number of a test's own card.
func panOf(digits string) pan.Number {
	n, err := pan.Parse(digits)
	if err != nil {
		panic("acceptance: a card of a test has no number")
	}
	return n
}
