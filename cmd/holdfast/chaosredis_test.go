//go:build faults

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// frontDoor is an address behind which one server stands or another, as behind a virtual address.
type frontDoor struct {
	net.Listener

	mu     sync.Mutex
	target string
	conns  map[net.Conn]bool
	wg     sync.WaitGroup
}

func openFrontDoor(t *testing.T, target string) *frontDoor {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &frontDoor{Listener: l, target: target, conns: map[net.Conn]bool{}}
	d.wg.Go(d.serve)
	t.Cleanup(func() {
		_ = d.Close()
		d.leadsTo("")
		d.wg.Wait()
	})
	return d
}

func (d *frontDoor) serve() {
	for {
		c, err := d.Accept()
		if err != nil {
			return
		}
		d.mu.Lock()
		target := d.target
		d.mu.Unlock()
		s, err := net.DialTimeout("tcp", target, time.Second)
		if err != nil {
			_ = c.Close()
			continue
		}
		d.mu.Lock()
		d.conns[c], d.conns[s] = true, true
		d.mu.Unlock()
		for _, way := range [][2]net.Conn{{c, s}, {s, c}} {
			d.wg.Go(func() {
				_, _ = io.Copy(way[0], way[1])
				_, _ = way[0].Close(), way[1].Close()
			})
		}
	}
}

// leadsTo puts another server behind the address, and cuts who is connected.
func (d *frontDoor) leadsTo(target string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.target = target
	for c := range d.conns {
		_ = c.Close()
	}
	clear(d.conns)
}

// startReplica starts a Redis that follows the site's.
func (s *site) startReplica(t *testing.T) redisServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close() // the server takes the port
	_, port, _ := net.SplitHostPort(address)
	host, master, _ := net.SplitHostPort(s.redis.address)
	dir := t.TempDir()
	config := filepath.Join(dir, "redis.conf")
	text := fmt.Sprintf("bind 127.0.0.1\nport %s\nsave \"\"\ndir %s\nlogfile %s\nmaxmemory-policy noeviction\nrequirepass %s\nmasterauth %s\n"+
		"replicaof %s %s\n", port, dir, filepath.Join(dir, "log"), s.redis.password, s.redis.password, host, master)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("redis-server", config)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it says that it was killed
	})
	r := redisServer{address, s.redis.password}
	eventually(t, 20*time.Second, "the replica to have caught up", func() error {
		info, err := r.say("INFO", "replication")
		if err == nil && !strings.Contains(info[0], "master_link_status:up") {
			err = errors.New("the link is down")
		}
		return err
	})
	return r
}

// A replica of Redis loses its master's link, falls behind under load, and is promoted when the master dies. What it
// still has in flight is swept, what it knows too old is corrected by the journal.
func TestChaosLaggingReplicaIsPromoted(t *testing.T) {
	t.Parallel()
	on := ownServers(t)
	master := on.redis
	direct := &site{testServers: on}
	replica := direct.startReplica(t)
	door := openFrontDoor(t, master.address)
	s := openSite(t, on, plainListener, "--cards", fmt.Sprint(faultCards))
	s.redis.address = door.Addr().String()
	nodes := []*fullNode{s.start(t, 1), s.start(t, 2)}
	n := &nemesis{site: s, top: t, t: t, nodes: nodes, store: s.open(t)}
	f := s.traffic(t, faultCards, nodes...)
	f.flows(t, resumeWithin, nodes...)
	for _, command := range [][]string{{"CONFIG", "SET", "masterauth", "wrong"}, {"CLIENT", "KILL", "TYPE", "master"}} {
		if _, err := replica.say(command...); err != nil {
			t.Fatal(err)
		}
	}
	lasts(2 * time.Second)
	var p spell
	p.from = time.Now()
	(&nemesis{site: direct, t: t}).killRedis()
	lasts(time.Second)
	if _, err := replica.say("REPLICAOF", "NO", "ONE"); err != nil {
		t.Fatal(err)
	}
	ops, err := (&site{testServers: testServers{redis: replica}, schema: s.schema}).inFlight("1")
	if err != nil {
		t.Fatal(err)
	}
	door.leadsTo(replica.address)
	p.to = time.Now()
	f.flows(t, resumeWithin, nodes...)
	p.healed = time.Now()
	outcomes := f.end()
	inTime(t, outcomes)
	p.tells(t, outcomes)
	t.Logf("%d holds that were settled long ago are in flight on the replica", len(ops))
	all := append(append(outcomes, n.askAgain(outcomes)...), n.useEach(faultCards)...)
	s.audit(t, n.store, all, false)
}

// tongue is a connection to Redis that stays.
type tongue struct {
	net.Conn
}

func (r redisServer) tongue(t *testing.T) tongue {
	t.Helper()
	c, err := net.DialTimeout("tcp", r.address, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	tg := tongue{c}
	tg.say(t, "AUTH", r.password)
	return tg
}

func (g tongue) say(t *testing.T, words ...string) {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(word), word)
	}
	reply := make([]byte, 1024)
	_, err := g.Write(b.Bytes())
	if err == nil {
		_, err = g.Read(reply)
	}
	if err != nil || reply[0] == '-' {
		t.Fatalf("%s: %v %.80s", words[0], err, reply)
	}
}

// Redis, then PostgreSQL, takes no connection more, and the nodes lose those that they have. Nothing can be approved,
// everything is answered, and it goes on by itself when there is room again.
func TestChaosConnectionLimits(t *testing.T) {
	t.Parallel()
	s := openSite(t, ownServers(t), plainListener, "--cards", fmt.Sprint(faultCards))
	s.limitedRole(t)
	nodes, store := []*fullNode{s.start(t, 1), s.start(t, 2)}, s.open(t)
	var all []outcome
	t.Run("Redis", func(t *testing.T) {
		mine := s.redis.tongue(t)
		var p spell
		outcomes := s.fault(t, nodes, store, &all, func(f *traffic) {
			mine.say(t, "CONFIG", "SET", "maxclients", "1")
			mine.say(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
			p.from = time.Now()
			lasts(3 * time.Second)
			p.to = time.Now()
			mine.say(t, "CONFIG", "SET", "maxclients", "10000")
			f.flows(t, resumeWithin, nodes...)
			p.healed = time.Now()
		})
		refusedBetween(t, outcomes, p.from.Add(fullSlack/2), p.to)
		p.tells(t, outcomes)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		var p spell
		outcomes := s.fault(t, nodes, store, &all, func(f *traffic) {
			s.sql(t, "ALTER ROLE limited CONNECTION LIMIT 0")
			s.sql(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'limited'")
			p.from = time.Now()
			lasts(3 * time.Second)
			p.to = time.Now()
			s.sql(t, "ALTER ROLE limited CONNECTION LIMIT -1")
			f.flows(t, resumeWithin, nodes...)
			p.healed = time.Now()
		})
		refusedBetween(t, outcomes, p.from.Add(fullSlack/2), p.to)
		p.tells(t, outcomes)
	})
}

// limitedRole makes a role for the nodes whose connections can be limited, as those of an owner of everything cannot.
func (s *site) limitedRole(t *testing.T) {
	t.Helper()
	s.sql(t, "CREATE ROLE limited LOGIN PASSWORD 'limited' IN ROLE holdfast_service")
	u, err := url.Parse(s.postgres)
	if err != nil {
		t.Fatal("the address of PostgreSQL is not a URL")
	}
	u.User = url.UserPassword("limited", "limited")
	s.login = u.String()
}
