package iso

import (
	"errors"
	"testing"
)

// Goal: what SetAt writes, At reads, in every form of place, also behind the wire, and nothing else changes.
func TestWhatIsSetAtAPlaceStandsThere(t *testing.T) {
	t.Parallel()
	d, err := Builtin("mastercard-like")
	if err != nil {
		t.Fatal(err)
	}
	m := d.New("0100")
	want := map[string]string{"18": "5411", "61.7": "4", "61.10-11": "21", "48.63": "MCC123456", "48.61.5": "1", "48.92": "123"}
	order := []string{"18", "61.10-11", "61.7", "48.92", "48.61.5", "48.63"}
	for _, text := range order {
		p, err := d.parsePlace(text)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // writing it again changes it in its place
			if err := m.SetAt(p, want[text]); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
	}
	raw, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if m, err = d.Decode(raw); err != nil {
		t.Fatal(err)
	}
	for text, v := range want {
		p, _ := d.parsePlace(text)
		if got := m.At(p); got != v {
			t.Errorf("%s: %q, want %q", text, got, v)
		}
	}
	if m.Get(61) != "00000040021" {
		t.Errorf("element 61 is %q", m.Get(61))
	}
	if parts, err := m.Parts(48); err != nil || len(parts) != 3 || parts[1].Value != "00001" {
		t.Errorf("element 48 has %d parts, %v", len(parts), err)
	}
	chip, _ := d.parsePlace("55.9F26")
	short, _ := d.parsePlace("61.7")
	for _, p := range []Place{{}, chip} {
		var wrong *FormatError
		if err := m.SetAt(p, "x"); !errors.As(err, &wrong) || wrong.Kind != KindUndefined {
			t.Errorf("%s: %v", p, err)
		}
	}
	if err := m.SetAt(short, "44"); err == nil {
		t.Error("two characters were set at a place of one")
	}
}
