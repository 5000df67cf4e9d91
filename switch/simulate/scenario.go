package simulate

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"holdfast/authz/money"
	"holdfast/authz/pan"
)

// Limits of a scenario.
const (
	stepsMax  = 1000
	copiesMax = 100
	waitMax   = 10 * time.Minute
)

// MainLink and MainCard are those of a step that names none.
const (
	MainLink = "main"
	MainCard = "main"
)

// Scenario is what a network does and what it expects. A file is one in YAML; Check completes it.
type Scenario struct {
	Name     string          `yaml:"name"`
	About    string          `yaml:"about"`
	Currency money.Currency  `yaml:"currency"`
	Cards    map[string]Card `yaml:"cards"`
	Unsigned bool            `yaml:"unsigned"` // links are not signed on by themselves
	Steps    []Step          `yaml:"steps"`
}

// Step is one thing that the network does.
type Step struct {
	ID       string            `yaml:"id"`
	Send     string            `yaml:"send"` // a kind; see Kinds
	Of       string            `yaml:"of"`   // the step that it is about
	Link     string            `yaml:"link"`
	Card     string            `yaml:"card"`
	Amount   string            `yaml:"amount"` // in units, such as 12.50, of the scenario's currency
	Keep     string            `yaml:"keep"`   // what stays of the total after a reversal of a part
	MCC      string            `yaml:"mcc"`
	Lock     string            `yaml:"lock"`
	MTI      string            `yaml:"mti"` // of the kind "message"
	Set      map[string]string `yaml:"set"` // elements as they are, last
	Unset    []int             `yaml:"unset"`
	Copies   int               `yaml:"copies"` // sent at the same moment, each on a link of its own
	Prepare  bool              `yaml:"prepare"`
	Lose     bool              `yaml:"lose"` // the link is cut before the answer
	PartOK   bool              `yaml:"partOK"`
	Delay    time.Duration     `yaml:"delay"`
	Note     string            `yaml:"note"`
	Expected Expect            `yaml:"expect"`
}

// Expect is what must come back. A word alone stands for {is: WORD}.
type Expect struct {
	Is       string            `yaml:"is"`
	Code     []string          `yaml:"code"` // DE 39 is one of them
	Same     string            `yaml:"same"` // the answer that this step got
	Amount   string            `yaml:"amount"`
	Balance  *Balance          `yaml:"balance"`
	Elements map[string]string `yaml:"elements"` // a value, "present" or "absent"
	Within   time.Duration     `yaml:"within"`
}

// Balance is by how much what can be spent has changed since an earlier inquiry.
type Balance struct {
	Since string `yaml:"since"`
	By    string `yaml:"by"`
}

// UnmarshalYAML reads a word or a mapping.
func (e *Expect) UnmarshalYAML(unmarshal func(any) error) error {
	if unmarshal(&e.Is) == nil {
		return nil
	}
	type plain Expect
	return unmarshal((*plain)(e))
}

// Card is a card that messages are about, with its expiry as they write it, YYMM.
type Card struct {
	Number pan.Number
	Expiry string
}

// UnmarshalText reads a number, and its expiry behind a stroke: NUMBER/YYMM. The error does not quote it.
func (c *Card) UnmarshalText(text []byte) (err error) {
	number, expiry, _ := strings.Cut(string(text), "/")
	if c.Number, err = pan.Parse(number); err != nil {
		return errors.New("card: want NUMBER or NUMBER/YYMM")
	}
	month, err := strconv.Atoi(expiry)
	if expiry != "" && (err != nil || len(expiry) != 4 || month%100 < 1 || month%100 > 12) {
		return errors.New("card: want its expiry as YYMM")
	}
	c.Expiry = expiry
	return nil
}

// Check fills in what was left out, and finds what cannot be played: its errors name the step and the key.
func (s *Scenario) Check() error {
	if s.Name == "" || len(s.Steps) == 0 || len(s.Steps) > stepsMax {
		return fmt.Errorf("scenario: want a name and 1 to %d steps", stepsMax)
	}
	if s.Currency.IsZero() {
		s.Currency, _ = money.ByAlpha("EUR") // it exists
	}
	ids := map[string]bool{}
	for i := range s.Steps {
		step := &s.Steps[i]
		if err := step.check(s.Currency, ids); err != nil {
			return fmt.Errorf("scenario %s: step %d: %w", s.Name, i+1, err)
		}
		if step.ID != "" {
			ids[step.ID] = true
		}
	}
	return nil
}

