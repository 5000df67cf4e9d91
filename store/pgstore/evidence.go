package pgstore

import (
	"holdfast/authz"
	"holdfast/store/arbiter"
	"holdfast/store/records"
)

// ATC implements [arbiter.Reads]. The card's balance is locked, and with it whoever else counts.
func (t *tables) ATC(id authz.CardID) (atc uint16, err error) {
	err = t.conn.QueryRow(t.ctx, "SELECT atc FROM cards WHERE id = $1", int64(id)).Scan(&atc)
	return atc, err
}

// SetCounters implements [arbiter.Writes].
func (t *tables) SetCounters(id authz.CardID, c arbiter.CardCounters) error {
	raise := int64(0)
	if c.Raise {
		raise = 1
		card := t.cards[id]
		card.version++
		t.cards[id] = card
	}
	err := t.exec("UPDATE cards SET pin_tries = $1, lock = $2, atc = greatest(atc, $3), version = version + $4 WHERE id = $5",
		int64(c.Tries), int64(c.Lock), int64(c.ATC), raise, int64(id))
	if err != nil || c.LockedAt.IsZero() {
		return err
	}
	return t.exec(records.InsertCardNews, int64(id), int64(c.Lock), string(authz.LockByPIN), c.LockedAt.UnixMicro())
}
