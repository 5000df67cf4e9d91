package money_test

import (
	"errors"
	"math/big"
	"testing"

	"holdfast/authz/money"
)

func TestConvertByTheRateOfTheMessage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		minor    int64
		rate     string
		from, to string
		want     int64
	}{
		{"a published message: 30.00 TRY at 0.1709810 are 5.13 USD", 3000, "71709810", "TRY", "USD", 513},
		{"three decimals into none: KWD 1.234 at 487.0340 are JPY 601", 1234, "44870340", "KWD", "JPY", 601},
		{"a rate of one changes nothing", 1234, "61000000", "EUR", "EUR", 1234},
		{"none into three", 601, "70020533", "JPY", "KWD", 1234},
		{"half goes up", 1, "10000005", "EUR", "EUR", 1},
		{"just under half goes down", 1, "70499999", "EUR", "EUR", 0},
		{"just half goes up with seven decimals", 1, "75000000", "EUR", "EUR", 1},
		{"nothing stays nothing", 0, "61000000", "EUR", "USD", 0},
		{"no decimals in the rate", 7, "00000003", "EUR", "EUR", 21},
		{"nine decimals in the rate", 1_000_000_000, "90000001", "EUR", "EUR", 1},
		{"the largest amount", money.MinorMax, "61000000", "EUR", "EUR", money.MinorMax},
	} {
		got, err := money.Convert(test.minor, test.rate, currency(t, test.from).Exponent(), currency(t, test.to).Exponent())
		if err != nil || got != test.want {
			t.Errorf("%s: got %d, %v, want %d", test.name, got, err, test.want)
		}
	}
}

func TestConvertRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		minor    int64
		rate     string
		from, to int
		want     error
	}{
		{"a zero rate", 100, "70000000", 2, 2, money.ErrRate},
		{"a short rate", 100, "6100000", 2, 2, money.ErrRate},
		{"a long rate", 100, "610000000", 2, 2, money.ErrRate},
		{"a sign in the rate", 100, "6-100000", 2, 2, money.ErrRate},
		{"a letter for the decimals", 100, "A1000000", 2, 2, money.ErrRate},
		{"no rate", 100, "", 2, 2, money.ErrRate},
		{"a negative amount", -1, "61000000", 2, 2, money.ErrOverflow},
		{"an amount above the limit", money.MinorMax + 1, "71000000", 2, 2, money.ErrOverflow},
		{"a result above the limit", money.MinorMax, "61000001", 2, 2, money.ErrOverflow},
		{"a result above 64 bits", money.MinorMax, "09999999", 0, 4, money.ErrOverflow},
		{"a result just above 64 bits", money.MinorMax, "00003000", 0, 0, money.ErrOverflow},
		{"five decimals", 1, "61000000", 5, 2, money.ErrOverflow},
		{"minus one decimals", 1, "61000000", 2, -1, money.ErrOverflow},
	} {
		if got, err := money.Convert(test.minor, test.rate, test.from, test.to); got != 0 || !errors.Is(err, test.want) {
			t.Errorf("%s: got %d, %v, want %v", test.name, got, err, test.want)
		}
	}
}

// Goal: Convert agrees with exact fractions, or refuses what is out of range.
func FuzzConvert(f *testing.F) {
	f.Add(int64(3000), "71709810", 2, 2)
	f.Add(int64(1234), "44870340", 3, 0)
	f.Add(int64(money.MinorMax), "09999999", 0, 4)
	f.Add(int64(-1), "x", -1, 9)
	f.Fuzz(func(t *testing.T, minor int64, rate string, from, to int) {
		got, err := money.Convert(minor, rate, from, to)
		if errors.Is(err, money.ErrRate) {
			return
		}
		if minor < 0 || minor > money.MinorMax || from < 0 || from > 4 || to < 0 || to > 4 {
			if !errors.Is(err, money.ErrOverflow) {
				t.Fatalf("Convert(%d, %q, %d, %d) = %d, %v", minor, rate, from, to, got, err)
			}
			return
		}
		mantissa, ok := new(big.Int).SetString(rate[1:], 10)
		if !ok {
			t.Fatalf("accepted the rate %q", rate)
		}
		ten := func(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }
		top := mantissa.Mul(mantissa, big.NewInt(minor))
		top.Mul(top, ten(to)).Mul(top, big.NewInt(2)) // twice the fraction, plus one half twice, halved
		bottom := ten(int(rate[0]-'0') + from)
		want := top.Add(top, bottom).Div(top, bottom.Mul(bottom, big.NewInt(2)))
		if want.Cmp(big.NewInt(money.MinorMax)) > 0 {
			if !errors.Is(err, money.ErrOverflow) {
				t.Fatalf("Convert(%d, %q, %d, %d) = %d, %v, want overflow", minor, rate, from, to, got, err)
			}
		} else if err != nil || got != want.Int64() {
			t.Fatalf("Convert(%d, %q, %d, %d) = %d, %v, want %s", minor, rate, from, to, got, err, want)
		}
	})
}
