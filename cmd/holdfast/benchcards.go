package main

import (
	"context"
	"errors"
	"time"

	"holdfast/authz/money"
	"holdfast/store/records"
	"holdfast/switch/load"
)

// benchSeed puts the cards of a load test into a new data folder.
func benchSeed(ctx context.Context, dir string, cards int) error {
	keys, store, err := openData(dir)
	if err != nil {
		return err
	}
	err = store.Update(ctx, func(q records.Querier) error { return seedLoad(ctx, q, keys, cards, time.Now()) })
	return errors.Join(err, store.Close())
}

// benchCard writes the digits of a load card, as loadCard makes it, but without work for the collector: it runs
// once for every message.
func benchCard(digits *[load.CardDigits]byte, index int) { cardDigits(digits, loadBIN, index) }

// cardDigits writes the BIN, seven digits and the check digit.
func cardDigits(digits *[load.CardDigits]byte, bin, index int) {
	n, sum := bin*loadCardsMax+index, 0
	for at := load.CardDigits - 2; at >= 0; at-- {
		d := n % 10
		n /= 10
		digits[at] = byte('0' + d)
		if at%2 == 0 { // every second one, counted from the one before the check digit
			d = d*2%10 + d*2/10
		}
		sum += d
	}
	digits[load.CardDigits-1] = byte('0' + (10-sum%10)%10)
}

// benchCurrency is DE 49 of the load.
func benchCurrency() (money.Currency, error) { return money.ByAlpha(loadCurrency) }
