package main

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"holdfast/authz"
	"holdfast/store/records"
)

// What is done to a card, and what is said of it.
const (
	lockCall     = "lock"
	unlockCall   = "unlock"
	paid         = "00"
	refused      = "41" // the card is lost
	unanswerable = "91"
)

// cardCall is what is done with a card: a lock, its lifting, or a payment, which is told an action code.
type cardCall struct {
	card int
	what string // lockCall, unlockCall, or empty: a payment
}

// cardRegister is the model of a card: a register that is locked or not. A payment reads it; one that nothing was
// decided about has read nothing.
var cardRegister = porcupine.Model{
	Partition: perCard(func(call any) int { return call.(cardCall).card }),
	Init:      func() any { return false },
	Step: func(state, input, output any) (bool, any) {
		locked := state.(bool)
		switch input.(cardCall).what {
		case lockCall:
			return true, true
		case unlockCall:
			return true, false
		}
		switch output.(string) {
		case paid:
			return !locked, locked
		case refused:
			return locked, locked
		}
		return output.(string) == unanswerable, locked
	},
}

// The checker itself: it accepts what may happen, and finds what may not.
func TestCardRegisterFindsAPlantedApproval(t *testing.T) {
	t.Parallel()
	call := func(from, to int64, what, told string) porcupine.Operation {
		return porcupine.Operation{Input: cardCall{7, what}, Output: told, Call: from, Return: to}
	}
	for _, c := range []struct {
		name    string
		history []porcupine.Operation
		want    porcupine.CheckResult
	}{
		{"a payment beside the lock may go either way", []porcupine.Operation{call(0, 10, lockCall, ""), call(1, 9, "", paid),
			call(2, 8, "", refused)}, porcupine.Ok},
		{"what was sent before the lock returned may be paid", []porcupine.Operation{call(0, 10, lockCall, ""), call(9, 20, "", paid)}, porcupine.Ok},
		{"nothing is known of what was not decided", []porcupine.Operation{call(0, 1, lockCall, ""), call(2, 3, "", unanswerable)}, porcupine.Ok},
		{"an approval after the lock returned", []porcupine.Operation{call(0, 1, lockCall, ""), call(2, 3, "", paid)}, porcupine.Illegal},
		{"an approval after a refusal beside the lock", []porcupine.Operation{call(0, 10, lockCall, ""), call(1, 2, "", refused),
			call(3, 4, "", paid)}, porcupine.Illegal},
		{"a refusal after the lock was lifted", []porcupine.Operation{call(0, 1, lockCall, ""), call(2, 3, unlockCall, ""),
			call(4, 5, "", refused)}, porcupine.Illegal},
		{"an answer that is none of these", []porcupine.Operation{call(0, 1, "", "05")}, porcupine.Illegal},
	} {
		if got := porcupine.CheckOperationsTimeout(cardRegister, c.history, 20*time.Second); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// Cards are locked and unlocked by a third process while both nodes take payments with them: as seen by those
// who call, each card is one register.
func TestLockIsLinearizableOnTwoNodes(t *testing.T) {
	t.Parallel()
	const cards, changes = 4, 24
	s := openSite(t, sharedServers(t), plainListener, "--cards", fmt.Sprint(cards))
	nodes := []*fullNode{s.start(t, 1), s.start(t, 2)}
	store := s.open(t)
	var ids []authz.CardID
	if err := query(t.Context(), store, func(r records.Row) { ids = append(ids, authz.CardID(r.Int(0))) },
		"SELECT id FROM cards ORDER BY id"); err != nil || len(ids) != cards {
		t.Fatalf("%d cards, %v", len(ids), err)
	}
	h := newHistory(t)
	var lockers sync.WaitGroup
	for card := range cards {
		lockers.Go(func() {
			for i := range changes {
				call, lock := cardCall{card, lockCall}, authz.LockLost
				if i%2 == 1 {
					call.what, lock = unlockCall, 0
				}
				h.note(call, func() string {
					if err := store.Update(t.Context(), func(q records.Querier) error {
						return records.LockCard(t.Context(), q, ids[card], lock)
					}); err != nil {
						t.Errorf("%s: %v", call.what, err)
					}
					return ""
				})
				<-time.After(time.Duration(rand.IntN(250)) * time.Millisecond) // a moment in which payments see it
			}
		})
		h.pay(s, nodes, card, 100, cardCall{card: card})
	}
	lockers.Wait()
	seen := h.judge(cardRegister)
	if seen[paid] < 100 || seen[refused] < 100 || seen[unanswerable] > len(h.operations)/4 {
		t.Errorf("answers %v: the test is not looking", seen)
	}
	s.verify(t)
	s.cacheHeals(t, store)
}
