package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"holdfast/switch/simulate"
)

// promptHelp is what "help" prints.
const promptHelp = `A line is a message to send, or one of the commands card, help and quit.

  purchase 42.60                         on the card "main"; mcc=5411 card=NAME link=NAME copies=10
  preauth 100.00 mcc=7011                then: increment 50.00, replacement 180.00, completion 80.00
  reversal                               of the transaction begun last; keep=20.00, or of=N for step N
  repeat                                 the last message again
  inquiry, verification, refund 5.00     and cash, financial, advice, refund-completion, reconciliation
  lock QUERY, unlock                     as a file action
  sign-on, sign-off, echo, cut-over      links are signed on when they are opened
  message 0100 3=000000 4=000000001000   any message, element by element
  ... 48=TEXT expect=declined            any element on any message, and what must come back
  card NAME NUMBER/YYMM                  another card

holdfast simulate --list says more about each.
`

// lineBytesMax is longer than any message that somebody types.
const promptBytesMax = 64 << 10

// prompt sends what is typed until the input ends. It fails when a line that expects something was answered otherwise.
func (c *simulateCmd) prompt(e *env, config simulate.Config) error {
	if c.JSON || c.JUnit != "" {
		return usagef("simulate: --json and --junit report on scenarios; name one with --scenario")
	}
	if len(config.Cards) == 0 {
		config.Cards[simulate.MainCard] = demoCard()
	}
	s, err := simulate.New(config)
	if err != nil {
		return err
	}
	defer s.Close()
	fmt.Fprintf(e.stdout, "A payment network for %s in %s, %s frames. Cards: %s. Type help, or quit.\n", config.Addr,
		config.Dialect.Name(), config.Format, cardNames(s.Cards()))
	differs := false
	input := bufio.NewScanner(e.stdin)
	input.Buffer(nil, promptBytesMax)
	for ask(e.stdout) && input.Scan() {
		line := strings.TrimSpace(input.Text())
		if line == "quit" || line == "exit" {
			break
		}
		bad, err := typed(e, s, line)
		if err != nil {
			return wrapf(err, "simulate")
		}
		differs = differs || bad
	}
	fmt.Fprintln(e.stdout)
	if err := input.Err(); err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	if differs {
		return errFound
	}
	return nil
}

func ask(w io.Writer) bool {
	fmt.Fprint(w, "> ")
	return true
}

// typed carries out one line. Mistakes of the line, and of the host, are told; only the end of the run is an error.
func typed(e *env, s *simulate.Simulation, line string) (differs bool, err error) {
	words := strings.Fields(line)
	switch {
	case len(words) == 0 || strings.HasPrefix(words[0], "#"):
		return false, nil
	case words[0] == "help":
		fmt.Fprint(e.stdout, promptHelp)
		return false, nil
	case words[0] == "card":
		if err := addCard(s, words[1:]); err != nil {
			fmt.Fprintf(e.stdout, "  %v\n", err)
		}
		fmt.Fprintf(e.stdout, "  cards: %s\n", cardNames(s.Cards()))
		return false, nil
	}
	step, err := s.Parse(line)
	if err != nil {
		fmt.Fprintf(e.stdout, "  %v\n", err)
		return true, nil
	}
	o, err := s.Do(e.ctx, step)
	if e.ctx.Err() != nil {
		return false, e.ctx.Err()
	}
	if err != nil {
		fmt.Fprintf(e.stdout, "  %v\n", err)
		return true, nil
	}
	printOutcome(e.stdout, o, true)
	return len(o.Found) > 0, nil
}

func addCard(s *simulate.Simulation, words []string) error {
	var card simulate.Card
	if len(words) != 2 {
		return errors.New("want: card NAME NUMBER/YYMM")
	}
	if err := card.UnmarshalText([]byte(words[1])); err != nil {
		return err
	}
	s.Cards()[words[0]] = card
	return nil
}

// demoCard is a card of the demo's world, for a first try.
func demoCard() (card simulate.Card) {
	_ = card.UnmarshalText([]byte("4111111111111111/4912")) // a published test number: it is one
	return card
}
