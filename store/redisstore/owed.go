package redisstore

import (
	"maps"
	"sync"

	"holdfast/authz"
)

// owedMax bounds what a process remembers while Redis is away. What is over it is not told one by one any more:
// all that the cache keeps of that partner is dropped with the next call.
const owedMax = 1 << 16

// debt is what the cache must still be told about one partner, no more than a call takes.
type debt struct {
	lost     bool       // what it keeps is not worth keeping
	doubtful []authz.ID // may run yet: end them, or cancel them before they come
	ops      []authz.ID // end them
	truth    []authz.Balance
}

func (d debt) empty() bool {
	return !d.lost && len(d.doubtful)+len(d.ops)+len(d.truth) == 0
}

// debts is what the cache was not told, by partner. The zero value owes nothing.
type debts struct {
	mu sync.Mutex

	partners map[authz.PartnerID]*owing
	count    int
	round    int // of flushing
}

type owing struct {
	lost  bool
	ops   map[authz.ID]bool // doubtful
	truth map[authz.BalanceID]authz.Balance
	since int // the round in which it began
}

func (d *debts) add(partner authz.PartnerID, holds []*authz.Hold, doubtful bool, truth []authz.Balance) {
	if len(holds) == 0 && len(truth) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.owing(partner)
	for _, hold := range holds {
		if hold.Amount > 0 { // what only read is not in flight
			d.addOp(o, hold.Op, doubtful)
		}
	}
	d.addTruth(o, truth)
	d.drop(partner, o)
}

func (d *debts) putBack(partner authz.PartnerID, part debt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.owing(partner)
	o.lost = o.lost || part.lost
	for _, op := range part.doubtful {
		d.addOp(o, op, true)
	}
	for _, op := range part.ops {
		d.addOp(o, op, false)
	}
	d.addTruth(o, part.truth)
	d.drop(partner, o)
}

// take removes what one call can pay. More tells that this is not all.
func (d *debts) take(partner authz.PartnerID) (part debt, more bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.partners[partner]
	if o == nil {
		return debt{}, false
	}
	part.lost, o.lost = o.lost, false
	for op, doubtful := range o.ops {
		if len(part.doubtful)+len(part.ops) == callMax {
			break
		}
		if doubtful {
			part.doubtful = append(part.doubtful, op)
		} else {
			part.ops = append(part.ops, op)
		}
		delete(o.ops, op)
		d.count--
	}
	for b := range maps.Values(o.truth) {
		if len(part.truth) == callMax {
			break
		}
		part.truth = append(part.truth, b)
		delete(o.truth, b.ID)
		d.count--
	}
	d.drop(partner, o)
	return part, d.partners[partner] != nil
}

// begin starts a round of flushing. It lists the partners for which something has been owed since the round before
// the last, or when all are asked for, since any time.
func (d *debts) begin(all bool) []authz.PartnerID {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.round++
	var partners []authz.PartnerID
	for partner, o := range d.partners {
		if all || o.since < d.round-1 {
			partners = append(partners, partner)
		}
	}
	return partners
}

func (d *debts) owing(partner authz.PartnerID) *owing {
	if d.partners == nil {
		d.partners = map[authz.PartnerID]*owing{}
	}
	o := d.partners[partner]
	if o == nil {
		o = &owing{ops: map[authz.ID]bool{}, truth: map[authz.BalanceID]authz.Balance{}, since: d.round}
		d.partners[partner] = o
	}
	return o
}

// addOp keeps a doubt: an operation that may come is not less doubtful because its end failed too.
func (d *debts) addOp(o *owing, op authz.ID, doubtful bool) {
	before, known := o.ops[op]
	if known || d.room(o) {
		o.ops[op] = before || doubtful
	}
}

func (d *debts) addTruth(o *owing, truth []authz.Balance) {
	for _, b := range truth {
		before, known := o.truth[b.ID]
		if known && b.Version < before.Version {
			continue
		}
		if known || d.room(o) {
			o.truth[b.ID] = b
		}
	}
}

// room counts one more, unless there are too many: then what is owed is that all of it is lost, which needs no room.
// A hold that runs late after that is found by the sweeper.
func (d *debts) room(o *owing) bool {
	if d.count < owedMax {
		d.count++
		return true
	}
	d.count -= len(o.ops) + len(o.truth)
	clear(o.ops)
	clear(o.truth)
	o.lost = true
	return false
}

func (d *debts) drop(partner authz.PartnerID, o *owing) {
	if len(o.ops) == 0 && len(o.truth) == 0 && !o.lost {
		delete(d.partners, partner)
	}
}
