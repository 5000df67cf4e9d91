package iso

import (
	"embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/moov-io/iso8583"
)

// Version is the edition of ISO 8583 that a dialect follows, by its year.
type Version int

// The editions. A message type of 1987 begins with 0, of 1993 with 1, of 2003 with 2.
const (
	V1987 Version = 1987
	V1993 Version = 1993
	V2003 Version = 2003
)

// elementsMax is the highest element number: two bitmaps of 64 bits.
const elementsMax = 128

// Dialect is the way one kind of peer writes ISO 8583. It never changes after it was loaded, and it is safe
// for concurrent use.
type Dialect struct {
	name        string
	description string
	version     Version
	mti         element
	bitmap      bitmapCodec
	elements    [elementsMax + 1]element // an element without a class is undefined
	profile     Profile
	spec        func() *iso8583.MessageSpec
}

//go:embed dialects/*.yaml
var dialectFiles embed.FS

// builtins are the dialects that the program carries. They are tested, so a fault in one is a fault of
// this package.
var builtins = sync.OnceValue(func() map[string]*Dialect {
	entries, err := dialectFiles.ReadDir("dialects")
	if err != nil {
		panic("iso: internal error: " + err.Error())
	}
	out := make(map[string]*Dialect, len(entries))
	for _, entry := range entries {
		data, err := dialectFiles.ReadFile("dialects/" + entry.Name())
		if err != nil {
			panic("iso: internal error: " + err.Error())
		}
		name := strings.TrimSuffix(entry.Name(), ".yaml")
		d, err := Parse(name, data)
		if err != nil {
			panic("iso: internal error: " + err.Error())
		}
		out[name] = d
	}
	return out
})

// Names lists the built-in dialects in alphabetical order.
func Names() []string {
	names := make([]string, 0, len(builtins()))
	for name := range builtins() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Builtin returns the built-in dialect of that name. The error lists the names there are.
func Builtin(name string) (*Dialect, error) {
	if d, ok := builtins()[name]; ok {
		return d, nil
	}
	return nil, fmt.Errorf("find dialect %q: the built-in ones are %s", name, strings.Join(Names(), ", "))
}

// Source is the file of a built-in dialect, to begin one's own with.
func Source(name string) ([]byte, error) {
	if _, err := Builtin(name); err != nil {
		return nil, err
	}
	return dialectFiles.ReadFile("dialects/" + name + ".yaml")
}

// fileBytesMax is far above any dialect file; it keeps a wrong path from being read into memory.
const fileBytesMax = 256 << 10

// Load reads a dialect file. Its errors name the file, the key and the fault.
func Load(path string) (*Dialect, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("load dialect: %w", err)
	}
	defer f.Close() // nothing was written, so closing cannot lose anything
	data, err := io.ReadAll(io.LimitReader(f, fileBytesMax+1))
	if err != nil {
		return nil, fmt.Errorf("load dialect: %w", err)
	}
	d, err := Parse(path, data)
	if err != nil {
		return nil, err
	}
	base := filepath.Base(path)
	d.name = strings.TrimSuffix(base, filepath.Ext(base))
	return d, nil
}

// Open returns the built-in dialect of that name, else loads the file at that path. A name without a dot or
// a separator is never taken for a path, so that a mistyped name is answered with the names there are.
func Open(nameOrPath string) (*Dialect, error) {
	d, err := Builtin(nameOrPath)
	if err == nil || !strings.ContainsAny(nameOrPath, `./\`) {
		return d, err
	}
	return Load(nameOrPath)
}

// Name is the name of a built-in dialect, or of the file without its extension.
func (d *Dialect) Name() string { return d.name }

// Version is the edition of the standard that the dialect's base follows.
func (d *Dialect) Version() Version { return d.version }

// Description is the sentence by which the file introduces itself; it may be empty.
func (d *Dialect) Description() string { return d.description }

// Profile says what peers of this dialect mean by its elements, and how they want to be answered. It is read-only.
func (d *Dialect) Profile() *Profile { return &d.profile }

// Spec is the dialect in the terms of moov's library, for the client connections that are built on it. It is
// read-only. Messages that come back through it should still go through Decode, because moov's own loop
// does not notice bytes after the last element.
func (d *Dialect) Spec() *iso8583.MessageSpec { return d.spec() }

// element returns the definition of an element, or nil when the dialect has none.
func (d *Dialect) element(de int) *element {
	if de < 2 || de > elementsMax || d.elements[de].class == 0 {
		return nil
	}
	return &d.elements[de]
}
