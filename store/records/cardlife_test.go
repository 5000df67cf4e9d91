package records_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/store/records"
	"holdfast/store/storetest"
)

func testCards(t *testing.T, o *office) {
	ctx := t.Context()
	b := o.balance("EUR")
	o.fund(b, 1000)
	number := o.number(o.credit)
	for _, bad := range []struct {
		want error
		what string
		edit func(*record.Card)
	}{
		{record.ErrCurrency, "a program in another currency", func(c *record.Card) { c.Program = o.deposit.ID }},
		{authz.ErrNotFound, "no program", func(c *record.Card) { c.Program = 99 }},
		{authz.ErrNotFound, "another partner's balance", func(c *record.Card) { c.Partner = o.partner.ID + 1 }},
		{authz.ErrNotFound, "another user's balance", func(c *record.Card) { c.User = o.user.ID + 1 }},
		{record.ErrValidation, "no kind", func(c *record.Card) { c.Kind = "PAPER" }},
	} {
		c := record.Card{Program: o.credit.ID, Balance: b.ID, Kind: record.CardVirtual, CreatedAt: storetest.Epoch}
		bad.edit(&c)
		o.refused(bad.want, bad.what, func(tx *records.Tx) error { return tx.IssueCard(ctx, &c, number) })
	}
	c, holder := o.card(o.credit, b, record.CardVirtual)
	if c.State != authz.CardActive || c.Expiry != authz.MonthOf(storetest.Epoch)+record.CardMonthsUsual || c.PublicID.IsZero() ||
		c.ActivatedAt != storetest.Epoch {
		t.Errorf("issued %+v", c)
	}
	// A lock is told once, counts at once, and is lifted or not as the rule says.
	before := o.snapshot(0, holder)
	changes, err := records.Transact(ctx, o.nodes[0], o.keys, func(tx *records.Tx) error {
		locked, changed, err := tx.LockCard(ctx, o.partner.ID, c.ID, authz.LockQuery, record.LockByUser, storetest.Epoch)
		if !changed || locked.Lock != authz.LockQuery || locked.LockSource != record.LockByUser || locked.Status(storetest.Epoch) != "LOCKED" {
			t.Errorf("locked %+v", locked)
		}
		return err
	})
	if err != nil || len(changes.Cards) != 1 || changes.Cards[0].Tag != holder.Tag || changes.Cards[0].Card != o.snapshot(1, holder) {
		t.Errorf("what caches learn of a lock: %+v, %v", changes, err)
	}
	if len(changes.Balances) != 1 || changes.Balances[0].Available != 1000 || changes.Balances[0].Version <= 1 {
		t.Errorf("what caches learn of the balance: %+v", changes.Balances)
	}
	if outcome, err := o.approve(1, holder, 1<<40, before, 10); outcome != authz.Stale || err != nil {
		t.Errorf("an approval from before the lock: %d, %v", outcome, err)
	}
	o.must(func(tx *records.Tx) error {
		if _, changed, err := tx.LockCard(ctx, 0, c.ID, authz.LockQuery, record.LockByUser, storetest.Epoch); changed || err != nil {
			t.Errorf("the same lock again: %v, %v", changed, err)
		}
		free, err := tx.UnlockCard(ctx, o.partner.ID, c.ID, record.LockByUser, storetest.Epoch)
		if err != nil || free.Lock != authz.LockNone || free.LockSource != "" {
			t.Errorf("unlocked %+v, %v", free, err)
		}
		return err
	})
	o.refused(record.ErrCardNotLocked, "unlocking a free card", func(tx *records.Tx) error {
		_, err := tx.UnlockCard(ctx, 0, c.ID, record.LockByUser, storetest.Epoch)
		return err
	})
	o.refused(authz.ErrNotFound, "another partner's card", func(tx *records.Tx) error {
		_, _, err := tx.LockCard(ctx, o.partner.ID+1, c.ID, authz.LockLost, record.LockByPartner, storetest.Epoch)
		return err
	})
	next, _ := o.card(o.credit, b, record.CardDigitalFirst)
	o.must(func(tx *records.Tx) error {
		old, err := tx.ReplaceCard(ctx, 0, c.ID, next.ID, record.LockByPartner, storetest.Epoch)
		if err != nil || old.Lock != authz.LockReplaced || old.ReplacedBy != next.ID {
			t.Errorf("replaced %+v, %v", old, err)
		}
		return err
	})
	o.refused(record.ErrLockFinal, "unlocking a replaced card", func(tx *records.Tx) error {
		_, err := tx.UnlockCard(ctx, 0, c.ID, record.LockByOperator, storetest.Epoch)
		return err
	})
	o.must(func(tx *records.Tx) error {
		gone, err := tx.MoveCard(ctx, 0, c.ID, record.ActRemove, storetest.Epoch)
		if err != nil || gone.Status(storetest.Epoch) != "REMOVED" || gone.RemovedAt != storetest.Epoch {
			t.Errorf("removed %+v, %v", gone, err)
		}
		return err
	})
	o.refused(record.ErrCardRemoved, "removing again", func(tx *records.Tx) error {
		_, err := tx.MoveCard(ctx, 0, c.ID, record.ActRemove, storetest.Epoch)
		return err
	})
	// The other program leaves locks from outside to operators.
	d := o.balance("USD")
	outside, _ := o.card(o.deposit, d, record.CardVirtual)
	o.must(func(tx *records.Tx) error {
		_, _, err := tx.LockCard(ctx, 0, outside.ID, authz.LockFraud, record.LockByOutside, storetest.Epoch)
		return err
	})
	o.refused(record.ErrLockOutside, "lifting a lock from outside", func(tx *records.Tx) error {
		_, err := tx.UnlockCard(ctx, 0, outside.ID, record.LockByPartner, storetest.Epoch)
		return err
	})
	o.must(func(tx *records.Tx) error {
		_, err := tx.UnlockCard(ctx, 0, outside.ID, record.LockByOperator, storetest.Epoch)
		return err
	})
	// The switch locks beside the API, over a user's own lock too.
	o.must(func(tx *records.Tx) error {
		_, _, err := tx.LockCard(ctx, 0, outside.ID, authz.LockQuery, record.LockByUser, storetest.Epoch)
		return err
	})
	for lock, source := range map[authz.LockReason]record.LockSource{authz.LockPINTries: record.LockByPIN, authz.LockFraud: record.LockByOutside} {
		if err := o.nodes[0].Update(ctx, func(q records.Querier) error { return records.LockCard(ctx, q, outside.ID, lock) }); err != nil {
			t.Fatal(err)
		}
		o.refused(record.ErrLockOutside, "lifting the switch's lock", func(tx *records.Tx) error {
			c, err := tx.UnlockCard(ctx, 0, outside.ID, record.LockByPartner, storetest.Epoch)
			if c.LockSource != source {
				t.Errorf("lock %d is from %s", lock, c.LockSource)
			}
			return err
		})
	}
	o.lockedUser(b, next)
}

