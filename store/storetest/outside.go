package storetest

import (
	"sync"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/store/records"
)

// totals reads what we count of the network on a day in the world's currency.
func (b *bench) totals(day authz.Day) authz.Totals {
	b.t.Helper()
	var t authz.Totals
	if err := b.Store.View(b.t.Context(), func(q records.Querier) (err error) {
		t, err = records.Reconcile(b.t.Context(), q, "network", day, EUR(b.t), true)
		return err
	}); err != nil {
		b.t.Fatal(err)
	}
	return t
}

// settled makes a request of the kind on a day.
func (b *bench) settled(day authz.Day, kind authz.Kind, amount int64) *authz.Request {
	r := b.Request(b.Alice, kind, amount)
	r.Settlement = authz.Settlement{Day: day, Amount: r.Amount}
	return r
}

// What is posted counts on the day of its message and a reversal on its own, whole or in part; what only holds, what
// was declined, what is of another peer, day or currency, and a reversal that gave nothing back do not count.
func reconciled(t *testing.T, b *bench) {
	const today, tomorrow = authz.Day(20261122), authz.Day(20261123)
	approve := func(r *authz.Request) *authz.Request {
		b.decided(b.entry(b.Alice, r, authz.Approved), authz.Committed, authz.Approved)
		return r
	}
	charged := b.settled(today, authz.Financial, 10_00)
	charged.Settlement.Fee, charged.Settlement.Processing = 25, -3
	first := approve(charged)
	second := approve(b.settled(today, authz.Financial, 5_00))
	approve(b.settled(tomorrow, authz.Financial, 1_00))
	b.approve(b.Alice, authz.Authorization, 2_00)
	question := b.Request(b.Alice, authz.Authorization, 0)
	question.Transaction = authz.Inquiry
	approve(question)
	b.decided(b.entry(b.Alice, b.settled(today, authz.Financial, UserFunds), authz.FundsShort), authz.Committed, authz.FundsShort)
	other := b.settled(today, authz.Financial, 3_00)
	other.Peer = "another"
	approve(other)
	foreign := b.settled(today, authz.Financial, 4_00)
	foreign.Settlement.Amount.Currency, _ = money.ByAlpha("USD")
	approve(foreign)

	undo := func(day authz.Day, r *authz.Request, gives int64) {
		u := b.Undo(r)
		u.Settlement.Day = day
		if u.Partial = gives != 0; u.Partial {
			u.Final = r.Amount.Minor - gives
			u.Settlement.Amount = money.Amount{Minor: gives, Currency: EUR(t)}
		}
		b.reverse(b.Alice, u)
	}
	undo(today, first, 4_00)
	undo(tomorrow, second, 0)
	undo(tomorrow, second, 0) // another reversal of the same: nothing is left to give back
	undo(tomorrow, b.settled(today, authz.Financial, 7_00), 0)

	want := authz.Totals{Debits: authz.Total{Count: 2, Amount: 15_00}, DebitReversals: authz.Total{Count: 1, Amount: 4_00},
		DebitFees: authz.Fees{Transaction: 25, Processing: -3}, Inquiries: 1, Authorizations: 1}
	if got := b.totals(today); got != want || got.Net() != 11_00 {
		t.Errorf("today: %+v net %d, want %+v", got, got.Net(), want)
	}
	want = authz.Totals{Debits: authz.Total{Count: 1, Amount: 1_00}, DebitReversals: authz.Total{Count: 1, Amount: 5_00}}
	if got := b.totals(tomorrow); got != want || got.Net() != -4_00 {
		t.Errorf("tomorrow: %+v net %d, want %+v", got, got.Net(), want)
	}
	// What moved no money counts between the cut-overs of the peer, here in the afternoon of its first day.
	late := b.Request(b.Alice, authz.AuthorizationAdvice, 2_00)
	late.ReceivedAt, late.StoodIn = Epoch.Add(2*time.Hour), true
	b.decided(b.entry(b.Alice, late, authz.AdviceAccepted), authz.Committed, authz.AdviceAccepted)
	if err := b.Store.Update(t.Context(), func(q records.Querier) error {
		return records.CutOver(t.Context(), q, "network", tomorrow, Epoch.Add(time.Hour))
	}); err != nil {
		t.Fatal(err)
	}
	if now, next := b.totals(today).Authorizations, b.totals(tomorrow).Authorizations; now != 1 || next != 1 {
		t.Errorf("of the authorizations %d are today's and %d tomorrow's, want one each", now, next)
	}
}

