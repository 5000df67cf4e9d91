package storetest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/store/records"
)

// evidenceTests are the part of the suite about the counters of a card.
var evidenceTests = []rule{
	{"a wrong PIN is counted with its row and raises the version", pinCounted},
	{"the last wrong PIN locks the card where the program says so", pinLocks},
	{"the right PIN starts the tries over", pinReset},
	{"a repeat of a wrong PIN counts nothing", pinRepeat},
	{"of many wrong PINs at once each is decided on the tries before it", pinTogether},
	{"a chip's counter is used once", chipOnce},
	{"what could not be decided leaves no row", undecidedLeavesNothing},
	{"an unlocked card has all its tries", unlockResets},
}

// wrongPIN is the entry of a PIN that was found wrong.
func (b *bench) wrongPIN(h Holder, r *authz.Request) *authz.Entry {
	e := b.entry(h, r, authz.PINWrong)
	if e.Card.PINTries+1 >= authz.PINTriesMax {
		e.Decision.Reason = authz.PINTriesExceeded
	}
	e.Counters.PINFailed = true
	return e
}

// counted checks the card's counters.
func (b *bench) counted(h Holder, tries uint8, lock authz.LockReason) authz.Card {
	b.t.Helper()
	c := b.card(h)
	if c.PINTries != tries || c.Lock != lock {
		b.t.Errorf("%d tries and lock %d, want %d and %d", c.PINTries, c.Lock, tries, lock)
	}
	return c
}

func pinCounted(_ *testing.T, b *bench) {
	before := b.card(b.Alice)
	e := b.wrongPIN(b.Alice, b.Request(b.Alice, authz.Authorization, 10_00))
	truth := b.commit(e)
	after := b.counted(b.Alice, 1, authz.LockNone)
	if e.Outcome != authz.Committed || after.Version != before.Version+1 {
		b.t.Errorf("outcome %d, version %d after %d", e.Outcome, after.Version, before.Version)
	}
	if len(truth.Cards) != 1 || truth.Cards[0] != after {
		b.t.Errorf("%d cards are taught, want the one as it is now", len(truth.Cards))
	}
	b.left(100_00, 150_00)
}

func pinLocks(_ *testing.T, b *bench) {
	for range authz.PINTriesMax {
		b.commit(b.wrongPIN(b.Alice, b.Request(b.Alice, authz.Authorization, 10_00)))
	}
	b.counted(b.Alice, 3, authz.LockPINTries)
	b.told(lockNews{b.Alice.Card, authz.LockPINTries, authz.LockByPIN})
	if err := b.Store.Update(b.t.Context(), func(q records.Querier) error {
		_, err := q.Exec(b.t.Context(), "UPDATE cards SET pin_lock = 0 WHERE id = $1", int64(b.Bob.Card))
		return err
	}); err != nil {
		b.t.Fatal(err)
	}
	for range authz.PINTriesMax {
		b.commit(b.wrongPIN(b.Bob, b.Request(b.Bob, authz.Authorization, 10_00)))
	}
	b.counted(b.Bob, 3, authz.LockNone)
	b.told()
}

// lockNews is what a partner is to hear of a card's lock.
type lockNews struct {
	card   authz.CardID
	lock   authz.LockReason
	source authz.LockSource
}

// told takes what partners are to hear of locks that the API did not change.
func (b *bench) told(want ...lockNews) {
	b.t.Helper()
	var got []lockNews
	ctx := context.Background()
	if _, err := records.Transact(ctx, b.Store, b.Keys, func(tx *records.Tx) error {
		news, err := tx.TakeCardNews(ctx, 100)
		for _, n := range news {
			got = append(got, lockNews{n.Card.ID, n.Card.Lock, n.Card.LockSource})
			if n.At.Before(Epoch) || n.At.After(Epoch.Add(time.Hour)) {
				b.t.Errorf("a lock of %s", n.At)
			}
		}
		return err
	}); err != nil {
		b.t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		b.t.Errorf("to be told of %v, want %v", got, want)
	}
}

