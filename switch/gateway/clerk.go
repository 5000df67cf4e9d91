package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"holdfast/authz"
)

// clerksMax bounds what is done beside the links at once. File actions and reconciliations are rare, each takes a
// transaction of the store, and the authorizations come first: what comes while all are busy is to be sent again.
const clerksMax = 8

// clerks do what needs a store and is no authorization.
type clerks struct {
	slots  chan struct{}
	ctx    context.Context // of their work; ends when close has waited enough
	cancel context.CancelFunc

	mu     sync.Mutex // guards closed against wg.Go after wg.Wait
	closed bool
	wg     sync.WaitGroup
}

func (c *clerks) open() {
	c.slots = make(chan struct{}, clerksMax)
	c.ctx, c.cancel = context.WithCancel(context.Background())
}

// start runs f as a goroutine that close waits for. It is false when all are busy, or closed.
func (c *clerks) start(f func(ctx context.Context)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	select {
	case c.slots <- struct{}{}:
	default:
		return false
	}
	c.wg.Go(func() {
		defer func() { <-c.slots }()
		f(c.ctx)
	})
	return true
}

func (c *clerks) close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	done := make(chan struct{})
	// owned by close: ends when the clerks have ended
	go func() { c.wg.Wait(); close(done) }()
	defer c.cancel()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		c.cancel()
		<-done
		return ctx.Err()
	}
}

// aside has a clerk do the work within the exchange's deadline and answers with what it says. When no clerk is free, or
// the work fails, the answer is busy.
func (e *exchange) aside(busy verdict, work func(ctx context.Context) (verdict, error)) {
	started := e.session.g.clerks.start(func(ctx context.Context) {
		ctx, cancel := context.WithDeadline(ctx, e.x.ReceivedAt().Add(e.session.place.deadline))
		defer cancel()
		v, err := e.careful(ctx, work)
		if err != nil {
			e.session.g.log.Warn("could not be done", slog.String("peer", e.session.place.peer.Name),
				slog.String("mti", e.message.MTI()), slog.Any("cause", err))
			v = busy
		}
		e.conclude(v)
	})
	if !started {
		e.conclude(busy)
	}
}

var errPanic = errors.New("internal error")

// careful runs the work; a panic in it is its error.
func (e *exchange) careful(ctx context.Context, work func(ctx context.Context) (verdict, error)) (v verdict, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errPanic
			e.session.g.log.Error("panic of a clerk", slog.String("kind", fmt.Sprintf("%T", p)),
				slog.String("stack", string(debug.Stack())))
		}
	}()
	return work(ctx)
}

// conclude answers with a verdict.
func (e *exchange) conclude(v verdict) {
	e.answer.verdict = v
	e.answer.decision = authz.Decision{}
	e.reply()
}
