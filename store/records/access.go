package records

import (
	"context"
	"fmt"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
)

var devices = table[record.Device]{
	name:    "devices",
	columns: "id, partner_id, user_id, hardware, name, public_key, response_key, revoked_at, created_at",
	scan: func(r Row) record.Device {
		return record.Device{ID: uuid(r, 0), Partner: authz.PartnerID(r.Int(1)), User: authz.UserID(r.Int(2)), Hardware: r.Text(3),
			Name: r.Text(4), PublicKey: kept(r, 5), ResponseKey: kept(r, 6), RevokedAt: moment(r, 7), CreatedAt: moment(r, 8)}
	},
	args: func(d *record.Device) []any {
		return []any{d.ID[:], int64(d.Partner), int64(d.User), d.Hardware, d.Name, d.PublicKey, blob(d.ResponseKey), micros(d.RevokedAt),
			micros(d.CreatedAt)}
	},
}

// NewPairing keeps the hash of a pairing code for a user who may come in; earlier codes of the user are void.
func (t *Tx) NewPairing(ctx context.Context, p record.Pairing) error {
	u, err := t.lockUser(ctx, p.Partner, p.User)
	switch {
	case err != nil:
		return err
	case u.State == record.UserRemoved:
		return record.ErrUserRemoved
	case u.State != record.UserActive:
		return record.ErrUserLocked
	}
	if _, err := t.q.Exec(ctx, "DELETE FROM pairings WHERE user_id = $1", int64(p.User)); err != nil {
		return wrap("void pairing codes", err)
	}
	n, err := t.q.Exec(ctx, "INSERT INTO pairings (hash, partner_id, user_id, expires_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
		p.Hash, int64(u.Partner), int64(p.User), micros(p.ExpiresAt))
	if err == nil && n == 0 {
		err = record.ErrExists
	}
	return wrap("insert pairing", err)
}

// Pair uses a code up and binds a device to its user; d needs Hardware, Name and the keys. An installation that the
// user had on the same device is revoked with its sessions. An unknown or used code is [authz.ErrNotFound], a late one
// [record.ErrExpired].
func (t *Tx) Pair(ctx context.Context, hash []byte, d *record.Device, at time.Time) error {
	if err := d.Check(); err != nil {
		return err
	}
	var p record.Pairing
	if err := t.q.Query(ctx, func(r Row) error {
		p = record.Pairing{Partner: authz.PartnerID(r.Int(0)), User: authz.UserID(r.Int(1)), ExpiresAt: moment(r, 2)}
		return nil
	}, "SELECT partner_id, user_id, expires_at FROM pairings WHERE hash = $1"+ForUpdate, hash); err != nil {
		return wrap("read pairing", err)
	}
	switch {
	case p.User == 0:
		return authz.ErrNotFound
	case !at.Before(p.ExpiresAt):
		return record.ErrExpired
	}
	u, err := t.lockUser(ctx, p.Partner, p.User)
	if err != nil || u.State != record.UserActive {
		return orElse(err, record.ErrUserLocked)
	}
	if _, err := t.q.Exec(ctx, "DELETE FROM pairings WHERE hash = $1", hash); err != nil {
		return wrap("use pairing", err)
	}
	old, err := devices.all(ctx, t.q, by("user_id = ?", int64(p.User)).and("hardware = ?", d.Hardware).and("revoked_at IS NULL"), "")
	if err != nil {
		return err
	}
	for i := range old {
		if err := t.RevokeDevice(ctx, old[i].Partner, old[i].User, old[i].ID, at); err != nil {
			return err
		}
	}
	d.ID, d.Partner, d.User, d.CreatedAt = record.NewUUID(at), p.Partner, p.User, at
	return devices.insert(ctx, t.q, d)
}

// Device reads one, also when revoked.
func (t *Tx) Device(ctx context.Context, id record.UUID) (record.Device, error) {
	return devices.one(ctx, t.q, by("id = ?", id[:]))
}

const devicesShown = 50

// Devices lists a user's, newest first.
func (t *Tx) Devices(ctx context.Context, user authz.UserID) ([]record.Device, error) {
	return devices.all(ctx, t.q, by("user_id = ?", int64(user)), fmt.Sprintf(" ORDER BY id DESC LIMIT %d", devicesShown))
}

// RevokeDevice ends an installation and its sessions.
func (t *Tx) RevokeDevice(ctx context.Context, partner authz.PartnerID, user authz.UserID, id record.UUID, at time.Time) error {
	n, err := t.q.Exec(ctx, "UPDATE devices SET revoked_at = $1 WHERE id = $2 AND partner_id = $3 AND user_id = $4 AND revoked_at IS NULL",
		at.UnixMicro(), id[:], int64(partner), int64(user))
	if err != nil || n == 0 {
		return wrap("revoke device", orElse(err, authz.ErrNotFound))
	}
	if _, err = t.q.Exec(ctx, "DELETE FROM challenges WHERE device_id = $1", id[:]); err == nil {
		_, err = t.q.Exec(ctx, "DELETE FROM sessions WHERE user_id = $1 AND device_id = $2", int64(user), id[:])
	}
	return wrap("end the device's sessions", err)
}

// EndAccess ends all that lets a user in.
func (t *Tx) EndAccess(ctx context.Context, user authz.UserID, at time.Time) error {
	for _, sql := range []string{
		"DELETE FROM challenges WHERE device_id IN (SELECT id FROM devices WHERE user_id = $1)",
		"DELETE FROM sessions WHERE kind = 'USER' AND user_id = $1", "DELETE FROM pairings WHERE user_id = $1",
	} {
		if _, err := t.q.Exec(ctx, sql, int64(user)); err != nil {
			return wrap("end access", err)
		}
	}
	_, err := t.q.Exec(ctx, "UPDATE devices SET revoked_at = $1 WHERE user_id = $2 AND revoked_at IS NULL", at.UnixMicro(), int64(user))
	return wrap("end access", err)
}

