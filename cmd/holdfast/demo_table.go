package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/store/records"
	"holdfast/switch/iso"
	"holdfast/switch/replay"
)

// demoTable collects a row for each step of the day. What a message says comes from the wire, what was decided and
// what it did to the balances from the journal.
type demoTable struct {
	store         records.Store
	began         time.Time
	available     map[int64]int64 // by balance, as last seen
	rows          []demoRow
	firstApproval time.Time
	declined      int64 // a row worth explaining
	err           error
}

// demoRow is a line of the table.
type demoRow struct {
	scene                   string
	number                  int
	request, card, code     string
	decision, user, deposit string
	note                    string
	bad                     bool
}

func newDemoTable(ctx context.Context, store records.Store) (*demoTable, error) {
	t := &demoTable{store: store, began: time.Now(), available: map[int64]int64{}}
	return t, store.View(ctx, func(q records.Querier) error {
		return q.Query(ctx, func(r records.Row) error { t.available[r.Int(0)] = r.Int(1); return nil },
			"SELECT id, ledger - held FROM balances")
	})
}

// observe adds the row of a step. It runs between two steps, so the balances are those that the step left.
func (t *demoTable) observe(ctx context.Context, o *replay.Outcome) {
	r := demoRow{scene: o.Step.Scene, number: o.Number, note: o.Step.Note, bad: len(o.Differences) > 0, decision: "-", code: "-"}
	describeRequest(&r, o.Sent)
	if o.Sent != nil && o.Sent.MTI()[1] == '8' {
		r.request += ", link " + o.Step.Link
	}
	switch {
	case o.Answer != nil:
		r.code = o.Answer.Get(39)
	case len(o.Differences) > 0:
	case o.Step.Expects() == "closed":
		r.decision = "(dropped, and the link closed)"
	default:
		r.decision = "(dropped: nobody to answer)"
	}
	if err := t.store.View(ctx, func(q records.Querier) error { return t.journal(ctx, q, &r, o) }); err != nil && t.err == nil {
		t.err = fmt.Errorf("read the journal: %w", err)
	}
	t.rows = append(t.rows, r)
}

// journaled is what the table needs of an authorization row.
type journaled struct {
	id                        int64
	reason                    authz.Reason
	placed                    int64
	balance, deposit          int64
	known, depositKnown       bool
	userBefore, depositBefore int64
}

// journal fills in what the journal has of the step's message, found by its STAN, which is fresh.
func (t *demoTable) journal(ctx context.Context, q records.Querier, r *demoRow, o *replay.Outcome) error {
	if o.Sent == nil || o.Answer == nil || o.Sent.MTI()[1] == '8' {
		return nil
	}
	r.decision = undecided[r.code]
	var j journaled
	if err := q.Query(ctx, func(row records.Row) error {
		j = journaled{id: row.Int(0), reason: authz.Reason(row.Int(1)), placed: row.Int(2), balance: row.Int(3), deposit: row.Int(4),
			known: !row.Null(5), userBefore: row.Int(5), depositKnown: !row.Null(6), depositBefore: row.Int(6)}
		return nil
	}, `SELECT id, reason, placed, balance_id, deposit_id, user_before, deposit_before FROM authorizations
WHERE stan = $1 AND received_at >= $2 ORDER BY id DESC LIMIT 1`, o.Sent.Get(11), t.began.UnixMicro()); err != nil || j.id == 0 {
		return err
	}
	repeat := (o.Sent.MTI()[3]-'0')%2 == 1
	if r.decision = j.reason.String(); repeat {
		r.decision += " as before"
		j.known, j.depositKnown = false, false
	}
	if j.reason.Approval() && t.firstApproval.IsZero() {
		t.firstApproval = time.Now()
	}
	if j.reason == authz.FundsShort {
		t.declined = j.id
	}
	now, err := availableNow(ctx, q, j.balance, j.deposit)
	if err != nil {
		return err
	}
	if j.balance != 0 {
		r.user = t.change(j.balance, now[j.balance], j.known, j.userBefore, j.placed)
	}
	if j.deposit != 0 {
		r.deposit = t.change(j.deposit, now[j.deposit], j.depositKnown, j.depositBefore, j.placed)
	}
	return nil
}

// undecided says why there is no row in the journal for an answer.
var undecided = map[string]string{"30": "(refused: format error)", "91": "(refused: signed off)"}

// change writes a balance before and after. The decision knows both when it looked at the balance; else they are
// what was seen before and after the step.
func (t *demoTable) change(id, now int64, known bool, before, placed int64) string {
	after := before - placed
	if !known {
		before, after = t.available[id], now
	}
	t.available[id] = now
	if before == after {
		return units(after)
	}
	return units(before) + " -> " + units(after)
}

