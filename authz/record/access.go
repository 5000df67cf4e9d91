package record

import (
	"time"

	"holdfast/authz"
)

// Device is an installation of the user's app, bound to the user by pairing.
type Device struct {
	ID          UUID
	Partner     authz.PartnerID
	User        authz.UserID
	Hardware    string // what the app calls the device: one active installation on it for a user
	Name        string
	PublicKey   []byte // SPKI DER of the key that signs challenges
	ResponseKey []byte // SPKI DER of the key that answers are encrypted for; nil: none registered
	RevokedAt   time.Time
	CreatedAt   time.Time
}

// Check finds a field that must not be as it is.
func (d *Device) Check() error {
	var c checks
	c.text("deviceId", d.Hardware, true, 100)
	c.text("name", d.Name, false, 60)
	if len(d.PublicKey) == 0 || len(d.PublicKey) > 1024 {
		c.fail("publicKey", "is missing or too long")
	}
	if len(d.ResponseKey) > 1024 {
		c.fail("responseKey", "is too long")
	}
	return c.err
}

// Pairing is a code that lets one device be bound to a user, kept as its hash.
type Pairing struct {
	Hash      []byte // 32 bytes
	Partner   authz.PartnerID
	User      authz.UserID
	ExpiresAt time.Time
}

// Challenge is what a device has to sign for a session.
type Challenge struct {
	ID        UUID
	Device    UUID
	Nonce     []byte
	ExpiresAt time.Time
}

// SessionKind says whose session it is.
type SessionKind string

// The kinds of sessions.
const (
	SessionUser     SessionKind = "USER"
	SessionOperator SessionKind = "OPERATOR"
)

// Session is a token that was handed out, kept as its hash. A user's ends at ExpiresAt; an operator's also when
// it was not used for a while, which SeenAt tells.
type Session struct {
	Hash      []byte // 32 bytes
	Kind      SessionKind
	Partner   authz.PartnerID // of a user's
	User      authz.UserID
	Device    UUID
	Operator  UUID
	CreatedAt time.Time
	SeenAt    time.Time
	ExpiresAt time.Time
}

// Certificate is one that we signed for a partner.
type Certificate struct {
	ID          UUID
	Partner     authz.PartnerID
	Serial      string // hexadecimal
	Fingerprint []byte // SHA-256 of the DER
	DER         []byte
	NotBefore   time.Time
	NotAfter    time.Time
	RevokedAt   time.Time // zero: not revoked
	IssuedBy    string
	CreatedAt   time.Time
}

// Valid reports whether it is good at a moment.
func (c *Certificate) Valid(at time.Time) bool {
	return c.RevokedAt.IsZero() && !at.Before(c.NotBefore) && at.Before(c.NotAfter)
}

// Role is what an operator may do; the routing table says where.
type Role string

// The roles of the seed.
const (
	RoleAdmin    Role = "Admin"
	RoleManager  Role = "Manager"
	RoleEmployee Role = "Employee"
)

// Operator is someone at the panel.
type Operator struct {
	ID           UUID
	Version      int64
	Email        string // unique
	Name         string
	Role         Role
	Disabled     bool
	PasswordHash string // in the form of its own algorithm
	TOTPSecret   []byte // sealed where it is kept
	TOTPLast     int64  // the last time step used: none is taken twice
	Failures     int64  // wrong tries since the last right one
	LockedUntil  time.Time
	CreatedAt    time.Time
}

// Check finds a field that must not be as it is.
func (o *Operator) Check() error {
	var c checks
	c.email("email", o.Email, true)
	c.text("name", o.Name, true, 60)
	if o.Role != RoleAdmin && o.Role != RoleManager && o.Role != RoleEmployee {
		c.fail("role", "want Admin, Manager or Employee")
	}
	if len(o.PasswordHash) > 300 || len(o.TOTPSecret) > 64 {
		c.fail("password", "is too long")
	}
	return c.err
}

// ApprovalState is what became of something that needs a second person.
type ApprovalState string

// The states of an approval.
const (
	ApprovalPending   ApprovalState = "PENDING"
	ApprovalConfirmed ApprovalState = "CONFIRMED"
	ApprovalRejected  ApprovalState = "REJECTED"
)

// Approval is something that one person asked for and another has to confirm.
type Approval struct {
	ID        UUID
	Version   int64
	Kind      string // such as RELOAD
	Subject   string // what it is about, as the asker's side reads it back; at most 2,000 bytes
	AskedBy   string
	AskedAt   time.Time
	ExpiresAt time.Time
	State     ApprovalState
	DecidedBy string
	DecidedAt time.Time
}

// Decide is whether someone may decide an approval at a moment: another person than asked, once, in time.
func (a *Approval) Decide(by string, at time.Time) error {
	switch {
	case a.State != ApprovalPending:
		return ErrUsed
	case !at.Before(a.ExpiresAt):
		return ErrExpired
	case by == a.AskedBy || by == "":
		return ErrSecondPerson
	}
	return nil
}
