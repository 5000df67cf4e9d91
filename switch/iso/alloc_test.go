package iso_test

import (
	"bytes"
	"sync"
	"testing"

	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

// TestExchangeAllocatesLittle keeps the codec's cost from creeping up unseen. Allocations are counted, not
// timed, so that the test means the same on every machine. It cannot run beside others.
func TestExchangeAllocatesLittle(t *testing.T) {
	for _, name := range iso.Names() {
		d := builtin(t, name)
		raw := encoded(t, isotest.Purchase(d))
		got := testing.AllocsPerRun(100, func() {
			request, err := d.Decode(raw)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := isotest.Approval(request).Append(make([]byte, 0, 256)); err != nil {
				t.Fatal(err)
			}
		})
		if got > 12 {
			t.Errorf("%s: %v allocations an exchange, want at most 12", name, got)
		}
	}
}

// TestDialectServesManyAtOnce is for the race detector: a dialect is shared, its messages are not.
func TestDialectServesManyAtOnce(t *testing.T) {
	t.Parallel()
	d, err := iso.Parse("shared", []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	raw := encoded(t, isotest.Purchase(d))
	var work sync.WaitGroup
	for range 8 {
		work.Go(func() {
			for range 50 {
				m, err := d.Decode(raw)
				if err != nil || !bytes.Equal(encoded(t, m), raw) || len(d.Spec().Fields) != 128 {
					t.Errorf("decode: %v", err)
				}
			}
		})
	}
	work.Wait()
}
