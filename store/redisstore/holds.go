package redisstore

import (
	"context"
	"errors"
	"fmt"

	"holdfast/authz"
)

const (
	// amountMax is the largest integer that a number of Lua holds exactly.
	amountMax = 1<<53 - 1
	// callMax is how many holds or balances one script call takes: what Lua can unpack at once is 8,000.
	callMax = 1000
)

var errAmount = errors.New("negative amount")

// Place implements [authz.Holds]. It takes no longer than the timeout. An amount above 2^53-1 is short of
// funds; when it is forced it is placed without being kept, and the journal tells of it.
func (h *Holds) Place(ctx context.Context, partner authz.PartnerID, batch []*authz.Hold) error {
	for _, hold := range batch {
		if hold.Amount < 0 {
			return fmt.Errorf("place holds: %w: %w", authz.ErrUnavailable, errAmount)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	if err := h.pay(ctx, partner); err != nil {
		return fmt.Errorf("place holds: settle what is owed: %w: %w", authz.ErrUnavailable, err)
	}
	for done := 0; done < len(batch); done += callMax {
		part := batch[done:min(done+callMax, len(batch))]
		if err := h.place(ctx, partner, part); err != nil {
			if errors.Is(err, authz.ErrUnknown) {
				h.owed.add(partner, part, true, nil)
			}
			// None may be relied on, also of the parts before.
			h.owed.add(partner, batch[:done], false, nil)
			return fmt.Errorf("place holds: %w", err)
		}
	}
	return nil
}

func (h *Holds) place(ctx context.Context, partner authz.PartnerID, batch []*authz.Hold) error {
	index := make(map[authz.BalanceID]int64, len(batch)+1)
	var ids []authz.BalanceID
	number := func(id authz.BalanceID) int64 {
		if _, ok := index[id]; !ok {
			ids = append(ids, id)
			index[id] = int64(len(ids)) // Lua counts from 1
		}
		return index[id]
	}
	users, deposits := make([]int64, len(batch)), make([]int64, len(batch))
	for i, hold := range batch {
		users[i] = number(hold.Balance)
		if hold.Forced {
			users[i] = -users[i]
		}
		if hold.Deposit != 0 {
			deposits[i] = number(hold.Deposit)
		}
	}
	e := newEncoder(3 + 2*len(ids) + 5*len(batch))
	e.number(int64(len(ids)))
	e.number(int64(len(batch)))
	for _, id := range ids {
		e.field('t', id)
		e.field('p', id)
	}
	for _, hold := range batch {
		e.number(int64(hold.Op))
	}
	for _, hold := range batch {
		if hold.Forced && hold.Amount > amountMax {
			e.number(0)
			continue
		}
		e.number(hold.Amount)
	}
	for _, user := range users {
		e.number(user)
	}
	for _, deposit := range deposits {
		e.number(deposit)
	}
	for _, hold := range batch {
		e.record(hold)
	}
	reply, err := h.call(ctx, placeScript, partner, e).Int64Slice()
	if err != nil {
		return err
	}
	return read(reply, batch)
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

// Settle implements [authz.Holds]. What could not be settled is owed, and settled before the next call for
// the partner; the caller need not come again.
func (h *Holds) Settle(ctx context.Context, partner authz.PartnerID, ended []*authz.Hold, truth []authz.Balance) error {
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	if !h.owed.owes(partner) && len(ended) <= callMax && len(truth) <= callMax {
		err := h.settle(ctx, partner, debt{ops: opsOf(ended), truth: truth})
		if err != nil {
			h.owed.add(partner, ended, false, truth)
			return fmt.Errorf("settle holds: %w", err)
		}
		return nil
	}
	h.owed.add(partner, ended, false, truth)
	if err := h.pay(ctx, partner); err != nil {
		return fmt.Errorf("settle holds: %w", err)
	}
	return nil
}

func opsOf(holds []*authz.Hold) []authz.ID {
	ops := make([]authz.ID, 0, len(holds))
	for _, hold := range holds {
		if hold.Amount > 0 { // what only read is not in flight
			ops = append(ops, hold.Op)
		}
	}
	return ops
}

// pay settles what is owed for a partner, in parts. What fails stays owed.
func (h *Holds) pay(ctx context.Context, partner authz.PartnerID) error {
	for {
		d, ok := h.owed.take(partner)
		if !ok {
			return nil
		}
		if err := h.settle(ctx, partner, d); err != nil {
			h.owed.putBack(partner, d)
			return err
		}
	}
}

// settle sends one debt, which is no larger than a call.
func (h *Holds) settle(ctx context.Context, partner authz.PartnerID, d debt) error {
	e := newEncoder(5 + len(d.doubtful) + len(d.ops) + 5*len(d.truth))
	e.text(h.generation)
	e.number(int64(len(d.doubtful) + len(d.ops)))
	e.number(int64(len(d.doubtful)))
	e.number(int64(len(d.truth)))
	for _, op := range d.doubtful {
		e.number(int64(op))
	}
	for _, op := range d.ops {
		e.number(int64(op))
	}
	for _, b := range d.truth {
		e.field('v', b.ID)
	}
	for _, b := range d.truth {
		e.field('v', b.ID)
		e.number(b.Version)
		e.field('t', b.ID)
		e.number(bounded(b.Available))
	}
	return h.call(ctx, settleScript, partner, e).Err()
}

// Refresh has the cache forget what it knows about these balances and take the truth, even when it is older
// by its version, and counts what is pending again. It mends what Settle does not: a version that
// the journal never had (a journal restored from a backup, a damaged field), an amount that nobody gives back.
func (h *Holds) Refresh(ctx context.Context, partner authz.PartnerID, truth []authz.Balance) error {
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	for len(truth) > 0 {
		part := truth[:min(callMax, len(truth))]
		truth = truth[len(part):]
		e := newEncoder(3 + 3*len(part))
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
		if err := h.call(ctx, refreshScript, partner, e).Err(); err != nil {
			return fmt.Errorf("refresh balances: %w", err)
		}
	}
	return nil
}

// bounded keeps an amount where it is exact: a cache that knows less than there is stays on the safe side.
func bounded(amount int64) int64 { return max(-amountMax, min(amount, amountMax)) }
