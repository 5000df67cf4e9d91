package load

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/switch/iso"
)

func TestAFaultlessIssuerLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	for _, dialect := range dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			target := testTarget(t, dialect)
			g := (&issuer{t: t, target: &target, script: approveAll}).generator(1)
			open, err := g.Open(t.Context(), OpenLoad{Links: 3, Rate: 2000, For: 250 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			if want := (Counts{Offered: 500, Approved: 500}); open.Counts != want {
				t.Errorf("open: got %+v, want %+v", open.Counts, want)
			}
			if open.Latency.Count() != 500 || open.Late.Count() != 500 {
				t.Errorf("%d latencies, %d times of sending, want 500 each", open.Latency.Count(), open.Late.Count())
			}
			closed, err := g.Closed(t.Context(), ClosedLoad{Links: 2, Window: 5, For: 100 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			if closed.Approved == 0 || closed.Counts != (Counts{Offered: closed.Approved, Approved: closed.Approved}) {
				t.Errorf("closed: got %+v", closed.Counts)
			}
			if g.Approved() != open.Approved+closed.Approved {
				t.Errorf("the generator counted %d approvals, its runs %d", g.Approved(), open.Approved+closed.Approved)
			}
		})
	}
}

// An issuer that drops, doubles, declines, cannot decide, and answers what was never asked: each is counted.
func TestEveryFaultIsCounted(t *testing.T) {
	t.Parallel()
	target := testTarget(t, "iso87-ascii")
	s := &issuer{t: t, target: &target, script: func(i int, m *iso.Message) ([][]byte, error) {
		switch i % 10 {
		case 2:
			return nil, nil
		case 4:
			body, err := answerTo(m, "00")
			return [][]byte{body, body}, err
		case 5:
			return answers1(m, "51")
		case 6:
			return answers1(m, "91")
		case 7:
			body, err := answerTo(m, "00")
			if err == nil {
				err = m.Set(37, "900000000000")
			}
			if err != nil {
				return nil, err
			}
			never, err := answerTo(m, "00")
			return [][]byte{never, body}, err
		}
		return answers1(m, "00")
	}}
	g := s.generator(1)
	r, err := g.Open(t.Context(), OpenLoad{Links: 2, Rate: 2000, For: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	want := Counts{Offered: 400, Approved: 280, Declined: 40, Undecided: 40, Unanswered: 40, Duplicates: 40, Foreign: 40}
	if r.Counts != want {
		t.Errorf("got %+v, want %+v", r.Counts, want)
	}
}

// A closed run goes on when an answer comes twice, and ends when one never comes.
func TestAClosedRunCountsToo(t *testing.T) {
	t.Parallel()
	target := testTarget(t, "iso87-ascii")
	s := &issuer{t: t, target: &target, script: func(i int, m *iso.Message) ([][]byte, error) {
		body, err := answerTo(m, "00")
		switch i {
		case 3:
			return [][]byte{body, body}, err
		case 5:
			return nil, err
		}
		return [][]byte{body}, err
	}}
	r, err := s.generator(1).Closed(t.Context(), ClosedLoad{Links: 1, Window: 2, For: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if r.Duplicates != 1 || r.Unanswered != 1 || r.Approved != r.Offered-1 || r.Approved < 5 {
		t.Errorf("got %+v, want one duplicate and one unanswered", r.Counts)
	}
}

// Goal: queueing is not hidden. Method: an issuer that answers nothing before the last message has come; the
// first message, due at once, then has waited for the whole run, however fast its answer was when it came.
func TestLatencyCountsFromTheMomentAMessageWasDue(t *testing.T) {
	t.Parallel()
	const total = 200
	target := testTarget(t, "iso87-ascii")
	var held [][]byte
	s := &issuer{t: t, target: &target, script: func(i int, m *iso.Message) ([][]byte, error) {
		body, err := answerTo(m, "00")
		if held = append(held, body); i < total-1 {
			return nil, err
		}
		return held, err
	}}
	r, err := s.generator(1).Open(t.Context(), OpenLoad{Links: 1, Rate: 1000, For: total * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if r.Approved != total {
		t.Fatalf("%d approved, want %d", r.Approved, total)
	}
	const lastDue = (total - 1) * time.Millisecond
	if got := r.Latency.Max(); got < lastDue {
		t.Errorf("the first message took %v, want at least %v", got, lastDue)
	}
	if got := r.Latency.At(50); got < lastDue/2-2*time.Millisecond {
		t.Errorf("the median is %v, want about half of %v or more", got, lastDue)
	}
	if r.Elapsed < lastDue {
		t.Errorf("the run took %v, want at least %v", r.Elapsed, lastDue)
	}
}

// Messages that come back under a number of an earlier run are not taken for answers of this one.
func TestNumbersGoOnFromRunToRun(t *testing.T) {
	t.Parallel()
	target := testTarget(t, "iso87-ascii")
	var least atomic.Uint64
	s := &issuer{t: t, target: &target, script: func(_ int, m *iso.Message) ([][]byte, error) {
		n, _ := patch{digits: numberDigits, zero: '0'}.get([]byte(m.Get(37)))
		if n < least.Load() {
			t.Errorf("number %d was sent in a later run", n)
		}
		return answers1(m, "00")
	}}
	g := s.generator(1000)
	for range 3 {
		least.Store(g.next)
		if _, err := g.Closed(t.Context(), ClosedLoad{Links: 3, Window: 2, For: 20 * time.Millisecond}); err != nil {
			t.Fatal(err)
		}
		least.Store(g.next)
		if _, err := g.Open(t.Context(), OpenLoad{Links: 2, Rate: 1000, For: 21 * time.Millisecond}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestABrokenLinkIsAnErrorAndItsMessagesCount(t *testing.T) {
	t.Parallel()
	target := testTarget(t, "iso87-ascii")
	s := &issuer{t: t, target: &target, script: func(i int, m *iso.Message) ([][]byte, error) {
		if i == 5 {
			return nil, errHangUp
		}
		return answers1(m, "00")
	}}
	r, err := s.generator(1).Open(t.Context(), OpenLoad{Links: 1, Rate: 1000, For: 100 * time.Millisecond})
	if err == nil {
		t.Error("a link that ended is no error")
	}
	if r.Offered != 100 || r.Approved > 5 || r.Unanswered != 100-r.Approved {
		t.Errorf("got %+v, want at most 5 approved and the rest unanswered", r.Counts)
	}
}

func TestARefusedSignOnIsAnError(t *testing.T) {
	t.Parallel()
	target := testTarget(t, "iso87-ascii")
	s := &issuer{t: t, target: &target, signOn: "91", script: approveAll}
	_, err := s.generator(1).Closed(t.Context(), ClosedLoad{Links: 1, Window: 1, For: time.Second})
	if err == nil || !strings.Contains(err.Error(), "sign on") {
		t.Errorf("got %v, want an error about the sign-on", err)
	}
}

func TestACancelledRunEnds(t *testing.T) {
	t.Parallel()
	target := testTarget(t, "iso87-ascii")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := &issuer{t: t, target: &target, script: func(int, *iso.Message) ([][]byte, error) {
		cancel()
		return nil, nil
	}}
	g := s.generator(1)
	g.Drain = time.Hour
	for name, run := range map[string]func() (Result, error){
		"open":   func() (Result, error) { return g.Open(ctx, OpenLoad{Links: 2, Rate: 100, For: time.Hour}) },
		"closed": func() (Result, error) { return g.Closed(ctx, ClosedLoad{Links: 2, Window: 1, For: time.Hour}) },
	} {
		if _, err := run(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want the context's error", name, err)
		}
	}
}

func TestLoadsThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	g, err := New(testTarget(t, "iso87-ascii"), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []OpenLoad{{0, 1, time.Second, 0}, {1, 0, time.Second, 0}, {1, -5, time.Second, 0}, {1, 10, 0, 0},
		{linksMax + 1, 10, time.Second, 0}, {1, 2 * rateMax, time.Second, 0}, {1, 10, time.Second, -1}} {
		if _, err := g.Open(t.Context(), o); err == nil {
			t.Errorf("%+v is not refused", o)
		}
	}
	for _, c := range []ClosedLoad{{0, 1, time.Second}, {1, 0, time.Second}, {1, ringSlots + 1, time.Second}, {1, 1, 0}} {
		if _, err := g.Closed(t.Context(), c); err == nil {
			t.Errorf("%+v is not refused", c)
		}
	}
}

func TestLatencyFindsItsPercentiles(t *testing.T) {
	t.Parallel()
	l, other := NewLatency(), NewLatency()
	if l.At(99) != 0 || l.Max() != 0 {
		t.Errorf("an empty distribution has p99 %v and maximum %v", l.At(99), l.Max())
	}
	for us := 1; us <= 5000; us++ {
		l.Record(time.Duration(us) * time.Microsecond)
		other.Record(time.Duration(us+5000) * time.Microsecond)
	}
	l.Merge(other)
	for percent, want := range map[float64]time.Duration{50: 5 * time.Millisecond, 99: 9900 * time.Microsecond,
		99.9: 9990 * time.Microsecond, 100: 10 * time.Millisecond} {
		if got := l.At(percent); got < want-want/500 || got > want+want/500 {
			t.Errorf("p%v: got %v, want %v within 0.2 %%", percent, got, want)
		}
	}
	if l.Count() != 10000 {
		t.Errorf("%d durations, want 10000", l.Count())
	}
	l.Record(-time.Second)
	l.Record(time.Hour)
	if l.Count() != 10002 || l.Max() < 59*time.Second {
		t.Errorf("what is outside is lost: %d durations, longest %v", l.Count(), l.Max())
	}
}
