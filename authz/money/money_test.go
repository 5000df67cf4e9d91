package money_test

import (
	"errors"
	"math"
	"math/big"
	"testing"

	"holdfast/authz/money"
)

func currency(t testing.TB, alpha string) money.Currency {
	t.Helper()
	c, err := money.ByAlpha(alpha)
	if err != nil {
		t.Fatalf("ByAlpha(%q): %v", alpha, err)
	}
	return c
}

func TestParseMinorTakesPlainDigitsOnly(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text string
		want int64
		err  error
	}{
		{"0", 0, nil},
		{"1234", 1234, nil},
		{"000000001234", 1234, nil},
		{"999999999999", 999999999999, nil},
		{"009007199254740991", money.MinorMax, nil},
		{"9007199254740992", 0, money.ErrOverflow},
		{"999999999999999999", 0, money.ErrOverflow},
		{"0000000000000000001", 0, money.ErrSyntax},
		{"", 0, money.ErrSyntax},
		{"-1", 0, money.ErrSyntax},
		{"+1", 0, money.ErrSyntax},
		{" 1", 0, money.ErrSyntax},
		{"1 ", 0, money.ErrSyntax},
		{"1.5", 0, money.ErrSyntax},
		{"1_000", 0, money.ErrSyntax},
		{"0x1f", 0, money.ErrSyntax},
		{"1e3", 0, money.ErrSyntax},
		{"٣", 0, money.ErrSyntax},
	} {
		got, err := money.ParseMinor(test.text)
		if got != test.want || !errors.Is(err, test.err) {
			t.Errorf("ParseMinor(%q) = %d, %v, want %d, %v", test.text, got, err, test.want, test.err)
		}
	}
}

// Goal: sums are right or refused, never wrapped. Method: every pair of the
// integers near the edges, against arithmetic without a limit.
func TestCheckedArithmeticAgreesWithBigIntegers(t *testing.T) {
	t.Parallel()
	edges := []int64{
		math.MinInt64, math.MinInt64 + 1, -1 << 53, -2, -1, 0, 1, 2, money.MinorMax, 1 << 62, math.MaxInt64 - 1, math.MaxInt64,
	}
	check := func(name string, got int64, err error, want *big.Int) {
		t.Helper()
		if !want.IsInt64() {
			if !errors.Is(err, money.ErrOverflow) || got != 0 {
				t.Errorf("%s = %d, %v, want ErrOverflow", name, got, err)
			}
		} else if err != nil || got != want.Int64() {
			t.Errorf("%s = %d, %v, want %s", name, got, err, want)
		}
	}
	for _, a := range edges {
		got, err := money.Neg64(a)
		check("Neg64", got, err, new(big.Int).Neg(big.NewInt(a)))
		for _, b := range edges {
			got, err = money.Add64(a, b)
			check("Add64", got, err, new(big.Int).Add(big.NewInt(a), big.NewInt(b)))
			got, err = money.Sub64(a, b)
			check("Sub64", got, err, new(big.Int).Sub(big.NewInt(a), big.NewInt(b)))
		}
	}
}

func TestAmountsOfOneCurrencyAddAndCompare(t *testing.T) {
	t.Parallel()
	eur, usd := currency(t, "EUR"), currency(t, "USD")
	a, b := money.Amount{Minor: 1000, Currency: eur}, money.Amount{Minor: 1234, Currency: eur}
	if sum, err := a.Add(b); err != nil || sum != (money.Amount{Minor: 2234, Currency: eur}) {
		t.Errorf("Add = %v, %v", sum, err)
	}
	rest, err := a.Sub(b)
	if err != nil || rest != (money.Amount{Minor: -234, Currency: eur}) || !rest.IsNegative() || a.IsNegative() {
		t.Errorf("Sub = %v, %v", rest, err)
	}
	for _, test := range []struct {
		a, b money.Amount
		want int
	}{{a, b, -1}, {b, a, 1}, {a, a, 0}} {
		if got, err := test.a.Cmp(test.b); err != nil || got != test.want {
			t.Errorf("Cmp(%v, %v) = %d, %v, want %d", test.a, test.b, got, err, test.want)
		}
	}
	other := money.Amount{Minor: 1000, Currency: usd}
	if _, err := a.Add(other); !errors.Is(err, money.ErrMismatch) {
		t.Errorf("Add over currencies: %v", err)
	}
	if _, err := a.Sub(other); !errors.Is(err, money.ErrMismatch) {
		t.Errorf("Sub over currencies: %v", err)
	}
	if _, err := a.Cmp(other); !errors.Is(err, money.ErrMismatch) {
		t.Errorf("Cmp over currencies: %v", err)
	}
	most := money.Amount{Minor: math.MaxInt64, Currency: eur}
	if _, err := most.Add(a); !errors.Is(err, money.ErrOverflow) {
		t.Errorf("Add past the end: %v", err)
	}
}

func TestStringKnowsTheDecimalsOfTheCurrency(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		minor int64
		alpha string
		want  string
	}{
		{1234, "EUR", "12.34 EUR"},
		{5, "EUR", "0.05 EUR"},
		{-5, "EUR", "-0.05 EUR"},
		{-1234, "EUR", "-12.34 EUR"},
		{601, "JPY", "601 JPY"},
		{-601, "JPY", "-601 JPY"},
		{1234, "KWD", "1.234 KWD"},
		{-1, "KWD", "-0.001 KWD"},
		{12345, "CLF", "1.2345 CLF"},
		{math.MinInt64, "EUR", "-92233720368547758.08 EUR"},
		{math.MaxInt64, "CLF", "922337203685477.5807 CLF"},
	} {
		if got := (money.Amount{Minor: test.minor, Currency: currency(t, test.alpha)}).String(); got != test.want {
			t.Errorf("%d %s is shown as %q, want %q", test.minor, test.alpha, got, test.want)
		}
	}
	if got := (money.Amount{Minor: -7}).String(); got != "-7" {
		t.Errorf("an amount without currency is shown as %q", got)
	}
}

func FuzzParseMinor(f *testing.F) {
	for _, seed := range []string{"0", "000000001234", "9007199254740991", "9007199254740992", "-1", "", "1e5", "٣"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := money.ParseMinor(text)
		if err != nil {
			if got != 0 {
				t.Fatalf("refused, but gave %d", got)
			}
			return
		}
		want, ok := new(big.Int).SetString(text, 10)
		if !ok || !want.IsInt64() || want.Int64() != got || got < 0 || got > money.MinorMax || len(text) > 18 {
			t.Fatalf("ParseMinor(%q) = %d", text, got)
		}
		for _, c := range text {
			if c < '0' || c > '9' {
				t.Fatalf("ParseMinor(%q) accepted %q", text, c)
			}
		}
	})
}
