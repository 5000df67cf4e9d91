package replay

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"holdfast/switch/frame"
	"holdfast/switch/iso"
)

// Format is how the frames of a link are laid out.
type Format = frame.Format

// Config says how a trace is played. A zero stands for the default in the field's comment.
type Config struct {
	// Targets is where each link of the trace leads; every link must be in it.
	Targets map[string]Target
	// AsRecorded sends what is in the trace without renewing dates and numbers.
	AsRecorded bool
	// Repeat is how often the trace is played, each time on new links; 0 means once.
	Repeat int
	// Rate is the most messages that are sent in a second; 0 means as fast as the answers come.
	Rate float64
	// Timeout is how long connecting and each answer may take; 0 means 5 s.
	Timeout time.Duration
	// Silence is how long a peer that must not answer is listened to; 0 means 300 ms.
	Silence time.Duration
	// Observe sees what came of each step that is complete; it is called on the goroutine of Play.
	Observe func(*Outcome)
}

// player plays a trace once.
type player struct {
	trace   *Trace
	config  *Config
	fresh   *fresh // nil: as recorded
	round   int
	links   map[string]*link
	held    map[string]*pending // by id
	answers map[string]*iso.Message
	report  *Report
	pace    *pace
}

// pending is a step that was sent and not judged yet.
type pending struct {
	outcome *Outcome
	want    map[int]string
	link    *link
	wait    *wait
}

