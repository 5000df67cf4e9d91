package storetest

import (
	"math/rand/v2"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/store/records"
)

// spending is an approval in the model: what it uses, on a day.
type spending struct {
	of      *authz.Request
	day     int
	channel authz.Channel
	uses    int64
	lasts   bool // until it expires
	ended   bool
}

// spendings are all approvals of the model.
type spendings []*spending

func (all spendings) sum(in func(*spending) bool) (used int64) {
	for _, s := range all {
		if in(s) {
			used += s.uses
		}
	}
	return used
}

// allow reports whether the limits of the model leave so much. Weeks begin on Mondays, and December with the ninth day.
func (all spendings) allow(day int, channel authz.Channel, amount int64) bool {
	switch {
	case amount+all.sum(func(s *spending) bool { return s.day == day }) > 40_00,
		amount+all.sum(func(s *spending) bool { return (s.day+6)/7 == (day+6)/7 }) > 90_00,
		amount+all.sum(func(s *spending) bool { return (s.day >= 9) == (day >= 9) }) > 160_00:
		return false
	case channel == authz.ChannelATM:
		return amount+all.sum(func(s *spending) bool { return s.day == day && s.channel == channel }) <= 20_00
	}
	return channel != authz.ChannelECommerce || amount <= 15_00
}

// Goal: whatever is approved, reversed, cleared and expires, in any order, a limit allows exactly what it says. The
// model sums up a list.
func limitModel(t *testing.T, b *bench) {
	ctx := t.Context()
	if err := b.Store.Update(ctx, func(q records.Querier) error {
		for _, id := range []authz.BalanceID{b.Alice.Balance, b.Deposit} {
			if err := records.Fund(ctx, q, id, 1_000_000, "TOP_UP", Epoch); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	b.limit(b.Alice, general(record.LimitDay, 40_00), general(record.LimitWeek, 90_00), general(record.LimitMonth, 160_00),
		record.Limit{Scope: record.LimitATM, Window: record.LimitDay, Amount: 20_00},
		record.Limit{Scope: record.LimitEcommerce, Window: record.LimitTransaction, Amount: 15_00})
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	var all spendings
	declined := 0
	for day := range 16 {
		for range 14 {
			if open := random.IntN(len(all) + 1); open < len(all) && random.IntN(3) == 0 {
				b.endSome(all[open], random)
				continue
			}
			s := &spending{day: day, channel: authz.Channel(random.IntN(4)), uses: 1 + random.Int64N(18_00), lasts: random.IntN(4) == 0}
			s.of = b.on(day, s.channel, s.uses)
			e := b.entry(b.Alice, s.of, authz.Approved)
			if s.lasts {
				e.Life = time.Minute
			}
			if !all.allow(day, s.channel, s.uses) {
				declined++
				b.decided(e, authz.Committed, authz.AmountLimit)
				continue
			}
			b.decided(e, authz.Committed, authz.Approved)
			all = append(all, s)
		}
		for b.expire(Epoch.AddDate(0, 0, day).Add(11*time.Hour)) > 0 {
		}
		for _, s := range all {
			if s.lasts && !s.ended {
				s.ended, s.uses = true, 0
			}
		}
	}
	if len(all) < 20 || declined < 20 {
		t.Errorf("%d approved and %d declined: the test is not looking", len(all), declined)
	}
	if t.Failed() {
		t.Logf("seed %d", seed)
	}
}

// endSome reverses or clears what is open, whole or in part.
func (b *bench) endSome(s *spending, random *rand.Rand) {
	b.t.Helper()
	if s.ended {
		return
	}
	amount := 1 + random.Int64N(s.uses)
	switch random.IntN(3) {
	case 0:
		b.reverse(b.Alice, b.Undo(s.of))
		s.uses, s.ended = 0, true
	case 1:
		undo := b.Undo(s.of)
		undo.Partial, undo.Final = true, amount
		b.reverse(b.Alice, undo)
		s.uses = amount
	default:
		amount += random.Int64N(3_00)
		c := b.cleared(s.of, b.Alice, amount)
		c.Request.ReceivedAt = s.of.ReceivedAt.Add(time.Hour) // found by what does not count for long
		b.decided(c, authz.Committed, authz.AdviceAccepted)
		s.uses, s.ended = min(s.uses, amount), true
	}
}
