package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/store/lifetest"
	"holdfast/store/records"
)

// LongOrders are sets of more messages whose orders are worth their time on a journal.
var LongOrders = []string{"QJRK", "QIARB", "QIPBC", "QAPRS", "QIARBC", "QIJPBC", "QADRWS", "QIXPRS", "QIKPBC", "QAPRBC"}

// shard is how many orders share a store.
const shard = 2500

// Orders commits sets of messages in all their orders, each on a card of its own and each message three times, and has
// them judged. Many entries share a commit; batch says how many. Each shard of the orders has a store to itself, so that
// many of them take no more memory than few, and says when it is through.
func Orders(t *testing.T, open func(testing.TB) Store, batch int, sets []string) {
	var all []string
	for _, set := range sets {
		all = append(all, lifetest.Orders(set)...)
	}
	start := time.Now()
	var done atomic.Int64
	for by := range lifetest.Links {
		t.Run(fmt.Sprintf("link %d", by), func(t *testing.T) {
			t.Parallel()
			judge := &lifetest.Judge{By: by}
			t.Cleanup(func() { judge.Report(t) })
			from := 0
			for part := range slices.Chunk(all, shard) {
				t.Run(fmt.Sprint("from ", from), func(t *testing.T) {
					t.Parallel()
					o := &orders{World: NewWorld(t, open(t)), judge: judge, batch: batch, letters: make(map[authz.ID]byte)}
					o.enrol(part)
					o.play()
					o.read()
					o.Verify()
					t.Logf("%d of %d orders after %.0f s", done.Add(int64(len(part))), len(all)*int(lifetest.Links),
						time.Since(start).Seconds())
				})
				from += len(part)
			}
		})
	}
}

// played is one order on its card.
type played struct {
	lifetest.Life
	order    string
	balance  authz.BalanceID
	messages map[byte]*authz.Request
	end      lifetest.End
}

// limited reports whether the order's card has limits, which are high enough.
func (p *played) limited() bool { return len(p.order)%2 == 0 }

type orders struct {
	*World
	judge   *lifetest.Judge
	batch   int
	runs    []*played
	letters map[authz.ID]byte // of the rows
	id      authz.ID
}

// enrol makes a card for each order.
func (o *orders) enrol(orders []string) {
	o.t.Helper()
	ctx := context.Background()
	tags := make([]authz.Tag, len(orders))
	err := o.Store.Update(ctx, func(q records.Querier) error {
		for i, order := range orders {
			h, err := o.holder(ctx, q, o.Carol.Partner, o.without, fmt.Sprint("run ", i), fmt.Sprintf("99999912%07d", i))
			if err != nil {
				return err
			}
			p := &played{order: order, balance: h.Balance, messages: make(map[byte]*authz.Request),
				Life: lifetest.Life{By: o.judge.By, Number: i, PAN: h.Number, Tag: h.Tag, At: Epoch}}
			o.runs, tags[i] = append(o.runs, p), h.Tag
			if p.limited() {
				if err := limit(ctx, q, h.Card); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		o.t.Fatal(err)
	}
	if err := o.Store.Find(ctx, tags, func(i int, c authz.Card) { o.runs[i].Card = &c }); err != nil {
		o.t.Fatal(err)
	}
	o.id = 1 << 40
	for _, p := range o.runs {
		for _, l := range []byte(p.order) {
			p.messages[l] = p.Request(l)
		}
	}
}

func limit(ctx context.Context, q records.Querier, card authz.CardID) error {
	if _, err := q.Exec(ctx, "INSERT INTO limits (card_id, scope, span, amount) VALUES ($1, 'GENERAL', 'DAY', 1000000)",
		int64(card)); err != nil {
		return err
	}
	_, err := q.Exec(ctx, "UPDATE cards SET limited = 1 WHERE id = $1", int64(card))
	return err
}

// play commits the first messages of all orders, then the second ones, each twice; at the end everything again.
func (o *orders) play() {
	o.t.Helper()
	for step := range len(lifetest.Letters) {
		var batch []*authz.Entry
		for _, p := range o.runs {
			if step < len(p.order) {
				batch = append(batch, o.entry(p, p.order[step]), o.entry(p, p.order[step]))
			}
		}
		o.commit(batch)
	}
	var again []*authz.Entry
	for _, p := range o.runs {
		for _, l := range []byte(p.order) {
			again = append(again, o.entry(p, l))
		}
	}
	o.commit(again)
	for _, e := range again {
		if e.Outcome != authz.Duplicate {
			o.t.Fatalf("a repeat has outcome %d", e.Outcome)
		}
	}
}

func (o *orders) entry(p *played, l byte) *authz.Entry {
	o.id++
	o.letters[o.id] = l
	return p.Entry(l, p.messages[l], o.id)
}

func (o *orders) commit(batch []*authz.Entry) {
	o.t.Helper()
	for part := range slices.Chunk(batch, o.batch) {
		if _, err := o.Store.Commit(context.Background(), part); err != nil {
			o.t.Fatal(err)
		}
		for _, e := range part {
			if e.Outcome == authz.Stale {
				o.t.Fatalf("%c is stale", o.letters[e.Request.ID])
			}
		}
	}
}

// read takes the ends of all orders from the store and shows them to the judge.
func (o *orders) read() {
	o.t.Helper()
	byCard, byBalance := make(map[int64]*played), make(map[int64]*played)
	for _, p := range o.runs {
		byCard[int64(p.Card.ID)], byBalance[int64(p.balance)] = p, p
	}
	for _, of := range []struct {
		sql  string
		each func(records.Row)
	}{
		{"SELECT id, ledger, held FROM balances", func(row records.Row) {
			if p := byBalance[row.Int(0)]; p != nil {
				p.end.Posted, p.end.Held = UserFunds-row.Int(1), row.Int(2)
			}
		}},
		{"SELECT card_id, id, state FROM authorizations", func(row records.Row) {
			letter := strings.IndexByte(lifetest.Letters, o.letters[authz.ID(row.Int(1))])
			byCard[row.Int(0)].end.States[letter] = authz.State(row.Int(2))
		}},
		{"SELECT card_id, used FROM limit_use WHERE scope = 'GENERAL' AND span = 'DAY'", func(row records.Row) {
			byCard[row.Int(0)].end.Used = row.Int(1)
		}},
		{`SELECT a.card_id, x.kind FROM exceptions x JOIN authorizations a ON a.id = x.authorization_id WHERE x.state = 'OPEN'`,
			func(row records.Row) { byCard[row.Int(0)].end.Cases.Add(authz.Case(row.Int(1))) }},
	} {
		ctx := context.Background()
		if err := o.Store.View(ctx, func(q records.Querier) error {
			return q.Query(ctx, func(row records.Row) error { of.each(row); return nil }, of.sql)
		}); err != nil {
			o.t.Fatal(err)
		}
	}
	for _, p := range o.runs {
		o.judge.See(p.order, &p.end)
	}
}
