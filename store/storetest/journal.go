package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"holdfast/authz"
)

// Journal is the conformance suite of an arbiter. open makes a fresh store.
func Journal(t *testing.T, open func(testing.TB) Store) {
	for _, test := range slices.Concat(journal, voids, lives, exchanges, expiries, undone, credits, evidenceTests, limitTests) {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := &bench{NewWorld(t, open(t)), authz.FirstID(Epoch)}
			test.run(t, b)
			b.Verify()
		})
	}
}

// rule is one sentence and its test.
type rule struct {
	name string
	run  func(*testing.T, *bench)
}

var journal = []rule{
	{"an approval holds on the balance and the deposit", approvalHolds},
	{"a financial request posts at once", financialPosts},
	{"an approval that the balance does not cover is stale", balanceRefuses},
	{"an approval that the deposit does not cover is stale", depositRefuses},
	{"a decline that the funds contradict is stale", wrongDecline},
	{"a decision on another version of the card is stale and teaches the card", staleCard},
	{"the second row of a key is a duplicate of the first", duplicateKey},
	{"a duplicate of what no longer fits is still a duplicate", duplicateShort},
	{"a reversal gives back to both, once", reversalGivesBack},
	{"a partial reversal leaves the final amount", partialReversal},
	{"several partial reversals each state what stays", partialReversals},
	{"a reversal of a posting posts it back", reversalOfPosting},
	{"a reversal before its original stops it", tombstone},
	{"a tombstone stops nothing else", tombstoneElse},
	{"a tombstone is found among hundreds of its card", tombstoneAmongMany},
	{"a reversal of two candidates undoes neither", ambiguous},
	{"an advice replaces the hold that it settles", adviceReplaces},
	{"an advice is held whatever is there", adviceForced},
	{"an advice after its reversal holds nothing", adviceReversed},
	{"every order of a request, its advice and its reversal ends the same", everyOrder},
	{"a request after its advice holds nothing more", adviceFirst},
	{"a partial reversal in another currency changes nothing", partialOtherCurrency},
	{"a repeat that says something else is declined", repeatMismatch},
	{"decisions without a card are kept", withoutCard},
	{"concurrent batches never overspend", concurrentBatches},
	{"what moved is counted on its settlement day", reconciled},
	{"the last cut-over of each peer is its day", cutOvers},
	{"a lock from outside is never softened", lockOutside},
	{"of locks at once the gravest stays", locksAtOnce},
	{"the truth that is taught is the balances after the batch", truthTaught},
	{"a row of any kind keeps the stages of its own request", stagesKept},
	{"a row of any kind keeps its own merchant's name", acceptorKept},
	{"whoever reads records for long keeps no authorization waiting", longReading},
}

type bench struct {
	*World
	id authz.ID
}

// entry makes what the authorizer would give to the journal for a request with this decision.
func (b *bench) entry(h Holder, r *authz.Request, reason authz.Reason) *authz.Entry {
	b.t.Helper()
	b.id++
	r.ID, r.Tag = b.id, b.Keys.Tag(r.PAN)
	if r.Dup == (authz.DupKey{}) {
		r.Dup = authz.DupKey(b.Keys.Keyed("dup", []byte(fmt.Sprint(r.Kind, r.Trace, r.Amount.Minor))))
	}
	e := &authz.Entry{Request: r, Decision: authz.Decision{ID: r.ID, Reason: reason}}
	if h.Card != 0 {
		card := b.card(h)
		e.Card = &card
	}
	switch reason {
	case authz.Approved, authz.AdviceAccepted, authz.FundsShort, authz.DepositShort:
		e.Hold, _ = r.Hold(EUR(b.t))
	}
	e.Deferred = r.Phase.Continues()
	if reason == authz.Approved {
		e.Decision.ApprovalCode, e.Decision.Amount = "ABC123", e.Hold
	}
	return e
}

func (b *bench) card(h Holder) authz.Card {
	b.t.Helper()
	var card authz.Card
	if err := b.Store.Find(b.t.Context(), []authz.Tag{h.Tag}, func(_ int, c authz.Card) { card = c }); err != nil {
		b.t.Fatal(err)
	}
	if card.ID != h.Card {
		b.t.Fatalf("found card %d by its tag, want %d", card.ID, h.Card)
	}
	return card
}

