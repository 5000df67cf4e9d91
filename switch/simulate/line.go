package simulate

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Parse reads a step that was typed: a kind, then its amount, lock reason or message type, and KEY=VALUE for everything
// else, elements by their numbers included: "preauth 100.00 mcc=7011", "reversal keep=20.00", "message 0100 3=000000".
// Steps are called by their numbers. One that must be about another and does not say which is about the transaction that
// was begun last, or repeats its last message. The step is checked.
func (s *Simulation) Parse(line string) (*Step, error) {
	tokens := strings.Fields(line)
	if len(tokens) == 0 {
		return nil, errors.New("nothing was typed")
	}
	step := &Step{Send: tokens[0], ID: strconv.Itoa(s.number + 1)}
	k, known := kinds[step.Send]
	if !known {
		return nil, fmt.Errorf("there is no kind %s", quotable(step.Send))
	}
	for _, w := range tokens[1:] {
		if err := step.set(w, &k); err != nil {
			return nil, err
		}
	}
	switch {
	case k.of != must || step.Of != "":
	case step.Send == kindRepeat:
		step.Of = s.last
	default:
		step.Of = s.life
	}
	ids := map[string]bool{}
	for id := range s.build.steps {
		ids[id] = true
	}
	if err := step.check(s.config.Currency, ids); err != nil {
		return nil, err
	}
	if step.Send == kindMessage || !expects(tokens) {
		step.Expected.Is = "answered" // who plays wants to see, and has expected nothing
	}
	return step, nil
}

// expects reports whether the line says what must come back.
func expects(tokens []string) bool {
	for _, w := range tokens {
		if strings.HasPrefix(w, "expect=") {
			return true
		}
	}
	return false
}

// set takes one word of a line.
func (s *Step) set(w string, k *kind) error {
	key, v, named := strings.Cut(w, "=")
	texts := map[string]*string{"of": &s.Of, "link": &s.Link, "card": &s.Card, "amount": &s.Amount, "keep": &s.Keep, "mcc": &s.MCC,
		"lock": &s.Lock, "mti": &s.MTI, "expect": &s.Expected.Is, "id": &s.ID}
	if !named {
		v = w
		switch {
		case k.amount != never:
			key = "amount"
		case k.locks:
			key, v = "lock", strings.ToUpper(v)
		case s.Send == kindMessage:
			key = "mti"
		case k.of != never:
			key = "of"
		default:
			return fmt.Errorf("%s takes no %s", s.Send, quotable(w))
		}
	}
	if field := texts[key]; field != nil {
		*field = v
		return nil
	}
	var err error
	switch key {
	case "copies":
		s.Copies, err = strconv.Atoi(v)
	case "within":
		s.Expected.Within, err = time.ParseDuration(v)
	case "lose":
		s.Lose, err = strconv.ParseBool(v)
	case "partOK":
		s.PartOK, err = strconv.ParseBool(v)
	default:
		if _, err = element(key); err != nil {
			return fmt.Errorf("there is no key %s", quotable(key))
		}
		if s.Set == nil {
			s.Set = map[string]string{}
		}
		s.Set[key] = v
	}
	if err != nil {
		return fmt.Errorf("%s: %s is no value for it", key, quotable(v))
	}
	return nil
}

// quotable is a text for an error: what somebody has typed in the wrong place may be a card number, and is not shown.
func quotable(v string) string {
	digits := 0
	for _, c := range v {
		if c >= '0' && c <= '9' {
			digits++
		}
	}
	if digits > 8 || len(v) > 40 {
		return fmt.Sprintf("(%d characters)", len(v))
	}
	return strconv.Quote(v)
}