// check checks a step on its own, and that those it names by id come before it.
func (s *Step) check(c money.Currency, ids map[string]bool) error {
	k, known := kinds[s.Send]
	if !known {
		return fmt.Errorf("send: there is no kind %s", quotable(s.Send))
	}
	setUsual(&s.Link, MainLink)
	if s.Expected.Is == "" && len(s.Expected.Code) == 0 {
		s.Expected.Is = k.usual()
	}
	for _, n := range []struct {
		key  string
		need need
		has  bool
	}{{"amount", k.amount, s.Amount != ""}, {"of", k.of, s.Of != ""}, {"lock", mustIf(k.locks), s.Lock != ""},
		{"mti", mustIf(s.Send == kindMessage), s.MTI != ""}} {
		if n.need == must && !n.has {
			return fmt.Errorf("%s: a step of kind %s needs it", n.key, s.Send)
		}
		if n.need == never && n.has {
			return fmt.Errorf("%s: a step of kind %s has none", n.key, s.Send)
		}
	}
	if s.Keep != "" && !k.keeps {
		return fmt.Errorf("keep: a step of kind %s has none", s.Send)
	}
	if _, known := locks[s.Lock]; s.Lock != "" && !known {
		return fmt.Errorf("lock: there is no reason %s", quotable(s.Lock))
	}
	if s.Copies < 0 || s.Copies > copiesMax || s.Delay < 0 || s.Delay > waitMax || s.Expected.Within < 0 || s.Expected.Within > waitMax {
		return fmt.Errorf("copies, delay, within: want up to %d, and up to %v", copiesMax, waitMax)
	}
	if s.ID != "" && ids[s.ID] {
		return fmt.Errorf("id: an earlier step is called %s too", quotable(s.ID))
	}
	if s.MTI != "" && (len(s.MTI) != 4 || strings.Trim(s.MTI, "0123456789") != "") {
		return errors.New("mti: want four digits")
	}
	if (s.Prepare || s.Lose) && s.Copies > 1 {
		return errors.New("copies: a step that is prepared or lost has none")
	}
	return s.checkValues(c, ids)
}

// checkValues checks what refers to other steps, amounts and elements.
func (s *Step) checkValues(c money.Currency, ids map[string]bool) error {
	e := &s.Expected
	refers := []struct{ key, id string }{{"of", s.Of}, {"expect: same", e.Same}}
	amounts := []struct{ key, text string }{{"amount", s.Amount}, {"keep", s.Keep}, {"expect: amount", e.Amount}}
	if e.Balance != nil {
		refers = append(refers, struct{ key, id string }{"expect: balance: since", e.Balance.Since})
		amounts = append(amounts, struct{ key, text string }{"expect: balance: by", strings.TrimPrefix(e.Balance.By, "-")})
	}
	for _, r := range refers {
		if r.id != "" && !ids[r.id] {
			return fmt.Errorf("%s: there is no earlier step %s", r.key, quotable(r.id))
		}
	}
	for _, a := range amounts {
		if _, err := parseAmount(a.text, c); a.text != "" && err != nil {
			return fmt.Errorf("%s: %w", a.key, err)
		}
	}
	if _, known := words[e.Is]; e.Is != "" && !known {
		return fmt.Errorf("expect: there is no word %s", quotable(e.Is))
	}
	for _, values := range []map[string]string{s.Set, e.Elements} {
		for key := range values {
			if _, err := element(key); err != nil {
				return err
			}
		}
	}
	return nil
}

func mustIf(yes bool) need {
	if yes {
		return must
	}
	return never
}

func setUsual(field *string, usual string) {
	if *field == "" {
		*field = usual
	}
}

// element reads the number of an element.
func element(key string) (int, error) {
	de, err := strconv.Atoi(key)
	if err != nil || de < 2 || de > 128 {
		return 0, errors.New("elements are named by their numbers, 2 to 128")
	}
	return de, nil
}

// parseAmount reads units with a point and no more decimals than the currency has: 12.50, 12.5, 12, -3.00.
func parseAmount(text string, c money.Currency) (money.Amount, error) {
	digits, negative := strings.CutPrefix(text, "-")
	units, decimals, _ := strings.Cut(digits, ".")
	minor, err := money.ParseMinor(units + decimals + strings.Repeat("0", max(0, c.Exponent()-len(decimals))))
	if err != nil || units == "" || len(decimals) > c.Exponent() {
		return money.Amount{}, fmt.Errorf("want an amount in %s, such as %s", c, money.Amount{Minor: 1250, Currency: c})
	}
	if negative {
		minor = -minor
	}
	return money.Amount{Minor: minor, Currency: c}, nil
}
