package records

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
)

// endpoints are kept with their secrets sealed.
var endpoints = table[record.Endpoint]{
	name:    "endpoints",
	columns: "id, version, partner_id, kind, target, kinds, secret, disabled, created_at, old_secret, old_until",
	scan: func(r Row) record.Endpoint {
		return record.Endpoint{ID: uuid(r, 0), Version: r.Int(1), Partner: authz.PartnerID(r.Int(2)), Kind: record.EndpointKind(r.Text(3)),
			Target: r.Text(4), Kinds: readWords[string](r.Text(5)), Secret: kept(r, 6), Disabled: r.Int(7) != 0, CreatedAt: moment(r, 8),
			OldSecret: kept(r, 9), OldUntil: moment(r, 10)}
	},
	args: func(e *record.Endpoint) []any {
		return []any{e.ID[:], e.Version, int64(e.Partner), string(e.Kind), e.Target, writeWords(e.Kinds), e.Secret, flag(e.Disabled),
			micros(e.CreatedAt), blob(e.OldSecret), micros(e.OldUntil)}
	},
}

const endpointsMax = 10 // of a partner: less than a page

func endpointContext(id record.UUID) string { return "endpoint " + id.String() }

// InsertEndpoint keeps where a partner wants its events, and sets id and version. The secret is kept sealed.
func (t *Tx) InsertEndpoint(ctx context.Context, e *record.Endpoint) error {
	if err := e.Check(); err != nil {
		return err
	}
	if _, err := lockRows(ctx, t.q, "SELECT id FROM partners WHERE id = $1"+ForUpdate, int64(e.Partner)); err != nil {
		return err
	}
	all, err := t.Endpoints(ctx, e.Partner, record.Page{})
	if err != nil || len(all.Items) >= endpointsMax {
		return orElse(err, record.ErrTooMany)
	}
	e.ID, e.Version = record.NewUUID(e.CreatedAt), 1
	sealed, err := t.sealEndpoint(e)
	if err != nil {
		return err
	}
	return endpoints.insert(ctx, t.q, &sealed)
}

func (t *Tx) sealEndpoint(e *record.Endpoint) (record.Endpoint, error) {
	sealed := *e
	var err error
	sealed.Secret, err = t.keys.SealData(endpointContext(e.ID), e.Secret)
	if err == nil && len(e.OldSecret) > 0 {
		sealed.OldSecret, err = t.keys.SealData(endpointContext(e.ID), e.OldSecret)
	}
	return sealed, wrap("seal the endpoint's secret", err)
}

func (t *Tx) openEndpoint(e *record.Endpoint) (err error) {
	e.Secret, err = t.keys.OpenData(endpointContext(e.ID), e.Secret)
	if err == nil && len(e.OldSecret) > 0 {
		e.OldSecret, err = t.keys.OpenData(endpointContext(e.ID), e.OldSecret)
	}
	return wrap("open the endpoint's secret", err)
}

// Endpoint reads one of a partner's, with its secret.
func (t *Tx) Endpoint(ctx context.Context, partner authz.PartnerID, id record.UUID) (record.Endpoint, error) {
	e, err := endpoints.one(ctx, t.q, by("id = ?", id[:]).number("partner_id", int64(partner)))
	if err != nil {
		return e, err
	}
	return e, t.openEndpoint(&e)
}

// Endpoints lists a partner's, which are no more than a page, without their secrets.
func (t *Tx) Endpoints(ctx context.Context, partner authz.PartnerID, page record.Page) (record.List[record.Endpoint], error) {
	all, err := endpoints.page(ctx, t.q, by("partner_id = ?", int64(partner)), page,
		func(e *record.Endpoint) string { return e.ID.String() })
	for i := range all.Items {
		all.Items[i].Secret, all.Items[i].OldSecret = nil, nil
	}
	return all, err
}

