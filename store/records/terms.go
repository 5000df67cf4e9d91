package records

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/authz/record"
)

// What may be wrong with terms and rates.
var (
	ErrTerms = errors.New("the mark-up or the life of holds is out of bounds, the life is not whole hours, or an amount is below zero")
	ErrRate  = errors.New("the rate is not eight digits as in DE 9")
)

// SetTerms replaces the terms of a program. The switches learn them with the routing table. The mark-up, the life of holds and
// who bears differences of exchange are those of [record.Program], which the management API changes, too: they stand with the
// program, and what program_terms has room for is not read.
func SetTerms(ctx context.Context, q Querier, program authz.ProgramID, t authz.Terms) error {
	hours := int64(t.HoldLife / time.Hour)
	if t.MarkUp < 0 || t.MarkUp > record.MarkUpMax || t.PumpHold < 0 || t.PumpHold > money.MinorMax ||
		hours < 0 || hours > record.HoldHoursMax || t.HoldLife%time.Hour != 0 {
		return ErrTerms
	}
	if _, err := q.Exec(ctx, "UPDATE programs SET mark_up = $1, hold_hours = $2, fx_to_user = $3, version = version + 1 WHERE id = $4",
		t.MarkUp, hours, bit(t.FXToUser), int64(program)); err != nil {
		return wrap("set terms", err)
	}
	args := []any{int64(program), t.PumpHold, bit(t.PartApproval), bit(t.CreditAtOnce), bit(t.OwnRates)}
	_, err := q.Exec(ctx, `INSERT INTO program_terms (program_id, pump_hold, part_approval, credit_at_once, own_rates, fx_to_user,
 mark_up, hold_seconds) VALUES ($1, $2, $3, $4, $5, 0, 0, 0)
ON CONFLICT (program_id) DO UPDATE SET pump_hold = excluded.pump_hold, part_approval = excluded.part_approval,
 credit_at_once = excluded.credit_at_once, own_rates = excluded.own_rates`, args...)
	return wrap("set terms", err)
}

func bit(set bool) int64 {
	if set {
		return 1
	}
	return 0
}

// Programs reads the routing table, with the terms of each program.
func Programs(ctx context.Context, q Querier) ([]authz.Program, error) {
	var all []authz.Program
	err := q.Query(ctx, func(r Row) error {
		all = append(all, authz.Program{ID: authz.ProgramID(r.Int(0)), Partner: authz.PartnerID(r.Int(1)),
			BINLow: int32(r.Int(2)), BINHigh: int32(r.Int(3)),
			Terms: authz.Terms{PumpHold: r.Int(4), PartApproval: r.Int(5) != 0, CreditAtOnce: r.Int(6) != 0, OwnRates: r.Int(7) != 0,
				MarkUp: r.Int(8), FXToUser: r.Int(9) != 0, HoldLife: time.Duration(r.Int(10)) * time.Hour}})
		return nil
	}, `SELECT p.id, p.partner_id, p.bin_low, p.bin_high, t.pump_hold, t.part_approval, t.credit_at_once, t.own_rates, p.mark_up,
 p.fx_to_user, p.hold_hours FROM programs p LEFT JOIN program_terms t ON t.program_id = p.id`)
	return all, wrap("read programs", err)
}

// SetRate adds one of our own rates of exchange, which counts from a moment until the next one of its pair.
func SetRate(ctx context.Context, q Querier, r authz.Rate, since time.Time) error {
	if _, err := money.Convert(1, r.Rate, 0, 0); err != nil {
		return fmt.Errorf("set rate: %w", ErrRate)
	}
	_, err := q.Exec(ctx, `INSERT INTO rates (from_currency, to_currency, since, rate) VALUES ($1, $2, $3, $4)`,
		numeric(r.From), numeric(r.To), since.UnixMicro(), r.Rate)
	return wrap("set rate", err)
}

// Rates reads of each pair the rate that counts at a moment.
func Rates(ctx context.Context, q Querier, now time.Time) ([]authz.Rate, error) {
	var all []authz.Rate
	err := q.Query(ctx, func(r Row) error {
		all = append(all, authz.Rate{From: currency(r.Int(0)), To: currency(r.Int(1)), Rate: r.Text(2)})
		return nil
	}, `SELECT r.from_currency, r.to_currency, r.rate FROM rates r WHERE r.since = (SELECT max(n.since) FROM rates n
 WHERE n.from_currency = r.from_currency AND n.to_currency = r.to_currency AND n.since <= $1)`, now.UnixMicro())
	return all, wrap("read rates", err)
}

