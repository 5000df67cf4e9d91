package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/store/records"
)

// PostgreSQL's sessions are ended, one of its processes is killed, all are stopped, a session keeps a lock, and it
// crashes and is started again, under load; at last everything is killed at once.
func TestNodesOutlivePostgreSQL(t *testing.T) {
	t.Parallel()
	s, nodes, store := faultySite(t)
	data := s.sql(t, "SHOW data_directory")[0]
	var all []outcome
	t.Run("its sessions are ended", func(t *testing.T) {
		s.fault(t, nodes, store, &all, func(f *traffic) {
			for range 3 {
				s.sql(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holdfast'")
				f.flows(t, resumeWithin, nodes...)
			}
		})
	})
	t.Run("a process of it is killed", func(t *testing.T) {
		s.fault(t, nodes, store, &all, func(*traffic) {
			pids := s.sql(t, "SELECT pid FROM pg_stat_activity WHERE application_name = 'holdfast' ORDER BY query_start DESC")
			send(t, number(t, pids[0]), syscall.SIGKILL)
		})
	})
	t.Run("a session keeps the deposit", func(t *testing.T) {
		var from, to time.Time
		outcomes := s.fault(t, nodes, store, &all, func(*traffic) {
			if err := s.open(t).Update(t.Context(), func(q records.Querier) error {
				_, err := q.Exec(t.Context(), "UPDATE balances SET version = version WHERE kind = 'DEPOSIT'")
				from = time.Now()
				lasts(2500 * time.Millisecond)
				to = time.Now()
				return err
			}); err != nil {
				t.Error(err)
			}
		})
		refusedBetween(t, outcomes, from.Add(fullSlack), to)
	})
	t.Run("stopped", func(t *testing.T) {
		var from, to time.Time
		outcomes := s.fault(t, nodes, store, &all, func(*traffic) {
			resume := s.stopPostgres(t, data)
			from = time.Now()
			lasts(3 * time.Second)
			to = time.Now()
			resume()
		})
		refusedBetween(t, outcomes, from.Add(fullSlack), to)
	})
	t.Run("crashed and started", func(t *testing.T) {
		var from, to time.Time
		outcomes := s.fault(t, nodes, store, &all, func(*traffic) {
			pid := postmaster(t, data)
			send(t, pid, syscall.SIGQUIT) // as pg_ctl's immediate stop
			gone(t, pid)
			from = time.Now()
			lasts(2 * time.Second)
			to = time.Now()
			startPostgres(t, data)
		})
		refusedBetween(t, outcomes, from.Add(fullSlack), to)
	})
	t.Run("everything is killed at once", func(t *testing.T) { s.killEverything(t, data, nodes, store, all) })
}

// killEverything is the power cut: nodes, PostgreSQL and Redis. After it, every approval that left a socket ever is in
// the journal, and what was under way is answered when it is repeated.
func (s *site) killEverything(t *testing.T, data string, nodes []*fullNode, store books, all []outcome) {
	t.Helper()
	f := s.traffic(t, faultCards, nodes...)
	f.flows(t, resumeWithin, nodes...)
	database, first := s.postgresProcesses(t), postmaster(t, data)
	redis, config := s.redisProcess(t), s.redisInfo(t, "config_file")
	// The nodes go first: one that outlives PostgreSQL by a moment answers 91 to what may be committed, and takes
	// its own entry that would undo it along.
	for _, n := range nodes {
		send(t, n.cmd.Process.Pid, syscall.SIGKILL)
	}
	for _, pid := range database {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended by itself
	}
	send(t, first, syscall.SIGQUIT) // as good as killed, but that it takes its lock files along
	send(t, redis, syscall.SIGKILL)
	for _, n := range nodes {
		n.kill(t)
	}
	gone(t, append(database, first)...)
	outcomes := f.end()
	inTime(t, outcomes)
	startPostgres(t, data)
	start(t, config, "redis-server", config)
	again := []*fullNode{s.start(t, 1), s.start(t, 2)}
	all = append(append(all, outcomes...), s.repeat(t, again[0], outcomes)...)
	s.audit(t, store, all, false)
	f = s.traffic(t, faultCards, again...)
	f.flows(t, resumeWithin, again...)
	s.audit(t, store, append(all, f.end()...), false)
}

// postgresProcesses are those that PostgreSQL tells of, but for the one that tells.
func (s *site) postgresProcesses(t *testing.T) (pids []int) {
	t.Helper()
	for _, pid := range s.sql(t, "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()") {
		pids = append(pids, number(t, pid))
	}
	return pids
}

// stopPostgres has PostgreSQL stand still with its connections open, as a machine does whose disk hangs, until resume is
// called.
func (s *site) stopPostgres(t *testing.T, data string) (resume func()) {
	t.Helper()
	pids := append(s.postgresProcesses(t), postmaster(t, data))
	each := func(what syscall.Signal) {
		for _, pid := range pids {
			if err := syscall.Kill(pid, what); err != nil && !errors.Is(err, syscall.ESRCH) {
				t.Error(err)
			}
		}
	}
	each(syscall.SIGSTOP)
	return func() { each(syscall.SIGCONT) }
}

// postmaster is PostgreSQL's first process.
func postmaster(t *testing.T, data string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, _, _ := strings.Cut(string(text), "\n")
	return number(t, pid)
}

// gone waits until processes have ended.
func gone(t *testing.T, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		eventually(t, resumeWithin, "PostgreSQL to be gone", func() error {
			if syscall.Kill(pid, 0) == nil && !zombie(pid) {
				return fmt.Errorf("process %d is there", pid)
			}
			return nil
		})
	}
}

// zombie reports a process that has ended and that nobody has asked for how.
func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), ") Z ")
}

// startPostgres starts the server as scripts/servers does, on the port that it had.
func startPostgres(t *testing.T, data string) {
	t.Helper()
	opts, err := os.ReadFile(filepath.Join(data, "postmaster.opts"))
	if err != nil {
		t.Fatal(err)
	}
	program, _, _ := strings.Cut(string(opts), " ")
	start(t, filepath.Join(data, "PG_VERSION"), filepath.Join(filepath.Dir(program), "pg_ctl"), "start", "--wait", "--silent",
		"--pgdata="+data)
}
