package gateway_test

import (
	"testing"

	"holdfast/authz"
	"holdfast/store/storetest"
	"holdfast/switch/gateway"
	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

// benched is an exchange that is used again and again.
type benched struct {
	exchange
	buffer []byte
	fault  error
}

func (x *benched) Reply(e gateway.Encoder) { x.buffer, x.fault = e.Append(x.buffer[:0]) }

// BenchmarkExchange is the gateway's whole part in one authorization: the frame decoded and typed, the answer built and
// encoded. The decision costs nothing.
func BenchmarkExchange(b *testing.B) {
	for _, name := range []string{"iso87-ascii", "iso87-bcd", "iso93-ascii", "cmf-2003", "visa-like", "mastercard-like"} {
		b.Run(name, func(b *testing.B) {
			d, err := iso.Builtin(name)
			if err != nil {
				b.Fatal(err)
			}
			m := isotest.Purchase(d)
			m.Unset(35)
			body, err := m.Append(nil)
			if err != nil {
				b.Fatal(err)
			}
			s := door(b, d, &scripted{says: authz.Decision{Reason: authz.Approved, ApprovalCode: "ABC123", Amount: 1}})
			x := &benched{exchange: exchange{body: body, at: storetest.Epoch}}
			b.ReportAllocs()
			for b.Loop() {
				s.Frame(x)
			}
			if x.fault != nil || len(x.buffer) == 0 {
				b.Fatalf("no answer: %v", x.fault)
			}
		})
	}
}
