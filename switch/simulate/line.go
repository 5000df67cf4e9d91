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
	words := strings.Fields(line)
	if len(words) == 0 {
		return nil, errors.New("nothing was typed")
	}
	step := &Step{Send: words[0], ID: strconv.Itoa(s.number + 1)}
	k, known := kinds[step.Send]
	if !known {
		return nil, fmt.Errorf("there is no kind %q", step.Send)
	}
	for _, w := range words[1:] {
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
	if words[0] == kindMessage || !expects(words) {
		step.Expected.Is = "answered" // who plays wants to see, and has expected nothing
	}
	return step, nil
}

// expects reports whether the line says what must come back.
func expects(words []string) bool {
	for _, w := range words {
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
			return fmt.Errorf("%s takes no %q", s.Send, w)
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
			return fmt.Errorf("there is no key %q", key)
		}
		if s.Set == nil {
			s.Set = map[string]string{}
		}
		s.Set[key] = v
	}
	if err != nil {
		return fmt.Errorf("%s: %q is no value for it", key, v)
	}
	return nil
}
