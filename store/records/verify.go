package records

import (
	"context"
	"fmt"
	"slices"

	"holdfast/authz"
)

// Violation is a row, or a group of rows, that breaks an invariant.
type Violation struct {
	Invariant string
	What      string // ids and amounts; no card data
}

// Checked is what one invariant was compared on.
type Checked struct {
	Invariant  string
	Rows       int64
	Violations int
}

// Report is the result of Verify.
type Report struct {
	Checked    []Checked
	Violations []Violation // at most violationsMax for each invariant
	Notes      []string    // what was seen that breaks none
}

// violationsMax keeps the report readable when a whole table is wrong.
const violationsMax = 20

// invariant is a rule of the books: count says how many rows it speaks of, and broken selects those that
// break it, as columns of numbers for the text.
type invariant struct {
	name   string
	count  string
	broken string
	text   string
}

func invariants() []invariant {
	return slices.Concat(ofBalances(), ofHolds(), ofLives(), ofRows(), ofMovements())
}

// The states by number, as the rows keep them.
const (
	authorized = int64(authz.StateAuthorized)
	captured   = int64(authz.StateCaptured)
	reversed   = int64(authz.StateReversed)
	cleared    = int64(authz.StateCleared)
	expired    = int64(authz.StateExpired)
	replaced   = int64(authz.StateReplaced)
	promised   = int64(authz.StatePromised)
)

func ofBalances() []invariant {
	open := fmt.Sprintf("state = %d", authorized)
	return []invariant{
		{
			name:  "the postings of a group sum to zero per currency",
			count: "SELECT count(DISTINCT group_id) FROM postings",
			broken: `SELECT group_id, currency, sum(amount) FROM postings GROUP BY group_id, currency
HAVING sum(amount) <> 0 ORDER BY group_id`,
			text: "group %d in currency %03d sums to %d",
		}, {
			name:  "a balance is the sum of its postings",
			count: "SELECT count(*) FROM balances",
			broken: `SELECT b.id, b.ledger, coalesce(s.total, 0) FROM balances b LEFT JOIN
 (SELECT balance_id, sum(amount) AS total FROM postings WHERE account = 'BALANCE' GROUP BY balance_id) s
 ON s.balance_id = b.id WHERE b.ledger <> coalesce(s.total, 0) ORDER BY b.id`,
			text: "balance %d says %d, its postings sum to %d",
		}, {
			name:  "held is the sum of the open holds",
			count: "SELECT count(*) FROM authorizations WHERE " + open,
			broken: `SELECT b.id, b.held, coalesce(s.total, 0) FROM balances b LEFT JOIN
 (SELECT id, sum(held) AS total FROM
   (SELECT balance_id AS id, held FROM authorizations WHERE ` + open + `
    UNION ALL SELECT deposit_id, held FROM authorizations WHERE ` + open + ` AND deposit_id <> 0) h GROUP BY id) s
 ON s.id = b.id WHERE b.held <> coalesce(s.total, 0) ORDER BY b.id`,
			text: "balance %d says %d, its open holds sum to %d",
		}, {
			name:  "no balance is overspent but by what may not be refused",
			count: "SELECT count(*) FROM balances",
			broken: `SELECT id, ledger, held FROM balances WHERE ledger - held < 0 AND forced = 0
 OR held < 0 ORDER BY id`,
			text: "balance %d has ledger %d and held %d",
		},
	}
}

func ofRows() []invariant {
	return []invariant{
		{
			name:  "an approval has its code, its card and its balance",
			count: fmt.Sprintf("SELECT count(*) FROM authorizations WHERE reason IN (%d, %d)", authz.Approved, authz.ApprovedPart),
			broken: fmt.Sprintf(`SELECT a.id, a.card_id, a.balance_id FROM authorizations a
 LEFT JOIN cards c ON c.id = a.card_id AND c.balance_id = a.balance_id AND coalesce(c.deposit_id, 0) = a.deposit_id
WHERE a.reason IN (%d, %d) AND (c.id IS NULL OR a.approval = '' AND a.answered = a.reason) ORDER BY a.id`,
				authz.Approved, authz.ApprovedPart),
			text: "authorization %d of card %d on balance %d",
		}, {
			name:  "one decision for a key",
			count: "SELECT count(*) FROM authorizations",
			broken: `SELECT min(id), max(id), count(*) FROM authorizations GROUP BY dup
HAVING count(*) > 1`,
			text: "authorizations %d to %d: %d rows",
		}, {
			name:  "a card is of one partner and one currency",
			count: "SELECT count(*) FROM cards",
			broken: `SELECT c.id, c.balance_id, c.program_id FROM cards c JOIN balances b ON b.id = c.balance_id
 JOIN programs g ON g.id = c.program_id JOIN users u ON u.id = c.user_id
WHERE b.currency <> g.currency OR c.currency <> b.currency OR b.partner_id <> c.partner_id OR g.partner_id <> c.partner_id
 OR u.partner_id <> c.partner_id OR b.user_id <> c.user_id ORDER BY c.id`,
			text: "card %d on balance %d in program %d",
		}, {
			name:  "a card repeats the states behind it",
			count: "SELECT count(*) FROM cards",
			broken: `SELECT c.id, c.user_id, c.balance_id FROM cards c JOIN balances b ON b.id = c.balance_id
 JOIN users u ON u.id = c.user_id JOIN partners p ON p.id = c.partner_id
WHERE (c.holder_restricted = 1) <> (u.state <> 'ACTIVE' OR p.state <> 'ACTIVE')
 OR (c.balance_restricted = 1) <> (b.state <> 'ACTIVE') ORDER BY c.id`,
			text: "card %d of user %d on balance %d",
		},
	}
}

