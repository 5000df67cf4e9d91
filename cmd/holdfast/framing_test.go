package main

import (
	"testing"

	"holdfast/switch/frame"
	"holdfast/switch/iso"
)

// visaListener is one of a network in the likeness of BASE I.
func visaListener() []listenerConfig {
	l := listenersIn("visa-like")
	l[0].Framing = "vmlh+base1"
	return l
}

// Goal: a message that the network gives back to us, by the longer header, is counted and asks for nothing, whatever
// stands behind the header. Method: a purchase that is good but for the header.
func TestWhatTheNetworkGivesBackIsNotAnswered(t *testing.T) {
	t.Parallel()
	s := script{mode: storeEmbedded, holders: one, listeners: visaListener()}.open(t)
	l := s.dial("visa-like")
	format := s.peers["visa-like"].server.Format
	header := append(format.FirstHeader(nil), 0x80, 0, 0x05, 0x13)
	header[0] = byte(len(header))
	given, err := format.Append(nil, header, encodedMessage(t, l.pays("0100", "anna", 70_00)))
	if err == nil {
		err = l.raw.WriteBytes(given)
	}
	if err != nil {
		t.Fatal(err)
	}
	l.ask(l.pays("0100", "anna", 1_00), "00", fields{25: "00"}) // the next answer is the next message's
	s.has("anna", purse{1000_00, 1_00})
	if got := s.node.servers[0].Stats().Rejected; got != 1 {
		t.Errorf("%d were given back, want 1", got)
	}
}

// Goal: in the likeness of BASE I the numbers of clearings stand in element 62: all but the last keep the rest of the hold.
func TestClearingsInPartsOfBASE1(t *testing.T) {
	t.Parallel()
	s := script{mode: storeEmbedded, holders: []holder{{ref: "anna", currency: "EUR", amount: "1000"}, {ref: "bert", currency: "EUR", amount: "1000"}},
		listeners: visaListener()}.open(t)
	l := s.dial("visa-like")
	life := func(serial byte) string { return "\x01\x23\x45\x67\x89\x01\x23" + string(serial) }
	back := fields{25: "00"}
	pre := l.pays("0100", "anna", 100_00, fields{60: "000000000002", 62: "\x40\x00\x00\x00\x00\x00\x00\x00" + life(1)})
	l.ask(pre, "00", back)
	clear := func(ref string, minor int64, parts string, original *iso.Message, serial byte) {
		t.Helper()
		l.ask(l.pays("0220", ref, minor, fields{62: parts[:8] + life(serial) + parts[8:]}, about(original)), "00", back)
	}
	clear("anna", 40_00, "\x40\x30\x00\x00\x00\x00\x00\x00\x01\x02", pre, 1)
	s.has("anna", purse{960_00, 60_00})
	clear("anna", 50_00, "\x40\x30\x00\x00\x00\x00\x00\x00\x02\x02", pre, 1)
	s.has("anna", purse{910_00, 0})
	whole := l.pays("0100", "bert", 100_00, fields{62: "\x40\x00\x00\x00\x00\x00\x00\x00" + life(2)})
	l.ask(whole, "00", back)
	clear("bert", 40_00, "\x40\x00\x00\x00\x00\x00\x00\x00", whole, 2)
	s.has("bert", purse{960_00, 0})
	s.cases("anna")
	s.cases("bert")
}

// Goal: a switch speaks in every framing that the configuration takes.
func TestEveryFraming(t *testing.T) {
	t.Parallel()
	var listeners []listenerConfig
	for _, framing := range []string{"bin2+etx", "bin2+etx-free", "bin2res", "ascii3", "ascii5", "ascii6+incl", "bin4", "bin4+incl", "hex4",
		"bcd2", "bin3", "bin2le", "vmlh", "ascii4+etx", "nac", "bin2+cup", "bin2+base24", "bin2+hdr=7", "bin2+fixed=F1D9D6E4E3C5D5C5E3"} {
		if _, err := frame.Parse(framing); err != nil {
			t.Fatal(err)
		}
		l := listenersIn("iso87-ascii")[0]
		l.Name, l.Framing = framing, framing
		listeners = append(listeners, l)
	}
	s := script{mode: storeEmbedded, holders: one, listeners: listeners}.open(t)
	for i, c := range listeners {
		l := s.dial(c.Name)
		l.ask(l.pays("0100", "anna", 1_00), "00")
		s.has("anna", purse{1000_00, int64(i+1) * 1_00})
	}
}
