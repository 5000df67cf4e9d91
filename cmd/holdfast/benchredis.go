package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// redisAdmin is one plain connection to a Redis server, for what the switch itself never asks: how much processor
// time it used, and to remove the keys of a measurement.
type redisAdmin struct {
	conn    net.Conn
	replies *bufio.Reader
}

const (
	redisAdminTimeout = 10 * time.Second
	redisBulkMax      = 1 << 20 // what INFO says is a few KiB
)

// errRedisReply says that the server speaks another protocol.
var errRedisReply = errors.New("redis: the reply has an unknown form")

func dialRedisAdmin(ctx context.Context, c redisConfig) (*redisAdmin, error) {
	network := "tcp"
	if strings.HasPrefix(c.Addresses[0], "/") {
		network = "unix"
	}
	conn, err := (&net.Dialer{Timeout: redisAdminTimeout}).DialContext(ctx, network, c.Addresses[0])
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	a := &redisAdmin{conn, bufio.NewReader(conn)}
	if c.Password != "" {
		auth := []string{"AUTH", c.Password}
		if c.Username != "" {
			auth = []string{"AUTH", c.Username, c.Password}
		}
		if _, err := a.do(auth...); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return a, nil
}

// do sends a command and returns the strings of its reply, whatever their nesting.
func (a *redisAdmin) do(args ...string) ([]string, error) {
	if err := a.conn.SetDeadline(time.Now().Add(redisAdminTimeout)); err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, arg := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(arg), arg)
	}
	if _, err := io.WriteString(a.conn, b.String()); err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	reply, err := a.read(nil)
	if err != nil {
		return nil, fmt.Errorf("redis: %s: %w", args[0], err)
	}
	return reply, nil
}

func (a *redisAdmin) read(into []string) ([]string, error) {
	line, err := a.replies.ReadString('\n')
	if err != nil {
		return nil, err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return nil, errRedisReply
	}
	kind, rest := line[0], line[1:]
	switch kind {
	case '+', ':':
		return append(into, rest), nil
	case '-':
		return nil, errors.New(rest)
	}
	n, err := strconv.Atoi(rest)
	if err != nil || n > redisBulkMax || kind != '$' && kind != '*' {
		return nil, errRedisReply
	}
	if kind == '*' {
		for range n {
			if into, err = a.read(into); err != nil {
				return nil, err
			}
		}
		return into, nil
	}
	bulk := make([]byte, max(0, n)+len("\r\n"))
	if n < 0 { // there is none
		return append(into, ""), nil
	}
	if _, err := io.ReadFull(a.replies, bulk); err != nil {
		return nil, err
	}
	return append(into, string(bulk[:n])), nil
}

// cpu is the processor time of the server with all its threads.
func (a *redisAdmin) cpu() (time.Duration, error) {
	reply, err := a.do("INFO", "cpu")
	if err != nil {
		return 0, err
	}
	var sum float64
	for line := range strings.Lines(strings.Join(reply, "\n")) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_user" || name == "used_cpu_sys" {
			seconds, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return 0, errRedisReply
			}
			sum += seconds
		}
	}
	return time.Duration(sum * float64(time.Second)), nil
}

// remove deletes every key that begins with the prefix, which has no characters of a pattern.
func (a *redisAdmin) remove(prefix string) error {
	for cursor := "0"; ; {
		reply, err := a.do("SCAN", cursor, "MATCH", prefix+"*", "COUNT", "1000")
		switch {
		case err != nil:
			return err
		case len(reply) == 0:
			return errRedisReply
		}
		if len(reply) > 1 {
			if _, err := a.do(append([]string{"UNLINK"}, reply[1:]...)...); err != nil {
				return err
			}
		}
		if cursor = reply[0]; cursor == "0" {
			return nil
		}
	}
}

func (a *redisAdmin) close() error { return a.conn.Close() }