// SetRate adds one of our own rates of exchange, which counts from a moment.
func (t *Tx) SetRate(ctx context.Context, r authz.Rate, since time.Time) error {
	t.programs = true // the switches read rates with the routing table
	return SetRate(ctx, t.q, r, since)
}

// RatesPage lists of each pair the rate that counts at a moment, those that were set last first.
func (t *Tx) RatesPage(ctx context.Context, at time.Time, page record.Page) (record.List[authz.Rate], error) {
	const pair = "r.from_currency * 1000 + r.to_currency"
	w := by(`r.since = (SELECT max(n.since) FROM rates n
 WHERE n.from_currency = r.from_currency AND n.to_currency = r.to_currency AND n.since <= ?)`, at.UnixMicro())
	if page.Cursor != "" {
		since, last, err := readRateCursor(page.Cursor)
		if err != nil {
			return record.List[authz.Rate]{}, err
		}
		w.and("(r.since < ? OR r.since = ? AND "+pair+" < ?)", since, since, last)
	}
	var all []authz.Rate
	var since []int64
	err := t.q.Query(ctx, func(r Row) error {
		all = append(all, authz.Rate{From: currency(r.Int(0)), To: currency(r.Int(1)), Rate: r.Text(2)})
		since = append(since, r.Int(3))
		return nil
	}, fmt.Sprintf("SELECT r.from_currency, r.to_currency, r.rate, r.since FROM rates r%s ORDER BY r.since DESC, %s DESC LIMIT %d",
		w.sql(), pair, page.Size()+1), w.args...)
	return paged(all, page, func(r *authz.Rate) string {
		return rateCursor(since[page.Size()-1], numeric(r.From)*1000+numeric(r.To))
	}), wrap("read rates", err)
}

// rateCursor names a rate by when it was set and of what. In base 36 its numbers are shorter than those of cards: a cursor
// goes into a statement of a database, and so perhaps into its log.
func rateCursor(since, pair int64) string {
	return strconv.FormatInt(since, 36) + "." + strconv.FormatInt(pair, 36)
}

func readRateCursor(cursor string) (since, pair int64, err error) {
	left, right, _ := strings.Cut(cursor, ".")
	since, wrong := strconv.ParseInt(left, 36, 64)
	pair, err = strconv.ParseInt(right, 36, 64)
	if err != nil || wrong != nil || len(left) > 11 || pair >= 1_000_000 || rateCursor(since, pair) != cursor {
		return 0, 0, record.ErrCursor
	}
	return since, pair, nil
}

// ExceptionRow is a case of the queue as people read it.
type ExceptionRow struct {
	Row     authz.ID
	Case    authz.Case
	Partner authz.PartnerID
	What    string
	At      time.Time
}

// Exceptions reads the open cases after a row, oldest first, at most so many.
func Exceptions(ctx context.Context, q Querier, after authz.ID, most int) ([]ExceptionRow, error) {
	var all []ExceptionRow
	err := q.Query(ctx, func(r Row) error {
		all = append(all, ExceptionRow{Row: authz.ID(r.Int(0)), Case: authz.Case(r.Int(1)), Partner: authz.PartnerID(r.Int(2)),
			What: r.Text(3), At: time.UnixMicro(r.Int(4)).UTC()})
		return nil
	}, `SELECT authorization_id, kind, partner_id, what, raised_at FROM exceptions
WHERE state = 'OPEN' AND authorization_id > $1 ORDER BY authorization_id, kind LIMIT $2`, int64(after), int64(most))
	return all, wrap("read exceptions", err)
}

// Dismiss closes a case that people have dealt with. What comes later does not open it again.
func Dismiss(ctx context.Context, q Querier, row authz.ID, c authz.Case) error {
	n, err := q.Exec(ctx, "UPDATE exceptions SET state = 'DONE' WHERE authorization_id = $1 AND kind = $2", int64(row), int64(c))
	if err == nil && n == 0 {
		err = authz.ErrNotFound
	}
	return wrap("dismiss case", err)
}
