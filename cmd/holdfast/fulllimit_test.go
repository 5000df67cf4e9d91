package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/authz/record"
	"holdfast/store/pgstore"
	"holdfast/store/records"
)

// What is done about the spending of a card, beside paying with it.
const (
	limitCall  = "limit"
	removeCall = "remove"
	debitCall  = "debit"
	topUpCall  = "top up"

	overLimit = "61"
	noFunds   = "51"
	noCard    = "14"
	done      = "done" // what an operator hears; of a debit of more than there is, noFunds

	price = 100 // of every payment
)

// spendCall is one of these with its amount, or with an empty what a payment.
type spendCall struct {
	card   int
	what   string
	amount int64
}

// spender is the model of a card: what its user has, what it may spend in the month and has spent of that.
type spender struct {
	available, limit, used int64
	removed                bool
}

// purses is the model of cards. As their funds at the beginning are the same, it needs no more than that number.
func purses(funds, limit int64) porcupine.Model {
	return porcupine.Model{
		Partition: perCard(func(call any) int { return call.(spendCall).card }),
		Init:      func() any { return spender{available: funds, limit: limit} },
		Step: func(state, input, output any) (bool, any) {
			p, call := state.(spender), input.(spendCall)
			switch call.what {
			case limitCall:
				p.limit = call.amount
			case removeCall:
				p.removed = true
			case topUpCall:
				p.available += call.amount
			case debitCall:
				if short := p.available < call.amount; short != (output == noFunds) {
					return false, state
				} else if !short {
					p.available -= call.amount
				}
			default:
				if output == unanswerable {
					return true, state
				}
				told := p.pay()
				return output == told, p
			}
			return true, p
		},
	}
}

// pay is what a payment is told, in the order of the reasons.
func (p *spender) pay() string {
	switch {
	case p.removed:
		return noCard
	case p.used+price > p.limit:
		return overLimit
	case p.available < price:
		return noFunds
	}
	p.used, p.available = p.used+price, p.available-price
	return paid
}

