package records_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/store/records"
	"holdfast/store/storetest"
)

// waits runs first on the second node and, while its transaction is open, second on the first node: second has to
// wait for it, and to end as it should. How long is enough to see that it waits costs time where it does, and never makes a right store fail.
func (o *office) waits(what string, want error, first, second func(*records.Tx) error) {
	o.t.Helper()
	begun, ended := make(chan struct{}), make(chan error, 1)
	go func() { // owned by waits, which receives its end
		<-begun
		_, err := records.Transact(context.Background(), o.nodes[0], o.keys, second)
		ended <- err
	}()
	early := false
	_, err := records.Transact(context.Background(), o.nodes[1], o.keys, func(tx *records.Tx) error {
		err := first(tx)
		close(begun)
		select {
		case e := <-ended:
			early = true
			ended <- e
		case <-time.After(200 * time.Millisecond):
		}
		return err
	})
	if err != nil {
		o.t.Errorf("%s: the first: %v", what, err)
	}
	if err := <-ended; !errors.Is(err, want) {
		o.t.Errorf("%s: the second: %v, want %v", what, err, want)
	}
	if early {
		o.t.Errorf("%s: the second did not wait for the first", what)
	}
}

// Goal: what must not miss a transaction that is still open waits for it. Method: each pair, one inside the other.
func testWaits(t *testing.T, o *office) {
	ctx := context.Background()
	open := func(tx *records.Tx) (record.Balance, error) {
		b := record.Balance{Partner: o.partner.ID, User: o.user.ID, Kind: record.BalanceUser, Currency: o.currency("EUR"), CreatedAt: storetest.Epoch}
		return b, tx.OpenBalance(ctx, &b)
	}
	issue := func(tx *records.Tx) error {
		b, err := open(tx)
		if err != nil {
			return err
		}
		return tx.IssueCard(ctx, &record.Card{Program: o.credit.ID, Balance: b.ID, Kind: record.CardVirtual, CreatedAt: storetest.Epoch}, o.number(o.credit))
	}
	partner := func(to record.PartnerState) func(tx *records.Tx) error {
		return func(tx *records.Tx) error {
			p, err := tx.Partner(ctx, o.partner.ID)
			if err != nil {
				return err
			}
			p.State = to
			return tx.UpdatePartner(ctx, &p)
		}
	}
	user := func(to record.UserState) func(tx *records.Tx) error {
		return func(tx *records.Tx) error {
			_, err := tx.SetUserState(ctx, 0, o.user.ID, to, storetest.Epoch)
			return err
		}
	}
	o.waits("a suspension for a card being issued", nil, issue, partner(record.PartnerSuspended))
	if err := records.AlignPartner(ctx, o.nodes[0], o.partner.ID); err != nil {
		t.Fatal(err)
	}
	o.verify()
	o.must(partner(record.PartnerActive))
	if err := records.AlignPartner(ctx, o.nodes[0], o.partner.ID); err != nil {
		t.Fatal(err)
	}
	o.waits("a user's lock for a card being issued", nil, issue, user(record.UserLocked))
	o.verify()
	o.must(user(record.UserActive))

	b := o.balance("EUR")
	_, holder := o.card(o.credit, b, record.CardVirtual)
	o.waits("a lock for a card being issued on its balance", nil, func(tx *records.Tx) error {
		return tx.IssueCard(ctx, &record.Card{Program: o.credit.ID, Balance: b.ID, Kind: record.CardVirtual, CreatedAt: storetest.Epoch}, o.number(o.credit))
	}, func(tx *records.Tx) error {
		_, err := tx.SetBalanceState(ctx, 0, b.PublicID, record.BalanceLocked)
		return err
	})
	o.must(func(tx *records.Tx) error {
		_, err := tx.SetBalanceState(ctx, 0, b.PublicID, record.BalanceActive)
		return err
	})
	o.waits("a card being issued for a lock of its balance", record.ErrBalanceLocked, func(tx *records.Tx) error {
		_, err := tx.SetBalanceState(ctx, 0, b.PublicID, record.BalanceLocked)
		return err
	}, func(tx *records.Tx) error {
		return tx.IssueCard(ctx, &record.Card{Program: o.credit.ID, Balance: b.ID, Kind: record.CardVirtual, CreatedAt: storetest.Epoch}, o.number(o.credit))
	})
	o.waits("a limit for a lock", nil, func(tx *records.Tx) error {
		_, _, err := tx.LockCard(ctx, 0, holder.Card, authz.LockQuery, record.LockByUser, storetest.Epoch)
		return err
	}, func(tx *records.Tx) error {
		_, err := tx.SetLimits(ctx, 0, holder.Card, []record.Limit{{Scope: record.LimitGeneral, Window: record.LimitDay, Amount: 5}}, storetest.Epoch)
		return err
	})
	append1 := func(tx *records.Tx) error {
		return tx.Audit(ctx, &record.Audit{At: storetest.Epoch, Actor: "operator 1", Channel: "admin", Action: "card.lock", Outcome: "OK"})
	}
	o.must(append1)
	o.waits("an audit record for the one before it", nil, append1, append1)
	program := func(name string, low, high int32) func(tx *records.Tx) error {
		return func(tx *records.Tx) error {
			p := o.deposit
			p.Name, p.BINLow, p.BINHigh = name, low, high
			return tx.InsertProgram(ctx, &p)
		}
	}
	o.waits("a BIN range for another", nil, program("one", 70000000, 70000001), program("two", 70000002, 70000003))
	company := func(tx *records.Tx) error {
		return tx.OpenBalance(ctx, &record.Balance{Partner: o.partner.ID, Kind: record.BalanceCompany, Currency: o.currency("EUR"), CreatedAt: storetest.Epoch})
	}
	o.waits("a partner's balance for the same", record.ErrExists, company, company)
}
