package records_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/store/records"
	"holdfast/store/storetest"
)

func testBalances(t *testing.T, o *office) {
	ctx := t.Context()
	stranger := o.newUser(false)
	eur := o.currency("EUR")
	o.refused(record.ErrKYC, "a balance without KYC", func(tx *records.Tx) error {
		return tx.OpenBalance(ctx, &record.Balance{Partner: o.partner.ID, User: stranger.ID, Kind: record.BalanceUser, Currency: eur,
			CreatedAt: storetest.Epoch})
	})
	o.refused(record.ErrExists, "a second credit balance", func(tx *records.Tx) error {
		return tx.OpenBalance(ctx, &record.Balance{Partner: o.partner.ID, Kind: record.BalanceCredit, Currency: eur, CreatedAt: storetest.Epoch})
	})
	o.refused(authz.ErrNotFound, "a balance of another partner's user", func(tx *records.Tx) error {
		return tx.OpenBalance(ctx, &record.Balance{Partner: o.partner.ID + 7, User: o.user.ID, Kind: record.BalanceUser, Currency: eur,
			CreatedAt: storetest.Epoch})
	})
	b := o.balance("EUR")
	if b.PublicID.IsZero() || b.PublicID.Time() != storetest.Epoch || b.State != record.BalanceActive || b.User != o.user.ID {
		t.Errorf("opened %+v", b)
	}
	o.must(func(tx *records.Tx) error {
		found, err := tx.Balance(ctx, o.partner.ID, b.PublicID)
		if err != nil || found != b {
			t.Errorf("read %+v, %v, want %+v", found, err, b)
		}
		if _, err := tx.Balance(ctx, o.partner.ID+1, b.PublicID); !errors.Is(err, authz.ErrNotFound) {
			t.Errorf("another partner's balance: %v", err)
		}
		own, err := tx.BalancesOf(ctx, record.BalanceFilter{Partner: o.partner.ID, PartnerOnly: true}, record.Page{})
		if err != nil || len(own.Items) != 2 {
			t.Errorf("%d of the partner's own, %v", len(own.Items), err)
		}
		_, err = tx.SetBalanceState(ctx, o.partner.ID, b.PublicID, record.BalanceLocked)
		return err
	})
	o.must(func(tx *records.Tx) error {
		_, err := tx.SetBalanceState(ctx, o.partner.ID, b.PublicID, record.BalanceActive)
		return err
	})
	o.fund(b, 50)
	c, holder := o.card(o.credit, b, record.CardVirtual)
	before := o.snapshot(0, holder)
	o.must(func(tx *records.Tx) error {
		_, err := tx.SetBalanceState(ctx, o.partner.ID, b.PublicID, record.BalanceLocked)
		return err
	})
	if outcome, err := o.approve(1, holder, 1<<40, before, 10); outcome != authz.Stale || err != nil {
		t.Errorf("an approval on the card from before the balance's lock: %d, %v", outcome, err)
	}
	if now := o.snapshot(1, holder); !now.BalanceRestricted || now.Version <= before.Version {
		t.Errorf("the card of a locked balance: %+v", now)
	}
	o.refused(record.ErrBalanceLocked, "a debit of a locked balance", func(tx *records.Tx) error {
		return tx.Move(ctx,
			o.movement(record.MovementDebit, b, 10))
	})
	o.refused(record.ErrNotZero, "closing with money", func(tx *records.Tx) error {
		_, err := tx.SetBalanceState(ctx, o.partner.ID, b.PublicID, record.BalanceClosed)
		return err
	})
	o.must(func(tx *records.Tx) error {
		if _, err := tx.SetBalanceState(ctx, 0, b.PublicID, record.BalanceActive); err != nil {
			return err
		}
		return tx.Move(ctx, o.movement(record.MovementDebit, b, 50))
	})
	o.refused(record.ErrCardsLeft, "closing with a card", func(tx *records.Tx) error {
		_, err := tx.SetBalanceState(ctx, o.partner.ID, b.PublicID, record.BalanceClosed)
		return err
	})
	o.must(func(tx *records.Tx) error {
		if _, err := tx.MoveCard(ctx, 0, c.ID, record.ActRemove, storetest.Epoch); err != nil {
			return err
		}
		_, err := tx.SetBalanceState(ctx, o.partner.ID, b.PublicID, record.BalanceClosed)
		return err
	})
	o.refused(record.ErrBalanceClosed, "a top-up of a closed balance", func(tx *records.Tx) error {
		return tx.Move(ctx,
			o.movement(record.MovementTopUp, b, 1))
	})
	o.refused(record.ErrBalanceClosed, "opening a closed balance", func(tx *records.Tx) error {
		_, err := tx.SetBalanceState(ctx, 0, b.PublicID, record.BalanceActive)
		return err
	})
}

