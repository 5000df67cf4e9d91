package records

import (
	"bytes"
	"context"
	"strconv"
	"time"

	"holdfast/authz/record"
)

func idempotencyContext(s *record.Stored) string {
	return "answer " + strconv.Itoa(len(s.Identity)) + " " + s.Identity + " " + s.Key
}

// BeginOnce claims an idempotency key for a request, in the transaction of its effect. done is an answer that was kept
// for the same request: send it again. For another request it is [record.ErrKeyReused], and while the first is being
// worked on [record.ErrKeyInFlight]: of two at once the second waits for the first transaction to end.
func (t *Tx) BeginOnce(ctx context.Context, s *record.Stored) (done *record.Stored, err error) {
	switch {
	case s.Key == "" || len(s.Key) > 100 || len(s.Identity) > 200:
		return nil, record.Invalid("X-Idempotency-Key", "is missing or too long")
	case len(s.RequestHash) != 32:
		return nil, record.Invalid("request", "has no hash")
	}
	if s.ExpiresAt.IsZero() {
		s.ExpiresAt = s.CreatedAt.Add(record.IdempotencyTime)
	}
	if _, err := t.q.Exec(ctx, "DELETE FROM idempotency WHERE identity = $1 AND key = $2 AND expires_at <= $3", s.Identity, s.Key,
		s.CreatedAt.UnixMicro()); err != nil {
		return nil, wrap("expire idempotency key", err)
	}
	n, err := t.q.Exec(ctx, `INSERT INTO idempotency (identity, key, request_hash, done, status, media_type, body, created_at, expires_at)
VALUES ($1, $2, $3, 0, 0, '', $4, $5, $6) ON CONFLICT (identity, key) DO NOTHING`, s.Identity, s.Key, s.RequestHash, []byte{},
		micros(s.CreatedAt), micros(s.ExpiresAt))
	if err != nil || n == 1 {
		return nil, wrap("claim idempotency key", err)
	}
	old := record.Stored{Identity: s.Identity, Key: s.Key}
	if err := t.q.Query(ctx, func(r Row) error {
		old.RequestHash, old.Done, old.Status, old.MediaType = r.Bytes(0), r.Int(1) != 0, r.Int(2), r.Text(3)
		old.Body, old.CreatedAt, old.ExpiresAt = r.Bytes(4), moment(r, 5), moment(r, 6)
		return nil
	}, `SELECT request_hash, done, status, media_type, body, created_at, expires_at FROM idempotency
WHERE identity = $1 AND key = $2`, s.Identity, s.Key); err != nil {
		return nil, wrap("read idempotency key", err)
	}
	switch {
	case !bytes.Equal(old.RequestHash, s.RequestHash):
		return nil, record.ErrKeyReused
	case !old.Done:
		return nil, record.ErrKeyInFlight
	}
	old.Body, err = t.keys.OpenData(idempotencyContext(&old), old.Body)
	return &old, wrap("open the kept answer", err)
}

// EndOnce keeps the answer to the request that BeginOnce claimed the key for, sealed: it may be full card data.
func (t *Tx) EndOnce(ctx context.Context, s *record.Stored) error {
	sealed, err := t.keys.SealData(idempotencyContext(s), s.Body)
	if err != nil {
		return wrap("seal the answer", err)
	}
	n, err := t.q.Exec(ctx, `UPDATE idempotency SET done = 1, status = $1, media_type = $2, body = $3
WHERE identity = $4 AND key = $5 AND done = 0`, s.Status, s.MediaType, sealed, s.Identity, s.Key)
	if err == nil && n == 0 {
		err = record.ErrVersion
	}
	return wrap("keep the answer", err)
}

// ClockAhead is how far the sandbox's clock is ahead of the real one.
func (t *Tx) ClockAhead(ctx context.Context) (ahead time.Duration, err error) {
	err = t.q.Query(ctx, func(r Row) error { ahead = time.Duration(r.Int(0)) * time.Microsecond; return nil },
		"SELECT value FROM settings WHERE name = 'clock ahead'")
	return ahead, wrap("read the clock", err)
}

// clockAheadMax is how far the sandbox's clock may be ahead in total: tests run through a card's life.
const clockAheadMax = 20 * 366 * 24 * time.Hour

// AdvanceClock moves the sandbox's clock forward, never back, and tells how far it is ahead now.
func (t *Tx) AdvanceClock(ctx context.Context, by time.Duration) (time.Duration, error) {
	if by < 0 || by > clockAheadMax {
		return 0, record.Invalid("advance", "is out of bounds")
	}
	n, err := t.q.Exec(ctx, `INSERT INTO settings (name, value) VALUES ('clock ahead', $1)
ON CONFLICT (name) DO UPDATE SET value = settings.value + excluded.value WHERE settings.value + excluded.value <= $2`,
		by.Microseconds(), clockAheadMax.Microseconds())
	if err == nil && n == 0 {
		err = record.Invalid("advance", "is out of bounds")
	}
	if err != nil {
		return 0, wrap("advance the clock", err)
	}
	return t.ClockAhead(ctx)
}
