package gateway_test

import (
	"strings"
	"testing"

	"holdfast/store/records"
)

// Goal: a card number that an acquirer put into a name is in no row, and the message is decided, repeated and reversed like
// any other. Method: the number, or nearly all of it, as the merchant's.
func TestANumberInANameIsNotKept(t *testing.T) {
	t.Parallel()
	c := open(t, "iso87-ascii")
	number := c.Alice.Number.Reveal()
	change := elements{37: "632612099999", 42: number[:15]}
	asked := c.message("0100", c.Alice, change)
	first := c.expect(asked, "00")
	if first.Get(42) != number[:15] {
		t.Error("the answer does not echo the merchant as it came")
	}
	if again := c.expect(asked, "00"); again.Get(38) != first.Get(38) {
		t.Error("the repeat was decided anew")
	}
	change[14], change[90] = "", ""
	c.expect(c.message("0400", c.Alice, change), "00")
	rows := 0
	if err := c.Store.View(t.Context(), func(q records.Querier) error {
		return q.Query(t.Context(), func(r records.Row) error {
			if rows++; strings.Contains(r.Text(0), number[:13]) || r.Text(0) != strings.Repeat("*", 15) {
				t.Error("a row has the number, or does not tell that it was hidden")
			}
			return nil
		}, "SELECT merchant FROM authorizations")
	}); err != nil {
		t.Fatal(err)
	}
	if rows < 2 {
		t.Errorf("%d rows, want the payment's and the reversal's", rows)
	}
}