// UpdateEndpoint changes one that was read before.
func (t *Tx) UpdateEndpoint(ctx context.Context, e *record.Endpoint) error {
	if err := e.Check(); err != nil {
		return err
	}
	sealed, err := t.sealEndpoint(e)
	if err != nil {
		return err
	}
	if err := endpoints.update(ctx, t.q, &sealed); err != nil {
		return err
	}
	e.Version++
	return nil
}

var events = table[record.Event]{
	name:    "events",
	columns: "id, partner_id, kind, subject, body, created_at",
	scan: func(r Row) record.Event {
		return record.Event{ID: uuid(r, 0), Partner: authz.PartnerID(r.Int(1)), Kind: r.Text(2), Subject: r.Text(3),
			Body: r.Bytes(4), CreatedAt: moment(r, 5)}
	},
	args: func(e *record.Event) []any {
		return []any{e.ID[:], int64(e.Partner), e.Kind, e.Subject, e.Body, micros(e.CreatedAt)}
	},
}

// Emit writes an event in this transaction, for all endpoints of its partner that want its kind, and sets its id.
func (t *Tx) Emit(ctx context.Context, e *record.Event) error {
	if len(e.Body) == 0 || len(e.Body) > record.EventBodyMax {
		return fmt.Errorf("emit %s: its body has %d bytes, want 1 to %d", e.Kind, len(e.Body), record.EventBodyMax)
	}
	e.ID = record.NewUUID(e.CreatedAt)
	if err := events.insert(ctx, t.q, e); err != nil {
		return err
	}
	all, err := t.Endpoints(ctx, e.Partner, record.Page{})
	if err != nil {
		return err
	}
	for _, to := range all.Items {
		if to.Disabled || len(to.Kinds) > 0 && !slices.Contains(to.Kinds, e.Kind) {
			continue
		}
		d := record.Delivery{Event: e.ID, Endpoint: to.ID, Partner: e.Partner, State: record.DeliveryPending,
			NextAt: e.CreatedAt, CreatedAt: e.CreatedAt}
		if err := deliveries.insert(ctx, t.q, &d); err != nil {
			return err
		}
	}
	return nil
}

// Event reads one of a partner's.
func (t *Tx) Event(ctx context.Context, partner authz.PartnerID, id record.UUID) (record.Event, error) {
	return events.one(ctx, t.q, by("id = ?", id[:]).number("partner_id", int64(partner)))
}

// Events lists those that the filter chooses.
func (t *Tx) Events(ctx context.Context, f record.EventFilter, page record.Page) (record.List[record.Event], error) {
	return events.page(ctx, t.q, new(where).number("partner_id", int64(f.Partner)).text("kind", f.Kind).text("subject", f.Subject), page,
		func(e *record.Event) string { return e.ID.String() })
}

var deliveries = table[record.Delivery]{
	name:    "deliveries",
	columns: "event_id, endpoint_id, partner_id, state, attempts, next_at, leased_to, created_at",
	scan: func(r Row) record.Delivery {
		return record.Delivery{Event: uuid(r, 0), Endpoint: uuid(r, 1), Partner: authz.PartnerID(r.Int(2)),
			State: record.DeliveryState(r.Text(3)), Attempts: r.Int(4), NextAt: moment(r, 5), LeasedTo: moment(r, 6),
			CreatedAt: moment(r, 7)}
	},
	args: func(d *record.Delivery) []any {
		leased := int64(0)
		if !d.LeasedTo.IsZero() {
			leased = d.LeasedTo.UnixMicro()
		}
		return []any{d.Event[:], d.Endpoint[:], int64(d.Partner), string(d.State), d.Attempts, micros(d.NextAt), leased,
			micros(d.CreatedAt)}
	},
}

