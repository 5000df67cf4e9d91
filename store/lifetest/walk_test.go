package lifetest_test

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/authz/pan"
	"holdfast/store/lifetest"
)

// TestOrders goes through every order and repetition of the lives of up to four messages, and with HOLDFAST_TEST_ORDERS
// of five, or all of six.
func TestOrders(t *testing.T) {
	most := 4
	switch os.Getenv("HOLDFAST_TEST_ORDERS") {
	case "all": // minutes
		most = 6
	case "some":
		most = 5
	}
	if testing.Short() {
		most = 3
	}
	eur, err := money.ByAlpha("EUR")
	if err != nil {
		t.Fatal(err)
	}
	number, err := pan.Parse("9999991100000018")
	if err != nil {
		t.Fatal(err)
	}
	card := &authz.Card{ID: 1, Partner: 1, Program: 1, User: 1, Balance: 1, Currency: eur, Limited: true}
	start := time.Now()
	var done atomic.Int32
	for by := range lifetest.Links {
		judge := &lifetest.Judge{By: by}
		life := &lifetest.Life{By: by, Card: card, PAN: number, At: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
		t.Run(fmt.Sprintf("link %d", by), func(t *testing.T) {
			t.Cleanup(func() { judge.Report(t) })
			for _, l := range []byte(lifetest.Letters) {
				t.Run(string(l), func(t *testing.T) {
					t.Parallel()
					if err := lifetest.Walk(judge, life, l, most); err != nil {
						t.Error(err)
					}
					t.Logf("%d of %d branches after %.0f s", done.Add(1), int(lifetest.Links)*len(lifetest.Letters),
						time.Since(start).Seconds())
				})
			}
		})
	}
}
