// The servers command starts and stops a private PostgreSQL and a private Redis,
// for scripts/up and scripts/down. They listen on free ports of the loopback and
// on Unix sockets, with passwords of their own, and run as the user postgres when
// root starts them, since PostgreSQL refuses root. fsync stays on: a test of
// durability and a measurement are worth nothing without it.
//
// The folder, .run or what HOLDFAST_RUN names, belongs to the servers: env holds
// the addresses, lock keeps two commands apart.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "servers:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: servers up | down [--remove]")

func run(args []string) error {
	f, err := openFolder(os.Getenv("HOLDFAST_RUN"))
	if err != nil {
		return err
	}
	defer f.close()
	switch strings.Join(args, " ") {
	case "up":
		return up(f)
	case "down":
		return down(f)
	case "down --remove":
		return errors.Join(down(f), f.remove())
	}
	return errUsage
}

// up starts what does not run yet, and prints the environment.
func up(f *folder) error {
	database, err := f.postgres()
	if err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	cache, err := f.redis()
	if err != nil {
		return fmt.Errorf("start Redis: %w", err)
	}
	env := append(database, cache...)
	text := strings.Join(env, "\n") + "\n"
	if err := os.WriteFile(filepath.Join(f.top, "env"), []byte(text), 0o600); err != nil {
		return err
	}
	fmt.Print(text)
	return nil
}

// down stops both, the second even when the first does not stop.
func down(f *folder) error {
	return errors.Join(f.stopPostgres(), f.stopRedis())
}

// folder is where the servers live: top is ours, data and sockets are theirs.
type folder struct {
	top   string // holds env and lock
	data  string // owned by the user of the servers
	owner *syscall.Credential
	lock  *os.File
}

func openFolder(name string) (*folder, error) {
	if name == "" {
		name = ".run"
	}
	top, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(top, 0o755); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(top, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", top, err), lock.Close())
	}
	f := &folder{top: top, lock: lock}
	if err := f.own(); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *folder) close() { _ = f.lock.Close() } // gives up the lock too

func (f *folder) remove() error {
	return errors.Join(os.RemoveAll(f.data), os.RemoveAll(f.top))
}
