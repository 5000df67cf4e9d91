package pgstore

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/authz/money"
)

func numeric(c money.Currency) int64 {
	n, _ := strconv.ParseInt(c.Numeric(), 10, 64) // none is 0
	return n
}

func currency(n int64) money.Currency {
	c, _ := money.ByNumeric(fmt.Sprintf("%03d", n)) // written by us from a known one
	return c
}

// readCard reads a snapshot. Its version counts the changes of all cards of its balance; see the guess.
const readCard = `SELECT id, (SELECT b.cards_version FROM balances b WHERE b.id = cards.balance_id),
 partner_id, program_id, user_id, balance_id, coalesce(deposit_id, 0), currency,
 state, lock, expiry, holder_restricted = 1, balance_restricted = 1, tag, profile, has_pin = 1, pin_tries, pin_lock = 1, atc, limited = 1
FROM cards WHERE `

func scanCard(r pgx.Row) (c authz.Card, tag authz.Tag, err error) {
	var cur int64
	var raw, profile []byte
	err = r.Scan(&c.ID, &c.Version, &c.Partner, &c.Program, &c.User, &c.Balance, &c.Deposit, &cur, &c.State, &c.Lock,
		&c.Expiry, &c.HolderRestricted, &c.BalanceRestricted, &raw, &profile, &c.HasPIN, &c.PINTries, &c.PINLock, &c.ATC,
		&c.Limited)
	c.Currency, c.Profile = currency(cur), keystore.Sealed(profile)
	copy(tag[:], raw)
	return c, tag, err
}

// findCards looks each tag up in the index. With tag = ANY, the planner reads the whole table from some hundred on.
const findCards = "SELECT c.* FROM unnest($1::bytea[]) AS t (tag), LATERAL (" + readCard + "tag = t.tag LIMIT 1) c"

// Find implements [authz.Cards].
func (s *Store) Find(ctx context.Context, tags []authz.Tag, found func(int, authz.Card)) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.CommitTimeout)
	defer cancel()
	wanted := make([][]byte, 0, len(tags))
	asked := make(map[authz.Tag][]int, len(tags))
	for i := range tags {
		if asked[tags[i]] == nil {
			wanted = append(wanted, tags[i][:])
		}
		asked[tags[i]] = append(asked[tags[i]], i)
	}
	rows, err := s.lookups.Query(ctx, findCards, wanted)
	if err != nil {
		return unavailable("find cards", err)
	}
	defer rows.Close()
	for rows.Next() {
		card, tag, err := scanCard(rows)
		if err != nil {
			return unavailable("find cards", err)
		}
		for _, i := range asked[tag] {
			found(i, card)
		}
	}
	return unavailable("find cards", rows.Err())
}

// Balances implements [authz.Journal].
func (s *Store) Balances(ctx context.Context, ids []authz.BalanceID) ([]authz.Balance, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.CommitTimeout)
	defer cancel()
	wanted := make([]int64, len(ids))
	for i, id := range ids {
		wanted[i] = int64(id)
	}
	rows, err := s.lookups.Query(ctx, "SELECT id, ledger - held, version FROM balances WHERE id = ANY($1)", wanted)
	if err != nil {
		return nil, unavailable("read balances", err)
	}
	defer rows.Close()
	var truth []authz.Balance
	for rows.Next() {
		var b authz.Balance
		if err := rows.Scan(&b.ID, &b.Available, &b.Version); err != nil {
			return nil, unavailable("read balances", err)
		}
		truth = append(truth, b)
	}
	return truth, unavailable("read balances", rows.Err())
}