func (b *bench) commit(entries ...*authz.Entry) authz.Truth {
	b.t.Helper()
	truth, err := b.Store.Commit(b.t.Context(), entries)
	if err != nil {
		b.t.Fatal(err)
	}
	return truth
}

// decided commits one entry and checks its outcome and reason.
func (b *bench) decided(e *authz.Entry, outcome authz.Outcome, reason authz.Reason) *authz.Entry {
	b.t.Helper()
	b.commit(e)
	if e.Outcome != outcome || e.Decision.Reason != reason {
		b.t.Errorf("outcome %d with %s, want %d with %s", e.Outcome, e.Decision.Reason, outcome, reason)
	}
	return e
}

func (b *bench) approve(h Holder, kind authz.Kind, amount int64) *authz.Request {
	b.t.Helper()
	r := b.Request(h, kind, amount)
	b.decided(b.entry(h, r, authz.Approved), authz.Committed, authz.Approved)
	return r
}

func (b *bench) reverse(h Holder, r *authz.Request) *authz.Entry {
	b.t.Helper()
	return b.decided(b.entry(h, r, authz.ReversalAccepted), authz.Committed, authz.ReversalAccepted)
}

// left checks what Alice and the deposit have available.
func (b *bench) left(alice, deposit int64) {
	b.t.Helper()
	if a, d := b.Available(b.Alice.Balance), b.Available(b.Deposit); a != alice || d != deposit {
		b.t.Errorf("available: Alice %d, deposit %d; want %d, %d", a, d, alice, deposit)
	}
}

func approvalHolds(_ *testing.T, b *bench) {
	b.approve(b.Alice, authz.Authorization, 30_00)
	b.left(70_00, 120_00)
	b.approve(b.Carol, authz.Authorization, 10_00)
	b.left(70_00, 120_00)
	if c := b.Available(b.Carol.Balance); c != 90_00 {
		b.t.Errorf("Carol has %d, want 9000", c)
	}
}

func financialPosts(_ *testing.T, b *bench) {
	b.approve(b.Alice, authz.Financial, 30_00)
	b.approve(b.Carol, authz.Financial, 1)
	b.left(70_00, 120_00)
}

func balanceRefuses(_ *testing.T, b *bench) {
	b.decided(b.entry(b.Alice, b.Request(b.Alice, authz.Authorization, UserFunds+1), authz.Approved), authz.Stale, authz.Approved)
	b.left(UserFunds, DepositFunds)
	b.approve(b.Alice, authz.Authorization, UserFunds)
	b.left(0, DepositFunds-UserFunds)
}

func depositRefuses(_ *testing.T, b *bench) {
	b.approve(b.Bob, authz.Authorization, 90_00)
	b.decided(b.entry(b.Alice, b.Request(b.Alice, authz.Authorization, 60_01), authz.Approved), authz.Stale, authz.Approved)
	b.left(UserFunds, 60_00)
}

func wrongDecline(_ *testing.T, b *bench) {
	for _, reason := range []authz.Reason{authz.FundsShort, authz.DepositShort} {
		b.decided(b.entry(b.Alice, b.Request(b.Alice, authz.Authorization, 1), reason), authz.Stale, reason)
		b.decided(b.entry(b.Alice, b.Request(b.Alice, authz.Authorization, 900_00), reason), authz.Committed, reason)
	}
	b.left(UserFunds, DepositFunds)
}

func staleCard(t *testing.T, b *bench) {
	approve := b.entry(b.Alice, b.Request(b.Alice, authz.Authorization, 1), authz.Approved)
	decline := b.entry(b.Alice, b.Request(b.Alice, authz.Authorization, 1), authz.CardExpired)
	b.Lock(b.Alice.Card, authz.LockStolen)
	truth := b.commit(approve, decline)
	if approve.Outcome != authz.Stale || decline.Outcome != authz.Stale {
		t.Errorf("outcomes %d and %d, want stale", approve.Outcome, decline.Outcome)
	}
	if len(truth.Cards) == 0 || truth.Cards[0].Lock != authz.LockStolen || truth.Cards[0].ID != b.Alice.Card {
		t.Errorf("taught %+v, want the locked card", truth.Cards)
	}
	b.left(UserFunds, DepositFunds)
}

