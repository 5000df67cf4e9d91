package record

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"

	"holdfast/authz"
)

// UUID names what the outside sees: balances, transactions, orders, events. It is a UUID of version 7 (RFC
// 9562): it begins with its time in milliseconds, so it sorts by age. The zero value is none.
type UUID [16]byte

// NewUUID makes one for a moment.
func NewUUID(at time.Time) UUID {
	var u UUID
	_, _ = rand.Read(u[6:]) // never fails: it ends the program instead
	u.stamp(at.UnixMilli())
	return u
}

func (u *UUID) stamp(milli int64) {
	var t [8]byte
	binary.BigEndian.PutUint64(t[:], uint64(milli)<<16)
	copy(u[:6], t[:6])
	u[6] = 0x70 | u[6]&0x0f
	u[8] = 0x80 | u[8]&0x3f
}

// ParseUUID reads the 36 characters of a UUID in lower case. The error is [ErrValidation].
func ParseUUID(s string) (UUID, error) {
	var u UUID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return UUID{}, ErrValidation
	}
	digits := s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	if _, err := hex.Decode(u[:], []byte(digits)); err != nil || u.String() != s {
		return UUID{}, ErrValidation
	}
	return u, nil
}

// IsZero tells whether there is none.
func (u UUID) IsZero() bool { return u == UUID{} }

// String is the 36 characters; empty for none.
func (u UUID) String() string {
	if u.IsZero() {
		return ""
	}
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// Time is the moment in it, to the millisecond.
func (u UUID) Time() time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(append([]byte{0, 0}, u[:6]...)))).UTC()
}

// MarshalText is the 36 characters, for JSON.
func (u UUID) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (u *UUID) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*u = UUID{}
		return nil
	}
	*u, err = ParseUUID(string(text))
	return err
}

// An authorization's number has 42 bits of milliseconds over 21 of node and sequence; its UUID keeps both.
const authorizationLow = 21

// TransactionID is the name of an authorization outside: the same for ever, and [AuthorizationID] leads back.
func TransactionID(id authz.ID) UUID {
	var u UUID
	low := uint64(id) & (1<<authorizationLow - 1)
	u[6], u[7] = byte(low>>17), byte(low>>9) // twelve bits behind the version, nine behind the variant
	binary.BigEndian.PutUint64(u[8:], low&(1<<9-1))
	u.stamp(int64(uint64(id) >> authorizationLow))
	return u
}

// AuthorizationID leads back from a transaction's UUID; false for one that names none.
func AuthorizationID(u UUID) (authz.ID, bool) {
	low := uint64(u[6]&0x0f)<<17 | uint64(u[7])<<9 | binary.BigEndian.Uint64(u[8:])&(1<<9-1)
	id := authz.ID(uint64(u.Time().UnixMilli())<<authorizationLow | low)
	return id, TransactionID(id) == u
}
