package iso_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"holdfast/authz/pan"
	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

func TestSetRefusesWhatTheDialectDoesNotAllow(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		de    int
		value string
		kind  iso.Kind
	}{
		{"the message type is no element", 0, "0100", iso.KindUndefined},
		{"the bitmap is no element", 1, "", iso.KindUndefined},
		{"element 65 is a bitmap", 65, "1", iso.KindUndefined},
		{"there is no element 129", 129, "1", iso.KindUndefined},
		{"nor a negative one", -1, "1", iso.KindUndefined},
		{"too short for a fixed length", 4, "1234", iso.KindLength},
		{"too long for a fixed length", 39, "000", iso.KindLength},
		{"empty for a fixed length", 39, "", iso.KindLength},
		{"beyond the greatest length", 2, strings.Repeat("4", 20), iso.KindLength},
		{"a sign in digits", 4, "-00000001234", iso.KindCharacters},
		{"an amount without C or D", 28, "X00000100", iso.KindCharacters},
		{"a control character in text", 42, "MERCHANT\x00000001", iso.KindCharacters},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := builtin(t, "iso87-ascii").New("0100")
			var fault *iso.FormatError
			if err := m.Set(c.de, c.value); !errors.As(err, &fault) || fault.DE != c.de || fault.Kind != c.kind {
				t.Errorf("got %v, want element %d, %v", err, c.de, c.kind)
			}
			if m.Has(c.de) || len(m.Elements()) != 0 {
				t.Errorf("the message has elements %v", m.Elements())
			}
		})
	}
}

