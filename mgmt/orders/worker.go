package orders

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/mgmt"
)

// Worker brings orders forward. Several nodes may do so at once: of two steps on one order the second is refused.
type Worker struct {
	Store     mgmt.Store
	Processor record.Processor
}

// stepsAtOnce bounds the orders of one pass, retryAfter is when a processor that failed is asked again.
const (
	stepsAtOnce = 50
	retryAfter  = time.Minute
)

// Pass asks the processor about every order that is due, and tells how many it brought forward.
func (w *Worker) Pass(ctx context.Context, at time.Time) (moved int, err error) {
	var due []record.Order
	if err := w.Store.View(ctx, func(t mgmt.Tx) (err error) {
		due, err = t.(Tx).DueOrders(ctx, stepsAtOnce, at)
		return err
	}); err != nil {
		return 0, err
	}
	var errs []error // one order that cannot be brought forward keeps no other back
	for i := range due {
		step, err := w.Processor.Advance(ctx, due[i], at)
		if err != nil {
			step = record.Step{To: due[i].State, Again: at.Add(retryAfter)}
		}
		switch err := w.step(ctx, due[i], step, at); {
		case errors.Is(err, record.ErrVersion): // another node was faster
		case err != nil:
			errs = append(errs, err)
		case step.To != due[i].State:
			moved++
		}
	}
	return moved, errors.Join(errs...)
}

// Finish makes and delivers what was ordered at once, whatever the processor would say. It is for the sandbox.
func (w *Worker) Finish(ctx context.Context, o record.Order, at time.Time) error {
	for o.State.Open() {
		s, err := record.BuiltIn{}.Advance(ctx, o, at)
		if err == nil {
			err = w.step(ctx, o, s, at)
		}
		if err == nil {
			err = w.Store.View(ctx, func(t mgmt.Tx) (err error) {
				o, err = t.(Tx).Order(ctx, o.Partner, o.ID)
				return err
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// step writes what the processor did. The number of a physical card is made when it is to be embossed; when it cannot be
// issued any more, because its user or balance was locked meanwhile, the order is rejected with the rule's code.
func (w *Worker) step(ctx context.Context, o record.Order, s record.Step, at time.Time) error {
	err := w.Store.Update(ctx, func(t mgmt.Tx) error { return write(ctx, t.(Tx), o, s, at) })
	if code := record.Code(err); code != "" && s.To == record.OrderPersonalizing && !errors.Is(err, record.ErrVersion) {
		s = record.Step{To: record.OrderRejected, Reason: code}
		err = w.Store.Update(ctx, func(t mgmt.Tx) error { return write(ctx, t.(Tx), o, s, at) })
	}
	return err
}

func write(ctx context.Context, tx Tx, o record.Order, s record.Step, at time.Time) error {
	changed := s.To != o.State
	if s.To == record.OrderPersonalizing && o.State != s.To && o.Kind == record.OrderPhysical {
		card := record.Card{Program: o.Program, Balance: o.Balance, Kind: record.CardPhysical, HolderName: o.HolderName, OrderedBy: o.ID,
			CreatedAt: at}
		n, err := tx.NewNumber(ctx, o.Program)
		if err == nil {
			err = tx.IssueCard(ctx, &card, n)
		}
		if err != nil {
			return err
		}
		o.Card = card.ID
	}
	if err := tx.StepOrder(ctx, &o, s, at); err != nil || !changed {
		return err
	}
	return Tell(ctx, tx, &o, at)
}

// told is the body of an order's event; what goes out names a card in both ways.
type told struct {
	Order
	Resource record.UUID `json:"resourceId,omitzero"`
}

// Teller is what [Tell] needs of a transaction.
type Teller interface {
	Card(ctx context.Context, partner authz.PartnerID, id authz.CardID) (record.Card, error)
	Emit(ctx context.Context, e *record.Event) error
}

// Tell writes the event of an order's state.
func Tell(ctx context.Context, tx Teller, o *record.Order, at time.Time) error {
	t := told{Order: show(o)}
	if t.Card != 0 {
		c, err := tx.Card(ctx, o.Partner, t.Card)
		if err != nil {
			return err
		}
		t.Resource = c.PublicID
	}
	body, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return tx.Emit(ctx, &record.Event{Partner: o.Partner, Kind: record.EventOrder, Subject: "order " + o.ID.String(), Body: body,
		CreatedAt: at})
}
