package pgstore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/authz"
	"holdfast/store/pgstore"
	"holdfast/store/records"
	"holdfast/store/storetest"
)

// patient is a store whose one connection has prepared its statements, and that waits long enough for locks to be
// looked at.
func (w *world) patient() *pgstore.Store {
	w.t.Helper()
	s := open(w.t, pgstore.Config{URL: w.url, Committers: 1, LockTimeout: 50 * time.Second, CommitTimeout: 50 * time.Second})
	if _, err := s.Commit(w.t.Context(), []*authz.Entry{w.approval(1<<39, w.Bob, w.card(w.Bob), 1)}); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// strayReversal commits a reversal of the approval, but of another card.
func (w *world) strayReversal(s *pgstore.Store, of *authz.Entry) authz.ID {
	w.t.Helper()
	e := w.approval(1<<39+1, w.Bob, w.card(w.Bob), 1)
	e.Request.Kind, e.Hold, e.Decision = authz.Reversal, 0, authz.Decision{ID: e.Request.ID, Reason: authz.ReversalAccepted}
	e.Request.Trace.RRN = of.Request.Trace.RRN
	e.Request.Original = authz.Original{STAN: of.Request.Trace.STAN}
	if _, err := s.Commit(w.t.Context(), []*authz.Entry{e}); err != nil {
		w.t.Fatal(err)
	}
	return e.Request.ID
}

// Goal: what changes a card while an approval waits for its balance's lock is seen by that approval. Method: a
// session changes the card as each who may does, balance first, and ends only when the approval waits. An approval
// that had read the card before it waited would not see it.
func TestGuessSeesWhatItWaitedFor(t *testing.T) {
	t.Parallel()
	for _, change := range []string{"version = version + 1, lock = 2", fmt.Sprintf("marked_at = %d", storetest.Epoch.UnixMicro())} {
		t.Run(change, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			s := w.patient()
			approval := w.approval(1<<40, w.Alice, w.card(w.Alice), 1)
			reversal := w.strayReversal(s, approval)
			c, err := pgx.Connect(t.Context(), w.url)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close(t.Context()) }()
			run := func(sql string) {
				t.Helper()
				if _, err := c.Exec(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}
			run("BEGIN")
			run(fmt.Sprintf("UPDATE balances SET version = version + 1 WHERE id = %d", w.Alice.Balance))
			run(fmt.Sprintf("UPDATE cards SET %s WHERE id = %d", change, w.Alice.Card))
			// What stops the approval is a reversal that names it.
			run(fmt.Sprintf("UPDATE authorizations SET card_id = %d, balance_id = %d WHERE id = %d", w.Alice.Card, w.Alice.Balance, reversal))
			run(fmt.Sprintf("UPDATE steps SET card_id = %d WHERE authorization_id = %d", w.Alice.Card, reversal))
			run(fmt.Sprintf("UPDATE clues SET card_id = %d WHERE authorization_id = %d", w.Alice.Card, reversal))
			ended := make(chan error, 1)
			// owned by the test, which waits for what it sends
			go func() {
				_, err := s.Commit(t.Context(), []*authz.Entry{approval})
				ended <- err
			}()
			for w.waiting() == 0 {
				runtime.Gosched()
			}
			run("COMMIT")
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			stopped := approval.Outcome == authz.Stale || approval.Decision.Reason == authz.ReversedBefore
			if left := w.Available(w.Alice.Balance); !stopped || left != storetest.UserFunds {
				t.Errorf("outcome %d with %s, %d left: the change was not seen", approval.Outcome, approval.Decision.Reason, left)
			}
			w.Verify()
		})
	}
}

