package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"holdfast/authz/keystore"
	"holdfast/store/records"
)

// The zone of the demo's cash machines. Its keys are printed in books: a day that is written down has PIN blocks that
// are written down, too. They are the demo's listener's and nobody else's.
const (
	demoZone       = "ascii" // a listener of demoListeners
	demoZoneMaster = "0123456789ABCDEFFEDCBA9876543210"
	demoZoneKey    = "E994B6A38ADACA0F1FD1B02B237AF9AE" // encrypted under the master
	demoZoneCheck  = "26F784"
)

// demoKeys makes the key file of a new demo folder, with the zone's master key in it.
func demoKeys(dir string) error {
	path, passphrase := filepath.Join(dir, keysFile), []byte(os.Getenv(passphraseVariable))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return usageError{fmt.Errorf("data folder: %w", err)}
	}
	if _, err := keystore.Create(path, passphrase); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return wrapf(err, "keys of the demo")
	}
	master, err := hex.DecodeString(demoZoneMaster)
	if err != nil {
		return err
	}
	id, err := keystore.ImportKey(path, passphrase, "zmk", master, map[string]string{"peer": demoZone})
	if err == nil {
		err = keystore.ActivateKey(path, passphrase, id)
	}
	return wrapf(err, "keys of the demo")
}

// demoExchange does what a network does after it has signed on for the first time.
func demoExchange(ctx context.Context, store records.Store, keys *keystore.Store) error {
	if keys.HasZoneKey(demoZone, keystore.ZonePIN) {
		return nil
	}
	wrapped, err := hex.DecodeString(demoZoneKey)
	if err != nil {
		return err
	}
	check, err := hex.DecodeString(demoZoneCheck)
	if err != nil {
		return err
	}
	if _, err = records.OfferZoneKey(ctx, store, keys, demoZone, keystore.ZonePIN, wrapped, check); err == nil {
		err = records.ActivateZoneKey(ctx, store, keys, demoZone, keystore.ZonePIN, time.Now(), 0)
	}
	return wrapf(err, "zone key of the demo")
}
