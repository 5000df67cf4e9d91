package redisstore

import (
	"sync"

	"holdfast/authz"
)

// owedMax bounds what a process remembers while Redis is away. What is over it is not told one by one any more:
// all that the cache keeps of that partner is dropped with the next call.
const owedMax = 1 << 16

// debt is what the cache must still be told about one partner. The script takes each of it in any order and more than
// once, so nothing is looked up here: an operation in doubt stays in doubt, and of a balance the newest truth counts.
type debt struct {
	lost     bool       // what it keeps is not worth keeping
	doubtful []authz.ID // may run yet: end them, or cancel them before they come
	ops      []authz.ID // end them
	truth    []authz.Balance
}

func (d *debt) empty() bool { return !d.lost && d.size() == 0 }

func (d *debt) size() int { return len(d.doubtful) + len(d.ops) + len(d.truth) }

// split takes off what one call can pay.
func (d *debt) split() (part debt) {
	part.lost, d.lost = d.lost, false
	part.doubtful, d.doubtful = cut(d.doubtful, callMax)
	part.ops, d.ops = cut(d.ops, callMax-len(part.doubtful))
	part.truth, d.truth = cut(d.truth, callMax)
	return part
}

func cut[T any](s []T, most int) (head, rest []T) {
	n := min(len(s), most)
	return s[:n:n], s[n:]
}

// debts is what the cache was not told, by partner. The zero value owes nothing.
type debts struct {
	mu sync.Mutex

	partners map[authz.PartnerID]*owing
	count    int
	round    int // of flushing
}

type owing struct {
	debt
	since int // the round in which it began
}

func (d *debts) add(partner authz.PartnerID, holds []*authz.Hold, doubtful bool, truth []authz.Balance) {
	if len(holds) == 0 && len(truth) == 0 {
		return
	}
	part := debt{truth: truth}
	ops := make([]authz.ID, 0, len(holds))
	for _, hold := range holds {
		if hold.Amount > 0 { // what only read is not in flight
			ops = append(ops, hold.Op)
		}
	}
	if doubtful {
		part.doubtful = ops
	} else {
		part.ops = ops
	}
	d.putBack(partner, part)
}

// putBack owes what was not paid. When it is too much, what is owed is that all of it is lost, which needs no room. A
// hold that runs late after that is found by the sweeper.
func (d *debts) putBack(partner authz.PartnerID, part debt) {
	if part.empty() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.owing(partner)
	o.lost = o.lost || part.lost
	if d.count+part.size() > owedMax {
		d.count -= o.size()
		o.debt = debt{lost: true}
		return
	}
	d.count += part.size()
	o.doubtful = append(o.doubtful, part.doubtful...)
	o.ops = append(o.ops, part.ops...)
	o.truth = append(o.truth, part.truth...)
}

// take removes what one call can pay. More tells that this is not all.
func (d *debts) take(partner authz.PartnerID) (part debt, more bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.partners[partner]
	if o == nil {
		return debt{}, false
	}
	part = o.split()
	d.count -= part.size()
	if o.empty() {
		delete(d.partners, partner)
		return part, false
	}
	return part, true
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
		o = &owing{since: d.round}
		d.partners[partner] = o
	}
	return o
}
