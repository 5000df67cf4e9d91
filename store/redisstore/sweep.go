package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"holdfast/authz"
)

const (
	// MarkAge is how long a cancelled operation stays marked, beyond the age at which holds are swept. A call that is
	// still in the network comes within the minutes in which the kernel gives a closed connection up.
	MarkAge   = time.Hour
	scanCount = 500 // entries a step of a pass
)

// Ask is given old holds in flight, with Op, Balance, Deposit and Amount. It returns those that end, which
// is all that no living node still works on, whether the journal has them or not; and the truth about their
// balances, so that the cache learns in the same step what the journal has made of them.
type Ask func(ctx context.Context, partner authz.PartnerID, held []*authz.Hold) ([]*authz.Hold, []authz.Balance, error)

// Sweep gives back the holds of partners, or of all when there are none, that were made before the given
// moment and whose switch died; and pays what this process owes. The moment is some
// commit timeouts ago, so that no living switch may still commit them. It returns how many holds
// it ended. Several nodes may sweep at once.
func (h *Holds) Sweep(ctx context.Context, partners []authz.PartnerID, before time.Time, ask Ask) (int, error) {
	var errs []error
	if err := h.flush(ctx, true); err != nil {
		errs = append(errs, err)
	}
	if len(partners) == 0 {
		var err error
		if partners, err = h.partnersWith(ctx, flightSuffix); err != nil {
			return 0, errors.Join(append(errs, fmt.Errorf("find partners: %w: %w", authz.ErrUnavailable, err))...)
		}
	}
	ended := 0
	for _, partner := range partners {
		n, err := h.sweep(ctx, partner, before, ask)
		ended += n
		if err != nil {
			errs = append(errs, fmt.Errorf("sweep partner %d: %w", partner, err))
		}
	}
	return ended, errors.Join(errs...)
}

// partnersWith finds the partners that have a hash of a kind, on every node.
func (h *Holds) partnersWith(ctx context.Context, suffix string) ([]authz.PartnerID, error) {
	var mu sync.Mutex // guards partners: the nodes of a cluster are asked at once
	var partners []authz.PartnerID
	scan := func(ctx context.Context, node redis.Cmdable) error {
		keys := node.Scan(ctx, 0, globEscaper.Replace(h.prefix)+"{p*}:"+suffix, scanCount).Iterator()
		for keys.Next(ctx) {
			id := strings.TrimSuffix(strings.TrimPrefix(keys.Val(), h.prefix+"{p"), "}:"+suffix)
			partner, err := strconv.ParseInt(id, 10, 64)
			if err != nil {
				continue // not a key of ours
			}
			mu.Lock()
			partners = append(partners, authz.PartnerID(partner))
			mu.Unlock()
		}
		return keys.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if cluster, ok := h.client.(*redis.ClusterClient); ok {
		err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return scan(ctx, node) })
		return partners, err
	}
	err := scan(ctx, h.client)
	return partners, err
}

var globEscaper = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

func (h *Holds) sweep(ctx context.Context, partner authz.PartnerID, before time.Time, ask Ask) (int, error) {
	_, flight := h.keys(partner)
	ended := 0
	err := h.pages(ctx, flight, func(fields []string) error {
		held, marks := sift(fields, before)
		if len(marks) > 0 {
			if err := h.client.HDel(ctx, flight, marks...).Err(); err != nil {
				return fmt.Errorf("forget marks: %w: %w", authz.ErrUnavailable, err)
			}
		}
		for part := range slices.Chunk(held, callMax/2) {
			n, err := h.giveBack(ctx, partner, part, ask)
			ended += n
			if err != nil {
				return err
			}
		}
		return nil
	})
	return ended, err
}

// sift finds what is old enough: holds, and marks that no call can meet any more. An operation id tells its time.
func sift(fields []string, before time.Time) (held []*authz.Hold, marks []string) {
	for i := 0; i+1 < len(fields); i += 2 {
		op, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			continue // the generation
		}
		at := authz.ID(op).Time()
		if fields[i+1] == "x" {
			if at.Before(before.Add(-MarkAge)) {
				marks = append(marks, fields[i])
			}
			continue
		}
		if !at.Before(before) {
			continue
		}
		hold := recorded(fields[i+1]) // a damaged one: the script ends it by its id
		hold.Op = authz.ID(op)
		held = append(held, &hold)
	}
	return held, marks
}

func (h *Holds) giveBack(ctx context.Context, partner authz.PartnerID, held []*authz.Hold, ask Ask) (int, error) {
	ended, truth, err := ask(ctx, partner, held)
	if err != nil {
		return 0, fmt.Errorf("ask for the holds that ended: %w", err)
	}
	if len(ended) == 0 && len(truth) == 0 {
		return 0, nil
	}
	d := debt{truth: truth}
	for _, hold := range ended {
		d.ops = append(d.ops, hold.Op)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := h.step(ctx, partner, d, nil); err != nil {
		return 0, fmt.Errorf("give back holds: %w", err)
	}
	return len(ended), nil
}
