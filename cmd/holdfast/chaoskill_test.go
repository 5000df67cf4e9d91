//go:build faults

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/store/litestore"
	"holdfast/store/records"
	"holdfast/switch/iso"
)

// killed are the places where a switch dies, and what is left behind there by the crash story.
var killed = []struct {
	label string
	count int // the first batches warm up
	left  string
}{
	{killHolding, 40, "nothing"},
	{killHeld, 40, "a hold in the cache, no row, no answer"},
	{killCommitting, 40, "maybe a row, no answer"},
	{killCommitted, 40, "a row, no answer"},
	{killSettled, 40, "a row and its answer"},
}

// Every row of the crash story, on real processes. A node dies at the place: what was approved is in the journal
// once, the other node goes on, repeats are answered with what the journal has, the cache comes to say what the
// journal says, and the node takes up where it was.
func TestChaosEachKillPoint(t *testing.T) {
	const cards = 200
	s := openSite(t, sharedServers(t), plainListener, "--cards", fmt.Sprint(cards))
	other := s.start(t, 2)
	store := s.open(t)
	var all []outcome
	for _, k := range killed {
		t.Run(k.label, func(t *testing.T) {
			victim := s.startWith(t, 1, killVariable, fmt.Sprintf("%s:%d", k.label, k.count))
			f := s.traffic(t, cards, victim, other)
			died := s.dies(t, victim)
			f.flows(t, resumeWithin, other)
			outcomes := f.end()
			inTime(t, outcomes)
			open := 0
			for i := range outcomes {
				open += boolInt(outcomes[i].body != nil)
			}
			all = append(all, outcomes...)
			if k.label == killHeld {
				if err := s.flightOf(victim, time.Time{}); err != nil {
					t.Errorf("nothing is left behind: %v", err)
				}
			}
			if rows := s.unheard(t, store, outcomes); k.label == killCommitted && rows == 0 {
				t.Error("no row is left behind that nobody was told of")
			}
			s.audit(t, store, all, true)
			all = append(all, s.repeat(t, other, outcomes)...)
			s.audit(t, store, all, false)
			again := s.start(t, 1)
			f = s.traffic(t, cards, again, other)
			f.flows(t, resumeWithin, again, other)
			all = append(all, f.end()...)
			again.stop(t)
			t.Logf("%s: left %s; died with %d requests open, healed %v later", k.label, k.left, open, time.Since(died).Round(time.Millisecond))
		})
	}
}

