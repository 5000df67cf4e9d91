package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// clockTicks is how many there are in a second of /proc, on every architecture that Linux has today.
const clockTicks = 100

// benchTimes is the processor time of every part.
type benchTimes struct{ own, child, redis, postgres time.Duration }

func (t benchTimes) minus(o benchTimes) benchTimes {
	return benchTimes{t.own - o.own, t.child - o.child, t.redis - o.redis, t.postgres - o.postgres}
}

// process is what /proc tells of one.
type process struct {
	name   string
	parent int
	used   time.Duration // by itself, to 10 ms
	ended  time.Duration // by children that ended and were waited for
}

// readProcess is false where the system does not tell.
func readProcess(pid int) (p process, ok bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return p, false
	}
	// The name of the program, in parentheses, may hold blanks. After it come the state, the parent (4), ...,
	// utime (14), stime (15), and the two of the children.
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return p, false
	}
	fields := bytes.Fields(stat[end+1:])
	if len(fields) < 15 {
		return p, false
	}
	var n [5]int64
	for i, at := range []int{1, 11, 12, 13, 14} {
		if n[i], err = strconv.ParseInt(string(fields[at]), 10, 64); err != nil {
			return p, false
		}
	}
	const tick = time.Second / clockTicks
	return process{name: string(stat[open+1 : end]), parent: int(n[0]), used: time.Duration(n[1]+n[2]) * tick,
		ended: time.Duration(n[3]+n[4]) * tick}, true
}

// familyCPU is the processor time of a server that forks, found by one of its children: of the parent, of the
// children that ended, and of those that live. It is zero when the child is not one of ours called name.
func familyCPU(child int, name string) time.Duration {
	c, ok := readProcess(child)
	if !ok || c.name != name {
		return 0
	}
	parent, ok := readProcess(c.parent)
	if !ok || parent.name != name {
		return 0
	}
	sum := parent.used + parent.ended
	all, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, entry := range all {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if p, ok := readProcess(pid); ok && p.parent == c.parent {
			sum += p.used
		}
	}
	return sum
}

// ownCPU is the CPU time of this process.
func ownCPU() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("read the CPU time: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}
