package storetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/authz/record"
	"holdfast/store/records"
)

// limitTests are the part of the suite about what a card may spend.
var limitTests = []rule{
	{"a limit declines what exceeds it, before the funds", limitDeclines},
	{"a limit counts in its scope and its window", limitScopes},
	{"what is given back is given back to its own window", limitGivesBack},
	{"a clearing above the hold uses nothing, and the last one gives back what it leaves", limitCleared},
	{"an increment uses the limit of its transaction", limitIncrements},
	{"what was approved in stand-in is used, and its request uses no more", limitStandIn},
	{"a lowered limit is stale and then declines", limitLowered},
	{"a first limit knows what was spent before", limitFirst},
	{"a first limit knows what became of what was spent before", limitFirstLives},
	{"a repeat is told what was decided, whatever is used since", limitRepeat},
	{"concurrent batches never exceed a limit", limitConcurrent},
	{"limits agree with a model", limitModel},
}

func general(span record.LimitWindow, amount int64) record.Limit {
	return record.Limit{Scope: record.LimitGeneral, Window: span, Amount: amount}
}

// limit sets a card's limits, as the API does.
func (b *bench) limit(h Holder, limits ...record.Limit) {
	b.t.Helper()
	ctx := context.Background()
	if _, err := records.Transact(ctx, b.Store, b.Keys, func(tx *records.Tx) error {
		_, err := tx.SetLimits(ctx, h.Partner, h.Card, limits, Epoch)
		return err
	}); err != nil {
		b.t.Fatal(err)
	}
}

// used checks what Alice's card has used of a scope, in the day, week and month of a moment.
func (b *bench) used(scope record.LimitScope, at time.Time, day, week, month int64) {
	b.t.Helper()
	found := map[record.LimitWindow]int64{}
	ctx := context.Background()
	if err := records.Read(ctx, b.Store, b.Keys, func(tx *records.Tx) error {
		all, err := tx.LimitUse(ctx, b.Alice.Card, at)
		for _, u := range all {
			if u.Scope == scope {
				found[u.Window] = u.Used
			}
		}
		return err
	}); err != nil {
		b.t.Fatal(err)
	}
	if d, w, m := found[record.LimitDay], found[record.LimitWeek], found[record.LimitMonth]; d != day || w != week || m != month {
		b.t.Errorf("%s on %s: %d, %d, %d used of day, week, month; want %d, %d, %d", scope, at.Format(time.DateOnly), d, w,
			m, day, week, month)
	}
}

// on makes a purchase that is received some days after the epoch, which is a Sunday, 22 November.
func (b *bench) on(days int, channel authz.Channel, amount int64) *authz.Request {
	r := b.Request(b.Alice, authz.Authorization, amount)
	r.ReceivedAt, r.Channel = r.ReceivedAt.AddDate(0, 0, days), channel
	return r
}

func (b *bench) approved(r *authz.Request) *authz.Request {
	b.t.Helper()
	b.decided(b.entry(b.Alice, r, authz.Approved), authz.Committed, authz.Approved)
	return r
}

// exceeds has a request that was approved elsewhere declined by the limits.
func (b *bench) exceeds(r *authz.Request) {
	b.t.Helper()
	e := b.decided(b.entry(b.Alice, r, authz.Approved), authz.Committed, authz.AmountLimit)
	if e.Decision.ApprovalCode != "" || e.Decision.Amount != 0 || e.Decision.ApprovedTransaction != 0 {
		b.t.Errorf("a decline for %d with the code %q", e.Decision.Amount, e.Decision.ApprovalCode)
	}
}

func limitDeclines(_ *testing.T, b *bench) {
	b.limit(b.Alice, general(record.LimitTransaction, 35_00), general(record.LimitDay, 50_00))
	b.exceeds(b.on(0, authz.ChannelPOS, 35_01))
	b.approved(b.on(0, authz.ChannelPOS, 30_00))
	b.exceeds(b.on(0, authz.ChannelPOS, 20_01))
	for _, reason := range []authz.Reason{authz.FundsShort, authz.DepositShort} {
		b.decided(b.entry(b.Alice, b.on(0, authz.ChannelPOS, 900_00), reason), authz.Committed, authz.AmountLimit)
	}
	posted := b.on(0, authz.ChannelPOS, 20_00)
	posted.Kind = authz.Financial
	b.approved(posted)
	b.exceeds(b.on(0, authz.ChannelPOS, 1))
	b.approved(b.on(1, authz.ChannelPOS, 1))
	b.left(49_99, 99_99)
	b.approve(b.Bob, authz.Authorization, 90_00) // has no limits
}