// ClaimDeliveries takes at most n deliveries that are due, oldest first, and leases them: no other node tries them
// before the lease ends, and when this one dies another does then. It is a transaction of its own, which must be
// durable before anything is sent.
func (t *Tx) ClaimDeliveries(ctx context.Context, n int, at time.Time, lease time.Duration) ([]record.Claimed, error) {
	due, err := deliveries.all(ctx, t.q, by("next_at <= ?", at.UnixMicro()).and("leased_to <= ?", at.UnixMicro()),
		fmt.Sprintf(" ORDER BY next_at LIMIT %d", n)+ForUpdate+" SKIP LOCKED")
	if err != nil {
		return nil, err
	}
	claimed := make([]record.Claimed, 0, len(due))
	for _, d := range due {
		c := record.Claimed{Delivery: d}
		c.LeasedTo = at.Add(lease)
		if c.Event, err = t.Event(ctx, d.Partner, d.Event); err != nil {
			return nil, err
		}
		if c.Endpoint, err = t.Endpoint(ctx, d.Partner, d.Endpoint); err != nil {
			return nil, err
		}
		if err := t.setDelivery(ctx, &c.Delivery); err != nil {
			return nil, err
		}
		claimed = append(claimed, c)
	}
	return claimed, nil
}

func (t *Tx) setDelivery(ctx context.Context, d *record.Delivery) error {
	_, err := t.q.Exec(ctx, `UPDATE deliveries SET state = $3, attempts = $4, next_at = $5, leased_to = $6
WHERE event_id = $1 AND endpoint_id = $2`, d.Event[:], d.Endpoint[:], string(d.State), d.Attempts, micros(d.NextAt), deliveries.args(d)[6])
	return wrap("set delivery", err)
}

// EndDelivery notes an attempt of a claimed delivery: delivered, or to be tried again after [record.Backoff] with the
// given spread (0 to 1), or given up after [record.AttemptsMax]. A claim whose lease went to another node meanwhile is
// [record.ErrVersion]: the receiver may hear twice, under one idempotency key.
func (t *Tx) EndDelivery(ctx context.Context, c *record.Delivery, a record.Attempt, delivered bool, spread float64) error {
	now, err := deliveries.one(ctx, t.q, by("event_id = ?", c.Event[:]).and("endpoint_id = ?", c.Endpoint[:]))
	switch {
	case err != nil:
		return err
	case now.LeasedTo.UnixMicro() != c.LeasedTo.UnixMicro() || now.State != record.DeliveryPending:
		return record.ErrVersion
	case len(a.Error) > 200:
		a.Error = a.Error[:200]
	}
	now.Attempts++
	now.LeasedTo = time.Time{}
	a.Event, a.Endpoint, a.Number = c.Event, c.Endpoint, now.Attempts
	switch {
	case delivered:
		now.State, now.NextAt = record.DeliveryDelivered, time.Time{}
	case now.Attempts >= record.AttemptsMax:
		now.State, now.NextAt = record.DeliveryFailed, time.Time{}
	default:
		now.NextAt = a.At.Add(record.Backoff(now.Attempts, spread))
	}
	if err := t.setDelivery(ctx, &now); err != nil {
		return err
	}
	*c = now
	_, err = t.q.Exec(ctx, `INSERT INTO attempts (event_id, endpoint_id, number, tried_at, took, status, error)
VALUES ($1, $2, $3, $4, $5, $6, $7)`, a.Event[:], a.Endpoint[:], a.Number, micros(a.At), a.Took.Microseconds(), a.Status, a.Error)
	return wrap("insert attempt", err)
}