func testMoney(t *testing.T, o *office) {
	ctx := t.Context()
	eur, usd := o.balance("EUR"), o.balance("USD")
	o.refused(record.ErrCreditFunds, "a top-up beyond the credit", func(tx *records.Tx) error {
		return tx.Move(ctx,
			o.movement(record.MovementTopUp, eur, 1))
	})
	o.fund(o.wallets["EUR"], 100)
	topUp := o.movement(record.MovementTopUp, eur, 60)
	o.must(func(tx *records.Tx) error { return tx.Move(ctx, topUp) })
	if topUp.After.Ledger != 60 || o.money(eur).Ledger != 60 || o.money(o.wallets["EUR"]).Ledger != 40 {
		t.Errorf("after a top-up of 60: %d, the partner's credit %d", o.money(eur).Ledger, o.money(o.wallets["EUR"]).Ledger)
	}
	o.refused(record.ErrCreditFunds, "a top-up beyond what is left", func(tx *records.Tx) error {
		return tx.Move(ctx,
			o.movement(record.MovementTopUp, eur, 41))
	})
	o.must(func(tx *records.Tx) error { return tx.Move(ctx, o.movement(record.MovementTopUp, usd, 25)) })
	if o.money(usd).Ledger != 25 || o.money(o.wallets["USD"]).Ledger != 0 {
		t.Error("a top-up in a deposit program has to come from outside")
	}
	_, holder := o.card(o.credit, eur, record.CardVirtual)
	if outcome, err := o.approve(0, holder, 1<<40, o.snapshot(0, holder), 45); outcome != authz.Committed || err != nil {
		t.Fatalf("approve: %d, %v", outcome, err)
	}
	o.refused(record.ErrFunds, "a debit of what is held", func(tx *records.Tx) error {
		return tx.Move(ctx,
			o.movement(record.MovementDebit, eur, 16))
	})
	o.must(func(tx *records.Tx) error { return tx.Move(ctx, o.movement(record.MovementDebit, eur, 15)) })
	if now := o.money(eur); now.Ledger != 45 || now.Available() != 0 || o.money(o.wallets["EUR"]).Ledger != 55 {
		t.Errorf("after a debit of 15: %+v", now)
	}
	for _, m := range []struct {
		want error
		what string
		edit func(*record.Movement)
	}{
		{record.ErrCurrency, "another currency", func(m *record.Movement) { m.Amount.Currency = o.currency("JPY") }},
		{record.ErrValidation, "nothing", func(m *record.Movement) { m.Amount.Minor = 0 }},
		{record.ErrValidation, "less than nothing", func(m *record.Movement) { m.Amount.Minor = -5 }},
		{record.ErrValidation, "no external id", func(m *record.Movement) { m.ExternalID = "" }},
		{record.ErrValidation, "a partner's balance", func(m *record.Movement) { m.Balance = o.wallets["EUR"].ID }},
		{authz.ErrNotFound, "another partner's", func(m *record.Movement) { m.Partner++ }},
		{record.ErrSecondPerson, "a reload by one person", func(m *record.Movement) {
			m.Kind, m.Balance = record.MovementReload,
				o.wallets["EUR"].ID
		}},
	} {
		bad := o.movement(record.MovementTopUp, eur, 5)
		m.edit(bad)
		o.refused(m.want, m.what, func(tx *records.Tx) error { return tx.Move(ctx, bad) })
	}
	o.must(func(tx *records.Tx) error {
		sums, err := tx.Summary(ctx)
		if err != nil || len(sums) != 2 {
			t.Fatalf("summary %v, %v", sums, err)
		}
		for _, s := range sums {
			want := map[string][2]int64{"EUR": {45, 100}, "USD": {25, 25}}[s.Currency.Alpha()]
			if s.Users != want[0] || s.Wallet != want[1] {
				t.Errorf("summary %+v, want %v", s, want)
			}
		}
		first, err := tx.Statement(ctx, record.StatementFilter{Balance: eur.ID}, record.Page{Limit: 1})
		if err != nil || len(first.Items) != 1 || first.Items[0].Amount != -15 || first.Items[0].ExternalID == "" || first.Next == "" {
			t.Fatalf("statement %+v, %v", first, err)
		}
		second, err := tx.Statement(ctx, record.StatementFilter{Balance: eur.ID}, record.Page{Limit: 5, Cursor: first.Next})
		if err != nil || len(second.Items) != 1 || second.Items[0].Amount != 60 || second.Items[0].Movement != topUp.ID ||
			second.Next != "" {
			t.Errorf("statement, second page %+v, %v", second, err)
		}
		if _, err := tx.Statement(ctx, record.StatementFilter{Balance: eur.ID}, record.Page{Cursor: "7.8"}); !errors.Is(err, record.ErrCursor) {
			t.Errorf("a strange cursor: %v", err)
		}
		all, err := tx.Movements(ctx, eur.ID, record.Page{})
		if err != nil || len(all.Items) != 2 || all.Items[1].ID != topUp.ID {
			t.Errorf("movements %+v, %v", all, err)
		}
		return nil
	})
}