func pinReset(_ *testing.T, b *bench) {
	b.commit(b.wrongPIN(b.Alice, b.Request(b.Alice, authz.Authorization, 10_00)))
	e := b.entry(b.Alice, b.Request(b.Alice, authz.Authorization, 10_00), authz.Approved)
	e.Counters.PINPassed = true
	b.decided(e, authz.Committed, authz.Approved)
	b.counted(b.Alice, 0, authz.LockNone)
	b.left(90_00, 140_00)
}

func pinRepeat(_ *testing.T, b *bench) {
	r := b.Request(b.Alice, authz.Authorization, 10_00)
	b.commit(b.wrongPIN(b.Alice, r))
	again := *r
	again.Repeat = true
	b.decided(b.wrongPIN(b.Alice, &again), authz.Duplicate, authz.PINWrong)
	b.counted(b.Alice, 1, authz.LockNone)
}

// Goal: no order of commits gives a guess more than there are tries. Method: twenty wrong PINs at once, half of them
// in one batch, each decided again on what it learned, as the authorizer does.
func pinTogether(_ *testing.T, b *bench) {
	var entries []*authz.Entry
	for range 20 {
		entries = append(entries, b.wrongPIN(b.Alice, b.Request(b.Alice, authz.Authorization, 10_00)))
	}
	var wg sync.WaitGroup
	wg.Go(func() { b.commitAny(entries[:10]...) })
	for _, e := range entries[10:] {
		wg.Go(func() { b.commitAny(e) })
	}
	wg.Wait()
	committed := 0
	for _, e := range entries {
		if e.Outcome == authz.Committed {
			committed++
		}
	}
	if committed != 1 {
		b.t.Errorf("%d of those that were decided on no tries are committed, want 1", committed)
	}
	b.counted(b.Alice, 1, authz.LockNone)
}

// commitAny commits on a goroutine of a test.
func (b *bench) commitAny(entries ...*authz.Entry) {
	if _, err := b.Store.Commit(b.t.Context(), entries); err != nil {
		b.t.Error(err)
	}
}

func chipOnce(_ *testing.T, b *bench) {
	var entries []*authz.Entry
	for range 8 {
		e := b.entry(b.Alice, b.Request(b.Alice, authz.Authorization, 1_00), authz.Approved)
		e.Counters.ATC = 7
		entries = append(entries, e)
	}
	var wg sync.WaitGroup
	for _, e := range entries {
		wg.Go(func() { b.commitAny(e) })
	}
	wg.Wait()
	var won *authz.Entry
	for _, e := range entries {
		if e.Outcome == authz.Committed {
			if won != nil {
				b.t.Error("a counter was used twice")
			}
			won = e
		} else if e.Outcome != authz.Stale {
			b.t.Errorf("outcome %d, want stale", e.Outcome)
		}
	}
	if c := b.card(b.Alice); won == nil || c.ATC != 7 || c.Version != won.Card.Version {
		b.t.Fatalf("the highest counter is %d in version %d, won: %v", c.ATC, c.Version, won != nil)
	}
	again := *won.Request
	again.Repeat = true
	e := b.entry(b.Alice, &again, authz.Approved)
	e.Counters.ATC = 7
	b.decided(e, authz.Duplicate, authz.Approved)
	b.left(99_00, 149_00)
}

func undecidedLeavesNothing(_ *testing.T, b *bench) {
	r := b.Request(b.Alice, authz.Authorization, 10_00)
	b.decided(b.entry(b.Alice, r, authz.Inoperative), authz.Committed, authz.Inoperative)
	again := *r
	b.decided(b.entry(b.Alice, &again, authz.Approved), authz.Committed, authz.Approved)
	third := *r
	b.decided(b.entry(b.Alice, &third, authz.Inoperative), authz.Duplicate, authz.Approved)
	b.left(90_00, 140_00)
}

func unlockResets(_ *testing.T, b *bench) {
	for range authz.PINTriesMax {
		b.commit(b.wrongPIN(b.Alice, b.Request(b.Alice, authz.Authorization, 10_00)))
	}
	b.Lock(b.Alice.Card, authz.LockNone)
	b.counted(b.Alice, 0, authz.LockNone)
}
