package arbiter

import "holdfast/authz"

// undecided leaves no row for what could not be decided, so that a repeat is decided afresh; a repeat of what was
// decided hears that.
func (a *Arbiter) undecided(e *authz.Entry) error {
	found, err := a.stored(e)
	if err == nil && !found {
		e.Outcome = authz.Committed
	}
	return err
}

// replayed reports whether the chip's counter has been used since the card was read. It raises no version: that of
// two transactions of a card the second waits would cost every other one a round.
func (a *Arbiter) replayed(e *authz.Entry) (bool, error) {
	if e.Counters.ATC == 0 {
		return false, nil
	}
	highest, err := a.t.ATC(e.Card.ID)
	if err != nil || highest < e.Counters.ATC {
		return false, err
	}
	return true, a.learn(e.Card.ID)
}

// count changes the card's counters with the row that has just been written. The card is as it was decided on, so
// its tries are, too: whatever changes them raises the version.
func (a *Arbiter) count(e *authz.Entry) error {
	n := e.Counters
	if n.Zero() || e.Card == nil {
		return nil
	}
	c := CardCounters{Tries: e.Card.PINTries, ATC: n.ATC, Lock: e.Card.Lock, Raise: n.PINFailed || n.PINPassed}
	switch {
	case n.PINFailed:
		c.Tries++
		if c.Tries >= authz.PINTriesMax && e.Card.PINLock {
			c.Lock, c.LockedAt = authz.LockPINTries, e.Request.ReceivedAt
		}
	case n.PINPassed:
		c.Tries = 0
	}
	if err := a.t.SetCounters(e.Card.ID, c); err != nil {
		return err
	}
	return a.learn(e.Card.ID)
}

// learn has the caches hear of the card as it is now.
func (a *Arbiter) learn(id authz.CardID) error {
	fresh, err := a.t.Snapshot(id)
	a.fresh = append(a.fresh, fresh)
	return err
}