// lockedUser locks the user of a card, and wants the card to be of no use and the user to be removed in the end.
func (o *office) lockedUser(b record.Balance, c record.Card) {
	t, ctx := o.t, o.t.Context()
	set := func(to record.UserState) error {
		return o.try(func(tx *records.Tx) error {
			_, err := tx.SetUserState(ctx, o.partner.ID, o.user.ID, to, storetest.Epoch)
			return err
		})
	}
	if err := set(record.UserLocked); err != nil {
		t.Fatal(err)
	}
	o.must(func(tx *records.Tx) error {
		now, err := tx.Card(ctx, 0, c.ID)
		if err != nil || !now.Restricted || now.Version <= c.Version {
			t.Errorf("the card of a locked user: %+v, %v", now, err)
		}
		return err
	})
	o.refused(record.ErrUserLocked, "a card for a locked user", func(tx *records.Tx) error {
		return tx.IssueCard(ctx, &record.Card{Program: o.credit.ID, Balance: b.ID, Kind: record.CardVirtual, CreatedAt: storetest.Epoch},
			o.number(o.credit))
	})
	if err := set(record.UserActive); err != nil {
		t.Fatal(err)
	}
	if err := set(record.UserRemoved); !errors.Is(err, record.ErrNotZero) {
		t.Errorf("removing a user with money: %v", err)
	}
}