// Play plays the trace and reports what differed. The error is about us or the connection: a link that the trace has
// and the configuration does not, an address where nobody listens, a message that the dialect cannot write, or the
// end of ctx. The report is what there was until then, and never nil.
func Play(ctx context.Context, t *Trace, c Config) (*Report, error) {
	report := &Report{}
	for name := range t.Links {
		if target, ok := c.Targets[name]; !ok || target.Dialect == nil || target.Addr == "" {
			return report, fmt.Errorf("play trace: link %s has no target", name)
		}
	}
	for _, d := range []struct {
		field *time.Duration
		usual time.Duration
	}{{&c.Timeout, 5 * time.Second}, {&c.Silence, 300 * time.Millisecond}} {
		if *d.field <= 0 {
			*d.field = d.usual
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	began := time.Now()
	defer func() { report.Took = time.Since(began) }()
	pace := newPace(c.Rate)
	for round := 1; round <= max(c.Repeat, 1); round++ {
		p := &player{trace: t, config: &c, round: round, links: map[string]*link{}, held: map[string]*pending{},
			answers: map[string]*iso.Message{}, report: report, pace: pace}
		if !c.AsRecorded {
			p.fresh = newFresh(time.Now)
		}
		if err := p.play(ctx); err != nil {
			return report, err
		}
	}
	return report, nil
}

func (p *player) play(ctx context.Context) error {
	defer func() {
		for _, l := range p.links {
			p.report.Strays += l.close()
		}
	}()
	for i := range p.trace.Steps {
		s := &p.trace.Steps[i]
		p.report.Steps++
		if err := p.step(ctx, s, i+1); err != nil {
			return fmt.Errorf("trace line %d: %w", s.Line, err)
		}
	}
	for i := range p.trace.Steps {
		if err := p.settle(ctx, p.trace.Steps[i].ID); err != nil {
			return err
		}
	}
	return nil
}

// step does what a line of the trace says.
func (p *player) step(ctx context.Context, s *Step, number int) error {
	if err := sleep(ctx, s.Delay); err != nil {
		return err
	}
	for _, id := range s.Await {
		if err := p.settle(ctx, id); err != nil {
			return err
		}
	}
	if !s.Sends() && s.expect.kind == expectNothing {
		return nil
	}
	l, err := p.link(ctx, s.Link, s.Sends())
	if err != nil {
		return err
	}
	if err := p.pace.wait(ctx); err != nil {
		return err
	}
	pending, err := p.send(l, s)
	if err != nil {
		return err
	}
	pending.outcome.Number, pending.outcome.Round = number, p.round
	if s.Hold {
		p.held[s.ID] = pending
		return nil
	}
	return p.judge(ctx, pending)
}

// link finds the link of a step. One that the peer has closed is dialled again to send, and found closed otherwise.
func (p *player) link(ctx context.Context, name string, sends bool) (*link, error) {
	l := p.links[name]
	if l != nil && (!sends || !l.isClosed()) {
		return l, nil
	}
	if l != nil {
		p.report.Strays += l.close()
		delete(p.links, name)
	}
	l, err := dial(ctx, p.config.Targets[name], p.config.Timeout)
	if err != nil {
		return nil, fmt.Errorf("link %s: %w", name, err)
	}
	p.links[name] = l
	return l, nil
}

// send sends what the step sends. A link that breaks under it is found when the answer is waited for.
func (p *player) send(l *link, s *Step) (*pending, error) {
	out := &pending{outcome: &Outcome{Step: s}, link: l, want: s.expect.values()}
	body, sent, err := p.body(l, s)
	if err != nil {
		return nil, err
	}
	out.outcome.Sent = sent
	if p.fresh != nil && (s.send.kind == sendMessage || s.send.kind == sendBody && wholeMessage(l.dialect, s)) {
		out.want = p.fresh.elements(l.dialect.Version(), out.want, elementsOf(l.dialect, s))
	}
	out.wait = l.expect(sent)
	out.wait.sentAt = time.Now()
	if s.Sends() {
		p.report.Sent++
		write := l.raw.Write
		if s.send.kind == sendWire {
			write = l.raw.WriteBytes
		}
		if err := write(body); errors.Is(err, frame.ErrTooLong) {
			return nil, err
		}
	}
	return out, nil
}

// body is what the step sends and what can be read of it; that is nil for bytes that are no message at all.
func (p *player) body(l *link, s *Step) ([]byte, *iso.Message, error) {
	d := l.dialect
	switch {
	case s.send.kind == sendNothing:
		return nil, nil, nil
	case s.send.kind == sendWire:
		return s.send.bytes(), nil, nil
	case s.send.kind == sendBody && (p.fresh == nil || !wholeMessage(d, s)):
		raw := s.send.bytes()
		m, _ := d.Decode(raw) // a fault is what such a step is for
		return raw, m, nil
	}
	recorded := elementsOf(d, s)
	values := maps.Clone(recorded)
	if p.fresh != nil {
		values = p.fresh.elements(d.Version(), recorded, recorded)
	}
	for de, v := range values {
		if id, refers := reference(v); s.send.kind == sendMessage && refers {
			values[de] = p.answered(id, de)
		} else if s.send.kind == sendMessage {
			values[de] = literal(v)
		}
	}
	m := d.New(s.mti(d))
	for de := 2; de <= 128; de++ {
		v, has := values[de]
		if !has {
			continue
		}
		if err := m.Set(de, v); err != nil {
			return nil, nil, fmt.Errorf("send: %w", err)
		}
	}
	raw, err := m.AppendMAC(nil, l.sign)
	if err != nil {
		return nil, nil, fmt.Errorf("send: %w", err)
	}
	return raw, m, nil
}

func (s *Step) mti(d *iso.Dialect) string {
	if s.send.kind == sendMessage {
		return s.send.mti
	}
	m, _ := d.Decode(s.send.bytes()) // whole, as the caller knows
	return m.MTI()
}

// wholeMessage reports whether a step's bytes are a message that could be written again.
func wholeMessage(d *iso.Dialect, s *Step) bool {
	_, err := d.Decode(s.send.bytes())
	return err == nil
}

// elementsOf are the recorded elements of a step that sends a message, in either form.
func elementsOf(d *iso.Dialect, s *Step) map[int]string {
	if s.send.kind != sendBody {
		return s.send.values()
	}
	out := map[int]string{}
	if m, err := d.Decode(s.send.bytes()); err == nil {
		for _, de := range m.Elements() {
			out[de] = m.Get(de)
		}
	}
	return out
}
