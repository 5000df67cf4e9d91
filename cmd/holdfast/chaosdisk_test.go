//go:build faults

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// smallDisk mounts a file system of its own on dir, or skips where that is not permitted. It is gone before the
// folder is removed.
func smallDisk(t *testing.T, dir string, mebibytes int) {
	t.Helper()
	if err := syscall.Mount("holdfast-test", dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0777", mebibytes)); err != nil {
		t.Skipf("a small disk cannot be mounted, which needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// fillUp takes what is left of the disk of dir; the end gives it back.
func fillUp(t *testing.T, dir string) (end func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size > 0; {
		if _, err = f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	if err := errors.Join(err, f.Close()); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

// harmCalls has system calls of processes, and of those that they start, delayed or failed, as strace says it. It
// skips where that is not permitted.
func harmCalls(t *testing.T, pids []int, calls, how string) (end func()) {
	t.Helper()
	args := []string{"-f", "-qq", "-o", "/dev/null", "-e", "trace=" + calls, "-e", "inject=" + calls + ":" + how}
	for _, pid := range pids {
		args = append(args, "-p", fmt.Sprint(pid))
	}
	cmd := exec.Command("strace", args...)
	if err := cmd.Start(); errors.Is(err, exec.ErrNotFound) {
		t.Skip("strace is missing")
	} else if err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	// owned by end, which waits for it
	go func() { _ = cmd.Wait(); close(gone) }()
	eventually(t, 20*time.Second, "strace to hold the processes", func() error {
		for _, pid := range pids {
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			if err == nil && strings.Contains(string(status), "TracerPid:\t0\n") {
				return fmt.Errorf("not process %d", pid)
			}
		}
		return nil
	})
	return func() {
		select {
		case <-gone: // with the last of the processes
		default:
			_ = cmd.Process.Signal(syscall.SIGTERM)
			<-gone
		}
	}
}

// spell is what happened while a fault lasted.
type spell struct{ from, to, healed time.Time }

// tells logs how much was approved and answered during the fault, and when approvals flowed again.
func (p spell) tells(t *testing.T, outcomes []outcome) {
	t.Helper()
	approved, all := 0, 0
	for i := range outcomes {
		if o := &outcomes[i]; !o.sent.Before(p.from) && !o.sent.After(p.to) && o.body == nil {
			all++
			approved += boolInt(o.approved())
		}
	}
	t.Logf("during %v: %d of %d approved; again %v after the end", p.to.Sub(p.from).Round(time.Millisecond), approved, all,
		p.healed.Sub(p.to).Round(time.Millisecond))
}

// disk is a site whose journal is on a disk that can be harmed.
type disk struct {
	*site
	t       *testing.T
	nodes   []*fullNode
	store   books
	all     []outcome
	writers func() []int // the processes that write the journal
	revive  func()       // starts the database where it has given up
}

// suffers has something happen to the disk for a while, and what must be approved nothing where none says so.
func (d *disk) suffers(t *testing.T, lasting time.Duration, none bool, begin func() (end func())) {
	t.Helper()
	var p spell
	outcomes := d.fault(t, d.nodes, d.store, &d.all, func(f *traffic) {
		end := begin()
		p.from = time.Now()
		lasts(lasting)
		p.to = time.Now()
		end()
		d.revive()
		f.flows(t, 30*time.Second, d.nodes...)
		p.healed = time.Now()
	})
	if none {
		refusedBetween(t, outcomes, p.from.Add(fullSlack), p.to)
	}
	p.tells(t, outcomes)
}

func (d *disk) each(t *testing.T, folder string) {
	t.Run("full", func(t *testing.T) {
		d.suffers(t, 4*time.Second, true, func() func() { return fillUp(t, folder) })
	})
	for _, slow := range []int{50, 200, 500} {
		t.Run(fmt.Sprintf("fsync takes %d ms more", slow), func(t *testing.T) {
			d.suffers(t, 4*time.Second, false, func() func() {
				return harmCalls(t, d.writers(), "fsync,fdatasync", fmt.Sprintf("delay_enter=%d", slow*1000))
			})
		})
	}
	t.Run("fsync fails", func(t *testing.T) {
		d.suffers(t, 4*time.Second, true, func() func() {
			return harmCalls(t, d.writers(), "fsync,fdatasync", "error=EIO")
		})
	})
}

// PostgreSQL's disk is full, slow, and fails. It may give up then, as it should when its log cannot be written; whoever
// watches over it starts it again. Nothing is approved without a row, everything is answered in time.
func TestHeavyPostgreSQLDisk(t *testing.T) {
	var folder string
	s := openSite(t, ownServersIn(t, func(dir string) {
		folder = filepath.Join(dir, "servers")
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		smallDisk(t, folder, 400)
	}), plainListener, "--cards", fmt.Sprint(faultCards))
	data := s.sql(t, "SHOW data_directory")[0]
	d := &disk{site: s, t: t, nodes: []*fullNode{s.start(t, 1), s.start(t, 2)}, store: s.open(t),
		writers: func() []int { return append(s.postgresProcesses(t), postmaster(t, data)) }}
	d.revive = func() {
		pid, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
		if err == nil {
			first, _, _ := strings.Cut(string(pid), "\n")
			if n := number(t, first); syscall.Kill(n, 0) == nil && !zombie(n) {
				return
			}
			if err := os.Remove(filepath.Join(data, "postmaster.pid")); err != nil {
				t.Error(err)
			}
		}
		t.Log("PostgreSQL has given up, and is started again")
		startPostgres(t, data)
	}
	d.each(t, folder)
}

// The same with the file of the embedded mode.
func TestHeavyEmbeddedDisk(t *testing.T) {
	folder := t.TempDir()
	smallDisk(t, folder, 64)
	s := &site{dir: folder, listeners: plainListener}
	seedEmbedded(t, s, faultCards)
	n := s.start(t, 1)
	d := &disk{site: s, t: t, nodes: []*fullNode{n}, store: s.books(t), writers: func() []int { return []int{n.cmd.Process.Pid} },
		revive: func() {}}
	d.each(t, folder)
}
