// Package arbiter is the last word on money: what a journal's transaction does to the truth. The rules are
// written once, over the [Tables] that each engine offers inside its transaction.
//
// # The one idea
//
// An Arbiter lives for one transaction. It reads each balance that the transaction touches once, decides
// every entry in order on the truth, keeps the balances in its book, and writes each back once at the end.
// The engine sees to it that nobody else changes what was read before the transaction ends: SQLite by
// having one writer, PostgreSQL by locking the balance rows first.
//
// # Lives
//
// The messages of one transaction come in any order and more than once: request, stand-in advice, increments,
// reversals, clearings. The rows that belong together are a life. What a life holds and has posted is not changed
// step by step but folded anew from all of its rows when one more comes, and the difference is applied: so the
// order in which they came cannot matter. A plain request is a life of its own and pays nothing for this. What comes
// before its request waits as a step of its card, and marks the card so that the request looks for it.
//
// # Limits
//
// What a card may spend in a day, a week or a month is counted here and nowhere else. A row says how much it uses, and
// each of its windows is the sum of the rows that were received in it. A card's windows are guarded by the lock of its
// balance, which every entry that spends takes anyway. The caches know nothing of them: a card without limits costs
// nothing, one with limits is looked up with what is read after the lock, and what a limit forbids is declined by this
// transaction at once, whatever the cache has held for it, without another round. A cache that decided early would
// save that hold only for declines, which are few, and would have to be confirmed here all the same.
//
// A limit for one transaction is compared with all that its life comes to, so that increments do not get around it.
package arbiter

import (
	"slices"

	"holdfast/authz"
	"holdfast/authz/record"
)

// Arbiter decides the entries of one transaction.
type Arbiter struct {
	t    Tables
	book map[authz.BalanceID]*account

	limits map[authz.CardID][]record.Limit
	used   map[Window]*use

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
		case e.Request.Kind == authz.HoldExpiry:
			err = a.expire(e)
		case e.Request.Kind == authz.Authorization || e.Request.Kind == authz.Financial:
			err = a.authorize(e)
		default:
			err = a.tell(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// authorize confirms a decision: the card is as it was decided on, the balances allow what was
// approved and would not have allowed what was declined, nothing that belongs to it came first, the key is new.
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
	if err := a.contradiction(e); err != nil {
		return err
	}
	moves := e.Hold > 0 && (e.Decision.Reason.Funded() || e.Decision.Reason.Short())
	if moves && (card.marks > 0 || e.Request.Phase.Continues()) {
		if done, err := a.continues(e); err != nil || done {
			return err
		}
	}
	if err := a.limit(e); err != nil {
		return err
	}
	if contrary, err := a.contrary(e); err != nil || contrary {
		return errOr(err, func() error { return a.duplicateOrStale(e) })
	}
	r := plain(e)
	inserted, err := a.insert(&r)
	if err != nil || !inserted {
		return err
	}
	if err := a.spend(spent(e, r.Used)); err != nil {
		return err
	}
	switch r.State {
	case authz.StateAuthorized:
		return a.move(e.Card.Balance, e.Card.Deposit, 0, r.Placed, false)
	case authz.StateCaptured:
		return a.capture(e, r.Placed)
	}
	return nil
}

func errOr(err error, otherwise func() error) error {
	if err != nil {
		return err
	}
	return otherwise()
}

// plain is the row of a request that is a life of its own.
func plain(e *authz.Entry) Row {
	r := Row{Entry: e, State: authz.StateDeclined}
	switch reason := e.Decision.Reason; {
	case !reason.Approval():
	case !reason.Funded() || e.Hold == 0:
		r.State = authz.StateRecorded
	case e.Request.Kind == authz.Financial || e.AtOnce:
		r.Placed, r.State = e.Hold, authz.StateCaptured
	case e.Request.Transaction.Credit():
		r.State = authz.StatePromised
	default:
		r.Placed, r.State = e.Hold, authz.StateAuthorized
	}
	if counts(e) {
		r.Used = r.Placed
	}
	return r
}

// contrary reports that the truth is against a decision on funds: an approval that they do not cover, a decline or
// an approval of a part where they cover all. A credit asks nothing of them.
func (a *Arbiter) contrary(e *authz.Entry) (bool, error) {
	reason := e.Decision.Reason
	if e.Hold == 0 || e.Card == nil || !reason.Funded() && !reason.Short() || e.Request.Transaction.Credit() {
		return false, nil
	}
	least, err := a.least(e.Card)
	if err != nil {
		return false, err
	}
	if reason.Short() {
		return least >= e.Hold, nil
	}
	return least < e.Hold || reason == authz.ApprovedPart && least >= e.Wanted, nil
}

// least is what both the user and the deposit have.
func (a *Arbiter) least(c *authz.Card) (int64, error) {
	least := int64(1<<63 - 1)
	for _, id := range []authz.BalanceID{c.Deposit, c.Balance} {
		if id == 0 {
			continue
		}
		b, err := a.account(id)
		if err != nil {
			return 0, err
		}
		least = min(least, b.Available())
	}
	return least, nil
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

// Flush writes the book back, in the order of the ids, and then what is used of limits.
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
	return a.flushUsed()
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
