package iso_test

import (
	"testing"

	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

// TestTsharkReadsWhatWeWrite has an outside program read our requests and answers of 1987 and 1993.
func TestTsharkReadsWhatWeWrite(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"iso87-ascii", "iso87-ascii-binbmp", "iso87-bcd", "iso93-ascii", "iso93-ascii-binbmp", "iso93-bcd"} {
		d := builtin(t, name)
		request := isotest.Purchase(d)
		request.Unset(35) // the dissector takes track 2 for packed digits of even number in every dialect
		isotest.TsharkReads(t, d, []*iso.Message{request, isotest.Approval(request)})
	}
}