func availableNow(ctx context.Context, q records.Querier, ids ...int64) (map[int64]int64, error) {
	now := map[int64]int64{}
	for _, id := range ids {
		if err := q.Query(ctx, func(r records.Row) error { now[id] = r.Int(0); return nil },
			"SELECT ledger - held FROM balances WHERE id = $1", id); err != nil {
			return nil, err
		}
	}
	return now, nil
}

// units writes minor units of the demo's one currency.
func units(minor int64) string {
	c, _ := money.ByAlpha("EUR") // it exists
	return strings.TrimSuffix(money.Amount{Minor: minor, Currency: c}.String(), " EUR")
}

// merchants are what the day's merchant categories (DE 18) are called.
var merchants = map[string]string{"5411": "supermarket", "5812": "restaurant", "5999": "online shop", "5541": "fuel",
	"7011": "hotel", "6011": "cash machine"}

// describeRequest says in a few words what was sent, and on which card.
func describeRequest(r *demoRow, m *iso.Message) {
	if m == nil || m.MTI() == "" {
		r.request = "bytes that are no message"
		return
	}
	r.request = m.MTI() + " " + requestWords(m)
	if n, ok := m.PAN(); ok {
		r.card = "*" + n.Last4()
	}
}

func requestWords(m *iso.Message) string {
	if m.MTI()[1] == '8' {
		return map[string]string{"001": "sign-on", "002": "sign-off", "301": "echo"}[m.Get(70)]
	}
	place := merchants[m.Get(18)]
	amount := "(no amount)"
	if c, err := money.ByNumeric(m.Get(49)); err == nil {
		if minor, err := money.ParseMinor(m.Get(4)); err == nil {
			amount = strings.TrimSuffix(money.Amount{Minor: minor, Currency: c}.String(), " EUR")
		}
	}
	kind := m.Get(3)[:min(2, len(m.Get(3)))]
	switch {
	case m.MTI()[1] == '4' && m.Has(95):
		final, _ := money.ParseMinor(m.Get(95)[:12]) // the trace's own, checked when it was encoded
		return place + " undo, keep " + units(final)
	case m.MTI()[1] == '4':
		return place + " undo " + amount
	case kind == "31":
		return "balance inquiry"
	case kind == "20":
		return place + " refund " + amount
	case kind == "00" && strings.Trim(m.Get(4), "0") == "" && m.Has(4):
		return "card check, " + place
	case m.MTI()[2] == '2':
		return place + " advice " + amount
	case m.MTI()[3] == '1':
		return place + " again " + amount
	}
	return place + " " + amount
}

// The columns of the table; with the two blanks between them they are at most 120 wide.
var demoColumns = []struct {
	title string
	width int
}{{"#", 2}, {"request", 31}, {"card", 5}, {"39", 2}, {"decision", 28}, {"user available", 18}, {"deposit available", 20}}

func (t *demoTable) print(out io.Writer, terminal bool) {
	bold, plain := "", ""
	if terminal {
		bold, plain = "\x1b[1m", "\x1b[0m"
	}
	titles := make([]string, len(demoColumns))
	for i, c := range demoColumns {
		titles[i] = c.title
	}
	fmt.Fprintf(out, "\nWhat was asked, and what became of it. Amounts are in EUR unless they say otherwise.\n")
	fmt.Fprintf(out, "\n%s%s%s\n", bold, demoLine(titles), plain)
	for _, r := range t.rows {
		if r.scene != "" {
			fmt.Fprintf(out, "\n%s%s%s\n", bold, r.scene, plain)
		}
		fmt.Fprintln(out, demoLine([]string{fmt.Sprint(r.number), r.request, r.card, r.code, r.decision, r.user, r.deposit}))
		if r.bad {
			fmt.Fprintf(out, "    NOT AS EXPECTED (%s)\n", r.note)
		}
	}
}

func demoLine(cells []string) string {
	var b strings.Builder
	for i, cell := range cells {
		width := demoColumns[i].width
		b.WriteString(cell)
		b.WriteString(strings.Repeat(" ", max(0, width-utf8.RuneCountInString(cell))+2))
	}
	return strings.TrimRight(b.String(), " ")
}

// printBalances lists every balance and whose it is, partners' first.
func printBalances(ctx context.Context, out io.Writer, store records.Store) error {
	var all []records.BalanceRow
	if err := store.View(ctx, func(q records.Querier) (err error) {
		all, err = records.Balances(ctx, q)
		return err
	}); err != nil {
		return err
	}
	const line = "%-14s  %-8s  %-10s  %12s  %12s  %12s\n"
	fmt.Fprintf(out, "\n"+line, "Balances", "kind", "whose", "ledger", "held", "available")
	for _, b := range all {
		whose := b.User
		if b.Forced {
			whose += " (forced)"
		}
		fmt.Fprintf(out, line, b.Partner, b.Kind, whose, units(b.Ledger), units(b.Held), units(b.Ledger-b.Held))
	}
	return nil
}
