package keystore

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"holdfast/authz/keystore/retail"
)

// Key is what may be told of a key.
type Key struct {
	ID         uint32
	Usage      string
	State      string // pending, active or decrypt-only
	Created    time.Time
	Attributes map[string]string
	CheckValue string // of TDES and AES keys that another party has, too; else empty
}

// A rotation has three steps, so that several nodes with copies of one file never meet a tag or a seal that they do
// not know: add a pending key and give the file to every node, activate it and give the file to every node, and
// drop the old key when nothing is under it any more. Only one program may edit a file at a time; nodes read it when
// they start.

// AddKey adds a new random key of a usage to the file as pending and returns its id.
func AddKey(path string, passphrase []byte, usage string) (id uint32, err error) {
	use, known := usages[usage]
	if !known || !use.made && !use.pair {
		return 0, fmt.Errorf("add key: usage %q: %w", usage, ErrInput)
	}
	var key []byte
	if use.pair {
		key, err = newPair(usage)
	} else {
		key = newKey(use.sizes[0])
	}
	if err != nil {
		return 0, fmt.Errorf("add key: %w", err)
	}
	return id, edit(path, passphrase, func(f *file) error {
		id = f.add(usage, statePending, now(), nil, key)
		return nil
	})
}

// ImportKey adds a key that another party has, too, as pending: a verification key of the personaliser, a chip master
// key, or the zone master key or authentication key of a peer. key is wiped. What the key's attributes do not say is as for a new key: a
// cvk has expiry (YYMM or MMYY) and offset, a pvk has index, a zmk has peer, algorithm (TDES or AES) and formats, a zak
// has peer and algorithm.
func ImportKey(path string, passphrase []byte, usage string, key []byte, attributes map[string]string) (id uint32, err error) {
	defer clear(key)
	use := usages[usage]
	if use.required || !slices.Contains(use.sizes, len(key)) {
		return 0, fmt.Errorf("import key: usage %q with %d bytes: %w", usage, len(key), ErrInput)
	}
	if err := checkAttributes(usage, attributes); err != nil {
		return 0, fmt.Errorf("import key: %w", err)
	}
	attributes = maps.Clone(attributes)
	if usage == usageZone && attributes[attrAlgorithm] == algorithmAES && attributes[attrFormats] == "" {
		attributes[attrFormats] = "4" // the only one of AES
	}
	return id, edit(path, passphrase, func(f *file) error {
		id = f.add(usage, statePending, now(), attributes, slices.Clone(key))
		return nil
	})
}

// agreed are the values that an attribute may have; those that are not here have a form of their own.
var agreed = map[string][]string{
	attrExpiry: {"YYMM", "MMYY"}, attrOffset: {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"},
	attrIndex: {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, attrAlgorithm: {algorithmTDES, algorithmAES},
	attrFormats: {"0", "3", "03", "013", "01", "1", "4"},
}

func checkAttributes(usage string, attributes map[string]string) error {
	for name, value := range attributes {
		if _, ok := usages[usage].attributes[name]; !ok || name != attrPeer && !slices.Contains(agreed[name], value) {
			return fmt.Errorf("attribute %q: %w", name, ErrInput)
		}
	}
	if (usage == usageZone || usage == usageMAC) && attributes[attrPeer] == "" {
		return fmt.Errorf("attribute %q: %w", attrPeer, ErrInput)
	}
	return nil
}

// ActivateKey makes a key the one that is used for new work, and the one that was opens only what it made.
func ActivateKey(path string, passphrase []byte, id uint32) error {
	return edit(path, passphrase, func(f *file) error {
		chosen := f.find(id)
		if chosen == nil {
			return fmt.Errorf("key %d: %w", id, ErrKey)
		}
		for i := range f.Keys {
			rec := &f.Keys[i]
			if rec.Usage == chosen.Usage && rec.attribute(attrPeer) == chosen.attribute(attrPeer) && rec.State == stateActive {
				rec.State = stateRetired
			}
		}
		chosen.State = stateActive
		return nil
	})
}

// DropKey destroys a key that is not active. What is still under it is lost.
func DropKey(path string, passphrase []byte, id uint32) error {
	return edit(path, passphrase, func(f *file) error {
		rec := f.find(id)
		if rec == nil || rec.State == stateActive {
			return fmt.Errorf("key %d: %w", id, ErrKey)
		}
		f.Keys = slices.DeleteFunc(f.Keys, func(r record) bool { return r.ID == id })
		return nil
	})
}

// Keys lists the keys of a file, by id.
func Keys(path string, passphrase []byte) ([]Key, error) {
	f, err := read(path)
	if err == nil {
		err = f.unlock(passphrase)
	}
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	all := make([]Key, len(f.Keys))
	for i := range f.Keys {
		rec := &f.Keys[i]
		created, err := time.Parse(time.RFC3339, rec.Created)
		if err != nil {
			return nil, fmt.Errorf("list keys: %w", ErrFormat)
		}
		all[i] = Key{ID: rec.ID, Usage: rec.Usage, State: rec.State, Created: created, Attributes: maps.Clone(rec.Attributes)}
		if use := usages[rec.Usage]; !use.required && !use.pair {
			value, err := retail.CheckValue(rec.key, rec.attribute(attrAlgorithm) == algorithmAES)
			if err != nil {
				return nil, fmt.Errorf("list keys: %w", ErrFormat)
			}
			all[i].CheckValue = fmt.Sprintf("%X", value)
		}
	}
	return all, nil
}

func (f *file) find(id uint32) *record {
	for i := range f.Keys {
		if f.Keys[i].ID == id {
			return &f.Keys[i]
		}
	}
	return nil
}

func now() string { return time.Now().UTC().Format(time.RFC3339) }

// edit changes a file: whatever dies when, there is the old one or the new one.
func edit(path string, passphrase []byte, change func(*file) error) error {
	f, err := read(path)
	if err == nil {
		err = f.unlock(passphrase)
	}
	if err == nil {
		err = change(f)
	}
	if err == nil {
		err = f.checkRecords()
	}
	if err == nil {
		err = f.replace(path, passphrase)
	}
	if err != nil {
		return fmt.Errorf("edit key file: %w", err)
	}
	return nil
}

func (f *file) replace(path string, passphrase []byte) error {
	if err := f.lock(passphrase); err != nil {
		return err
	}
	content, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, ".keys-*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }() // after renaming there is none
	_, err = temp.Write(append(content, '\n'))
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}
