package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"holdfast/authz"
)

const (
	// AmountMax is the largest amount that is kept, in minor units: the largest integer that a number of Lua holds exactly.
	AmountMax = 1<<53 - 1
	// callMax is how many holds, ends of holds, or balances one call takes: what Lua can unpack at once is 8,000
	// values, and of each hold it may write the balance and the deposit.
	callMax = 500
)

var errAmount = errors.New("negative amount")

// Place implements [authz.Holds]. It takes no longer than the timeout. The same call ends and teaches what
// [Holds.Settle] was given before. An amount above 2^53-1 is short of funds; when it is forced it is placed without
// being kept, and the journal tells of it.
func (h *Holds) Place(ctx context.Context, partner authz.PartnerID, batch []*authz.Hold) error {
	for _, hold := range batch {
		if hold.Amount < 0 {
			return fmt.Errorf("place holds: %w: %w", authz.ErrUnavailable, errAmount)
		}
	}
	for done := 0; done < len(batch); {
		part := batch[done:min(done+callMax, len(batch))]
		d, more := h.owed.take(partner)
		if more {
			part = nil
		}
		if err := h.step(ctx, partner, d, part); err != nil {
			// None may be relied on, also of the parts before.
			h.owed.add(partner, batch[:done], false, nil)
			return fmt.Errorf("place holds: %w", err)
		}
		done += len(part)
	}
	return nil
}

// step pays a debt and places holds in one call. What it could not do is owed.
func (h *Holds) step(ctx context.Context, partner authz.PartnerID, d debt, batch []*authz.Hold) error {
	reply, err := h.call(ctx, stepScript, partner, h.encode(d, batch))
	if err == nil {
		err = read(reply, batch)
	}
	if err == nil {
		return nil
	}
	h.owed.putBack(partner, d)
	if errors.Is(err, authz.ErrUnknown) {
		h.owed.add(partner, batch, true, nil)
	}
	return err
}

func (h *Holds) encode(d debt, batch []*authz.Hold) *encoder {
	ids, users, deposits := number(batch)
	e := newEncoder(7 + len(d.doubtful) + len(d.ops) + 5*len(d.truth) + 2*len(ids) + 5*len(batch))
	e.text(h.generation)
	e.flag(d.lost)
	for _, n := range [...]int{len(d.doubtful) + len(d.ops), len(d.doubtful), len(d.truth), len(ids), len(batch)} {
		e.number(int64(n))
	}
	for _, ops := range [...][]authz.ID{d.doubtful, d.ops} {
		for _, op := range ops {
			e.number(int64(op))
		}
	}
	for _, hold := range batch {
		e.number(int64(hold.Op))
	}
	for _, b := range d.truth {
		e.field('v', b.ID)
	}
	for _, id := range ids {
		e.field('t', id)
		e.field('p', id)
	}
	for _, b := range d.truth {
		e.field('v', b.ID)
		e.number(b.Version)
		e.field('t', b.ID)
		e.number(bounded(b.Available))
	}
	for _, hold := range batch {
		if hold.Forced && hold.Amount > AmountMax {
			e.number(0)
			continue
		}
		e.number(hold.Amount)
	}
	for _, column := range [...][]int64{users, deposits} {
		for _, index := range column {
			e.number(index)
		}
	}
	for _, hold := range batch {
		e.record(hold)
	}
	return e
}

// number lists the balances of a batch, and for each hold the places of its two in the list as Lua counts, from 1:
// that of the user negative when it is forced, that of the deposit 0 when there is none.
func number(batch []*authz.Hold) (ids []authz.BalanceID, users, deposits []int64) {
	index := make(map[authz.BalanceID]int64, len(batch)+1)
	place := func(id authz.BalanceID) int64 {
		if _, ok := index[id]; !ok {
			ids = append(ids, id)
			index[id] = int64(len(ids))
		}
		return index[id]
	}
	users, deposits = make([]int64, len(batch)), make([]int64, len(batch))
	for i, hold := range batch {
		users[i] = place(hold.Balance)
		if hold.Forced {
			users[i] = -users[i]
		}
		if hold.Deposit != 0 {
			deposits[i] = place(hold.Deposit)
		}
	}
	return ids, users, deposits
}

