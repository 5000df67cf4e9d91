package arbiter

import (
	"holdfast/authz"
)

// insert writes the row. When its key is taken, the entry becomes a duplicate of the stored one.
func (a *Arbiter) insert(r *Row) (bool, error) {
	inserted, err := a.t.Insert(r)
	if err != nil {
		return false, err
	}
	if !inserted {
		_, err := a.stored(r.Entry)
		return false, err
	}
	r.Entry.Outcome = authz.Committed
	return true, a.count(r.Entry)
}

// stored makes the entry a duplicate when its key is taken: the decision that was answered first counts.
func (a *Arbiter) stored(e *authz.Entry) (bool, error) {
	first, err := a.t.ByKey(e.Request.Dup)
	if err != nil || first == nil {
		return false, err
	}
	e.Outcome = authz.Duplicate
	e.Decision = authz.Decision{ID: first.ID, Reason: first.Answered, ApprovalCode: first.Approval,
		Amount: first.Placed, Passed: first.Passed, UserBefore: first.UserBefore,
		DepositBefore: first.DepositBefore, Known: first.Known}
	if e.Card != nil {
		e.Decision.Currency = e.Card.Currency
		m := member{Stored: first}
		e.Decision.ApprovedTransaction = authz.ApprovedTransaction(first.Answered, first.Placed, first.Amount,
			m.billed(e.Card.Currency))
	}
	revocable := first.Kind == authz.Authorization || first.Kind == authz.Financial
	elsewhere := first.ID.Node() != e.Request.ID.Node() || first.ID < e.Born
	if revocable && !first.Answered.Undecided() && elsewhere {
		// Who wrote the row keeps from its own repeats what it is about to undo; it cannot from ours. A node that died
		// may have left that with the server, too.
		e.Told = true
		return true, a.t.Tell(first.ID, e.Request.ID)
	}
	return true, nil
}

type cardFacts struct {
	stale bool
	marks int64
}

// card compares the card with what was decided on; when it has changed, the fresh one is kept to learn.
func (a *Arbiter) card(e *authz.Entry) (cardFacts, error) {
	if e.Card == nil {
		return cardFacts{}, nil
	}
	version, marks, err := a.t.Card(e.Card.ID)
	if err != nil {
		return cardFacts{}, err
	}
	facts := cardFacts{version != e.Card.Version, marks}
	if facts.stale {
		return facts, a.learn(e.Card.ID)
	}
	return facts, nil
}

// contradiction declines a repeat that says other than what it repeats.
func (a *Arbiter) contradiction(e *authz.Entry) error {
	if !e.Request.Repeat || e.Card == nil {
		return nil
	}
	rows, err := a.t.BySTAN(e.Card.ID, e.Request.Trace.STAN)
	if err != nil {
		return err
	}
	for i := range rows {
		if authz.Contradicts(e.Request, &rows[i].Record) {
			e.Decision.Reason, e.Decision.ApprovalCode, e.Decision.Amount = authz.RepeatMismatch, "", 0
			e.Decision.ApprovedTransaction = 0
			return nil
		}
	}
	return nil
}
