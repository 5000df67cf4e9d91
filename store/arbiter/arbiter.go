// Package arbiter is the last word on money: what a journal's transaction does to the truth. The rules are
// written once, over the [Tables] that each engine offers inside its transaction.
//
// # The one idea
//
// An Arbiter lives for one transaction. It reads each balance that the transaction touches once, decides
// every entry in order on the truth, keeps the balances in its book, and writes each back once at the end.
// The engine sees to it that nobody else changes what was read before the transaction ends: SQLite by
// having one writer, PostgreSQL by locking the balance rows first.
package arbiter

import (
	"slices"

	"holdfast/authz"
)

// Arbiter decides the entries of one transaction.
type Arbiter struct {
	t    Tables
	book map[authz.BalanceID]*account

	fresh []authz.Card // snapshots for entries that were stale because of their card
}

// account is a balance row while the transaction has it.
type account struct {
	Account
	dirty bool
}

// New starts a transaction's arbiter.
func New(t Tables) *Arbiter { return &Arbiter{t: t, book: make(map[authz.BalanceID]*account)} }

// Decide goes through a batch in order, so that the first of two messages wins, and sets the outcomes.
func (a *Arbiter) Decide(batch []*authz.Entry) error {
	for _, e := range batch {
		var err error
		switch {
		case e.Void:
			err = a.void(e)
		case e.Request.Kind == authz.Reversal:
			err = a.reverse(e)
		case e.Request.Kind == authz.AuthorizationAdvice:
			err = a.advise(e)
		default:
			err = a.authorize(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// authorize confirms a decision: the card is as it was decided on, the balances allow what was
// approved and would not have allowed what was declined, no reversal came first, the key is new.
func (a *Arbiter) authorize(e *authz.Entry) error {
	if e.Decision.Reason.Undecided() {
		return a.undecided(e)
	}
	card, err := a.card(e)
	if err != nil {
		return err
	}
	if card.stale {
		e.Outcome = authz.Stale
		return nil
	}
	if replayed, err := a.replayed(e); err != nil {
		return err
	} else if replayed {
		return a.duplicateOrStale(e)
	}
	if card.marks > 0 && e.Decision.Reason.Approval() {
		if written, err := a.preceded(e); err != nil || written {
			return err
		}
	}
	if err := a.contradiction(e); err != nil {
		return err
	}
	fits, err := a.fits(e)
	if err != nil {
		return err
	}
	short := e.Decision.Reason == authz.FundsShort || e.Decision.Reason == authz.DepositShort
	if e.Decision.Reason == authz.Approved && !fits || short && fits {
		return a.duplicateOrStale(e)
	}
	r := Row{Entry: e, State: authz.StateDeclined}
	if e.Decision.Reason == authz.Approved && e.Hold > 0 {
		r.Placed, r.State = e.Hold, authz.StateAuthorized
		if e.Request.Kind == authz.Financial {
			r.State = authz.StateCaptured
		}
	} else if e.Decision.Reason.Approval() {
		r.State = authz.StateRecorded
	}
	inserted, err := a.insert(&r)
	if err != nil || !inserted {
		return err
	}
	switch r.State {
	case authz.StateAuthorized:
		return a.hold(e.Card, r.Placed, false)
	case authz.StateCaptured:
		return a.capture(e, r.Placed)
	}
	return nil
}

// fits reports whether user and deposit cover the hold that is wanted.
func (a *Arbiter) fits(e *authz.Entry) (bool, error) {
	if e.Hold == 0 || e.Card == nil {
		return true, nil
	}
	for _, id := range []authz.BalanceID{e.Card.Deposit, e.Card.Balance} {
		if id == 0 {
			continue
		}
		b, err := a.account(id)
		if err != nil {
			return false, err
		}
		if b.Available() < e.Hold {
			return false, nil
		}
	}
	return true, nil
}

// duplicateOrStale is for an entry that cannot be written as decided: when its key is taken, the
// stored decision counts and nothing has to be decided again.
func (a *Arbiter) duplicateOrStale(e *authz.Entry) error {
	found, err := a.stored(e)
	if err != nil || found {
		return err
	}
	e.Outcome = authz.Stale
	return nil
}

// hold moves the held amount of the card's balance and of the deposit that covers it, both.
func (a *Arbiter) hold(c *authz.Card, amount int64, forced bool) error {
	return a.move(c.Balance, c.Deposit, 0, amount, forced)
}

// move changes ledger and held of both balances in the book.
func (a *Arbiter) move(user, deposit authz.BalanceID, ledger, held int64, forced bool) error {
	for _, id := range []authz.BalanceID{user, deposit} {
		if id == 0 {
			continue
		}
		b, err := a.account(id)
		if err != nil {
			return err
		}
		b.Ledger += ledger
		b.Held += held
		b.dirty = true
		if b.Available() >= 0 {
			b.Forced = false
		} else if forced {
			b.Forced = true
		}
	}
	return nil
}

func (a *Arbiter) account(id authz.BalanceID) (*account, error) {
	if b, ok := a.book[id]; ok {
		return b, nil
	}
	read, err := a.t.Account(id)
	if err != nil {
		return nil, err
	}
	b := &account{Account: read}
	a.book[id] = b
	return b, nil
}

// Flush writes the book back, in the order of the ids.
func (a *Arbiter) Flush() error {
	ids := make([]authz.BalanceID, 0, len(a.book))
	for id, b := range a.book {
		if b.dirty {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		b := a.book[id]
		b.Version++
		if err := a.t.SetAccount(id, b.Account); err != nil {
			return err
		}
	}
	return nil
}

// Truth is what the caches may learn from a committed batch: the balances of its cards, and the cards
// that were not as decided on.
func (a *Arbiter) Truth(batch []*authz.Entry) authz.Truth {
	t := authz.Truth{Cards: a.fresh}
	seen := make(map[authz.BalanceID]bool, len(batch)+1)
	learn := func(id authz.BalanceID) {
		b, ok := a.book[id]
		if ok && !seen[id] {
			seen[id] = true
			t.Balances = append(t.Balances, authz.Balance{ID: id, Available: b.Available(), Version: b.Version})
		}
	}
	for _, e := range batch {
		if e.Card != nil {
			learn(e.Card.Balance)
			learn(e.Card.Deposit)
		}
	}
	for _, c := range a.fresh {
		learn(c.Balance)
		learn(c.Deposit)
	}
	return t
}
