package main

import (
	"context"
	"fmt"
	"time"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/authz/money"
	"holdfast/authz/pan"
	"holdfast/store/records"
)

// The cards of a load test. Their numbers can be computed, so a load generator needs no list of them.
const (
	loadPartner  = "Load test"
	loadBIN      = 99999901
	loadCardsMax = 10_000_000 // seven digits
	loadAmount   = 1_000_000_00
	loadDeposit  = 1_000_000_000_000_00
	loadExpiry   = authz.Month(49*12 + 11) // December 2049
	loadUserName = "Load"
	loadCurrency = "EUR"
	loadYYMM     = "4912" // loadExpiry as in DE 14
)

// loadCard is the number of the load card with an index from 0: the BIN, seven digits, and the check digit.
func loadCard(index int) (pan.Number, error) {
	if index < 0 || index >= loadCardsMax {
		return pan.Number{}, fmt.Errorf("load card: want an index from 0 to %d", loadCardsMax-1)
	}
	prefix := fmt.Sprintf("%d%07d", loadBIN, index)
	check, err := pan.CheckDigit(prefix)
	if err != nil {
		return pan.Number{}, err
	}
	return pan.Parse(prefix + string(check))
}

// seedLoad makes one partner with a deposit program and the cards, each with its own user and balance.
func seedLoad(ctx context.Context, q records.Querier, keys *keystore.Store, cards int, at time.Time) error {
	currency, err := money.ByAlpha(loadCurrency)
	if err != nil {
		return err
	}
	s := seeder{ctx: ctx, q: q, keys: keys, at: at}
	if exists, err := s.exists("SELECT id FROM partners WHERE name = $1", loadPartner); err != nil || exists {
		return fmt.Errorf("partner %s: %w", loadPartner, orExists(err))
	}
	partner, err := records.CreatePartner(ctx, q, loadPartner, at)
	if err != nil {
		return err
	}
	deposit, err := records.CreatePartnerBalance(ctx, q, partner, "DEPOSIT", currency, at)
	if err != nil {
		return err
	}
	if err := records.Fund(ctx, q, deposit, loadDeposit, "RELOAD", at); err != nil {
		return err
	}
	program, err := records.CreateProgram(ctx, q, records.Program{Partner: partner, Name: "load", BINLow: loadBIN,
		BINHigh: loadBIN, Currency: currency, Deposit: true}, at)
	if err != nil {
		return err
	}
	for i := range cards {
		if err := s.loadCard(partner, program, currency, i); err != nil {
			return fmt.Errorf("card %d: %w", i, err)
		}
	}
	return nil
}

func (s *seeder) loadCard(p authz.PartnerID, g authz.ProgramID, c money.Currency, index int) error {
	number, err := loadCard(index)
	if err != nil {
		return err
	}
	user, err := records.CreateUser(s.ctx, s.q, p, loadUserName, "ACCEPTED", s.at)
	if err != nil {
		return err
	}
	balance, err := records.CreateUserBalance(s.ctx, s.q, p, user, c, s.at)
	if err != nil {
		return err
	}
	if err := records.Fund(s.ctx, s.q, balance, loadAmount, "TOP_UP", s.at); err != nil {
		return err
	}
	_, err = records.IssueCard(s.ctx, s.q, s.keys, records.Card{Program: g, Balance: balance, Number: number,
		Expiry: loadExpiry, State: authz.CardActive}, s.at)
	return err
}
