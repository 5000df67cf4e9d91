package simulate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"holdfast/authz/money"
	"holdfast/switch/client"
	"holdfast/switch/frame"
	"holdfast/switch/iso"
)

// Config says to which host, and how, a simulation speaks. A zero stands for the default in the field's comment.
type Config struct {
	// Addr is the host's address; it is required. Links has others, by the name of a link.
	Addr  string
	Links map[string]string
	// Dialect is how messages are written; it is required.
	Dialect *iso.Dialect
	// Format is how frames are laid out; the zero value is "bin2".
	Format frame.Format
	// TLS is the configuration for links to an address; nil means plain TCP.
	TLS func(addr string) *tls.Config
	// MAC makes the authentication code that every message ends in, and every answer must; nil means that there is none.
	MAC iso.Sign
	// Timeout is how long connecting and each answer may take; 0 means 5 s.
	Timeout time.Duration
	// Silence is how long a host that must not answer is listened to; 0 means 300 ms.
	Silence time.Duration
	// Currency is that of amounts; zero means the euro.
	Currency money.Currency
	// Cards are the cards that steps name. In Run they take the place of the scenario's.
	Cards map[string]Card
	// Unsigned leaves it to the steps to sign a link on.
	Unsigned bool
	// Observe sees each step that Run has completed.
	Observe func(*Outcome)
}

// Simulation plays one network. It is not safe for concurrent use. The caller closes it.
type Simulation struct {
	config Config
	build  *builder
	links  map[string]*client.Client
	number int
	last   string // the id of the last message that is not network management
	life   string // the id of the message that began the last transaction
}

// Outcome is what came of one step.
type Outcome struct {
	Step    *Step
	Number  int          // of the step, from 1
	Sent    *iso.Message // nil when it was only prepared
	Answers []*iso.Message
	Latency time.Duration // until the last answer
	Found   []Difference  // empty: everything was as expected
}

// New makes a simulation. Links are dialled when a step first sends on them.
func New(c Config) (*Simulation, error) {
	if c.Addr == "" || c.Dialect == nil {
		return nil, errors.New("simulate: an address and a dialect are required")
	}
	if c.Currency.IsZero() {
		c.Currency, _ = money.ByAlpha("EUR") // it exists
	}
	if c.Timeout <= 0 {
		c.Timeout = 5 * time.Second
	}
	if c.Silence <= 0 {
		c.Silence = 300 * time.Millisecond
	}
	return &Simulation{config: c, build: newBuilder(&c), links: map[string]*client.Client{}}, nil
}

// Close closes the links.
func (s *Simulation) Close() {
	for name := range s.links {
		s.cut(name)
	}
}

func (s *Simulation) cut(name string) {
	if l := s.links[name]; l != nil {
		_ = l.Close() // it never fails
		delete(s.links, name)
	}
}

// Cards are the cards that steps name; the caller may add to them.
func (s *Simulation) Cards() map[string]Card { return s.build.cards }

// link dials a link when it is first used, or lost, and signs it on.
func (s *Simulation) link(ctx context.Context, name string, signOn bool) (*client.Client, error) {
	if l := s.links[name]; l != nil {
		return l, nil
	}
	addr := s.config.Addr
	if own := s.config.Links[name]; own != "" {
		addr = own
	}
	c := client.Config{Addr: addr, Dialect: s.config.Dialect, Format: s.config.Format, Timeout: s.config.Timeout,
		Reconnect: true, MAC: s.config.MAC}
	if s.config.TLS != nil {
		c.TLS = s.config.TLS(addr)
	}
	l, err := client.Dial(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("link %s: %w", name, err)
	}
	if signOn {
		if err := l.SignOn(ctx); err != nil {
			_ = l.Close() // it never fails
			return nil, fmt.Errorf("link %s: %w", name, err)
		}
	}
	s.links[name] = l
	return l, nil
}

// Do carries out one step that was checked. What the host does is in the outcome; the error is about us: a message that
// cannot be made, a host that cannot be reached, or the end of ctx.
func (s *Simulation) Do(ctx context.Context, step *Step) (*Outcome, error) {
	s.number++
	o := &Outcome{Step: step, Number: s.number}
	if err := sleep(ctx, step.Delay); err != nil {
		return nil, err
	}
	made, err := s.build.build(step)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", step.Send, err)
	}
	if step.ID != "" {
		s.build.steps[step.ID] = made
		k := kinds[step.Send]
		if k.class != '8' {
			s.last = step.ID
		}
		if k.amount != never && step.Of == "" {
			s.life = step.ID
		}
	}
	if step.Prepare {
		return o, nil
	}
	o.Sent = made.message
	arrived, err := s.exchange(ctx, step, made.message)
	if err != nil {
		return nil, err
	}
	if step.Lose {
		return o, nil
	}
	for _, a := range arrived {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		o.Latency = max(o.Latency, a.took)
		if a.message != nil {
			o.Answers = append(o.Answers, a.message)
			made.take(a.message)
		}
		s.judge(o, a)
	}
	return o, nil
}

// take keeps the first answer, and what it makes of the life's total.
func (s *sent) take(answer *iso.Message) {
	if s.answer != nil {
		return
	}
	s.answer = answer
	asked := len(answer.MTI()) == 4 && answer.MTI()[1] != '4' && answer.MTI()[2] == '1'
	if !s.becomes.Currency.IsZero() && (!asked || goesAhead(answer.Get(39), answer.Dialect().Profile().Forms.ActionCodes)) {
		s.root.total = s.becomes
	}
}

// arrival is what came back for one copy of a message.
type arrival struct {
	message *iso.Message
	err     error // why there is none
	took    time.Duration
}

// exchange sends a message, or copies of it at the same moment, each on a link of its own, and waits for the answers.
func (s *Simulation) exchange(ctx context.Context, step *Step, m *iso.Message) ([]arrival, error) {
	signOn := !s.config.Unsigned && step.Send != "sign-on"
	links := make([]*client.Client, max(step.Copies, 1))
	for i := range links {
		name := step.Link
		if i > 0 {
			name = fmt.Sprintf("%s-%d", step.Link, i+1)
		}
		var err error
		if links[i], err = s.link(ctx, name, signOn); err != nil {
			return nil, err
		}
	}
	if step.Lose {
		err := links[0].Notify(ctx, m)
		s.cut(step.Link)
		return nil, err
	}
	limit := step.Expected.Within
	switch {
	case limit > 0:
	case step.Expected.Is == "silence":
		limit = s.config.Silence
	default:
		limit = s.config.Timeout
	}
	waiting, cancel := context.WithTimeoutCause(ctx, limit, client.ErrTimeout)
	defer cancel()
	out := make([]arrival, len(links))
	var sending sync.WaitGroup
	for i, l := range links {
		sending.Go(func() { // owned by exchange, which waits for it
			began := time.Now()
			a, err := l.Send(waiting, m)
			out[i] = arrival{a, err, time.Since(began)}
		})
	}
	sending.Wait()
	return out, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