// Goal: after a suspension nothing of the partner is approved, also not on cards and balances that are made meanwhile, and
// align brings all back. Method: one node issues cards on new balances while the other suspends.
func testSuspension(t *testing.T, o *office) {
	ctx := context.Background()
	var first storetest.Holder
	b := o.balance("EUR")
	o.fund(b, 100)
	_, first = o.card(o.credit, b, record.CardVirtual)
	before := o.snapshot(0, first)
	numbers := make([]record.Card, 60)
	suspended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range numbers {
			_, err := records.Transact(ctx, o.nodes[1], o.keys, func(tx *records.Tx) error {
				b := record.Balance{Partner: o.partner.ID, User: o.user.ID, Kind: record.BalanceUser, Currency: b.Currency,
					CreatedAt: storetest.Epoch}
				if err := tx.OpenBalance(ctx, &b); err != nil {
					return err
				}
				numbers[i] = record.Card{Program: o.credit.ID, Balance: b.ID, Kind: record.CardVirtual, CreatedAt: storetest.Epoch}
				return tx.IssueCard(ctx, &numbers[i], o.number(o.credit))
			})
			if errors.Is(err, record.ErrPartner) {
				return
			}
			if err != nil && !errors.Is(err, authz.ErrUnavailable) {
				t.Errorf("issue: %v", err)
			}
			if i == 5 {
				close(suspended)
			}
		}
	})
	<-suspended
	set := func(to record.PartnerState) {
		o.must(func(tx *records.Tx) error {
			p, err := tx.Partner(ctx, o.partner.ID)
			if err == nil {
				p.State = to
				err = tx.UpdatePartner(ctx, &p)
			}
			return err
		})
		if err := records.AlignPartner(ctx, o.nodes[0], o.partner.ID); err != nil {
			t.Fatal(err)
		}
	}
	set(record.PartnerSuspended)
	wg.Wait()
	o.verify() // each card repeats the state of its partner
	if outcome, err := o.approve(1, first, 1<<40, before, 10); outcome != authz.Stale || err != nil {
		t.Errorf("an approval from before the suspension: %d, %v", outcome, err)
	}
	set(record.PartnerActive)
	if now := o.snapshot(1, first); now.HolderRestricted {
		t.Error("the card stays restricted after the suspension")
	}
}

func testLimits(t *testing.T, o *office) {
	ctx := t.Context()
	b := o.balance("EUR")
	o.fund(b, 100)
	c, holder := o.card(o.credit, b, record.CardVirtual)
	before := o.snapshot(0, holder)
	want := []record.Limit{{Scope: record.LimitGeneral, Window: record.LimitDay, Amount: 50}, {Scope: record.LimitGeneral,
		Window: record.LimitMonth, Amount: 500},
		{Scope: record.LimitATM, Window: record.LimitTransaction, Amount: 0}}
	for _, limits := range [][]record.Limit{{want[2], want[1], want[0]}, want} { // replaced, not added to
		o.must(func(tx *records.Tx) error {
			now, err := tx.SetLimits(ctx, o.partner.ID, c.ID, limits, storetest.Epoch)
			if err != nil || !now.Limited {
				t.Errorf("limited %+v, %v", now, err)
			}
			got, err := tx.Limits(ctx, c.ID)
			if err != nil || len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
				t.Errorf("limits %+v, %v", got, err)
			}
			return err
		})
	}
	if outcome, err := o.approve(1, holder, 1<<40, before, 10); outcome != authz.Stale || err != nil {
		t.Errorf("an approval from before the limits: %d, %v", outcome, err)
	}
	o.refused(record.ErrLimit, "a day above its month", func(tx *records.Tx) error {
		_, err := tx.SetLimits(ctx, 0, c.ID, []record.Limit{{Scope: record.LimitGeneral, Window: record.LimitDay, Amount: 51},
			{Scope: record.LimitGeneral, Window: record.LimitMonth, Amount: 50}}, storetest.Epoch)
		return err
	})
	limited := o.snapshot(0, holder)
	for i, amount := range []int64{25, 26} {
		if outcome, err := o.approve(1, holder, authz.ID(800_000*3_000_000+i), limited, amount); outcome != authz.Committed || err != nil {
			t.Errorf("%d of 50: %d, %v", amount, outcome, err)
		}
	}
	if outcome, err := o.approve(0, holder, 800_000*3_000_000+86_400, limited, 7); outcome != authz.Committed || err != nil { // the day after, a Monday
		t.Errorf("on another day: %d, %v", outcome, err)
	}
	o.must(func(tx *records.Tx) error {
		for day, want := range map[int]map[string]int64{
			0: {"GENERAL DAY": 25, "GENERAL WEEK": 25, "GENERAL MONTH": 32},
			1: {"GENERAL DAY": 7, "GENERAL WEEK": 7, "GENERAL MONTH": 32},
		} {
			use, err := tx.LimitUse(ctx, c.ID, storetest.Epoch.AddDate(0, 0, day))
			if err != nil || len(use) != len(want) {
				t.Errorf("day %d: %d windows, want %d, %v", day, len(use), len(want), err)
			}
			for _, u := range use {
				if got := want[string(u.Scope)+" "+string(u.Window)]; u.Used != got {
					t.Errorf("day %d: %s %s is %d, want %d", day, u.Scope, u.Window, u.Used, got)
				}
			}
		}
		if _, err := tx.SetLimits(ctx, 0, c.ID, nil, storetest.Epoch); err != nil {
			return err
		}
		_, err := tx.SweepExpired(ctx, storetest.Epoch.AddDate(0, 3, 0))
		if use, e := tx.LimitUse(ctx, c.ID, storetest.Epoch); e != nil || len(use) != 0 {
			t.Errorf("swept: %+v, %v", use, e)
		}
		return err
	})
}

