package records

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/authz/pan"
)

// boundKeys is the newest binding: facts are only added, so each rotation adds its own.
const boundKeys = "SELECT name, value FROM facts WHERE name = 'keys' OR name LIKE 'keys.%' ORDER BY name DESC LIMIT 1"

// KeysBound reports whether the records have been written under some keys.
func KeysBound(ctx context.Context, q Querier) (bound bool, err error) {
	err = q.Query(ctx, func(Row) error { bound = true; return nil }, boundKeys)
	return bound, wrap("read the keys' check value", err)
}

// BindKeys ties the records to the keys that their cards are sealed and tagged under: the first call
// writes the keys' check value, a later one with other keys is refused. Without it a lost key file would
// be made anew and every card would silently be unknown. During a rotation either key will do.
func BindKeys(ctx context.Context, q Querier, keys *keystore.Store) error {
	bound := ""
	if err := q.Query(ctx, func(r Row) error { bound = r.Text(1); return nil }, boundKeys); err != nil {
		return wrap("read the keys' check value", err)
	}
	switch {
	case bound == "":
		_, err := q.Exec(ctx, "INSERT INTO facts (name, value) VALUES ('keys', $1)", keys.CheckValue())
		return wrap("bind the keys", err)
	case keys.Knows(bound):
		return nil
	}
	return ErrKeys
}

// Resealed is how far Reseal has come.
type Resealed struct {
	Last    authz.CardID // the last card looked at: where the next call goes on
	Seen    int
	Changed int
	Done    bool // there are no more cards
}

// Reseal puts the next cards behind after under the active keys: their tags, their numbers and their profiles. It is
// called again with Last until Done, each time in a transaction of its own, beside a running switch; what dies in
// between begins again from 0 and finds most of it done. When a pass from 0 has changed nothing and every node has the
// active keys, FinishRotation may follow, and then the old keys may go. (A zone key is sealed anew when its peer sends
// the next one: the sealing key that was must outlive those.)
func Reseal(ctx context.Context, q Querier, keys *keystore.Store, after authz.CardID, limit int) (Resealed, error) {
	type row struct {
		id, version          int64
		tag, sealed, profile []byte
	}
	var rows []row
	if err := q.Query(ctx, func(r Row) error {
		rows = append(rows, row{r.Int(0), r.Int(1), bytes.Clone(r.Bytes(2)), bytes.Clone(r.Bytes(3)), bytes.Clone(r.Bytes(4))})
		return nil
	}, "SELECT id, version, tag, sealed, profile FROM cards WHERE id > $1 ORDER BY id LIMIT $2", int64(after), int64(limit)); err != nil {
		return Resealed{}, wrap("reseal cards", err)
	}
	done := Resealed{Last: after, Seen: len(rows), Done: len(rows) < limit}
	for _, r := range rows {
		done.Last = authz.CardID(r.id)
		number, err := keys.OpenPAN(r.sealed, r.id)
		if err != nil {
			return done, wrap("reseal cards", err)
		}
		tag := keys.Tag(number)
		if string(tag[:]) == string(r.tag) && keys.Sealer(r.sealed) && (len(r.profile) == 0 || keys.Sealer(r.profile)) {
			continue
		}
		if err := reseal(ctx, q, keys, r.id, r.version, number, tag, r.profile); err != nil {
			return done, wrap("reseal cards", err)
		}
		done.Changed++
	}
	return done, nil
}

// reseal raises no version: nothing that a decision is made on is another. What has changed the card meanwhile wins;
// it seals under the active key itself, and the next pass looks at the tag again.
func reseal(ctx context.Context, q Querier, keys *keystore.Store, id, version int64, number pan.Number, tag keystore.Tag,
	was []byte) error {
	sealed, err := keys.Seal(number, id)
	if err != nil {
		return err
	}
	var profile any
	if len(was) > 0 {
		again, err := keys.Reseal(keystore.Card{ID: id, Profile: keystore.Sealed(was)})
		if err != nil {
			return err
		}
		profile = []byte(again)
	}
	_, err = q.Exec(ctx, "UPDATE cards SET tag = $1, sealed = $2, profile = $3 WHERE id = $4 AND version = $5", tag[:], sealed,
		profile, id, version)
	return err
}

// FinishRotation binds the records to the active keys.
func FinishRotation(ctx context.Context, q Querier, keys *keystore.Store) error {
	name, bound := "", ""
	err := q.Query(ctx, func(r Row) error { name, bound = r.Text(0), r.Text(1); return nil }, boundKeys)
	switch {
	case err != nil || bound == keys.CheckValue():
		return wrap("finish the rotation", err)
	case !keys.Knows(bound):
		return ErrKeys
	}
	count := 0
	if _, after, rotated := strings.Cut(name, "."); rotated {
		if count, err = strconv.Atoi(after); err != nil {
			return wrap("finish the rotation", err)
		}
	}
	_, err = q.Exec(ctx, "INSERT INTO facts (name, value) VALUES ($1, $2)", fmt.Sprintf("keys.%06d", count+1), keys.CheckValue())
	return wrap("finish the rotation", err)
}
