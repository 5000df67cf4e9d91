package authz

import (
	"slices"
	"testing"

	"holdfast/authz/money"
)

// Whatever matches has a clue in common: a journal that looks rows up by clues misses none that the ladder would find.
func FuzzMatchesShareAClue(f *testing.F) {
	for seed := range uint64(64) {
		f.Add(seed*0x9E3779B97F4A7C15, seed*0xBF58476D1CE4E5B9)
	}
	values := [...]string{"", "0", " 00 ", "12", "0012", " 12", "012 ", "0 12", "120", "\t12\x00"}
	f.Fuzz(func(t *testing.T, a, b uint64) {
		draw := func(from *uint64) string {
			v := values[*from%uint64(len(values))]
			*from /= uint64(len(values))
			return v
		}
		r := Request{ID: 1, Kind: Reversal, Peer: "p", NetworkID: draw(&a), ApprovalCode: draw(&a), Amount: money.Amount{Minor: 1}}
		r.Trace = Trace{STAN: draw(&a), RRN: draw(&a), Terminal: draw(&a), Acquirer: draw(&a)}
		r.Original = Original{STAN: draw(&a), Acquirer: draw(&a)}
		row := Record{ID: 2, Kind: Authorization, Peer: "p", NetworkID: draw(&b), Approval: draw(&b), Amount: 1}
		row.Trace = Trace{STAN: draw(&b), RRN: draw(&b), Terminal: draw(&b), Acquirer: draw(&b)}
		if i, _ := MatchOriginal(&r, []Record{row}); i != 0 {
			return
		}
		if !slices.ContainsFunc(r.Clues(), func(clue string) bool { return slices.Contains(row.Clues(), clue) }) {
			t.Errorf("%+v is about %+v, and they have no clue in common: %q, %q", r, row, r.Clues(), row.Clues())
		}
	})
}
