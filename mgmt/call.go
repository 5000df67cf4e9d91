package mgmt

import (
	"context"
	"crypto/rsa"
	"net/http"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
)

// Identity is who sent a request. Which fields are set depends on the channel.
type Identity struct {
	Name     string          // for the audit and the log: "partner 3", "user 17", "operator 2"; "nobody"
	Detail   string          // for the audit, such as which certificate
	Partner  authz.PartnerID // of a partner backend and of a cardholder
	User     authz.UserID    // of a cardholder
	Operator record.UUID
	Roles    Roles  // of an operator
	Session  []byte // the hash that names the session, of cardholders and operators
	// Key is the public key that encrypted answers go to: registered when a device was paired or a partner was
	// enrolled. Unbound allows any other.
	Key     *rsa.PublicKey
	Unbound bool
}

// Authenticator finds out who sent a request. The error is a problem, mostly problem.Unauthenticated; it says
// the same for each way of not being known. It is asked for every request, also on a connection that was known
// a moment ago.
type Authenticator func(ctx context.Context, r *http.Request) (Identity, error)

// Call is one request on its way through the door.
type Call struct {
	Identity
	ID string    // of the request, ours
	At time.Time // when it came, UTC
	// Remote is the address of the connection; headers that claim another are not believed.
	Remote string

	door   *Door
	object string
	after  []func() error
	tx     Tx
}

// Tx is what the door itself needs of a transaction. The store's transaction has far more; rooms get it with [In].
type Tx interface {
	// BeginOnce claims an idempotency key for a request. done is the answer that is kept for the same request; the same
	// key for another is record.ErrKeyReused. Of two transactions at once the second waits for the first.
	BeginOnce(ctx context.Context, s *record.Stored) (done *record.Stored, err error)
	// EndOnce keeps the answer to the request that claimed the key.
	EndOnce(ctx context.Context, s *record.Stored) error
	// Audit appends a record to its chain.
	Audit(ctx context.Context, a *record.Audit) error
}

// Store opens transactions. Update returns nil only when everything is durable; its errors say, as those of all
// stores do, whether nothing happened (authz.ErrUnavailable) or perhaps something (authz.ErrUnknown).
type Store interface {
	Update(ctx context.Context, f func(Tx) error) error
	View(ctx context.Context, f func(Tx) error) error
}

// In is the store's transaction as a room needs it: T is an interface of the room, which the program that wires
// the door has checked against the store's type.
func In[T any](c *Call) T { return c.tx.(T) }

// View reads outside of the handler's own transaction: for the first half of [HandlePrepared].
func (c *Call) View(ctx context.Context, f func(Tx) error) error { return c.door.store.View(ctx, f) }

// Object names what the call is about in the audit record: "card 17", never anything secret.
func (c *Call) Object(name string) { c.object = name }

// After runs f when the transaction is durable, before the answer leaves: what has to follow and is too much for one
// transaction. When it fails, the answer is that the outcome is unknown, so f must be such that a repeat of the whole
// request sets it right, and the route one that may be repeated without an idempotency key.
func (c *Call) After(f func() error) { c.after = append(c.after, f) }

// keeping is a refusal whose changes stay.
type keeping struct{ error }

// Unwrap gives the refusal.
func (k keeping) Unwrap() error { return k.error }

// Keep refuses a call and still commits what it changed, such as the count of wrong passwords.
func Keep(err error) error { return keeping{err} }

// Raw is an answer that is not JSON.
type Raw struct {
	Type   string // content type
	Policy string // Content-Security-Policy, when the answer is a page
	Body   []byte
}

// Act says who a call of an open route turned out to be, for its audit record.
func (c *Call) Act(name string, partner authz.PartnerID) { c.Name, c.Partner = name, partner }
