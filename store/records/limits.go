package records

import (
	"context"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
)

// SetLimits replaces a card's limits, in a new version of the card: no authorization that is received after the commit
// exceeds them. Every limit, the first one too, knows what was spent before it in the windows that run at the moment.
func (t *Tx) SetLimits(ctx context.Context, partner authz.PartnerID, id authz.CardID, limits []record.Limit,
	at time.Time) (record.Card, error) {
	if err := record.CheckLimits(limits); err != nil {
		return record.Card{}, err
	}
	c, err := t.lockCard(ctx, partner, id)
	if err == nil {
		_, err = c.Act(record.ActLimit, at)
	}
	if err == nil && !c.Limited && len(limits) > 0 {
		err = t.countPast(ctx, &c, at)
	}
	if err != nil {
		return c, err
	}
	if _, err := t.q.Exec(ctx, "DELETE FROM limits WHERE card_id = $1", int64(id)); err != nil {
		return c, wrap("set limits", err)
	}
	for _, l := range limits {
		if _, err := t.q.Exec(ctx, "INSERT INTO limits (card_id, scope, span, amount) VALUES ($1, $2, $3, $4)", int64(id),
			string(l.Scope), string(l.Window), l.Amount); err != nil {
			return c, wrap("set limits", err)
		}
	}
	return c, t.setCard(ctx, &c, "limited = $2", flag(len(limits) > 0))
}

// Limits reads a card's limits in the order of their scopes and windows.
func (t *Tx) Limits(ctx context.Context, id authz.CardID) ([]record.Limit, error) {
	limits := table[record.Limit]{name: "limits", columns: "scope, span, amount", scan: func(r Row) record.Limit {
		return record.Limit{Scope: record.LimitScope(r.Text(0)), Window: record.LimitWindow(r.Text(1)), Amount: r.Int(2)}
	}}
	all, err := limits.all(ctx, t.q, by("card_id = ?", int64(id)), "")
	record.SortLimits(all)
	return all, err
}

// LimitUse reads what is used of the windows that a moment lies in. The journal keeps it, with its rows.
func (t *Tx) LimitUse(ctx context.Context, id authz.CardID, at time.Time) ([]record.LimitUse, error) {
	use := table[record.LimitUse]{name: "limit_use", columns: "scope, span, started_at, used", scan: func(r Row) record.LimitUse {
		return record.LimitUse{Card: id, Scope: record.LimitScope(r.Text(0)), Window: record.LimitWindow(r.Text(1)), Start: moment(r,
			2), Used: r.Int(3)}
	}}
	all, err := use.all(ctx, t.q, by("card_id = ?", int64(id)).and("started_at >= ?", record.LimitMonth.Start(at).AddDate(0, 0,
		-7).UnixMicro()), "")
	var now []record.LimitUse
	for _, u := range all {
		if u.Start.Equal(u.Window.Start(at)) {
			now = append(now, u)
		}
	}
	return now, err
}
