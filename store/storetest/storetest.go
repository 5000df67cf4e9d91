// Package storetest is the conformance suite of the stores: what the comments on the interfaces in
// authz promise, one test for each sentence. Every implementation passes it, or may not be used.
package storetest

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/authz/money"
	"holdfast/authz/pan"
	"holdfast/store/records"
)

// Store is everything that a journal's engine offers.
type Store interface {
	authz.Journal
	authz.Cards
	records.Store
}

// World is a small set of records in a fresh store: a partner with a deposit program, two users with
// a balance and a card each, and a program without deposit with one more.
type World struct {
	t     testing.TB
	Store Store
	Keys  *keystore.Store
	// KeyFile is where Keys are from, in clear.
	KeyFile string

	Deposit authz.BalanceID
	Alice   Holder
	Bob     Holder
	Carol   Holder // of the program without a deposit
	serial  int
	without authz.ProgramID
}

// Holder is a cardholder of the world.
type Holder struct {
	Partner authz.PartnerID
	Balance authz.BalanceID
	Card    authz.CardID
	Number  pan.Number
	Tag     authz.Tag
}

// The funds of the world, in cents.
const (
	UserFunds    = 100_00
	DepositFunds = 150_00
)

// Epoch is the moment at which the world's requests are received, unless a test says otherwise.
var Epoch = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// Expiry is the last month of the world's cards: some tests decide by the real clock, and are to do so for years.
var Expiry = authz.MonthOf(Epoch) + 10*12

// EUR is the world's currency.
func EUR(t testing.TB) money.Currency {
	t.Helper()
	c, err := money.ByAlpha("EUR")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// NewWorld fills a fresh store.
func NewWorld(t testing.TB, s Store) *World {
	t.Helper()
	w := &World{t: t, Store: s, KeyFile: filepath.Join(t.TempDir(), "keys.json")}
	w.Keys = newKeys(t, w.KeyFile)
	ctx := t.Context()
	err := s.Update(ctx, func(q records.Querier) error {
		p, err := records.CreatePartner(ctx, q, "Aurora", Epoch)
		if err != nil {
			return err
		}
		if w.Deposit, err = records.CreatePartnerBalance(ctx, q, p, "DEPOSIT", EUR(t), Epoch); err != nil {
			return err
		}
		if err := records.Fund(ctx, q, w.Deposit, DepositFunds, "RELOAD", Epoch); err != nil {
			return err
		}
		with, err := records.CreateProgram(ctx, q, records.Program{Partner: p, Name: "with deposit", BINLow: 99999910,
			BINHigh: 99999910, Currency: EUR(t), Deposit: true}, Epoch)
		if err != nil {
			return err
		}
		without, err := records.CreateProgram(ctx, q, records.Program{Partner: p, Name: "without", BINLow: 99999911,
			BINHigh: 99999919, Currency: EUR(t)}, Epoch)
		if err != nil {
			return err
		}
		w.without = without
		for _, h := range []struct {
			holder  *Holder
			name    string
			program authz.ProgramID
			number  string
		}{{&w.Alice, "Alice", with, "999999100000001"}, {&w.Bob, "Bob", with, "999999100000002"},
			{&w.Carol, "Carol", without, "999999110000001"}} {
			if *h.holder, err = w.holder(ctx, q, p, h.program, h.name, h.number); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *World) holder(ctx context.Context, q records.Querier, p authz.PartnerID, program authz.ProgramID,
	name, number string) (Holder, error) {
	digit, err := pan.CheckDigit(number)
	if err != nil {
		return Holder{}, err
	}
	h := Holder{Partner: p}
	if h.Number, err = pan.Parse(number + string(digit)); err != nil {
		return h, err
	}
	h.Tag = w.Keys.Tag(h.Number)
	user, err := records.CreateUser(ctx, q, p, name, "ACCEPTED", Epoch)
	if err != nil {
		return h, err
	}
	if h.Balance, err = records.CreateUserBalance(ctx, q, p, user, EUR(w.t), Epoch); err != nil {
		return h, err
	}
	if err := records.Fund(ctx, q, h.Balance, UserFunds, "TOP_UP", Epoch); err != nil {
		return h, err
	}
	h.Card, err = records.IssueCard(ctx, q, w.Keys, records.Card{Program: program, Balance: h.Balance, Number: h.Number,
		Expiry: Expiry, State: authz.CardActive}, Epoch)
	return h, err
}

// Request makes the next request of a card: its own STAN, RRN and time.
func (w *World) Request(h Holder, kind authz.Kind, amount int64) *authz.Request {
	w.serial++
	at := Epoch.Add(time.Duration(w.serial) * time.Second)
	return &authz.Request{
		Kind: kind, Peer: "network", ReceivedAt: at, Deadline: at.Add(time.Hour), PAN: h.Number, Transaction: authz.Purchase,
		Amount: money.Amount{Minor: amount, Currency: EUR(w.t)},
		Trace: authz.Trace{STAN: fmt.Sprintf("%06d", w.serial), RRN: fmt.Sprintf("%012d", 600_000+w.serial), Acquirer: "400001",
			Terminal: "TERM0001", Merchant: "MERCHANT0000001", Transmitted: at.Format("0102150405"),
			Local: at.Format("0102150405"), ProcessingCode: "000000", MCC: "5411"},
	}
}

// Undo makes the reversal of a request, as a network sends it.
func (w *World) Undo(r *authz.Request) *authz.Request {
	u := w.Request(Holder{Number: r.PAN}, authz.Reversal, r.Amount.Minor)
	u.Trace.RRN = r.Trace.RRN
	u.Original = authz.Original{Kind: r.Kind, STAN: r.Trace.STAN, Transmitted: r.Trace.Transmitted, Acquirer: "00000400001"}
	return u
}

// Available reads what a balance has left, from the journal.
func (w *World) Available(id authz.BalanceID) int64 {
	w.t.Helper()
	truth, err := w.Store.Balances(context.Background(), []authz.BalanceID{id})
	if err != nil || len(truth) != 1 {
		w.t.Fatalf("read balance %d: %d rows, %v", id, len(truth), err)
	}
	return truth[0].Available
}

// Lock sets a card's lock beside the authorizer.
func (w *World) Lock(id authz.CardID, lock authz.LockReason) {
	w.t.Helper()
	ctx := w.t.Context()
	if err := w.Store.Update(ctx, func(q records.Querier) error { return records.LockCard(ctx, q, id, lock) }); err != nil {
		w.t.Fatal(err)
	}
}

// Verify fails the test when the books are not in order.
func (w *World) Verify() {
	w.t.Helper()
	report, err := records.Verify(context.Background(), w.Store)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, v := range report.Violations {
		w.t.Errorf("%s: %s", v.Invariant, v.What)
	}
}
