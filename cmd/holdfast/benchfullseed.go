package main

import (
	"context"
	"fmt"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/authz/pan"
	"holdfast/store/records"
	"holdfast/switch/load"
)

const (
	manyBIN   = 99980000 // of the first of many partners; each has the next one
	fullChunk = 20_000   // cards in one transaction
)

// manyCards is how many cards many partners have together: fewer than the one, so that both fit into the
// switch's cache of cards.
func manyCards(c *benchCmd) int { return max(c.Partners, c.Cards/2) }

// manyCard writes the digits of a card of many partners: card i belongs to partner i mod partners.
func manyCard(partners int) func(digits *[load.CardDigits]byte, i int) {
	return func(digits *[load.CardDigits]byte, i int) { cardDigits(digits, manyBIN+i%partners, i/partners) }
}

// benchGroup is a partner whose cards are all of one program.
type benchGroup struct {
	partner authz.PartnerID
	program authz.ProgramID
	deposit authz.BalanceID
}

// seed makes partners with consecutive BINs, and cards that belong to them in turn.
func (h *fullHouse) seed(ctx context.Context, bin, partners, cards int) error {
	currency, err := benchCurrency()
	if err != nil {
		return err
	}
	now := time.Now()
	groups := make([]benchGroup, partners)
	err = h.store.Update(ctx, func(q records.Querier) error {
		for i := range groups {
			if groups[i], err = seedGroup(ctx, q, fmt.Sprintf("Load test %d", bin+i), bin+i, currency, now); err != nil {
				return err
			}
		}
		return nil
	})
	for from := 0; err == nil && from < cards; from += fullChunk {
		to := min(from+fullChunk, cards)
		err = h.store.Update(ctx, func(q records.Querier) error {
			return h.seedCards(ctx, q, bin, groups, from, to, currency, now)
		})
	}
	return err
}

func seedGroup(ctx context.Context, q records.Querier, name string, bin int, c money.Currency, at time.Time) (g benchGroup, err error) {
	partner, err := records.CreatePartner(ctx, q, name, at)
	if err != nil {
		return g, err
	}
	return seedProgram(ctx, q, partner, bin, c, at)
}

// seedProgram gives a partner a deposit and a program on it.
func seedProgram(ctx context.Context, q records.Querier, partner authz.PartnerID, bin int, c money.Currency, at time.Time) (
	g benchGroup, err error) {
	g.partner = partner
	if g.deposit, err = records.CreatePartnerBalance(ctx, q, g.partner, "DEPOSIT", c, at); err != nil {
		return g, err
	}
	if err = records.Fund(ctx, q, g.deposit, loadDeposit, "RELOAD", at); err != nil {
		return g, err
	}
	g.program, err = records.CreateProgram(ctx, q, records.Program{Partner: g.partner, Name: "load", BINLow: int32(bin),
		BINHigh: int32(bin), Currency: c, Deposit: true}, at)
	return g, err
}

// The statements make all rows of a chunk at once, row i of each table belonging to row i of the others.
const (
	seedUsers = `INSERT INTO users (id, partner_id, name, kyc, created_at)
SELECT $1::bigint + i - 1, p, $3::text, 'ACCEPTED', $4::bigint FROM unnest($2::bigint[]) WITH ORDINALITY AS t (p, i)`
	seedBalances = `INSERT INTO balances (id, partner_id, kind, user_id, currency, ledger, created_at)
SELECT $1::bigint + i - 1, p, 'USER', $3::bigint + i - 1, $4::bigint, $5::bigint, $6::bigint
FROM unnest($2::bigint[]) WITH ORDINALITY AS t (p, i)`
	seedPostings = `INSERT INTO postings (group_id, line, partner_id, account, balance_id, currency, amount, kind,
 authorization_id, posted_at)
SELECT $1::bigint + i - 1, l, p, CASE l WHEN 1 THEN 'FUNDING' ELSE 'BALANCE' END,
 CASE l WHEN 1 THEN 0 ELSE $3::bigint + i - 1 END, $4::bigint, CASE l WHEN 1 THEN -$5::bigint ELSE $5::bigint END,
 'TOP_UP', 0, $6::bigint
FROM unnest($2::bigint[]) WITH ORDINALITY AS t (p, i), generate_series(1, 2) AS l`
	seedCardRows = `INSERT INTO cards (id, partner_id, program_id, user_id, balance_id, deposit_id, tag, sealed, bin, last4, state,
 expiry, currency, created_at)
SELECT $1::bigint + i - 1, p, g, $2::bigint + i - 1, $3::bigint + i - 1, d, tag, sealed, bin, last4, $4::bigint, $5::bigint,
 $6::bigint, $7::bigint
FROM unnest($8::bigint[], $9::bigint[], $10::bigint[], $11::bytea[], $12::bytea[], $13::text[], $14::text[])
 WITH ORDINALITY AS t (p, g, d, tag, sealed, bin, last4, i)`
)