func cutOvers(t *testing.T, b *bench) {
	ctx := t.Context()
	var days map[string]authz.Day
	if err := b.Store.Update(ctx, func(q records.Querier) error {
		for _, day := range []authz.Day{20261122, 20261123, 20261123} {
			if err := records.CutOver(ctx, q, "network", day, Epoch); err != nil {
				return err
			}
		}
		return records.CutOver(ctx, q, "another", 20261121, Epoch)
	}); err != nil {
		t.Fatal(err)
	}
	if err := b.Store.View(ctx, func(q records.Querier) (err error) {
		days, err = records.CutOvers(ctx, q)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if len(days) != 2 || days["network"] != 20261123 || days["another"] != 20261121 {
		t.Errorf("read %v", days)
	}
}

// ask has a peer change Alice's lock, or that of the tag.
func (b *bench) ask(tag authz.Tag, wanted authz.LockReason, inquiry bool) (d records.FileActionDone, err error) {
	ctx := b.t.Context()
	err = b.Store.Update(ctx, func(q records.Querier) (err error) {
		d, err = records.LockOutside(ctx, q, records.FileAction{Peer: "network", MTI: "0304", STAN: "000001", Tags: []authz.Tag{tag},
			BIN: "999999", Last4: "0001", Wanted: wanted, Inquiry: inquiry, At: Epoch})
		return err
	})
	return d, err
}

// A lock from outside ends approvals that were decided before it, is never softened, and is written down with its
// peer, whatever became of it.
func lockOutside(t *testing.T, b *bench) {
	before := b.entry(b.Alice, b.Request(b.Alice, authz.Authorization, 1_00), authz.Approved)
	for _, step := range []struct {
		wanted, now authz.LockReason
		inquiry     bool
		outcome     authz.LockOutcome
	}{
		{authz.LockPINTries, authz.LockPINTries, false, authz.LockChanged},
		{authz.LockNone, authz.LockPINTries, true, authz.LockAlready},
		{authz.LockNone, authz.LockNone, false, authz.LockChanged},
		{authz.LockFraud, authz.LockFraud, false, authz.LockChanged},
		{authz.LockLost, authz.LockLost, false, authz.LockStrengthened},
		{authz.LockLost, authz.LockLost, false, authz.LockAlready},
		{authz.LockFraud, authz.LockLost, false, authz.LockRefused},
		{authz.LockNone, authz.LockLost, false, authz.LockRefused},
	} {
		d, err := b.ask(b.Alice.Tag, step.wanted, step.inquiry)
		if err != nil || d.Outcome != step.outcome || d.Lock != step.now || d.Card != b.Alice.Card {
			t.Errorf("asked for %d: %+v, %v; want %s and %d", step.wanted, d, err, step.outcome, step.now)
		}
	}
	if d, err := b.ask(authz.Tag{1}, authz.LockLost, false); err != nil || d.Outcome != authz.LockNoCard || d.Card != 0 {
		t.Errorf("an unknown card: %+v, %v", d, err)
	}
	var news []lockNews
	for _, lock := range []authz.LockReason{authz.LockPINTries, authz.LockNone, authz.LockFraud, authz.LockLost} {
		news = append(news, lockNews{b.Alice.Card, lock, authz.LockByOutside})
	}
	news[1].source = ""
	b.told(news...)
	b.told()
	b.decided(before, authz.Stale, authz.Approved)
	var written int64
	if err := b.Store.View(t.Context(), func(q records.Querier) error {
		return q.Query(t.Context(), func(r records.Row) error { written = r.Int(0); return nil },
			"SELECT count(*) FROM file_actions WHERE peer = 'network' AND stan = '000001'")
	}); err != nil || written != 9 {
		t.Errorf("%d file actions are written down, %v; want 9", written, err)
	}
}

// Peers that ask at the same time are decided one after the other: the gravest reason stays. Many rounds, because
// two rarely meet.
func locksAtOnce(t *testing.T, b *bench) {
	for range 25 {
		b.Lock(b.Bob.Card, authz.LockNone)
		var wg sync.WaitGroup
		for _, lock := range []authz.LockReason{authz.LockStolen, authz.LockQuery} {
			wg.Go(func() {
				if _, err := b.ask(b.Bob.Tag, lock, false); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := b.card(b.Bob).Lock; got != authz.LockStolen {
			t.Fatalf("the lock that stayed is %d, want %d", got, authz.LockStolen)
		}
	}
}
