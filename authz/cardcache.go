package authz

import "sync"

const cacheShards = 32

// cardCache keeps snapshots of cards by tag, bounded. Which one makes room is arbitrary: a snapshot is
// read again in one look-up, and being stale is never dangerous, so order of use is not worth its cost.
type cardCache struct {
	perShard int
	shards   [cacheShards]struct {
		mu sync.RWMutex

		cards map[Tag]Card
	}
}

func newCardCache(cardsMax int) *cardCache {
	c := &cardCache{perShard: max(1, cardsMax/cacheShards)}
	for i := range c.shards {
		c.shards[i].cards = make(map[Tag]Card)
	}
	return c
}

func (c *cardCache) get(t Tag) (Card, bool) {
	s := &c.shards[t[0]%cacheShards]
	s.mu.RLock()
	defer s.mu.RUnlock()
	card, ok := s.cards[t]
	return card, ok
}

// put keeps the newer of two snapshots.
func (c *cardCache) put(t Tag, card Card) {
	s := &c.shards[t[0]%cacheShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.cards[t]; ok {
		if old.Version <= card.Version {
			s.cards[t] = card
		}
		return
	}
	if len(s.cards) >= c.perShard {
		for other := range s.cards {
			delete(s.cards, other)
			break
		}
	}
	s.cards[t] = card
}
