package replay

import (
	"context"
	"fmt"
	"time"
)

// settle judges a step whose answer was held, once.
func (p *player) settle(ctx context.Context, id string) error {
	held := p.held[id]
	if held == nil {
		return nil
	}
	delete(p.held, id)
	return p.judge(ctx, held)
}

// judge waits for what the step expects and reports what came of it.
func (p *player) judge(ctx context.Context, held *pending) error {
	o, s := held.outcome, held.outcome.Step
	defer held.link.forget(held.wait)
	limit := s.Within
	switch {
	case limit > 0:
	case s.expect.kind == expectSilence:
		limit = p.config.Silence
	default:
		limit = p.config.Timeout
	}
	var err error
	switch s.expect.kind {
	case expectAnswer:
		err = p.judgeAnswer(ctx, held, limit)
	case expectSilence:
		err = p.judgeSilence(ctx, held, limit)
	case expectClosed:
		err = p.judgeClosed(ctx, held, limit)
	}
	if err != nil {
		return err
	}
	for i := range o.Differences {
		d := &o.Differences[i]
		d.Line, d.Step, d.ID, d.Note = s.Line, o.Number, s.ID, s.Note
	}
	p.report.add(o)
	if p.config.Observe != nil {
		p.config.Observe(o)
	}
	return nil
}

func (p *player) judgeAnswer(ctx context.Context, held *pending, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case a := <-held.wait.arrived:
		p.answer(held, a)
		return nil
	case <-held.link.closed:
	case <-timer.C:
		held.differ("an answer", fmt.Sprintf("none within %v", limit))
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case a := <-held.wait.arrived: // it came before the end
		p.answer(held, a)
	default:
		held.differ("an answer", "the peer closed the link")
	}
	return nil
}

func (p *player) answer(held *pending, a arrival) {
	o, s := held.outcome, held.outcome.Step
	if a.err != nil {
		held.differ("an answer", "a frame that is no message of the dialect: "+a.err.Error())
		return
	}
	o.Answer, o.Latency = a.message, a.at.Sub(held.wait.sentAt)
	o.Differences = p.compare(&s.expect, held.want, a.message)
	if sign := held.link.sign; sign != nil && !a.message.MACBy(sign) {
		held.differ("a code of authentication by our key", map[bool]string{false: "none", true: "another"}[a.message.HasMAC()])
	}
	if s.ID != "" {
		p.answers[s.ID] = a.message
	}
}

func (p *player) judgeSilence(ctx context.Context, held *pending, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case a := <-held.wait.arrived:
		got := "a frame"
		if a.message != nil {
			got = "a message " + describeType(a)
		}
		held.differ("silence", got)
	case <-held.link.closed:
		held.differ("silence", "the peer closed the link")
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func describeType(a arrival) string {
	elements := a.message.Describe()
	text := elements[0].Value
	if a.message.Has(39) {
		text += " with response code " + describe(a.message, 39)
	}
	return text
}

func (p *player) judgeClosed(ctx context.Context, held *pending, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-held.link.closed:
	case <-timer.C:
		held.differ("the peer closes the link", fmt.Sprintf("open after %v", limit))
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func (held *pending) differ(want, got string) {
	held.outcome.Differences = append(held.outcome.Differences, Difference{Element: WholeAnswer, Want: want, Got: got})
}

// pace spaces messages evenly; what was held up is not made up for in a burst.
type pace struct {
	every time.Duration
	next  time.Time
}

func newPace(rate float64) *pace {
	if rate <= 0 {
		return &pace{}
	}
	return &pace{every: time.Duration(float64(time.Second) / rate)}
}

func (p *pace) wait(ctx context.Context) error {
	if p.every == 0 {
		return ctx.Err()
	}
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	err := sleep(ctx, p.next.Sub(now))
	p.next = p.next.Add(p.every)
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
