package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"holdfast/authz"
)

// Known is what the cache keeps of one balance.
type Known struct {
	authz.Balance        // what the journal said last
	Pending       int64  // minor units held on top of it
	InFlight      int64  // the sum of the holds in flight on it
	Damage        string // what cannot be read of it; then the amounts mean nothing
}

// Operation is one in flight: a hold that was not settled, or the mark of one that was cancelled before it came.
type Operation struct {
	ID        authz.ID
	Cancelled bool
}

// Page is a part of what is kept of a partner, of one moment.
type Page struct {
	Partner  authz.PartnerID
	Balances []Known
	InFlight []Operation // all of the partner, in its first page alone
	// Lost says that the two hashes do not belong together: the next call for the partner drops them, and nothing of
	// them is looked at.
	Lost bool
}

// pageBalances is how many balances a page has at most. Redis does nothing else while it reads them.
const pageBalances = 256

// Inspect reads all that the cache keeps, page by page, and changes nothing. What is in a page was so at one
// moment; the pages are of different ones. An error of page ends it.
func (h *Holds) Inspect(ctx context.Context, page func(Page) error) error {
	partners, err := h.partnersWith(ctx, moneySuffix)
	if err != nil {
		return fmt.Errorf("find partners: %w: %w", authz.ErrUnavailable, err)
	}
	slices.Sort(partners)
	for _, partner := range partners {
		if err := h.inspect(ctx, partner, page); err != nil {
			return fmt.Errorf("inspect partner %d: %w", partner, err)
		}
	}
	return nil
}

func (h *Holds) inspect(ctx context.Context, partner authz.PartnerID, page func(Page) error) error {
	ids, err := h.kept(ctx, partner)
	if wrongType(err) {
		return page(Page{Partner: partner, Lost: true})
	}
	if err != nil {
		return err
	}
	first := true
	for len(ids) > 0 || first {
		part := ids[:min(pageBalances, len(ids))]
		ids = ids[len(part):]
		p, err := h.page(ctx, partner, part)
		if err != nil {
			return fmt.Errorf("read balances: %w: %w", authz.ErrUnavailable, err)
		}
		if !first {
			p.InFlight = nil
		}
		first = false
		if err := page(p); err != nil || p.Lost {
			return err
		}
	}
	return nil
}

// wrongType reports the answer for a key that is no hash, which the next call drops.
func wrongType(err error) bool { return redis.HasErrorPrefix(err, "WRONGTYPE") }

// kept lists the balances of which anything is kept.
func (h *Holds) kept(ctx context.Context, partner authz.PartnerID) ([]authz.BalanceID, error) {
	balances, _ := h.keys(partner)
	seen := map[authz.BalanceID]bool{}
	for cursor := uint64(0); ; {
		step, cancel := context.WithTimeout(ctx, openTimeout)
		fields, next, err := h.client.HScan(step, balances, cursor, "", scanCount).Result()
		cancel()
		if err != nil {
			return nil, fmt.Errorf("list balances: %w: %w", authz.ErrUnavailable, err)
		}
		for i := 0; i+1 < len(fields); i += 2 {
			if id, err := strconv.ParseInt(fields[i][min(1, len(fields[i])):], 10, 64); err == nil {
				seen[authz.BalanceID(id)] = true
			}
		}
		if cursor = next; cursor == 0 {
			break
		}
	}
	ids := make([]authz.BalanceID, 0, len(seen))
	for id := range seen {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids, nil
}

// page reads balances and what is in flight in one transaction of Redis.
func (h *Holds) page(ctx context.Context, partner authz.PartnerID, ids []authz.BalanceID) (Page, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	balances, flight := h.keys(partner)
	names := []string{"g"}
	for _, id := range ids {
		n := strconv.FormatInt(int64(id), 10)
		names = append(names, "t"+n, "v"+n, "p"+n)
	}
	var money *redis.SliceCmd
	var flying *redis.MapStringStringCmd
	if _, err := h.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		money, flying = p.HMGet(ctx, balances, names...), p.HGetAll(ctx, flight)
		return nil
	}); wrongType(err) {
		return Page{Partner: partner, Lost: true}, nil
	} else if err != nil {
		return Page{}, err
	}
	p := Page{Partner: partner}
	values, operations := money.Val(), flying.Val()
	if generation, _ := values[0].(string); generation != operations["g"] {
		p.Lost = true
		return p, nil
	}
	inFlight := map[authz.BalanceID]int64{}
	for op, record := range operations {
		id, err := strconv.ParseInt(op, 10, 64)
		if err != nil {
			continue // the generation
		}
		p.InFlight = append(p.InFlight, Operation{authz.ID(id), record == "x"})
		hold := recorded(record)
		inFlight[hold.Balance] += hold.Amount
		inFlight[hold.Deposit] += hold.Amount
	}
	for i, id := range ids {
		if known, is := knownOf(id, values[1+3*i:4+3*i]); is {
			known.InFlight = inFlight[id]
			p.Balances = append(p.Balances, known)
		}
	}
	return p, nil
}

// knownOf reads what is kept of a balance: truth, version, pending. It is false when nothing is.
func knownOf(id authz.BalanceID, values []any) (known Known, is bool) {
	known.ID = id
	for i, f := range []struct {
		name string
		into *int64
	}{{"truth", &known.Available}, {"version", &known.Version}, {"pending", &known.Pending}} {
		text, kept := values[i].(string)
		if !kept {
			if i < 2 && known.Damage == "" {
				known.Damage = "has no " + f.name
			}
			continue
		}
		is = true
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n != bounded(n) {
			known.Damage = "has no whole number for its " + f.name
		}
		*f.into = n
	}
	if values[0] == nil && known.Pending == 0 { // what is left of one that was broken: it is taught again before it is used
		is = false
	}
	return known, is
}

// recorded reads what is kept of a hold in flight; a damaged record, and a mark, is one of nothing.
func recorded(record string) (hold authz.Hold) {
	parts := strings.Split(record, ":")
	if len(parts) != 3 {
		return hold
	}
	user, _ := strconv.ParseInt(strings.TrimPrefix(parts[0], "p"), 10, 64) // as above
	deposit, _ := strconv.ParseInt(strings.TrimPrefix(parts[1], "p"), 10, 64)
	hold.Amount, _ = strconv.ParseInt(parts[2], 10, 64)
	hold.Balance, hold.Deposit = authz.BalanceID(user), authz.BalanceID(deposit)
	return hold
}
