package mgmt

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"regexp"
	"sync"

	"holdfast/authz/record"
	"holdfast/mgmt/problem"
)

const headerReuse = "X-Idempotency-Key"

var reuseForm = regexp.MustCompile(`\A[A-Za-z0-9_-]{8,64}\z`)

// flights are the idempotency keys that this process is working on. Requests on other nodes are kept apart by
// the unique key of the store.
type flights struct {
	mu     sync.Mutex
	active map[string]bool
}

func (f *flights) begin(r *record.Stored) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.active[r.Identity+" "+r.Key] {
		return false
	}
	f.active[r.Identity+" "+r.Key] = true
	return true
}

func (f *flights) end(r *record.Stored) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.active, r.Identity+" "+r.Key)
}

// once is the claim of a request's idempotency key; nil when there is none. The body is hashed in clear: each
// encryption of it differs. The key is the caller's own text: it is kept as a keyed hash, since a caller may take a token
// or a card number for it.
func (d *Door) once(b *Bound, c *Call, r *http.Request, body []byte) (*record.Stored, error) {
	values := r.Header.Values(headerReuse)
	switch {
	case len(values) == 0 || !b.idempotent():
		return nil, nil
	case len(values) > 1 || !reuseForm.MatchString(values[0]):
		return nil, problem.New(problem.Validation,
			problem.Field{In: "header", Pointer: headerReuse, Rule: "must be 8 to 64 letters, digits, - or _"})
	}
	parts := [][]byte{[]byte(r.URL.Path), []byte(r.URL.RawQuery), body}
	left, right := d.keys.Keyed("idempotent request", parts...), d.keys.Keyed("idempotent request, more", parts...)
	key := d.keys.Keyed("idempotency key", []byte(values[0]))
	return &record.Stored{Identity: c.Name + " " + b.Method + " " + b.Path, Key: hex.EncodeToString(key[:]),
		RequestHash: append(left[:], right[:]...), CreatedAt: c.At, ExpiresAt: c.At.Add(record.IdempotencyTime)}, nil
}

// write runs a handler that changes something: the claim of its idempotency key, its effect, the audit record and
// the kept answer are one transaction.
func (d *Door) write(ctx context.Context, b *Bound, c *Call, in reflect.Value, r *http.Request, body []byte) (a answer, err error) {
	claim, err := d.once(b, c, r, body)
	if err != nil {
		return a, err
	}
	if claim != nil {
		if !d.flights.begin(claim) {
			return a, problem.New(problem.KeyInFlight)
		}
		defer d.flights.end(claim)
		if b.prepared {
			if old, err := d.replayed(ctx, claim); err != nil || old != nil {
				return replay(old), err
			}
		}
	}
	run, err := b.run(ctx, c, in)
	if err != nil {
		return a, err
	}
	var refusal error
	var old *record.Stored
	err = d.store.Update(ctx, func(tx Tx) (err error) {
		defer catch(&err)
		c.tx, c.after, refusal, old = tx, nil, nil, nil // a store may run this more than once
		if claim != nil {
			if old, err = tx.BeginOnce(ctx, claim); err != nil {
				return err
			}
			if old != nil {
				return again(ctx, b, c, old)
			}
		}
		if a, refusal, err = d.effect(ctx, b, c, run, r); err != nil || claim == nil {
			return err
		}
		return tx.EndOnce(ctx, kept(claim, a))
	})
	switch {
	case err == nil && old != nil:
		return replay(old), nil
	case err == nil:
		for _, f := range c.after {
			if late := f(); late != nil {
				d.log.Warn("finish what was done", slog.String("request", c.ID), slog.Any("cause", late))
				return a, problem.New(problem.OutcomeUnknown)
			}
		}
		return a, refusal
	}
	return a, d.keepRefusal(ctx, c, claim, err)
}

func kept(claim *record.Stored, a answer) *record.Stored {
	s := *claim
	s.Done, s.Status, s.MediaType, s.Body = true, int64(a.status), a.kind, a.body
	return &s
}

// replay is a kept answer; nothing when there is none.
func replay(s *record.Stored) answer {
	if s == nil {
		return answer{}
	}
	return answer{status: int(s.Status), kind: s.MediaType, body: s.Body}
}

// errUnclaimed takes a claim back that was made only to look.
var errUnclaimed = errors.New("no answer is kept")

// replayed looks for a kept answer before slow work is done.
func (d *Door) replayed(ctx context.Context, claim *record.Stored) (old *record.Stored, err error) {
	err = d.store.Update(ctx, func(tx Tx) (err error) {
		if old, err = tx.BeginOnce(ctx, claim); err == nil && old == nil {
			err = errUnclaimed
		}
		return err
	})
	if errors.Is(err, errUnclaimed) {
		return nil, nil
	}
	return old, err
}

// again is the audit of a kept answer that is given once more. It changes nothing, but may be a card's full data, and every
// reading of those is written down.
func again(ctx context.Context, b *Bound, c *Call, old *record.Stored) error {
	if !b.JWE || old.Status >= http.StatusBadRequest {
		return nil
	}
	return c.tx.Audit(ctx, c.trail(b, "REPEATED"))
}

// trail is the audit record of a call.
func (c *Call) trail(b *Bound, outcome string) *record.Audit {
	return &record.Audit{Chain: c.Partner, At: c.At, Actor: c.Name, Channel: string(b.Channel), Action: b.Audit,
		Object: c.object[:min(len(c.object), objectMax)], Outcome: outcome, Detail: c.Detail, Request: c.ID}
}

// effect runs the handler and writes the audit record. A refusal is one whose changes stay.
func (d *Door) effect(ctx context.Context, b *Bound, c *Call, run stage, r *http.Request) (a answer, refusal, err error) {
	out, err := run(ctx)
	outcome := "OK"
	if k, ok := errors.AsType[keeping](err); ok {
		p := problem.Of(k.error)
		refusal, outcome = p, string(p.Code)
		a = refused(c, p)
	} else if err != nil {
		return a, nil, err
	} else if a, err = encode(b, out, r); err != nil {
		return a, nil, err
	}
	return a, refusal, c.tx.Audit(ctx, c.trail(b, outcome))
}

// objectMax is how much of an object's name the audit takes.
const objectMax = 100

// keepRefusal keeps a refusal of the domain for the repeats of its request: nothing was changed, so a transaction
// of its own is soon enough. The refusal is the answer whether or not it could be kept.
func (d *Door) keepRefusal(ctx context.Context, c *Call, claim *record.Stored, err error) error {
	p := problem.Of(err)
	if claim == nil || p.Status != http.StatusNotFound && p.Status != http.StatusConflict && p.Status != http.StatusUnprocessableEntity ||
		p.Code == problem.KeyReused || p.Code == problem.KeyInFlight {
		return err
	}
	_ = d.store.Update(ctx, func(tx Tx) error {
		if old, err := tx.BeginOnce(ctx, claim); err != nil || old != nil {
			return err
		}
		return tx.EndOnce(ctx, kept(claim, refused(c, p)))
	})
	return p
}

func refused(c *Call, p *problem.Problem) answer {
	p.RequestID = c.ID
	return answer{status: p.Status, kind: problem.ContentType, body: p.Text()}
}
