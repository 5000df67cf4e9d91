package lifetest

import (
	"fmt"
	"strings"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/store/arbiter"
)

// Walk plays all orders of up to so many messages that begin with one letter, each message twice in one transaction and
// every one that came before it once more, and shows the judge how each ends. The error is what the books say.
func Walk(j *Judge, life *Life, first byte, most int) error {
	w := &walk{judge: j, life: life, most: most}
	for i, l := range []byte(Letters) {
		w.requests[i] = life.Request(l)
	}
	w.steps[0].user.Ledger = funds
	return w.branch(1, first)
}

type walk struct {
	judge    *Judge
	life     *Life
	most     int
	requests [len(Letters)]*authz.Request
	steps    [len(Letters) + 1]memory // after so many messages
	order    []byte
}

// branch has one more message come, and then every other.
func (w *walk) branch(n int, letter byte) error {
	m := &w.steps[n]
	m.from(&w.steps[n-1])
	w.order = append(w.order, letter)
	defer func() { w.order = w.order[:n-1] }()
	if err := w.come(m, letter); err != nil {
		return fmt.Errorf("%s: %w", w.order, err)
	}
	end, err := m.end(w.life)
	if err != nil {
		return fmt.Errorf("%s: %w", w.order, err)
	}
	w.judge.See(string(w.order), &end)
	if n == w.most {
		return nil
	}
	for _, l := range []byte(Letters) {
		if strings.IndexByte(string(w.order), l) >= 0 {
			continue
		}
		if err := w.branch(n+1, l); err != nil {
			return err
		}
	}
	return nil
}

// come commits a message and its repeat in one transaction, and then repeats of all.
func (w *walk) come(m *memory, letter byte) error {
	id := authz.ID(100 * len(w.order))
	for _, batch := range []string{string([]byte{letter, letter}), string(w.order)} {
		a := arbiter.New(m)
		for _, l := range []byte(batch) {
			id++
			e := w.life.Entry(l, w.requests[strings.IndexByte(Letters, l)], id)
			if err := a.Decide([]*authz.Entry{e}); err != nil {
				return err
			}
			want := authz.Duplicate
			if id%100 == 1 {
				want = authz.Committed
			}
			if e.Outcome != want {
				return fmt.Errorf("message %d has outcome %d, want %d", id%100, e.Outcome, want)
			}
		}
		if err := a.Flush(); err != nil {
			return err
		}
	}
	if len(m.rows) != len(w.order) {
		return fmt.Errorf("%d rows of %d messages", len(m.rows), len(w.order))
	}
	return nil
}

// end reads how it ended, and checks the books.
func (m *memory) end(life *Life) (e End, err error) {
	held, posted := int64(0), int64(0)
	for i := range m.rows {
		s := &m.rows[i]
		if s.Kind == authz.FinancialAdvice {
			posted += s.Held
		} else {
			held += s.Held
		}
		if s.State.Open() != (s.Expires > 0) {
			return e, fmt.Errorf("message %s is %s and expires at %d", s.Trace.STAN, s.State, s.Expires)
		}
		e.Used += s.Used
		e.States[letterOf(s)] = s.State
	}
	e.Held, e.Posted = m.user.Held, funds-m.user.Ledger
	for _, u := range m.used {
		if u.Scope == record.LimitGeneral && u.Span == record.LimitDay && u.amount != e.Used {
			return e, fmt.Errorf("%d is used of the day, and %d by the rows", u.amount, e.Used)
		}
	}
	for _, c := range m.cases {
		if c.open {
			e.Cases.Add(c.kind)
		}
	}
	if e.Held != held || e.Posted != posted || m.posted != posted || m.sum != 0 {
		return e, fmt.Errorf("held %d and %d by the rows; posted %d, %d by the rows and %d by the lines, which sum to %d",
			e.Held, held, e.Posted, posted, m.posted, m.sum)
	}
	return e, nil
}

// letterOf finds a row's letter by its number, which stan has made of it.
func letterOf(s *arbiter.Stored) int {
	var n int
	for _, d := range s.Trace.STAN {
		n = 10*n + int(d-'0')
	}
	return n - 100
}