var home = record.Address{Street: "Lipowa 1", City: "Lublin", PostCode: "20-020", Country: "POL"}

func testOrders(t *testing.T, o *office) {
	ctx := t.Context()
	b := o.balance("EUR")
	order := record.Order{Kind: record.OrderPhysical, Balance: b.ID, Program: o.credit.ID, HolderName: "ALICE MUSTER", Address: home,
		CreatedAt: storetest.Epoch}
	o.refused(record.ErrValidation, "an order without an address", func(tx *records.Tx) error {
		bad := order
		bad.Address = record.Address{}
		return tx.InsertOrder(ctx, o.partner.ID, &bad)
	})
	o.refused(authz.ErrNotFound, "an order on another partner's balance", func(tx *records.Tx) error {
		bad := order
		return tx.InsertOrder(ctx, o.partner.ID+1, &bad)
	})
	o.must(func(tx *records.Tx) error { return tx.InsertOrder(ctx, o.partner.ID, &order) })
	processor := record.BuiltIn{After: 48 * time.Hour, Delivery: 24 * time.Hour}
	var seen []record.OrderState
	drive := func(at time.Time) {
		for range 20 {
			o.must(func(tx *records.Tx) error {
				due, err := tx.DueOrders(ctx, 10, at)
				for i := range due {
					step, e := processor.Advance(ctx, due[i], at)
					if e != nil {
						return e
					}
					if step.To == record.OrderPersonalizing && due[i].Card == 0 {
						c := record.Card{Program: due[i].Program, Balance: due[i].Balance, Kind: record.CardPhysical,
							OrderedBy: due[i].ID, CreatedAt: at}
						if err := tx.IssueCard(ctx, &c, o.number(o.credit)); err != nil {
							return err
						}
						due[i].Card = c.ID
					}
					was := due[i]
					if err := tx.StepOrder(ctx, &due[i], step, at); err != nil {
						return err
					}
					if err := tx.StepOrder(ctx, &was, step, at); step.To != was.State && !errors.Is(err, record.ErrVersion) {
						t.Errorf("another node's step: %v", err)
					}
					if len(seen) == 0 || seen[len(seen)-1] != due[i].State {
						seen = append(seen, due[i].State)
					}
				}
				return err
			})
		}
	}
	card := func() (c record.Card) {
		o.must(func(tx *records.Tx) error {
			now, err := tx.Order(ctx, o.partner.ID, order.ID)
			if err == nil {
				order = now
				c, err = tx.Card(ctx, 0, now.Card)
			}
			return err
		})
		return c
	}
	drive(storetest.Epoch)
	if c := card(); order.State != record.OrderPersonalizing || c.State != authz.CardOrdered {
		t.Errorf("ordered: order %s, card %s", order.State, c.State)
	}
	drive(storetest.Epoch.Add(47 * time.Hour))
	drive(storetest.Epoch.Add(48 * time.Hour))
	c := card()
	if order.State != record.OrderStored || c.State != authz.CardInactive {
		t.Errorf("after 48 hours: order %s, card %s", order.State, c.State)
	}
	drive(storetest.Epoch.Add(72 * time.Hour))
	if card(); order.State != record.OrderDelivered || !order.DueAt.IsZero() {
		t.Errorf("after 72 hours: order %s, due %s", order.State, order.DueAt)
	}
	o.must(func(tx *records.Tx) error {
		_, err := tx.ActivateCard(ctx, o.partner.ID, c.ID, storetest.Epoch.Add(80*time.Hour))
		return err
	})
	if c = card(); order.State != record.OrderActivated || c.State != authz.CardActive || c.ActivatedAt.IsZero() {
		t.Errorf("activated: order %s, card %+v", order.State, c)
	}
	if len(seen) != 6 {
		t.Errorf("the order went through %v", seen)
	}
	o.refused(record.ErrState, "activating twice", func(tx *records.Tx) error {
		_, err := tx.ActivateCard(ctx, 0, c.ID,
			storetest.Epoch)
		return err
	})
	printed, _ := o.card(o.credit, b, record.CardDigitalFirst)
	printing := record.Order{Kind: record.OrderPrint, Card: printed.ID, Address: home, CreatedAt: storetest.Epoch}
	o.must(func(tx *records.Tx) error {
		if err := tx.InsertOrder(ctx, o.partner.ID, &printing); err != nil {
			return err
		}
		if err := tx.StepOrder(ctx, &printing, record.Step{To: record.OrderRejected, Reason: "no more plastic"}, storetest.Epoch); err != nil {
			return err
		}
		all, err := tx.Orders(ctx, o.partner.ID, o.user.ID, record.Page{})
		if err != nil || len(all.Items) != 2 || printing.State != record.OrderRejected || printing.Reason == "" {
			t.Errorf("orders %+v, %v", all.Items, err)
		}
		return err
	})
	o.refused(record.ErrCardKind, "printing a physical card", func(tx *records.Tx) error {
		return tx.InsertOrder(ctx, 0, &record.Order{Kind: record.OrderPrint, Card: c.ID, Address: home, CreatedAt: storetest.Epoch})
	})
	o.refused(record.ErrState, "leaving REJECTED", func(tx *records.Tx) error {
		return tx.StepOrder(ctx, &printing, record.Step{To: record.OrderAccepted}, storetest.Epoch)
	})
}

