package main

import (
	"bufio"
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
)

// child is a switch that runs as a process of its own, so that its memory and CPU time can be told from ours.
type child struct {
	cmd   *exec.Cmd
	addr  string
	more  string        // the address in the other line that was waited for
	drain chan struct{} // closed when its output has ended
}

// startChild starts a switch on a data folder of the embedded mode.
func startChild(ctx context.Context, dir string, stderr io.Writer) (*child, error) {
	return startServe(ctx, []string{"--data", dir}, os.Environ(), stderr, "")
}

// startServe starts this program's serve on a port of the system's choice, and waits for the line that tells it, and for
// one that has the text more.
func startServe(ctx context.Context, args, environ []string, stderr io.Writer, more string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{drain: make(chan struct{})}
	c.cmd = exec.CommandContext(ctx, self, append([]string{"serve", "--listen", "127.0.0.1:0", "--log", "warn"}, args...)...)
	c.cmd.Env = environ
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
	address := make(chan [2]string, 1)
	// owned by stop, which waits for drain
	go func() {
		defer close(c.drain)
		findAddresses(out, more, address)
	}()
	late := time.NewTimer(childStartWithin)
	defer late.Stop()
	found := [2]string{}
	select {
	case found = <-address:
	case <-c.drain:
		select {
		case found = <-address: // both were ready
		default:
		}
	case <-late.C:
	}
	if c.addr, c.more = found[0], found[1]; c.addr == "" {
		return nil, errors.Join(errors.New("it did not say where it listens"), c.stop())
	}
	return c, nil
}

// findAddresses sends the address in the first line that has one and that in the first line with the text more, which may be
// the same, and reads on so that the child never waits.
func findAddresses(out io.Reader, more string, addresses chan<- [2]string) {
	lines := bufio.NewScanner(out)
	var found [2]string
	for lines.Scan() {
		_, rest, ok := strings.Cut(lines.Text(), " listens on ")
		if !ok || found[0] != "" && found[1] != "" {
			continue
		}
		addr, _, _ := strings.Cut(rest, ",")
		if found[0] == "" {
			found[0] = addr
		}
		if strings.Contains(lines.Text(), more) {
			found[1] = addr
			addresses <- found
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
	p, _ := readProcess(c.cmd.Process.Pid)
	return p.used
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