// NewChallenge keeps what a device, which must not be revoked, has to sign, and sets its id. Earlier ones of the device
// are void.
func (t *Tx) NewChallenge(ctx context.Context, c *record.Challenge, at time.Time) error {
	locked, err := lockRows(ctx, t.q, "SELECT partner_id FROM devices WHERE id = $1 AND revoked_at IS NULL"+ForUpdate, c.Device[:])
	if err != nil || len(locked) == 0 {
		return orElse(err, authz.ErrNotFound)
	}
	if _, err := t.q.Exec(ctx, "DELETE FROM challenges WHERE device_id = $1", c.Device[:]); err != nil {
		return wrap("void challenges", err)
	}
	c.ID = record.NewUUID(at)
	_, err = t.q.Exec(ctx, "INSERT INTO challenges (id, device_id, nonce, expires_at) VALUES ($1, $2, $3, $4)", c.ID[:], c.Device[:],
		c.Nonce, micros(c.ExpiresAt))
	return wrap("insert challenge", err)
}

// UseChallenge takes a challenge, once, with the device that has to have signed it.
func (t *Tx) UseChallenge(ctx context.Context, id record.UUID, at time.Time) (record.Challenge, record.Device, error) {
	c := record.Challenge{ID: id}
	if err := t.q.Query(ctx, func(r Row) error {
		c.Device, c.Nonce, c.ExpiresAt = uuid(r, 0), kept(r, 1), moment(r, 2)
		return nil
	}, "SELECT device_id, nonce, expires_at FROM challenges WHERE id = $1"+ForUpdate, id[:]); err != nil {
		return c, record.Device{}, wrap("read challenge", err)
	}
	switch {
	case c.Device.IsZero():
		return c, record.Device{}, authz.ErrNotFound
	case !at.Before(c.ExpiresAt):
		return c, record.Device{}, record.ErrExpired
	}
	if _, err := t.q.Exec(ctx, "DELETE FROM challenges WHERE id = $1", id[:]); err != nil {
		return c, record.Device{}, wrap("use challenge", err)
	}
	d, err := t.Device(ctx, c.Device)
	return c, d, err
}

var sessions = table[record.Session]{
	name:    "sessions",
	columns: "hash, kind, partner_id, user_id, device_id, operator_id, created_at, seen_at, expires_at",
	scan: func(r Row) record.Session {
		return record.Session{Hash: kept(r, 0), Kind: record.SessionKind(r.Text(1)), Partner: authz.PartnerID(r.Int(2)),
			User: authz.UserID(r.Int(3)), Device: uuid(r, 4), Operator: uuid(r, 5), CreatedAt: moment(r, 6), SeenAt: moment(r, 7),
			ExpiresAt: moment(r, 8)}
	},
	args: func(s *record.Session) []any {
		return []any{s.Hash, string(s.Kind), int64(s.Partner), int64(s.User), name(s.Device), name(s.Operator), micros(s.CreatedAt),
			micros(s.SeenAt), micros(s.ExpiresAt)}
	},
}

// NewSession keeps the hash of a token.
func (t *Tx) NewSession(ctx context.Context, s *record.Session) error {
	return sessions.insert(ctx, t.q, s)
}

// Session finds one that has not expired at a moment.
func (t *Tx) Session(ctx context.Context, hash []byte, at time.Time) (record.Session, error) {
	return sessions.one(ctx, t.q, by("hash = ?", hash).and("expires_at > ?", at.UnixMicro()))
}

// TouchSession notes that a session was used.
func (t *Tx) TouchSession(ctx context.Context, hash []byte, at time.Time) error {
	_, err := t.q.Exec(ctx, "UPDATE sessions SET seen_at = $1 WHERE hash = $2 AND seen_at < $1", at.UnixMicro(), hash)
	return wrap("touch session", err)
}

// EndSession ends one; that it is gone already is no error.
func (t *Tx) EndSession(ctx context.Context, hash []byte) error {
	_, err := t.q.Exec(ctx, "DELETE FROM sessions WHERE hash = $1", hash)
	return wrap("end session", err)
}

// EndOperatorSessions ends all of an operator's.
func (t *Tx) EndOperatorSessions(ctx context.Context, id record.UUID) error {
	_, err := t.q.Exec(ctx, "DELETE FROM sessions WHERE operator_id = $1", id[:])
	return wrap("end sessions", err)
}

// SweepExpired deletes what was kept for a time that is over, and tells how many rows that were. Nothing depends on it:
// what has expired does not count.
func (t *Tx) SweepExpired(ctx context.Context, at time.Time) (swept int64, err error) {
	for _, table := range []string{"pairings", "challenges", "sessions", "idempotency"} {
		n, err := t.q.Exec(ctx, "DELETE FROM "+table+" WHERE expires_at <= $1", at.UnixMicro())
		if err != nil {
			return swept, wrap("sweep "+table, err)
		}
		swept += n
	}
	// The longest window is a month, and yesterday's clock may still be someone's.
	n, err := t.q.Exec(ctx, "DELETE FROM limit_use WHERE started_at < $1", at.AddDate(0, 0, -33).UnixMicro())
	return swept + n, wrap("sweep limit_use", err)
}
