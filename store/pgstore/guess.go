package pgstore

import (
	"errors"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/authz/record"
	"holdfast/store/arbiter"
)

// guess is a transaction as the arbiter sees it when nothing has been read: cards are as they were decided on, nothing
// that belongs to a request came before it, keys are free, and every balance has more than all its approvals and less
// than each of its declines for want of funds need. The arbiter's decisions are right where the guess is, and the
// statements that write them check all of it. What the arbiter wants to know beyond is [errUnread].
type guess struct {
	out      *columns
	balances map[authz.CardID]authz.BalanceID
	users    moves // of the cards
	funds    moves // deposits, whose locks are taken last and so held shortest
	keys     map[authz.DupKey]struct{}

	forgotten int64                        // marks up to then stop nothing
	marked    map[authz.BalanceID]struct{} // of cards that are known to be marked; see clues.go
	clues     clueColumns
}

var _ arbiter.Tables = (*guess)(nil)

// errUnread ends a guess: the group must be decided on what is in the tables.
var errUnread = errors.New("it was not read")

func newGuess(out *columns) *guess {
	return &guess{out: out, balances: make(map[authz.CardID]authz.BalanceID), users: make(moves), funds: make(moves),
		keys: make(map[authz.DupKey]struct{}), marked: out.suspects.marked}
}

// plenty is what a balance is believed to have, far above what one transaction holds, and below overflow.
const plenty = int64(1) << 62

// moves are the balances of a transaction: what they are believed to have, and what changes.
type moves map[authz.BalanceID]*move

type move struct {
	below        int64 // available is less than this
	ledger, held int64 // to be added
	cards        int64 // the version of its cards, or anyVersion
	forgotten    int64 // its cards have no marks that are newer
}

// anyVersion is for a balance whose cards are not looked at.
const anyVersion = -1

// take adds a balance, in which a decline for want of funds has found less than short.
func (m moves) take(id authz.BalanceID, cards, short, forgotten int64) {
	if id == 0 {
		return
	}
	if old, there := m[id]; there {
		old.below = min(old.below, short)
		return
	}
	m[id] = &move{below: short, cards: cards, forgotten: forgotten}
}

// begin makes the guess about a group.
func (g *guess) begin(group []*job) {
	g.out.reset()
	g.forgotten = forgotten(group)
	for _, j := range group {
		for _, e := range j.left {
			c := e.Card
			if c == nil {
				continue
			}
			g.balances[c.ID] = c.Balance
			user, deposit := plenty, plenty
			switch e.Decision.Reason {
			case authz.FundsShort:
				user = e.Hold
			case authz.DepositShort:
				deposit = e.Hold
			}
			unmarked := g.forgotten
			if g.looksBehind(c) {
				unmarked = math.MaxInt64
			}
			g.users.take(c.Balance, c.Version, user, unmarked)
			g.funds.take(c.Deposit, anyVersion, deposit, math.MaxInt64)
		}
	}
}

// Card implements [arbiter.Reads]. Where two entries disagree about the version of a balance's cards, one is stale.
func (g *guess) Card(id authz.CardID) (version, marks int64, err error) {
	return g.users[g.balances[id]].cards, 0, nil
}

// Account implements [arbiter.Reads]. Its version is not guessed: the server counts it up.
func (g *guess) Account(id authz.BalanceID) (arbiter.Account, error) {
	user, isUser := g.users[id]
	deposit, isDeposit := g.funds[id]
	switch {
	case isUser && isDeposit: // has no place in the order of the locks
		return arbiter.Account{}, errUnread
	case isUser:
		return arbiter.Account{Ledger: user.below - 1}, nil
	case isDeposit:
		return arbiter.Account{Ledger: deposit.below - 1}, nil
	}
	return arbiter.Account{}, errUnread
}

// SetAccount implements [arbiter.Writes]. What is given back needs a row that was read.
func (g *guess) SetAccount(id authz.BalanceID, a arbiter.Account) error {
	m, ok := g.users[id]
	if !ok {
		m, ok = g.funds[id]
	}
	if !ok {
		return errUnread
	}
	m.ledger, m.held = a.Ledger-(m.below-1), a.Held
	if m.ledger > 0 || m.held < 0 || a.Forced {
		return errUnread
	}
	return nil
}

// Insert implements [arbiter.Writes]. Whether the key is free in the table, the unique index tells.
func (g *guess) Insert(r *arbiter.Row) (bool, error) {
	key := r.Entry.Request.Dup
	if _, there := g.keys[key]; there || r.Step != nil { // a step belongs to rows that have to be read
		return false, errUnread
	}
	g.keys[key] = struct{}{}
	if e := r.Entry; e.Card != nil && g.looksBehind(e.Card) {
		g.clues.add(e)
	}
	g.out.rows.add(r)
	return true, nil
}

// Post implements [arbiter.Writes].
func (g *guess) Post(p arbiter.Posting) error {
	g.out.postings.add(p)
	return nil
}

// ATC implements [arbiter.Reads].
func (g *guess) ATC(authz.CardID) (uint16, error) { return 0, errUnread }

// SetCounters implements [arbiter.Writes].
func (g *guess) SetCounters(authz.CardID, arbiter.CardCounters) error { return errUnread }

