package records

import (
	"context"
	"time"

	"holdfast/authz/keystore"
)

// OfferZoneKey takes the key that a peer sent as pending: durable, and not in use yet. It returns its check value. Its
// errors are those of [keystore.Store.ImportZoneKey].
func OfferZoneKey(ctx context.Context, s Store, keys *keystore.Store, peer string, use keystore.ZoneUse, wrapped, check []byte) (
	ours []byte, err error,
) {
	err = s.Update(ctx, func(q Querier) error {
		k, err := keys.ImportZoneKey(peer, use, wrapped, check)
		if err == nil {
			ours, err = k.CheckValue, KeepZoneKeys(ctx, q, k)
		}
		return err
	})
	return ours, err
}

// ActivateZoneKey puts the pending key of a peer into use, whichever node it was offered to. Its errors are those of
// [keystore.Store.ActivateZoneKey]. When it fails at the end, the next LoadZoneKeys undoes what the keystore did.
func ActivateZoneKey(ctx context.Context, s Store, keys *keystore.Store, peer string, use keystore.ZoneUse, at time.Time,
	overlap time.Duration) error {
	return s.Update(ctx, func(q Querier) error {
		if err := LoadZoneKeys(ctx, q, keys); err != nil {
			return err
		}
		kept, err := keys.ActivateZoneKey(peer, use, at, overlap)
		if err == nil {
			err = KeepZoneKeys(ctx, q, kept...)
		}
		return err
	})
}

// LoadZoneKeys teaches the keystore the keys of all zones: at the start, and from time to time, since other nodes
// exchange keys, too.
func LoadZoneKeys(ctx context.Context, q Querier, keys *keystore.Store) error {
	kept, err := ZoneKeys(ctx, q)
	if err == nil {
		err = keys.LoadZoneKeys(kept)
	}
	return err
}

// KeepZoneKeys keeps the keys of a zone as the keystore returned them: each takes the place of the one with its state,
// and an active one ends the pending one.
func KeepZoneKeys(ctx context.Context, q Querier, kept ...keystore.ZoneKey) error {
	for _, k := range kept {
		until := int64(0)
		if !k.Until.IsZero() {
			until = k.Until.UnixMicro()
		}
		ends := k.State
		if k.State == "active" {
			ends = "pending"
		}
		if _, err := q.Exec(ctx, "DELETE FROM zone_keys WHERE peer = $1 AND purpose = $2 AND state IN ($3, $4)", k.Peer,
			string(k.Use), k.State, ends); err != nil {
			return wrap("keep zone key", err)
		}
		if _, err := q.Exec(ctx, `INSERT INTO zone_keys (peer, purpose, state, good_until, check_value, sealed)
VALUES ($1, $2, $3, $4, $5, $6)`, k.Peer, string(k.Use), k.State, until, k.CheckValue, k.Sealed); err != nil {
			return wrap("keep zone key", err)
		}
	}
	return nil
}

// ZoneKeys reads the keys of all zones, for [keystore.Store.LoadZoneKeys].
func ZoneKeys(ctx context.Context, q Querier) ([]keystore.ZoneKey, error) {
	var all []keystore.ZoneKey
	err := q.Query(ctx, func(r Row) error {
		k := keystore.ZoneKey{Peer: r.Text(0), Use: keystore.ZoneUse(r.Text(1)), State: r.Text(2),
			CheckValue: append([]byte(nil), r.Bytes(4)...), Sealed: append([]byte(nil), r.Bytes(5)...)}
		if until := r.Int(3); until != 0 {
			k.Until = time.UnixMicro(until).UTC()
		}
		all = append(all, k)
		return nil
	}, "SELECT peer, purpose, state, good_until, check_value, sealed FROM zone_keys ORDER BY peer, purpose, state")
	return all, wrap("read zone keys", err)
}