func TestResponseIsBuiltFromTheRequest(t *testing.T) {
	t.Parallel()
	for _, name := range iso.Names() {
		d := builtin(t, name)
		request, err := d.Decode(encoded(t, isotest.Purchase(d)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		response, err := d.Decode(encoded(t, isotest.Approval(request)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, de := range echoed {
			if response.Get(de) != request.Get(de) {
				t.Errorf("%s: element %d is %q, want %q", name, de, response.Get(de), request.Get(de))
			}
		}
		if response.MTI() != isotest.MTI(d, "110") || strings.Trim(response.Get(39), "0") != "" || response.Has(35) || response.Has(102) {
			t.Errorf("%s: answer %v", name, response)
		}
	}
}

func TestElementsComeAndGo(t *testing.T) {
	t.Parallel()
	m := builtin(t, "iso87-ascii").New("0800")
	for _, set := range []struct {
		de int
		v  string
	}{{70, "301"}, {11, "000001"}, {70, "001"}, {48, ""}, {128, "12345678"}, {64, "abcdefgh"}, {66, "1"}} {
		if err := m.Set(set.de, set.v); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := m.Elements(), []int{11, 48, 64, 66, 70, 128}; !slices.Equal(got, want) {
		t.Fatalf("elements %v, want %v", got, want)
	}
	if m.Get(70) != "001" || !m.Has(48) || m.Get(48) != "" || m.Get(2) != "" {
		t.Error("an element has another content than it was given")
	}
	m.Unset(128)
	m.Unset(66)
	m.Unset(70)
	m.Unset(70)
	m.Unset(0)
	m.SetMTI("0810")
	if got, want := string(encoded(t, m)), "08100020000000010001000001000abcdefgh"; got != want {
		t.Errorf("encoded %s, want %s", got, want)
	}
}

func TestSecondBitmapWithoutElementsIsKept(t *testing.T) {
	t.Parallel()
	const raw = "0800" + "8020000000000000" + "0000000000000000" + "000101"
	m, err := builtin(t, "iso87-ascii").Decode([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(encoded(t, m)); got != raw || !slices.Equal(m.Elements(), []int{11}) {
		t.Errorf("got %s with elements %v, want %s", got, m.Elements(), raw)
	}
}

func TestAppendRefusesAMessageTypeThatIsNone(t *testing.T) {
	t.Parallel()
	for _, mti := range []string{"", "100", "01000", "01x0", "٠١٠٠"} {
		dst, err := builtin(t, "iso87-bcd").New(mti).Append([]byte("kept"))
		var fault *iso.FormatError
		if !errors.As(err, &fault) || fault.DE != 0 || string(dst) != "kept" {
			t.Errorf("%q: %v, %q", mti, err, dst)
		}
	}
}

func TestAppendWritesBehindWhatIsThere(t *testing.T) {
	t.Parallel()
	m := isotest.Purchase(builtin(t, "iso87-bcd"))
	got, err := m.Append([]byte{0x00, 0x99})
	if err != nil || !bytes.Equal(got[:2], []byte{0x00, 0x99}) || !bytes.Equal(got[2:], encoded(t, m)) {
		t.Errorf("appended %x, %v", got, err)
	}
}

func TestPrivateElementsAreOpaque(t *testing.T) {
	t.Parallel()
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for _, text := range []string{"ascii", "latin1", "ebcdic", "ebcdic1047"} {
		d, err := iso.Parse("test", []byte("base: iso87\nmti: ascii\nbitmap: hex\nnumeric: ascii\nlength: {encoding: ascii}\ntext: "+text+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		m := d.New("0100")
		for _, de := range []int{47, 48, 55, 60, 63, 105, 127} {
			if err := m.Set(de, string(every[:255])); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
		again, err := d.Decode(encoded(t, m))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for _, de := range m.Elements() {
			if again.Get(de) != m.Get(de) {
				t.Errorf("%s: element %d came back changed", text, de)
			}
		}
	}
}

func TestCardNumberComesFromElementTwoThenFromTrackTwo(t *testing.T) {
	t.Parallel()
	const other = "5555555555554444"
	cases := []struct{ name, number, track, want string }{
		{"element 2 alone", testPAN, "", testPAN},
		{"both: element 2 wins", testPAN, other + "=2812", testPAN},
		{"track with an equals sign", "", other + "=28122010000012345678", other},
		{"track with a D", "", other + "D28122010000012345678", other},
		{"element 2 that is no card number is not made up for", "4111", other + "=2812", ""},
		{"a track without a separator", "", other, ""},
		{"neither", "", "", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := builtin(t, "iso87-ascii").New("0100")
			for de, v := range map[int]string{2: c.number, 35: c.track} {
				if v == "" {
					continue
				}
				if err := m.Set(de, v); err != nil {
					t.Fatal(err)
				}
			}
			got, ok := m.PAN()
			if want, err := pan.Parse(c.want); ok != (err == nil) || ok && !got.Equal(want) {
				t.Errorf("found a card number: %t, want %t", ok, c.want != "")
			}
		})
	}
}

func TestCopyBetweenDialectsIsACallersFault(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("copied characters that were never checked")
		}
	}()
	builtin(t, "iso87-bcd").New("0110").Copy(isotest.Purchase(builtin(t, "iso87-ascii")), 2)
}

// TestNoFormatterShowsContent prints a message in every way a careless line of code might. Method: the card
// number and the merchant are planted, and no output may hold them.
func TestNoFormatterShowsContent(t *testing.T) {
	t.Parallel()
	m := isotest.Purchase(builtin(t, "iso87-ascii"))
	m.SetMTI("0100")
	type holder struct {
		hidden  *iso.Message
		value   iso.Message
		Visible *iso.Message
	}
	part := iso.Part{Name: "5A", Value: testPAN + "ACME"}
	for _, v := range []any{part, &part, []iso.Part{part}, m, *m, &m, []*iso.Message{m}, map[string]iso.Message{"m": *m}, holder{m, *m, m}, &holder{m, *m, m}} {
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v)
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatalf("%T: %v", v, err)
		}
		out.Write(text)
		plain, hexed := out.String(), fmt.Sprintf("%x", testPAN)
		if strings.Contains(plain, testPAN) || strings.Contains(strings.ToLower(plain), hexed) || strings.Contains(plain, "ACME") {
			t.Errorf("%T shows content", v)
		}
	}
	if got, want := fmt.Sprint(m), "iso.Message(0100 2 3 4 7 11 12 13 14 18 19 22 23 25 32 35 37 41 42 43 49)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	m.SetMTI(testPAN)
	if strings.Contains(m.String()+describe(m), testPAN) {
		t.Error("a wrong message type is shown")
	}
}
