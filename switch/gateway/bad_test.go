package gateway_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/store/storetest"
	"holdfast/switch/gateway"
	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

// yes approves whatever it is asked: what stands between a bad message and an approval is then the gateway alone.
func yes() *scripted {
	return &scripted{says: authz.Decision{Reason: authz.Approved, ApprovalCode: "ABC123", Amount: 1}}
}

// door is a gateway without a store, for a dialect.
func door(t testing.TB, d *iso.Dialect, s *scripted) *gateway.Session {
	t.Helper()
	g, err := gateway.New(gateway.Config{Authorizer: s, Cards: s, Ready: func() bool { return true }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	p := &gateway.Peer{Name: "network", Dialect: d, FileActions: true}
	if err := g.Admit(p); err != nil {
		t.Fatal(err)
	}
	return g.Open(p)
}

// checked passes raw bytes through a session and fails when what comes back is not fit to be sent: an answer that does
// not decode, is not of the message's type, or has another card, amount or trace number. It says whether it approves.
func checked(t testing.TB, s *gateway.Session, d *iso.Dialect, raw []byte) (approved bool) {
	t.Helper()
	x := &exchange{body: bytes.Clone(raw), done: make(chan struct{}), at: storetest.Epoch}
	s.Frame(x)
	clear(x.body)
	select {
	case <-x.done:
	case <-time.After(10 * time.Second):
		t.Fatal("the exchange never ended")
	}
	if x.answer == nil {
		return false
	}
	body, err := x.answer.Append(nil)
	if err != nil {
		again := &exchange{done: make(chan struct{}), at: storetest.Epoch}
		s.Malfunction(again, x.attached)
		if again.answer == nil {
			return false
		}
		if body, err = again.answer.Append(nil); err != nil {
			t.Fatalf("neither the answer nor that it failed can be encoded: %v", err)
		}
	}
	a, err := d.Decode(body)
	if err != nil {
		t.Fatalf("our own answer does not decode: %v", err)
	}
	sent, err := d.Decode(raw)
	if sent == nil {
		t.Fatal("answered what has no message type")
	}
	for _, de := range []int{2, 4, 11} {
		if a.Has(de) && a.Get(de) != sent.Get(de) {
			t.Fatalf("element %d of the answer is not that of the message", de)
		}
	}
	code := a.Get(39)
	approved = a.Has(38) && len(code) > 0 && code[0] == '0' && a.MTI()[2] == '1' && a.MTI()[1] <= '2'
	if approved && err != nil {
		t.Fatal("approved what does not decode")
	}
	return approved
}

// Ten thousand bad messages of each dialect: none is approved unless all of it is good by accident, none ends the
// program, and whatever is answered is fit to be sent.
func TestBadMessagesOfEveryDialect(t *testing.T) {
	for _, name := range iso.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := iso.Builtin(name)
			if err != nil {
				t.Fatal(err)
			}
			s := door(t, d, yes())
			good, err := isotest.Purchase(d).Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			if !checked(t, s, d, good) {
				t.Error("the good message is not approved: the test is not looking")
			}
			approved := map[string]int{}
			total := 0
			for bad := range isotest.BadMessages(d, 1, 10_000) {
				total++
				if checked(t, s, d, bad.Raw) {
					what, _, _ := strings.Cut(bad.What, " at ")
					approved[what]++
				}
			}
			if total != 10_000 {
				t.Errorf("%d bad messages", total)
			}
			// Of these kinds none can be good by accident.
			for _, what := range []string{"cut", "bytes behind the end", "two messages in one", "noise"} {
				if approved[what] > 0 {
					t.Errorf("%s: %d were approved", what, approved[what])
				}
			}
		})
	}
}

// FuzzFrame passes bytes through a gateway of any dialect.
func FuzzFrame(f *testing.F) {
	names := iso.Names()
	for i, name := range names {
		d, err := iso.Builtin(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, mti := range []string{"100", "120", "200", "220", "304", "420", "500", "800"} {
			m := isotest.Purchase(d)
			m.SetMTI(isotest.MTI(d, mti))
			for _, set := range []elements{{24: "811"}, {25: "3000"}, {54: "0040978D000000000500"}, {70: "161"}, {91: "1"}, {120: "LOCK=1"},
				{95: "000000000800000000000000C00000000C00000000"}, {48: "0123456789ABCDEF0123456789ABCDEF08D7B4"}} {
				for de, v := range set {
					_ = m.Set(de, v) // where the dialect has room for it
				}
			}
			body, err := m.Append(nil)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(byte(i), body)
		}
	}
	f.Fuzz(func(t *testing.T, which byte, raw []byte) {
		d, err := iso.Builtin(names[int(which)%len(names)])
		if err != nil {
			t.Fatal(err)
		}
		checked(t, door(t, d, yes()), d, raw)
	})
}