func testMovementTwice(t *testing.T, o *office) {
	ctx := t.Context()
	b := o.balance("USD")
	m := *o.movement(record.MovementTopUp, b, 40)
	again, other, elsewhere := m, m, m
	again.At = m.At.Add(time.Hour)
	o.must(func(tx *records.Tx) error { return tx.Move(ctx, &m) })
	o.must(func(tx *records.Tx) error { return tx.Move(ctx, &again) })
	if !again.Repeated || again.ID != m.ID || !again.At.Equal(m.At) || again.After.Ledger != 40 || o.money(b).Ledger != 40 {
		t.Errorf("the same movement again: %+v", again)
	}
	other.Amount.Minor++
	o.refused(record.ErrExternalID, "the external id with another amount", func(tx *records.Tx) error { return tx.Move(ctx, &other) })
	elsewhere.Kind = record.MovementDebit
	o.refused(record.ErrExternalID, "the external id with another kind", func(tx *records.Tx) error { return tx.Move(ctx, &elsewhere) })
	// Both nodes at once, each with the same twenty movements.
	var shared [20]record.Movement
	for i := range shared {
		shared[i] = *o.movement(record.MovementTopUp, b, 1)
	}
	var moved atomic.Int64
	o.both(len(shared), nil, func(node, i int) error {
		mine := shared[i]
		_, err := records.Transact(context.Background(), o.nodes[node], o.keys,
			func(tx *records.Tx) error { return tx.Move(context.Background(), &mine) })
		if err == nil && !mine.Repeated {
			moved.Add(1)
		}
		return err
	})
	if moved.Load() != 20 || o.money(b).Ledger != 60 {
		t.Errorf("%d of 20 movements moved, the balance is %d, want 60", moved.Load(), o.money(b).Ledger)
	}
}