// seedCards makes the cards from and up to before to, each with its user, its balance and the money on it.
func (h *fullHouse) seedCards(ctx context.Context, q records.Querier, bin int, groups []benchGroup, from, to int,
	c money.Currency, at time.Time) error {
	n, now := int64(to-from), at.UnixMicro()
	first := map[string]int64{}
	for _, sequence := range []string{"users", "balances", "cards", "postings"} {
		if err := q.Query(ctx, func(r records.Row) error { first[sequence] = r.Int(0) - n; return nil },
			"UPDATE sequences SET next = next + $1 WHERE name = $2 RETURNING next", n, sequence); err != nil {
			return err
		}
	}
	currency := int64(0)
	if _, err := fmt.Sscan(c.Numeric(), &currency); err != nil {
		return fmt.Errorf("read the currency's number: %w", err)
	}
	cards := cardColumns{}
	for i := from; i < to; i++ {
		group := i % len(groups)
		if err := cards.add(h, groups[group], bin+group, i/len(groups), first["cards"]+int64(i-from)); err != nil {
			return err
		}
	}
	for _, s := range []struct {
		sql  string
		args []any
	}{
		{seedUsers, []any{first["users"], cards.partner, loadUserName, now}},
		{seedBalances, []any{first["balances"], cards.partner, first["users"], currency, int64(loadAmount), now}},
		{seedPostings, []any{first["postings"], cards.partner, first["balances"], currency, int64(loadAmount), now}},
		{seedCardRows, []any{first["cards"], first["users"], first["balances"], int64(authz.CardActive), int64(loadExpiry),
			currency, now, cards.partner, cards.program, cards.deposit, cards.tag, cards.sealed, cards.bin, cards.last4}},
	} {
		if _, err := q.Exec(ctx, s.sql, s.args...); err != nil {
			return err
		}
	}
	return nil
}

// cardColumns are cards as one array for each column.
type cardColumns struct {
	partner, program, deposit []int64
	tag, sealed               [][]byte
	bin, last4                []string
}

func (c *cardColumns) add(h *fullHouse, g benchGroup, bin, index int, id int64) error {
	number, err := fullCard(bin, index)
	if err != nil {
		return err
	}
	sealed, err := h.keys.Seal(number, id)
	if err != nil {
		return err
	}
	tag := h.keys.Tag(number)
	c.partner, c.program = append(c.partner, int64(g.partner)), append(c.program, int64(g.program))
	c.deposit = append(c.deposit, int64(g.deposit))
	c.tag, c.sealed = append(c.tag, tag[:]), append(c.sealed, sealed)
	c.bin, c.last4 = append(c.bin, number.BIN(6)), append(c.last4, number.Last4())
	return nil
}

// fullCard is the number whose digits cardDigits writes.
func fullCard(bin, index int) (pan.Number, error) {
	var digits [load.CardDigits]byte
	cardDigits(&digits, bin, index)
	return pan.Parse(string(digits[:]))
}