// unheard counts the approvals in the journal of which no answer came.
func (s *site) unheard(t *testing.T, store books, outcomes []outcome) (rows int) {
	t.Helper()
	open := map[string]bool{}
	for i := range outcomes {
		if outcomes[i].body != nil {
			open[outcomes[i].rrn] = true
		}
	}
	if err := query(t.Context(), store, func(r records.Row) { rows += boolInt(open[r.Text(0)]) },
		"SELECT rrn FROM authorizations WHERE state = $1", int64(authz.StateAuthorized)); err != nil {
		t.Fatal(err)
	}
	return rows
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// startWith starts a node with a variable in its environment, and only that node.
func (s *site) startWith(t *testing.T, number int, variable, value string) *fullNode {
	t.Helper()
	t.Setenv(variable, value)
	defer os.Unsetenv(variable)
	return s.start(t, number)
}

// dies waits until a node has killed itself.
func (s *site) dies(t *testing.T, n *fullNode) time.Time {
	t.Helper()
	select {
	case <-n.drained:
	case <-time.After(2 * resumeWithin):
		t.Fatal("the node does not come to the place where it should die")
	}
	died := time.Now()
	if err := n.end(); err == nil {
		t.Error("the node ended by itself")
	}
	n.heard(t)
	return died
}

// A commit is done and its reply lost, again and again: those requests are answered that they could not be decided,
// their holds come back within seconds, and their repeats are declined. A node that dies before it has undone such a
// row leaves it to the repeat.
func TestChaosCommitsOfUnknownOutcome(t *testing.T) {
	const cards = 200
	s := openSite(t, sharedServers(t), plainListener, "--cards", fmt.Sprint(cards))
	first := s.startWith(t, 1, loseVariable, loseReply+":25")
	nodes := []*fullNode{first, s.start(t, 2)}
	store := s.open(t)
	f := s.traffic(t, cards, nodes...)
	f.flows(t, resumeWithin, nodes...)
	lasts(2 * time.Second)
	outcomes := f.end()
	inTime(t, outcomes)
	unknown := 0
	for i := range outcomes {
		unknown += boolInt(outcomes[i].code == "91")
	}
	if unknown == 0 {
		t.Error("no outcome was unknown: the test is not looking")
	}
	s.audit(t, store, outcomes, false)
	t.Logf("%d of %d were answered 91, and none of them holds anything", unknown, len(outcomes))
}

// A node answers 91 where the outcome of a commit is unknown, and dies before it has undone the rows: nobody will ask for
// them again. What it owes is paid by the other node, so that nothing stays held.
func TestChaosOwedVoidsOutliveTheirNode(t *testing.T) {
	const cards = 200
	s := openSite(t, sharedServers(t), plainListener, "--cards", fmt.Sprint(cards))
	other := s.start(t, 2)
	store := s.open(t)
	t.Setenv(loseVariable, loseReply+":10")
	victim := s.startWith(t, 1, killVariable, killUndoing+":10") // a fifth of a second after the answers
	os.Unsetenv(loseVariable)
	f := s.traffic(t, cards, victim, other)
	s.dies(t, victim)
	f.flows(t, resumeWithin, other)
	outcomes := f.end()
	inTime(t, outcomes)
	refused := map[string]bool{}
	for i := range outcomes {
		refused[outcomes[i].rrn] = outcomes[i].code == "91"
	}
	rows := func() (held int) {
		if err := query(t.Context(), store, func(r records.Row) { held += boolInt(refused[r.Text(0)]) },
			"SELECT rrn FROM authorizations WHERE state = $1", int64(authz.StateAuthorized)); err != nil {
			t.Fatal(err)
		}
		return held
	}
	owed := rows()
	if owed == 0 {
		t.Error("the dead node owes nothing: the test is not looking")
	}
	began := time.Now()
	eventually(t, sweepAgeMin+4*time.Second, "nothing to be held that was refused", func() error {
		if held := rows(); held > 0 {
			return fmt.Errorf("%d of %d rows are held", held, owed)
		}
		return nil
	})
	t.Logf("%d rows undone %v after the death", owed, time.Since(began).Round(time.Millisecond))
	n := nemesis{site: s, t: t, nodes: []*fullNode{other}}
	s.audit(t, store, append(outcomes, n.askAgain(outcomes)...), false)
}

// The same in the embedded mode: the process finds what it owed when it is started again.
func TestChaosOwedVoidsOutliveTheProcess(t *testing.T) {
	t.Setenv(benchChildVariable, "1")
	d, err := iso.Builtin("iso87-ascii")
	if err != nil {
		t.Fatal(err)
	}
	const cards = 200
	dir := t.TempDir()
	if status := run(&env{t.Context(), nil, io.Discard, io.Discard}, []string{"seed", "--data", dir, "--cards", fmt.Sprint(cards)}); status != exitOK {
		t.Fatalf("seed ended with %d", status)
	}
	w := &wireLog{approved: map[string]string{}, sent: map[string][]byte{}}
	t.Setenv(loseVariable, loseReply+":25")
	t.Setenv(killVariable, killUndoing+":10")
	c, err := startChild(t.Context(), dir, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	w.pay(t, d, c.addr, cards) // ends with the process
	<-c.drain
	_ = c.cmd.Wait() // killed
	held := func(also map[string][]byte) (rows int, err error) {
		r, err := litestore.OpenReader(filepath.Join(dir, dataFile))
		if err != nil {
			return 0, err
		}
		defer r.Close()
		return rows, query(t.Context(), r, func(r records.Row) {
			_, told := w.approved[r.Text(0)]
			_, open := also[r.Text(0)]
			rows += boolInt(!told && !open)
		}, "SELECT rrn FROM authorizations WHERE state = $1", int64(authz.StateAuthorized))
	}
	owed, err := held(w.sent)
	if err != nil || owed == 0 {
		t.Errorf("the dead process owes %d rows: the test is not looking (%v)", owed, err)
	}
	os.Unsetenv(killVariable)
	os.Unsetenv(loseVariable)
	if c, err = startChild(t.Context(), dir, io.Discard); err != nil {
		t.Fatal(err)
	}
	w.repeat(t, d, c.addr)
	eventually(t, resumeWithin, "nothing to be held that was refused", func() error {
		rows, err := held(nil)
		if err == nil && rows > 0 {
			err = fmt.Errorf("%d of %d rows are held", rows, owed)
		}
		return err
	})
	if err := c.stop(); err != nil {
		t.Error(err)
	}
	w.audit(t, dir)
}

// The same places in the embedded mode, where the process is all there is.
func TestChaosEachKillPointEmbedded(t *testing.T) {
	t.Setenv(benchChildVariable, "1")
	d, err := iso.Builtin("iso87-ascii")
	if err != nil {
		t.Fatal(err)
	}
	const cards = 200
	dir := t.TempDir()
	if status := run(&env{t.Context(), nil, io.Discard, io.Discard}, []string{"seed", "--data", dir, "--cards", fmt.Sprint(cards)}); status != exitOK {
		t.Fatalf("seed ended with %d", status)
	}
	w := &wireLog{approved: map[string]string{}, sent: map[string][]byte{}}
	for _, k := range killed {
		t.Setenv(killVariable, fmt.Sprintf("%s:%d", k.label, k.count))
		c, err := startChild(t.Context(), dir, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		var links sync.WaitGroup
		for range 4 {
			links.Go(func() { w.pay(t, d, c.addr, cards) })
		}
		links.Wait() // they end with it
		<-c.drain
		if err := c.cmd.Wait(); err == nil {
			t.Errorf("%s: the switch ended by itself", k.label)
		}
		w.audit(t, dir)
		t.Setenv(killVariable, "")
		if c, err = startChild(t.Context(), dir, io.Discard); err != nil {
			t.Fatal(err)
		}
		w.repeat(t, d, c.addr)
		if err := c.stop(); err != nil {
			t.Error(err)
		}
		w.audit(t, dir)
	}
}
