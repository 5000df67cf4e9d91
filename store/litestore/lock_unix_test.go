//go:build unix

package litestore_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"holdfast/store/litestore"
)

const strangerEnv = "HOLDFAST_TEST_STRANGER"

// Another program that closes the file must see that it is not the last to have it: else it removes the log, and
// what is committed afterwards is in a file without a name. SQLite says so by a shared lock on 510 bytes from
// 0x40000002 (its file format), and a process is only shown the locks of others.
func TestOpenFileShowsItsLock(t *testing.T) {
	if path := os.Getenv(strangerEnv); path != "" {
		lookForLock(t, path)
		return
	}
	path := filepath.Join(t.TempDir(), "holdfast.db")
	s, err := litestore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	stranger := exec.Command(os.Args[0], "-test.run=^TestOpenFileShowsItsLock$")
	stranger.Env = append(os.Environ(), strangerEnv+"="+path)
	if out, err := stranger.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func lookForLock(t *testing.T, path string) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart, Start: 0x40000002, Len: 510}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &lock); err != nil {
		t.Fatal(err)
	}
	if lock.Type == syscall.F_UNLCK {
		t.Fatal("the open file shows no lock")
	}
}