func ofMovements() []invariant {
	return []invariant{
		{
			name:  "what the API moved is posted, once and whole",
			count: "SELECT count(*) FROM movements",
			broken: `SELECT m.group_id, CASE WHEN m.kind = 'DEBIT' THEN -m.amount ELSE m.amount END, coalesce(sum(p.amount), 0)
FROM movements m LEFT JOIN postings p ON p.group_id = m.group_id AND p.account = 'BALANCE' AND p.balance_id = m.balance_id
 AND p.currency = m.currency AND p.partner_id = m.partner_id AND p.kind = m.kind
GROUP BY m.group_id, m.kind, m.amount
HAVING coalesce(sum(p.amount), 0) <> CASE WHEN m.kind = 'DEBIT' THEN -m.amount ELSE m.amount END ORDER BY m.group_id`,
			text: "movement in group %d moves %d, its postings sum to %d",
		}, {
			name:  "a user is topped up from outside or from the partner's credit",
			count: "SELECT count(*) FROM movements WHERE kind <> 'RELOAD'",
			broken: `SELECT m.group_id, m.balance_id, p.balance_id FROM movements m
 JOIN postings p ON p.group_id = m.group_id AND p.balance_id <> m.balance_id
 LEFT JOIN balances b ON b.id = p.balance_id
WHERE m.kind <> 'RELOAD' AND NOT (p.account = 'FUNDING' OR coalesce(b.kind = 'CREDIT' AND b.partner_id = m.partner_id
 AND b.currency = m.currency, FALSE)) ORDER BY m.group_id`,
			text: "movement in group %d on balance %d has the other side on balance %d",
		}, {
			name:  "a closed balance has no cards", // it may have money: a clearing that comes late is posted
			count: "SELECT count(*) FROM balances WHERE state = 'CLOSED'",
			broken: fmt.Sprintf(`SELECT b.id, count(*), min(c.id) FROM balances b JOIN cards c ON c.balance_id = b.id
WHERE b.state = 'CLOSED' AND c.state <> %d GROUP BY b.id ORDER BY b.id`, authz.CardRemovedState),
			text: "balance %d has %d cards, such as %d",
		}, {
			name:  "a card that has limits says so",
			count: "SELECT count(*) FROM cards WHERE limited = 1",
			broken: `SELECT c.id, c.limited, count(l.card_id) FROM cards c LEFT JOIN limits l ON l.card_id = c.id
GROUP BY c.id, c.limited HAVING (c.limited = 1) <> (count(l.card_id) > 0) ORDER BY c.id`,
			text: "card %d says %d and has %d limits",
		},
	}
}

// Verify reads the books in one consistent state and checks every invariant. It decides nothing and
// shares no code with what does.
func Verify(ctx context.Context, s interface {
	View(ctx context.Context, f func(Querier) error) error
}) (Report, error) {
	var report Report
	err := s.View(ctx, func(q Querier) error {
		for _, in := range invariants() {
			c, err := in.check(ctx, q, &report.Violations)
			if err != nil {
				return fmt.Errorf("check that %s: %w", in.name, err)
			}
			report.Checked = append(report.Checked, c)
		}
		heads, broken, err := VerifyAudit(ctx, q)
		c := Checked{Invariant: auditWhole, Violations: len(broken)}
		for _, h := range heads {
			c.Rows += h.Sequence
		}
		report.Checked = append(report.Checked, c)
		report.Violations = append(report.Violations, broken[:min(len(broken), violationsMax)]...)
		if err != nil {
			return err
		}
		c, err = verifyLimits(ctx, q, &report.Violations)
		report.Checked = append(report.Checked, c)
		return err
	})
	return report, err
}

func (in *invariant) check(ctx context.Context, q Querier, found *[]Violation) (Checked, error) {
	c := Checked{Invariant: in.name}
	if err := q.Query(ctx, func(r Row) error { c.Rows = r.Int(0); return nil }, in.count); err != nil {
		return c, err
	}
	return c, q.Query(ctx, func(r Row) error {
		c.Violations++
		if c.Violations <= violationsMax {
			*found = append(*found, Violation{in.name, fmt.Sprintf(in.text, r.Int(0), r.Int(1), r.Int(2))})
		}
		return nil
	}, in.broken)
}
