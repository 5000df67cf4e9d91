package records

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/authz/money"
	"holdfast/authz/pan"
	"holdfast/authz/record"
)

// Rules of the records that a caller can break. The text is safe to show.
var (
	ErrKYC      = record.ErrKYC
	ErrCurrency = record.ErrCurrency
	ErrBIN      = record.ErrBIN
	ErrFunding  = record.ErrFunding
	ErrExists   = record.ErrExists
	ErrKeys     = errors.New("the records were written under other keys than those of the key file")
)

// next takes n numbers of a sequence and returns the first.
func next(ctx context.Context, q Querier, sequence string, n int64) (int64, error) {
	var first int64
	err := q.Query(ctx, func(r Row) error { first = r.Int(0) - n; return nil },
		"UPDATE sequences SET next = next + $1 WHERE name = $2 RETURNING next", n, sequence)
	if err == nil && first == 0 {
		err = fmt.Errorf("sequence %s: %w", sequence, authz.ErrNotFound)
	}
	return first, err
}

// CreatePartner registers an institution.
func CreatePartner(ctx context.Context, q Querier, name string, at time.Time) (authz.PartnerID, error) {
	id, err := next(ctx, q, "partners", 1)
	if err != nil {
		return 0, err
	}
	_, err = q.Exec(ctx, "INSERT INTO partners (id, name, created_at) VALUES ($1, $2, $3)", id, name, at.UnixMicro())
	return authz.PartnerID(id), wrap("create partner", err)
}

// Program is a card program of a partner: its numbers, its currency, and whether the partner's deposit
// is charged with each authorization.
type Program struct {
	Partner         authz.PartnerID
	Name            string
	BINLow, BINHigh int32 // first eight digits, inclusive
	Currency        money.Currency
	Deposit         bool
	KeepOnPINTries  bool // the last wrong PIN declines, and does not lock the card
}

