package authz_test

import (
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
)

func TestDaysFollowTheCalendar(t *testing.T) {
	t.Parallel()
	for day, next := range map[authz.Day]authz.Day{20261122: 20261123, 20261231: 20270101, 20270228: 20270301, 20280228: 20280229} {
		if got := day.Next(); got != next || !day.Valid() {
			t.Errorf("after %d comes %d, want %d", day, got, next)
		}
	}
	for _, day := range []authz.Day{0, 20270229, 20261301, 20261100, -20261122} {
		if day.Valid() {
			t.Errorf("%d is a date", day)
		}
	}
	if got := authz.DayOf(time.Date(2026, 11, 23, 1, 0, 0, 0, time.FixedZone("", 2*3600))); got != 20261122 {
		t.Errorf("the day in UTC is %d", got)
	}
}

// Of an approval of a part only the part is settled, also in the currency that the network converts to.
func TestOnlyWhatIsApprovedIsSettled(t *testing.T) {
	t.Parallel()
	eur, err := money.ByAlpha("EUR")
	if err != nil {
		t.Fatal(err)
	}
	usd, err := money.ByAlpha("USD")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		reason  authz.Reason
		settled money.Amount
		want    int64
	}{
		{authz.Approved, money.Amount{Minor: 30_00, Currency: eur}, 30_00},
		{authz.ApprovedPart, money.Amount{Minor: 30_00, Currency: eur}, 20_00},
		{authz.ApprovedPart, money.Amount{Minor: 33_01, Currency: usd}, 22_01},
		{authz.ApprovedPart, money.Amount{}, 0},
	} {
		e := authz.Entry{Request: &authz.Request{Amount: money.Amount{Minor: 30_00, Currency: eur},
			Settlement: authz.Settlement{Day: 20261122, Amount: test.settled}},
			Decision: authz.Decision{Reason: test.reason, ApprovedTransaction: 20_00}}
		if got := e.Settles(); got.Amount.Minor != test.want || got.Day != 20261122 {
			t.Errorf("%s of %v settles %v, want %d", test.reason, test.settled, got.Amount, test.want)
		}
	}
}
