//go:build faults

package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"holdfast/authz"
)

// The places where HOLDFAST_KILL, as label:count, ends the process at the so-many-th time, as a power cut does; and
// where HOLDFAST_LOSE=reply:count has every so-many-th commit done while its reply is lost.
const (
	killVariable = "HOLDFAST_KILL"
	loseVariable = "HOLDFAST_LOSE"

	// The file that clockVariable names says how far the wall clock is off, as a duration; SIGUSR2 has it read.
	clockVariable = "HOLDFAST_CLOCK"

	killHolding    = "holding"    // before a batch is held
	killHeld       = "held"       // held, not committed
	killCommitting = "committing" // the commit is with the store
	killCommitted  = "committed"  // committed, nobody told
	killSettled    = "settled"    // everybody told
	killUndoing    = "undoing"    // our own entries are refused so many times, then it dies
	loseReply      = "reply"

	goroutinesAre = "goroutines=%d\n"

	countVariable = "HOLDFAST_COUNT" // a folder in which the process says how many goroutines it has, under its id
	countEvery    = time.Second
)

// steps says that the clock may be stepped; clockOff is by how many seconds it was.
const steps = true

var clockOff atomic.Int64

// stepped is the time by a wall clock that was stepped. The monotonic reading stays as it is, as on a machine whose clock
// is set; nothing of the library can make such a time, so its first word is changed: 33 bits of seconds above 30 of
// nanoseconds, below the bit that says that there is a monotonic reading.
func stepped(t time.Time) time.Time {
	if wall := (*uint64)(unsafe.Pointer(&t)); *wall>>63 == 1 {
		*wall += uint64(clockOff.Load() << 30)
	}
	return t
}

// tell writes the number of goroutines until the process ends.
func tell(path string) {
	for range time.Tick(countEvery) {
		_ = os.WriteFile(path, []byte(strconv.Itoa(runtime.NumGoroutine())), 0o600) // who reads it misses it
	}
}

// trap counts the times that a place is passed.
type trap struct {
	label string
	count int64
	times atomic.Int64
}

func trapOf(variable string) *trap {
	label, count, _ := strings.Cut(os.Getenv(variable), ":")
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		n = 1
	}
	return &trap{label: label, count: n}
}

// pass ends the process when it is time.
func (k *trap) pass(label string) {
	if k.label != label || k.times.Add(1) != k.count {
		return
	}
	k.kill()
}

func (k *trap) kill() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // nothing is left to say it
	select {}
}

// faulty puts the traps before and behind the stores, and has SIGUSR1 tell how many goroutines there are.
func faulty(j authz.Journal, h authz.Holds) (authz.Journal, authz.Holds) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1, syscall.SIGUSR2)
	// owned by nobody: the process ends with it
	go func() {
		for what := range asked {
			if what == syscall.SIGUSR1 {
				fmt.Fprintf(os.Stderr, goroutinesAre, runtime.NumGoroutine())
				continue
			}
			if text, err := os.ReadFile(os.Getenv(clockVariable)); err == nil {
				if by, err := time.ParseDuration(string(text)); err == nil {
					clockOff.Store(int64(by / time.Second))
				}
			}
		}
	}()
	if folder := os.Getenv(countVariable); folder != "" {
		// owned by nobody: it ends with the process
		go tell(filepath.Join(folder, strconv.Itoa(os.Getpid())))
	}
	k := trapOf(killVariable)
	return faultyJournal{j, k, trapOf(loseVariable)}, faultyHolds{h, k}
}

type faultyJournal struct {
	authz.Journal

	kill, lose *trap
}

// Commit implements [authz.Journal].
func (f faultyJournal) Commit(ctx context.Context, batch []*authz.Entry) (authz.Truth, error) {
	if len(batch) == 0 {
		return f.Journal.Commit(ctx, batch)
	}
	if f.kill.label == killUndoing && slices.ContainsFunc(batch, func(e *authz.Entry) bool { return e.Void }) {
		f.kill.pass(killUndoing)
		return authz.Truth{}, authz.ErrUnavailable
	}
	f.kill.pass(killHeld)
	if f.kill.label == killCommitting && f.kill.times.Add(1) == f.kill.count {
		// owned by nobody: the process ends with it
		go func() { _, _ = f.Journal.Commit(ctx, batch) }()
		f.kill.kill()
	}
	if f.lose.label == loseReply && f.lose.times.Add(1)%f.lose.count == 0 {
		done := make([]*authz.Entry, len(batch))
		for i, e := range batch {
			c := *e
			done[i] = &c
		}
		if _, err := f.Journal.Commit(ctx, done); err != nil {
			return authz.Truth{}, err
		}
		return authz.Truth{}, authz.ErrUnknown
	}
	truth, err := f.Journal.Commit(ctx, batch)
	if err == nil {
		f.kill.pass(killCommitted)
	}
	return truth, err
}

type faultyHolds struct {
	authz.Holds

	kill *trap
}

// Place implements [authz.Holds].
func (f faultyHolds) Place(ctx context.Context, partner authz.PartnerID, batch []*authz.Hold) error {
	f.kill.pass(killHolding)
	return f.Holds.Place(ctx, partner, batch)
}

// Settle implements [authz.Holds].
func (f faultyHolds) Settle(ctx context.Context, partner authz.PartnerID, ended []*authz.Hold, truth []authz.Balance) error {
	err := f.Holds.Settle(ctx, partner, ended, truth)
	if len(ended) > 0 {
		f.kill.pass(killSettled)
	}
	return err
}
