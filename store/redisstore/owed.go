package redisstore

import (
	"maps"
	"sync"

	"holdfast/authz"
)

// owedMax bounds what a process remembers while Redis is away. What is over it is left to the sweeper,
// and truths that are forgotten to the journal's next refusal.
const owedMax = 1 << 16

// debt is what the cache must still be told about one partner, no more than a call takes.
type debt struct {
	doubtful []authz.ID // may run yet: end them, or cancel them before they come
	ops      []authz.ID // end them
	truth    []authz.Balance
}

// debts is what the cache was not told, by partner. The zero value owes nothing.
type debts struct {
	mu sync.Mutex

	partners map[authz.PartnerID]*owing
	count    int
}

type owing struct {
	ops   map[authz.ID]bool // doubtful
	truth map[authz.BalanceID]authz.Balance
}

func (d *debts) owes(partner authz.PartnerID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.partners[partner] != nil
}

func (d *debts) add(partner authz.PartnerID, holds []*authz.Hold, doubtful bool, truth []authz.Balance) {
	if len(holds) == 0 && len(truth) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.owing(partner)
	for _, hold := range holds {
		if hold.Amount > 0 {
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
	for _, op := range part.doubtful {
		d.addOp(o, op, true)
	}
	for _, op := range part.ops {
		d.addOp(o, op, false)
	}
	d.addTruth(o, part.truth)
	d.drop(partner, o)
}

// take removes a part that one call can pay.
func (d *debts) take(partner authz.PartnerID) (debt, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.partners[partner]
	if o == nil {
		return debt{}, false
	}
	var part debt
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
	return part, true
}

// owed lists the partners that something is owed for.
func (d *debts) owed() []authz.PartnerID {
	d.mu.Lock()
	defer d.mu.Unlock()
	var partners []authz.PartnerID
	for partner := range d.partners {
		partners = append(partners, partner)
	}
	return partners
}

func (d *debts) owing(partner authz.PartnerID) *owing {
	if d.partners == nil {
		d.partners = map[authz.PartnerID]*owing{}
	}
	o := d.partners[partner]
	if o == nil {
		o = &owing{ops: map[authz.ID]bool{}, truth: map[authz.BalanceID]authz.Balance{}}
		d.partners[partner] = o
	}
	return o
}

// addOp keeps a doubt: an operation that may come is not less doubtful because its end failed too.
func (d *debts) addOp(o *owing, op authz.ID, doubtful bool) {
	before, known := o.ops[op]
	if !known {
		if d.count >= owedMax {
			return
		}
		d.count++
	}
	o.ops[op] = before || doubtful
}

func (d *debts) addTruth(o *owing, truth []authz.Balance) {
	for _, b := range truth {
		before, known := o.truth[b.ID]
		if !known {
			if d.count >= owedMax {
				continue
			}
			d.count++
		}
		if !known || b.Version >= before.Version {
			o.truth[b.ID] = b
		}
	}
}

func (d *debts) drop(partner authz.PartnerID, o *owing) {
	if len(o.ops) == 0 && len(o.truth) == 0 {
		delete(d.partners, partner)
	}
}