func testCardRequests(t *testing.T, o *office) {
	ctx := t.Context()
	b := o.balance("EUR")
	requests := make([]record.CardRequest, 2)
	for i := range requests {
		requests[i] = record.CardRequest{Partner: o.partner.ID, User: o.user.ID, Balance: b.ID, Program: o.credit.ID,
			Kind: []record.CardKind{record.CardDigitalFirst, record.CardVirtual}[i], CreatedAt: storetest.Epoch.Add(time.Duration(i) * time.Second)}
		o.must(func(tx *records.Tx) error { return tx.InsertCardRequest(ctx, &requests[i]) })
	}
	o.refused(authz.ErrNotFound, "a request on another user's balance", func(tx *records.Tx) error {
		bad := requests[0]
		bad.User++
		return tx.InsertCardRequest(ctx, &bad)
	})
	o.refused(record.ErrValidation, "plastic", func(tx *records.Tx) error {
		bad := requests[0]
		bad.Kind = record.CardPhysical
		return tx.InsertCardRequest(ctx, &bad)
	})
	dollars := o.balance("USD")
	o.refused(record.ErrNotAllowed, "digital first in a program that has none", func(tx *records.Tx) error {
		bad := requests[0]
		bad.Balance, bad.Program = dollars.ID, o.deposit.ID
		return tx.InsertCardRequest(ctx, &bad)
	})
	c, _ := o.card(o.credit, b, record.CardVirtual)
	o.must(func(tx *records.Tx) error {
		waiting, err := tx.PendingCardRequests(ctx, 10)
		if err != nil || len(waiting) != 2 || waiting[0] != requests[0] || waiting[1] != requests[1] {
			t.Fatalf("waiting %+v, %v", waiting, err)
		}
		if err := tx.EndCardRequest(ctx, requests[0].ID, c.ID, ""); err != nil {
			return err
		}
		return tx.EndCardRequest(ctx, requests[1].ID, 0, "BALANCE_LOCKED")
	})
	o.must(func(tx *records.Tx) error {
		done, err := tx.CardRequest(ctx, o.partner.ID, requests[0].ID)
		if err != nil || done.State != "DONE" || done.Card != c.ID {
			t.Errorf("done %+v, %v", done, err)
		}
		failed, err := tx.CardRequest(ctx, o.partner.ID, requests[1].ID)
		if err != nil || failed.State != "FAILED" || failed.Code != "BALANCE_LOCKED" {
			t.Errorf("failed %+v, %v", failed, err)
		}
		return err
	})
	o.refused(record.ErrUsed, "ending twice", func(tx *records.Tx) error { return tx.EndCardRequest(ctx, requests[0].ID, c.ID, "") })
}

