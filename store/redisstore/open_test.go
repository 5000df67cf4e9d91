package redisstore_test

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"holdfast/store/redisstore"
)

func TestOpenRefusesARedisThatMayEvict(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string][]string{
		"asked":  {"--maxmemory-policy", "allkeys-lru"},
		"denied": {"--maxmemory-policy", "volatile-ttl", "--rename-command", "CONFIG", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startRedis(t, settings...)
			refused(t, s.Config, settings[1])
		})
	}
	t.Run("denied and right", func(t *testing.T) {
		t.Parallel()
		s := startRedis(t, "--rename-command", "CONFIG", "")
		desk{open(t, s.Config), t}.teach(1, 1, 1)
	})
}

func refused(t *testing.T, cfg redisstore.Config, want string) {
	t.Helper()
	h, err := redisstore.Open(t.Context(), cfg)
	if err == nil {
		_ = h.Close()
		t.Fatal("opened, want an error")
	}
	if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q, want one line with %q", err, want)
	}
}

func TestOpenRefusesAnOldRedis(t *testing.T) {
	t.Parallel()
	refused(t, redisstore.Config{Addrs: []string{startOld(t)}}, "6.2.14")
}

// startOld answers like a Redis 6.2 as far as Open asks.
func startOld(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = conn.Close() }()
				const info = "# Server\r\nredis_version:6.2.14\r\n"
				for r := bufio.NewReader(conn); ; {
					command, err := readCommand(r)
					if err != nil {
						return
					}
					reply := "-ERR unknown command\r\n"
					if strings.EqualFold(command, "info") {
						reply = fmt.Sprintf("$%d\r\n%s\r\n", len(info), info)
					}
					if _, err := conn.Write([]byte(reply)); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return l.Addr().String()
}

// readCommand returns the name of the next command.
func readCommand(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	n, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, "*")))
	if err != nil {
		return "", err
	}
	name := ""
	for i := range n {
		if _, err := r.ReadString('\n'); err != nil {
			return "", err
		}
		word, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		if i == 0 {
			name = strings.TrimSpace(word)
		}
	}
	return name, nil
}

func TestOpenRefusesAPrefixThatBreaksTheHashTag(t *testing.T) {
	t.Parallel()
	refused(t, redisstore.Config{Addrs: []string{"127.0.0.1:1"}, Prefix: "a{b}"}, "hash tag")
	refused(t, redisstore.Config{}, "no address")
}

// A wrong password is an error of the start, with no password in it.
func TestOpenWithAWrongPassword(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	if err := client(t, s.Config).ConfigSet(t.Context(), "requirepass", "right").Err(); err != nil {
		t.Fatal(err)
	}
	cfg := s.Config
	cfg.Password = "planted-secret"
	refused(t, cfg, "WRONGPASS")
	if h, err := redisstore.Open(t.Context(), cfg); err == nil {
		_ = h.Close()
	} else if strings.Contains(err.Error(), cfg.Password) {
		t.Errorf("the error tells the password: %v", err)
	}
}
