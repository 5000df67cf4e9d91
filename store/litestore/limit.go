package litestore

import (
	"zombiezen.com/go/sqlite"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/store/arbiter"
)

// Limits implements [arbiter.Reads].
func (a tables) Limits(card authz.CardID) (limits []record.Limit, err error) {
	err = a.each("SELECT scope, span, amount FROM limits WHERE card_id = ?1", func(b *binder) { b.int(int64(card)) },
		func(s *sqlite.Stmt) {
			limits = append(limits, record.Limit{Scope: record.LimitScope(s.ColumnText(0)),
				Window: record.LimitWindow(s.ColumnText(1)), Amount: s.ColumnInt64(2)})
		})
	return limits, err
}

// Used implements [arbiter.Reads].
func (a tables) Used(windows []arbiter.Window) (map[arbiter.Window]int64, error) {
	used := make(map[arbiter.Window]int64, len(windows))
	for _, w := range windows {
		if err := a.each("SELECT used FROM limit_use WHERE card_id = ?1 AND scope = ?2 AND span = ?3 AND started_at = ?4",
			func(b *binder) { b.window(w) }, func(s *sqlite.Stmt) { used[w] = s.ColumnInt64(0) }); err != nil {
			return nil, err
		}
	}
	return used, nil
}

// SetUsed implements [arbiter.Writes].
func (a tables) SetUsed(w arbiter.Window, used int64) error {
	return a.exec(`INSERT INTO limit_use (card_id, scope, span, started_at, used) VALUES (?1,?2,?3,?4,?5)
ON CONFLICT (card_id, scope, span, started_at) DO UPDATE SET used = excluded.used`, func(b *binder) {
		b.window(w)
		b.int(used)
	})
}

func (b *binder) window(w arbiter.Window) {
	b.int(int64(w.Card))
	b.text(string(w.Scope), string(w.Span))
	b.int(w.Start)
}
