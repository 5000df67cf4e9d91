package iso_test

import (
	"strings"
	"testing"
	"time"

	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

// FuzzBER gives any bytes to the reader of BER-TLV: it ends, shows no more parts than it may, and nothing that was
// not there.
func FuzzBER(f *testing.F) {
	for _, v := range isotest.Vectors(f, ".") {
		if chip := v.Content()["55"]; chip != "" {
			f.Add(chip)
		}
	}
	for _, bomb := range []string{"\x9f\x26\x03abc", "\x70\x05\x9f\x26\x02ab", strings.Repeat("\x70\x80", 40), strings.Repeat("\x61\x00", 999),
		"\x5a\x84\xff\xff\xff\xff", "\x5a\x88\xff\xff\xff\xff\xff\xff\xff\xff", "\x9f\xff\xff\xff\x01a", strings.Repeat("\x00", 500)} {
		f.Add(bomb)
	}
	f.Fuzz(func(t *testing.T, v string) {
		count := 0
		kind := iso.WalkBER(v, func(p iso.Part) bool {
			count++
			if p.Name == "" || len(p.Name) > 6 || !strings.Contains(v, p.Value) {
				t.Fatalf("part %q", p.Name)
			}
			return true
		})
		if count > 255 || kind == 0 && strings.Trim(v, "\x00") != "" && count == 0 {
			t.Fatalf("%d parts, %v", count, kind)
		}
	})
}

// FuzzMeaning gives any characters to the readers of what elements mean. What is accepted is written again, and read
// as the same.
func FuzzMeaning(f *testing.F) {
	for _, v := range isotest.Vectors(f, ".") {
		for _, de := range []string{"7", "12", "22", "30", "54", "56", "90", "95"} {
			if text := v.Content()[de]; text != "" {
				f.Add(text)
			}
		}
	}
	f.Add("1200030402950123154952" + "1110076401251")
	f.Add("2040840D000000005000")
	dialects := []*iso.Dialect{builtin(f, "iso87-ascii"), builtin(f, "iso93-ascii"), builtin(f, "cmf-2003")}
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, v string) {
		if at, ok := iso.ParseTime(v, now); ok && len(v) == 14 && v[12:] != "60" && at.Format("20060102150405") != v {
			t.Fatalf("%q is %s", v, at)
		}
		iso.Point93(v)
		iso.Point2003(v)
		for _, d := range dialects {
			readAgain(t, d, v)
		}
	})
}

func readAgain(t *testing.T, d *iso.Dialect, v string) {
	if o, kind := iso.ParseOriginal(d.Version(), v); kind == 0 {
		m := d.New("0400")
		if err := m.SetOriginal(o); err != nil {
			t.Fatalf("%s: %v", d.Name(), err)
		}
		if again, _, err := m.Original(); err != nil || again != o {
			t.Fatalf("%s: %+v became %+v, %v", d.Name(), o, again, err)
		}
	}
	if sets, kind := d.Profile().ParseAdditional(v); kind == 0 && len(sets) > 0 {
		m := d.New("0110")
		if err := m.SetAdditionalAmounts(sets...); err == nil && !strings.EqualFold(strings.ReplaceAll(m.Get(54), "D000000000000", "C000000000000"),
			strings.ReplaceAll(v, "D000000000000", "C000000000000")) {
			t.Fatalf("%s: %q was written as %q", d.Name(), v, m.Get(54))
		}
	}
}

// FuzzParts gives any bytes to every element that is made of parts, and reads every place of the profile.
func FuzzParts(f *testing.F) {
	f.Add("\x40\x00\x00\x00\x00\x00\x00\x00\x01\x23\x45\x67\x89\x01\x23\x45")
	f.Add("\xd9\xf6\xf1\xf0\xf5\xf0\xf0\xf0\xf0\xf1")
	f.Add("\x01\x00\x01a")
	f.Add("ACME STORE               WARSZAWA     PL")
	f.Add("BIG BOBS\\80 KERNDALE ST\\DANERLEY\\3103      VICAUS")
	f.Add("\x52\x00\x00\x00\x00\x00\x00\x00\x0aACME STORE\x08WARSZAWAPOL")
	f.Add(strings.Repeat("\xff", 200))
	f.Add(strings.Repeat("\xf9\xf0\xf0\xf0", 200))
	var dialects []*iso.Dialect
	for _, name := range iso.Names() {
		dialects = append(dialects, builtin(f, name))
	}
	f.Fuzz(func(t *testing.T, v string) {
		for _, d := range dialects {
			for _, de := range []int{34, 43, 48, 55, 60, 61, 62, 63, 126, 127} {
				m := d.New("0100")
				if m.Set(de, v) != nil {
					continue
				}
				parts, err := m.Parts(de)
				size := 0
				for _, p := range parts {
					size += len(p.Value)
				}
				if len(parts) > 255 || size > 8*(len(v)+1) || err == nil && len(parts) == 0 && len(v) > 32 && de == 62 && d.Name() == "visa-like" {
					t.Fatalf("%s: element %d: %d parts of %d characters", d.Name(), de, len(parts), size)
				}
				m.Phase()
				m.PartialApproval()
				p := d.Profile().Places
				for _, place := range []iso.Place{p.NetworkTrace, p.NetworkTraceOf, p.CVV2, p.MCC, p.KeyBlock} {
					m.At(place)
				}
				if text := m.Acceptor(); len(text) > len(v)+2 || strings.Trim(text, " ") != text || strings.Contains(text, "  ") {
					t.Fatalf("%s: the acceptor of %q is %q", d.Name(), v, text)
				}
				m.Describe()
			}
		}
	})
}
