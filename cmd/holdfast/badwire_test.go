package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/store/records"
	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

// badEach is how many bad messages of each dialect are sent. Servers get fewer of them than a file: what keeps a message
// from being approved stands before either.
var badEach = map[mode]int{storeEmbedded: 10_000, storeFull: 1_000}

// badTogether is how many dialects share a holder's funds: some of what is approved all the same is for very much.
var badTogether = map[mode]int{storeEmbedded: 1, storeFull: 4}

// badDeadline leaves a busy machine the time to decide what it could approve.
const badDeadline = 30 * time.Second

// patience is how many bad messages a link of these tests takes.
const patience = 1 << 20

// Goal: bad messages of every dialect and kind, sent over TCP to a switch with real stores, are never approved and never
// end it. Method: they are made of a request that is approved as it stands, so that only what is bad about them keeps them
// from being it; whatever is approved all the same is held against rules that are not the switch's own.
func TestBadMessagesAreNeverApproved(t *testing.T) {
	t.Parallel()
	share := 1
	if underRace {
		share = 20
	}
	for _, m := range []mode{storeEmbedded, storeFull} {
		for some := range slices.Chunk(iso.Names(), badTogether[m]) {
			t.Run(fmt.Sprintf("%s/%s", m, some[0]), func(t *testing.T) {
				t.Parallel()
				listeners := listenersIn(some...)
				for i := range listeners {
					listeners[i].Settings.Deadline = badDeadline
				}
				s := script{mode: m, holders: []holder{{ref: "anna", currency: "EUR", amount: "900000"}}, patient: true, listeners: listeners}.open(t)
				for _, name := range some {
					s.bad(name, badEach[m]/share)
				}
				s.unharmed()
			})
		}
	}
}

// bad sends so many bad messages of a dialect, and the one that they are made of.
func (s *stage) bad(name string, number int) {
	s.t.Helper()
	l := s.dial(name)
	good := l.pays("0100", "anna", 1_00)
	b := battery{stage: s, listener: name, kinds: map[string]int{}}
	b.add("good", encodedMessage(s.t, good))
	for bad := range isotest.BadMessagesLike(func(int) *iso.Message { return s.another(good) }, 1, number) {
		what, _, _ := strings.Cut(bad.What, " at ")
		b.add(what, bad.Raw)
	}
	b.fire()
	if b.kinds["good"] == 0 {
		s.t.Errorf("%s: the good message is not approved: the test is not looking", name)
	}
	for _, what := range []string{"cut", "bytes behind the end", "two messages in one", "noise"} {
		if b.kinds[what] > 0 {
			s.t.Errorf("%s: %s: %d were approved", name, what, b.kinds[what])
		}
	}
	s.t.Logf("%s: %d sent, %d answered, approved by what was done to them: %v", name, len(b.sent), b.answered, b.kinds)
}

// another is the same message with numbers of its own, by which its answer is known.
func (s *stage) another(m *iso.Message) *iso.Message {
	s.t.Helper()
	out := m.Dialect().New(m.MTI())
	out.Copy(m, m.Elements()...)
	n := s.serial()
	for _, de := range []int{11, 37} {
		if m.Has(de) {
			width := len(m.Get(de))
			if err := out.Set(de, fmt.Sprintf("%0*d", width, n)); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	return out
}

func encodedMessage(t *testing.T, m *iso.Message) []byte {
	t.Helper()
	raw, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// unharmed looks for what was caught before it could end the switch.
func (s *stage) unharmed() {
	s.t.Helper()
	for line := range strings.Lines(string(s.log.bytes())) {
		if strings.Contains(line, "level=ERROR") || strings.Contains(line, "panic") {
			s.t.Errorf("the log says: %.300s", line)
		}
	}
}

// battery are messages of one listener, each with numbers of its own, and what came of them.
type battery struct {
	*stage
	listener string
	what     []string
	sent     [][]byte
	answered int
	kinds    map[string]int // of those that were approved
}

func (b *battery) add(what string, raw []byte) {
	b.what, b.sent = append(b.what, what), append(b.sent, raw)
}

// framed reports whether a frame may carry so much: what is shorter or longer ends its link, so it gets one of its own.
func framed(raw []byte) bool { return len(raw) >= 12 && len(raw) <= 8192 }

// fire sends all of them, waits until the switch has no more to say, and judges the answers.
func (b *battery) fire() {
	b.t.Helper()
	l := b.dial(b.listener)
	var answers []*iso.Message
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, raw := range b.sent {
			if !framed(raw) {
				continue
			}
			if err := l.raw.Write(raw); err != nil {
				b.t.Errorf("%s: a link was closed on us: %v", b.listener, err)
				return
			}
		}
		if err := l.raw.CloseWrite(); err != nil {
			b.t.Error(err)
		}
	})
	answers = b.drain(l)
	wg.Wait()
	for _, raw := range b.sent {
		if !framed(raw) {
			one := b.dial(b.listener)
			if one.raw.Write(raw) != nil {
				continue // more than the length of a frame can say
			}
			_ = one.raw.CloseWrite() // the switch may have closed it already
			if got := b.drain(one); len(got) > 0 {
				b.t.Errorf("%s: %d bytes are answered", b.listener, len(raw))
			}
		}
	}
	b.answered = len(answers)
	b.judge(answers)
}

// drain reads until the switch closes the link, which it does when everything has been answered that will be.
func (b *battery) drain(l *line) (answers []*iso.Message) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		raw, err := l.raw.Read(ctx)
		if errors.Is(err, io.EOF) {
			return answers
		}
		if err != nil {
			b.t.Errorf("%s: a link has not ended: %v", b.listener, err)
			return answers
		}
		a, err := l.dialect.Decode(bytes.Clone(raw))
		if err != nil {
			b.t.Errorf("%s: an answer does not decode: %v", b.listener, err)
			continue
		}
		answers = append(answers, a)
	}
}