func duplicateKey(t *testing.T, b *bench) {
	first := b.Request(b.Alice, authz.Authorization, 30_00)
	again := *first
	one, two := b.entry(b.Alice, first, authz.Approved), b.entry(b.Alice, &again, authz.Approved)
	two.Decision.ApprovalCode = "OTHER1"
	b.commit(one, two)
	if one.Outcome != authz.Committed || two.Outcome != authz.Duplicate {
		t.Errorf("outcomes %d and %d, want committed and duplicate", one.Outcome, two.Outcome)
	}
	if two.Decision.ApprovalCode != "ABC123" || two.Decision.ID != one.Decision.ID || two.Decision.Amount != 30_00 {
		t.Errorf("the duplicate is answered %+v, want the first decision", two.Decision)
	}
	b.left(70_00, 120_00)
}

func duplicateShort(_ *testing.T, b *bench) {
	first := b.approve(b.Alice, authz.Authorization, 90_00)
	again := *first
	b.decided(b.entry(b.Alice, &again, authz.FundsShort), authz.Duplicate, authz.Approved)
	more := *first
	b.decided(b.entry(b.Alice, &more, authz.Approved), authz.Duplicate, authz.Approved)
	b.left(10_00, 60_00)
}

func repeatMismatch(_ *testing.T, b *bench) {
	r := b.approve(b.Alice, authz.Authorization, 30_00)
	other := *r
	other.Repeat, other.Amount.Minor, other.Dup = true, 31_00, authz.DupKey{}
	b.decided(b.entry(b.Alice, &other, authz.Approved), authz.Committed, authz.RepeatMismatch)
	b.left(70_00, 120_00)
}

func withoutCard(_ *testing.T, b *bench) {
	nobody := Holder{Number: b.Alice.Number}
	r := b.Request(nobody, authz.Authorization, 1)
	b.decided(b.entry(nobody, r, authz.CardUnknown), authz.Committed, authz.CardUnknown)
	again := *r
	b.decided(b.entry(nobody, &again, authz.CardUnknown), authz.Duplicate, authz.CardUnknown)
	b.reverse(nobody, b.Undo(r))
}

func concurrentBatches(t *testing.T, b *bench) {
	var batches [][]*authz.Entry
	for range 20 {
		var batch []*authz.Entry
		for _, h := range []Holder{b.Alice, b.Bob, b.Alice, b.Bob} {
			batch = append(batch, b.entry(h, b.Request(h, authz.Authorization, 7_00), authz.Approved))
		}
		batches = append(batches, batch)
	}
	var wg sync.WaitGroup
	for _, batch := range batches {
		wg.Go(func() {
			if _, err := b.Store.Commit(t.Context(), batch); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	approved := int64(0)
	for _, batch := range batches {
		for _, e := range batch {
			if e.Outcome == authz.Committed {
				approved++
			}
		}
	}
	if want := int64(DepositFunds / 7_00); approved != want {
		t.Errorf("%d of 7.00 were approved on a deposit of 150.00, want %d", approved, want)
	}
	if left := b.Available(b.Deposit); left != DepositFunds-approved*7_00 {
		t.Errorf("the deposit has %d left after %d approvals", left, approved)
	}
}

func truthTaught(t *testing.T, b *bench) {
	e := b.entry(b.Alice, b.Request(b.Alice, authz.Authorization, 30_00), authz.Approved)
	truth := b.commit(e, b.entry(b.Alice, b.Request(b.Alice, authz.Authorization, 5_00), authz.Approved))
	found := map[authz.BalanceID]authz.Balance{}
	for _, balance := range truth.Balances {
		found[balance.ID] = balance
	}
	if found[b.Alice.Balance].Available != 65_00 || found[b.Deposit].Available != 115_00 {
		t.Errorf("taught %+v, want 6500 for Alice and 11500 for the deposit", truth.Balances)
	}
	before := found[b.Deposit].Version
	for _, balance := range b.commit(b.entry(b.Alice, b.Request(b.Alice, authz.Authorization, 1), authz.Approved)).Balances {
		if balance.ID == b.Deposit && balance.Version <= before {
			t.Errorf("version %d after %d: it must grow", balance.Version, before)
		}
	}
}
