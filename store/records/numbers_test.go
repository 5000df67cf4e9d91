package records_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/authz/money"
	"holdfast/authz/pan"
	"holdfast/authz/record"
	"holdfast/store/litestore"
	"holdfast/store/records"
)

var at = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// press is a store with one program and one balance, and a key file that the test rotates.
type press struct {
	t       *testing.T
	store   *litestore.Store
	path    string
	keys    *keystore.Store
	program authz.ProgramID
	balance authz.BalanceID
}

func newPress(t *testing.T) *press {
	t.Helper()
	dir := t.TempDir()
	o := &press{t: t, path: filepath.Join(dir, "keys.json")}
	var err error
	if o.keys, err = keystore.Create(o.path, nil); err != nil {
		t.Fatal(err)
	}
	if o.store, err = litestore.Open(filepath.Join(dir, "holdfast.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.store.Close(); err != nil {
			t.Error(err)
		}
	})
	eur, err := money.ByAlpha("EUR")
	if err != nil {
		t.Fatal(err)
	}
	o.update(func(ctx context.Context, q records.Querier) error {
		p, err := records.CreatePartner(ctx, q, "Aurora", at)
		if err != nil {
			return err
		}
		if o.program, err = records.CreateProgram(ctx, q, records.Program{Partner: p, Name: "p", BINLow: 99999910,
			BINHigh: 99999912, Currency: eur}, at); err != nil {
			return err
		}
		u, err := records.CreateUser(ctx, q, p, "Alice", "ACCEPTED", at)
		if err != nil {
			return err
		}
		if o.balance, err = records.CreateUserBalance(ctx, q, p, u, eur, at); err != nil {
			return err
		}
		return records.BindKeys(ctx, q, o.keys)
	})
	return o
}

func (o *press) update(f func(context.Context, records.Querier) error) {
	o.t.Helper()
	if err := o.try(f); err != nil {
		o.t.Fatal(err)
	}
}

func (o *press) try(f func(context.Context, records.Querier) error) error {
	ctx := o.t.Context()
	return o.store.Update(ctx, func(q records.Querier) error { return f(ctx, q) })
}

func (o *press) issue(n pan.Number) (id authz.CardID, err error) {
	err = o.try(func(ctx context.Context, q records.Querier) error {
		if n.IsZero() {
			if n, err = records.NewNumber(ctx, q, o.keys, o.program); err != nil {
				return err
			}
		}
		id, err = records.IssueCard(ctx, q, o.keys, records.Card{Program: o.program, Balance: o.balance, Number: n,
			Expiry: authz.MonthOf(at) + 12, State: authz.CardActive}, at)
		return err
	})
	return id, err
}

func (o *press) full(id authz.CardID) (c record.FullCard) {
	o.t.Helper()
	o.update(func(ctx context.Context, q records.Querier) (err error) {
		c, err = records.ReadFullCard(ctx, q, o.keys, id)
		return err
	})
	return c
}

// find looks a card up by its tag under the active key.
func (o *press) find(n pan.Number) (found authz.CardID) {
	o.t.Helper()
	if err := o.store.Find(o.t.Context(), []authz.Tag{o.keys.Tag(n)}, func(_ int, c authz.Card) { found = c.ID }); err != nil {
		o.t.Fatal(err)
	}
	return found
}

func TestNewNumbersAreCardNumbersOfTheProgram(t *testing.T) {
	t.Parallel()
	o := newPress(t)
	seen, ranges := map[string]bool{}, map[string]bool{}
	for range 100 {
		id, err := o.issue(pan.Number{})
		if err != nil {
			t.Fatal(err)
		}
		c := o.full(id)
		if c.Number.Len() != 16 || !c.Number.LuhnValid() || seen[c.Number.Reveal()] {
			t.Fatalf("a number of %d digits, check digit %v, twice %v", c.Number.Len(), c.Number.LuhnValid(), seen[c.Number.Reveal()])
		}
		if c.Expiry != authz.MonthOf(at)+12 || len(c.CVV2.Reveal()) != 3 {
			t.Fatalf("expiry %d, a CVV2 of %d digits", c.Expiry, len(c.CVV2.Reveal()))
		}
		seen[c.Number.Reveal()] = true
		ranges[c.Number.BIN(8)] = true
	}
	if len(ranges) != 3 {
		t.Errorf("%d of the three ranges are used", len(ranges))
	}
	if err := o.try(func(ctx context.Context, q records.Querier) error {
		_, err := records.NewNumber(ctx, q, o.keys, 99)
		return err
	}); !errors.Is(err, authz.ErrNotFound) {
		t.Errorf("no such program: %v", err)
	}
}

// everything answers every query for a tag with a row, as a range without a free number does.
type everything struct{ records.Querier }

func (e everything) Query(ctx context.Context, row func(records.Row) error, sql string, args ...any) error {
	if len(args) == 1 {
		if _, isTag := args[0].([]byte); isTag {
			return row(nil)
		}
	}
	return e.Querier.Query(ctx, row, sql, args...)
}

func TestFullRangeIsAClearError(t *testing.T) {
	t.Parallel()
	o := newPress(t)
	err := o.try(func(ctx context.Context, q records.Querier) error {
		_, err := records.NewNumber(ctx, everything{q}, o.keys, o.program)
		return err
	})
	if !errors.Is(err, records.ErrRange) {
		t.Errorf("a full range: %v", err)
	}
}

