package records

import (
	"context"
	"slices"
	"strings"
	"time"

	"holdfast/authz/record"
)

const insertPeer = "INSERT INTO peers (name, file_actions, bins, action_codes, changed_at) VALUES ($1, $2, $3, $4, $5) "

// InsertPeer keeps what is to count of a peer of which nothing was changed yet, whether or not a configuration names it;
// otherwise it is [record.ErrExists].
func (t *Tx) InsertPeer(ctx context.Context, p record.PeerChange, at time.Time) error {
	if err := p.Check(); err != nil {
		return err
	}
	all, err := t.PeerChanges(ctx)
	if err != nil {
		return err
	}
	switch {
	case slices.ContainsFunc(all, func(known record.PeerChange) bool { return known.Name == p.Name }):
		return record.ErrExists
	case len(all) >= record.PeersMax:
		return record.ErrTooMany
	}
	n, err := t.q.Exec(ctx, insertPeer+"ON CONFLICT DO NOTHING", peerArgs(&p, at)...)
	if err == nil && n == 0 { // by another transaction just now
		err = record.ErrExists
	}
	t.programs = true // the switch reads both at the same time
	return wrap("insert peer", err)
}

// SetPeer keeps what is to count of a peer, instead of what was to count before.
func (t *Tx) SetPeer(ctx context.Context, p record.PeerChange, at time.Time) error {
	if err := p.Check(); err != nil {
		return err
	}
	_, err := t.q.Exec(ctx, insertPeer+`ON CONFLICT (name) DO UPDATE SET file_actions = excluded.file_actions, bins = excluded.bins,
 action_codes = excluded.action_codes, changed_at = excluded.changed_at`, peerArgs(&p, at)...)
	t.programs = true
	return wrap("set peer", err)
}

func peerArgs(p *record.PeerChange, at time.Time) []any {
	var actions, bins, codes any
	if p.FileActions != nil {
		actions = flag(*p.FileActions)
	}
	if p.BINs != nil {
		bins = strings.Join(*p.BINs, " ")
	}
	if p.ActionCodes != nil {
		codes = writeCodes(p.ActionCodes)
	}
	return []any{p.Name, actions, bins, codes, at.UnixMicro()}
}

// ResetPeer has a peer be as the configuration has it. That it is so already is no error.
func (t *Tx) ResetPeer(ctx context.Context, name string) error {
	_, err := t.q.Exec(ctx, "DELETE FROM peers WHERE name = $1", name)
	t.programs = true
	return wrap("reset peer", err)
}

// PeerChanges reads what was changed of all peers. Whoever changes one reads it in the same transaction.
func (t *Tx) PeerChanges(ctx context.Context) ([]record.PeerChange, error) {
	return PeerChanges(ctx, t.q)
}

// PeerChanges reads what was changed of all peers.
func PeerChanges(ctx context.Context, q Querier) ([]record.PeerChange, error) {
	var all []record.PeerChange
	err := q.Query(ctx, func(r Row) error {
		p := record.PeerChange{Name: r.Text(0)}
		if !r.Null(1) {
			may := r.Int(1) != 0
			p.FileActions = &may
		}
		if !r.Null(2) {
			bins := strings.Fields(r.Text(2))
			p.BINs = &bins
		}
		if !r.Null(3) {
			p.ActionCodes = readCodes(r.Text(3))
		}
		all = append(all, p)
		return nil
	}, "SELECT name, file_actions, bins, action_codes FROM peers ORDER BY name")
	return all, wrap("read what was changed of peers", err)
}
