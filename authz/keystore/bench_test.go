package keystore_test

import (
	"testing"

	"holdfast/authz/keystore"
	"holdfast/authz/pan"
)

// What a message with evidence costs the lane that decides it.
func BenchmarkVerifyPIN(b *testing.B) {
	s := zoned(b)
	exchange(b, s, keystore.ZonePIN, zoneOne)
	c := pinCard(b, s)
	block, err := s.EncryptPIN("network", c.Number, pan.NewSecret("4711"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if v, err := s.VerifyPIN(c, keystore.PIN{Peer: "network", Block: block, At: moment}); v != keystore.Right || err != nil {
			b.Fatal(v, err)
		}
	}
}

func BenchmarkVerifyCVV2(b *testing.B) {
	s, _ := create(b)
	c := cardOf(b, s, testCard)
	value, err := s.CVV2(c)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if v, err := s.VerifyCVV2(c, value); v != keystore.Right || err != nil {
			b.Fatal(v, err)
		}
	}
}
