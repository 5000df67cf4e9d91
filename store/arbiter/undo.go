package arbiter

import (
	"fmt"
	"slices"

	"holdfast/authz"
)

// reverse finds the original and gives back what the reversal undoes; without an original it leaves a
// tombstone. A reversal is accepted whatever it finds.
func (a *Arbiter) reverse(e *authz.Entry) error {
	if found, err := a.stored(e); err != nil || found {
		return err
	}
	original, ambiguous, err := a.original(e)
	if err != nil {
		return err
	}
	r := Row{Entry: e, State: authz.StateRecorded}
	switch {
	case original != nil:
		undone := authz.Undo(&original.Record, e.Request)
		r.Original, r.Given = original.ID, undone.Give
		if err := a.give(e, original, undone, e.Decision.ID); err != nil {
			return err
		}
	case e.Card != nil && !ambiguous:
		if err := a.t.Bury(e); err != nil {
			return err
		}
	}
	_, err = a.insert(&r)
	return err
}

// original reads the rows of the card that a reversal or an advice may be about and matches them:
// first those with the STAN it names, then those with its RRN.
func (a *Arbiter) original(e *authz.Entry) (*Stored, bool, error) {
	if e.Card == nil {
		return nil, false, nil
	}
	stan := e.Request.Original.STAN
	if stan == "" {
		stan = e.Request.Trace.STAN
	}
	for _, read := range []func() ([]Stored, error){
		func() ([]Stored, error) { return a.t.BySTAN(e.Card.ID, stan) },
		func() ([]Stored, error) { return a.byRRN(e) },
	} {
		rows, err := read()
		if err != nil {
			return nil, false, err
		}
		records := make([]authz.Record, len(rows))
		for i := range rows {
			kind, trace := rows[i].Kind, rows[i].Trace
			if rows[i], err = a.successor(rows[i]); err != nil {
				return nil, false, err
			}
			records[i] = rows[i].Record
			records[i].Kind, records[i].Trace = kind, trace // it is found by what it replaced, too
		}
		if i, ambiguous := authz.MatchOriginal(e.Request, records); i >= 0 || ambiguous {
			if i < 0 {
				return nil, true, nil
			}
			return &rows[i], false, nil
		}
	}
	return nil, false, nil
}

// successor follows a row to the one that holds in its place: an advice that replaced it, or that came before
// it, also where the request itself was declined or came to nothing.
func (a *Arbiter) successor(row Stored) (Stored, error) {
	request := row.Kind == authz.Authorization || row.Kind == authz.Financial
	if row.Kind == authz.Reversal || row.State != authz.StateReversed && !(request && row.Held == 0) {
		return row, nil
	}
	rows, err := a.t.BySTAN(row.Card, row.Trace.STAN)
	if err != nil {
		return row, err
	}
	if row.Trace.RRN != "" {
		more, err := a.t.ByRRN(row.Card, row.Trace.RRN, row.ReceivedAt.Add(-authz.MatchWindow))
		if err != nil {
			return row, err
		}
		rows = append(rows, more...)
	}
	for range rows { // each advice replaces one row: no chain is longer
		next := slices.IndexFunc(rows, func(s Stored) bool {
			return s.Kind == authz.AuthorizationAdvice && s.Placed > 0 &&
				(s.Original == row.ID || s.ID == row.Original && row.Kind != authz.AuthorizationAdvice || row.stoodInBy(&s))
		})
		if next < 0 {
			break
		}
		row = rows[next]
	}
	return row, nil
}

// stoodInBy reports whether an advice that found no request came for this one, which was declined afterwards.
func (s *Stored) stoodInBy(advice *Stored) bool {
	if s.Kind == authz.AuthorizationAdvice || s.State != authz.StateDeclined || advice.Original != 0 {
		return false
	}
	came := authz.Request{ID: s.ID, Kind: s.Kind, Peer: s.Peer, Trace: s.Trace, ReceivedAt: s.ReceivedAt}
	i, _ := authz.MatchOriginal(&came, []authz.Record{advice.Record})
	return i == 0
}

// give takes the undone part back out of the original's hold, or posts it back when it was captured.
func (a *Arbiter) give(e *authz.Entry, original *Stored, undone authz.Undone, by authz.ID) error {
	if undone.Give == 0 && undone.State == original.State {
		return nil
	}
	if err := a.t.Shrink(original.ID, undone); err != nil {
		return err
	}
	if original.State == authz.StateCaptured {
		if err := a.move(original.Balance, original.Deposit, undone.Give, 0, false); err != nil {
			return err
		}
		return a.post(e, original.posting(e.Card), -undone.Give, "REVERSAL", by, original.ID)
	}
	return a.move(original.Balance, original.Deposit, 0, -undone.Give, false)
}

