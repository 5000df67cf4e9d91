package pgstore_test

import (
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
			// Of a tombstone, what stops the approval: here one that names its STAN.
			run(fmt.Sprintf(`INSERT INTO tombstones (id, card_id, peer, original_kind, stan, transmitted, acquirer, forwarder,
 own_stan, rrn, terminal, own_acquirer, local, received_at) VALUES (1, %d, 'network', 0, '%s', '', '', '', '', '', '', '', '', %d)`,
				w.Alice.Card, approval.Request.Trace.STAN, approval.Request.ReceivedAt.UnixMicro()))
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
	const groups = 150
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	worlds, stores := [2]*world{newWorld(t), newWorld(t)}, [2]*pgstore.Store{}
	var random [2]*rand.Rand
	for i, w := range worlds {
		stores[i] = open(t, pgstore.Config{URL: w.url, Committers: 1})
		random[i] = rand.New(rand.NewPCG(seed, 7))
	}
	stores[1].LockAlways()
	outcomes := map[authz.Outcome]int{}
	for group := range groups {
		var told [2]string
		for i, w := range worlds {
			if group%8 == 0 {
				w.fund(60_00)
			}
			batch := w.randomBatch(random[i], group)
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
				w.Available(w.Deposit), w.count("SELECT count(*) FROM balances WHERE forced = 1"))
		}
		if told[0] != told[1] {
			t.Fatalf("group %d: guessed %s\nlocked %s", group, told[0], told[1])
		}
	}
	if outcomes[authz.Committed] < groups || outcomes[authz.Duplicate] == 0 || outcomes[authz.Stale] == 0 {
		t.Errorf("outcomes %v: the test is not looking", outcomes)
	}
	if guesses := stores[0].Stats(); guesses.Guessed < groups/10 || guesses.Refused == 0 || guesses.Locked < groups/10 {
		t.Errorf("%+v: the test is not looking", guesses)
	}
	if guesses := stores[1].Stats(); guesses.Guessed+guesses.Refused > 0 {
		t.Errorf("%+v: it was to lock always", guesses)
	}
	for _, w := range worlds {
		w.Verify()
	}
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

// randomBatch is what an authorizer with a lying cache may send: mostly right.
func (w *world) randomBatch(random *rand.Rand, group int) (batch []*authz.Entry) {
	holders := []storetest.Holder{w.Alice, w.Bob, w.Carol}
	for i := range 1 + random.IntN(6) {
		h := holders[random.IntN(len(holders))]
		card := w.card(h)
		id := authz.ID(1<<40 + group*100 + i)
		e := w.approval(id, h, card, 1+random.Int64N(4_00))
		// From time to time so much later that marks end.
		e.Request.ReceivedAt = e.Request.ReceivedAt.Add(time.Duration(group/6) * 61 * 24 * time.Hour)
		switch random.IntN(32) {
		case 0: // the key of an earlier one, or of its neighbour
			e.Request.Dup = authz.DupKey(w.Keys.Keyed("dup", fmt.Append(nil, id-[]authz.ID{1, 100}[random.IntN(2)])))
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
				e.Request.ID, e.Request.Dup, e.Card = id, authz.DupKey{1, byte(group), byte(i)}, batch[0].Card
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
