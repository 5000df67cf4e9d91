package records

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"holdfast/authz"
	"holdfast/authz/record"
)

var partners = table[record.Partner]{
	name:    "partners",
	columns: "id, version, name, state, networks, response_key, unbound_keys, created_at",
	scan: func(r Row) record.Partner {
		return record.Partner{ID: authz.PartnerID(r.Int(0)), Version: r.Int(1), Name: r.Text(2),
			State: record.PartnerState(r.Text(3)), Networks: strings.Fields(r.Text(4)), ResponseKey: kept(r, 5),
			UnboundKeys: r.Int(6) != 0, CreatedAt: moment(r, 7)}
	},
	args: func(p *record.Partner) []any {
		return []any{int64(p.ID), p.Version, p.Name, string(p.State), strings.Join(p.Networks, " "), blob(p.ResponseKey),
			flag(p.UnboundKeys), micros(p.CreatedAt)}
	},
}

// InsertPartner registers an institution and sets its id and version. A name that is taken is [record.ErrExists].
func (t *Tx) InsertPartner(ctx context.Context, p *record.Partner) error {
	p.State, p.Version = record.PartnerActive, 1
	if err := p.Check(); err != nil {
		return err
	}
	id, err := next(ctx, t.q, "partners", 1)
	if err != nil {
		return err
	}
	p.ID = authz.PartnerID(id)
	return partners.insert(ctx, t.q, p)
}

// Partner reads one.
func (t *Tx) Partner(ctx context.Context, id authz.PartnerID) (record.Partner, error) {
	return partners.one(ctx, t.q, by("id = ?", int64(id)))
}

// Partners lists them.
func (t *Tx) Partners(ctx context.Context, page record.Page) (record.List[record.Partner], error) {
	return partners.page(ctx, t.q, &where{}, page, func(p *record.Partner) string { return strconv.FormatInt(int64(p.ID), 10) })
}

// UpdatePartner changes what may be changed of a partner that was read before. After a change of its state the caller
// runs [AlignPartner] before it answers. Whatever is being made for the partner is waited for: it sees the new state.
func (t *Tx) UpdatePartner(ctx context.Context, p *record.Partner) error {
	if err := p.Check(); err != nil {
		return err
	}
	if _, err := lockRows(ctx, t.q, "SELECT id FROM partners WHERE id = $1"+ForUpdate, int64(p.ID)); err != nil {
		return err
	}
	taken, err := exists(ctx, t.q, "SELECT id FROM partners WHERE name = $1 AND id <> $2", p.Name, int64(p.ID))
	if err != nil || taken {
		return orElse(err, record.ErrExists)
	}
	if err := partners.update(ctx, t.q, p); err != nil {
		return err
	}
	p.Version++
	return nil
}

// alignChunk is how many balances a step of AlignPartner locks: authorizations wait for no more than that.
const alignChunk = 200

// AlignPartner brings the cards of a partner in line with its state, in short transactions. When it has returned nil
// after a suspension, no authorization of the partner's cards that is received later is approved. It may be run
// again at any time, and is, for partners whose suspension was cut short.
func AlignPartner(ctx context.Context, s Store, partner authz.PartnerID) error {
	for last := int64(0); ; {
		var ids []int64
		err := s.Update(ctx, func(q Querier) (err error) {
			ids, err = lockRows(ctx, q, `SELECT id FROM balances WHERE partner_id = $1 AND user_id IS NOT NULL AND id > $2
ORDER BY id LIMIT `+strconv.Itoa(alignChunk)+ForUpdate, int64(partner), last)
			if err != nil || len(ids) == 0 {
				return err
			}
			return restrict(ctx, q, ids)
		})
		if err != nil || len(ids) == 0 {
			return wrap("align partner", err)
		}
		last = ids[len(ids)-1]
	}
}