// Resend makes a delivery pending again, whatever became of it, or for the first time when the event never went to the
// endpoint. It has [record.AttemptsMax] tries less those made, and one at least.
func (t *Tx) Resend(ctx context.Context, partner authz.PartnerID, event, endpoint record.UUID, at time.Time) error {
	n, err := t.q.Exec(ctx, `UPDATE deliveries SET state = 'PENDING', next_at = $1, leased_to = 0
WHERE event_id = $2 AND endpoint_id = $3 AND partner_id = $4`, at.UnixMicro(), event[:], endpoint[:], int64(partner))
	if err != nil || n > 0 {
		return wrap("resend", err)
	}
	e, err := t.Event(ctx, partner, event)
	if err == nil {
		_, err = t.Endpoint(ctx, partner, endpoint)
	}
	if err != nil {
		return wrap("resend", err)
	}
	return deliveries.insert(ctx, t.q, &record.Delivery{Event: event, Endpoint: endpoint, Partner: partner, State: record.DeliveryPending,
		NextAt: at, CreatedAt: e.CreatedAt})
}

// replayMax bounds the events of one replay that never went to the endpoint: others wait for the transaction.
const replayMax = 1000

// ReplayMissing sends to an endpoint what it has missed since a moment, and tells how much: the deliveries that were given
// up, and the events that it wants and that never went to it, because it was disabled or not yet there. Of those it takes
// the oldest replayMax, and the next call those behind.
func (t *Tx) ReplayMissing(ctx context.Context, partner authz.PartnerID, endpoint record.UUID, since, at time.Time) (int64, error) {
	e, err := t.Endpoint(ctx, partner, endpoint)
	if err != nil {
		return 0, err
	}
	var floor record.UUID // of the ids of that moment
	binary.BigEndian.PutUint64(floor[:], uint64(max(0, since.UnixMilli()))<<16)
	args, wanted := []any{endpoint[:], floor[:], since.UnixMicro()}, ""
	if len(e.Kinds) > 0 {
		wanted = " AND e.kind IN (" + holders(len(args)+1, len(e.Kinds)) + ")"
		for _, k := range e.Kinds {
			args = append(args, k)
		}
	}
	missed, err := t.q.Exec(ctx, `INSERT INTO deliveries
 (event_id, endpoint_id, partner_id, state, attempts, next_at, leased_to, created_at)
SELECT e.id, p.id, e.partner_id, 'PENDING', 0, e.created_at, 0, e.created_at FROM endpoints p JOIN events e ON e.partner_id = p.partner_id
WHERE p.id = $1 AND e.id >= $2 AND e.created_at >= $3`+wanted+`
 AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.event_id = e.id AND d.endpoint_id = p.id)
ORDER BY e.id LIMIT `+strconv.Itoa(replayMax), args...)
	if err != nil {
		return 0, wrap("replay what was missed", err)
	}
	n, err := t.q.Exec(ctx, `UPDATE deliveries SET state = 'PENDING', next_at = $1, leased_to = 0
WHERE endpoint_id = $2 AND partner_id = $3 AND state = 'FAILED' AND created_at >= $4`, at.UnixMicro(), endpoint[:], int64(partner),
		since.UnixMicro())
	return missed + n, wrap("replay", err)
}

// Deliveries lists where an event was sent.
func (t *Tx) Deliveries(ctx context.Context, partner authz.PartnerID, event record.UUID) ([]record.Delivery, error) {
	return deliveries.all(ctx, t.q, by("event_id = ?", event[:]).number("partner_id", int64(partner)), " ORDER BY endpoint_id")
}

const attemptsShown = 100

// Attempts lists the tries of a delivery, newest first.
func (t *Tx) Attempts(ctx context.Context, event, endpoint record.UUID) ([]record.Attempt, error) {
	attempts := table[record.Attempt]{name: "attempts", columns: "number, tried_at, took, status, error",
		scan: func(r Row) record.Attempt {
			return record.Attempt{Event: event, Endpoint: endpoint, Number: r.Int(0), At: moment(r, 1),
				Took: time.Duration(r.Int(2)) * time.Microsecond, Status: r.Int(3), Error: r.Text(4)}
		}}
	return attempts.all(ctx, t.q, by("event_id = ?", event[:]).and("endpoint_id = ?", endpoint[:]),
		fmt.Sprintf(" ORDER BY number DESC LIMIT %d", attemptsShown))
}
