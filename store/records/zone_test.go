package records_test

import (
	"context"
	"crypto/des"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"holdfast/authz/keystore"
	"holdfast/authz/pan"
	"holdfast/store/records"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tdes encrypts blocks under a key of double length.
func tdes(t *testing.T, key, blocks []byte) []byte {
	t.Helper()
	c, err := des.NewTripleDESCipher(append(key[:16:16], key[:8]...))
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, len(blocks))
	for i := 0; i < len(blocks); i += 8 {
		c.Encrypt(out[i:], blocks[i:])
	}
	return out
}

// Goal: a key that one node was offered is used by all, whichever activates it, and after a restart. Method: two
// keystores on one file and one database.
func TestZoneKeysAreSharedByTheNodes(t *testing.T) {
	t.Parallel()
	o := newPress(t)
	master, key := unhex(t, "FEDCBA98765432100123456789ABCDEF"), unhex(t, "1123456789ABCDEFFEDCBA9876543210")
	wrapped, check := tdes(t, master, key), tdes(t, key, make([]byte, 8))[:3]
	id, err := keystore.ImportKey(o.path, nil, "zmk", master, map[string]string{"peer": "network"})
	if err == nil {
		err = keystore.ActivateKey(o.path, nil, id)
	}
	if err != nil {
		t.Fatal(err)
	}
	o.reopen()
	one := o.keys
	o.reopen()
	two := o.keys
	ctx := t.Context()
	number, err := pan.Parse("9999991000000012")
	if err != nil {
		t.Fatal(err)
	}
	usable := func(keys *keystore.Store) bool {
		_, err := keys.EncryptPIN("network", number, pan.NewSecret("1234"))
		return err == nil
	}
	if _, err := records.OfferZoneKey(ctx, o.store, one, "network", keystore.ZonePIN, wrapped, []byte("xyz")); !errors.Is(err, keystore.ErrCheckValue) {
		t.Errorf("a wrong check value: %v", err)
	}
	if err := records.ActivateZoneKey(ctx, o.store, two, "network", keystore.ZonePIN, at, time.Minute); !errors.Is(err, keystore.ErrKey) {
		t.Errorf("nothing was offered: %v", err)
	}
	for range 3 { // each exchange ends the one before
		if _, err := records.OfferZoneKey(ctx, o.store, one, "network", keystore.ZonePIN, wrapped, check); err != nil {
			t.Fatal(err)
		}
		if err := records.ActivateZoneKey(ctx, o.store, two, "network", keystore.ZonePIN, at, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if usable(one) || !usable(two) {
		t.Errorf("before the node that was offered the key hears of it: %v, and %v where it was activated", usable(one), usable(two))
	}
	o.reopen()
	for _, keys := range []*keystore.Store{one, o.keys} {
		o.update(func(ctx context.Context, q records.Querier) error { return records.LoadZoneKeys(ctx, q, keys) })
		if !usable(keys) {
			t.Error("a node does not have the key")
		}
	}
	kept := 0
	o.update(func(ctx context.Context, q records.Querier) error {
		all, err := records.ZoneKeys(ctx, q)
		for _, k := range all {
			kept++
			if k.State == "decrypt-only" && !k.Until.Equal(at.Add(time.Minute)) {
				t.Errorf("the key before is good until %v", k.Until)
			}
		}
		return err
	})
	if kept != 2 {
		t.Errorf("%d keys are kept, want the active one and the one before", kept)
	}
}
