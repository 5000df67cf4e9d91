package records_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/authz/money"
	"holdfast/authz/pan"
	"holdfast/authz/record"
	"holdfast/store/records"
	"holdfast/store/storetest"
)

// Goal: every method of the records' transaction does on both engines what it promises, and money stays right under
// concurrency. Method: an office each, with two ways to its store, which are two nodes where there can be two.
func TestRecords(t *testing.T) {
	for _, engine := range engines(t) {
		for _, test := range []struct {
			name string
			run  func(*testing.T, *office)
		}{
			{"partners and programs", testPartners}, {"users", testUsers}, {"mailboxes", testMailboxes}, {"KYC", testKYC}, {"balances", testBalances},
			{"money", testMoney}, {"the same movement twice", testMovementTwice}, {"reload with a second person", testReload},
			{"thresholds", testThresholds}, {"money on two nodes", testMoneyRace}, {"authorizations beside debits", testDebitRace},
			{"cards", testCards}, {"a suspended partner", testSuspension}, {"limits", testLimits}, {"orders", testOrders},
			{"card requests", testCardRequests}, {"devices and sessions", testAccess}, {"certificates and operators", testOperators},
			{"outbox", testOutbox}, {"audit", testAudit}, {"idempotency", testIdempotency}, {"clock", testClock},
			{"peers and rates", testPeersAndRates}, {"transactions", testTransactions}, {"following the journal", testFollow},
			{"listing the journal", testListRows}, {"merchants", testAcceptor}, {"lists", testLists}, {"waiting", testWaits},
		} {
			t.Run(engine.name+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				o := newOffice(t, engine.open(t))
				test.run(t, o)
				o.verify()
			})
		}
	}
}

// office is a partner with a CREDIT and a DEPOSIT program, each with its balance, and a user who may hold money.
type office struct {
	t       *testing.T
	nodes   [2]storetest.Store
	keys    *keystore.Store
	partner record.Partner
	credit  record.Program // in EUR
	deposit record.Program // in USD
	wallets map[string]record.Balance
	user    record.User
	serial  int
}