func limitScopes(_ *testing.T, b *bench) {
	b.limit(b.Alice, record.Limit{Scope: record.LimitATM, Window: record.LimitDay, Amount: 10_00},
		record.Limit{Scope: record.LimitEcommerce, Window: record.LimitWeek, Amount: 12_00},
		record.Limit{Scope: record.LimitForeign, Window: record.LimitMonth, Amount: 5_00}, general(record.LimitMonth, 60_00))
	b.approved(b.on(0, authz.ChannelATM, 10_00))
	b.exceeds(b.on(0, authz.ChannelATM, 1))
	b.approved(b.on(1, authz.ChannelATM, 1_00)) // another day and week
	b.approved(b.on(0, authz.ChannelECommerce, 12_00))
	b.exceeds(b.on(0, authz.ChannelECommerce, 1))
	b.approved(b.on(1, authz.ChannelECommerce, 12_00))
	b.exceeds(b.on(7, authz.ChannelECommerce, 1)) // the Sunday of that week
	usd, err := money.ByAlpha("USD")
	if err != nil {
		b.t.Fatal(err)
	}
	foreign := b.on(8, authz.ChannelATM, 4_00)
	foreign.Amount, foreign.Billing = money.Amount{Minor: 4_50, Currency: usd}, foreign.Amount
	b.approved(foreign)
	over := b.on(8, authz.ChannelPOS, 1_01)
	over.Amount, over.Billing = money.Amount{Minor: 1_20, Currency: usd}, over.Amount
	b.exceeds(over)
	b.used(record.LimitForeign, foreign.ReceivedAt, 4_00, 4_00, 4_00)
	b.used(record.LimitATM, foreign.ReceivedAt, 4_00, 4_00, 15_00)
	b.used(record.LimitGeneral, Epoch, 22_00, 22_00, 39_00)
	b.exceeds(b.on(8, authz.ChannelPOS, 21_01))
	b.approved(b.on(9, authz.ChannelPOS, 21_01)) // December, in the same week
}

func limitGivesBack(t *testing.T, b *bench) {
	b.limit(b.Alice, general(record.LimitDay, 50_00))
	first, second := b.approved(b.on(0, authz.ChannelPOS, 30_00)), b.approved(b.on(0, authz.ChannelPOS, 20_00))
	b.approved(b.on(1, authz.ChannelPOS, 10_00))
	undo, part := b.Undo(first), b.Undo(second)
	undo.ReceivedAt = undo.ReceivedAt.AddDate(0, 0, 1)
	b.reverse(b.Alice, undo)
	part.Partial, part.Final = true, 5_00
	b.reverse(b.Alice, part)
	again := *undo
	b.decided(b.entry(b.Alice, &again, authz.ReversalAccepted), authz.Duplicate, authz.ReversalAccepted)
	b.used(record.LimitGeneral, first.ReceivedAt, 5_00, 5_00, 15_00)
	b.used(record.LimitGeneral, undo.ReceivedAt, 10_00, 10_00, 15_00)
	lasts := b.entry(b.Alice, b.on(2, authz.ChannelPOS, 30_00), authz.Approved)
	lasts.Life = time.Hour
	b.decided(lasts, authz.Committed, authz.Approved)
	b.used(record.LimitGeneral, lasts.Request.ReceivedAt, 30_00, 40_00, 45_00)
	if due := b.expire(lasts.Request.ReceivedAt.AddDate(0, 0, 9)); due != 1 {
		t.Errorf("%d due, want 1", due)
	}
	b.used(record.LimitGeneral, lasts.Request.ReceivedAt, 0, 10_00, 15_00)
	unsent := b.approved(b.on(2, authz.ChannelPOS, 9_00))
	b.void(b.Alice, unsent)
	b.void(b.Alice, unsent)
	b.used(record.LimitGeneral, unsent.ReceivedAt, 0, 10_00, 15_00)
}

