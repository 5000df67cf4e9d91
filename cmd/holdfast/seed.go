package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/authz/money"
	"holdfast/store/records"
)

// seedCmd puts records into a data folder, on which a switch may be running: it takes cards at once and
// programs within seconds.
type seedCmd struct {
	bookFlags
	Cards int    `help:"Instead of a file: make so many cards for a load test, each with its own user and balance." placeholder:"N"`
	File  string `arg:"" optional:"" help:"A world file, as testdata/worlds/demo.yaml."`
}

// Run seeds from the file or in bulk.
func (c *seedCmd) Run(e *env) error {
	if (c.File == "") == (c.Cards == 0) {
		return usagef("seed wants either a world file or --cards N")
	}
	cfg, err := c.config()
	if err != nil {
		return err
	}
	if c.Cards != 0 {
		return c.bulk(e, &cfg)
	}
	w, err := loadWorld(c.File)
	if err != nil {
		return err
	}
	keys, store, err := cfg.open(e.ctx)
	if err != nil {
		return err
	}
	var made seeded
	err = store.Update(e.ctx, func(q records.Querier) (err error) {
		made, err = seedWorld(e.ctx, q, keys, w, time.Now())
		return err
	})
	if err := errors.Join(err, store.Close()); err != nil {
		return fmt.Errorf("seed %s: %w", c.File, err)
	}
	return printSeeded(e, made, cfg.place())
}

// bulk makes the cards of a load test. It writes for long in one transaction, so no switch may be running.
func (c *seedCmd) bulk(e *env, cfg *config) error {
	if c.Cards < 0 || c.Cards > loadCardsMax {
		return usagef("--cards: want 1 to %d", loadCardsMax)
	}
	keys, store, err := cfg.open(e.ctx)
	if err != nil {
		return err
	}
	unlock, err := lockFolder(filepath.Join(cfg.Data, lockFile))
	if err != nil {
		return errors.Join(err, store.Close())
	}
	err = store.Update(e.ctx, func(q records.Querier) error {
		return seedLoad(e.ctx, q, keys, c.Cards, time.Now())
	})
	if err := errors.Join(err, store.Close(), unlock()); err != nil {
		return fmt.Errorf("seed cards: %w", err)
	}
	return printSeeded(e, seeded{partners: 1, programs: 1, users: c.Cards, cards: c.Cards}, cfg.place())
}

func printSeeded(e *env, made seeded, dir string) error {
	_, err := fmt.Fprintf(e.stdout, "seeded %s: partners %d, programs %d, users %d, cards %d\n",
		dir, made.partners, made.programs, made.users, made.cards)
	return err
}

// seeded counts what was made.
type seeded struct{ partners, programs, users, cards int }

// seeder writes a world within one transaction. Its errors begin with the path of the key at fault.
type seeder struct {
	ctx  context.Context
	q    records.Querier
	keys *keystore.Store
	at   time.Time
	made seeded
}

// seedWorld writes the world. What exists already is refused, and then nothing is written.
func seedWorld(ctx context.Context, q records.Querier, keys *keystore.Store, w *world, at time.Time) (seeded, error) {
	s := seeder{ctx: ctx, q: q, keys: keys, at: at}
	for i := range w.Partners {
		if err := s.partner(&w.Partners[i]); err != nil {
			return seeded{}, fmt.Errorf("partners[%d]%w", i, err)
		}
	}
	return s.made, nil
}

func (s *seeder) partner(p *worldPartner) error {
	if exists, err := s.exists("SELECT id FROM partners WHERE name = $1", p.Name); err != nil || exists {
		return at(".name", orExists(err))
	}
	partner, err := records.CreatePartner(s.ctx, s.q, p.Name, s.at)
	if err != nil {
		return at("", err)
	}
	s.made.partners++
	for i, d := range p.Deposits {
		if err := s.deposit(partner, "DEPOSIT", d); err != nil {
			return at(fmt.Sprintf(".deposits[%d]", i), err)
		}
	}
	for i, d := range p.Company {
		if err := s.deposit(partner, "COMPANY", d); err != nil {
			return at(fmt.Sprintf(".company[%d]", i), err)
		}
	}
	programs := map[string]authz.ProgramID{}
	for i, g := range p.Programs {
		id, err := records.CreateProgram(s.ctx, s.q, records.Program{Partner: partner, Name: g.Name, BINLow: g.BINs.low,
			BINHigh: g.BINs.high, Currency: g.Currency, Deposit: g.Funding == fundingDeposit}, s.at)
		if err != nil {
			return at(fmt.Sprintf(".programs[%d]", i), err)
		}
		if err := s.terms(id, &g); err != nil {
			return at(fmt.Sprintf(".programs[%d].terms", i), err)
		}
		programs[g.Name] = id
		s.made.programs++
	}
	for i := range p.Users {
		if err := s.user(partner, programs, &p.Users[i]); err != nil {
			return fmt.Errorf(".users[%d]%w", i, err)
		}
	}
	return nil
}

