package iso_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

// families leads from a vector, by the beginning of its name, to the built-in dialect that it is written in.
// A vector without a row is of a host with a dialect of its own, and is decoded by a file in vector_test.go.
var families = []struct {
	prefix, dialect string
}{
	{"ascii-hdr10", "iso87-ascii-binbmp"}, {"ascii87-moovtool", "iso87-ascii-128"}, {"bcd-var", "iso87-bcd"},
	{"cup-tpdu", "cup-pos"}, {"ebcdic93", "amex-like-93"}, {"mastercard-ebcdic", "mastercard-like"},
	{"mc-ipm93-01", "iso93-ascii-binbmp"}, {"mc-ipm93-02", "iso93-ascii"}, {"mc-ipm93-03", "amex-like-93"},
	{"moov-legacy-ascii", "iso87-ascii"}, {"node-ascii", "iso87-ascii"}, {"py-ascii", "iso87-ascii"}, {"a87", "iso87-ascii"},
	{"tieto-d8-93", "d8-like-93"}, {"tpdu-bcd", "iso87-bcd"}, {"tsys-ascii", "tsys-like"}, {"visa-base1-like", "visa-like"},
	{"vb1", "visa-like"}, {"cmf", "cmf-2003"},
}

func familyOf(v isotest.Vector) (dialect string, ok bool) {
	for _, row := range families {
		if len(v.ID) > len(row.prefix) && v.ID[:len(row.prefix)] == row.prefix || v.ID == row.prefix {
			return row.dialect, true
		}
	}
	return "", false
}

// refusedByPreset are vectors of a family that its preset must not take, and why.
var refusedByPreset = map[string]iso.FormatError{
	"mastercard-ebcdic-02": {DE: 2, Kind: iso.KindCharacters}, // its publisher wrote X over the card number
	"moov-legacy-ascii-10": rejected["moov-legacy-ascii-10"],
	"tieto-d8-93-01":       rejected["tieto-d8-93-01"],
}

func TestPresetsReadAndWriteTheVectorsOfTheirFamily(t *testing.T) {
	t.Parallel()
	var used []string
	for _, v := range isotest.Vectors(t, ".") {
		name, ok := familyOf(v)
		if !ok {
			continue
		}
		used = append(used, name)
		d := builtin(t, name)
		m, err := d.Decode(v.Raw(t))
		if want, refused := refusedByPreset[v.ID]; refused {
			var fault *iso.FormatError
			if !errors.As(err, &fault) || *fault != want {
				t.Errorf("%s in %s: %v, want %v", v.ID, name, err, &want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s in %s: %v", v.ID, name, err)
			continue
		}
		compare(t, v, m)
		if again, raw := encoded(t, m), v.Raw(t); !bytes.Equal(again, raw) && !subjectOf(d).sameButForHexCase(again, raw) {
			t.Errorf("%s in %s: encoded\n got %x\nwant %x", v.ID, name, again, raw)
		}
	}
	slices.Sort(used)
	if got := len(slices.Compact(used)); got < 11 {
		t.Errorf("the vectors are of %d presets, want at least 11", got)
	}
}

// TestPresetsReadTheirOwnPurchase covers those presets that have no vector.
func TestPresetsReadTheirOwnPurchase(t *testing.T) {
	t.Parallel()
	for _, name := range iso.Names() {
		d := builtin(t, name)
		m := isotest.Purchase(d)
		again, err := d.Decode(encoded(t, m))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, de := range m.Elements() {
			if again.Get(de) != m.Get(de) {
				t.Errorf("%s: element %d is %q, want %q", name, de, again.Get(de), m.Get(de))
			}
		}
	}
}
