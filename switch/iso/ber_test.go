package iso_test

import (
	"strings"
	"testing"

	"holdfast/switch/iso"
)

func TestBERReadsPartsInsideParts(t *testing.T) {
	t.Parallel()
	nested := func(depth int) string {
		v := "\x82\x01a"
		for range depth - 1 {
			v = "\x70" + string(rune(len(v))) + v
		}
		return v
	}
	for _, c := range []struct {
		name, v string
		want    string
		kind    iso.Kind
	}{
		{"nothing", "", "", 0},
		{"one", "\x9f\x26\x02ab", "9F26=ab", 0},
		{"zeros between", "\x00\x82\x01a\x00\x00\x84\x01b", "82=a 84=b", 0},
		{"the same tag twice", "\x82\x01a\x82\x01b", "82=a 82=b", 0},
		{"an empty one", "\x82\x00", "82=", 0},
		{"one in another", "\x70\x03\x82\x01a", "70=\x82\x01a 82=a", 0},
		{"a long length", "\x82\x81\x01a", "82=a", 0},
		{"a longer one", "\x82\x82\x00\x01a", "82=a", 0},
		{"four deep", nested(4), "70=" + nested(3) + " 70=" + nested(2) + " 70=" + nested(1) + " 82=a", 0},
		{"five deep", nested(5), "70=" + nested(4) + " 70=" + nested(3) + " 70=" + nested(2) + " 70=" + nested(1), iso.KindLength},
		{"a length past the end", "\x82\x01a\x84\x05b", "82=a", iso.KindShort},
		{"a length past the end of the outer part", "\x70\x03\x82\x05ab", "", iso.KindShort},
		{"no length", "\x82", "", iso.KindLength},
		{"half a long length", "\x82\x82\x00", "", iso.KindLength},
		{"an indefinite length", "\x70\x80\x82\x01a\x00\x00", "", iso.KindLength},
		{"a length of three bytes", "\x82\x83\x00\x00\x01a", "", iso.KindLength},
		{"a tag without end", "\x9f\xff\xff\xff\x01a", "", iso.KindLength},
		{"half a tag", "\x9f", "", iso.KindLength},
	} {
		var seen []string
		kind := iso.WalkBER(c.v, func(p iso.Part) bool {
			seen = append(seen, p.Name+"="+p.Value)
			return true
		})
		if got := strings.Join(seen, " "); kind != c.kind || c.want != "" && got != c.want {
			t.Errorf("%s: %q, %v; want %q, %v", c.name, got, kind, c.want, c.kind)
		}
	}
	count := 0
	if kind := iso.WalkBER(strings.Repeat("\x82\x00", 256), func(iso.Part) bool { count++; return true }); kind != iso.KindLength || count != 255 {
		t.Errorf("256 parts: %d shown, %v", count, kind)
	}
	if kind := iso.WalkBER("\x70\x03\x82\x01a\x99", func(p iso.Part) bool { return p.Name != "82" }); kind != 0 {
		t.Errorf("the reading goes on behind the part that ended it: %v", kind)
	}
}
