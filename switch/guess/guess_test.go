package guess_test

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"holdfast/switch/frame"
	"holdfast/switch/guess"
	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

// families leads from the beginning of a vector's name to the dialect that it is written in, and to the framing that
// its bytes have.
var families = []struct{ prefix, dialect, framing string }{
	{"ascii-hdr10", "iso87-ascii-binbmp", "bin2+hdr=10"}, {"ascii87-moovtool", "iso87-ascii-128", "none"},
	{"bcd-var", "iso87-bcd", "none"}, {"cup-tpdu", "cup-pos", "none+cup"}, {"ebcdic93", "amex-like-93", "none"},
	{"mastercard-ebcdic", "mastercard-like", "none"}, {"mc-ipm93-01", "iso93-ascii-binbmp", "none"},
	{"mc-ipm93-02", "iso93-ascii", "none"}, {"mc-ipm93-03", "amex-like-93", "none"}, {"moov-legacy", "iso87-ascii", "none"},
	{"node-ascii", "iso87-ascii", "none"}, {"py-ascii", "iso87-ascii", "none"}, {"a87", "iso87-ascii", "bin2"},
	{"tpdu-bcd", "iso87-bcd", "none+tpdu"}, {"tsys-ascii", "tsys-like", "none"}, {"visa-base1", "visa-like", "none"},
	{"vb1", "visa-like", "vmlh+base1"}, {"cmf", "cmf-2003", "bin2"},
}

// vectors reads the messages of a family, as they were captured.
func vectors(t *testing.T, prefix string) (frames [][]byte, bodies [][]byte) {
	t.Helper()
	for _, name := range []string{"iso8583.jsonl", "iso8583-synthetic.jsonl"} {
		f, err := os.Open("../iso/testdata/vectors/" + name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var v struct {
				ID, Class, Hex string
				Offset         int `json:"iso_offset"`
			}
			if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(v.ID, prefix) || v.Class == "must-reject" {
				continue
			}
			raw, err := hex.DecodeString(v.Hex)
			if err != nil {
				t.Fatal(err)
			}
			frames, bodies = append(frames, raw), append(bodies, raw[v.Offset:])
		}
	}
	if len(frames) == 0 {
		t.Fatalf("no vector begins with %s", prefix)
	}
	return frames, bodies
}

// TestEveryFamilyIsFound gives the frames of each family, alone and together. Method: the first of the ranking is the
// family's own dialect, or one that reads the same values from all of them.
func TestEveryFamilyIsFound(t *testing.T) {
	t.Parallel()
	for _, family := range families {
		frames, bodies := vectors(t, family.prefix)
		sets := [][][]byte{frames}
		bodySets := [][][]byte{bodies}
		for i := range frames {
			sets, bodySets = append(sets, frames[i:i+1]), append(bodySets, bodies[i:i+1])
		}
		for i, set := range sets {
			ranking := guess.Rank(set)
			if len(ranking) == 0 {
				t.Errorf("%s: set %d: nothing explains it", family.prefix, i)
				continue
			}
			first := ranking[0]
			own, err := iso.Builtin(family.dialect)
			if err != nil {
				t.Fatal(err)
			}
			if first.Dialect != own && !readTheSame(first.Dialect, own, bodySets[i]) || first.Framing != family.framing {
				t.Errorf("%s: set %d: first is %s in %s with %d of 1000, want %s in %s\n%v", family.prefix, i, first.Dialect.Name(),
					first.Framing, first.Score, family.dialect, family.framing, first.Reasons)
			}
		}
	}
}

// readTheSame reports whether both dialects read the same values.
func readTheSame(a, b *iso.Dialect, bodies [][]byte) bool {
	for _, body := range bodies {
		one, errA := a.Decode(body)
		two, errB := b.Decode(body)
		if errA != nil || errB != nil || !slices.Equal(one.Elements(), two.Elements()) {
			return false
		}
		for _, de := range one.Elements() {
			if one.Get(de) != two.Get(de) {
				return false
			}
		}
	}
	return true
}

