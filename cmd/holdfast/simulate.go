package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"holdfast/switch/frame"
	"holdfast/switch/iso"
	"holdfast/switch/simulate"
	"holdfast/testdata/scenarios"
)

// simulateCmd plays a payment network: scenarios from files or built in, or what is typed.
type simulateCmd struct {
	Addr    string   `help:"The host's address." default:"127.0.0.1:8583" placeholder:"HOST:PORT"`
	Links   []string `name:"link" help:"Another address for a link of the scenario." placeholder:"NAME=HOST:PORT" sep:"none"`
	Dialect string   `help:"Dialect, built in or a file." default:"iso87-ascii" placeholder:"NAME|FILE"`
	Framing string   `help:"Frame around each message (default: the dialect's)." placeholder:"NAME"`
	Card    []string `help:"A card that steps name (default: those of the scenario)." placeholder:"NAME=NUMBER/YYMM" sep:"none"`
	guardFlags
	Unsigned bool          `help:"Do not sign links on."`
	Timeout  time.Duration `help:"How long to wait for each answer." default:"5s"`
	Scenario []string      `help:"Play this: a file, or the name of one built in; 'all' plays those." placeholder:"FILE|NAME" sep:"none"`
	List     bool          `help:"List the scenarios that are built in, and what a step can send." xor:"what"`
	Show     string        `help:"Print a scenario that is built in, to start a file of one's own." placeholder:"NAME" xor:"what"`
	Verbose  bool          `short:"v" help:"Show both sides of every exchange, card data masked."`
	JSON     bool          `name:"json" help:"Print the report as one JSON object."`
	JUnit    string        `name:"junit" help:"Write the report to this file as test systems read it." placeholder:"FILE"`
}

// Run plays; it fails when an answer was not the expected one.
func (c *simulateCmd) Run(e *env) error {
	switch {
	case c.List:
		return c.list(e.stdout)
	case c.Show != "":
		text, err := scenarios.Files.ReadFile(c.Show + ".yaml")
		if err != nil {
			return usagef("simulate: there is no scenario %s built in; --list shows them", c.Show)
		}
		_, err = e.stdout.Write(text)
		return err
	}
	config, err := c.config()
	if err != nil {
		return err
	}
	if len(c.Scenario) == 0 {
		return c.prompt(e, config)
	}
	all, err := c.scenarios()
	if err != nil {
		return err
	}
	return c.play(e, config, all)
}

// config is how the host is spoken to.
func (c *simulateCmd) config() (simulate.Config, error) {
	out := simulate.Config{Addr: c.Addr, Links: map[string]string{}, Timeout: c.Timeout, Cards: map[string]simulate.Card{},
		Unsigned: c.Unsigned}
	var err error
	if out.Dialect, err = iso.Open(c.Dialect); err != nil {
		return out, usageError{fmt.Errorf("simulate: %w", err)}
	}
	out.Format = out.Dialect.Profile().Framing
	if c.Framing != "" {
		if out.Format, err = frame.Parse(c.Framing); err != nil {
			return out, usageError{fmt.Errorf("simulate: %w", err)}
		}
	}
	if out.TLS, err = c.tls(); err != nil {
		return out, err
	}
	if out.MAC, err = c.sign(out.Dialect); err != nil {
		return out, err
	}
	for _, text := range c.Links {
		name, addr, _ := strings.Cut(text, "=")
		out.Links[name] = addr
	}
	for name, addr := range out.Links {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return out, usagef("--link %s: want NAME=HOST:PORT", name)
		}
	}
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		return out, usagef("--addr: want HOST:PORT")
	}
	for _, text := range c.Card {
		name, number, _ := strings.Cut(text, "=")
		var card simulate.Card
		if err := card.UnmarshalText([]byte(number)); err != nil {
			return out, usagef("--card: want NAME=NUMBER/YYMM") // what was given is card data
		}
		out.Cards[name] = card
	}
	return out, nil
}

