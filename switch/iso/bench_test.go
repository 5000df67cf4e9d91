package iso_test

import (
	"testing"
	"time"

	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

// echoed are the elements that an answer repeats from its request.
var echoed = []int{2, 3, 4, 7, 11, 12, 13, 19, 32, 37, 41, 42, 49}

func eachBuiltin(b *testing.B, run func(b *testing.B, d *iso.Dialect, raw []byte)) {
	for _, name := range iso.Names() {
		b.Run(name, func(b *testing.B) {
			d := builtin(b, name)
			raw := encoded(b, isotest.Purchase(d))
			b.ReportAllocs()
			run(b, d, raw)
		})
	}
}

func BenchmarkDecode0100(b *testing.B) {
	eachBuiltin(b, func(b *testing.B, d *iso.Dialect, raw []byte) {
		for b.Loop() {
			if _, err := d.Decode(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAppend0110(b *testing.B) {
	eachBuiltin(b, func(b *testing.B, d *iso.Dialect, raw []byte) {
		request, err := d.Decode(raw)
		if err != nil {
			b.Fatal(err)
		}
		response := isotest.Approval(request)
		buffer := make([]byte, 0, 512)
		for b.Loop() {
			if _, err := response.Append(buffer); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkExchange is the codec's whole part in one authorization: decode a 0100, build the 0110, encode it.
func BenchmarkExchange(b *testing.B) {
	eachBuiltin(b, func(b *testing.B, d *iso.Dialect, raw []byte) {
		for b.Loop() {
			request, err := d.Decode(raw)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := isotest.Approval(request).Append(make([]byte, 0, 256)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkExchangeMoov is the same exchange through moov's own message over our specification, to tell what
// driving the element loop ourselves is worth.
func BenchmarkExchangeMoov(b *testing.B) {
	eachBuiltin(b, func(b *testing.B, d *iso.Dialect, raw []byte) {
		if d.Version() != iso.V1987 {
			b.Skip("the answer below is of 1987")
		}
		for b.Loop() {
			request := newMoovMessage(d)
			if err := request.Unpack(raw); err != nil {
				b.Fatal(err)
			}
			response := newMoovMessage(d)
			response.MTI("0110")
			for _, de := range echoed {
				v, err := request.GetString(de)
				if err != nil {
					b.Fatal(err)
				}
				if err := response.Field(de, v); err != nil {
					b.Fatal(err)
				}
			}
			for de, v := range map[int]string{38: "A1B2C3", 39: "00"} {
				if err := response.Field(de, v); err != nil {
					b.Fatal(err)
				}
			}
			if _, err := response.Pack(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkMeaning is what a gateway reads of each request beside its elements.
func BenchmarkMeaning(b *testing.B) {
	now := time.Date(2026, 3, 14, 10, 0, 0, 0, time.UTC)
	eachBuiltin(b, func(b *testing.B, d *iso.Dialect, raw []byte) {
		m, err := d.Decode(raw)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, _, err := m.Transmitted(now); err != nil {
				b.Fatal(err)
			}
			if _, _, err := m.LocalTime(now); err != nil {
				b.Fatal(err)
			}
			if _, _, err := m.Amount(iso.AmountTransaction); err != nil {
				b.Fatal(err)
			}
			m.Phase()
			m.Point()
			m.PartialApproval()
		}
	})
}