// TestEveryPresetIsFoundInItsFraming writes purchases in each built-in dialect, as a stream that ends in the middle of a
// frame.
func TestEveryPresetIsFoundInItsFraming(t *testing.T) {
	t.Parallel()
	for _, name := range iso.Names() {
		d, err := iso.Builtin(name)
		if err != nil {
			t.Fatal(err)
		}
		format := d.Profile().Framing
		request := isotest.Purchase(d)
		var stream []byte
		var bodies [][]byte
		for _, m := range []*iso.Message{request, isotest.Approval(request), request} {
			body, err := m.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			bodies = append(bodies, body)
			if stream, err = format.Append(stream, format.FirstHeader(nil), body); err != nil {
				t.Fatal(err)
			}
		}
		first := guess.Rank([][]byte{stream[:len(stream)-9]})[0]
		if first.Dialect != d && !readTheSame(first.Dialect, d, bodies) || first.Framing != format.String() || first.Decoded != 2 {
			t.Errorf("%s in %s: found %s in %s, %d read\n%v", name, format, first.Dialect.Name(), first.Framing, first.Decoded, first.Reasons)
		}
	}
}

func TestDialectsOfTheCallerAreRanked(t *testing.T) {
	t.Parallel()
	file, err := iso.Parse("own", []byte("base: iso87\nmti: ascii\nbitmap: hex\nnumeric: ascii\ntext: ascii\n"+
		"length: {encoding: ascii}\nelements: {64: {format: an16}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	frames, _ := vectors(t, "jmeter")
	plain, err := iso.Builtin("iso87-ascii")
	if err != nil {
		t.Fatal(err)
	}
	ranking := guess.Rank(frames, plain, file)
	if ranking[0].Dialect != file || ranking[0].Decoded != len(frames) || ranking[1].Score >= ranking[0].Score {
		t.Errorf("first is %s", ranking[0].Dialect.Name())
	}
	if text := strings.Join(ranking[1].Reasons, "\n"); !strings.Contains(text, "bytes after the last element") {
		t.Errorf("the reasons against the other do not say what does not fit:\n%s", text)
	}
}

func TestNoReasonTellsContent(t *testing.T) {
	t.Parallel()
	d, err := iso.Builtin("iso87-ascii")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := isotest.Purchase(d).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range guess.Rank([][]byte{raw, raw[:len(raw)-7]}) {
		if text := strings.Join(g.Reasons, "\n"); strings.Contains(text, isotest.PAN) || strings.Contains(text, "ACME") {
			t.Errorf("%s: %s", g.Dialect.Name(), text)
		}
	}
}

// FuzzRank gives any bytes.
func FuzzRank(f *testing.F) {
	f.Add([]byte("\x00\x10" + "0800" + "8020000000000000"))
	f.Add([]byte("0100"))
	format, err := frame.Parse("bin2+base1")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(format.FirstHeader(nil))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, g := range guess.Rank([][]byte{raw}) {
			if g.Score < 1 || g.Score > 1000 || g.Decoded > g.Frames {
				t.Fatalf("%s: %+v", g.Dialect.Name(), g)
			}
		}
	})
}

// Goal: what is like the vectors and not among them is found as well: requests where they have answers, other editions of
// an encoding, reversals with their originals. Method: messages that an encoder wrote which shares nothing with ours.
func TestNeighboursOfTheVectorsAreFound(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/vectors/neighbours.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var v struct{ ID, Dialect, Framing, Hex string }
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(err)
		}
		raw, err := hex.DecodeString(v.Hex)
		if err != nil {
			t.Fatal(err)
		}
		own, err := iso.Builtin(v.Dialect)
		if err != nil {
			t.Fatal(err)
		}
		ranking := guess.Rank([][]byte{raw})
		if len(ranking) == 0 {
			t.Errorf("%s: nothing explains it", v.ID)
			continue
		}
		first := ranking[0]
		body, err := guess.Cut(strings.Replace(v.Framing, "none", "bin2", 1), [][]byte{prefixed(raw)})
		if err != nil {
			t.Fatal(err)
		}
		if first.Decoded != 1 || first.Framing != v.Framing || first.Dialect != own && !readTheSame(first.Dialect, own, body) {
			t.Errorf("%s: first is %s in %s with %d of 1000, want %s in %s\n%v", v.ID, first.Dialect.Name(), first.Framing, first.Score,
				v.Dialect, v.Framing, first.Reasons)
		}
	}
}

// prefixed puts the length in front of a message, as frames of bin2 have it.
func prefixed(raw []byte) []byte { return append([]byte{byte(len(raw) >> 8), byte(len(raw))}, raw...) }