func TestSetPINIsChecked(t *testing.T) {
	t.Parallel()
	o := newPress(t)
	id, err := o.issue(pan.Number{})
	if err != nil {
		t.Fatal(err)
	}
	set := func(id authz.CardID, pin string) error {
		return o.try(func(ctx context.Context, q records.Querier) error {
			return records.SetPIN(ctx, q, o.keys, id, pan.NewSecret(pin))
		})
	}
	for _, pin := range []string{"", "123", "1234567890123", "12a4", "١٢٣٤"} {
		if err := set(id, pin); !errors.Is(err, keystore.ErrInput) {
			t.Errorf("a PIN of %d bytes: %v", len(pin), err)
		}
	}
	if err := set(id, "1234"); err != nil {
		t.Error(err)
	}
	if err := set(9999, "1234"); !errors.Is(err, authz.ErrNotFound) {
		t.Errorf("no such card: %v", err)
	}
}

// Goal: in each phase of a rotation every card is found and opens, no number is issued twice, and at the end the old
// keys can go. Method: the phases one after the other, each by a store that was opened on the file as it is then.
func TestRotation(t *testing.T) {
	t.Parallel()
	o := newPress(t)
	var cards []authz.CardID
	before := map[authz.CardID]record.FullCard{}
	for range 10 {
		id, err := o.issue(pan.Number{})
		if err != nil {
			t.Fatal(err)
		}
		cards = append(cards, id)
		before[id] = o.full(id)
	}
	old := map[string]uint32{}
	all, err := keystore.Keys(o.path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range all {
		old[k.Usage] = k.ID
	}
	var fresh []uint32
	for _, usage := range []string{"pan-aead", "pan-tag"} {
		id, err := keystore.AddKey(o.path, nil, usage)
		if err != nil {
			t.Fatal(err)
		}
		fresh = append(fresh, id)
	}
	o.reopen()
	o.findable(before, false)
	for _, id := range fresh {
		if err := keystore.ActivateKey(o.path, nil, id); err != nil {
			t.Fatal(err)
		}
	}
	o.reopen()
	o.update(func(ctx context.Context, q records.Querier) error { return records.BindKeys(ctx, q, o.keys) })
	o.findable(before, true)
	if _, err := o.issue(before[cards[0]].Number); !errors.Is(err, records.ErrExists) {
		t.Errorf("a number that is under its old tag was issued again: %v", err)
	}
	o.resealed(3, 10)
	o.resealed(100, 0)
	o.findable(before, false)
	o.update(func(ctx context.Context, q records.Querier) error { return records.FinishRotation(ctx, q, o.keys) })
	for _, usage := range []string{"pan-aead", "pan-tag"} {
		if err := keystore.DropKey(o.path, nil, old[usage]); err != nil {
			t.Fatal(err)
		}
	}
	o.reopen()
	o.update(func(ctx context.Context, q records.Querier) error { return records.BindKeys(ctx, q, o.keys) })
	o.findable(before, false)
	if len(o.keys.OtherTags(before[cards[0]].Number)) != 0 {
		t.Error("the old tag is still looked for")
	}
}

func (o *press) reopen() {
	o.t.Helper()
	var err error
	if o.keys, err = keystore.Open(o.path, nil); err != nil {
		o.t.Fatal(err)
	}
}

// findable checks that each card is found, under another tag than the active one if so, and reads as before.
func (o *press) findable(before map[authz.CardID]record.FullCard, underOther bool) {
	o.t.Helper()
	for id, was := range before {
		found := o.find(was.Number)
		if (found == 0) != underOther || found != 0 && found != id {
			o.t.Fatalf("card %d is found as %d under the active tag", id, found)
		}
		others := o.keys.OtherTags(was.Number)
		if underOther {
			if err := o.store.Find(o.t.Context(), others, func(_ int, c authz.Card) { found = c.ID }); err != nil || found != id {
				o.t.Fatalf("card %d is found as %d under its other tag, %v", id, found, err)
			}
		}
		if now := o.full(id); !now.Number.Equal(was.Number) || now.CVV2.Reveal() != was.CVV2.Reveal() {
			o.t.Fatalf("card %d reads otherwise", id)
		}
	}
}

// resealed runs a whole pass in steps.
func (o *press) resealed(step, want int) {
	o.t.Helper()
	var pass records.Resealed
	changed := 0
	for !pass.Done {
		o.update(func(ctx context.Context, q records.Querier) (err error) {
			pass, err = records.Reseal(ctx, q, o.keys, pass.Last, step)
			return err
		})
		changed += pass.Changed
	}
	if changed != want {
		o.t.Errorf("%d cards were put under the new keys, want %d", changed, want)
	}
}

func TestForeignKeysAreRefused(t *testing.T) {
	t.Parallel()
	o := newPress(t)
	other, err := keystore.Create(filepath.Join(t.TempDir(), "keys.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func(context.Context, records.Querier, *keystore.Store) error{
		"bind": records.BindKeys, "finish": records.FinishRotation} {
		if err := o.try(func(ctx context.Context, q records.Querier) error { return f(ctx, q, other) }); !errors.Is(err, records.ErrKeys) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
