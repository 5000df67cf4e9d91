package gateway_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"holdfast/store/records"
	"holdfast/store/storetest"
	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

// acceptors reads what the journal has of merchants' names, the oldest first.
func (c *counter) acceptors() (all []string) {
	c.t.Helper()
	if err := c.Store.View(c.t.Context(), func(q records.Querier) error {
		return q.Query(c.t.Context(), func(r records.Row) error { all = append(all, r.Text(0)); return nil },
			"SELECT acceptor FROM authorizations ORDER BY id")
	}); err != nil {
		c.t.Fatal(err)
	}
	return all
}

// families are a dialect of each family and how it writes name, city and country.
var families = map[string]func(name, city, country string) string{
	"iso87-ascii": fixed, "iso87-bcd": fixed, "visa-like": fixed, "cup-pos": fixed, "ebcdic-87": fixed, "d8-like-93": fixed,
	"mastercard-like": func(name, city, country string) string { return fmt.Sprintf("%-22s %-13s %-3s", name, city, country) },
	"iso93-ascii":     cut93, "ebcdic-93": cut93,
	"cmf-2003": func(name, city, country string) string {
		packed := func(s string) string { return string(byte(len(s)/10<<4|len(s)%10)) + s } // below 80 a byte is its character
		return "\x52\x00\x00\x00\x00\x00\x00\x00" + packed(name) + packed(city) + fmt.Sprintf("%3s", country)
	},
}

func fixed(name, city, country string) string {
	return fmt.Sprintf("%-25s%-13s%2s", name, city, country)
}

func cut93(name, city, country string) string {
	return name + `\1 MAIN STREET\` + city + `\10115        ` + fmt.Sprintf("%3s", country)
}

// Goal: each family's way to write the merchant's name and place ends up in the row; it is no part of what makes a message the
// same as another; a card number in it is in no row, however it is written.
func TestTheMerchantsNameIsKept(t *testing.T) {
	for dialect, write := range families {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			c := open(t, dialect)
			ok := codeOf(c.peer.Dialect, "00", "000", "0000")
			send := func(name, city string) *iso.Message {
				t.Helper()
				m := c.next("100", 1_00)
				c.set(m, elements{14: expiry.YYMM(), 43: write(name, city, "DE")})
				c.expect(m, ok)
				return m
			}
			m := send("FROG SHOP", "BERLIN")
			c.set(m, elements{43: write("TOAD SHOP", "BONN", "DE")})
			c.expect(m, ok) // a repeat
			m = c.next("100", 1_00)
			c.set(m, elements{14: expiry.YYMM()})
			m.Unset(43)
			c.expect(m, ok)
			number := c.Alice.Number.Reveal()
			send("SHOP "+number, "BERLIN")
			send(number[:4]+" "+number[4:8]+"-"+number[8:12]+"."+number[12:], "BERLIN")
			send("SHOP "+number[:8], number[8:])
			got := c.acceptors()
			if len(got) != 5 || got[0] != "FROG SHOP BERLIN DE" || got[1] != "" {
				t.Fatalf("%q", got)
			}
			for _, hidden := range got[2:] {
				if len(hidden) < 20 || strings.Trim(hidden, "*") != "" {
					t.Errorf("kept with a number in it: %d characters", len(hidden))
				}
			}
		})
	}
}

// Goal: what is kept can be shown anywhere. Method: controls, marks of direction and other characters in the text of dialects
// that let them pass; what is not UTF-8 is Latin-1.
func TestTheMerchantsNameIsOneLineOfText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"CAF\xc9 \x85\x9b31mX":                       "CAF\u00c9 31mX",
		"CAF\u00c9 \u202eNILREB\u202c":               "CAF\u00c9 NILREB",
		"A\u200bB\ufeffC\u2028D\ufffdE\u00adF":       "A B C D E F",
		"\u041c\u0410\u0413\u0410\u0417\u0418\u041d": "\u041c\u0410\u0413\u0410\u0417\u0418\u041d",
	} {
		if got := named(t, "base24-ascii", fmt.Sprintf("%-40s", text)[:40]); got != want {
			t.Errorf("%q is kept as %q, want %q", text, got, want)
		}
	}
	long := named(t, "cmf-2003", "\x50\x00\x00\x00\x00\x00\x00\x00\x50"+strings.Repeat("N", 50)+"\x50"+strings.Repeat("C", 50))
	if len(long) != 99 {
		t.Errorf("a long one is kept in %d characters", len(long))
	}
}

// named is what the authorizer is told of a merchant's name.
func named(t testing.TB, dialect, text string) string {
	t.Helper()
	d, err := iso.Builtin(dialect)
	if err != nil {
		t.Fatal(err)
	}
	m := isotest.Purchase(d)
	m.Unset(35)
	if err := m.Set(43, text); err != nil {
		return ""
	}
	body, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := yes()
	door(t, d, s).Frame(&exchange{body: body, done: make(chan struct{}), at: storetest.Epoch})
	if s.asked == nil {
		t.Fatalf("%q: nothing was asked", text)
	}
	return s.asked.Acceptor
}

// FuzzAcceptor gives any text to a dialect of each family: what is kept is a line of printable text without the card's number.
func FuzzAcceptor(f *testing.F) {
	for dialect, write := range families {
		f.Add(dialect, write("FROG SHOP", "BERLIN", "DE"))
		f.Add(dialect, write("SHOP "+isotest.PAN[:6], isotest.PAN[6:], "DE"))
	}
	f.Add("base24-ascii", "CAF\xc9 \u202e4111-1111 1111.1111               ")
	f.Fuzz(func(t *testing.T, dialect, text string) {
		if families[dialect] == nil && dialect != "base24-ascii" {
			return
		}
		got := named(t, dialect, text)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > 99 || strings.TrimSpace(got) != got {
			t.Fatalf("%q is kept as %q", text, got)
		}
		for _, c := range got {
			if c == utf8.RuneError || !unicode.IsPrint(c) {
				t.Fatalf("%q is kept with %q in it", text, c)
			}
		}
		if digits := strings.Map(func(c rune) rune {
			if c < '0' || c > '9' {
				return -1
			}
			return c
		}, strings.NewReplacer(" ", "", "-", "", ".", "").Replace(got)); digits == isotest.PAN {
			t.Fatal("the card's number is kept")
		}
	})
}