// restrict makes the cards on some balances, whose rows are locked, repeat the states behind them. Those that change
// get a new version, and so do their balances: whoever commits without the lock finds out by it.
func restrict(ctx context.Context, q Querier, balances []int64) error {
	args := make([]any, len(balances))
	for i, id := range balances {
		args[i] = id
	}
	const holder = `CASE WHEN EXISTS (SELECT 1 FROM users u JOIN partners p ON p.id = u.partner_id
 WHERE u.id = cards.user_id AND u.state = 'ACTIVE' AND p.state = 'ACTIVE') THEN 0 ELSE 1 END`
	const balance = `CASE WHEN EXISTS (SELECT 1 FROM balances b WHERE b.id = cards.balance_id AND b.state = 'ACTIVE') THEN 0 ELSE 1 END`
	on := "IN (" + holders(1, len(balances)) + ")"
	differ := "(holder_restricted <> " + holder + " OR balance_restricted <> " + balance + ")"
	if _, err := q.Exec(ctx, `UPDATE balances SET version = version + 1
WHERE id `+on+" AND EXISTS (SELECT 1 FROM cards WHERE cards.balance_id = balances.id AND "+differ+")", args...); err != nil {
		return wrap("raise balances", err)
	}
	_, err := q.Exec(ctx, "UPDATE cards SET holder_restricted = "+holder+", balance_restricted = "+balance+
		", version = version + 1 WHERE balance_id "+on+" AND "+differ, args...)
	return wrap("restrict cards", err)
}

// lockRows reads ids and keeps their rows from being changed by others until the transaction ends.
func lockRows(ctx context.Context, q Querier, sql string, args ...any) ([]int64, error) {
	var ids []int64
	err := q.Query(ctx, func(r Row) error { ids = append(ids, r.Int(0)); return nil }, sql, args...)
	return ids, wrap("lock rows", err)
}

func exists(ctx context.Context, q Querier, sql string, args ...any) (found bool, err error) {
	err = q.Query(ctx, func(Row) error { found = true; return nil }, sql, args...)
	return found, err
}