func limitCleared(_ *testing.T, b *bench) {
	b.limit(b.Alice, general(record.LimitDay, 50_00))
	b.clear(b.approved(b.on(0, authz.ChannelPOS, 30_00)), b.Alice, 36_00)
	b.used(record.LimitGeneral, Epoch, 30_00, 30_00, 30_00)
	less := b.approved(b.on(0, authz.ChannelPOS, 20_00))
	b.clear(less, b.Alice, 5_00, 1, 2)
	b.used(record.LimitGeneral, Epoch, 50_00, 50_00, 50_00)
	b.clear(less, b.Alice, 6_00, 2, 2)
	b.used(record.LimitGeneral, Epoch, 41_00, 41_00, 41_00)
	b.clear(nil, b.Alice, 10_00) // nobody authorized it
	b.used(record.LimitGeneral, Epoch, 41_00, 41_00, 41_00)
}

func limitIncrements(_ *testing.T, b *bench) {
	b.limit(b.Alice, general(record.LimitTransaction, 40_00), general(record.LimitDay, 55_00))
	r := b.approved(b.on(0, authz.ChannelPOS, 30_00))
	b.exceeds(b.more(r, authz.PhaseIncremental, 10_01))
	i := b.more(r, authz.PhaseIncremental, 10_00)
	b.approved(i)
	b.used(record.LimitGeneral, Epoch, 40_00, 40_00, 40_00)
	b.exceeds(b.on(0, authz.ChannelPOS, 15_01))
	x := b.more(r, authz.PhaseReplacement, 25_00)
	b.approved(x)
	b.used(record.LimitGeneral, Epoch, 25_00, 25_00, 25_00)
	b.approved(b.on(0, authz.ChannelPOS, 30_00))
	b.books(UserFunds, 55_00)
}

func limitStandIn(_ *testing.T, b *bench) {
	b.limit(b.Alice, general(record.LimitTransaction, 20_00))
	r := b.on(0, authz.ChannelPOS, 30_00)
	b.decided(b.advice(r, b.Alice, 30_00), authz.Committed, authz.AdviceAccepted)
	b.used(record.LimitGeneral, Epoch, 30_00, 30_00, 30_00)
	b.approved(r)
	b.used(record.LimitGeneral, Epoch, 30_00, 30_00, 30_00)
	b.reverse(b.Alice, b.Undo(r))
	b.used(record.LimitGeneral, Epoch, 0, 0, 0)
}

func limitLowered(_ *testing.T, b *bench) {
	b.limit(b.Alice, general(record.LimitDay, 50_00))
	b.approved(b.on(0, authz.ChannelPOS, 30_00))
	e := b.entry(b.Alice, b.on(0, authz.ChannelPOS, 10_00), authz.Approved)
	b.limit(b.Alice, general(record.LimitDay, 30_00))
	b.decided(e, authz.Stale, authz.Approved)
	b.exceeds(b.on(0, authz.ChannelPOS, 1))
	b.limit(b.Alice)
	b.approved(b.on(0, authz.ChannelPOS, 60_00))
}

func limitFirst(_ *testing.T, b *bench) {
	lastMonth := b.on(-25, authz.ChannelPOS, 7_00) // Wednesday, 28 October
	b.approved(lastMonth)
	b.approved(b.on(-7, authz.ChannelATM, 5_00))
	before := b.approved(b.on(0, authz.ChannelPOS, 30_00))
	b.refused(b.on(0, authz.ChannelPOS, 900_00))
	b.approve(b.Bob, authz.Authorization, 8_00) // another card
	b.limit(b.Alice, general(record.LimitDay, 50_00), record.Limit{Scope: record.LimitATM, Window: record.LimitMonth, Amount: 9_00})
	b.used(record.LimitGeneral, Epoch, 30_00, 30_00, 35_00)
	b.used(record.LimitATM, Epoch, 0, 0, 5_00)
	b.used(record.LimitGeneral, lastMonth.ReceivedAt, 0, 0, 0)
	b.exceeds(b.on(0, authz.ChannelPOS, 20_01))
	b.exceeds(b.on(0, authz.ChannelATM, 4_01))
	b.approved(b.on(0, authz.ChannelPOS, 20_00))
	b.reverse(b.Alice, b.Undo(before)) // what counted is given back
	b.used(record.LimitGeneral, Epoch, 20_00, 20_00, 25_00)
	b.limit(b.Alice)
	b.approved(b.on(0, authz.ChannelPOS, 11_00)) // counts nowhere, until there is a limit again
	b.used(record.LimitGeneral, Epoch, 20_00, 20_00, 25_00)
	b.limit(b.Alice, general(record.LimitDay, 32_00))
	b.used(record.LimitGeneral, Epoch, 31_00, 31_00, 36_00)
	b.limit(b.Alice, general(record.LimitDay, 33_00))
	b.used(record.LimitGeneral, Epoch, 31_00, 31_00, 36_00)
	b.exceeds(b.on(0, authz.ChannelPOS, 2_01))
}

