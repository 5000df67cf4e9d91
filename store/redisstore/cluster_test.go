package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"holdfast/authz"
	"holdfast/store/redisstore"
	"holdfast/store/storetest"
)

// cluster is three masters without replicas. Each tells its clients the address of the proxy before it.
type cluster struct {
	nodes   []*server
	proxies []*proxy
}

const slots = 16384

func startCluster(t testing.TB) *cluster {
	t.Helper()
	c := &cluster{}
	ctx := t.Context()
	for i := range 3 {
		p := startProxy(t, "")
		_, announced, _ := net.SplitHostPort(p.address)
		bus := freePort(t)
		s := startRedis(t, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus),
			"--cluster-announce-ip", "127.0.0.1", "--cluster-announce-port", announced)
		p.server = s.Addrs[0]
		c.nodes, c.proxies = append(c.nodes, s), append(c.proxies, p)
		node := client(t, s.Config)
		for _, do := range [][]any{
			{"CLUSTER", "SET-CONFIG-EPOCH", i + 1},
			{"CLUSTER", "ADDSLOTSRANGE", i * slots / 3, (i+1)*slots/3 - 1},
		} {
			if err := node.Do(ctx, do...).Err(); err != nil {
				t.Fatal(err)
			}
		}
		if i == 0 {
			continue
		}
		if err := client(t, c.nodes[0].Config).Do(ctx, "CLUSTER", "MEET", "127.0.0.1", s.port, bus).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range c.nodes {
		node := client(t, s.Config)
		await(t, "the cluster to form", func(ctx context.Context) error {
			info, err := node.ClusterInfo(ctx).Result()
			if err == nil && (!strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_size:3")) {
				err = errors.New(info)
			}
			return err
		})
	}
	return c
}

func (c *cluster) config() redisstore.Config {
	return redisstore.Config{Addrs: []string{c.proxies[0].address}, Cluster: true}
}

// moved gives the suite's one partner another number, so that each test meets another node.
type moved struct {
	*redisstore.Holds
	by authz.PartnerID
}

func (m moved) Place(ctx context.Context, p authz.PartnerID, batch []*authz.Hold) error {
	return m.Holds.Place(ctx, p+m.by, batch)
}

func (m moved) Settle(ctx context.Context, p authz.PartnerID, ended []*authz.Hold, truth []authz.Balance) error {
	return m.Holds.Settle(ctx, p+m.by, ended, truth)
}

func (m moved) Refresh(ctx context.Context, p authz.PartnerID, truth []authz.Balance) error {
	return m.Holds.Refresh(ctx, p+m.by, truth)
}

func TestCluster(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	var partners atomic.Int64
	t.Run("conformance", func(t *testing.T) {
		storetest.Holds(t, func(t testing.TB) authz.Holds {
			return moved{open(t, c.config()), authz.PartnerID(partners.Add(1))}
		})
	})
	for i, s := range c.nodes {
		if n, err := client(t, s.Config).DBSize(t.Context()).Result(); err != nil || n == 0 {
			t.Errorf("node %d has %d keys, %v: the partners are not spread", i, n, err)
		}
	}
	t.Run("a lost reply runs once", c.losesReplies)
	t.Run("a slot that moved is followed", c.movesSlot)
	t.Run("the sweeper visits every node", c.sweeps)
}

func (c *cluster) losesReplies(t *testing.T) {
	d := desk{open(t, c.config()), t}
	d.teach(1, 100, 100)
	d.left(100, 100)
	runs := func() (n int) {
		for _, s := range c.nodes {
			n += s.runs(t)
		}
		return n
	}
	before := runs()
	for _, p := range c.proxies {
		p.plan.Store(loseReply)
	}
	err := d.Place(t.Context(), lane, []*authz.Hold{hold(1, 10)})
	lost := 0
	for _, p := range c.proxies {
		if p.plan.Swap(forward) == forward {
			lost++
		}
	}
	if !errors.Is(err, authz.ErrUnknown) || lost != 1 || runs()-before != 1 {
		t.Fatalf("error %v after %d lost replies and %d runs; want unknown after one each", err, lost, runs()-before)
	}
	d.left(100, 100)
}

