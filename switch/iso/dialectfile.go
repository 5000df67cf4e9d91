package iso

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/goccy/go-yaml"
	"github.com/moov-io/iso8583"
)

// dialectFile is a dialect as its file writes it. dialects/README.md explains every key.
type dialectFile struct {
	Description     string              `yaml:"description"`
	Base            string              `yaml:"base"`
	MTI             string              `yaml:"mti"`
	Bitmap          string              `yaml:"bitmap"`
	BitmapSize      string              `yaml:"bitmap_size"`
	HexCase         string              `yaml:"hex_case"`
	Numeric         string              `yaml:"numeric"`
	NumericVariable string              `yaml:"numeric_variable"`
	Text            string              `yaml:"text"`
	Track           string              `yaml:"track"`
	Binary          string              `yaml:"binary"`
	Length          lengthFile          `yaml:"length"`
	Elements        map[int]elementFile `yaml:"elements"`
	Profile         profileFile         `yaml:"profile"`
}

// elementFile overrides one element; an empty key leaves what the base and the dialect say.
type elementFile struct {
	Name     string     `yaml:"name"`
	Format   string     `yaml:"format"`
	Encoding string     `yaml:"encoding"`
	Length   lengthFile `yaml:"length"`
	Parts    *partsFile `yaml:"parts"`
}

// lengthFile describes length prefixes.
type lengthFile struct {
	Encoding string `yaml:"encoding"`
	Width    int    `yaml:"width"`
	Unit     string `yaml:"unit"`
}

var bases = map[string]Version{"iso87": V1987, "iso93": V1993, "cmf2003": V2003}

// Parse reads the text of a dialect file. The name stands for the file in errors, which name the key and the
// fault as well. Unknown keys are refused.
func Parse(name string, data []byte) (*Dialect, error) {
	file, err := parseFile(data)
	if err != nil {
		return nil, fmt.Errorf("read dialect %s: %w", name, err)
	}
	d := &Dialect{name: name}
	if err := d.compile(file); err != nil {
		return nil, fmt.Errorf("read dialect %s: %w", name, err)
	}
	d.spec = sync.OnceValue(func() *iso8583.MessageSpec { return newSpec(d) })
	return d, nil
}

// parseFile decodes the YAML strictly: one document, known keys, no key twice.
func parseFile(data []byte) (*dialectFile, error) {
	if len(data) > fileBytesMax {
		return nil, fmt.Errorf("the file is longer than %d bytes", fileBytesMax)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict())
	var file dialectFile
	if err := dec.Decode(&file); errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty")
	} else if err != nil {
		return nil, errors.New(yaml.FormatError(err, false, false))
	}
	if err := dec.Decode(new(dialectFile)); !errors.Is(err, io.EOF) {
		return nil, errors.New("the file holds more than one document")
	}
	return &file, nil
}

// compile turns the file into the tables that decoding uses.
func (d *Dialect) compile(file *dialectFile) error {
	var err error
	if d.version, err = choose("base", file.Base, "", bases); err != nil {
		return err
	}
	upper, err := choose("hex_case", file.HexCase, "upper", map[string]bool{"upper": true, "lower": false})
	if err != nil {
		return err
	}
	if err := d.compileHead(file, upper); err != nil {
		return err
	}
	switches, err := file.switches(upper)
	if err != nil {
		return err
	}
	for _, de := range slices.Sorted(maps.Keys(file.Elements)) {
		if de < 2 || de > elementsMax || de == 65 {
			return fmt.Errorf("elements.%d: elements are 2 to %d without 65", de, elementsMax)
		}
	}
	for de := 2; de <= elementsMax; de++ {
		if err := d.compileElement(de, file, switches); err != nil {
			return fmt.Errorf("elements.%d%w", de, err)
		}
	}
	d.description = file.Description
	if err := file.Profile.compile(d); err != nil {
		return fmt.Errorf("profile.%w", err)
	}
	return nil
}

// compileHead sets up the message type and the bitmap.
func (d *Dialect) compileHead(file *dialectFile, upper bool) error {
	style, err := choose("mti", file.MTI, "", mtiStyles)
	if err != nil {
		return err
	}
	d.mti = element{
		name: "message type", format: format{class: classNumeric, max: 4},
		codec: style.codec, page: style.page, chars: digitChars,
	}
	if d.bitmap, err = choose("bitmap", file.Bitmap, "", bitmapStyles); err != nil {
		return err
	}
	d.bitmap.upper = upper
	sizes := map[string]bool{"variable": false, "128": true}
	d.bitmap.fixed, err = choose("bitmap_size", file.BitmapSize, "variable", sizes)
	return err
}

// compileElement sets up one element from the base table, the switches and the override, if any. Its errors
// begin with what comes after "elements.N": a key behind a dot, or a colon.
func (d *Dialect) compileElement(de int, file *dialectFile, switches *switches) error {
	over, overridden := file.Elements[de]
	e := element{de: de, name: table()[de].names[d.version], format: table()[de].formats[d.version]}
	e.upper = switches.upper
	if over.Name != "" {
		e.name = over.Name
	}
	if over.Format == "" && e.class == 0 {
		if overridden {
			return errors.New(".format: the base has no such element, so its format is needed")
		}
		return nil
	}
	if err := e.compile(over, file.Length, switches); err != nil {
		return err
	}
	switch {
	case over.Parts == nil && de == 55 && e.class == classBinary:
		e.layout = &layout{kind: layoutBER}
	case over.Parts == nil && de == 34 && d.version == V2003 && e.class == classBinary:
		e.layout = &layout{kind: layoutDataset}
	case over.Parts != nil:
		var err error
		if e.layout, err = over.Parts.compile(&e, file.Length, switches); err != nil {
			return fmt.Errorf(".parts.%w", err)
		}
	}
	d.elements[de] = e
	return nil
}

// compile gives the element what the file says of it. Its errors begin with the key behind a dot.
func (e *element) compile(over elementFile, length lengthFile, switches *switches) error {
	if over.Format != "" {
		var err error
		if e.format, err = parseFormat(over.Format); err != nil {
			return fmt.Errorf(".format: %w", err)
		}
	}
	if err := e.setEncoding(over.Encoding, switches); err != nil {
		return fmt.Errorf(".encoding: %w", err)
	}
	if e.dots > 0 {
		if err := e.setLength(over.Length, length); err != nil {
			return fmt.Errorf(".%w", err)
		}
	} else if over.Length != (lengthFile{}) {
		return errors.New(".length: an element of fixed length has none")
	}
	return nil
}
