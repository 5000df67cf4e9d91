package simulate

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"
)

// Result is what came of one scenario.
type Result struct {
	Scenario string        `json:"scenario"`
	Dialect  string        `json:"dialect"`
	Skipped  string        `json:"skipped,omitempty"` // why the dialect cannot play it
	Error    string        `json:"error,omitempty"`   // why it could not be played to its end
	Steps    []StepResult  `json:"steps"`
	Took     time.Duration `json:"nanoseconds"`
}

// StepResult is what came of one step.
type StepResult struct {
	Number  int           `json:"number"`
	Send    string        `json:"send"`
	Note    string        `json:"note,omitempty"`
	Code    string        `json:"code,omitempty"` // DE 39 of the first answer
	Latency time.Duration `json:"nanoseconds"`
	Found   []Difference  `json:"differences,omitempty"`
}

// Passed reports whether everything was as expected; a scenario that was skipped has not failed.
func (r *Result) Passed() bool { return r.Error == "" && r.Differences() == 0 }

// Differences counts them.
func (r *Result) Differences() (n int) {
	for _, s := range r.Steps {
		n += len(s.Found)
	}
	return n
}

// Run plays a scenario that was checked. Nothing is sent when the dialect cannot say all of it. The error is the end of
// ctx, or a configuration that is not complete; what the host does, and that it cannot be reached, is in the result.
func Run(ctx context.Context, scenario *Scenario, c Config) (*Result, error) {
	r := &Result{Scenario: scenario.Name}
	began := time.Now()
	defer func() { r.Took = time.Since(began) }()
	cards := maps.Clone(scenario.Cards)
	if cards == nil {
		cards = map[string]Card{}
	}
	maps.Copy(cards, c.Cards)
	c.Cards, c.Currency, c.Unsigned = cards, scenario.Currency, c.Unsigned || scenario.Unsigned
	s, err := New(c)
	if err != nil {
		return r, err
	}
	defer s.Close()
	r.Dialect = c.Dialect.Name()
	if err := rehearse(scenario, &s.config); errors.Is(err, errUnsaid) {
		r.Skipped = err.Error()
		return r, nil
	} else if err != nil {
		r.Error = err.Error()
		return r, nil
	}
	for i := range scenario.Steps {
		o, err := s.Do(ctx, &scenario.Steps[i])
		switch {
		case ctx.Err() != nil:
			return r, ctx.Err()
		case err != nil:
			r.Error = fmt.Sprintf("step %d: %v", i+1, err)
			return r, nil
		}
		step := StepResult{Number: o.Number, Send: o.Step.Send, Note: o.Step.Note, Latency: o.Latency, Found: o.Found}
		if len(o.Answers) > 0 {
			step.Code = o.Answers[0].Get(39)
		}
		r.Steps = append(r.Steps, step)
		if c.Observe != nil {
			c.Observe(o)
		}
	}
	return r, nil
}

// rehearse makes every message, and sends none.
func rehearse(scenario *Scenario, c *Config) error {
	b := newBuilder(c)
	for i := range scenario.Steps {
		step := &scenario.Steps[i]
		made, err := b.build(step)
		if err == nil {
			_, err = made.message.Append(nil)
		}
		if err != nil {
			return fmt.Errorf("step %d, %s: %w", i+1, step.Send, err)
		}
		if step.ID != "" {
			b.steps[step.ID] = made
		}
	}
	return nil
}

// The elements of a JUnit report, as far as those who read it agree on them.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitMessage `xml:"failure"`
		Error   *junitMessage `xml:"error"`
		Skipped *junitMessage `xml:"skipped"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
	}
)

// WriteJUnit writes results as test systems read them: a suite for each scenario, a case for each step.
func WriteJUnit(w io.Writer, results []*Result) error {
	seconds := func(d time.Duration) string { return fmt.Sprintf("%.6f", d.Seconds()) }
	var all junitSuites
	for _, r := range results {
		suite := junitSuite{Name: r.Scenario, Time: seconds(r.Took)}
		class := r.Dialect + "." + r.Scenario
		for _, s := range r.Steps {
			name := strings.TrimSpace(fmt.Sprintf("%d %s %s", s.Number, s.Send, s.Note))
			one := junitCase{Class: class, Name: name, Time: seconds(s.Latency)}
			if len(s.Found) > 0 {
				suite.Failures++
				var texts []string
				for _, d := range s.Found {
					texts = append(texts, fmt.Sprintf("%s: want %s, got %s", d.What, d.Want, d.Got))
				}
				one.Failure = &junitMessage{strings.Join(texts, "; ")}
			}
			suite.Cases = append(suite.Cases, one)
		}
		switch whole := (junitCase{Class: class, Name: "the whole scenario", Time: seconds(0)}); {
		case r.Error != "":
			suite.Errors, whole.Error = 1, &junitMessage{r.Error}
			suite.Cases = append(suite.Cases, whole)
		case r.Skipped != "":
			suite.Skipped, whole.Skipped = 1, &junitMessage{r.Skipped}
			suite.Cases = append(suite.Cases, whole)
		}
		suite.Tests = len(suite.Cases)
		all.Suites = append(all.Suites, suite)
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	if err := encoder.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