// Snapshot implements [arbiter.Reads].
func (g *guess) Snapshot(authz.CardID) (authz.Card, error) { return authz.Card{}, errUnread }

// ByKey implements [arbiter.Reads].
func (g *guess) ByKey(authz.DupKey) (*arbiter.Stored, error) { return nil, errUnread }

// BySTAN implements [arbiter.Reads].
func (g *guess) BySTAN(authz.CardID, string) ([]arbiter.Stored, error) { return nil, errUnread }

// ByRRN implements [arbiter.Reads].
func (g *guess) ByRRN(authz.CardID, string, time.Time) ([]arbiter.Stored, error) {
	return nil, errUnread
}

// ByNetworkID implements [arbiter.Reads].
func (g *guess) ByNetworkID(authz.CardID, string, time.Time) ([]arbiter.Stored, error) {
	return nil, errUnread
}

// ByID implements [arbiter.Reads].
func (g *guess) ByID(authz.CardID, authz.ID, authz.ID) ([]arbiter.Stored, error) {
	return nil, errUnread
}

// Steps implements [arbiter.Reads].
func (g *guess) Steps(authz.CardID, []string, time.Time) ([]arbiter.Stored, error) {
	return nil, errUnread
}

// Life implements [arbiter.Reads].
func (g *guess) Life(authz.ID) ([]arbiter.Stored, error) { return nil, errUnread }

// Company implements [arbiter.Reads].
func (g *guess) Company(authz.PartnerID, money.Currency) (authz.BalanceID, error) {
	return 0, errUnread
}

// Limits implements [arbiter.Reads].
func (g *guess) Limits(authz.CardID) ([]record.Limit, error) { return nil, errUnread }

// Used implements [arbiter.Reads].
func (g *guess) Used([]arbiter.Window) (map[arbiter.Window]int64, error) { return nil, errUnread }

// SetUsed implements [arbiter.Writes].
func (g *guess) SetUsed(arbiter.Window, int64) error { return errUnread }

// Change implements [arbiter.Writes].
func (g *guess) Change(authz.ID, arbiter.Change) error { return errUnread }

// AnswerLate implements [arbiter.Writes].
func (g *guess) AnswerLate(authz.ID, int64) error { return errUnread }

// Release implements [arbiter.Writes].
func (g *guess) Release(arbiter.Release) error { return errUnread }

// Join implements [arbiter.Writes].
func (g *guess) Join(authz.ID, authz.ID) error { return errUnread }

// Raise implements [arbiter.Writes].
func (g *guess) Raise(arbiter.Exception) error { return errUnread }

// Withdraw implements [arbiter.Writes].
func (g *guess) Withdraw(authz.ID, int64) error { return errUnread }

// Tell implements [arbiter.Writes].
func (g *guess) Tell(authz.ID, authz.ID) error { return errUnread }

// Untell implements [arbiter.Writes].
func (g *guess) Untell(authz.ID, authz.ID) (bool, error) { return false, errUnread }

// Told implements [arbiter.Reads].
func (g *guess) Told(authz.ID) (told, wanted bool, err error) { return false, false, errUnread }

// Mark implements [arbiter.Writes].
func (g *guess) Mark(authz.CardID, time.Time) error { return errUnread }

// moveBalances changes balances that allow it, takes their locks in the order of the array, and fails unless all
// did. An update that has waited for a lock looks at the row again, so its conditions hold for the newest version. A
// balance whose lock is held tells of its cards, too: nobody changes them without it.
const moveBalances = `WITH moved AS (
 UPDATE balances b SET ledger = b.ledger + n.ledger, held = b.held + n.held, version = b.version + 1
 FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
  AS n (id, ledger, held, below, cards, forgotten)
 WHERE b.id = n.id AND n.cards IN (-1, b.cards_version) AND b.cards_marked_at <= n.forgotten AND b.forced = 0
 AND b.ledger - b.held < n.below AND b.ledger + n.ledger - b.held - n.held >= 0
 RETURNING b.id, b.ledger - b.held AS available, b.version)
SELECT expect_rows(count(*), cardinality($1)), array_agg(id), array_agg(available), array_agg(version) FROM moved`

// queue puts the statement for the balances that match into the pipeline.
func (m moves) queue(b *pgx.Batch, match func(*move) bool) bool {
	ids := make([]int64, 0, len(m))
	for id, move := range m {
		if match(move) {
			ids = append(ids, int64(id))
		}
	}
	n := len(ids)
	if n == 0 {
		return false
	}
	slices.Sort(ids)
	columns := make([]int64, 5*n)
	for i, id := range ids {
		move := m[authz.BalanceID(id)]
		for j, v := range [...]int64{move.ledger, move.held, move.below, move.cards, move.forgotten} {
			columns[j*n+i] = v
		}
	}
	b.Queue(moveBalances, ids, columns[:n], columns[n:2*n], columns[2*n:3*n], columns[3*n:4*n], columns[4*n:])
	return true
}

// locked is for users' balances: with all of them locked, nobody changes what is read of their cards.
func locked(*move) bool { return true }

// moved is for deposits, which guard nothing but themselves.
func moved(m *move) bool { return m.ledger != 0 || m.held != 0 || m.below < plenty }