// terms keeps what a program agrees to beyond plain authorizations, if anything.
func (s *seeder) terms(id authz.ProgramID, g *worldProgram) error {
	if g.Terms == (worldTerms{}) {
		return nil
	}
	pump, err := g.Terms.PumpHold.minor(g.Currency)
	if err != nil {
		return err
	}
	return records.SetTerms(s.ctx, s.q, id, authz.Terms{PumpHold: pump, PartApproval: g.Terms.PartApproval,
		CreditAtOnce: g.Terms.CreditAtOnce, OwnRates: g.Terms.OwnRates, MarkUp: g.Terms.MarkUp, FXToUser: g.Terms.FXToUser,
		HoldLife: g.Terms.HoldLife})
}

func (s *seeder) deposit(partner authz.PartnerID, kind string, d worldDeposit) error {
	id, err := records.CreatePartnerBalance(s.ctx, s.q, partner, kind, d.Currency, s.at)
	if err != nil {
		return err
	}
	return s.fund(id, d.Amount, d.Currency, "RELOAD")
}

func (s *seeder) fund(id authz.BalanceID, amount decimal, c money.Currency, kind string) error {
	minor, err := amount.minor(c)
	if err != nil || minor == 0 {
		return err
	}
	return records.Fund(s.ctx, s.q, id, minor, kind, s.at)
}

func (s *seeder) user(partner authz.PartnerID, programs map[string]authz.ProgramID, u *worldUser) error {
	user, err := records.CreateUser(s.ctx, s.q, partner, u.Name, u.KYC, s.at)
	if err != nil {
		return at("", err)
	}
	s.made.users++
	for i := range u.Balances {
		b := &u.Balances[i]
		id, err := records.CreateUserBalance(s.ctx, s.q, partner, user, b.Currency, s.at)
		if err == nil {
			err = s.fund(id, b.Amount, b.Currency, "TOP_UP")
		}
		if err != nil {
			return at(fmt.Sprintf(".balances[%d]", i), err)
		}
		for j := range b.Cards {
			if err := s.card(programs, id, &b.Cards[j]); err != nil {
				return at(fmt.Sprintf(".balances[%d].cards[%d]", i, j), err)
			}
		}
	}
	return nil
}

func (s *seeder) card(programs map[string]authz.ProgramID, balance authz.BalanceID, c *worldCard) error {
	program, known := programs[c.Program]
	if !known {
		return fmt.Errorf("program: the partner has none called %q", c.Program)
	}
	tag := s.keys.Tag(c.Number.Number)
	if exists, err := s.exists("SELECT id FROM cards WHERE tag = $1", tag[:]); err != nil || exists {
		return fmt.Errorf("number: %w", orExists(err))
	}
	id, err := records.IssueCard(s.ctx, s.q, s.keys, records.Card{Program: program, Balance: balance, Number: c.Number.Number,
		Expiry: authz.Month(c.Expiry), State: authz.CardState(c.State), Lock: authz.LockReason(c.Lock)}, s.at)
	s.made.cards++
	if err == nil && !c.PIN.IsZero() {
		err = records.SetPIN(s.ctx, s.q, s.keys, id, c.PIN.Secret)
	}
	return err
}

func (s *seeder) exists(sql string, args ...any) (found bool, err error) {
	err = s.q.Query(s.ctx, func(records.Row) error { found = true; return nil }, sql, args...)
	return found, err
}

func orExists(err error) error {
	if err == nil {
		return records.ErrExists
	}
	return err
}

// at puts a key in front of an error.
func at(key string, err error) error { return fmt.Errorf("%s: %w", key, err) }
