package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

// 20: every vector is cut at every offset and every bit of it is flipped, as it is and with a card and a currency of ours,
// so that it could be approved: nothing panics, everything ends, and what is approved is what was sent.
func acceptDamage(t *testing.T, m mode) {
	vectors := isotest.Vectors(t, filepath.Join("..", "..", "switch", "iso"))
	listeners, dir := listenersIn("iso87-ascii"), t.TempDir()
	for _, v := range vectors {
		path := filepath.Join(dir, v.ID+".yaml")
		if err := os.WriteFile(path, []byte(v.File(t)), 0o600); err != nil {
			t.Fatal(err)
		}
		l := listenersIn(path)[0]
		l.Name, l.Settings.Deadline = v.ID, badDeadline
		listeners = append(listeners, l)
	}
	s := script{mode: m, holders: []holder{{ref: "anna", currency: "EUR", amount: "900000"}}, patient: true, listeners: listeners}.open(t)
	tried, answered, approved := 0, 0, 0
	for i, v := range vectors {
		if underRace && i%8 > 0 {
			continue
		}
		b := battery{stage: s, listener: v.ID, kinds: map[string]int{}}
		raw := v.Raw(t)
		b.damage(func() []byte { return bytes.Clone(raw) })
		if ours := s.ours(s.peers[v.ID].peer.Dialect, raw); ours != nil {
			b.damage(func() []byte { return encodedMessage(t, s.another(ours)) })
		}
		b.fire()
		tried, answered = tried+len(b.sent), answered+b.answered
		for _, n := range b.kinds {
			approved += n
		}
	}
	t.Logf("%d damaged messages, %d answered, %d approved", tried, answered, approved)
	if approved == 0 {
		t.Error("nothing was approved: the test is not looking")
	}
	s.unharmed()
	l := s.dial("iso87-ascii")
	l.ask(l.pays("0100", "anna", 0), "85")
}

// ours is a request with our card, a currency of ours and nothing that speaks against it; nil when it is none.
func (s *stage) ours(d *iso.Dialect, raw []byte) *iso.Message {
	m, err := d.Decode(raw)
	if err != nil || m.MTI()[1] != '1' && m.MTI()[1] != '2' || m.MTI()[2] != '0' {
		return nil
	}
	for _, de := range []int{5, 6, 9, 10, 14, 16, 23, 30, 35, 36, 45, 50, 51, 52, 53, 55} {
		m.Unset(de)
	}
	set := amountIn(d, "EUR", 10_00)
	set[2], set[3] = s.cards["anna"], "000000"
	for de, v := range set {
		if m.Set(de, v) != nil && m.Set(de, "0"+v) != nil { // a dialect with four digits for a currency
			return nil
		}
	}
	return m
}

// damage adds all that can be made of a message by one cut or one flipped bit. fresh gives it anew, with other numbers.
func (b *battery) damage(fresh func() []byte) {
	size := len(fresh())
	for cut := 1; cut < size; cut++ { // a frame of nothing keeps a link alive
		b.add("cut", fresh()[:cut])
	}
	for bit := range size * 8 {
		flipped := fresh()
		flipped[bit/8] ^= 1 << (bit % 8)
		b.add("flipped", flipped)
	}
}
