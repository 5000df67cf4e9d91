package money_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"holdfast/authz/money"
)

func TestCurrenciesByEitherCode(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		numeric, alpha string
		exponent       int
	}{
		{"978", "EUR", 2}, {"840", "USD", 2}, {"949", "TRY", 2}, {"008", "ALL", 2}, {"048", "BHD", 3},
		{"392", "JPY", 0}, {"352", "ISK", 0}, {"800", "UGX", 0}, {"952", "XOF", 0}, {"950", "XAF", 0}, {"953", "XPF", 0},
		{"414", "KWD", 3}, {"788", "TND", 3}, {"990", "CLF", 4}, {"927", "UYW", 4}, {"532", "XCG", 2},
	} {
		n, err := money.ByNumeric(test.numeric)
		if err != nil || n.Alpha() != test.alpha || n.Numeric() != test.numeric || n.Exponent() != test.exponent {
			t.Errorf("ByNumeric(%s) = %s %s %d, %v, want %s %d", test.numeric, n.Numeric(), n, n.Exponent(), err, test.alpha, test.exponent)
		}
		if a, err := money.ByAlpha(test.alpha); err != nil || a != n {
			t.Errorf("ByAlpha(%s) = %v, %v, which differs from ByNumeric(%s)", test.alpha, a, err, test.numeric)
		}
	}
}

func TestCurrenciesThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, code := range []string{
		"000", "001", "999", "963", "959", "961", "960", "964", "962", "994", "965", "955", "", "97", "9780", " 78", "+78", "٩٧٨", "EUR",
	} {
		if c, err := money.ByNumeric(code); !errors.Is(err, money.ErrCurrency) || !c.IsZero() {
			t.Errorf("ByNumeric(%q) = %v, %v, want ErrCurrency", code, c, err)
		}
	}
	for _, code := range []string{
		"XAU", "XAG", "XPT", "XPD", "XDR", "XTS", "XXX", "XSU", "XUA", "XBA", "", "eur", "EU", "EURO", " EUR", "978", "ANG",
	} {
		if c, err := money.ByAlpha(code); !errors.Is(err, money.ErrCurrency) || !c.IsZero() {
			t.Errorf("ByAlpha(%q) = %v, %v, want ErrCurrency", code, c, err)
		}
	}
}

// Goal: the whole table is sound. Method: every numeric code is asked for; the
// list of exponents other than 2 is that of ISO 4217, written down here again.
func TestEveryCurrencyHasItsExponent(t *testing.T) {
	t.Parallel()
	other := map[string]int{"CLF": 4, "UYW": 4}
	for _, alpha := range []string{
		"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF",
	} {
		other[alpha] = 0
	}
	for _, alpha := range []string{"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"} {
		other[alpha] = 3
	}
	found := 0
	for i := range 1000 {
		c, err := money.ByNumeric(fmt.Sprintf("%03d", i))
		if err != nil {
			continue
		}
		found++
		want, listed := other[c.Alpha()]
		if !listed {
			want = 2
		}
		delete(other, c.Alpha())
		if c.Exponent() != want {
			t.Errorf("%s has %d decimals, want %d", c, c.Exponent(), want)
		}
	}
	if found < 150 || len(other) != 0 {
		t.Errorf("%d currencies; missing: %v", found, other)
	}
}

func TestCurrencyAsText(t *testing.T) {
	t.Parallel()
	var got struct{ A, B money.Currency }
	if err := json.Unmarshal([]byte(`{"A":"EUR","B":""}`), &got); err != nil || got.A != currency(t, "EUR") || !got.B.IsZero() {
		t.Errorf("read %v, %v", got, err)
	}
	if out, err := json.Marshal(got); err != nil || string(out) != `{"A":"EUR","B":""}` {
		t.Errorf("wrote %s, %v", out, err)
	}
	if err := json.Unmarshal([]byte(`{"A":"XXX"}`), &got); !errors.Is(err, money.ErrCurrency) {
		t.Errorf("read XXX: %v", err)
	}
	var none money.Currency
	if none.Numeric() != "" || none.Alpha() != "" || none.Exponent() != 0 {
		t.Error("the zero value shows a currency")
	}
}