// scenarios reads those that are to be played, all of them before anything is sent.
func (c *simulateCmd) scenarios() ([]*simulate.Scenario, error) {
	var all []*simulate.Scenario
	for _, name := range c.Scenario {
		if name == "all" {
			built, err := builtScenarios()
			if err != nil {
				return nil, err
			}
			all = append(all, built...)
			continue
		}
		text, err := scenarios.Files.ReadFile(name + ".yaml")
		if err != nil {
			text, err = readLimited(name)
		}
		if err != nil {
			return nil, usageError{fmt.Errorf("simulate: %w", err)}
		}
		s, err := parseScenario(name, text)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

const scenarioBytesMax = 1 << 20

func readLimited(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // nothing was written, so closing cannot lose anything
	return io.ReadAll(io.LimitReader(f, scenarioBytesMax))
}

func parseScenario(name string, text []byte) (*simulate.Scenario, error) {
	s := &simulate.Scenario{}
	err := decodeYAML(text, s)
	if err == nil {
		s.Name = cmp.Or(s.Name, strings.TrimSuffix(filepath.Base(name), ".yaml"))
		err = s.Check()
	}
	if err != nil {
		return nil, usageError{fmt.Errorf("simulate %s: %w", name, err)}
	}
	return s, nil
}

// builtScenarios are all that the program has with it, by name.
func builtScenarios() ([]*simulate.Scenario, error) {
	entries, err := scenarios.Files.ReadDir(".")
	if err != nil {
		return nil, err
	}
	var all []*simulate.Scenario
	for _, entry := range entries {
		text, err := scenarios.Files.ReadFile(entry.Name())
		if err != nil {
			return nil, err
		}
		s, err := parseScenario(entry.Name(), text)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func (c *simulateCmd) list(w io.Writer) error {
	all, err := builtScenarios()
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "Scenarios that are built in:")
	for _, s := range all {
		fmt.Fprintf(w, "  %-22s %s\n", s.Name, s.About)
	}
	fmt.Fprintln(w, "\nWhat a step can send:")
	names, about := simulate.Kinds()
	for _, name := range names {
		fmt.Fprintf(w, "  %-22s %s\n", name, about[name])
	}
	_, err = fmt.Fprintln(w, "\nThe file format: testdata/scenarios/README.md")
	return err
}

// play plays scenarios one after the other and reports.
func (c *simulateCmd) play(e *env, config simulate.Config, all []*simulate.Scenario) (err error) {
	var results []*simulate.Result
	failed := false
	for _, s := range all {
		if !c.JSON {
			fmt.Fprintf(e.stdout, "%s: %s\n", s.Name, s.About)
			config.Observe = func(o *simulate.Outcome) { printOutcome(e.stdout, o, c.Verbose) }
		}
		r, err := simulate.Run(e.ctx, s, config)
		if err != nil {
			return wrapf(err, "simulate %s", s.Name)
		}
		results = append(results, r)
		failed = failed || !r.Passed()
		if !c.JSON {
			printResult(e.stdout, r)
		}
	}
	if c.JSON {
		err = json.NewEncoder(e.stdout).Encode(map[string]any{"passed": !failed, "scenarios": results})
	}
	if c.JUnit != "" {
		err = errors.Join(err, writeJUnit(c.JUnit, results))
	}
	if err == nil && failed {
		err = errFound
	}
	return wrapf(err, "simulate")
}

func writeJUnit(path string, results []*simulate.Result) error {
	var text bytes.Buffer
	if err := simulate.WriteJUnit(&text, results); err != nil {
		return err
	}
	return os.WriteFile(path, text.Bytes(), 0o644)
}

func printResult(w io.Writer, r *simulate.Result) {
	switch {
	case r.Error != "":
		fmt.Fprintf(w, "  could not be played: %s\n\n", r.Error)
	case r.Skipped != "":
		fmt.Fprintf(w, "  skipped in %s: %s\n\n", r.Dialect, r.Skipped)
	case r.Differences() > 0:
		fmt.Fprintf(w, "  %d differences\n\n", r.Differences())
	default:
		fmt.Fprintf(w, "  as expected, %d steps in %s\n\n", len(r.Steps), round(r.Took))
	}
}

// printOutcome prints a step on a line, what differs, and both sides when they are asked for or something differs.
func printOutcome(w io.Writer, o *simulate.Outcome, whole bool) {
	got := "not sent yet"
	switch {
	case len(o.Answers) > 0:
		got = fmt.Sprintf("%s %s", o.Answers[0].MTI(), o.Answers[0].Get(39))
		if n := len(o.Answers); n > 1 {
			got = fmt.Sprintf("%s, %d times", got, n)
		}
		got = fmt.Sprintf("%-9s %s", got, round(o.Latency))
	case o.Sent != nil:
		got = "no answer"
	}
	what := o.Step.Send
	for _, more := range []string{o.Step.Amount, o.Step.Lock} {
		what = strings.TrimSpace(what + " " + more)
	}
	fmt.Fprintf(w, "  %2d  %-30s %s\n", o.Number, what, strings.TrimSpace(got+"  "+o.Step.Note))
	for _, d := range o.Found {
		fmt.Fprintf(w, "      DIFFERENCE  %s: want %s, got %s\n", d.What, d.Want, d.Got)
	}
	if whole || len(o.Found) > 0 {
		printSides(w, o)
	}
}

// printSides prints what was sent and what came back, masked.
func printSides(w io.Writer, o *simulate.Outcome) {
	side := func(arrow string, m *iso.Message) {
		for _, el := range m.Describe() {
			if el.Part != "" {
				continue
			}
			name := fmt.Sprintf("%3d", el.DE)
			if el.DE == 0 {
				name = "MTI"
			}
			fmt.Fprintf(w, "      %s %s  %-36.36s %s\n", arrow, name, el.Name, el.Value)
		}
	}
	if o.Sent != nil {
		side("->", o.Sent)
	}
	for _, a := range o.Answers[:min(1, len(o.Answers))] {
		side("<-", a)
	}
}

// cardNames lists the cards that a prompt knows, masked.
func cardNames(cards map[string]simulate.Card) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(cards)) {
		out = append(out, fmt.Sprintf("%s (%s)", name, cards[name].Number))
	}
	return cmp.Or(strings.Join(out, ", "), "none: card NAME NUMBER/YYMM adds one")
}
