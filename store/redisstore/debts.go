package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"holdfast/authz"
)

var _ authz.Debts = (*Holds)(nil)

// debtKey is the hash of the rows of a partner that are to be undone, by id, with the milliseconds of Unix time when each
// was last noted. It belongs to no generation: what is lost
// of the balances does not touch it.
func (h *Holds) debtKey(partner authz.PartnerID) string {
	return h.prefix + "{p" + strconv.FormatInt(int64(partner), 10) + "}:" + debtSuffix
}

const (
	flightSuffix = "f"
	moneySuffix  = "b" // the balances
	debtSuffix   = "v"
)

// Owe implements [authz.Debts].
func (h *Holds) Owe(ctx context.Context, partner authz.PartnerID, rows []authz.ID) error {
	values, now := make([]any, 0, 2*len(rows)), time.Now().UnixMilli()
	for _, row := range rows {
		values = append(values, int64(row), now)
	}
	if err := h.client.HSet(ctx, h.debtKey(partner), values...).Err(); err != nil {
		return fmt.Errorf("note what is owed: %w: %w", authz.ErrUnavailable, err)
	}
	return nil
}

// Paid implements [authz.Debts].
func (h *Holds) Paid(ctx context.Context, partner authz.PartnerID, rows []authz.ID) error {
	fields := make([]string, len(rows))
	for i, row := range rows {
		fields[i] = strconv.FormatInt(int64(row), 10)
	}
	if err := h.client.HDel(ctx, h.debtKey(partner), fields...).Err(); err != nil {
		return fmt.Errorf("forget what was owed: %w: %w", authz.ErrUnavailable, err)
	}
	return nil
}

// Pay has the rows undone that were last noted before a moment, of all partners and whoever owes them: as with
// [Holds.Sweep], who has not done it or noted it anew since then is dead. It returns how many are not owed any more. Several nodes may do
// it at once.
func (h *Holds) Pay(ctx context.Context, before time.Time,
	pay func(ctx context.Context, partner authz.PartnerID, rows []authz.ID) (paid []authz.ID, err error)) (int, error) {
	partners, err := h.partnersWith(ctx, debtSuffix)
	if err != nil {
		return 0, fmt.Errorf("find partners: %w: %w", authz.ErrUnavailable, err)
	}
	ended := 0
	var errs []error
	for _, partner := range partners {
		err := h.pages(ctx, h.debtKey(partner), func(fields []string) error {
			for part := range slices.Chunk(due(fields, before), callMax/2) {
				paid, err := pay(ctx, partner, part)
				if err == nil && len(paid) > 0 {
					err = h.Paid(ctx, partner, paid)
				}
				if err != nil {
					return err
				}
				ended += len(paid)
			}
			return nil
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("pay what is owed of partner %d: %w", partner, err))
		}
	}
	return ended, errors.Join(errs...)
}

// due are the rows that were noted before a moment. When one of them was noted cannot be read, it was.
func due(fields []string, before time.Time) (rows []authz.ID) {
	for i := 0; i+1 < len(fields); i += 2 {
		row, err := strconv.ParseInt(fields[i], 10, 64)
		noted, _ := strconv.ParseInt(fields[i+1], 10, 64)
		if err == nil && noted < before.UnixMilli() {
			rows = append(rows, authz.ID(row))
		}
	}
	return rows
}

// pages reads a hash, some hundred fields with their values at a time.
func (h *Holds) pages(ctx context.Context, key string, each func(fields []string) error) error {
	for cursor := uint64(0); ; {
		page, cancel := context.WithTimeout(ctx, patience)
		fields, next, err := h.client.HScan(page, key, cursor, "", scanCount).Result()
		cancel()
		if err != nil {
			return fmt.Errorf("read %s: %w: %w", key[len(key)-1:], authz.ErrUnavailable, err)
		}
		if err := each(fields); err != nil {
			return err
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}