func (c *cluster) movesSlot(t *testing.T) {
	cfg := c.config()
	cfg.Prefix = newPrefix()
	d := desk{open(t, cfg), t}
	first := client(t, c.nodes[0].Config)
	slot, err := first.ClusterKeySlot(t.Context(), cfg.Prefix+"{p4711}:b").Result()
	if err != nil {
		t.Fatal(err)
	}
	d.unknownTo(4711) // the client has its map now
	owner := int(slot) * 3 / slots
	target := client(t, c.nodes[(owner+1)%3].Config)
	id, err := target.ClusterMyID(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*redis.Client{target, client(t, c.nodes[owner].Config)} {
		if err := s.Do(t.Context(), "CLUSTER", "SETSLOT", slot, "NODE", id).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Settle(t.Context(), 4711, nil, []authz.Balance{{ID: user, Available: 100, Version: 1}}); err != nil {
		t.Fatal(err)
	}
	h := &authz.Hold{Op: 1, Balance: user, Amount: 60}
	if err := d.Place(t.Context(), 4711, []*authz.Hold{h}); err != nil || h.Result != authz.HoldPlaced {
		t.Fatalf("result %d, %v; want placed", h.Result, err)
	}
	if n, err := target.Exists(t.Context(), cfg.Prefix+"{p4711}:b").Result(); err != nil || n != 1 {
		t.Errorf("the new owner of the slot has %d of the key, %v", n, err)
	}
}

// unknownTo asks for balances that the cache does not have.
func (d desk) unknownTo(partner authz.PartnerID) {
	d.t.Helper()
	h := hold(1, 0)
	if err := d.Place(d.t.Context(), partner, []*authz.Hold{h}); err != nil || h.Result != authz.HoldUnknown {
		d.t.Fatalf("result %d, %v; want unknown", h.Result, err)
	}
}

func (c *cluster) sweeps(t *testing.T) {
	cfg := c.config()
	cfg.Prefix = newPrefix()
	h := open(t, cfg)
	const partners = 12
	for p := authz.PartnerID(1); p <= partners; p++ {
		if err := h.Settle(t.Context(), p, nil, []authz.Balance{{ID: user, Available: 100, Version: 1}}); err != nil {
			t.Fatal(err)
		}
		if err := h.Place(t.Context(), p, []*authz.Hold{{Op: 1, Balance: user, Amount: 1}}); err != nil {
			t.Fatal(err)
		}
	}
	n, err := h.Sweep(t.Context(), nil, authz.ID(1<<40).Time(), func(_ context.Context, _ authz.PartnerID, held []*authz.Hold) ([]*authz.Hold, []authz.Balance, error) {
		return held, nil, nil
	})
	if err != nil || n != partners {
		t.Errorf("ended %d, %v; want %d", n, err, partners)
	}
}

// startSentinel watches a server as "holds", and returns what its clients need.
func startSentinel(t testing.TB, s *server, settings string) redisstore.Config {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal(err)
	}
	dir, port := t.TempDir(), freePort(t)
	config := fmt.Sprintf("bind 127.0.0.1\nport %d\ndir \"%s\"\nlogfile \"%s\"\nsentinel monitor holds 127.0.0.1 %d 1\n%s",
		port, dir, filepath.Join(dir, "log"), s.port, settings)
	file := filepath.Join(dir, "sentinel.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, file, "--sentinel")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it says that it was killed
	})
	sentinel := redisstore.Config{Addrs: []string{net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}}
	await(t, "the sentinel to answer", func(ctx context.Context) error { return client(t, sentinel).Ping(ctx).Err() })
	sentinel.MasterName = "holds"
	return sentinel
}

func TestSentinel(t *testing.T) {
	t.Parallel()
	sentinel := startSentinel(t, startRedis(t), "")
	t.Run("conformance", func(t *testing.T) {
		storetest.Holds(t, func(t testing.TB) authz.Holds { return open(t, sentinel) })
	})
}