// The checker itself: it accepts what may happen, and finds what may not.
func TestPursesFindAPlantedApproval(t *testing.T) {
	t.Parallel()
	pay := func(from, to int64, told string) porcupine.Operation {
		return porcupine.Operation{Input: spendCall{card: 7}, Output: told, Call: from, Return: to}
	}
	does := func(from, to int64, what string, amount int64) porcupine.Operation {
		return porcupine.Operation{Input: spendCall{7, what, amount}, Output: done, Call: from, Return: to}
	}
	for _, c := range []struct {
		name    string
		history []porcupine.Operation
		want    porcupine.CheckResult
	}{
		{"two fit", []porcupine.Operation{pay(0, 1, paid), pay(2, 3, paid), pay(4, 5, overLimit)}, porcupine.Ok},
		{"a third does not", []porcupine.Operation{pay(0, 9, paid), pay(1, 8, paid), pay(2, 7, paid)}, porcupine.Illegal},
		{"beside the lowering it may", []porcupine.Operation{does(0, 10, limitCall, 0), pay(1, 9, paid), pay(2, 8, overLimit)}, porcupine.Ok},
		{"after a lowered limit", []porcupine.Operation{does(0, 1, limitCall, 99), pay(2, 3, paid)}, porcupine.Illegal},
		{"after the removal", []porcupine.Operation{does(0, 1, removeCall, 0), pay(2, 3, paid)}, porcupine.Illegal},
		{"after a debit", []porcupine.Operation{does(0, 1, debitCall, 201), pay(2, 3, paid)}, porcupine.Illegal},
		{"a refusal after the top-up", []porcupine.Operation{does(0, 1, debitCall, 300), does(2, 3, topUpCall, 100),
			pay(4, 5, noFunds)}, porcupine.Illegal},
	} {
		if got := porcupine.CheckOperationsTimeout(purses(300, 2*price), c.history, 20*time.Second); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// Limits are lowered and raised, balances debited and topped up, and cards removed by a third process while both nodes
// take payments: as seen by those who call, each card is one spender.
func TestLimitsRemovalsAndDebitsAreLinearizableOnTwoNodes(t *testing.T) {
	t.Parallel()
	const cards, changes = 4, 24
	s := openSite(t, sharedServers(t), plainListener, "--cards", fmt.Sprint(cards))
	nodes := []*fullNode{s.start(t, 1), s.start(t, 2)}
	store := s.open(t)
	var clerks []*clerk
	if err := query(t.Context(), store, func(r records.Row) {
		c := &clerk{t: t, store: store, card: len(clerks), id: authz.CardID(r.Int(0)), partner: authz.PartnerID(r.Int(1)),
			balance: authz.BalanceID(r.Int(2)), funds: r.Int(3)}
		clerks = append(clerks, c)
	}, "SELECT c.id, c.partner_id, c.balance_id, b.ledger - b.held FROM cards c JOIN balances b ON b.id = c.balance_id ORDER BY c.id"); err != nil ||
		len(clerks) != cards {
		t.Fatalf("%d cards, %v", len(clerks), err)
	}
	const first = 20 * price
	h := newHistory(t)
	var clerking sync.WaitGroup
	for card, c := range clerks {
		if c.funds != clerks[0].funds {
			t.Fatal("the cards begin with different funds")
		}
		if told := c.do(spendCall{card, limitCall, first}); told != done {
			t.Fatalf("set a limit: %s", told)
		}
		clerking.Go(func() { c.work(h, changes) })
		h.pay(s, nodes, card, price, spendCall{card: card})
	}
	clerking.Wait()
	seen := h.judge(purses(clerks[0].funds, first))
	if seen[paid] < 100 || seen[overLimit] < 25 || seen[noFunds] < 5 || seen[noCard] < 10 || seen[unanswerable] > len(h.operations)/4 {
		t.Errorf("answers %v: the test is not looking", seen)
	}
	s.verify(t) // and not the cache: nothing teaches it any more about the balances of cards that are removed
}

// clerk does what operators and partners do about one card.
type clerk struct {
	t       *testing.T
	store   *pgstore.Store
	card    int
	id      authz.CardID
	partner authz.PartnerID
	balance authz.BalanceID
	funds   int64
	serial  int
}

// work does some changes, and removes the card in the end. Payments see each of them for a moment.
func (c *clerk) work(h *history, changes int) {
	limit := int64(20 * price)
	for i := range changes {
		var call spendCall
		switch i % 4 {
		case 0:
			call = spendCall{c.card, limitCall, rand.Int64N(5) * price}
		case 1:
			limit += 150 * price
			call = spendCall{c.card, limitCall, limit}
		case 2:
			call = spendCall{c.card, debitCall, max(price, c.available()-(2+rand.Int64N(8))*price)} // payments may have been faster
		default:
			call = spendCall{c.card, topUpCall, 40 * price}
		}
		h.note(call, func() string { return c.do(call) })
		<-time.After(time.Duration(rand.IntN(200)) * time.Millisecond)
	}
	call := spendCall{c.card, removeCall, 0}
	h.note(call, func() string { return c.do(call) })
	<-time.After(200 * time.Millisecond)
}

func (c *clerk) available() (has int64) {
	if err := query(c.t.Context(), c.store, func(r records.Row) { has = r.Int(0) }, "SELECT ledger - held FROM balances WHERE id = $1",
		int64(c.balance)); err != nil {
		c.t.Error(err)
	}
	return has
}

func (c *clerk) do(call spendCall) string {
	ctx, at := c.t.Context(), time.Now()
	eur, err := money.ByAlpha("EUR")
	if err != nil {
		c.t.Error(err)
	}
	_, err = records.Transact(ctx, c.store, nil, func(tx *records.Tx) error {
		switch call.what {
		case limitCall:
			_, err := tx.SetLimits(ctx, c.partner, c.id, []record.Limit{{Scope: record.LimitGeneral, Window: record.LimitMonth, Amount: call.amount}}, at)
			return err
		case removeCall:
			_, err := tx.MoveCard(ctx, c.partner, c.id, record.ActRemove, at)
			return err
		}
		kind := record.MovementTopUp
		if call.what == debitCall {
			kind = record.MovementDebit
		}
		c.serial++
		return tx.Move(ctx, &record.Movement{Kind: kind, Partner: c.partner, Balance: c.balance, Amount: money.Amount{Minor: call.amount, Currency: eur},
			ExternalID: fmt.Sprintf("card %d, %d", c.card, c.serial), By: "test", At: at})
	})
	switch {
	case err == nil:
		return done
	case call.what == debitCall && errors.Is(err, record.ErrFunds):
		return noFunds
	}
	c.t.Errorf("%s: %v", call.what, err)
	return ""
}
