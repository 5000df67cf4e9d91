package litestore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"zombiezen.com/go/sqlite"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/authz/money"
	"holdfast/store/arbiter"
)

// binder binds the parameters of a statement one after the other.
type binder struct {
	s *sqlite.Stmt
	n int
}

func (b *binder) int(values ...int64) {
	for _, v := range values {
		b.n++
		b.s.BindInt64(b.n, v)
	}
}

func (b *binder) text(values ...string) {
	for _, v := range values {
		b.n++
		b.s.BindText(b.n, v)
	}
}

func (b *binder) blob(v []byte) {
	b.n++
	b.s.BindBytes(b.n, v)
}

func (b *binder) maybe(known bool, v int64) {
	b.n++
	if known {
		b.s.BindInt64(b.n, v)
	} else {
		b.s.BindNull(b.n)
	}
}

func numeric(c money.Currency) int64 {
	n, _ := strconv.ParseInt(c.Numeric(), 10, 64) // none is 0
	return n
}

func currency(n int64) money.Currency {
	c, _ := money.ByNumeric(fmt.Sprintf("%03d", n)) // written by us from a known one
	return c
}

// readAccount reads the money of a balance.
func readAccount(c *sqlite.Conn, id authz.BalanceID) (arbiter.Account, error) {
	s, err := c.Prepare("SELECT ledger, held, version, forced FROM balances WHERE id = ?1")
	if err != nil {
		return arbiter.Account{}, err
	}
	s.BindInt64(1, int64(id))
	found, err := s.Step()
	if err != nil {
		return arbiter.Account{}, err
	}
	a := arbiter.Account{Ledger: s.ColumnInt64(0), Held: s.ColumnInt64(1), Version: s.ColumnInt64(2),
		Forced: s.ColumnInt64(3) != 0}
	if err := s.Reset(); err != nil {
		return arbiter.Account{}, err
	}
	if !found {
		return arbiter.Account{}, fmt.Errorf("balance %d: %w", id, authz.ErrNotFound)
	}
	return a, nil
}

// Account implements [arbiter.Reads]; there is only one writer.
func (a tables) Account(id authz.BalanceID) (arbiter.Account, error) { return readAccount(a.c, id) }

// SetAccount implements [arbiter.Writes].
func (a tables) SetAccount(id authz.BalanceID, money arbiter.Account) error {
	forced := int64(0)
	if money.Forced {
		forced = 1
	}
	return a.exec("UPDATE balances SET ledger = ?1, held = ?2, version = ?3, forced = ?4 WHERE id = ?5", func(b *binder) {
		b.int(money.Ledger, money.Held, money.Version, forced, int64(id))
	})
}

// Card implements [arbiter.Reads].
func (a tables) Card(id authz.CardID) (version, tombstones int64, err error) {
	s, err := a.c.Prepare("SELECT version, tombstones FROM cards WHERE id = ?1")
	if err != nil {
		return 0, 0, err
	}
	s.BindInt64(1, int64(id))
	if _, err := s.Step(); err != nil {
		return 0, 0, err
	}
	version, tombstones = s.ColumnInt64(0), s.ColumnInt64(1) // of a card that is gone: 0, no version
	return version, tombstones, s.Reset()
}

// Snapshot implements [arbiter.Reads].
func (a tables) Snapshot(id authz.CardID) (authz.Card, error) {
	return readCard(a.c, "id = ?1", func(b *binder) { b.int(int64(id)) })
}

const readCardSQL = `SELECT id, version, partner_id, program_id, user_id, balance_id, coalesce(deposit_id, 0),
 currency, state, lock, expiry, holder_restricted, balance_restricted, profile, has_pin, pin_tries, pin_lock, atc,
 limited FROM cards WHERE `

func readCard(c *sqlite.Conn, where string, bind func(*binder)) (authz.Card, error) {
	s, err := c.Prepare(readCardSQL + where)
	if err != nil {
		return authz.Card{}, err
	}
	b := binder{s: s}
	bind(&b)
	found, err := s.Step()
	if err != nil {
		return authz.Card{}, err
	}
	if !found {
		return authz.Card{}, errOr(s.Reset(), authz.ErrNotFound)
	}
	card := authz.Card{
		ID: authz.CardID(s.ColumnInt64(0)), Version: s.ColumnInt64(1),
		Partner: authz.PartnerID(s.ColumnInt64(2)), Program: authz.ProgramID(s.ColumnInt64(3)),
		User: authz.UserID(s.ColumnInt64(4)), Balance: authz.BalanceID(s.ColumnInt64(5)),
		Deposit: authz.BalanceID(s.ColumnInt64(6)), Currency: currency(s.ColumnInt64(7)),
		State: authz.CardState(s.ColumnInt64(8)), Lock: authz.LockReason(s.ColumnInt64(9)),
		Expiry: authz.Month(s.ColumnInt64(10)), HolderRestricted: s.ColumnInt64(11) != 0,
		BalanceRestricted: s.ColumnInt64(12) != 0, Profile: keystore.Sealed(s.ColumnText(13)),
		HasPIN: s.ColumnInt64(14) != 0, PINTries: uint8(s.ColumnInt64(15)), PINLock: s.ColumnInt64(16) != 0,
		ATC: uint16(s.ColumnInt64(17)), Limited: s.ColumnInt64(18) != 0,
	}
	return card, s.Reset()
}

func errOr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// snapshot runs f in one read transaction, which is cheaper than one for each statement.
func (s *Store) snapshot(ctx context.Context, f func(*sqlite.Conn) error) error {
	return s.view(ctx, s.lookups, func(c *sqlite.Conn) error {
		if err := exec(c, "BEGIN"); err != nil {
			return err
		}
		return errors.Join(f(c), exec(c, "COMMIT"))
	})
}

// Find implements [authz.Cards].
func (s *Store) Find(ctx context.Context, tags []authz.Tag, found func(int, authz.Card)) error {
	err := s.snapshot(ctx, func(c *sqlite.Conn) error {
		for i := range tags {
			card, err := readCard(c, "tag = ?1", func(b *binder) { b.blob(tags[i][:]) })
			switch {
			case err == nil:
				found(i, card)
			case !errors.Is(err, authz.ErrNotFound):
				return err
			}
		}
		return nil
	})
	return unavailable(err)
}

// Balances implements [authz.Journal].
func (s *Store) Balances(ctx context.Context, ids []authz.BalanceID) ([]authz.Balance, error) {
	var truth []authz.Balance
	err := s.snapshot(ctx, func(c *sqlite.Conn) error {
		for _, id := range ids {
			a, err := readAccount(c, id)
			if err != nil {
				return err
			}
			truth = append(truth, authz.Balance{ID: id, Available: a.Available(), Version: a.Version})
		}
		return nil
	})
	return truth, unavailable(err)
}

func unavailable(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", authz.ErrUnavailable, err)
}

// Mark implements [arbiter.Writes].
func (a tables) Mark(card authz.CardID, _ time.Time) error {
	return a.exec("UPDATE cards SET tombstones = tombstones + 1 WHERE id = ?1", func(b *binder) { b.int(int64(card)) })
}
