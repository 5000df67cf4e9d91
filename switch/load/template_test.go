package load

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"holdfast/switch/frame"
)

// A patched message is what the dialect itself would have written with the same values.
func TestPatchedMessagesDecodeToTheirValues(t *testing.T) {
	t.Parallel()
	for _, dialect := range dialects {
		for _, format := range []string{"bin2", "ascii4+incl", "bcd2+tpdu"} {
			t.Run(dialect+" in "+format, func(t *testing.T) {
				t.Parallel()
				target := testTarget(t, dialect)
				var err error
				if target.Format, err = frame.Parse(format); err != nil {
					t.Fatal(err)
				}
				checkPatched(t, &target)
			})
		}
	}
}

func checkPatched(t *testing.T, target *Target) {
	t.Helper()
	tpl, err := newTemplate(target)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2031, 7, 9, 23, 4, 58, 0, time.UTC)
	var s stamp
	s.set(at)
	numbers := []uint64{1, 7, 999_999, 1_000_000, 123_456_789_012, 999_999_999_999}
	var stream []byte
	for _, n := range numbers {
		stream = tpl.append(stream, n, &s, target)
	}
	frames := frame.NewReader(bytes.NewReader(stream), target.Format, frame.Limits{})
	for _, n := range numbers {
		_, body, err := frames.Next()
		if err != nil {
			t.Fatal(err)
		}
		m, err := target.Dialect.Decode(body)
		if err != nil {
			t.Fatalf("message %d: %v", n, err)
		}
		var card [CardDigits]byte
		testCard(&card, int(mix(n)%uint64(target.Cards)))
		rrn := fmt.Sprintf("%012d", n)
		want := map[int]string{2: string(card[:]), 3: "000000", 4: fmt.Sprintf("%012d", amountMin+mix(n)>>32%amountSpread),
			7: "0709230458", 11: rrn[6:], 12: "230458", 13: "0709", 14: "4912", 37: rrn, 49: "978", 41: "LOAD0001"}
		if m.MTI() != "0100" {
			t.Errorf("message %d has type %s", n, m.MTI())
		}
		for de, v := range want {
			if got := m.Get(de); got != v {
				t.Errorf("message %d, element %d: got %q, want %q", n, de, got, v)
			}
		}
	}
}

func TestNumbersUseAllCards(t *testing.T) {
	t.Parallel()
	const cards = 100
	seen := map[uint64]int{}
	for n := range uint64(100 * cards) {
		seen[mix(n)%cards]++
	}
	if len(seen) != cards {
		t.Errorf("%d of %d cards are used", len(seen), cards)
	}
	for card, n := range seen {
		if n < 50 || n > 150 {
			t.Errorf("card %d is used %d times, want about 100", card, n)
		}
	}
}

func TestATemplateThatCannotBePackedIsRefused(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*Target){
		"expiry":   func(t *Target) { t.Expiry = "December" },
		"currency": func(t *Target) { t.Currency = "EURO" },
		"cards":    func(t *Target) { t.Cards = 0 },
		"card":     func(t *Target) { t.Card = nil },
		"dialect":  func(t *Target) { t.Dialect = nil },
	} {
		target := testTarget(t, "iso87-ascii")
		spoil(&target)
		if _, err := New(target, 1); err == nil {
			t.Errorf("a wrong %s is not refused", name)
		}
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	target := testTarget(t, "iso87-ascii")
	tpl, err := newTemplate(&target)
	if err != nil {
		t.Fatal(err)
	}
	var s stamp
	s.set(time.Unix(1_900_000_000, 0))
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { buf = tpl.append(buf[:0], 12345, &s, &target) }); n != 0 {
		t.Errorf("a message costs %v allocations", n)
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, dialect := range dialects {
		b.Run(dialect, func(b *testing.B) {
			target := testTarget(b, dialect)
			tpl, err := newTemplate(&target)
			if err != nil {
				b.Fatal(err)
			}
			var s stamp
			s.set(time.Unix(1_900_000_000, 0))
			buf := make([]byte, 0, 4096)
			b.ReportAllocs()
			for n := uint64(0); b.Loop(); n++ {
				buf = tpl.append(buf[:0], n, &s, &target)
			}
		})
	}
}
