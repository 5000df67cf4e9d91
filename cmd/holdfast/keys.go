package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"holdfast/authz/keystore"
	"holdfast/store/records"
)

// keysCmd works on the key file of a data folder. A switch reads it when it starts.
type keysCmd struct {
	List     keysListCmd     `cmd:"" help:"List the keys: what they are for, not what they are."`
	Add      keysAddCmd      `cmd:"" help:"Add a new random key, pending: give the file to every node, then activate it."`
	Import   keysImportCmd   `cmd:"" help:"Add a key that another party has, too, read as hexadecimal digits from standard input."`
	Activate keysActivateCmd `cmd:"" help:"Use a key for new work from the next start on."`
	Reseal   keysResealCmd   `cmd:"" help:"Put all cards under the active keys, so that the old ones may be dropped."`
	Drop     keysDropCmd     `cmd:"" help:"Destroy a key that is not active. What is still under it is lost."`
}

// keyFile is the key file of a configuration, and what opens it.
func (f *bookFlags) keyFile() (path string, passphrase []byte, err error) {
	cfg, err := f.config()
	return filepath.Join(cfg.Data, keysFile), []byte(os.Getenv(passphraseVariable)), err
}

type keysListCmd struct{ bookFlags }

// Run prints a line for each key.
func (c *keysListCmd) Run(e *env) error {
	path, passphrase, err := c.keyFile()
	if err != nil {
		return err
	}
	all, err := keystore.Keys(path, passphrase)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tUSAGE\tSTATE\tCREATED\tCHECK VALUE\tATTRIBUTES")
	for _, k := range all {
		var attributes []string
		for _, name := range slices.Sorted(maps.Keys(k.Attributes)) {
			attributes = append(attributes, name+"="+k.Attributes[name])
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Usage, k.State, k.Created.Format(time.DateOnly), k.CheckValue,
			strings.Join(attributes, " "))
	}
	return w.Flush()
}

type keysAddCmd struct {
	Usage string `arg:"" help:"pan-aead, pan-tag, cvk, pvk or imk-ac."`
	bookFlags
}

// Run adds the key and prints its id.
func (c *keysAddCmd) Run(e *env) error {
	path, passphrase, err := c.keyFile()
	if err != nil {
		return err
	}
	id, err := keystore.AddKey(path, passphrase, c.Usage)
	return printKey(e, id, err)
}

type keysImportCmd struct {
	Usage      string            `arg:"" help:"cvk, pvk, imk-ac, zmk or zak."`
	Attributes map[string]string `arg:"" optional:"" help:"What was agreed on, such as peer=NAME or expiry=MMYY."`
	bookFlags
}

// keyDigitsMax is more than any key has.
const keyDigitsMax = 1024

// Run reads the key and adds it.
func (c *keysImportCmd) Run(e *env) error {
	path, passphrase, err := c.keyFile()
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(e.stdin, keyDigitsMax))
	if err != nil {
		return fmt.Errorf("read the key: %w", err)
	}
	defer clear(text)
	key, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		return usagef("standard input is not a key in hexadecimal digits") // the error would quote one
	}
	id, err := keystore.ImportKey(path, passphrase, c.Usage, key, c.Attributes)
	return printKey(e, id, err)
}

func printKey(e *env, id uint32, err error) error {
	if errors.Is(err, keystore.ErrInput) {
		return usageError{err}
	}
	if err == nil {
		_, err = fmt.Fprintf(e.stdout, "key %d is pending\n", id)
	}
	return err
}

type keysActivateCmd struct {
	ID uint32 `arg:"" help:"As keys list shows it."`
	bookFlags
}

// Run activates the key.
func (c *keysActivateCmd) Run(e *env) error {
	path, passphrase, err := c.keyFile()
	if err == nil {
		err = keystore.ActivateKey(path, passphrase, c.ID)
	}
	if err == nil {
		_, err = fmt.Fprintf(e.stdout, "key %d is active\n", c.ID)
	}
	return err
}

type keysDropCmd struct {
	ID uint32 `arg:"" help:"As keys list shows it."`
	bookFlags
}

// Run destroys the key.
func (c *keysDropCmd) Run(e *env) error {
	path, passphrase, err := c.keyFile()
	if err == nil {
		err = keystore.DropKey(path, passphrase, c.ID)
	}
	if err == nil {
		_, err = fmt.Fprintf(e.stdout, "key %d is gone\n", c.ID)
	}
	return err
}

type keysResealCmd struct{ bookFlags }

// resealStep is how many cards a transaction takes: the switch beside it waits no longer than for some of its own.
const resealStep = 500

// Run goes through all cards until a pass finds nothing to do. In full mode the nodes may run meanwhile.
func (c *keysResealCmd) Run(e *env) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	keys, store, err := cfg.open(e.ctx)
	if err != nil {
		return err
	}
	unlock := func() error { return nil }
	if cfg.Store == storeEmbedded {
		if unlock, err = lockFolder(filepath.Join(cfg.Data, lockFile)); err != nil {
			return errors.Join(err, store.Close())
		}
	}
	return errors.Join(reseal(e.ctx, e.stdout, store, keys), store.Close(), unlock())
}

func reseal(ctx context.Context, out io.Writer, store records.Store, keys *keystore.Store) error {
	for changed := -1; changed != 0; {
		changed = 0
		var pass records.Resealed
		seen := 0
		for !pass.Done {
			if err := store.Update(ctx, func(q records.Querier) (err error) {
				pass, err = records.Reseal(ctx, q, keys, pass.Last, resealStep)
				return err
			}); err != nil {
				return err
			}
			seen += pass.Seen
			changed += pass.Changed
		}
		if _, err := fmt.Fprintf(out, "cards %d, put under the active keys %d\n", seen, changed); err != nil {
			return err
		}
	}
	return store.Update(ctx, func(q records.Querier) error { return records.FinishRotation(ctx, q, keys) })
}
