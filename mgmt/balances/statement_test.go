package balances

import (
	"encoding/csv"
	"strings"
	"testing"

	"holdfast/mgmt"
)

// Goal: a merchant cannot put a formula into the sheet of who reads a statement. Method: names that spreadsheets run.
func TestANameIsNoFormulaInASheet(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"FROG, SHOP LUBLIN POL": `,"FROG, SHOP LUBLIN POL"`, `=HYPERLINK("http://x") PL`: `,"'=HYPERLINK(""http://x"") PL"`,
		"+SHOP": ",'+SHOP", "-SHOP": ",'-SHOP", "@SHOP": ",'@SHOP"} {
		var b strings.Builder
		w := csv.NewWriter(&b)
		if err := (Statement{mgmt.List[Line]{Items: []Line{{Description: name}}}}).WriteCSV(w); err != nil {
			t.Fatal(err)
		}
		if w.Flush(); !strings.HasSuffix(b.String(), want+"\n") {
			t.Errorf("%q is written as %q", name, b.String())
		}
	}
}
