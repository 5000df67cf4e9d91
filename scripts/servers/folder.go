package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	random "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// socketPathMax is what the kernel takes as the name of a Unix socket, with room
// for the longest name that a server gives to one.
const socketPathMax = 107 - len("/.s.PGSQL.65535.lock")

// own makes the data folder and decides who the servers run as.
func (f *folder) own() error {
	f.data = filepath.Join(f.top, "servers")
	if os.Geteuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			return fmt.Errorf("find the user that servers of root run as: %w", err)
		}
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(errUID, errGID); err != nil {
			return err
		}
		f.owner = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if exec.Command("setpriv", "--reuid="+u.Uid, "--clear-groups", "test", "-x", f.top).Run() != nil {
			// A home of root's hides what is in it: then the data goes where others may go.
			f.data = filepath.Join("/var/tmp", "holdfast-"+strings.Trim(strings.ReplaceAll(f.top, "/", "-"), "-"))
		}
	}
	if err := os.Mkdir(f.data, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if f.owner == nil {
		return nil
	}
	return os.Chown(f.data, int(f.owner.Uid), int(f.owner.Gid))
}

func (f *folder) path(name string) string { return filepath.Join(f.data, name) }

// exec runs a program as the servers' user and returns what it said when it fails.
func (f *folder) exec(program string, args ...string) error {
	cmd := exec.Command(program, args...)
	cmd.Dir = f.data
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: f.owner, Setpgid: true}
	// A file and no pipe: a server that it leaves behind would hold the pipe open.
	out, err := os.CreateTemp("", "servers-")
	if err != nil {
		return err
	}
	defer func() { _ = errors.Join(out.Close(), os.Remove(out.Name())) }()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		said, _ := os.ReadFile(out.Name())
		return fmt.Errorf("%s: %w\n%s", filepath.Base(program), err, said)
	}
	return nil
}

// write puts a file into the data folder that only the servers' user may read.
func (f *folder) write(name, text string) error {
	if err := os.WriteFile(f.path(name), []byte(text), 0o600); err != nil {
		return err
	}
	if f.owner == nil {
		return nil
	}
	return os.Chown(f.path(name), int(f.owner.Uid), int(f.owner.Gid))
}

// sockets is the folder of the Unix sockets, empty when its name is too long.
func (f *folder) sockets() string {
	if len(f.data) > socketPathMax {
		return ""
	}
	return f.data
}

// secret returns the password in the named file, and makes one the first time.
func (f *folder) secret(name string) (string, error) {
	text, err := os.ReadFile(f.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		text = []byte(rand.Text())
		err = f.write(name, string(text))
	}
	return strings.TrimSpace(string(text)), err
}

// freePort finds one below those that the kernel gives to whoever asks for any, as
// tests do all the time. Should another program take it before the server does, the
// server does not start, and up is said again.
func freePort() (int, error) {
	const tries = 100
	for range tries {
		port := 20_000 + random.IntN(10_000)
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("%d ports were tried, and none is free", tries)
}