func testTransactions(t *testing.T, o *office) {
	ctx := t.Context()
	b := o.balance("EUR")
	o.fund(b, 100)
	c, holder := o.card(o.credit, b, record.CardVirtual)
	_, other := o.card(o.credit, b, record.CardVirtual)
	base := authz.ID(storetest.Epoch.UnixMilli() << 21)
	for i := range 3 {
		h := holder
		if i == 2 {
			h = other
		}
		if outcome, err := o.approve(0, h, base+authz.ID(i+1), o.snapshot(0, h), 10); outcome != authz.Committed || err != nil {
			t.Fatalf("approve: %d, %v", outcome, err)
		}
	}
	o.must(func(tx *records.Tx) error {
		first, err := tx.Transactions(ctx, record.TransactionFilter{Partner: o.partner.ID, User: o.user.ID, Balance: b.ID},
			record.Page{Limit: 2})
		if err != nil || len(first.Items) != 2 || first.Items[0].CardID != other.Card {
			t.Fatalf("first page %+v, %v", first, err)
		}
		rest, err := tx.Transactions(ctx, record.TransactionFilter{Card: c.ID, Since: storetest.Epoch, Until: storetest.Epoch.AddDate(0, 1, 0)},
			record.Page{Cursor: first.Next})
		if err != nil || len(rest.Items) != 1 || rest.Next != "" {
			t.Fatalf("second page %+v, %v", rest, err)
		}
		x := rest.Items[0]
		if x.ID.Time() != storetest.Epoch || x.Authorization != base+1 || x.State != "AUTHORIZED" || x.Amount.Minor != 10 || x.Held != 10 ||
			x.Card != c.PublicID || x.Balance != b.PublicID || x.Amount.Currency.Alpha() != "EUR" {
			t.Errorf("transaction %+v", x)
		}
		if outer, inner, why := x.Axes(); outer != "SUCCESS" || inner != "AUTHORIZED" || why != "APPROVED" {
			t.Errorf("axes %s, %s, %s", outer, inner, why)
		}
		found, err := tx.Transaction(ctx, o.partner.ID, x.ID)
		if err != nil || found != x {
			t.Errorf("read %+v, %v", found, err)
		}
		if _, err := tx.Transaction(ctx, o.partner.ID+1, x.ID); !errors.Is(err, authz.ErrNotFound) {
			t.Errorf("another partner's: %v", err)
		}
		if _, err := tx.Transaction(ctx, 0, record.NewUUID(storetest.Epoch)); !errors.Is(err, authz.ErrNotFound) {
			t.Errorf("nobody's: %v", err)
		}
		_, err = tx.Transactions(ctx, record.TransactionFilter{}, record.Page{Cursor: record.NewUUID(storetest.Epoch).String()})
		if !errors.Is(err, record.ErrCursor) {
			t.Errorf("a strange cursor: %v", err)
		}
		return nil
	})
}
