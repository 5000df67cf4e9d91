package keystore

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"
)

// macBufferMax is how large a buffer may go back to the pool.
const macBufferMax = 4096

// macPool keeps ready states of HMAC-SHA-256 under one key: preparing the key
// costs more than hashing a card number.
type macPool struct {
	pool sync.Pool
}

// mac is one state. Input is gathered in a buffer of its own, so that what the
// callers pass does not have to leave their stack.
type mac struct {
	home *macPool
	hash hash.Hash
	in   []byte
	out  [sha256.Size]byte
}

func newMACPool(key []byte) *macPool {
	p := &macPool{}
	p.pool.New = func() any {
		return &mac{home: p, hash: hmac.New(sha256.New, key), in: make([]byte, 0, 256)}
	}
	return p
}

// get is a state with an empty buffer. The caller fills it and calls sum once.
func (p *macPool) get() *mac { return p.pool.Get().(*mac) }

// sum hashes the buffer, wipes it and gives the state back.
func (m *mac) sum() (tag [16]byte) {
	m.hash.Reset()
	m.hash.Write(m.in) // a hash never returns an error
	m.hash.Sum(m.out[:0])
	copy(tag[:], m.out[:])
	clear(m.in)
	m.in = m.in[:0]
	if cap(m.in) <= macBufferMax {
		m.home.pool.Put(m)
	}
	return tag
}