// advise records an advice. When it settles a request of ours, the request's hold is replaced by what
// the advice says: one hold, never two.
func (a *Arbiter) advise(e *authz.Entry) error {
	if found, err := a.stored(e); err != nil || found {
		return err
	}
	r := Row{Entry: e, State: authz.StateRecorded}
	if e.Card == nil || e.Hold == 0 {
		_, err := a.insert(&r)
		return err
	}
	if card, err := a.card(e); err != nil {
		return err
	} else if card.marks > 0 {
		if err := a.reversedBefore(e); err != nil {
			return err
		}
	}
	if e.Decision.Reason == authz.AdviceAccepted {
		original, _, err := a.original(e)
		if err != nil {
			return err
		}
		if original != nil && original.State == authz.StateReversed && original.Answered != authz.DecisionLate {
			// Its reversal came between: what is undone stays undone.
			e.Decision.Reason, r.Original = authz.AdviceRecorded, original.ID
			_, err := a.insert(&r)
			return err
		}
		if original == nil {
			if err := a.t.Mark(e.Card.ID, e.Request.ReceivedAt); err != nil { // its request may still come
				return err
			}
		} else {
			r.Original = original.ID
			undone := authz.Undone{Give: original.Held, State: authz.StateReversed}
			if original.State == authz.StateAuthorized {
				r.Given = undone.Give
				if err := a.give(e, original, undone, e.Decision.ID); err != nil {
					return err
				}
			}
		}
		r.Placed, r.State = e.Hold, authz.StateAuthorized
		if err := a.hold(e.Card, e.Hold, true); err != nil {
			return err
		}
	}
	_, err := a.insert(&r)
	return err
}

// preceded looks for what came before an approval of a marked card: a reversal declines it, an advice holds in
// its place. It reports whether the row is written, or was before.
func (a *Arbiter) preceded(e *authz.Entry) (bool, error) {
	if found, err := a.stored(e); err != nil || found {
		return found, err
	}
	if err := a.reversedBefore(e); err != nil {
		return false, err
	}
	advice, err := a.advisedBefore(e)
	if err != nil || advice == nil {
		return false, err
	}
	return true, a.follow(e, advice)
}

// advisedBefore finds the advice that was sent for a request which comes only now, while it still holds or
// after it was reversed.
func (a *Arbiter) advisedBefore(e *authz.Entry) (*Stored, error) {
	if e.Decision.Reason != authz.Approved || e.Hold == 0 {
		return nil, nil
	}
	rows, err := a.t.BySTAN(e.Card.ID, e.Request.Trace.STAN)
	if err != nil {
		return nil, err
	}
	more, err := a.byRRN(e)
	if err != nil {
		return nil, err
	}
	advices := slices.DeleteFunc(append(rows, more...), func(s Stored) bool {
		return s.Kind != authz.AuthorizationAdvice || s.Placed == 0
	})
	records := make([]authz.Record, len(advices))
	for i := range advices {
		records[i] = advices[i].Record
	}
	i, _ := authz.MatchOriginal(e.Request, records)
	if i < 0 {
		return nil, nil
	}
	return &advices[i], nil
}

// follow writes a request whose advice came first: the advice holds, so the request holds nothing more and has
// the code that the network gave; when the advice was reversed, the request is declined like it.
func (a *Arbiter) follow(e *authz.Entry, advice *Stored) error {
	r := Row{Entry: e, State: authz.StateRecorded, Original: advice.ID}
	e.Decision.Amount = 0 // of its own: what is available has been less since the advice
	if advice.State == authz.StateReversed {
		r.State = authz.StateDeclined
		e.Decision.Reason, e.Decision.ApprovalCode = authz.ReversedBefore, ""
	} else if advice.Approval != "" {
		e.Decision.ApprovalCode = advice.Approval
	}
	_, err := a.insert(&r)
	return err
}

// reversedBefore turns an approval into a decline when a tombstone of the card is about it.
func (a *Arbiter) reversedBefore(e *authz.Entry) error {
	graves, err := a.t.Tombstones(e.Card.ID)
	if err != nil {
		return err
	}
	here := []authz.Record{{ID: -1, Kind: e.Request.Kind, Peer: e.Request.Peer, Trace: e.Request.Trace,
		ReceivedAt: e.Request.ReceivedAt}}
	for _, g := range graves {
		if i, _ := authz.MatchOriginal(&g.Request, here); i != 0 {
			continue
		}
		e.Decision.Reason, e.Decision.ApprovalCode, e.Decision.Amount = authz.ReversedBefore, "", 0
		if e.Request.Kind == authz.AuthorizationAdvice {
			e.Decision.Reason = authz.AdviceRecorded
		}
		return a.t.UseTombstone(g.ID, e.Request.ID)
	}
	return nil
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
			return nil
		}
	}
	return nil
}

// void undoes the row of a request whose answer never left, and has its repeats declined. Where there
// is no row, it takes the key, so that a commit that is still on its way finds it taken.
func (a *Arbiter) void(e *authz.Entry) error {
	e.Outcome = authz.Committed
	original, err := a.t.ByKey(e.Request.Dup)
	if err != nil {
		return err
	}
	if original == nil {
		e.Decision.Reason = authz.DecisionLate
		_, err := a.insert(&Row{Entry: e, State: authz.StateDeclined})
		return err
	}
	if original.ID != e.Request.ID {
		return nil // a repeat of it was decided and answered: that one stands
	}
	if original.Kind == authz.Reversal || original.Answered == authz.DecisionLate {
		return nil // a reversal is never undone, and a row is undone once
	}
	if told, err := a.t.Told(original.ID); err != nil || told {
		return err // a repeat of it on another node was answered with it: it stands
	}
	undone := authz.Undo(&original.Record, &authz.Request{})
	if err := a.give(e, original, undone, -original.ID); err != nil {
		return err
	}
	if err := a.t.AnswerLate(original.ID, undone.Give); err != nil {
		return fmt.Errorf("mark a late row: %w", err)
	}
	return nil
}
