package record

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"holdfast/authz"
)

// Audit is who did what. Each record holds the hash of the one before it in its chain: whoever changes, moves or
// takes out one has to make all later ones anew, and the head that was written down elsewhere tells.
type Audit struct {
	Chain    authz.PartnerID // each partner has its chain; 0 is ours
	Sequence int64           // from 1 without a gap
	At       time.Time       // to the microsecond
	Actor    string          // such as "operator 0191..", "certificate 3f..", "user 1001"
	Channel  string          // such as "admin"
	Action   string          // of the routing table, such as "card.lock"
	Object   string          // such as "card 5001"
	Outcome  string          // "OK" or a stable code
	Detail   string          // without personal and card data; at most 500 bytes
	Request  string          // the request's id
	Previous []byte          // hash of the record before; 32 zero bytes for the first
	Hash     []byte
}

// Check finds a field that must not be as it is.
func (a *Audit) Check() error {
	var c checks
	c.text("actor", a.Actor, true, 100)
	c.text("channel", a.Channel, true, 20)
	c.text("action", a.Action, true, 60)
	c.text("object", a.Object, false, 100)
	c.text("outcome", a.Outcome, true, 40)
	c.text("detail", a.Detail, false, 500)
	c.text("request", a.Request, false, 64)
	return c.err
}

// Digest is the hash that the record must have: SHA-256 over its fields, each with its length before it.
func (a *Audit) Digest() []byte {
	b := []byte("holdfast audit 1")
	for _, n := range []int64{int64(a.Chain), a.Sequence, a.At.UnixMicro()} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	for _, s := range []string{a.Actor, a.Channel, a.Action, a.Object, a.Outcome, a.Detail, a.Request, string(a.Previous)} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	hash := sha256.Sum256(b)
	return hash[:]
}

// Stored is an answer that is kept for an idempotency key.
type Stored struct {
	Identity    string // who called, and which route
	Key         string
	RequestHash []byte // of what was asked
	Done        bool   // false: the first request is still being worked on
	Status      int64
	MediaType   string
	Body        []byte // sealed where it is kept
	CreatedAt   time.Time
	ExpiresAt   time.Time
}

// IdempotencyTime is how long an answer is kept.
const IdempotencyTime = 24 * time.Hour
