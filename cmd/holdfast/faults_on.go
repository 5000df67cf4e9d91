//go:build faults

package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"holdfast/authz"
)

// The places where HOLDFAST_KILL, as label:count, ends the process at the so-many-th time, as a power cut does; and
// where HOLDFAST_LOSE=reply:count has every so-many-th commit done while its reply is lost.
const (
	killVariable = "HOLDFAST_KILL"
	loseVariable = "HOLDFAST_LOSE"

	killHolding    = "holding"    // before a batch is held
	killHeld       = "held"       // held, not committed
	killCommitting = "committing" // the commit is with the store
	killCommitted  = "committed"  // committed, nobody told
	killSettled    = "settled"    // everybody told
	killUndoing    = "undoing"    // our own entries are refused so many times, then it dies
	loseReply      = "reply"

	countVariable = "HOLDFAST_COUNT" // a folder in which the process says how many goroutines it has, under its id
	countEvery    = time.Second
)

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

// faulty puts the traps before and behind the stores.
func faulty(j authz.Journal, h authz.Holds) (authz.Journal, authz.Holds) {
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
