package authz

import "holdfast/authz/money"

// Rate is our own rate of exchange: so many units of To for one of From, in the form of DE 9 (ABBBBBBB).
type Rate struct {
	From, To money.Currency
	Rate     string
}

type pair struct{ from, to money.Currency }

// SetRates replaces our own rates of exchange, which the programs use that allow it.
func (a *Authorizer) SetRates(rates []Rate) {
	table := make(map[pair]string, len(rates))
	for _, r := range rates {
		table[pair{r.From, r.To}] = r.Rate
	}
	a.rates.Store(&table)
}

// price converts what the network left in another currency than the card's, with the program's mark-up. Without a
// rate the request stays as it is, and the check of the currency refuses it.
func (a *Authorizer) price(r *Request, c *Card, t *Terms) {
	none := money.Currency{}
	if !t.OwnRates || r.OwnRate || r.Billing.Currency != none || r.Amount.Currency == c.Currency || r.Amount.Currency == none {
		return
	}
	rates := a.rates.Load()
	if rates == nil {
		return
	}
	rate, ok := (*rates)[pair{r.Amount.Currency, c.Currency}]
	if !ok {
		return
	}
	minor, err := money.ConvertMarkedUp(r.Amount.Minor, rate, t.MarkUp, r.Amount.Currency.Exponent(), c.Currency.Exponent())
	if err != nil {
		return
	}
	r.Billing, r.OwnRate = money.Amount{Minor: minor, Currency: c.Currency}, true
}
