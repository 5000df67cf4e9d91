package gateway

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/switch/iso"
)

// Books keep what reconciliation needs.
type Books interface {
	// CutOver notes durably that a peer's settlement date is now day.
	CutOver(ctx context.Context, peer string, day authz.Day, at time.Time) error
	// Totals counts the journal for one peer, settlement date and currency; with counts, what moved no money, too.
	Totals(ctx context.Context, peer string, day authz.Day, c money.Currency, counts bool) (authz.Totals, error)
}

// totalElements are where the counts and amounts of a reconciliation stand, and netElement their net.
var totalElements = [...]struct {
	count, amount int
	of            func(*authz.Totals) *authz.Total
}{
	{74, 86, func(t *authz.Totals) *authz.Total { return &t.Credits }},
	{75, 87, func(t *authz.Totals) *authz.Total { return &t.CreditReversals }},
	{76, 88, func(t *authz.Totals) *authz.Total { return &t.Debits }},
	{77, 89, func(t *authz.Totals) *authz.Total { return &t.DebitReversals }},
}

// extraElements are what some peers count beside: transfers, of which we serve none; what moved no money; and fees,
// which have no sign here. One that is not stated is neither compared nor answered.
var extraElements = [...]struct {
	de, width int
	of        func(*authz.Totals) int64
}{
	{78, 10, func(*authz.Totals) int64 { return 0 }},
	{79, 10, func(*authz.Totals) int64 { return 0 }},
	{80, 10, func(t *authz.Totals) int64 { return t.Inquiries }},
	{81, 10, func(t *authz.Totals) int64 { return t.Authorizations }},
	{82, 12, func(t *authz.Totals) int64 { return max(t.CreditFees.Processing, -t.CreditFees.Processing) }},
	{83, 12, func(t *authz.Totals) int64 { return max(t.CreditFees.Transaction, -t.CreditFees.Transaction) }},
	{84, 12, func(t *authz.Totals) int64 { return max(t.DebitFees.Processing, -t.DebitFees.Processing) }},
	{85, 12, func(t *authz.Totals) int64 { return max(t.DebitFees.Transaction, -t.DebitFees.Transaction) }},
}

const (
	netElement        = 97
	settlementElement = 66 // of 1987: 1 in balance, 2 out of balance, 3 error
)

// reconcile compares the peer's totals of a settlement date and currency with ours, which are computed from the journal,
// and answers that they agree, or that they do not, with ours.
func (e *exchange) reconcile(t mti) {
	m, l, books := e.message, e.session.place, e.session.g.cfg.Books
	day, dated := settlementDay(m.Get(15), e.x.ReceivedAt())
	currency, err := money.ByNumeric(m.Get(50))
	switch {
	case !m.Has(11):
		e.misread(wrong(11, iso.KindMissing))
	case t.origin() == originIssuer:
		e.end(authz.TransactionUnknown)
	case books == nil || !totalsFit(m.Dialect()):
		e.conclude(noTotals)
	case !dated && m.Has(15):
		e.misread(wrong(15, iso.KindDate))
	case !dated:
		e.misread(wrong(15, iso.KindMissing))
	case err != nil && m.Has(50):
		e.misread(wrong(50, iso.KindValue))
	case err != nil:
		e.misread(wrong(50, iso.KindMissing))
	default:
		theirs, err := readTotals(m)
		if err != nil {
			e.misread(err)
			return
		}
		e.aside(noTotals, func(ctx context.Context) (verdict, error) {
			ours, err := books.Totals(ctx, l.peer.Name, day, currency, m.Has(80) || m.Has(81))
			if err != nil {
				return 0, err
			}
			return e.compare(theirs, ours)
		})
	}
}

// totalsFit reports whether the dialect has the elements: the public profile of 2003 has no such amounts.
func totalsFit(d *iso.Dialect) bool {
	probe := d.New("0510")
	return probe.Set(86, "0000000000000000") == nil && probe.Set(netElement, "C0000000000000000") == nil
}

// claimed are the totals that a peer states. What it leaves out it claims to be nothing.
type claimed struct {
	totals authz.Totals
	extra  [len(extraElements)]int64
	net    int64
	netted bool
}

func readTotals(m *iso.Message) (c claimed, err error) {
	number := func(de int) int64 {
		n, e := strconv.ParseInt(m.Get(de), 10, 64)
		if m.Has(de) && e != nil {
			err = wrong(de, iso.KindAmount)
		}
		return n
	}
	for _, row := range totalElements {
		*row.of(&c.totals) = authz.Total{Count: number(row.count), Amount: number(row.amount)}
	}
	for i, row := range extraElements {
		c.extra[i] = number(row.de)
	}
	if net := m.Get(netElement); len(net) > 1 {
		c.netted = true
		n, e := strconv.ParseInt(net[1:], 10, 64)
		if e != nil {
			return c, wrong(netElement, iso.KindAmount)
		}
		c.net = n
		if net[0] == 'C' {
			c.net = -n
		}
	}
	return c, err
}

// compare sets the answer's totals. The sign of the net is D when the cardholders' debits exceed their credits, so that
// we owe the peer, and C when it owes us.
func (e *exchange) compare(theirs claimed, ours authz.Totals) (verdict, error) {
	m, net := e.message, ours.Net()
	balanced := !theirs.netted || theirs.net == net
	e.answer.more = make(map[int]string)
	set := func(de int, text string, width int) error {
		if len(text) > width {
			return fmt.Errorf("element %d has no room for our total", de)
		}
		e.answer.more[de] = text
		return nil
	}
	for _, row := range totalElements {
		t := row.of(&ours)
		balanced = balanced && *t == *row.of(&theirs.totals)
		if err := set(row.count, fmt.Sprintf("%010d", t.Count), 10); err != nil {
			return 0, err
		}
		if err := set(row.amount, fmt.Sprintf("%016d", t.Amount), 16); err != nil {
			return 0, err
		}
	}
	for i, row := range extraElements {
		if !m.Has(row.de) {
			continue
		}
		n := row.of(&ours)
		balanced = balanced && n == theirs.extra[i]
		if err := set(row.de, fmt.Sprintf("%0*d", row.width, n), row.width); err != nil {
			return 0, err
		}
	}
	sign := "D"
	if net < 0 || net == 0 && m.Get(netElement) != "" && m.Get(netElement)[0] == 'C' {
		sign, net = "C", -net
	}
	if err := set(netElement, fmt.Sprintf("%s%016d", sign, net), 17); err != nil {
		return 0, err
	}
	v, code := inBalance, "1"
	if !balanced {
		v, code = outOfBalance, "2"
	}
	if m.Dialect().Version() == iso.V1987 {
		e.answer.more[settlementElement] = code
	}
	return v, nil
}