func testReload(t *testing.T, o *office) {
	ctx := t.Context()
	var a record.Approval
	ask := o.movement(record.MovementReload, o.wallets["USD"], 500)
	ask.By = "operator 1"
	o.must(func(tx *records.Tx) (err error) { a, err = tx.AskReload(ctx, ask, time.Hour); return err })
	o.refused(record.ErrSecondPerson, "confirmed by who asked", func(tx *records.Tx) error {
		_, _, err := tx.ConfirmReload(ctx, a.ID, "operator 1", storetest.Epoch)
		return err
	})
	o.refused(record.ErrExpired, "confirmed too late", func(tx *records.Tx) error {
		_, _, err := tx.ConfirmReload(ctx, a.ID, "operator 2", a.ExpiresAt)
		return err
	})
	var confirmed atomic.Int64
	o.both(2, []error{record.ErrUsed}, func(node, _ int) error {
		_, err := records.Transact(context.Background(), o.nodes[node], o.keys, func(tx *records.Tx) error {
			_, _, err := tx.ConfirmReload(context.Background(), a.ID, "operator 2", storetest.Epoch)
			return err
		})
		if err == nil {
			confirmed.Add(1)
		}
		return err
	})
	if confirmed.Load() != 1 || o.money(o.wallets["USD"]).Ledger != 500 {
		t.Errorf("confirmed %d times, the balance is %d", confirmed.Load(), o.money(o.wallets["USD"]).Ledger)
	}
	ask = o.movement(record.MovementReload, o.wallets["USD"], 7)
	o.must(func(tx *records.Tx) (err error) {
		if a, err = tx.AskReload(ctx, ask, time.Hour); err == nil {
			a, err = tx.RejectApproval(ctx, a.ID, ask.By, storetest.Epoch)
		}
		if err != nil || a.State != record.ApprovalRejected {
			t.Errorf("rejected: %+v", a)
		}
		all, e := tx.Approvals(ctx, record.ApprovalRejected, record.Page{})
		if e != nil || len(all.Items) != 1 || all.Items[0] != a {
			t.Errorf("rejected approvals %+v, %v", all, e)
		}
		return err
	})
	o.refused(record.ErrUsed, "confirming what was rejected", func(tx *records.Tx) error {
		_, _, err := tx.ConfirmReload(ctx, a.ID, "operator 2", storetest.Epoch)
		return err
	})
}

func testThresholds(t *testing.T, o *office) {
	ctx := t.Context()
	deposit, user := o.wallets["USD"], o.balance("USD")
	o.fund(deposit, 100)
	o.fund(user, 100)
	events := func() (n int) {
		o.must(func(tx *records.Tx) error {
			all, err := tx.Events(ctx, record.EventFilter{Partner: o.partner.ID}, record.Page{})
			for _, e := range all.Items {
				if e.Kind != record.EventLowBalance || e.Subject != deposit.PublicID.String() || !strings.Contains(string(e.Body),
					`"threshold":50`) {
					t.Errorf("event %+v", e)
				}
			}
			n = len(all.Items)
			return err
		})
		return n
	}
	sweep := func(node, _ int) error {
		_, err := records.Transact(context.Background(), o.nodes[node], o.keys,
			func(tx *records.Tx) error { return tx.SweepThresholds(context.Background(), storetest.Epoch) })
		return err
	}
	o.must(func(tx *records.Tx) error {
		_, err := tx.SetThreshold(ctx, o.partner.ID, deposit.PublicID, 50, storetest.Epoch)
		return err
	})
	o.refused(record.ErrValidation, "a user's threshold", func(tx *records.Tx) error {
		_, err := tx.SetThreshold(ctx, 0, user.PublicID,
			5, storetest.Epoch)
		return err
	})
	_, holder := o.card(o.deposit, user, record.CardVirtual)
	for i, amount := range []int64{50, 1, 1} { // exactly the threshold is not below it
		if outcome, err := o.approve(0, holder, authz.ID(1<<40+i), o.snapshot(0, holder), amount); outcome != authz.Committed ||
			err != nil {
			t.Fatalf("approve: %d, %v", outcome, err)
		}
		o.both(3, nil, sweep)
		if want := min(i, 1); events() != want {
			t.Fatalf("after approval %d: %d events, want %d", i, events(), want)
		}
	}
	if now := o.money(deposit); !now.BelowLevel || now.Threshold != 50 {
		t.Errorf("below its threshold: %+v", now)
	}
	reload := func(amount int64) {
		m := o.movement(record.MovementReload, deposit, amount)
		o.must(func(tx *records.Tx) error {
			a, err := tx.AskReload(ctx, m, time.Hour)
			if err == nil {
				_, _, err = tx.ConfirmReload(ctx, a.ID, "operator 2", storetest.Epoch)
			}
			return err
		})
	}
	reload(1) // still below: not told again
	if events() != 1 {
		t.Error("a reload that stays below told again")
	}
	reload(1)
	if now := o.money(deposit); now.BelowLevel {
		t.Error("a reload to the threshold did not arm it again")
	}
	if outcome, err := o.approve(1, holder, 1<<41, o.snapshot(1, holder), 1); outcome != authz.Committed || err != nil {
		t.Fatalf("approve: %d, %v", outcome, err)
	}
	o.both(3, nil, sweep)
	if events() != 2 {
		t.Errorf("%d events after the second crossing", events())
	}
	o.must(func(tx *records.Tx) error {
		_, err := tx.SetThreshold(ctx, 0, deposit.PublicID, 0, storetest.Epoch)
		return err
	})
	if now := o.money(deposit); now.Threshold != 0 || now.BelowLevel {
		t.Errorf("without a threshold: %+v", now)
	}
}

