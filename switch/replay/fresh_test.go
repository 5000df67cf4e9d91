package replay

import (
	"fmt"
	"testing"
	"time"

	"holdfast/switch/iso"
)

// A reversal and its original must agree after renewal, in either order, and two transactions must still differ.
func TestFreshKeepsWhatBelongsTogether(t *testing.T) {
	t.Parallel()
	now := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	f := newFresh(func() time.Time { now = now.Add(time.Second); return now })
	original := map[int]string{7: "0115081354", 11: "000102", 12: "091354", 13: "0115", 14: "4912", 37: "50150800010A", 41: "TERM0001"}
	reversal := map[int]string{7: "0115081400", 11: "000103", 37: "50150800010A",
		90: "0100" + "000102" + "0115081354" + "00000000123" + "00000000000"}
	r := f.elements(iso.V1987, reversal, reversal)
	o := f.elements(iso.V1987, original, original)
	if got, want := r[90], "0100"+o[11]+o[7]+reversal[90][20:]; got != want {
		t.Errorf("DE 90 is %s, want %s", got, want)
	}
	if r[37] != o[37] || r[37] == original[37] || len(r[37]) != 12 || r[37][11] != 'A' {
		t.Errorf("DE 37 became %s and %s", r[37], o[37])
	}
	if r[11] == o[11] || o[11] == original[11] || len(o[11]) != 6 {
		t.Errorf("DE 11 became %s and %s", r[11], o[11])
	}
	if o[14] != "4912" || o[41] != "TERM0001" {
		t.Errorf("what is no identity changed: %s, %s", o[14], o[41])
	}
	if o[13]+o[12] != o[7][:4]+"0405"+o[12][4:] || o[13] != "0203" {
		t.Errorf("local time is %s %s, sent at %s", o[13], o[12], o[7])
	}
	again := map[int]string{7: "0115090000", 11: "000102", 12: "091354", 13: "0115", 37: "*", 38: "@a"}
	a := f.elements(iso.V1987, again, again)
	if a[12] != o[12] || a[13] != o[13] || a[11] != o[11] || a[7] == o[7] || a[37] != "*" || a[38] != "@a" {
		t.Errorf("the repeat became %v, the original %v", a, o)
	}
	if e := f.elements(iso.V1987, map[int]string{12: "091354"}, original); e[12] != o[12] {
		t.Errorf("an expected DE 12 without its date is %s, want %s", e[12], o[12])
	}
}

func TestFreshLeavesZerosInOriginalDataAlone(t *testing.T) {
	t.Parallel()
	f := newFresh(time.Now)
	zeros := map[int]string{90: fmt.Sprintf("%042d", 0)}
	if got := f.elements(iso.V1987, zeros, zeros)[90]; got != zeros[90] {
		t.Errorf("got %s", got)
	}
}

func TestFreshRenewsOriginalDataOfLaterEditions(t *testing.T) {
	t.Parallel()
	f := newFresh(func() time.Time { return time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC) })
	for version, m := range map[iso.Version]map[int]string{
		iso.V1993: {11: "000102", 12: "250115091354", 13: "4912", 56: "1100" + "000102" + "250115091354" + "06000123"},
		iso.V2003: {11: "000000000102", 12: "2025" + "0115091354", 56: "2100" + "000000000102" + "2025" + "0115091354" + "06000123"},
	} {
		got := f.elements(version, m, m)
		if want := m[56][:4] + got[11] + got[12] + "06000123"; got[56] != want || got[12] == m[12] || got[13] != m[13] {
			t.Errorf("%d: DE 56 is %s, want %s", version, got[56], want)
		}
	}
}

// Numbers that differed must differ after the shift: it has to be one to one.
func TestShiftIsOneToOne(t *testing.T) {
	t.Parallel()
	f := newFresh(time.Now)
	stans, rrns := map[string]bool{}, map[string]bool{}
	for i := range 1000 {
		stans[f.stan(fmt.Sprintf("%03d", i))] = true
		rrns[f.digits(fmt.Sprintf("A%03dB", i))] = true
	}
	if len(stans) != 1000 || !stans["000"] || len(rrns) != 1000 {
		t.Errorf("%d STANs and %d RRNs of 1000", len(stans), len(rrns))
	}
	for _, v := range []string{"", "ABCDEF", "0"} {
		if got := f.stan(v); got != v {
			t.Errorf("stan(%q) is %q", v, got)
		}
	}
}
