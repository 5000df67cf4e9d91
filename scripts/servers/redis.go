package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// redisSettings: a cache that keeps nothing, and that refuses rather than forgets.
const redisSettings = `
bind 127.0.0.1
port %d
unixsocket "%s"
unixsocketperm 700
requirepass %s
daemonize yes
pidfile "%s"
logfile "%s"
dir "%s"
save ""
appendonly no
maxmemory 1gb
maxmemory-policy noeviction
`

const redisWait = 10 * time.Second

// redis makes sure that the server runs and returns its addresses.
func (f *folder) redis() ([]string, error) {
	password, err := f.secret("redis.password")
	if err != nil {
		return nil, err
	}
	socket := ""
	if f.sockets() != "" {
		socket = f.path("redis.sock")
	}
	port, err := f.redisPort()
	if err != nil || f.redisSays(port, "PING") != nil {
		if port, err = freePort(); err != nil {
			return nil, err
		}
		config := fmt.Sprintf(redisSettings, port, socket, password, f.path("redis.pid"), f.path("redis.log"), f.data)
		if err := f.write("redis.conf", config); err != nil {
			return nil, err
		}
		if err := f.exec("redis-server", f.path("redis.conf")); err != nil {
			return nil, err
		}
		if err := f.awaitRedis(port); err != nil {
			return nil, err
		}
		if err := f.write("redis.port", strconv.Itoa(port)); err != nil {
			return nil, err
		}
	}
	// The user is named, since redis-cli takes an empty one for another.
	address := url.URL{Scheme: "redis", User: url.UserPassword("default", password), Path: "/0",
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	env := []string{"HOLDFAST_TEST_REDIS=" + address.String()}
	if socket != "" {
		address = url.URL{Scheme: "unix", User: url.UserPassword("default", password), Path: socket}
		env = append(env, "HOLDFAST_TEST_REDIS_SOCKET="+address.String())
	}
	return env, nil
}

func (f *folder) redisPort() (int, error) {
	text, err := os.ReadFile(f.path("redis.port"))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(text))
}

// awaitRedis asks until the server answers, as it does a few milliseconds after its start.
func (f *folder) awaitRedis(port int) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(redisWait); ; <-tick.C {
		err := f.redisSays(port, "PING")
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// stopRedis says it to the server that takes our password: no process id can be mistaken.
func (f *folder) stopRedis() error {
	port, err := f.redisPort()
	if err != nil || f.redisSays(port, "PING") != nil {
		return nil // never started, or gone
	}
	if err := f.redisSays(port, "SHUTDOWN NOSAVE"); !errors.Is(err, io.EOF) {
		return fmt.Errorf("stop Redis: %w", err)
	}
	return os.Remove(f.path("redis.port"))
}

// redisSays gives the server one inline command after the password.
func (f *folder) redisSays(port int, command string) error {
	password, err := f.secret("redis.password")
	if err != nil {
		return err
	}
	conn, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(redisWait)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "AUTH %s\r\n%s\r\n", password, command); err != nil {
		return err
	}
	replies := bufio.NewReader(conn)
	for range 2 {
		reply, err := replies.ReadString('\n')
		if err != nil {
			return err
		}
		if strings.HasPrefix(reply, "-") {
			return errors.New(strings.TrimSpace(reply[1:]))
		}
	}
	return nil
}
