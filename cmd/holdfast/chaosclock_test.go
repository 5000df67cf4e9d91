//go:build faults

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/store/records"
)

// stepsClock has the clock of one node step, as an administrator or a wrong time server does: what is a duration goes on.
func (n *fullNode) stepsClock(t *testing.T, file string, by time.Duration) {
	t.Helper()
	if err := os.WriteFile(file, []byte(by.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	send(t, n.cmd.Process.Pid, syscall.SIGUSR2)
}

// One of two nodes has its clock step an hour back and an hour forward under load, also while nothing can be decided.
// Everything is answered in time, no approval is lost, no id is given twice, and no hold ends before its time.
func TestChaosClockSteps(t *testing.T) {
	s := openSite(t, sharedServers(t), plainListener, "--cards", fmt.Sprint(faultCards))
	file := filepath.Join(t.TempDir(), "clock")
	steps := s.startWith(t, 1, clockVariable, file)
	nodes := []*fullNode{steps, s.start(t, 2)}
	store := s.open(t)
	var all []outcome
	for _, by := range []time.Duration{-time.Hour, 0, time.Hour, 0} {
		t.Run(fmt.Sprintf("to %v", by), func(t *testing.T) {
			s.fault(t, nodes, store, &all, func(f *traffic) {
				steps.stepsClock(t, file, by)
				f.flows(t, resumeWithin, nodes...)
				lasts(1500 * time.Millisecond) // the second in which a node looks for what has expired is among them
			})
		})
	}
	t.Run("back while nothing can be decided", func(t *testing.T) {
		s.fault(t, nodes, store, &all, func(*traffic) {
			if err := s.open(t).Update(t.Context(), func(q records.Querier) error {
				_, err := q.Exec(t.Context(), "UPDATE balances SET version = version WHERE kind = 'DEPOSIT'")
				lasts(100 * time.Millisecond) // every link waits for its answer
				steps.stepsClock(t, file, -time.Hour)
				lasts(2500 * time.Millisecond)
				return err
			}); err != nil {
				t.Error(err)
			}
		})
	})
	rows, ended := 0, 0
	ids := map[int64]bool{}
	if err := query(t.Context(), store, func(r records.Row) {
		rows++
		ids[r.Int(0)] = true
		ended += boolInt(r.Int(1) == int64(authz.StateExpired))
	}, "SELECT id, state FROM authorizations"); err != nil {
		t.Fatal(err)
	}
	if len(ids) != rows || ended > 0 {
		t.Errorf("%d rows, %d ids, %d holds have ended by time", rows, len(ids), ended)
	}
	t.Logf("%d rows", rows)
}
