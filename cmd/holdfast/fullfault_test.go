package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/store/records"
)

// resumeWithin is how soon after the end of a fault approvals flow again on every node, on the links that were
// open all the time.
const resumeWithin = 5 * time.Second

// lasts is how long a fault is there: nothing but time is waited for.
func lasts(d time.Duration) { <-time.After(d) }

// Nodes are killed under load, one after the other. What was approved is in the journal, the other node goes on, and
// it answers the repeats of what the dead one left unanswered.
func TestKilledNodeLosesNothing(t *testing.T) {
	t.Parallel()
	const cards = 200
	s := openSite(t, sharedServers(t), plainListener, "--cards", fmt.Sprint(cards))
	nodes := []*fullNode{s.start(t, 1), s.start(t, 2)}
	store := s.open(t)
	var all []outcome
	for round := range nodes {
		victim, other := nodes[round], nodes[1-round]
		f := s.traffic(t, cards, nodes...)
		f.flows(t, resumeWithin, nodes...)
		lasts(time.Duration(rand.IntN(100)) * time.Millisecond)
		victim.kill(t)
		f.flows(t, resumeWithin, other)
		outcomes := f.end()
		inTime(t, outcomes)
		all = append(all, outcomes...)
		all = append(all, s.repeat(t, other, outcomes)...)
		s.audit(t, store, all, false)
		nodes[round] = s.start(t, victim.number)
	}
}

// repeat asks a node again for what was not answered.
func (s *site) repeat(t *testing.T, n *fullNode, outcomes []outcome) (answers []outcome) {
	t.Helper()
	w, asked := s.dial(t, n), 0
	for _, o := range outcomes {
		if o.body == nil {
			continue
		}
		asked++
		m, err := s.dialect.Decode(o.body)
		if err != nil {
			t.Fatal(err)
		}
		m.SetMTI("0101")
		body, err := m.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		o.answer, o.node, o.body = w.must(t, body), n, nil
		if !o.approved() {
			t.Errorf("the repeat of RRN %s was answered %s", o.rrn, o.code)
		}
		answers = append(answers, o)
	}
	t.Logf("%d repeats", asked)
	return answers
}

