package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/authz"
	"holdfast/store/pgstore"
	"holdfast/store/records"
	"holdfast/store/storetest"
)

// world is a filled schema with two nodes on it.
type world struct {
	*storetest.World
	t     testing.TB
	url   string
	nodes [2]*pgstore.Store
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, url: fresh(t)}
	for i := range w.nodes {
		w.nodes[i] = open(t, pgstore.Config{URL: w.url})
	}
	w.World = storetest.NewWorld(t, w.nodes[0])
	return w
}

// card reads a holder's card.
func (w *world) card(h storetest.Holder) *authz.Card {
	w.t.Helper()
	var card authz.Card
	if err := w.nodes[0].Find(context.Background(), []authz.Tag{h.Tag}, func(_ int, c authz.Card) { card = c }); err != nil {
		w.t.Fatal(err)
	}
	return &card
}

// approval is an approval of an operation: its key is the operation's.
func (w *world) approval(id authz.ID, h storetest.Holder, card *authz.Card, amount int64) *authz.Entry {
	r := w.Request(h, authz.Authorization, amount)
	r.ID, r.Tag = id, h.Tag
	r.Dup = authz.DupKey(w.Keys.Keyed("dup", fmt.Append(nil, id)))
	return &authz.Entry{Request: r, Card: card, Hold: amount,
		Decision: authz.Decision{ID: id, Reason: authz.Approved, ApprovalCode: "ABC123", Amount: amount}}
}

// count reads one number from the schema.
func (w *world) count(sql string, args ...any) (n int64) {
	w.t.Helper()
	c, err := pgx.Connect(context.Background(), w.url)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = c.Close(context.Background()) }()
	if err := c.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// Two nodes approve on the same three balances, half of their keys in common. Each key has one row, nobody is