func newOffice(t *testing.T, nodes [2]storetest.Store) *office {
	t.Helper()
	keys, err := keystore.Create(filepath.Join(t.TempDir(), "keys.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, nodes: nodes, keys: keys, wallets: map[string]record.Balance{}}
	o.partner = record.Partner{Name: "Aurora", CreatedAt: storetest.Epoch}
	o.credit = record.Program{Name: "credit", BINLow: 99999910, BINHigh: 99999910, Currency: o.currency("EUR"),
		Funding: record.FundingCredit, Holder: record.HolderUs, DigitalFirst: true, CreatedAt: storetest.Epoch}
	o.deposit = record.Program{Name: "deposit", BINLow: 99999911, BINHigh: 99999911, Currency: o.currency("USD"),
		Funding: record.FundingDeposit, Holder: record.HolderUs, OutsideOnly: true, CreatedAt: storetest.Epoch}
	o.must(func(tx *records.Tx) error {
		if err := tx.InsertPartner(t.Context(), &o.partner); err != nil {
			return err
		}
		for _, p := range []*record.Program{&o.credit, &o.deposit} {
			p.Partner = o.partner.ID
			if err := tx.InsertProgram(t.Context(), p); err != nil {
				return err
			}
			b := record.Balance{Partner: o.partner.ID, Kind: record.BalanceKind(p.Funding), Currency: p.Currency, CreatedAt: storetest.Epoch}
			if err := tx.OpenBalance(t.Context(), &b); err != nil {
				return err
			}
			o.wallets[p.Currency.Alpha()] = b
		}
		return nil
	})
	o.user = o.newUser(true)
	return o
}

func (o *office) currency(alpha string) money.Currency {
	o.t.Helper()
	c, err := money.ByAlpha(alpha)
	if err != nil {
		o.t.Fatal(err)
	}
	return c
}

// try runs f on the first node.
func (o *office) try(f func(*records.Tx) error) error {
	_, err := records.Transact(context.Background(), o.nodes[0], o.keys, f)
	return err
}

func (o *office) must(f func(*records.Tx) error) {
	o.t.Helper()
	if err := o.try(f); err != nil {
		o.t.Fatal(err)
	}
}

// refused wants f to fail with an error, and to have left nothing although the transaction is committed.
func (o *office) refused(want error, what string, f func(*records.Tx) error) {
	o.t.Helper()
	before := o.fingerprint()
	var got error
	o.must(func(tx *records.Tx) error { got = f(tx); return nil })
	if !errors.Is(got, want) {
		o.t.Errorf("%s: %v, want %v", what, got, want)
	}
	if after := o.fingerprint(); after != before {
		o.t.Errorf("%s: it was refused, and changed the records\nfrom %s\nto   %s", what, before, after)
	}
}

// fingerprint sums the tables up that refusals must not change.
func (o *office) fingerprint() string {
	o.t.Helper()
	text := ""
	err := o.nodes[0].View(context.Background(), func(q records.Querier) error {
		for _, sql := range []string{"SELECT count(*), coalesce(sum(ledger), 0), coalesce(sum(held), 0) FROM balances",
			"SELECT count(*), coalesce(sum(lock), 0), coalesce(sum(state), 0) FROM cards",
			"SELECT count(*), coalesce(sum(amount), 0), 0 FROM movements",
			"SELECT count(*), 0, 0 FROM postings", "SELECT count(*), 0, 0 FROM events",
			"SELECT count(*), coalesce(sum(version), 0), 0 FROM users",
			"SELECT count(*), coalesce(sum(version), 0), 0 FROM orders", "SELECT count(*), coalesce(sum(version), 0), 0 FROM approvals",
			"SELECT count(*), 0, 0 FROM devices", "SELECT count(*), 0, 0 FROM pairings",
			"SELECT count(*), coalesce(sum(version), 0), 0 FROM kyc_cases",
		} {
			if err := q.Query(context.Background(), func(r records.Row) error {
				text += fmt.Sprintf("%d/%d/%d ", r.Int(0), r.Int(1), r.Int(2))
				return nil
			}, sql); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return text
}

func (o *office) verify() {
	o.t.Helper()
	report, err := records.Verify(context.Background(), o.nodes[0])
	if err != nil {
		o.t.Fatal(err)
	}
	for _, v := range report.Violations {
		o.t.Errorf("%s: %s", v.Invariant, v.What)
	}
}

func (o *office) newUser(accepted bool) record.User {
	o.t.Helper()
	o.serial++
	u := record.User{Partner: o.partner.ID, FirstName: "Alice", LastName: fmt.Sprintf("Muster %d", o.serial), CreatedAt: storetest.Epoch,
		Email: fmt.Sprintf("alice%d@example.com", o.serial), Phone: fmt.Sprintf("+4812345%04d", o.serial), BirthDate: "1990-12-31",
		Nationality: "POL"}
	o.must(func(tx *records.Tx) error {
		err := tx.InsertUser(o.t.Context(), &u)
		if err == nil && accepted {
			u, err = tx.SetKYC(o.t.Context(), 0, u.ID, record.KYCAccepted, "certificate 1", storetest.Epoch)
		}
		return err
	})
	return u
}

// balance opens a balance of the office's user.
func (o *office) balance(alpha string) record.Balance {
	o.t.Helper()
	b := record.Balance{Partner: o.partner.ID, User: o.user.ID, Kind: record.BalanceUser, Currency: o.currency(alpha), CreatedAt: storetest.Epoch}
	o.must(func(tx *records.Tx) error { return tx.OpenBalance(o.t.Context(), &b) })
	return b
}

// fund puts money on a balance, as a seed does.
func (o *office) fund(b record.Balance, amount int64) {
	o.t.Helper()
	if err := o.nodes[0].Update(o.t.Context(), func(q records.Querier) error {
		return records.Fund(o.t.Context(), q, b.ID, amount, "SEED", storetest.Epoch)
	}); err != nil {
		o.t.Fatal(err)
	}
}

// money reads a balance again.
func (o *office) money(b record.Balance) (now record.Balance) {
	o.t.Helper()
	if err := records.Read(o.t.Context(), o.nodes[1], o.keys, func(tx *records.Tx) (err error) {
		now, err = tx.BalanceByID(o.t.Context(), b.ID)
		return err
	}); err != nil {
		o.t.Fatal(err)
	}
	return now
}

// movement asks for the next movement on a balance.
func (o *office) movement(kind record.MovementKind, b record.Balance, amount int64) *record.Movement {
	o.serial++
	return &record.Movement{Kind: kind, Partner: o.partner.ID, Balance: b.ID, Amount: money.Amount{Minor: amount, Currency: b.Currency},
		ExternalID: fmt.Sprintf("order-%d", o.serial), Description: "pocket money", By: "certificate 1",
		At: storetest.Epoch.Add(time.Duration(o.serial) * time.Second)}
}

// number makes the next card number of a program.
func (o *office) number(p record.Program) pan.Number {
	o.t.Helper()
	o.serial++
	prefix := fmt.Sprintf("%d%07d", p.BINLow, o.serial)
	digit, err := pan.CheckDigit(prefix)
	if err != nil {
		o.t.Fatal(err)
	}
	n, err := pan.Parse(prefix + string(digit))
	if err != nil {
		o.t.Fatal(err)
	}
	return n
}

// card issues a card of a kind on a balance.
func (o *office) card(p record.Program, b record.Balance, kind record.CardKind) (record.Card, storetest.Holder) {
	o.t.Helper()
	c := record.Card{Program: p.ID, Balance: b.ID, Kind: kind, CreatedAt: storetest.Epoch}
	n := o.number(p)
	o.must(func(tx *records.Tx) error { return tx.IssueCard(o.t.Context(), &c, n) })
	return c, storetest.Holder{Partner: o.partner.ID, Balance: b.ID, Card: c.ID, Number: n, Tag: o.keys.Tag(n)}
}

// approve commits an approval of an amount beside the authorizer, on what the cards say now, and returns its outcome.
func (o *office) approve(node int, h storetest.Holder, id authz.ID, card authz.Card, amount int64) (authz.Outcome, error) {
	at := storetest.Epoch.Add(time.Duration(id%800_000) * time.Second)
	r := &authz.Request{ID: id, Tag: h.Tag, Dup: authz.DupKey(o.keys.Keyed("dup", fmt.Append(nil, id))), Kind: authz.Authorization, Peer: "network",
		ReceivedAt: at, Deadline: at.Add(time.Hour), PAN: h.Number, Transaction: authz.Purchase, Amount: money.Amount{Minor: amount, Currency: card.Currency},
		Trace: authz.Trace{STAN: fmt.Sprintf("%06d", id%800_000), Transmitted: at.Format("0102150405"), Local: at.Format("0102150405"), ProcessingCode: "000000"}}
	e := &authz.Entry{Request: r, Card: &card, Hold: amount, Decision: authz.Decision{ID: id, Reason: authz.Approved,
		ApprovalCode: "ABC123", Amount: amount}}
	_, err := o.nodes[node].Commit(context.Background(), []*authz.Entry{e})
	return e.Outcome, err
}

// snapshot reads a card as decisions are made on.
func (o *office) snapshot(node int, h storetest.Holder) (card authz.Card) {
	o.t.Helper()
	if err := o.nodes[node].Find(context.Background(), []authz.Tag{h.Tag}, func(_ int, c authz.Card) { card = c }); err != nil {
		o.t.Fatal(err)
	}
	return card
}

// both runs f on both nodes at once, n times each, and wants every error to be one of those allowed. What the store
// refused because two waited for each other is tried again, as its callers do.
func (o *office) both(n int, allowed []error, f func(node, i int) error) {
	o.t.Helper()
	var wg sync.WaitGroup
	for node := range o.nodes {
		wg.Go(func() {
			for i := range n {
				err := f(node, i)
				for try := 0; errors.Is(err, authz.ErrUnavailable) && try < 20; try++ {
					err = f(node, i)
				}
				if err != nil && !anyIs(err, allowed) {
					o.t.Errorf("node %d, turn %d: %v", node, i, err)
				}
			}
		})
	}
	wg.Wait()
}

func anyIs(err error, list []error) bool {
	for _, want := range list {
		if errors.Is(err, want) {
			return true
		}
	}
	return false
}
