package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/authz/pan"
)

// world is a world file: everything that a switch needs to know before it can authorize.
type world struct {
	Partners []worldPartner `yaml:"partners"`
}

type worldPartner struct {
	Name     string         `yaml:"name"`
	Deposits []worldDeposit `yaml:"deposits"`
	Company  []worldDeposit `yaml:"company"`
	Programs []worldProgram `yaml:"programs"`
	Users    []worldUser    `yaml:"users"`
}

type worldDeposit struct {
	Currency money.Currency `yaml:"currency"`
	Amount   decimal        `yaml:"amount"`
}

type worldProgram struct {
	Name     string         `yaml:"name"`
	BINs     binRange       `yaml:"bins"`
	Currency money.Currency `yaml:"currency"`
	Funding  funding        `yaml:"funding"`
	Terms    worldTerms     `yaml:"terms"`
}

// worldTerms are what a program agrees to beyond plain authorizations.
type worldTerms struct {
	PumpHold     decimal       `yaml:"pumpHold"`
	PartApproval bool          `yaml:"partApproval"`
	CreditAtOnce bool          `yaml:"creditAtOnce"`
	OwnRates     bool          `yaml:"ownRates"`
	MarkUp       int64         `yaml:"markUp"` // hundredths of a percent
	FXToUser     bool          `yaml:"fxToUser"`
	HoldLife     time.Duration `yaml:"holdLife"`
}

type worldUser struct {
	Name     string         `yaml:"name"`
	KYC      string         `yaml:"kyc"`
	Balances []worldBalance `yaml:"balances"`
}

type worldBalance struct {
	Currency money.Currency `yaml:"currency"`
	Amount   decimal        `yaml:"amount"`
	Cards    []worldCard    `yaml:"cards"`
}

type worldCard struct {
	Ref     string     `yaml:"ref"`
	Program string     `yaml:"program"`
	Number  cardNumber `yaml:"number"`
	Expiry  cardMonth  `yaml:"expiry"`
	State   cardState  `yaml:"state"`
	Lock    cardLock   `yaml:"lock"`
	PIN     cardPIN    `yaml:"pin"`
}

const worldBytesMax = 8 << 20

// loadWorld reads a world file strictly.
func loadWorld(path string) (*world, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, usageError{fmt.Errorf("seed: %w", err)}
	}
	defer f.Close() // nothing was written, so closing cannot lose anything
	text, err := io.ReadAll(io.LimitReader(f, worldBytesMax))
	if err != nil {
		return nil, fmt.Errorf("seed: %w", err)
	}
	w, err := parseWorld(text)
	if err != nil {
		return nil, usageError{fmt.Errorf("world %s: %w", path, err)}
	}
	return w, nil
}

// parseWorld names the line and the key of a mistake, and never a card number.
func parseWorld(text []byte) (*world, error) {
	var w world
	if err := decodeYAML(text, &w); err != nil {
		return nil, err
	}
	if len(w.Partners) == 0 {
		return nil, errors.New("partners: there are none")
	}
	for i := range w.Partners {
		if err := w.Partners[i].check(); err != nil {
			return nil, fmt.Errorf("partners[%d].%w", i, err)
		}
	}
	return &w, nil
}

// longDigits may be a card number: the library quotes keys, and a slip of the pen makes a key of anything.
var longDigits = regexp.MustCompile(`[0-9][0-9_]{10,}`)

// decodeYAML decodes strictly. The library (1.19.0) panics on a tag it does not know in front of a scalar where a list
// belongs; what a panic says may hold anything, so it is not told.
func decodeYAML(text []byte, into any) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("it is no YAML that can be read: is there a tag, a word after an exclamation mark?")
		}
	}()
	err = yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(into)
	if err != nil && !errors.Is(err, io.EOF) {
		return errors.New(longDigits.ReplaceAllString(yaml.FormatError(err, false, false), "(digits)"))
	}
	return nil
}

// check finds what is missing; what is there has been checked when it was read.
func (p *worldPartner) check() error {
	if p.Name == "" {
		return errMissing("name")
	}
	for i, d := range p.Deposits {
		if d.Currency.IsZero() {
			return errMissing("deposits[%d].currency", i)
		}
	}
	for i, g := range p.Programs {
		switch {
		case g.Name == "":
			return errMissing("programs[%d].name", i)
		case g.BINs.low == 0:
			return errMissing("programs[%d].bins", i)
		case g.Currency.IsZero():
			return errMissing("programs[%d].currency", i)
		case g.Funding == "":
			return errMissing("programs[%d].funding", i)
		}
	}
	for i := range p.Users {
		if err := p.Users[i].check(); err != nil {
			return fmt.Errorf("users[%d].%w", i, err)
		}
	}
	return nil
}

func (u *worldUser) check() error {
	if u.Name == "" {
		return errMissing("name")
	}
	if u.KYC == "" {
		return errMissing("kyc")
	}
	for i, b := range u.Balances {
		if b.Currency.IsZero() {
			return errMissing("balances[%d].currency", i)
		}
		for j, c := range b.Cards {
			switch {
			case c.Number.IsZero():
				return errMissing("balances[%d].cards[%d].number", i, j)
			case c.Expiry == 0:
				return errMissing("balances[%d].cards[%d].expiry", i, j)
			case c.State == 0:
				return errMissing("balances[%d].cards[%d].state", i, j)
			}
		}
	}
	return nil
}

