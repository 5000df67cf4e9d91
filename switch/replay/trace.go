package replay

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Limits of a trace.
const (
	lineBytesMax = 256 << 10
	stepsMax     = 1_000_000
	waitMax      = 10 * time.Minute
)

// MainLink is the link of a step that names none.
const MainLink = "main"

// Trace is a checked trace. It never changes after it was read.
type Trace struct {
	Steps []Step
	// Links has what the trace says of its links, by name; a link of which it says nothing has a zero row.
	Links map[string]Link
}

// Link is how a link of the trace speaks. An empty field is the player's default.
type Link struct {
	Dialect string `json:"dialect"`
	Framing string `json:"framing"`
}

// Step is one line of a trace: something to send, an expectation, or both.
type Step struct {
	Line  int    // in the trace, from 1
	ID    string // by which later steps refer to its answer; may be empty
	Link  string
	Scene string // a heading that begins with this step
	Note  string

	Delay  time.Duration // waited before anything else
	Within time.Duration // for the answer, or of the silence; 0 is the player's default
	Hold   bool          // the next step does not wait for this one's answer
	Await  []string      // steps that held, whose answers are waited for first

	send   payload
	expect expectation
}

// Sends reports whether the step sends anything.
func (s *Step) Sends() bool { return s.send.kind != sendNothing }

// Expects names what the step waits for: "answer", "silence", "closed", or nothing.
func (s *Step) Expects() string { return [...]string{"", "answer", "silence", "closed"}[s.expect.kind] }

// line is a line of a trace as it is written.
type line struct {
	Links  map[string]Link    `json:"links"`
	ID     string             `json:"id"`
	Link   string             `json:"link"`
	Scene  string             `json:"scene"`
	Note   string             `json:"note"`
	Delay  string             `json:"delay"`
	Within string             `json:"within"`
	Hold   bool               `json:"hold"`
	Await  []string           `json:"await"`
	Send   map[string]*string `json:"send"`
	Expect json.RawMessage    `json:"expect"`
}

// Read reads a whole trace. Its errors name the line and the key, and never what a message holds.
func Read(r io.Reader) (*Trace, error) {
	t := &Trace{Links: map[string]Link{}}
	c := checker{trace: t, ids: map[string]*Step{}}
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, lineBytesMax)
	number := 0
	for scanner.Scan() {
		number++
		text := bytes.TrimSpace(scanner.Bytes())
		if len(text) == 0 || text[0] == '#' {
			continue
		}
		if err := c.line(number, text); err != nil {
			return nil, fmt.Errorf("trace line %d: %w", number, err)
		}
	}
	switch err := scanner.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("trace line %d: it is longer than %d bytes", number+1, lineBytesMax)
	case err != nil:
		return nil, fmt.Errorf("read trace: %w", err)
	case len(t.Steps) == 0:
		return nil, errors.New("read trace: it has no steps")
	}
	return t, nil
}

// checker adds lines to a trace.
type checker struct {
	trace *Trace
	ids   map[string]*Step
}

func (c *checker) line(number int, text []byte) error {
	var l line
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&l); err != nil {
		return jsonError(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one object on it")
	}
	if l.Links != nil {
		return c.links(&l)
	}
	if len(c.trace.Steps) == stepsMax {
		return fmt.Errorf("it is more than %d steps", stepsMax)
	}
	s, err := c.step(number, &l)
	if err != nil {
		return err
	}
	c.trace.Steps = append(c.trace.Steps, *s)
	if s.ID != "" {
		c.ids[s.ID] = s
	}
	if _, known := c.trace.Links[s.Link]; !known && s.Link != "" {
		c.trace.Links[s.Link] = Link{}
	}
	return nil
}

func (c *checker) links(l *line) error {
	if l.Send != nil || l.Expect != nil || l.ID != "" || l.Link != "" || len(l.Await) > 0 {
		return errors.New("links stand on a line of their own")
	}
	if len(c.trace.Steps) > 0 {
		return errors.New("links stand before the first step")
	}
	for name, link := range l.Links {
		if name == "" {
			return errors.New("a link has no name")
		}
		c.trace.Links[name] = link
	}
	return nil
}

func (c *checker) step(number int, l *line) (*Step, error) {
	s := &Step{Line: number, ID: l.ID, Link: l.Link, Scene: l.Scene, Note: l.Note, Hold: l.Hold, Await: l.Await}
	var err error
	if s.Delay, err = parseWait("delay", l.Delay); err != nil {
		return nil, err
	}
	if s.Within, err = parseWait("within", l.Within); err != nil {
		return nil, err
	}
	if _, twice := c.ids[s.ID]; twice && s.ID != "" {
		return nil, fmt.Errorf("id: an earlier step is called %s too", s.ID)
	}
	for _, id := range s.Await {
		if held := c.ids[id]; held == nil || !held.Hold {
			return nil, fmt.Errorf("await: no earlier step %s holds its answer", id)
		}
	}
	if s.send, err = parsePayload(l.Send); err != nil {
		return nil, fmt.Errorf("send: %w", err)
	}
	if s.expect, err = parseExpectation(l.Expect); err != nil {
		return nil, fmt.Errorf("expect: %w", err)
	}
	for _, values := range []map[int]string{s.send.values(), s.expect.values()} {
		if err := c.references(values); err != nil {
			return nil, err
		}
	}
	if id := s.expect.same; id != "" && c.ids[id] == nil {
		return nil, fmt.Errorf("expect: same: there is no earlier step %s", id)
	}
	return s, s.complete()
}

// complete checks that the parts of a step go together.
func (s *Step) complete() error {
	switch {
	case s.Hold && (s.ID == "" || s.expect.kind != expectAnswer):
		return errors.New("hold: such a step needs an id, and an answer to expect")
	case !s.Sends() && s.expect.kind == expectAnswer:
		return errors.New("expect: there is no answer to what was not sent")
	case !s.Sends() && s.expect.kind == expectNothing && s.Delay == 0 && len(s.Await) == 0:
		return errors.New("the step does nothing: it has none of send, expect, await and delay")
	}
	if s.Link == "" && (s.Sends() || s.expect.kind != expectNothing) {
		s.Link = MainLink
	}
	return nil
}

// references checks values that stand for an element of an earlier answer.
func (c *checker) references(values map[int]string) error {
	for de, v := range values {
		if id, ok := reference(v); ok && c.ids[id] == nil {
			return fmt.Errorf("element %d: there is no earlier step of the id that it refers to", de)
		}
	}
	return nil
}

func parseWait(key, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > waitMax {
		return 0, fmt.Errorf("%s: want a duration from 0s to %v, such as 200ms", key, waitMax)
	}
	return d, nil
}

// jsonError keeps what a message holds out of the error.
func jsonError(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("it is not JSON from character %d on", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Errorf("%s: want a %s", strings.TrimPrefix(kind.Field, "."), kind.Type)
	case strings.HasPrefix(err.Error(), "json: unknown field"):
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	return errors.New("it is not a whole JSON object")
}
