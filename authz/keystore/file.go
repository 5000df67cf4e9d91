package keystore

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"holdfast/authz/keystore/retail"
)

// fileVersion is the form of the file that this program reads and writes.
const fileVersion = 1

// fileBytesMax bounds what is read: the file of a thousand keys is smaller.
const fileBytesMax = 1 << 20

// What a key may be used for.
const (
	usagePAN       = "pan-aead" // AES-256-GCM over card numbers and card profiles
	usageTag       = "pan-tag"  // HMAC-SHA-256, look-up of a card by its number
	usageApproval  = "approval" // HMAC-SHA-256, approval codes
	usageDuplicate = "dup"      // HMAC-SHA-256, duplicate keys and other hashes
	usageCVV       = "cvk"      // TDES, card verification values
	usagePVV       = "pvk"      // TDES, PIN verification values
	usageChip      = "imk-ac"   // TDES, master key of the chips' cryptograms
	usageZone      = "zmk"      // TDES or AES, wraps the keys that one peer sends
	usageMAC       = "zak"      // TDES or AES, authenticates the messages of one peer until it sends another
)

// spec says what the keys of a usage are like.
type spec struct {
	sizes      []int             // in bytes
	made       bool              // a new file has one
	required   bool              // a file without an active one is refused
	pair       bool              // it is a key pair, of the length that PKCS #8 gives it
	attributes map[string]string // those it may have, with what they are when nothing else is said
}

var usages = map[string]spec{
	usagePAN:       {sizes: []int{keySize}, made: true, required: true},
	usageTag:       {sizes: []int{keySize}, made: true, required: true},
	usageApproval:  {sizes: []int{keySize}, made: true, required: true},
	usageDuplicate: {sizes: []int{keySize}, made: true, required: true},
	usageCVV:       {sizes: []int{16}, made: true, attributes: map[string]string{attrExpiry: "YYMM", attrOffset: "5"}},
	usagePVV:       {sizes: []int{16}, made: true, attributes: map[string]string{attrIndex: "1"}},
	usageChip:      {sizes: []int{16}, made: true},
	usageJWE:       {pair: true},
	usageAuthority: {pair: true},
	usageZone: {sizes: []int{16, 24, 32},
		attributes: map[string]string{attrPeer: "", attrAlgorithm: algorithmTDES, attrFormats: "03"}},
	usageMAC: {sizes: []int{16, 24, 32}, attributes: map[string]string{attrPeer: "", attrAlgorithm: algorithmTDES}},
}

// usagesMade are the usages of a new file, in the order of their ids.
var usagesMade = []string{usagePAN, usageTag, usageApproval, usageDuplicate, usageCVV, usagePVV, usageChip}

// Attributes of keys: agreements that belong to a key, because without them its values match nobody's.
const (
	attrExpiry    = "expiry"    // the order of the expiry in a CVV2: YYMM or MMYY
	attrOffset    = "offset"    // where in the discretionary data of the track the value stands
	attrIndex     = "index"     // the digit that names a PVV key
	attrPeer      = "peer"      // whose zone it is
	attrAlgorithm = "algorithm" // TDES or AES
	attrFormats   = "formats"   // the PIN block formats agreed on, such as 03
)

// Algorithms of zone keys.
const (
	algorithmTDES = "TDES"
	algorithmAES  = "AES"
)

// States of a key, after NIST SP 800-57: an active key is used for new work. An older one only opens what it made,
// and so does a pending one, which another node may be using already.
const (
	statePending = "pending"
	stateActive  = "active"
	stateRetired = "decrypt-only"
)

// file is the key file as JSON.
type file struct {
	Version int      `json:"version"`
	Sealing *sealing `json:"sealing,omitempty"` // absent: the keys are in clear
	Keys    []record `json:"keys"`
	MAC     []byte   `json:"mac"` // over all of the above
}

// record is one key. In a sealed file its usage, state and id are bound to it.
type record struct {
	ID      uint32 `json:"id"` // unique in the file, never used again
	Usage   string `json:"usage"`
	State   string `json:"state"`
	Created string `json:"created"` // RFC 3339, UTC
	// Attributes of the key, bound to it like its usage.
	Attributes map[string]string `json:"attributes,omitempty"`
	Material   []byte            `json:"material"` // the key; sealed, if the file is

	key []byte // the key in clear, in memory only
}