// A balance that was forced below zero is an ordinary one again with the first approval after it was filled: the
// flag is the arbiter's, which a guess leaves to it.
func TestGuessLeavesForcedBalancesToTheArbiter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	card := w.card(w.Carol)
	advice := w.approval(1<<40, w.Carol, card, storetest.UserFunds+1)
	advice.Request.Kind, advice.Request.StoodIn, advice.Decision.Reason = authz.AuthorizationAdvice, true, authz.AdviceAccepted
	for i, e := range []*authz.Entry{advice, w.approval(1<<40+1, w.Carol, card, 1)} {
		e.Request.ReceivedAt = e.Request.ReceivedAt.Add(time.Duration(i) * 61 * 24 * time.Hour) // the card's mark has ended
		if _, err := w.nodes[0].Commit(t.Context(), []*authz.Entry{e}); err != nil || e.Outcome != authz.Committed {
			t.Fatalf("outcome %d, %v", e.Outcome, err)
		}
		w.fund(1_00)
	}
	if n := w.count("SELECT forced FROM balances WHERE id = $1", int64(w.Carol.Balance)); n != 0 {
		t.Error("the balance is still called forced")
	}
	w.Verify()
}

// Goal: whatever is guessed ends as if everything had been read and locked. Method: two worlds get the same random
// groups, one may guess, the other must not; entries, truths and books are compared after each.
func TestGuessEndsAsTheLockedWay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		funds int64 // that are given every now and then
		split bool
	}{
		{"whole groups while funds end", 60_00, false},
		// Messages of different cards have no order, which shows only where one takes what the other lacks.
		{"groups in two parts, with funds for all", 10_000_00, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			guessAndLock(t, c.funds, c.split)
		})
	}
}

func guessAndLock(t *testing.T, funds int64, split bool) {
	const groups, most = 100, 500 // where chance leaves something out, there are more of them
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	worlds, stores := [2]*world{newWorld(t), newWorld(t)}, [2]*pgstore.Store{}
	var random [2]*rand.Rand
	var cards [2][]*authz.Card
	for i, w := range worlds {
		cards[i] = []*authz.Card{w.card(w.Alice), w.card(w.Bob), w.card(w.Carol)}
		stores[i] = open(t, pgstore.Config{URL: w.url, Committers: 1})
		random[i] = rand.New(rand.NewPCG(seed, 7))
	}
	if stores[1].LockAlways(); split {
		stores[0].SplitAlways()
	}
	outcomes := map[authz.Outcome]int{}
	looking := func() bool {
		guesses := stores[0].Stats()
		return outcomes[authz.Committed] >= groups && outcomes[authz.Duplicate] > 0 && outcomes[authz.Stale] > 0 &&
			guesses.Guessed >= groups/10 && guesses.Refused > 0 && guesses.Locked >= groups/10
	}
	group := 0
	for ; group < groups || group < most && !looking(); group++ {
		var told [2]string
		for i, w := range worlds {
			if group%8 == 0 {
				w.fund(funds)
			}
			batch := w.randomBatch(random[i], group, cards[i])
			truth, err := stores[i].Commit(t.Context(), batch)
			if err != nil {
				t.Fatalf("group %d: %v", group, err)
			}
			for _, e := range batch {
				told[i] += fmt.Sprintf("%d %s %d; ", e.Outcome, e.Decision.Reason, e.Decision.ID)
				outcomes[e.Outcome]++
			}
			for _, b := range truth.Balances {
				if left := w.Available(b.ID); left != b.Available {
					t.Errorf("group %d: balance %d was taught as %d, it has %d", group, b.ID, b.Available, left)
				}
			}
			told[i] += fmt.Sprint(w.Available(w.Alice.Balance), w.Available(w.Bob.Balance), w.Available(w.Carol.Balance),
				w.Available(w.Deposit), w.forced())
		}
		if told[0] != told[1] {
			t.Fatalf("group %d: guessed %s\nlocked %s", group, told[0], told[1])
		}
	}
	if guesses := stores[0].Stats(); !looking() || split != (guesses.Guessed+guesses.Locked > uint64(group)) {
		t.Errorf("outcomes %v, %+v in %d groups: the test is not looking", outcomes, guesses, group)
	}
	if guesses := stores[1].Stats(); guesses.Guessed+guesses.Refused > 0 {
		t.Errorf("%+v: it was to lock always", guesses)
	}
	for _, w := range worlds {
		w.Verify()
	}
}

