//go:build faults

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"holdfast/store/records"
)

// nemesis has two nodes on servers of its own, and harms all of them.
type nemesis struct {
	*site
	top   *testing.T // of all runs: nodes outlive the run that they are started in
	t     *testing.T // of one
	nodes []*fullNode
	store books
	data  string // PostgreSQL's folder
	redis string // Redis' configuration
	all   []outcome
}

// harm is a fault: begin does it and returns what ends it. Two of a pair harm different things, the nodes first, so that
// a node starts when its servers are there.
type harm struct {
	name  string
	whom  int  // 0: a node, 1: Redis, 2: PostgreSQL
	slows bool // answers may come late, since a node does not run
	begin func(n *nemesis, node int) (end func())
}

var harms = []harm{
	{"a node is killed", 0, false, func(n *nemesis, i int) func() {
		n.nodes[i].kill(n.t)
		return func() { n.nodes[i] = n.start(n.top, i+1) }
	}},
	{"a node is stopped", 0, true, func(n *nemesis, i int) func() {
		pid := n.nodes[i].cmd.Process.Pid
		send(n.t, pid, syscall.SIGSTOP)
		return func() { send(n.t, pid, syscall.SIGCONT) }
	}},
	{"Redis is emptied", 1, false, func(n *nemesis, _ int) func() {
		n.redisSays(n.t, "FLUSHALL")
		return func() { n.redisSays(n.t, "FLUSHALL") }
	}},
	{"Redis is stopped", 1, false, func(n *nemesis, _ int) func() {
		pid := n.redisProcess(n.t)
		send(n.t, pid, syscall.SIGSTOP)
		return func() { send(n.t, pid, syscall.SIGCONT) }
	}},
	{"Redis is killed", 1, false, func(n *nemesis, _ int) func() {
		n.killRedis()
		return n.startRedis
	}},
	{"Redis comes back with an old snapshot", 1, false, func(n *nemesis, _ int) func() {
		n.redisSays(n.t, "SAVE")
		return func() { n.killRedis(); n.startRedis() }
	}},
	{"Redis is full", 1, false, func(n *nemesis, _ int) func() {
		n.redisSays(n.t, "CONFIG", "SET", "maxmemory", "1")
		return func() { n.redisSays(n.t, "CONFIG", "SET", "maxmemory", "0") }
	}},
	{"Redis drops all connections and its scripts", 1, false, func(n *nemesis, _ int) func() {
		drop := func() {
			n.redisSays(n.t, "SCRIPT", "FLUSH")
			n.redisSays(n.t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		}
		drop()
		return drop
	}},
	{"PostgreSQL ends its sessions", 2, false, func(n *nemesis, _ int) func() {
		drop := func() {
			n.sql(n.t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holdfast'")
		}
		drop()
		return drop
	}},
	{"a process of PostgreSQL is killed", 2, false, func(n *nemesis, _ int) func() {
		pids := n.sql(n.t, "SELECT pid FROM pg_stat_activity WHERE application_name = 'holdfast' ORDER BY query_start DESC")
		if len(pids) > 0 {
			send(n.t, number(n.t, pids[0]), syscall.SIGKILL)
		}
		return func() {}
	}},
	{"a session keeps the deposit", 2, false, func(n *nemesis, _ int) func() {
		locked, release, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		// owned by the harm, whose end waits for it
		go func() {
			ended <- n.open(n.t).Update(n.t.Context(), func(q records.Querier) error {
				_, err := q.Exec(n.t.Context(), "UPDATE balances SET version = version WHERE kind = 'DEPOSIT'")
				close(locked)
				<-release
				return err
			})
		}()
		<-locked
		return func() {
			close(release)
			if err := <-ended; err != nil {
				n.t.Error(err)
			}
		}
	}},
	{"PostgreSQL is stopped", 2, false, func(n *nemesis, _ int) func() {
		pids := append(n.postgresProcesses(n.t), postmaster(n.t, n.data))
		each := func(what syscall.Signal) {
			for _, pid := range pids {
				if err := syscall.Kill(pid, what); err != nil && !errors.Is(err, syscall.ESRCH) {
					n.t.Error(err)
				}
			}
		}
		each(syscall.SIGSTOP)
		return func() { each(syscall.SIGCONT) }
	}},
	{"PostgreSQL crashes", 2, false, func(n *nemesis, _ int) func() {
		pid := postmaster(n.t, n.data)
		send(n.t, pid, syscall.SIGQUIT)
		gone(n.t, pid)
		return func() { startPostgres(n.t, n.data) }
	}},
}

func (n *nemesis) killRedis() {
	send(n.t, n.redisProcess(n.t), syscall.SIGKILL)
	eventually(n.t, resumeWithin, "Redis to be gone", func() error {
		if _, err := n.site.redis.say("PING"); err == nil {
			return errors.New("it answers")
		}
		return nil
	})
}

func (n *nemesis) startRedis() { start(n.t, n.redis, "redis-server", n.redis) }

// pair draws two harms of different things.
func pair(r *rand.Rand) (first, second harm) {
	for {
		first, second = harms[r.IntN(len(harms))], harms[r.IntN(len(harms))]
		if first.whom < second.whom || first.whom == 0 && second.whom == 0 {
			return first, second
		}
	}
}

// Two faults at random moments, one within the other, then all is healed: traffic flows on both nodes within
// seconds, everything was answered in time, and after the peer has asked again what it does not know, exactly what it
// was told is approved is held, the books are in order, and the cache says what they say.
func TestChaosPairs(t *testing.T) {
	seed, runs := chaosNumber(t, "HOLDFAST_CHAOS_SEED", 1), chaosNumber(t, "HOLDFAST_CHAOS_RUNS", 10)
	s := openSite(t, ownServers(t), plainListener, "--cards", fmt.Sprint(faultCards))
	n := &nemesis{site: s, top: t, nodes: []*fullNode{s.start(t, 1), s.start(t, 2)}, store: s.open(t),
		data: s.sql(t, "SHOW data_directory")[0], redis: s.redisInfo(t, "config_file")}
	for i := range runs {
		r := rand.New(rand.NewPCG(seed+i, 0))
		first, second := pair(r)
		t.Run(fmt.Sprintf("%d: %s and %s", seed+i, first.name, second.name), func(t *testing.T) {
			n.t = t
			n.run(r, first, second)
		})
		if t.Failed() {
			t.Logf("again: make chaos SEED=%d RUNS=1", seed+i)
			return
		}
	}
}

func (n *nemesis) run(r *rand.Rand, first, second harm) {
	wait := func(most int) { lasts(time.Duration(50+r.IntN(most)) * time.Millisecond) }
	f := n.traffic(n.t, faultCards, n.nodes...)
	f.flows(n.t, resumeWithin, n.nodes...)
	wait(300)
	heal := first.begin(n, 0)
	wait(800)
	healSecond := second.begin(n, 1)
	wait(1500)
	healSecond()
	wait(300)
	heal()
	healed := time.Now()
	g := n.traffic(n.t, faultCards, n.nodes...)
	g.flows(n.t, resumeWithin, n.nodes...)
	n.t.Logf("healed after %v", time.Since(healed).Round(time.Millisecond))
	outcomes := append(f.end(), g.end()...)
	if !first.slows && !second.slows {
		inTime(n.t, outcomes)
	}
	n.all = append(append(n.all, outcomes...), n.askAgain(outcomes)...)
	n.all = append(n.all, n.useEach(faultCards)...)
	n.audit(n.t, n.store, n.all, false)
}

// askAgain repeats all that was not approved: what a dead node has left is told, what was taken back stays declined.
func (n *nemesis) askAgain(outcomes []outcome) (answers []outcome) {
	n.t.Helper()
	const links = 16
	codes := map[string]int{}
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i := range links {
		w := n.dial(n.t, n.nodes[0])
		wg.Go(func() {
			for j := i; j < len(outcomes); j += links {
				if o := outcomes[j]; !o.approved() {
					o.answer, o.node, o.body = w.must(n.t, n.again(o.asked)), n.nodes[0], nil
					mu.Lock()
					codes[o.code]++
					answers = append(answers, o)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	n.t.Logf("asked again: %v", codes)
	return answers
}

// again makes the repeat of a request.
func (n *nemesis) again(asked []byte) []byte {
	m, err := n.dialect.Decode(asked)
	if err != nil {
		n.t.Error(err)
		return nil
	}
	m.SetMTI("0101")
	body, err := m.Append(nil)
	if err != nil {
		n.t.Error(err)
	}
	return body
}

// useEach pays once with every card. A cache that was emptied may have been taught a balance that was read just before
// a commit; it is wrong until the balance is used, and no longer.
func (n *nemesis) useEach(cards int) (outcomes []outcome) {
	n.t.Helper()
	w := n.dial(n.t, n.nodes[1])
	for card := range cards {
		number, err := loadCard(card)
		if err != nil {
			n.t.Fatal(err)
		}
		p := n.payment(number, 100)
		o := outcome{node: n.nodes[1], answer: w.must(n.t, n.message(n.t, p, "0100"))}
		if !o.approved() {
			n.t.Errorf("RRN %s is answered %s after everything has healed", p.rrn, o.code)
		}
		outcomes = append(outcomes, o)
	}
	return outcomes
}

func chaosNumber(t *testing.T, name string, usual uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	number, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s is no number", name)
	}
	return number
}