// read takes the script's answer. One that is not what the script returns comes from something else than
// our script, so nothing is known.
func read(reply []int64, batch []*authz.Hold) error {
	if len(reply) != 3*len(batch) {
		return fmt.Errorf("read the results: %w: %d numbers for %d holds", authz.ErrUnknown, len(reply), len(batch))
	}
	for i, hold := range batch {
		result := reply[3*i]
		if result < int64(authz.HoldPlaced) || result > int64(authz.HoldFundsShort) {
			return fmt.Errorf("read the results: %w: result %d", authz.ErrUnknown, result)
		}
		hold.Result = authz.HoldResult(result)
		hold.UserWas, hold.DepoWas = reply[3*i+1], reply[3*i+2]
	}
	return nil
}

// Settle implements [authz.Holds]. It makes no call and never fails: Redis is told with the next call for the
// partner, or soon when none comes. Until then the holds are pending on the old truth there, which is as much.
func (h *Holds) Settle(_ context.Context, partner authz.PartnerID, ended []*authz.Hold, truth []authz.Balance) error {
	h.owed.add(partner, ended, false, truth)
	return nil
}

// flushEvery is how often those are told of whose partner had no call meanwhile. Others need not wait for it:
// what they see is right, only more of it is pending.
const flushEvery = 100 * time.Millisecond

// flushSome is how many partners are told at once.
const flushSome = 64

// flushAll tells what has been owed for a while, until the store closes.
func (h *Holds) flushAll() {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-h.closing.Done():
			return
		case <-tick.C:
			_ = h.flush(h.closing, false) // it stays owed
		}
	}
}

// flush pays what is owed, of all or of those that had no call for a while. The errors are of those that stay owed.
func (h *Holds) flush(ctx context.Context, all bool) error {
	type payment struct {
		partner authz.PartnerID
		debt    debt
		call    *call
	}
	var errs []error
	for some := range slices.Chunk(h.owed.begin(all), flushSome) {
		if ctx.Err() != nil {
			return errors.Join(append(errs, ctx.Err())...)
		}
		var sent []payment
		failed := func(p payment, err error) {
			h.owed.putBack(p.partner, p.debt)
			errs = append(errs, fmt.Errorf("pay partner %d: %w", p.partner, err))
		}
		for _, partner := range some {
			for more := true; more; {
				p := payment{partner: partner}
				if p.debt, more = h.owed.take(partner); p.debt.empty() {
					break
				}
				var err error
				if p.call, err = h.begin(ctx, stepScript, partner, h.encode(p.debt, nil)); err != nil {
					failed(p, err)
					break
				}
				sent = append(sent, p)
			}
		}
		for _, p := range sent {
			if _, err := h.result(ctx, p.call); err != nil {
				failed(p, err)
			}
		}
	}
	return errors.Join(errs...)
}

// Refresh has the cache forget what it knows about these balances and take the truth, even when it is older
// by its version, and counts what is pending again. It mends what Settle does not: a version that
// the journal never had (a journal restored from a backup, a damaged field), an amount that nobody gives back.
func (h *Holds) Refresh(ctx context.Context, partner authz.PartnerID, truth []authz.Balance) error {
	for more := true; more; { // what has ended must not be counted again
		var d debt
		if d, more = h.owed.take(partner); d.empty() {
			break
		}
		if err := h.step(ctx, partner, d, nil); err != nil {
			return fmt.Errorf("refresh balances: %w", err)
		}
	}
	for part := range slices.Chunk(truth, callMax) {
		e := newEncoder(2 + 3*len(part))
		e.text(h.generation)
		e.number(int64(len(part)))
		for _, b := range part {
			e.number(int64(b.ID))
		}
		for _, b := range part {
			e.number(b.Version)
		}
		for _, b := range part {
			e.number(bounded(b.Available))
		}
		if _, err := h.call(ctx, refreshScript, partner, e); err != nil {
			return fmt.Errorf("refresh balances: %w", err)
		}
	}
	return nil
}

// bounded keeps an amount where it is exact: a cache that knows less than there is stays on the safe side.
func bounded(amount int64) int64 { return max(-AmountMax, min(amount, AmountMax)) }
