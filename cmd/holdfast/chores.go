package main

import (
	"context"
	"crypto/x509"
	"log/slog"
	"os"
	"sync"
	"time"

	"holdfast/authz/record"
	"holdfast/mgmt"
	"holdfast/mgmt/cards"
	"holdfast/mgmt/orders"
	"holdfast/mgmt/webhooks"
	"holdfast/store/records"
)

// webhooksConfig is how events go out.
type webhooksConfig struct {
	Authorities string `yaml:"authorities"` // PEM file of those whose certificates receivers may have; the system's when empty
	Private     bool   `yaml:"private"`     // also send to addresses of our own networks
}

// sender makes the sender of the configuration.
func (c *webhooksConfig) sender() (*webhooks.HTTP, error) {
	var roots *x509.CertPool
	if c.Authorities != "" {
		text, err := os.ReadFile(c.Authorities)
		if err != nil {
			return nil, usagef("management.webhooks.authorities: %v", err)
		}
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(text) {
			return nil, usagef("management.webhooks.authorities has no certificate in PEM")
		}
	}
	return webhooks.NewHTTP(roots, c.Private), nil
}

// ordersConfig is how fast the built-in processor makes plastic.
type ordersConfig struct {
	Personalize time.Duration `yaml:"personalize"` // 48 h when it is left out, a second in the sandbox
	Deliver     time.Duration `yaml:"deliver"`
}

func (c *ordersConfig) check() error {
	if c.Personalize < 0 || c.Deliver < 0 || c.Personalize > 365*24*time.Hour || c.Deliver > 365*24*time.Hour {
		return usagef("management.orders wants times of at most a year")
	}
	return nil
}

func (c *ordersConfig) processor(sandbox bool) record.BuiltIn {
	p := record.BuiltIn{After: c.Personalize, Delivery: c.Deliver}
	switch {
	case p.After == 0 && sandbox:
		p.After = time.Second
	case p.After == 0:
		p.After = record.PersonalizeUsual
	}
	return p
}

// chore is work that is done again and again: a pass tells how much it did, and is repeated at once while there was some.
type chore struct {
	name  string
	every time.Duration
	pass  func(ctx context.Context, now time.Time) (done int, err error)
}

// How soon work is noticed. A store that is away is asked again after choreAgain.
const (
	cardsEvery   = 200 * time.Millisecond
	ordersEvery  = 500 * time.Millisecond
	followEvery  = 200 * time.Millisecond
	lateEvery    = 5 * time.Second
	listEvery    = 200 * time.Millisecond
	deliverEvery = 200 * time.Millisecond
	clockEvery   = time.Second
	lowEvery     = time.Second
	expiredEvery = time.Minute
	choreAgain   = 2 * time.Second
)

// listAtOnce bounds the rows of one transaction, and with it how long others wait for it.
const listAtOnce = 2000

func (c *chore) run(ctx context.Context, now func() time.Time, log *slog.Logger) {
	for ctx.Err() == nil {
		done, err := c.pass(ctx, now())
		wait := c.every
		switch {
		case err != nil:
			if ctx.Err() == nil {
				log.Warn("do a chore", slog.String("chore", c.name), slog.Any("cause", err))
			}
			wait = choreAgain
		case done > 0:
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// chores are the workers of the management API. The closer lets go of what they hold.
func (n *node) chores(c *managementConfig, books mgmt.Store) (list []chore, close func(), err error) {
	out, err := c.Webhooks.sender()
	if err != nil {
		return nil, nil, err
	}
	senders := map[record.EndpointKind]webhooks.Sender{record.EndpointWebhook: out, record.EndpointThin: out}
	post, err := c.Mail.sender()
	if err != nil {
		return nil, nil, err
	}
	if post != nil {
		senders[record.EndpointEmail] = post
	}
	w := &webhooks.Worker{Store: books, Senders: senders}
	late := time.Time{}
	list = []chore{
		{"make cards", cardsEvery, func(ctx context.Context, now time.Time) (int, error) { return cards.Make(ctx, books, now) }},
		{"tell of locks", followEvery, func(ctx context.Context, now time.Time) (int, error) { return cards.Tell(ctx, books, now) }},
		{"follow orders", ordersEvery, n.orderWorker(c, books).Pass},
		{"follow the journal", followEvery, func(ctx context.Context, now time.Time) (int, error) {
			look := now.Sub(late) >= lateEvery
			if look {
				late = now
			}
			return w.Follow(ctx, now, look)
		}},
		{"list the journal", listEvery, func(ctx context.Context, now time.Time) (int, error) {
			return 0, books.Update(ctx, func(t mgmt.Tx) error { // in no hurry: the journal's own writers come first
				_, err := t.(*records.Tx).ListRows(ctx, listAtOnce, now)
				return err
			})
		}},
		{"deliver events", deliverEvery, w.Deliver},
		{"look for low balances", lowEvery, func(ctx context.Context, now time.Time) (int, error) {
			return 0, books.Update(ctx, func(t mgmt.Tx) error { return t.(*records.Tx).SweepThresholds(ctx, now) })
		}},
		{"throw away what has expired", expiredEvery, func(ctx context.Context, now time.Time) (int, error) {
			return 0, books.Update(ctx, func(t mgmt.Tx) error {
				_, err := t.(*records.Tx).SweepExpired(ctx, now)
				return err
			})
		}},
	}
	if c.Sandbox {
		list = append(list, chore{"read the clock", clockEvery, func(ctx context.Context, _ time.Time) (int, error) {
			return 0, n.readClock(ctx)
		}})
	}
	return list, out.Close, nil
}

func (n *node) orderWorker(c *managementConfig, books mgmt.Store) *orders.Worker {
	return &orders.Worker{Store: books, Processor: c.Orders.processor(c.Sandbox)}
}

// readClock takes over how far another node has moved the sandbox's clock.
func (n *node) readClock(ctx context.Context) error {
	return records.Read(ctx, n.store, n.keys, func(tx *records.Tx) error {
		ahead, err := tx.ClockAhead(ctx)
		if err == nil {
			n.clock.set(ahead)
		}
		return err
	})
}

// work does the chores until ctx ends.
func (m *management) work(ctx context.Context, now func() time.Time) {
	var wg sync.WaitGroup
	for i := range m.chores {
		wg.Go(func() { m.chores[i].run(ctx, now, m.log) })
	}
	wg.Wait()
	if m.release != nil {
		m.release()
	}
}
