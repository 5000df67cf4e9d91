package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	childStartWithin = 30 * time.Second
	childStopWithin  = 30 * time.Second
	clockTicks       = 100 // per second in /proc, on every architecture that Linux has today
)

// child is a switch that runs as a process of its own, so that its memory and CPU time can be told from ours.
type child struct {
	cmd   *exec.Cmd
	addr  string
	drain chan struct{} // closed when its output has ended
}

// startChild starts this program's serve on a port of the system's choice, and waits for the line that tells it.
func startChild(ctx context.Context, dir string, stderr io.Writer) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{drain: make(chan struct{})}
	c.cmd = exec.CommandContext(ctx, self, "serve", "--data", dir, "--listen", "127.0.0.1:0", "--log", "warn")
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(syscall.SIGTERM) }
	c.cmd.WaitDelay = childStopWithin
	c.cmd.Stderr = stderr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	address := make(chan string, 1)
	// owned by stop, which waits for drain
	go func() {
		defer close(c.drain)
		findAddress(out, address)
	}()
	late := time.NewTimer(childStartWithin)
	defer late.Stop()
	select {
	case c.addr = <-address:
	case <-c.drain:
		select {
		case c.addr = <-address: // both were ready
		default:
		}
	case <-late.C:
	}
	if c.addr == "" {
		return nil, errors.Join(errors.New("it did not say where it listens"), c.stop())
	}
	return c, nil
}

// findAddress sends the address in the first line that has one, and reads on so that the child never waits.
func findAddress(out io.Reader, address chan<- string) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, rest, ok := strings.Cut(lines.Text(), " listens on "); ok {
			addr, _, _ := strings.Cut(rest, ",")
			select {
			case address <- addr:
			default: // of several listeners the first one counts
			}
		}
	}
	_, _ = io.Copy(io.Discard, out) // after a line too long to be ours
}

// stop tells the child to drain and end, and insists if it does not.
func (c *child) stop() error {
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	insist := time.AfterFunc(childStopWithin, func() { _ = c.cmd.Process.Kill() })
	defer insist.Stop()
	<-c.drain
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("the switch ended badly: %w", err)
	}
	return nil
}

// cpu is the CPU time that the child has used so far, to 10 ms; 0 where the system does not tell.
func (c *child) cpu() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	// The name of the program, in parentheses, may hold blanks. After it come state, ..., utime (14), stime (15).
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0
	}
	ticks := int64(0)
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / clockTicks
}

// peakMiB is the largest resident set so far; 0 where the system does not tell.
func (c *child) peakMiB() float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			if err != nil {
				return 0
			}
			return kib / 1024
		}
	}
	return 0
}

// ownCPU is the CPU time of this process.
func ownCPU() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("read the CPU time: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}