// Goal: no update is lost and no money appears. Method: two nodes top up and debit two balances of one credit at once; the
// sums are compared with what was told to have succeeded.
func testMoneyRace(t *testing.T, o *office) {
	balances := []record.Balance{o.balance("EUR"), o.balance("EUR")}
	o.fund(o.wallets["EUR"], 30)
	var want [2]atomic.Int64
	var asked [2][40]*record.Movement
	for node := range asked {
		for i := range asked[node] {
			kind, amount := record.MovementTopUp, int64(2)
			if i%3 == 2 {
				kind, amount = record.MovementDebit, 3
			}
			asked[node][i] = o.movement(kind, balances[i%2], amount)
		}
	}
	o.both(40, []error{record.ErrFunds, record.ErrCreditFunds}, func(node, i int) error {
		m := *asked[node][i]
		_, err := records.Transact(context.Background(), o.nodes[node], o.keys,
			func(tx *records.Tx) error { return tx.Move(context.Background(), &m) })
		if err == nil && m.Kind == record.MovementDebit {
			want[i%2].Add(-m.Amount.Minor)
		} else if err == nil {
			want[i%2].Add(m.Amount.Minor)
		}
		return err
	})
	for i, b := range balances {
		if got := o.money(b).Ledger; got != want[i].Load() || got < 0 {
			t.Errorf("balance %d is %d, what succeeded sums to %d", i, got, want[i].Load())
		}
	}
	if left := o.money(o.wallets["EUR"]).Ledger; left != 30-want[0].Load()-want[1].Load() {
		t.Errorf("the credit is %d", left)
	}
}

// Goal: what is held is never debited and what is debited never held. Method: one node approves while the other debits;
// the money covers a part of both.
func testDebitRace(t *testing.T, o *office) {
	b := o.balance("EUR")
	o.fund(o.wallets["EUR"], 1)
	o.fund(b, 50)
	_, holder := o.card(o.credit, b, record.CardVirtual)
	var held, debited atomic.Int64
	var asked [40]*record.Movement
	for i := range asked {
		asked[i] = o.movement(record.MovementDebit, b, 1)
	}
	o.both(40, []error{record.ErrFunds}, func(node, i int) error {
		if node == 0 {
			m := *asked[i]
			_, err := records.Transact(context.Background(), o.nodes[0], o.keys,
				func(tx *records.Tx) error { return tx.Move(context.Background(), &m) })
			if err == nil && !m.Repeated {
				debited.Add(1)
			}
			return err
		}
		outcome, err := o.approve(1, holder, authz.ID(1<<40+i), o.snapshot(1, holder), 1)
		if err == nil && outcome == authz.Committed {
			held.Add(1)
		}
		return err
	})
	now := o.money(b)
	if now.Held != held.Load() || now.Ledger != 50-debited.Load() || now.Available() != 0 {
		t.Errorf("%+v after %d debits and %d holds of 50", now, debited.Load(), held.Load())
	}
}
