package redisstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"holdfast/store/redisstore"
)

// server is a Redis that one test owns, and may stop and damage.
type server struct {
	redisstore.Config
	socket  string
	port    int
	process *os.Process
}

// startRedis runs redis-server with more settings, given as it takes them: "--name", "value".
func startRedis(t testing.TB, settings ...string) *server {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		without(t, "redis-server")
	}
	dir := t.TempDir()
	s := &server{port: freePort(t), socket: filepath.Join(dir, "s")}
	s.Addrs = []string{net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))}
	cmd := exec.Command(program, append([]string{"--bind", "127.0.0.1", "--port", strconv.Itoa(s.port), "--unixsocket", s.socket,
		"--save", "", "--dir", dir, "--logfile", filepath.Join(dir, "log"), "--maxmemory-policy", "noeviction"}, settings...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.process = cmd.Process
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it says that it was killed
	})
	await(t, "redis-server to answer", func(ctx context.Context) error { return client(t, s.Config).Ping(ctx).Err() })
	return s
}

// signal goes to the server of the test and to no other process.
func (s *server) signal(t testing.TB, what syscall.Signal) {
	t.Helper()
	if err := s.process.Signal(what); err != nil {
		t.Fatal(err)
	}
}

// runs counts how often scripts were begun, as the server counts them.
func (s *server) runs(t testing.TB) int {
	t.Helper()
	stats, err := client(t, s.Config).InfoMap(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, name := range []string{"cmdstat_eval", "cmdstat_evalsha"} {
		var calls, rejected, failed int
		if line := stats["Commandstats"][name]; line != "" {
			_, _ = fmt.Sscanf(line, "calls=%d", &calls)
			_, _ = fmt.Sscanf(line[len(line)-len(lastOf(line)):], "rejected_calls=%d,failed_calls=%d", &rejected, &failed)
		}
		total += calls - failed
	}
	return total
}

// lastOf is the part of a line of statistics that begins with rejected_calls.
func lastOf(line string) string {
	for i := range line {
		if rest := line[i:]; len(rest) > 8 && rest[:8] == "rejected" {
			return rest
		}
	}
	return ""
}

func await(t testing.TB, what string, try func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited for %s: %v", what, err)
		}
	}
}

var ports atomic.Int64

func init() { ports.Store(rand.Int64N(portsMost)) }

// The ports of servers are below those that systems give away by themselves: nobody takes one between freePort and the
// start of its server.
const (
	portsFrom = 20_000
	portsMost = 12_000
)

func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := portsFrom + int(ports.Add(1)%portsMost)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue // somebody has it
		}
		_ = l.Close()
		return port
	}
	t.Fatal("no port is free")
	return 0
}
