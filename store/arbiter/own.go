package arbiter

import "holdfast/authz"

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
	if original.ID != e.Request.ID { // a repeat of it, or what it repeats
		if last, err := a.untold(original.ID, e.Request.ID); err != nil || !last {
			return err
		}
	}
	request := original.Kind == authz.Authorization || original.Kind == authz.Financial
	if !request || original.Answered == authz.DecisionLate {
		return nil // what has happened is never undone, and a row is undone once
	}
	if told, _, err := a.t.Told(original.ID); err != nil || told {
		return errOr(err, func() error { return a.t.Tell(original.ID, Unwanted) }) // a repeat on another node has it: it stands
	}
	if !original.State.Open() && original.Held == 0 || e.Card == nil {
		return a.t.AnswerLate(original.ID, 0)
	}
	rows, err := a.life(original.Life)
	if err != nil {
		return err
	}
	for _, s := range rows {
		if s.ID == original.ID {
			s.Answered = authz.DecisionLate
		}
	}
	if err := a.apply(e, fold(rows, e.Card.Currency), original.ID, -original.ID); err != nil {
		return err
	}
	return a.t.AnswerLate(original.ID, original.Held)
}

// untold takes back what a repeat was to be told of a row that another node wrote: its answer never left either. It
// reports whether the row is to be undone now: who wrote it wanted that already, and nobody else was told.
func (a *Arbiter) untold(row, repeat authz.ID) (last bool, err error) {
	was, err := a.t.Untell(row, repeat)
	if err != nil || !was {
		return false, err // the row is answered by another's decision: that one stands
	}
	told, wanted, err := a.t.Told(row)
	return wanted && !told, err
}

// expire ends what a life holds whose time has passed. Nothing is written when it has ended otherwise meanwhile.
func (a *Arbiter) expire(e *authz.Entry) error {
	if found, err := a.stored(e); err != nil || found {
		return err
	}
	e.Outcome = authz.Committed
	id := e.Request.Release
	held, err := a.t.ByID(e.Card.ID, id, id+1)
	if err != nil || len(held) == 0 || held[0].Expires == 0 || held[0].Expires > e.Request.ReceivedAt.UnixMicro() {
		return err
	}
	c := kin{life: held[0].Life, about: id}
	if c.rows, err = a.life(c.life); err != nil {
		return err
	}
	me := row(e)
	return a.write(e, me, &c, fold(append(c.rows, me), e.Card.Currency))
}
