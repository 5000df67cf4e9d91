package pgstore

import (
	"errors"

	"holdfast/authz"
	"holdfast/store/arbiter"
)

// splitMin is how many entries are worth a transaction beside that of the others of their group.
const splitMin = 24

// guessed is the part of the group that the arbiter can decide on a guess, and that guess, or nil. What it cannot
// decide is left to the locked way with all entries of the same card, so that messages of a card keep their order;
// those of different cards have none.
func (s *Store) guessed(c *columns, group []*job, decided decisions) ([]*job, *guess) {
	odd := c.suspects.among(group)
	for range 2 {
		plain, entries, all := part(group, odd)
		if entries < all && entries < s.splitMin {
			return nil, nil
		}
		g := newGuess(c)
		unread, err := g.decide(plain)
		if err == nil && unread == nil {
			return plain, g
		}
		decided.restore(group)
		if err != nil {
			return nil, nil
		}
		for id := range unread {
			odd[id] = struct{}{}
		}
	}
	return nil, nil
}

// decide has the arbiter decide each entry, and returns the cards of those that it wants to read more about.
func (g *guess) decide(group []*job) (unread map[authz.CardID]struct{}, err error) {
	g.begin(group)
	a := arbiter.New(g)
	for _, j := range group {
		for i := range j.left {
			switch err := a.Decide(j.left[i : i+1]); {
			case errors.Is(err, errUnread):
				if unread == nil {
					unread = make(map[authz.CardID]struct{})
				}
				unread[cardOf(j.left[i])] = struct{}{}
			case err != nil:
				return nil, err
			}
		}
	}
	if len(unread) > 0 {
		return unread, nil // what is in the arbiter's book may be half of something
	}
	return nil, a.Flush()
}

// cardOf is 0 for all entries without a card.
func cardOf(e *authz.Entry) authz.CardID {
	if e.Card == nil {
		return 0
	}
	return e.Card.ID
}

// part is the group without the entries of some cards, how many are in it, and of how many.
func part(group []*job, odd map[authz.CardID]struct{}) (plain []*job, entries, all int) {
	for _, j := range group {
		all += len(j.left)
	}
	if len(odd) == 0 {
		return group, all, all
	}
	for _, j := range group {
		p := &job{}
		for _, e := range j.left {
			if _, is := odd[cardOf(e)]; !is {
				p.left = append(p.left, e)
			}
		}
		entries += len(p.left)
		plain = append(plain, p)
	}
	return plain, entries, all
}

// without returns the entries that are not among done, which is in the same order.
func without(entries, done []*authz.Entry) (left []*authz.Entry) {
	if len(entries) == len(done) {
		return nil
	}
	for _, e := range entries {
		if len(done) > 0 && done[0] == e {
			done = done[1:]
			continue
		}
		left = append(left, e)
	}
	return left
}

// newest adds what a second transaction taught.
func newest(first, second authz.Truth) authz.Truth {
	if len(first.Balances) == 0 {
		return second
	}
	later := make(map[authz.BalanceID]bool, len(second.Balances))
	for _, b := range second.Balances {
		later[b.ID] = true
	}
	for _, b := range first.Balances {
		if !later[b.ID] {
			second.Balances = append(second.Balances, b)
		}
	}
	return second
}

// suspects are what a guess would be wrong about: cards with a balance that was forced below zero, and marked cards where
// it does not look for what came before. A committer learns them when it has read them, and forgets those that have
// become ordinary. Of cards with limits, about which a guess knows too little, the snapshots tell.
type suspects struct {
	forced map[authz.CardID]struct{}
	marked map[authz.BalanceID]struct{} // of one card at least; a balance tells of them together
}

// suspectsMax bounds each kind. What is not remembered costs a refused guess.
const suspectsMax = 1 << 16

func (s *suspects) among(group []*job) map[authz.CardID]struct{} {
	odd := make(map[authz.CardID]struct{})
	for _, j := range group {
		for _, e := range j.left {
			if _, is := s.forced[cardOf(e)]; is || e.Card != nil && e.Card.Limited {
				odd[cardOf(e)] = struct{}{}
			}
		}
	}
	return odd
}

func (s *suspects) learn(t *tables, group []*job) {
	for _, j := range group {
		for _, e := range j.left {
			if c := e.Card; c != nil {
				remember(&s.forced, c.ID, t.accounts[c.Balance].Forced || t.accounts[c.Deposit].Forced)
				remember(&s.marked, c.Balance, t.cards[c.ID].marks > 0)
			}
		}
	}
}

func remember[K comparable](known *map[K]struct{}, key K, suspect bool) {
	switch {
	case !suspect:
		delete(*known, key)
	case *known == nil || len(*known) >= suspectsMax:
		*known = map[K]struct{}{key: {}}
	default:
		(*known)[key] = struct{}{}
	}
}
