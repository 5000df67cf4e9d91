package gateway

import (
	"encoding/csv"
	"os"
	"testing"

	"holdfast/switch/iso"
)

// The table of verdicts is held against the facts that were collected independently of it.
func TestVerdictsAgreeWithTheFacts(t *testing.T) {
	f, err := os.Open("testdata/action_codes.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	facts := map[string][]string{}
	for _, row := range rows[1:] {
		facts[row[0]] = row
	}
	for v := noVerdict + 1; v < verdictCount; v++ {
		row := facts[v.in(iso.V2003)]
		if row == nil {
			t.Errorf("%s: %s is not an action code of 2003", verdicts[v].name, v.in(iso.V2003))
			continue
		}
		if got := v.in(iso.V1993); got != row[1] && row[1] != "" {
			t.Errorf("%s: %s in 1993, the facts say %s", verdicts[v].name, got, row[1])
		}
		if got := v.in(iso.V1987); got != row[2] {
			t.Errorf("%s: %s in 1987, the facts say %s", verdicts[v].name, got, row[2])
		}
	}
}