// A node dies between its holds and its commit, which another session keeps waiting. Its holds stay in the cache,
// where they take nothing from anybody's funds for longer than the sweeper needs.
func TestOrphanedHoldsComeBack(t *testing.T) {
	t.Parallel()
	const cards = 50
	s := openSite(t, sharedServers(t), plainListener, "--cards", fmt.Sprint(cards))
	victim, other := s.start(t, 1), s.start(t, 2)
	store := s.open(t)
	f := s.traffic(t, cards, victim, other)
	f.flows(t, resumeWithin, victim, other)
	var locked time.Time // what is held after this moment cannot commit before the victim is dead
	err := store.Update(t.Context(), func(q records.Querier) error {
		if _, err := q.Exec(t.Context(), "UPDATE balances SET version = version WHERE kind = 'DEPOSIT'"); err != nil {
			return err
		}
		locked = time.Now()
		eventually(t, 5*time.Second, "holds in flight", func() error { return s.flightOf(victim, locked) })
		victim.kill(t)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.flightOf(victim, locked); err != nil {
		t.Errorf("the dead node left no orphans, so the test is not looking: %v", err)
	}
	f.flows(t, resumeWithin, other)
	outcomes := f.end()
	inTime(t, outcomes)
	s.audit(t, store, outcomes, true)
	// A switch that starts with nobody's holds in the cache, and takes over where the dead one was.
	again := s.start(t, victim.number)
	f = s.traffic(t, cards, again, other)
	f.flows(t, resumeWithin, again, other)
	s.audit(t, store, append(f.end(), outcomes...), true)
}

// flightOf is nil when holds of a node are in flight whose requests came after a moment.
func (s *site) flightOf(n *fullNode, since time.Time) error {
	ops, err := s.inFlight("1")
	if err != nil {
		return err
	}
	for _, op := range ops {
		if int64(op)>>12&511 == int64(n.number) && authz.ID(op).Time().After(since) {
			return nil
		}
	}
	return fmt.Errorf("none of %d holds in flight is of node %d", len(ops), n.number)
}

// faultySite has two nodes on servers of its own.
func faultySite(t *testing.T) (*site, []*fullNode, books) {
	t.Helper()
	s := openSite(t, ownServers(t), plainListener, "--cards", fmt.Sprint(faultCards))
	return s, []*fullNode{s.start(t, 1), s.start(t, 2)}, s.open(t)
}

const faultCards = 200

// fault lets traffic flow, has something happen to it, and sees it flow again by itself. Everything is answered
// within the deadline, and the books are in order.
func (s *site) fault(t *testing.T, nodes []*fullNode, store books, all *[]outcome, happens func(f *traffic)) []outcome {
	t.Helper()
	f := s.traffic(t, faultCards, nodes...)
	f.flows(t, resumeWithin, nodes...)
	happens(f)
	f.flows(t, resumeWithin, nodes...)
	outcomes := f.end()
	inTime(t, outcomes)
	*all = append(*all, outcomes...)
	s.audit(t, store, *all, false)
	return outcomes
}

// refusedBetween holds that nothing is approved and something is refused at that time.
func refusedBetween(t *testing.T, outcomes []outcome, from, to time.Time) {
	t.Helper()
	refused := 0
	for i := range outcomes {
		o := &outcomes[i]
		switch {
		case o.answered.Before(from) || o.answered.After(to):
		case o.approved():
			t.Errorf("RRN %s was approved %v after the fault began", o.rrn, o.answered.Sub(from).Round(time.Millisecond))
		default:
			refused++
		}
	}
	if refused == 0 {
		t.Error("nothing was answered while the fault lasted")
	}
}

// Redis is emptied, stopped, and killed and started empty, under load.
func TestNodesOutliveRedis(t *testing.T) {
	t.Parallel()
	s, nodes, store := faultySite(t)
	var all []outcome
	t.Run("emptied", func(t *testing.T) {
		s.fault(t, nodes, store, &all, func(f *traffic) {
			for range 5 {
				s.redisSays(t, "FLUSHALL")
				f.flows(t, resumeWithin, nodes...)
			}
			s.redisSays(t, "SCRIPT", "FLUSH")
		})
	})
	t.Run("full", func(t *testing.T) {
		var from, to time.Time
		outcomes := s.fault(t, nodes, store, &all, func(*traffic) {
			s.redisSays(t, "CONFIG", "SET", "maxmemory", "1")
			from = time.Now()
			lasts(2 * time.Second)
			to = time.Now()
			s.redisSays(t, "CONFIG", "SET", "maxmemory", "0")
		})
		refusedBetween(t, outcomes, from.Add(fullSlack), to)
	})
	t.Run("stopped", func(t *testing.T) {
		var from, to time.Time
		outcomes := s.fault(t, nodes, store, &all, func(*traffic) {
			redis := s.redisProcess(t)
			send(t, redis, syscall.SIGSTOP)
			from = time.Now()
			lasts(3 * time.Second)
			to = time.Now()
			send(t, redis, syscall.SIGCONT)
			// What ran late is ended by whoever sent it, before the sweeper would.
			eventually(t, sweepAgeMin-to.Sub(from)-time.Second/2, "late holds to end", func() error {
				ops, err := s.inFlight("1")
				for _, op := range ops {
					if op.Time().Before(to) {
						return fmt.Errorf("one of %v before the end of the fault", to.Sub(op.Time()))
					}
				}
				return err
			})
		})
		refusedBetween(t, outcomes, from.Add(fullSlack), to)
	})
	t.Run("killed and started empty", func(t *testing.T) {
		s.fault(t, nodes, store, &all, func(*traffic) {
			config := s.redisInfo(t, "config_file")
			send(t, s.redisProcess(t), syscall.SIGKILL)
			eventually(t, resumeWithin, "Redis to be gone", func() error {
				if _, err := s.redis.say("PING"); err == nil {
					return errors.New("it answers")
				}
				return nil
			})
			lasts(time.Second / 2)
			start(t, config, "redis-server", config)
		})
	})
	t.Run("one that may forget is refused", func(t *testing.T) {
		s.redisSays(t, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
		s.shareKeys(t, 3)
		status, _, errs := runHoldfast(t, "serve", "--config", s.config(t, 3))
		if status != exitFailed || !strings.Contains(errs, "noeviction") || strings.Count(errs, "\n") != 1 {
			t.Errorf("serve ended with %d and said %q", status, errs)
		}
	})
}

func (s *site) redisSays(t *testing.T, command ...string) {
	t.Helper()
	if _, err := s.redis.say(command...); err != nil {
		t.Fatalf("%v: %v", command, err)
	}
}

// redisInfo reads a line of what the server says of itself.
func (s *site) redisInfo(t *testing.T, name string) string {
	t.Helper()
	info, err := s.redis.say("INFO", "server")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(info[0]) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return value
		}
	}
	t.Fatalf("Redis does not tell its %s", name)
	return ""
}

func (s *site) redisProcess(t *testing.T) int {
	t.Helper()
	return number(t, s.redisInfo(t, "process_id"))
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil || n < 2 {
		t.Fatalf("%q is no process", text)
	}
	return n
}

func send(t *testing.T, process int, what syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(process, what); err != nil {
		t.Fatal(err)
	}
}

// start runs a server's program as the owner of its file, when root may choose.
func start(t *testing.T, file, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = filepath.Dir(file)
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}, Setpgid: true}
	}
	said, err := os.CreateTemp(t.TempDir(), "said") // no pipe: the server that it leaves behind would keep it open
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(said.Name())
		t.Fatalf("start %s: %v\n%s", filepath.Base(program), err, text)
	}
}