// Open reads the key file at path. A sealed file needs its passphrase, and a
// file that is not sealed refuses one: whoever gives a passphrase believes that
// the keys are protected by it.
func Open(path string, passphrase []byte) (*Store, error) {
	f, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("open key file: %w", err)
	}
	if err := f.unlock(passphrase); err != nil {
		return nil, fmt.Errorf("open key file: %w", err)
	}
	return newStore(f.Keys)
}

// Create makes a key file with new keys at path, sealed if there is a
// passphrase, and opens it. It never replaces a file: the error is then
// fs.ErrExist, and the old keys are untouched.
func Create(path string, passphrase []byte) (*Store, error) {
	f := file{Version: fileVersion}
	created := time.Now().UTC().Format(time.RFC3339)
	for _, usage := range usagesMade {
		f.add(usage, stateActive, created, nil, newKey(usages[usage].sizes[0]))
	}
	if err := f.lock(passphrase); err != nil {
		return nil, fmt.Errorf("create key file: %w", err)
	}
	content, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("create key file: %w", err)
	}
	if err := writeNew(path, append(content, '\n')); err != nil {
		return nil, fmt.Errorf("create key file: %w", err)
	}
	return newStore(f.Keys)
}

// OpenOrCreate opens the key file at path, or makes it if there is none. Of two
// programs that start at once, one makes it and both use it.
func OpenOrCreate(path string, passphrase []byte) (*Store, error) {
	s, err := Open(path, passphrase)
	if !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	s, err = Create(path, passphrase)
	if errors.Is(err, fs.ErrExist) {
		return Open(path, passphrase)
	}
	return s, err
}

// read loads and checks the form of a file, not yet its keys.
func read(path string) (*file, error) {
	handle, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = handle.Close() }() // only read from
	info, err := handle.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, ErrPermissions
	}
	content, err := io.ReadAll(io.LimitReader(handle, fileBytesMax+1))
	if err != nil {
		return nil, err
	}
	if len(content) > fileBytesMax {
		return nil, ErrFormat
	}
	var f file
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil {
		return nil, ErrFormat // the decoder's own error could quote the content
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) || f.Version != fileVersion {
		return nil, ErrFormat
	}
	return &f, f.checkRecords()
}

// checkRecords demands known usages, states and attributes, distinct ids, and one active key for each usage and
// peer: exactly one where the usage must be there.
func (f *file) checkRecords() error {
	ids, active := map[uint32]bool{}, map[string]int{}
	for _, rec := range f.Keys {
		use, known := usages[rec.Usage]
		if rec.ID == 0 || ids[rec.ID] || !known || !slices.Contains([]string{statePending, stateActive, stateRetired}, rec.State) {
			return ErrFormat
		}
		ids[rec.ID] = true
		for name := range rec.Attributes {
			if _, ok := use.attributes[name]; !ok {
				return ErrFormat
			}
		}
		if rec.State == stateActive {
			active[rec.Usage+" "+rec.attribute(attrPeer)]++
		}
	}
	for usage, use := range usages {
		if use.required && active[usage+" "] != 1 {
			return ErrFormat
		}
	}
	for _, count := range active {
		if count > 1 {
			return ErrFormat
		}
	}
	return nil
}

// attribute is what was agreed for the key.
func (r *record) attribute(name string) string {
	if v, ok := r.Attributes[name]; ok {
		return v
	}
	return usages[r.Usage].attributes[name]
}

// add puts a key into the file under the next id and returns it.
func (f *file) add(usage, state, created string, attributes map[string]string, key []byte) uint32 {
	id := uint32(1)
	for _, rec := range f.Keys {
		id = max(id, rec.ID+1)
	}
	f.Keys = append(f.Keys, record{ID: id, Usage: usage, State: state, Created: created, Attributes: attributes, key: key})
	return id
}

// newKey is a random key. Those of TDES have odd parity, as their users expect.
func newKey(size int) []byte {
	key := make([]byte, size)
	_, _ = rand.Read(key) // never fails: it ends the program instead
	if size < keySize {
		retail.OddParity(key)
	}
	return key
}

// writeNew puts content at path so that, whatever dies when, there is either
// the whole file or none. A name is linked rather than renamed, because renaming
// would replace the keys that another program made a moment ago. A crash can
// leave a temporary file behind: its keys were never used.
func writeNew(path string, content []byte) error {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, ".keys-*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }() // after linking, the other name stays
	_, err = temp.Write(content)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err != nil {
		return err
	}
	if err := os.Link(temp.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a new name in a folder survive a loss of power.
func syncDir(dir string) error {
	handle, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(handle.Sync(), handle.Close())
}
