// Package memholds keeps the fast view of the balances in the process: the holds of the embedded mode.
// It is a cache like any other, confirmed by the journal and rebuilt from it.
package memholds

import (
	"context"
	"hash/maphash"
	"sync"

	"holdfast/authz"
)

const shards = 64

// Holds implements [authz.Holds] in memory. The zero value is not usable; see New.
type Holds struct {
	seed   maphash.Seed
	shards [shards]shard
}

// A partner's balances live in one shard, so a batch takes one lock.
type shard struct {
	mu sync.Mutex

	balances map[authz.BalanceID]*balance
	pending  map[authz.ID]pending
}

// balance is what the journal said last, and what is held on top of it but not yet committed.
type balance struct {
	truth   int64
	version int64
	pending int64
}

type pending struct {
	balance, deposit authz.BalanceID
	amount           int64
}

var _ authz.Holds = (*Holds)(nil)

// New makes an empty cache.
func New() *Holds {
	h := &Holds{seed: maphash.MakeSeed()}
	for i := range h.shards {
		h.shards[i].balances = make(map[authz.BalanceID]*balance)
		h.shards[i].pending = make(map[authz.ID]pending)
	}
	return h
}

func (h *Holds) shard(p authz.PartnerID) *shard {
	return &h.shards[maphash.Comparable(h.seed, p)%shards]
}

// Place implements [authz.Holds]. It never fails and never waits for anything but its own lock.
func (h *Holds) Place(_ context.Context, partner authz.PartnerID, batch []*authz.Hold) error {
	s := h.shard(partner)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, hold := range batch {
		s.place(hold)
	}
	return nil
}

// place checks everything, then changes everything.
func (s *shard) place(h *authz.Hold) {
	user, ok := s.balances[h.Balance]
	if !ok {
		h.Result = authz.HoldUnknown
		return
	}
	var deposit *balance
	if h.Deposit != 0 {
		if deposit, ok = s.balances[h.Deposit]; !ok {
			h.Result = authz.HoldUnknown
			return
		}
		h.DepoWas = deposit.truth - deposit.pending
	}
	h.UserWas = user.truth - user.pending
	if _, again := s.pending[h.Op]; again {
		h.Result = authz.HoldPlaced
		return
	}
	switch {
	case h.Amount == 0: // only reads, also what is below zero
		h.Result = authz.HoldPlaced
		return
	case !h.Forced && deposit != nil && h.DepoWas < h.Amount:
		h.Result = authz.HoldDepositShort
		return
	case !h.Forced && h.UserWas < h.Amount:
		h.Result = authz.HoldFundsShort
		return
	}
	h.Result = authz.HoldPlaced
	user.pending += h.Amount
	if deposit != nil {
		deposit.pending += h.Amount
	}
	s.pending[h.Op] = pending{h.Balance, h.Deposit, h.Amount}
}

// Settle implements [authz.Holds].
func (h *Holds) Settle(_ context.Context, partner authz.PartnerID, ended []*authz.Hold, truth []authz.Balance) error {
	s := h.shard(partner)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, hold := range ended {
		p, ok := s.pending[hold.Op]
		if !ok {
			continue
		}
		delete(s.pending, hold.Op)
		s.balances[p.balance].pending -= p.amount
		if p.deposit != 0 {
			s.balances[p.deposit].pending -= p.amount
		}
	}
	for _, t := range truth {
		b, ok := s.balances[t.ID]
		if !ok {
			b = &balance{}
			s.balances[t.ID] = b
		}
		if t.Version >= b.version {
			b.truth, b.version = t.Available, t.Version
		}
	}
	return nil
}

// Refresh implements [authz.Holds].
func (h *Holds) Refresh(_ context.Context, partner authz.PartnerID, truth []authz.Balance) error {
	s := h.shard(partner)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range truth {
		b := &balance{truth: t.Available, version: t.Version}
		for _, p := range s.pending {
			if p.balance == t.ID || p.deposit == t.ID {
				b.pending += p.amount
			}
		}
		s.balances[t.ID] = b
	}
	return nil
}

// Flush forgets everything but what is pending, as a cache may at any moment.
func (h *Holds) Flush() {
	for i := range h.shards {
		s := &h.shards[i]
		s.mu.Lock()
		for id, b := range s.balances {
			if b.pending == 0 {
				delete(s.balances, id)
			}
		}
		s.mu.Unlock()
	}
}
