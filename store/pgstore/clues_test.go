package pgstore_test

import (
	"testing"

	"holdfast/authz"
	"holdfast/store/pgstore"
)

// Goal: a card that had something before its request is guessed about like any other, and what came before is found all
// the same. Method: reversals without originals mark a card; of a request that is one of their originals, the guess is
// refused; another request of the card is guessed.
func TestGuessLooksForWhatCameBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := open(t, pgstore.Config{URL: w.url, Committers: 1})
	bob, next := w.card(w.Bob), authz.ID(1<<40)
	approval := func() *authz.Entry {
		next++
		return w.approval(next, w.Bob, bob, 1)
	}
	commit := func(e *authz.Entry, reason authz.Reason, guessed, refused, locked uint64) {
		t.Helper()
		if _, err := s.Commit(t.Context(), []*authz.Entry{e}); err != nil || e.Outcome != authz.Committed || e.Decision.Reason != reason {
			t.Fatalf("outcome %d, %s, %v; want %s", e.Outcome, e.Decision.Reason, err, reason)
		}
		if got, want := s.Stats(), (pgstore.Stats{Guessed: guessed, Refused: refused, Locked: locked}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	overtake := func(of *authz.Entry) *authz.Entry {
		next++
		undo := w.Undo(of.Request)
		undo.ID, undo.Dup = next, authz.DupKey{byte(next)}
		return &authz.Entry{Request: undo, Card: bob, Decision: authz.Decision{ID: undo.ID, Reason: authz.ReversalAccepted}}
	}
	first, second := approval(), approval()
	commit(overtake(first), authz.ReversalAccepted, 0, 0, 1)
	commit(overtake(second), authz.ReversalAccepted, 0, 0, 2)
	commit(approval(), authz.Approved, 1, 0, 2)
	commit(second, authz.ReversedBefore, 1, 1, 3)
	commit(approval(), authz.Approved, 2, 1, 3)
	commit(first, authz.ReversedBefore, 2, 2, 4)
	w.Verify()
}