// forced is how many balances are called so.
func (w *world) forced() (n int64) {
	w.t.Helper()
	if err := w.nodes[0].View(w.t.Context(), func(q records.Querier) error {
		return q.Query(w.t.Context(), func(r records.Row) error { n = r.Int(0); return nil }, "SELECT count(*) FROM balances WHERE forced = 1")
	}); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// fund gives every balance so much more.
func (w *world) fund(amount int64) {
	w.t.Helper()
	if err := w.nodes[0].Update(w.t.Context(), func(q records.Querier) error {
		for _, id := range []authz.BalanceID{w.Alice.Balance, w.Bob.Balance, w.Carol.Balance, w.Deposit} {
			if err := records.Fund(w.t.Context(), q, id, amount, "TOP_UP", storetest.Epoch); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
}

// Goal: one odd message among many costs its card's neighbours nothing, and its failure is told. Method: a batch in
// which a reversal and a balance that is nowhere are left to the locked way.
func TestGuessLeavesTheRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := open(t, pgstore.Config{URL: w.url, Committers: 1})
	alice, bob, next := w.card(w.Alice), w.card(w.Bob), authz.ID(1<<40)
	approvals := func(h storetest.Holder, card *authz.Card) (batch []*authz.Entry) {
		for range 30 {
			next++
			batch = append(batch, w.approval(next, h, card, 1))
		}
		return batch
	}
	reversal := func(of *authz.Entry) *authz.Entry {
		next++
		undo := w.Undo(of.Request)
		undo.ID, undo.Dup = next, authz.DupKey{byte(next)}
		return &authz.Entry{Request: undo, Card: of.Card, Decision: authz.Decision{ID: undo.ID, Reason: authz.ReversalAccepted}}
	}
	commit := func(batch []*authz.Entry, guessed, refused, locked uint64) {
		t.Helper()
		truth, err := s.Commit(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		taught := map[authz.BalanceID]bool{}
		for _, b := range truth.Balances {
			if taught[b.ID] {
				t.Errorf("balance %d was taught twice", b.ID)
			}
			taught[b.ID] = true
			if left := w.Available(b.ID); left != b.Available {
				t.Errorf("balance %d was taught as %d, it has %d", b.ID, b.Available, left)
			}
		}
		if !taught[w.Alice.Balance] || !taught[w.Deposit] {
			t.Errorf("taught %+v, want what both transactions changed", truth.Balances)
		}
		for i, e := range batch {
			if e.Outcome != authz.Committed {
				t.Errorf("entry %d: outcome %d", i, e.Outcome)
			}
		}
		if got, want := s.Stats(), (pgstore.Stats{Guessed: guessed, Refused: refused, Locked: locked}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	next++
	of := w.approval(next, w.Bob, bob, 50_00)
	batch := append(approvals(w.Alice, alice), of)
	commit(append(batch, reversal(of)), 1, 0, 1)
	if left := w.Available(w.Bob.Balance); left != storetest.UserFunds {
		t.Errorf("Bob has %d left after the reversal", left)
	}
	nothing := w.approval(1<<39, w.Bob, bob, 1) // never sent: its reversal marks the card
	commit(append(approvals(w.Alice, alice), reversal(nothing)), 2, 0, 2)
	next++
	of = w.approval(next, w.Bob, bob, 1)
	commit(append(approvals(w.Alice, alice), of), 3, 0, 2) // known, so the guess looks for what came before

	nowhere := *bob
	nowhere.Balance, nowhere.Limited = 1<<40, true // which is not guessed about
	rows := w.count("SELECT count(*) FROM authorizations")
	next++
	bad := w.approval(next, w.Bob, &nowhere, 1)
	if _, err := s.Commit(t.Context(), append(approvals(w.Alice, alice), bad)); !errors.Is(err, authz.ErrUnknown) || errors.Is(err, authz.ErrUnavailable) {
		t.Errorf("half of a batch: %v, want unknown", err)
	}
	if n := w.count("SELECT count(*) FROM authorizations"); n != rows+30 {
		t.Errorf("%d rows more, want those of the good half", n-rows)
	}
	w.Verify()
}

// A change of one card makes what was decided on another one of its balance stale, which is told what it is now, and
// the next is guessed.
func TestGuessNoticesEveryCardOfTheBalance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.nodes[0]
	alice := w.card(w.Alice)
	const twin = 1 << 39
	admin(t, w.url, fmt.Sprintf(`INSERT INTO cards SELECT (jsonb_populate_record(c, jsonb_build_object('id', %d,
 'public_id', '\x' || repeat('77', 16), 'tag', '\x' || repeat('77', %d)))).* FROM cards c WHERE id = %d`, twin, len(authz.Tag{}), alice.ID))
	id := authz.ID(1 << 40)
	commit := func(card *authz.Card, want authz.Outcome) authz.Truth {
		t.Helper()
		id++
		e := w.approval(id, w.Alice, card, 1)
		truth, err := s.Commit(t.Context(), []*authz.Entry{e})
		if err != nil || e.Outcome != want {
			t.Fatalf("outcome %d, %v, want %d", e.Outcome, err, want)
		}
		return truth
	}
	commit(alice, authz.Committed)
	for _, change := range []string{"state = state, version = version + 1", "marked_at = marked_at + 1"} {
		admin(t, w.url, fmt.Sprintf("UPDATE cards SET %s WHERE id = %d", change, twin))
	}
	truth := commit(alice, authz.Stale)
	if len(truth.Cards) != 1 || truth.Cards[0].ID != alice.ID || truth.Cards[0].Version != alice.Version+1 {
		t.Fatalf("taught %+v", truth.Cards)
	}
	before := s.Stats()
	commit(&truth.Cards[0], authz.Committed)
	if after := s.Stats(); after.Guessed != before.Guessed+1 {
		t.Errorf("%+v after %+v, want it guessed", after, before)
	}
}

// key is one of a card's keys, which no other card has.
func (w *world) key(id authz.ID, h storetest.Holder) authz.DupKey {
	return authz.DupKey(w.Keys.Keyed("dup", fmt.Append(nil, id, h.Card)))
}

// randomBatch is what an authorizer with a lying cache may send: mostly right.
func (w *world) randomBatch(random *rand.Rand, group int, cards []*authz.Card) (batch []*authz.Entry) {
	holders := []storetest.Holder{w.Alice, w.Bob, w.Carol}
	for i := range 1 + random.IntN(6) {
		of := random.IntN(len(holders))
		h, card := holders[of], cards[of]
		id := authz.ID(1<<40 + group*100 + i)
		e := w.approval(id, h, card, 1+random.Int64N(4_00))
		e.Request.Dup = w.key(id, h)
		// From time to time so much later that marks end.
		e.Request.ReceivedAt = e.Request.ReceivedAt.Add(time.Duration(group/6) * 61 * 24 * time.Hour)
		switch random.IntN(28) {
		case 0, 12, 13: // the key of an earlier one, or of its neighbour
			e.Request.Dup = w.key(id-[]authz.ID{1, 100}[random.IntN(2)], h)
		case 1:
			stale := *card
			stale.Version--
			e.Card = &stale
		case 2:
			e.Decision.Reason, e.Hold = authz.FundsShort, random.Int64N(200_00)
		case 3:
			e.Decision.Reason, e.Hold = authz.DepositShort, random.Int64N(300_00)
		case 4:
			e.Decision.Reason, e.Hold = authz.CardExpired, 0
		case 5, 6:
			e.Request.Kind = authz.Financial
		case 7:
			e.Request.Transaction, e.Hold = authz.Inquiry, 0
		case 8:
			e.Request.Repeat = true
		case 9:
			if len(batch) > 0 { // of a neighbour, or of one that was refused
				e.Request = w.Undo(batch[0].Request)
				e.Request.ReceivedAt = batch[0].Request.ReceivedAt
				e.Request.ID, e.Request.Dup, e.Card = id, authz.DupKey{1, byte(group >> 8), byte(group), byte(i)}, batch[0].Card
				e.Decision, e.Hold = authz.Decision{ID: id, Reason: authz.ReversalAccepted}, 0
			}
		case 10:
			e.Card, e.Hold, e.Decision.Reason = nil, 0, authz.CardUnknown
		case 11:
			e.Request.Kind, e.Request.StoodIn, e.Decision.Reason = authz.AuthorizationAdvice, true, authz.AdviceAccepted
			e.Hold = 1 + random.Int64N(60_00)
		}
		batch = append(batch, e)
	}
	return batch
}
