package partners

import (
	"errors"
	"strings"
	"testing"

	"holdfast/authz/record"
)

// Goal: pages of any size have every entry once, also of peers behind several listeners or links to one address.
func TestPagesOfPeers(t *testing.T) {
	t.Parallel()
	const want = "a b b b c d "
	var list []Peer
	for name := range strings.FieldsSeq(want) {
		list = append(list, Peer{Name: name, Address: "127.0.0.1:8583"})
	}
	for size := 1; size <= len(list)+1; size++ {
		got, pages := "", 0
		for page := (record.Page{Limit: size}); ; pages++ {
			l, err := pageOf(list, page)
			if err != nil || len(l.Items) > size || pages > len(list) {
				t.Fatalf("page %d of %d: %+v, %v", pages, size, l, err)
			}
			for _, p := range l.Items {
				got += p.Name + " "
			}
			if page.Cursor = l.Next; l.Next == "" {
				break
			}
		}
		if got != want {
			t.Errorf("pages of %d have %s", size, got)
		}
	}
	for _, cursor := range []string{"a", "5", "01a2062e-6628-76a6-86fe-5085770c56fd"} {
		if _, err := pageOf(list, record.Page{Cursor: cursor}); !errors.Is(err, record.ErrCursor) {
			t.Errorf("the cursor %s: %v", cursor, err)
		}
	}
}