// orElse is the error, or what it means that there is none.
func orElse(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

var programs = table[record.Program]{
	name: "programs",
	columns: "id, version, partner_id, name, bin_low, bin_high, currency, funding, holder, remote_url, digital_first, " +
		"partner_balances, outside_only, hold_hours, mark_up, fx_to_user, card_months, action_codes, created_at",
	scan: func(r Row) record.Program {
		return record.Program{ID: authz.ProgramID(r.Int(0)), Version: r.Int(1), Partner: authz.PartnerID(r.Int(2)), Name: r.Text(3),
			BINLow: int32(r.Int(4)), BINHigh: int32(r.Int(5)), Currency: currency(r.Int(6)), Funding: record.Funding(r.Text(7)),
			Holder: record.Holder(r.Text(8)), RemoteURL: r.Text(9), DigitalFirst: r.Int(10) != 0, PartnerBalances: r.Int(11) != 0,
			OutsideOnly: r.Int(12) != 0, HoldHours: r.Int(13), MarkUp: r.Int(14), FXToUser: r.Int(15) != 0,
			CardMonths: r.Int(16), ActionCodes: readCodes(r.Text(17)), CreatedAt: moment(r, 18)}
	},
	args: func(p *record.Program) []any {
		return []any{int64(p.ID), p.Version, int64(p.Partner), p.Name, int64(p.BINLow), int64(p.BINHigh), numeric(p.Currency),
			string(p.Funding), string(p.Holder), p.RemoteURL, flag(p.DigitalFirst), flag(p.PartnerBalances), flag(p.OutsideOnly),
			p.HoldHours, p.MarkUp, flag(p.FXToUser), p.CardMonths, writeCodes(p.ActionCodes), micros(p.CreatedAt)}
	},
}

func writeCodes(codes map[string]string) string {
	var all []string
	for _, reason := range slices.Sorted(maps.Keys(codes)) {
		for _, code := range strings.Fields(codes[reason]) {
			all = append(all, reason+"="+code)
		}
	}
	return strings.Join(all, " ")
}

func readCodes(text string) map[string]string {
	codes := map[string]string{}
	for _, entry := range strings.Fields(text) {
		reason, code, _ := strings.Cut(entry, "=")
		codes[reason] = strings.TrimSpace(codes[reason] + " " + code)
	}
	return codes
}

// ProgramCodes are the answers to the network that a program has of its own, as [record.Program] has them, and the first
// eight digits of its cards.
type ProgramCodes struct {
	Low, High int32
	Codes     map[string]string
}

// ActionCodes reads the answers of all programs that have some of their own.
func ActionCodes(ctx context.Context, q Querier) ([]ProgramCodes, error) {
	var all []ProgramCodes
	err := q.Query(ctx, func(r Row) error {
		all = append(all, ProgramCodes{int32(r.Int(0)), int32(r.Int(1)), readCodes(r.Text(2))})
		return nil
	}, "SELECT bin_low, bin_high, action_codes FROM programs WHERE action_codes <> '' ORDER BY id")
	return all, wrap("read the programs' action codes", err)
}

// InsertProgram sets a program up and sets its id and version. A BIN range that another program has a part of is
// refused as [record.ErrExists]: routing would not know whose card it is.
func (t *Tx) InsertProgram(ctx context.Context, p *record.Program) error {
	if p.CardMonths == 0 {
		p.CardMonths = record.CardMonthsUsual
	}
	if err := p.Check(); err != nil {
		return err
	}
	if _, err := t.Partner(ctx, p.Partner); err != nil {
		return err
	}
	// Ranges of all partners are compared, so two of these wait for each other.
	id, err := next(ctx, t.q, "programs", 1)
	if err != nil {
		return err
	}
	taken, err := exists(ctx, t.q, "SELECT id FROM programs WHERE bin_low <= $1 AND bin_high >= $2", int64(p.BINHigh), int64(p.BINLow))
	if err != nil || taken {
		return orElse(err, fmt.Errorf("BIN range: %w", record.ErrExists))
	}
	p.ID, p.Version = authz.ProgramID(id), 1
	t.programs = true
	return programs.insert(ctx, t.q, p)
}

// Program reads one of a partner's.
func (t *Tx) Program(ctx context.Context, partner authz.PartnerID, id authz.ProgramID) (record.Program, error) {
	return programs.one(ctx, t.q, by("id = ?", int64(id)).number("partner_id", int64(partner)))
}

// ProgramFor is the partner's program in a currency whose cards are issued when none is named: the oldest.
func (t *Tx) ProgramFor(ctx context.Context, partner authz.PartnerID, b *record.Balance) (record.Program, error) {
	all, err := programs.all(ctx, t.q, by("partner_id = ?", int64(partner)).and("currency = ?", numeric(b.Currency)),
		" ORDER BY id LIMIT 1")
	if err == nil && len(all) == 0 {
		err = record.ErrCurrency
	}
	if err != nil {
		return record.Program{}, err
	}
	return all[0], nil
}

// Programs lists a partner's.
func (t *Tx) Programs(ctx context.Context, partner authz.PartnerID, page record.Page) (record.List[record.Program], error) {
	return programs.page(ctx, t.q, new(where).number("partner_id", int64(partner)), page,
		func(p *record.Program) string { return strconv.FormatInt(int64(p.ID), 10) })
}

// UpdateProgram changes what may be changed of a program that was read before. Its partner, BIN range, currency and
// funding are what its cards were issued under, and stay.
func (t *Tx) UpdateProgram(ctx context.Context, p *record.Program) error {
	if err := p.Check(); err != nil {
		return err
	}
	old, err := t.Program(ctx, p.Partner, p.ID)
	switch {
	case err != nil:
		return err
	case old.BINLow != p.BINLow || old.BINHigh != p.BINHigh || old.Currency != p.Currency || old.Funding != p.Funding:
		return record.Invalid("program", "BIN range, currency and funding cannot be changed")
	}
	taken, err := exists(ctx, t.q, "SELECT id FROM programs WHERE partner_id = $1 AND name = $2 AND id <> $3",
		int64(p.Partner), p.Name, int64(p.ID))
	if err != nil || taken {
		return orElse(err, record.ErrExists)
	}
	if err := programs.update(ctx, t.q, p); err != nil {
		return err
	}
	p.Version++
	t.programs = true
	return nil
}