// named is what an answer and its message have in common, and no two good messages.
func named(m *iso.Message) string {
	return m.Get(2) + "|" + m.Get(4) + "|" + m.Get(11) + "|" + m.Get(37)
}

// judge holds each approval against what was sent, and against the journal.
func (b *battery) judge(answers []*iso.Message) {
	b.t.Helper()
	sent := map[string][]int{}
	for i, raw := range b.sent {
		if m, err := b.peers[b.listener].peer.Dialect.Decode(raw); err == nil {
			sent[named(m)] = append(sent[named(m)], i)
		}
	}
	known := map[string]bool{}
	b.rows(func(r records.Row) { known[r.Text(0)] = true },
		"SELECT approval FROM authorizations WHERE card_id = (SELECT id FROM cards WHERE tag = $1)", b.tag("anna"))
	for _, a := range answers {
		if !approves(a) {
			continue
		}
		if !known[a.Get(38)] {
			b.t.Errorf("%s: an approval is not in the journal", b.listener)
		}
		from := slices.DeleteFunc(slices.Clone(sent[named(a)]), func(i int) bool { return !b.sound(i) })
		if len(from) == 0 {
			b.t.Errorf("%s: approved what nobody could have: %s", b.listener, b.whatWas(sent[named(a)]))
			continue
		}
		b.kinds[b.what[from[0]]]++
	}
}

// whatWas tells of messages what was done to them, and their times, which are no secrets.
func (b *battery) whatWas(which []int) (all []string) {
	for _, i := range which {
		said := b.what[i]
		if m, err := b.peers[b.listener].peer.Dialect.Decode(b.sent[i]); err == nil {
			said += fmt.Sprintf(" (%s at %s, %s %s)", m.MTI(), m.Get(7), m.Get(13), m.Get(12))
		}
		all = append(all, said)
	}
	return all
}

// approves reports whether a message approves a request.
func approves(a *iso.Message) bool {
	code, mti := a.Get(39), a.MTI()
	return (mti[1] == '1' || mti[1] == '2') && mti[2] == '1' && slices.Contains(approvals, code)
}

// sound reports whether a message that was damaged is one all the same that a careful person would approve: of our card,
// in euros, with everything that identifies it, at times that exist.
func (b *battery) sound(which int) bool {
	m, err := b.peers[b.listener].peer.Dialect.Decode(b.sent[which])
	if err != nil {
		return false
	}
	mti := m.MTI()
	if mti[1] != '1' && mti[1] != '2' || mti[2] != '0' || mti[3] > '5' {
		return false
	}
	number, ok := m.PAN()
	amount, currency := m.Get(4), strings.TrimLeft(m.Get(49), "0")
	if edition(m.Dialect()) == '2' && len(amount) == 16 {
		currency, amount = amount[:3], amount[4:]
	}
	minor, err := strconv.ParseInt(amount, 10, 64)
	credit := strings.HasPrefix(m.Get(3), "2") // is promised whatever there is
	if !ok || !number.Equal(panOf(b.cards["anna"])) || currency != "978" && currency != "EUR" || err != nil || minor > 900_000_00 && !credit {
		return false
	}
	expiry := m.Get(14)
	return m.Has(3) && m.Has(11) && (expiry == "4912" || !m.Has(14)) && real(m)
}

// real reports whether the times of a message exist. Those of 1987 have no year: the 29th of February does, and so does a
// leap second anywhere.
func real(m *iso.Message) bool {
	leap := "2024"
	is := func(layout, text string) bool {
		if before, leaps := strings.CutSuffix(text, "60"); leaps {
			text = before + "59"
		}
		_, err := time.Parse(layout, text)
		return err == nil
	}
	switch e := edition(m.Dialect()); {
	case m.Has(7) && !is("20060102150405", leap+m.Get(7)):
		return false
	case e == '0':
		return m.Has(7) && (!m.Has(12) || is("150405", m.Get(12))) && (!m.Has(13) || is("20060102", leap+m.Get(13)))
	case e == '1':
		return is("060102150405", m.Get(12))
	}
	return is("20060102150405", m.Get(12))
}

// Goal: the judge of the test above is not blind. Method: answers that approve what was damaged.
func TestBatteryJudges(t *testing.T) {
	t.Parallel()
	s := script{mode: storeEmbedded, holders: one, listeners: listenersIn("iso87-ascii"), patient: true}.open(t)
	l := s.dial("iso87-ascii")
	for what, change := range map[string]fields{"another card": {2: "4111111111111111"}, "dollars": {49: "840"}, "no day": {13: "0230"},
		"no hour": {7: "0101250000"}, "no processing code": {3: "-"}, "another expiry": {14: "4911"}} {
		b := battery{stage: s, listener: "iso87-ascii", kinds: map[string]int{}}
		b.add(what, encodedMessage(t, l.pays("0100", "anna", 1_00, change)))
		if b.sound(0) {
			t.Errorf("%s is thought to be good", what)
		}
	}
	if !real(l.pays("0100", "anna", 1_00, fields{13: "0229"})) {
		t.Error("the 29th of February is thought to be none")
	}
}
