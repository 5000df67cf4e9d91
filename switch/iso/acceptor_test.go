package iso_test

import (
	"strings"
	"testing"

	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

// Goal: name, city and country are read in the form that each kind of peer has, and a text of another form is not cut up.
func TestAcceptorIsReadAsThePeerWritesIt(t *testing.T) {
	t.Parallel()
	const fixed = "ACME STORE               WARSZAWA     PL"
	composite := "\x52\x00\x00\x00\x00\x00\x00\x00\x10ACME STORE\x08WARSZAWAPOL"
	for _, c := range []struct{ dialect, text, want string }{
		{"iso87-ascii", fixed, "ACME STORE WARSZAWA PL"},
		{"visa-like", fixed, "ACME STORE WARSZAWA PL"},
		{"iso87-ascii", "A NAME OF 25 CHARACTERS..WARSZAWA     PL", "A NAME OF 25 CHARACTERS.. WARSZAWA PL"},
		{"iso87-ascii", strings.Repeat(" ", 40), ""},
		{"d8-like-93", "FUMINOR033-A. SAHAROVA 20NEW YORK     US", "FUMINOR033-A. SAHAROVA 20 NEW YORK US"},
		{"d8-like-93", "ACME STORE  WARSZAWA", "ACME STORE WARSZAWA"},
		{"mastercard-like", "KULTUR A.S. MINIATUR   ISTANBUL      TUR", "KULTUR A.S. MINIATUR ISTANBUL TUR"},
		{"postilion-like", "7 MAIN STREET ACME INC.WARSZAWA     MZPL", "7 MAIN STREET ACME INC. WARSZAWA PL"},
		{"tsys-like", "CENTRAL OFFICE          >Moscow       RU", "CENTRAL OFFICE Moscow RU"},
		{"base24-ascii", "ACME STORE            WARSZAWA     MZ PL", "ACME STORE WARSZAWA MZ PL"},
		{"cup-pos", "\xc9\xcc\xb5\xea                                  \x00\x00", "\xc9\xcc\xb5\xea"},
		{"cup-pos", "SHOP\x01                                   ", ""},
		{"iso93-ascii", `BIG BOBS\80 KERNDALE ST\DANERLEY\3103      VICAUS`, "BIG BOBS DANERLEY AUS"},
		{"iso93-ascii", `BIG BOBS\\DANERLEY\3103 AUS`, "BIG BOBS DANERLEY AUS"},
		{"iso93-ascii", `BIG BOBS\\DANERLEY\3103`, "BIG BOBS DANERLEY"},
		{"iso93-ascii", `BIG BOBS\DANERLEY`, "BIG BOBS DANERLEY"},
		{"iso93-ascii", "BIG  BOBS OF DANERLEY ", "BIG BOBS OF DANERLEY"},
		{"iso93-ascii", `\\\`, ""},
		{"cmf-2003", composite, "ACME STORE WARSZAWA POL"},
		{"cmf-2003", composite[:20], "ACME STORE"},
		{"cmf-2003", "ACME STORE", ""},
	} {
		d := builtin(t, c.dialect)
		m := d.New(isotest.MTI(d, "100"))
		if err := m.Set(43, c.text); err != nil {
			t.Errorf("%s: %q: %v", c.dialect, c.text, err)
			continue
		}
		if got := m.Acceptor(); got != c.want {
			t.Errorf("%s: %q is read as %q, want %q", c.dialect, c.text, got, c.want)
		}
	}
	if got := builtin(t, "iso87-ascii").New("0100").Acceptor(); got != "" {
		t.Errorf("a message without it has %q", got)
	}
}

// A file's own places count, and an empty list keeps nothing.
func TestAcceptorOfAFile(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{"[43.1-4, 43.26-33]": "ACME WARSZAWA", "[43]": "ACME STORE WARSZAWA PL", "[]": "", "[42, 43.39-40]": "M PL"} {
		m := parsed(t, plain+"profile: {acceptor: "+list+"}\n").New("0100")
		for de, v := range map[int]string{42: "M              ", 43: "ACME STORE               WARSZAWA     PL"} {
			if err := m.Set(de, v); err != nil {
				t.Fatal(err)
			}
		}
		if got := m.Acceptor(); got != want {
			t.Errorf("%s: %q, want %q", list, got, want)
		}
	}
	for list, want := range map[string]string{"[43, 129]": "profile.acceptor.2:", "[43, 43, 43, 43, 43, 43, 43, 43, 43]": "more than 8", "43": "sequence"} {
		if _, err := iso.Parse("peer.yaml", []byte(plain+"profile: {acceptor: "+list+"}\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", list, err, want)
		}
	}
}