// overspent, and both nodes tell the same decision for a key.
func TestTwoNodesShareBalancesAndKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const rounds, size = 40, 16
	holders := []storetest.Holder{w.Alice, w.Bob, w.Carol}
	cards := []*authz.Card{w.card(w.Alice), w.card(w.Bob), w.card(w.Carol)}
	var batches [2][][]*authz.Entry
	for round := range rounds {
		for node := range w.nodes {
			var batch []*authz.Entry
			for i := range size {
				key := round*size + i
				id := authz.ID(1<<40 + key) // in common
				if i%2 == 0 {
					id += authz.ID((node + 1) << 30)
				}
				// The nodes go through the cards in opposite order: without the order of the locks they would deadlock.
				h := (key + node*(size-1-2*i)) % len(holders)
				if i%2 == 1 {
					h = key % len(holders)
				}
				batch = append(batch, w.approval(id, holders[h], cards[h], 1_00))
			}
			batches[node] = append(batches[node], batch)
		}
	}
	var wg sync.WaitGroup
	for node, s := range w.nodes {
		for part := range 4 {
			wg.Go(func() {
				for i := part; i < rounds; i += 4 {
					if _, err := s.Commit(t.Context(), batches[node][i]); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	approved, code := int64(0), map[authz.DupKey]authz.ID{}
	for _, all := range batches {
		for _, batch := range all {
			for _, e := range batch {
				if e.Outcome == authz.Committed {
					approved++
				}
				if e.Outcome == authz.Stale {
					continue
				}
				if first, seen := code[e.Request.Dup]; seen && first != e.Decision.ID {
					t.Errorf("one key was told %d and %d", first, e.Decision.ID)
				}
				code[e.Request.Dup] = e.Decision.ID
			}
		}
	}
	if rows := w.count("SELECT count(*) FROM authorizations"); rows != approved || rows != int64(len(code)) {
		t.Errorf("%d rows for %d commits of %d keys", rows, approved, len(code))
	}
	if approved != (storetest.DepositFunds+storetest.UserFunds)/1_00 {
		t.Errorf("%d of 1.00 were approved, want all of the deposit and all of Carol's", approved)
	}
	w.Verify()
}

// Decisions without a card lock nothing: the unique key alone keeps two nodes apart.
func TestTwoNodesShareKeysWithoutCards(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var wg sync.WaitGroup
	var batches [2][]*authz.Entry
	for node := range batches {
		for i := range 50 {
			e := w.approval(authz.ID(1<<40+i), storetest.Holder{Number: w.Alice.Number}, nil, 1)
			e.Decision, e.Hold = authz.Decision{ID: e.Request.ID + authz.ID(node), Reason: authz.CardUnknown}, 0
			e.Request.ID += authz.ID(node * 1000)
			batches[node] = append(batches[node], e)
		}
		wg.Go(func() {
			if _, err := w.nodes[node].Commit(t.Context(), batches[node]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range batches[0] {
		a, b := batches[0][i].Outcome, batches[1][i].Outcome
		if a+b != authz.Committed+authz.Duplicate || a == b {
			t.Errorf("key %d: outcomes %d and %d, want committed and duplicate", i, a, b)
		}
	}
}

// Goal: LockCard does not return while an approval on the older version may still commit. Method: an approval has
// read the card and waits to write its row; then the other node locks the card.
func TestLockWaitsForAnApprovalOnItsWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	card := w.card(w.Alice)
	w.nodes[1] = open(t, pgstore.Config{URL: w.url, Committers: 1, LockTimeout: 10 * time.Second, CommitTimeout: 20 * time.Second})
	locker := open(t, pgstore.Config{URL: w.url, LockTimeout: 10 * time.Second})
	e, late := w.approval(1<<40, w.Alice, card, 1), w.approval(1<<40+1, w.Alice, card, 1)
	// Statements are prepared with the first commit, which waits for the table, too.
	if _, err := w.nodes[1].Commit(ctx, []*authz.Entry{w.approval(1<<40+2, w.Bob, w.card(w.Bob), 1)}); err != nil {
		t.Fatal(err)
	}
	release := w.hold("LOCK TABLE authorizations IN SHARE MODE") // reading goes on, writing waits
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := w.nodes[1].Commit(ctx, []*authz.Entry{e}); err != nil || e.Outcome != authz.Committed {
			t.Errorf("the approval on its way: outcome %d, %v", e.Outcome, err)
		}
	})
	for w.waiting() < 1 {
		runtime.Gosched()
	}
	locked := make(chan error, 1)
	wg.Go(func() {
		locked <- locker.Update(ctx, func(q records.Querier) error {
			return records.LockCard(ctx, q, w.Alice.Card, authz.LockStolen)
		})
	})
	for w.waiting() < 2 && len(locked) == 0 {
		runtime.Gosched()
	}
	if len(locked) > 0 {
		t.Error("the lock returned while an approval on the older version was on its way")
	}
	release()
	if err := <-locked; err != nil {
		t.Error(err)
	}
	wg.Wait()
	if _, err := w.nodes[1].Commit(ctx, []*authz.Entry{late}); err != nil || late.Outcome != authz.Stale {
		t.Errorf("an approval after the lock: outcome %d, %v, want stale", late.Outcome, err)
	}
	w.Verify()
}

// A void and the repeat of what it undoes, in one transaction: the repeat hears that it came too late, not what
// the row said when the transaction began.
func TestRepeatBehindAVoidIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	card := w.card(w.Alice)
	first := w.approval(1<<40, w.Alice, card, 30_00)
	if _, err := w.nodes[0].Commit(t.Context(), []*authz.Entry{first}); err != nil {
		t.Fatal(err)
	}
	void := &authz.Entry{Request: first.Request, Card: card, Void: true, Decision: authz.Decision{ID: first.Request.ID}}
	again := *first.Request
	again.ID++
	repeat := &authz.Entry{Request: &again, Card: card, Hold: 30_00,
		Decision: authz.Decision{ID: again.ID, Reason: authz.Approved, ApprovalCode: "OTHER1"}}
	if _, err := w.nodes[1].Commit(t.Context(), []*authz.Entry{void, repeat}); err != nil {
		t.Fatal(err)
	}
	if repeat.Outcome != authz.Duplicate || repeat.Decision.Reason != authz.DecisionLate {
		t.Errorf("the repeat: outcome %d, %s", repeat.Outcome, repeat.Decision.Reason)
	}
	w.Verify()
}

// A batch that can never be written fails alone, not what shares its transaction.
func TestOneBadBatchFailsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	card := w.card(w.Alice)
	nowhere := *card
	nowhere.Balance = 1 << 40 // not in the records: the arbiter cannot read it
	s := open(t, pgstore.Config{URL: w.url, Committers: 1, LockTimeout: 10 * time.Second, CommitTimeout: 20 * time.Second})
	// While the deposit's row is held, the first batch waits in its transaction and the others for the next one.
	release := w.holdBalance(w.Deposit)
	var wg sync.WaitGroup
	results := make([]error, 9)
	for i := range results {
		e := w.approval(authz.ID(1<<40+i), w.Alice, card, 1)
		if i == 4 {
			e.Card = &nowhere
		}
		wg.Go(func() { _, results[i] = s.Commit(t.Context(), []*authz.Entry{e}) })
		for i == 0 && w.waiting() == 0 {
			runtime.Gosched()
		}
	}
	for s.Queued() < len(results)-1 {
		runtime.Gosched()
	}
	release()
	wg.Wait()
	for i, err := range results {
		if bad := i == 4; (err != nil) != bad || bad && !errors.Is(err, authz.ErrUnavailable) {
			t.Errorf("batch %d: %v", i, err)
		}
	}
	w.Verify()
}

// holdBalance locks a balance's row, as an administrator's session may, until release.
func (w *world) holdBalance(id authz.BalanceID) (release func()) {
	w.t.Helper()
	return w.hold(fmt.Sprintf("SELECT FROM balances WHERE id = %d FOR UPDATE", id))
}

// hold keeps the locks that a statement takes.
func (w *world) hold(sql string) (release func()) {
	w.t.Helper()
	ctx := context.Background()
	c, err := pgx.Connect(ctx, w.url)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, sql := range []string{"BEGIN", sql} {
		if _, err := c.Exec(ctx, sql); err != nil {
			w.t.Fatal(err)
		}
	}
	return func() { _ = c.Close(ctx) }
}

// A row that somebody keeps locked costs no more than the caller's time, and nothing is written afterwards.
func TestLockedBalanceIsUnavailableInTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	defer w.holdBalance(w.Alice.Balance)()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := w.nodes[0].Commit(ctx, []*authz.Entry{w.approval(1<<40, w.Alice, w.card(w.Alice), 1)})
	if !errors.Is(err, authz.ErrUnavailable) || errors.Is(err, authz.ErrUnknown) {
		t.Errorf("commit on a locked row: %v, want unavailable", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if n := w.count("SELECT count(*) FROM authorizations"); n != 0 {
		t.Errorf("%d rows", n)
	}
}

// Text that PostgreSQL cannot store is made storable, and the message is still found by it.
func TestTextOfMessagesIsMadeStorable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	card := w.card(w.Alice)
	e := w.approval(1<<40, w.Alice, card, 30_00)
	e.Request.Trace.Merchant, e.Request.Trace.Terminal, e.Request.Peer = "CAF\xC9 \x00", "T\x00\xFF", "a\x00b"
	good := w.approval(1<<40+1, w.Bob, w.card(w.Bob), 1)
	if _, err := w.nodes[0].Commit(t.Context(), []*authz.Entry{e, good}); err != nil {
		t.Fatal(err)
	}
	if n := w.count("SELECT count(*) FROM authorizations WHERE merchant = 'CAFÉ ' || chr(65533)"); n != 1 {
		t.Error("the merchant is not kept as Latin-1")
	}
	undo := w.Undo(e.Request)
	undo.ID, undo.Dup, undo.Peer = 1<<40+2, authz.DupKey{2}, "a\uFFFDb"
	undo.Trace.Terminal = ""
	reversal := &authz.Entry{Request: undo, Card: card, Decision: authz.Decision{ID: undo.ID, Reason: authz.ReversalAccepted}}
	if _, err := w.nodes[1].Commit(t.Context(), []*authz.Entry{reversal}); err != nil {
		t.Fatal(err)
	}
	if left := w.Available(w.Alice.Balance); left != storetest.UserFunds {
		t.Errorf("Alice has %d left after the reversal", left)
	}
	w.Verify()
}

// endBackends ends the sessions of the schema's nodes, as a restart of the server does.
func (w *world) endBackends() {
	_ = w.count(`SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = current_setting('application_name') AND pid <> pg_backend_pid()`)
}

// waiting is how many sessions of the schema's nodes wait for a lock.
func (w *world) waiting() int64 {
	return w.count(`SELECT count(*) FROM pg_stat_activity
WHERE application_name = current_setting('application_name') AND wait_event_type = 'Lock'`)
}