func errMissing(key string, args ...any) error { return fmt.Errorf(key+": is missing", args...) }

// scalar reads a plain value, so that the types below can name what they want.
func scalar(unmarshal func(any) error) (string, error) {
	var s string
	err := unmarshal(&s)
	return strings.TrimSpace(s), err
}

// decimal is an amount as people write it, in whole units with a point; a currency makes minor units of it.
type decimal string

func (d decimal) minor(c money.Currency) (int64, error) {
	whole, part, _ := strings.Cut(string(d), ".")
	if len(part) > c.Exponent() {
		return 0, fmt.Errorf("amount: %s has %d decimals", c, c.Exponent())
	}
	if d == "" {
		return 0, nil
	}
	minor, err := money.ParseMinor(whole + part + strings.Repeat("0", c.Exponent()-len(part)))
	if err != nil {
		return 0, fmt.Errorf("amount: %w", err)
	}
	return minor, nil
}

// binRange is the first eight digits of a program's cards: one number, or the lowest and highest with a dash.
type binRange struct{ low, high int32 }

// UnmarshalYAML reads the range.
func (b *binRange) UnmarshalYAML(unmarshal func(any) error) error {
	s, err := scalar(unmarshal)
	if err != nil {
		return err
	}
	from, to, two := strings.Cut(s, "-")
	if !two {
		to = from
	}
	for end, field := range map[string]*int32{from: &b.low, to: &b.high} {
		n, err := strconv.ParseInt(strings.TrimSpace(end), 10, 32)
		if err != nil || n < 10_000_000 || n > 99_999_999 {
			return errors.New("bins: want eight digits, or two times eight with a dash between them")
		}
		*field = int32(n)
	}
	if !two {
		b.high = max(b.low, b.high)
		b.low = b.high
	}
	if b.low > b.high {
		return errors.New("bins: the first is greater than the last")
	}
	return nil
}

// funding says whether the partner's deposit covers the cards.
type funding string

const fundingDeposit funding = "DEPOSIT"

// UnmarshalYAML reads the funding.
func (f *funding) UnmarshalYAML(unmarshal func(any) error) error {
	s, err := scalar(unmarshal)
	if err == nil && s != "DEPOSIT" && s != "CREDIT" {
		err = errors.New("funding: want DEPOSIT or CREDIT")
	}
	*f = funding(s)
	return err
}

// cardNumber is a card number that is read from a file and cannot be printed.
type cardNumber struct{ pan.Number }

// UnmarshalYAML reads the number and checks its check digit: a mistyped card would never be found again.
func (c *cardNumber) UnmarshalYAML(unmarshal func(any) error) error {
	s, err := scalar(unmarshal)
	if err != nil {
		return errors.New("number: want digits in quotes")
	}
	if c.Number, err = pan.Parse(s); err != nil {
		return fmt.Errorf("number: %w", err)
	}
	if !c.LuhnValid() {
		return errors.New("number: its check digit is wrong")
	}
	return nil
}

// cardPIN is a PIN that is read from a file and cannot be printed.
type cardPIN struct{ pan.Secret }

// UnmarshalYAML reads the PIN. Its form is judged where it is set.
func (c *cardPIN) UnmarshalYAML(unmarshal func(any) error) error {
	s, err := scalar(unmarshal)
	if err != nil {
		return errors.New("pin: want digits in quotes")
	}
	c.Secret = pan.NewSecret(s)
	return nil
}

// cardMonth is an expiry, YYYY-MM.
type cardMonth authz.Month

// UnmarshalYAML reads the month.
func (m *cardMonth) UnmarshalYAML(unmarshal func(any) error) error {
	s, err := scalar(unmarshal)
	if err != nil {
		return err
	}
	rest, ok := strings.CutPrefix(s, "20")
	month, valid := authz.ParseMonth(strings.Replace(rest, "-", "", 1))
	if !ok || !valid || len(s) != len("2030-12") || s[4] != '-' {
		return errors.New("expiry: want a month as 2030-12")
	}
	*m = cardMonth(month)
	return nil
}

// cardState is a card's state by its name.
type cardState authz.CardState

// UnmarshalYAML reads the state.
func (c *cardState) UnmarshalYAML(unmarshal func(any) error) error {
	s, err := scalar(unmarshal)
	if err != nil {
		return err
	}
	for state := authz.CardOrdered; state <= authz.CardRemovedState; state++ {
		if state.String() == s {
			*c = cardState(state)
			return nil
		}
	}
	return errors.New("state: want ORDERED, PERSONALIZED, INACTIVE, ACTIVE or REMOVED")
}

// cardLock is a card's lock reason by its name: that of the authorization reason without LOCKED_.
type cardLock authz.LockReason

// UnmarshalYAML reads the lock reason.
func (c *cardLock) UnmarshalYAML(unmarshal func(any) error) error {
	s, err := scalar(unmarshal)
	if err != nil {
		return err
	}
	for lock := authz.LockLost; lock.Valid(); lock++ {
		if lock.Reason().String() == "LOCKED_"+s {
			*c = cardLock(lock)
			return nil
		}
	}
	return errors.New("lock: want LOST, STOLEN, QUERY, CONSOLIDATION, INACTIVE, PIN_TRIES, FRAUD or REPLACED")
}
