package litestore

import (
	"holdfast/authz"
	"holdfast/store/arbiter"
	"holdfast/store/records"
)

// ATC implements [arbiter.Reads].
func (a tables) ATC(id authz.CardID) (uint16, error) {
	s, err := a.c.Prepare("SELECT atc FROM cards WHERE id = ?1")
	if err != nil {
		return 0, err
	}
	s.BindInt64(1, int64(id))
	if _, err := s.Step(); err != nil {
		return 0, err
	}
	atc := uint16(s.ColumnInt64(0))
	return atc, s.Reset()
}

// SetCounters implements [arbiter.Writes].
func (a tables) SetCounters(id authz.CardID, c arbiter.CardCounters) error {
	raise := int64(0)
	if c.Raise {
		raise = 1
	}
	err := a.exec("UPDATE cards SET pin_tries = ?1, lock = ?2, atc = max(atc, ?3), version = version + ?4 WHERE id = ?5",
		func(b *binder) { b.int(int64(c.Tries), int64(c.Lock), int64(c.ATC), raise, int64(id)) })
	if err != nil || c.LockedAt.IsZero() {
		return err
	}
	return a.exec(records.InsertCardNews, func(b *binder) {
		b.int(int64(id), int64(c.Lock))
		b.text(string(authz.LockByPIN))
		b.int(c.LockedAt.UnixMicro())
	})
}
