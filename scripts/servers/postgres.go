package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const postgresOldest = 15

// postgresSettings keep every promise of durability and take the known stalls
// away: a new segment of the log is zero-filled and synced inside a commit, so
// old ones are kept and recycled, and checkpoints are rare and spread.
const postgresSettings = `
listen_addresses = '127.0.0.1'
unix_socket_directories = '%s'
port = %d
max_connections = 200
shared_buffers = 256MB
fsync = on
synchronous_commit = on
full_page_writes = on
wal_init_zero = off
min_wal_size = 1GB
max_wal_size = 2GB
wal_buffers = 16MB
checkpoint_timeout = 15min
checkpoint_completion_target = 0.9
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
`

// postgres makes sure that the server runs and returns its addresses.
func (f *folder) postgres() ([]string, error) {
	bin, err := postgresPrograms()
	if err != nil {
		return nil, err
	}
	password, err := f.secret("postgres.password")
	if err != nil {
		return nil, err
	}
	data := f.path("postgres")
	if !f.postgresRuns(bin) {
		if err := f.initdb(bin); err != nil {
			return nil, err
		}
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		if err := f.write("postgres/conf.d/holdfast.conf", fmt.Sprintf(postgresSettings, f.sockets(), port)); err != nil {
			return nil, err
		}
		if err := f.exec(filepath.Join(bin, "pg_ctl"), "start", "--wait", "--timeout=60", "--silent",
			"--pgdata="+data, "--log="+f.path("postgres.log")); err != nil {
			return nil, err
		}
	}
	// The fourth line of the pid file is the port, also of a server that ran before.
	pid, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	lines := strings.Split(string(pid), "\n")
	if err != nil || len(lines) < 5 {
		return nil, fmt.Errorf("read its port: %d lines, %w", len(lines), err)
	}
	address := url.URL{Scheme: "postgres", User: url.UserPassword("holdfast", password), Host: "127.0.0.1:" + lines[3], Path: "/postgres"}
	env := []string{"HOLDFAST_TEST_POSTGRES=" + address.String() + "?sslmode=disable"}
	if f.sockets() != "" {
		address.Host, address.RawQuery = "", url.Values{"host": {f.sockets()}, "port": {lines[3]}}.Encode()
		env = append(env, "HOLDFAST_TEST_POSTGRES_SOCKET="+address.String())
	}
	return env, nil
}

// initdb makes the cluster once. A folder without PG_VERSION is a rest of a try that failed.
func (f *folder) initdb(bin string) error {
	data := f.path("postgres")
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); err == nil {
		return nil
	}
	if err := os.RemoveAll(data); err != nil {
		return err
	}
	if err := f.exec(filepath.Join(bin, "initdb"), "--pgdata="+data, "--username=holdfast", "--encoding=UTF8", "--locale=C",
		"--auth=scram-sha-256", "--pwfile="+f.path("postgres.password")); err != nil {
		return err
	}
	if err := f.exec("mkdir", filepath.Join(data, "conf.d")); err != nil {
		return err
	}
	config, err := os.ReadFile(filepath.Join(data, "postgresql.conf"))
	if err != nil {
		return err
	}
	return f.write("postgres/postgresql.conf", string(config)+"\ninclude_dir 'conf.d'\n")
}

// postgresRuns asks pg_ctl, which knows a stale pid file from a living server, but not from one that was
// killed and that nobody waited for, as in a container without init. That one's pid file is removed.
func (f *folder) postgresRuns(bin string) bool {
	if f.exec(filepath.Join(bin, "pg_ctl"), "status", "--pgdata="+f.path("postgres")) != nil {
		return false
	}
	file := filepath.Join(f.path("postgres"), "postmaster.pid")
	lines, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	pid, _, _ := strings.Cut(string(lines), "\n")
	state, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil || !strings.Contains(string(state), ") Z ") {
		return true // alive, or a system that does not tell
	}
	return os.Remove(file) != nil
}

func (f *folder) stopPostgres() error {
	if _, err := os.Stat(filepath.Join(f.path("postgres"), "postmaster.pid")); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	bin, err := postgresPrograms()
	if err != nil {
		return err
	}
	if !f.postgresRuns(bin) {
		return nil
	}
	return f.exec(filepath.Join(bin, "pg_ctl"), "stop", "--mode=fast", "--wait", "--silent", "--pgdata="+f.path("postgres"))
}

// postgresPrograms is the folder of initdb and pg_ctl: of the newest version that
// Debian has put beside each other, else where PATH finds them.
func postgresPrograms() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	version := func(program string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(program)))) // 0 is too old
		return n
	}
	slices.SortFunc(found, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	if len(found) > 0 {
		if version(found[0]) < postgresOldest {
			return "", fmt.Errorf("version %d is older than %d", version(found[0]), postgresOldest)
		}
		return filepath.Dir(found[0]), nil
	}
	program, err := exec.LookPath("initdb")
	if err != nil {
		return "", err
	}
	return filepath.Dir(program), nil
}