// CreateProgram sets a program up. A BIN range that another program has part of is refused: routing
// would not know whose card it is.
func CreateProgram(ctx context.Context, q Querier, p Program, at time.Time) (authz.ProgramID, error) {
	overlaps := false
	if err := q.Query(ctx, func(Row) error { overlaps = true; return nil },
		"SELECT id FROM programs WHERE bin_low <= $1 AND bin_high >= $2", int64(p.BINHigh), int64(p.BINLow)); err != nil {
		return 0, wrap("create program", err)
	}
	if overlaps {
		return 0, fmt.Errorf("BIN range of program %s: %w", p.Name, ErrExists)
	}
	id, err := next(ctx, q, "programs", 1)
	if err != nil {
		return 0, err
	}
	funding := "CREDIT"
	if p.Deposit {
		funding = "DEPOSIT"
	}
	_, err = q.Exec(ctx, `INSERT INTO programs (id, partner_id, name, bin_low, bin_high, currency, funding, pin_lock, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, id, int64(p.Partner), p.Name, int64(p.BINLow), int64(p.BINHigh),
		numeric(p.Currency), funding, number(!p.KeepOnPINTries), at.UnixMicro())
	return authz.ProgramID(id), wrap("create program", err)
}

// CreateUser registers a cardholder whose KYC has the given status.
func CreateUser(ctx context.Context, q Querier, partner authz.PartnerID, name, kyc string, at time.Time) (authz.UserID, error) {
	id, err := next(ctx, q, "users", 1)
	if err != nil {
		return 0, err
	}
	_, err = q.Exec(ctx, "INSERT INTO users (id, partner_id, name, kyc, created_at) VALUES ($1, $2, $3, $4, $5)",
		id, int64(partner), name, kyc, at.UnixMicro())
	return authz.UserID(id), wrap("create user", err)
}

// CreatePartnerBalance opens a partner's balance of a kind: COMPANY, CREDIT or DEPOSIT. A partner has at
// most one of a kind in a currency.
func CreatePartnerBalance(ctx context.Context, q Querier, p authz.PartnerID, kind string, c money.Currency,
	at time.Time) (authz.BalanceID, error) {
	exists := false
	if err := q.Query(ctx, func(Row) error { exists = true; return nil },
		"SELECT id FROM balances WHERE partner_id = $1 AND user_id IS NULL AND kind = $2 AND currency = $3",
		int64(p), kind, numeric(c)); err != nil {
		return 0, wrap("create balance", err)
	}
	if exists {
		return 0, fmt.Errorf("%s balance in %s: %w", kind, c.Alpha(), ErrExists)
	}
	return createBalance(ctx, q, p, kind, nil, c, at)
}

// CreateUserBalance opens a balance of a user, who must have passed KYC.
func CreateUserBalance(ctx context.Context, q Querier, p authz.PartnerID, u authz.UserID, c money.Currency,
	at time.Time) (authz.BalanceID, error) {
	accepted := false
	if err := q.Query(ctx, func(r Row) error { accepted = r.Text(0) == "ACCEPTED"; return nil },
		"SELECT kyc FROM users WHERE id = $1 AND partner_id = $2", int64(u), int64(p)); err != nil {
		return 0, wrap("create balance", err)
	}
	if !accepted {
		return 0, ErrKYC
	}
	return createBalance(ctx, q, p, "USER", int64(u), c, at)
}

func createBalance(ctx context.Context, q Querier, p authz.PartnerID, kind string, user any, c money.Currency,
	at time.Time) (authz.BalanceID, error) {
	id, err := next(ctx, q, "balances", 1)
	if err != nil {
		return 0, err
	}
	public := record.NewUUID(at)
	_, err = q.Exec(ctx, `INSERT INTO balances (id, partner_id, kind, user_id, currency, created_at, public_id)
VALUES ($1, $2, $3, $4, $5, $6, $7)`, id, int64(p), kind, user, numeric(c), at.UnixMicro(), public[:])
	return authz.BalanceID(id), wrap("create balance", err)
}

// Card is a card to be issued on a user's balance.
type Card struct {
	Program authz.ProgramID
	Balance authz.BalanceID
	Number  pan.Number
	Expiry  authz.Month
	State   authz.CardState
	Lock    authz.LockReason
	Service string // service code; empty: [keystore.ServiceCode]
}

// IssueCard stores a card: its number only sealed and as a tag, with the profile that its evidence is held against.
// A number that another card has is ErrExists. Its balance must be in the program's
// currency, its number in the program's range, and a deposit program must have its deposit.
func IssueCard(ctx context.Context, q Querier, keys *keystore.Store, c Card, at time.Time) (authz.CardID, error) {
	var f struct{ partner, low, high, currency, user, balance, deposit, holder, locked, pinLock int64 }
	funding := ""
	if err := q.Query(ctx, func(r Row) error {
		f.partner, f.low, f.high, f.currency, funding = r.Int(0), r.Int(1), r.Int(2), r.Int(3), r.Text(4)
		f.user, f.balance, f.deposit, f.holder, f.locked = r.Int(5), r.Int(6), r.Int(7), r.Int(8), r.Int(9)
		f.pinLock = r.Int(10)
		return nil
	}, `SELECT g.partner_id, g.bin_low, g.bin_high, g.currency, g.funding, b.user_id, b.currency,
 (SELECT d.id FROM balances d WHERE d.partner_id = g.partner_id AND d.kind = 'DEPOSIT' AND d.currency = g.currency),
 CASE WHEN u.state <> 'ACTIVE' OR p.state <> 'ACTIVE' THEN 1 ELSE 0 END, CASE WHEN b.state <> 'ACTIVE' THEN 1 ELSE 0 END, g.pin_lock
FROM programs g JOIN balances b ON b.partner_id = g.partner_id AND b.kind = 'USER'
JOIN users u ON u.id = b.user_id JOIN partners p ON p.id = g.partner_id
WHERE g.id = $1 AND b.id = $2`, int64(c.Program), int64(c.Balance)); err != nil {
		return 0, wrap("issue card", err)
	}
	bin, err := strconv.ParseInt(c.Number.BIN(8), 10, 64)
	switch {
	case f.partner == 0:
		return 0, fmt.Errorf("issue card: program or balance: %w", authz.ErrNotFound)
	case f.balance != f.currency:
		return 0, ErrCurrency
	case err != nil || bin < f.low || bin > f.high:
		return 0, ErrBIN
	case funding == "DEPOSIT" && f.deposit == 0:
		return 0, fmt.Errorf("the program has no deposit: %w", ErrFunding)
	}
	var deposit any
	if funding == "DEPOSIT" {
		deposit = f.deposit
	}
	if taken, err := numberTaken(ctx, q, keys, c.Number); err != nil || taken {
		return 0, wrap("issue card", orExists(err))
	}
	id, err := next(ctx, q, "cards", 1)
	if err != nil {
		return 0, err
	}
	sealed, err := keys.Seal(c.Number, id)
	if err != nil {
		return 0, wrap("seal card", err)
	}
	profile, err := keys.NewProfile(id, cmp.Or(c.Service, keystore.ServiceCode))
	if err != nil {
		return 0, wrap("issue card", err)
	}
	tag, public := keys.Tag(c.Number), record.NewUUID(at)
	_, err = q.Exec(ctx, `INSERT INTO cards (id, partner_id, program_id, user_id, balance_id, deposit_id, tag, sealed,
 bin, last4, state, lock, expiry, currency, holder_restricted, balance_restricted, profile, pin_lock, created_at, public_id, kind)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)`,
		id, f.partner, int64(c.Program), f.user, int64(c.Balance), deposit, tag[:], sealed, c.Number.BIN(6),
		c.Number.Last4(), int64(c.State), int64(c.Lock), int64(c.Expiry), f.currency, f.holder,
		f.locked, []byte(profile), f.pinLock, at.UnixMicro(), public[:], string(kindOf(c.State)))
	return authz.CardID(id), wrap("issue card", err)
}

// kindOf is what a card must be made of to be in a state: only plastic is on its way to somebody.
func kindOf(s authz.CardState) record.CardKind {
	if s == authz.CardOrdered || s == authz.CardPersonalized || s == authz.CardInactive {
		return record.CardPhysical
	}
	return record.CardVirtual
}

// LockCard sets or lifts a card's lock, in the version that decisions are checked against. Once it is durable,
// no approval of the old version is: whoever commits one holds the lock of the card's balance row from before
// it reads the card's version until it has committed. So whatever changes a version takes that row first, and
// either waits for the approval or is seen by it. (SQLite has one writer: there it costs an update.) With its lock
// lifted, a card's PIN tries start over. It does not say whose lock it is: one without a source is from outside, or
// for reason 6 from the PIN.
func LockCard(ctx context.Context, q Querier, id authz.CardID, lock authz.LockReason) error {
	err := takeCard(ctx, q, id)
	if err == nil {
		set := "lock = $1, lock_source = ''"
		if lock == authz.LockNone {
			set += ", pin_tries = 0"
		}
		err = changeCard(ctx, q, id, set, int64(lock))
	}
	return wrap("lock card", err)
}

func numeric(c money.Currency) int64 {
	n, _ := strconv.ParseInt(c.Numeric(), 10, 64) // none is 0
	return n
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
