package iso_test

import (
	"bytes"
	"runtime"
	"testing"
	"time"

	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

// badMessages is how many are made of each dialect, badBytesMax what reading one may allocate on average.
const (
	badMessages = 10_000
	badBytesMax = 32 << 10
)

// TestBadMessagesOfEveryDialect makes bad messages of every kind and reads what can be read of them. Method: whatever
// is accepted encodes back to the very bytes, the readers of meaning answer, and memory does not grow with what a
// length claims. It cannot run beside others, because it counts what is allocated.
func TestBadMessagesOfEveryDialect(t *testing.T) {
	for _, name := range iso.Names() {
		s := subjectOf(builtin(t, name))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		count, decoded, different := 0, 0, map[string]bool{}
		for bad := range isotest.BadMessages(s.Dialect, 1, badMessages) {
			count++
			different[string(bad.Raw)] = true
			m, err := s.Decode(bad.Raw)
			if err == nil {
				decoded++
				again := encoded(t, m)
				if !bytes.Equal(again, bad.Raw) && !s.sameButForHexCase(again, bad.Raw) {
					t.Fatalf("%s: %s: decoded\n     %x\nencodes to\n     %x", name, bad.What, bad.Raw, again)
				}
			} else if bad.Decodes && bad.What != "a bomb of parts" && m == nil {
				t.Fatalf("%s: %s: %v", name, bad.What, err)
			}
			if m != nil {
				readMeaning(m)
			}
		}
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / badMessages; each > badBytesMax {
			t.Errorf("%s: %d bytes allocated for each message, want at most %d", name, each, badBytesMax)
		}
		if count != badMessages || len(different) < 5000 || decoded > count/2 {
			t.Errorf("%s: %d messages, %d of them different, %d decoded", name, count, len(different), decoded)
		}
	}
}

// readMeaning asks everything that a gateway asks; what it is answered does not matter here.
func readMeaning(m *iso.Message) {
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	_, _, _ = m.Amount(iso.AmountTransaction)
	_, _, _ = m.Amount(iso.AmountBilling)
	_, _, _ = m.LocalTime(now)
	_, _, _ = m.Transmitted(now)
	_, _, _ = m.Original()
	_, _, _ = m.Replacement()
	_, _, _ = m.OriginalAmounts()
	_, _ = m.AdditionalAmounts()
	_, _, _ = m.Surcharge()
	m.Point()
	m.Phase()
	m.PartialApproval()
	m.PAN()
	m.At(m.Dialect().Profile().Places.NetworkTrace)
	m.Describe()
}

func TestBadMessagesAreTheSameForTheSameSeed(t *testing.T) {
	t.Parallel()
	d := builtin(t, "iso87-bcd")
	var runs [2]bytes.Buffer
	for i := range runs {
		for bad := range isotest.BadMessages(d, 7, 500) {
			runs[i].Write(bad.Raw)
		}
	}
	if !bytes.Equal(runs[0].Bytes(), runs[1].Bytes()) {
		t.Error("two runs of the same seed differ")
	}
	for bad := range isotest.BadMessages(d, 8, 500) {
		runs[1].Write(bad.Raw)
	}
	if bytes.Contains(runs[1].Bytes()[runs[0].Len():], runs[0].Bytes()) {
		t.Error("another seed makes the same")
	}
}