// What was spent counts as it would have, had the card had limits all the time: less what was given back, also by the
// last clearing, and what was posted at once.
func limitFirstLives(_ *testing.T, b *bench) {
	part := b.approved(b.on(0, authz.ChannelPOS, 10_00))
	undo := b.Undo(part)
	undo.Partial, undo.Final = true, 4_00
	b.reverse(b.Alice, undo) // 4.00 stay
	b.reverse(b.Alice, b.Undo(b.approved(b.on(0, authz.ChannelPOS, 3_00))))
	b.clear(b.approved(b.on(0, authz.ChannelPOS, 5_00)), b.Alice, 6_00) // 5.00 were authorized
	less := b.approved(b.on(0, authz.ChannelPOS, 20_00))
	b.clear(less, b.Alice, 5_00, 1, 2)
	b.clear(less, b.Alice, 6_00, 2, 2) // 11.00
	open := b.approved(b.on(0, authz.ChannelPOS, 9_00))
	b.clear(open, b.Alice, 2_00, 1, 2) // all of it: 7.00 are still held
	posted := b.on(0, authz.ChannelPOS, 1_50)
	posted.Kind = authz.Financial
	b.approved(posted)
	unsent := b.approved(b.on(0, authz.ChannelPOS, 2_50))
	b.void(b.Alice, unsent)
	stood := b.advice(b.on(0, authz.ChannelECommerce, 1_20), b.Alice, 1_20)
	stood.Request.Channel = authz.ChannelECommerce
	b.decided(stood, authz.Committed, authz.AdviceAccepted)
	b.clear(nil, b.Alice, 2_20) // nobody authorized it
	b.limit(b.Alice, general(record.LimitDay, 100_00))
	b.used(record.LimitGeneral, Epoch, 31_70, 31_70, 31_70)
	b.used(record.LimitEcommerce, Epoch, 1_20, 1_20, 1_20)
	b.clear(open, b.Alice, 4_00, 2, 2) // 3.00 are left of it
	b.used(record.LimitGeneral, Epoch, 28_70, 28_70, 28_70)
	b.reverse(b.Alice, b.Undo(part))
	b.used(record.LimitGeneral, Epoch, 24_70, 24_70, 24_70)
}

// refused has a request declined for want of funds.
func (b *bench) refused(r *authz.Request) {
	b.t.Helper()
	b.decided(b.entry(b.Alice, r, authz.FundsShort), authz.Committed, authz.FundsShort)
}

func limitRepeat(_ *testing.T, b *bench) {
	b.limit(b.Alice, general(record.LimitDay, 20_00))
	r, refused := b.approved(b.on(0, authz.ChannelPOS, 20_00)), b.on(0, authz.ChannelPOS, 5_00)
	b.exceeds(refused)
	b.reverse(b.Alice, b.Undo(b.approved(b.on(1, authz.ChannelPOS, 20_00))))
	again, declined := *r, *refused
	again.Repeat, declined.Repeat = true, true
	b.decided(b.entry(b.Alice, &again, authz.Approved), authz.Duplicate, authz.Approved)
	b.limit(b.Alice, general(record.LimitDay, 90_00))
	b.decided(b.entry(b.Alice, &declined, authz.Approved), authz.Duplicate, authz.AmountLimit)
	b.used(record.LimitGeneral, Epoch, 20_00, 20_00, 20_00)
}

func limitConcurrent(t *testing.T, b *bench) {
	b.limit(b.Alice, general(record.LimitDay, 50_00))
	var entries []*authz.Entry
	for range 20 {
		entries = append(entries, b.entry(b.Alice, b.on(0, authz.ChannelPOS, 4_00), authz.Approved))
	}
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			if _, err := b.Store.Commit(t.Context(), entries[2*i:2*i+2]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	approved := 0
	for _, e := range entries {
		if e.Decision.Reason == authz.Approved {
			approved++
		}
	}
	if approved != 12 {
		t.Errorf("%d of 4.00 were approved with a limit of 50.00, want 12", approved)
	}
	b.used(record.LimitGeneral, Epoch, 48_00, 48_00, 48_00)
}
