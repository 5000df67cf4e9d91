package pan_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"holdfast/authz/pan"
)

const (
	visaTest = "4111111111111111" // a published test number
	visaMask = "411111******1111"
	hidden   = "11111111" // a run that only the unmasked digits contain
)

func mustParse(t testing.TB, s string) pan.Number {
	t.Helper()
	n, err := pan.Parse(s)
	if err != nil {
		t.Fatalf("Parse of %d digits: %v", len(s), err)
	}
	return n
}

// Goal: a number is seen inside of other texts, whole or nearly so; what a mask shows, and other digits, are not it.
func TestANumberIsSeenWithinTexts(t *testing.T) {
	t.Parallel()
	n, err := pan.Parse("4111111111111111")
	if err != nil {
		t.Fatal(err)
	}
	short, err := pan.Parse("499999000012")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{"": false, "4111111111111111": true, "SHOP 4111111111111111 LUBLIN": true, "411111111111111": true,
		"000411111111111100": true, "1111111111111": true, "111111111": true, "11111111": false, "411111******1111": false, "4111 1111 1111 1111": true,
		"SHOP 41-1111-1111 LUBLIN": true, "4.1.1.1.1.1.1.1.1": true, "SHOP 4111 1111": false, "41111111 A 11111111": true, "4111111A11111A1111": true, "4a1b1c1d1e1f1g1h1i1j1k1l1m1n1o1": true,
		"4111111A11111A111": false, "4111/1111\\1": true, "2 11 1111 111": true} {
		if n.Within(text) != want {
			t.Errorf("%d characters: %v, want %v", len(text), !want, want)
		}
	}
	if !short.Within("x499999000012x") || short.Within("x49999900x") || (pan.Number{}).Within("4111111111111111") {
		t.Error("a short number, or none, is seen where it is not")
	}
}

func TestParseTakesTwelveToNineteenDigitsOnly(t *testing.T) {
	t.Parallel()
	for length := range 25 {
		_, err := pan.Parse(strings.Repeat("7", length))
		if want := length >= 12 && length <= 19; (err == nil) != want {
			t.Errorf("Parse of %d digits: error %v, want accepted %v", length, err, want)
		}
	}
	for _, text := range []string{
		"411111111111111a", " 4111111111111111", "4111 1111 1111 1111", "+411111111111111",
		"-411111111111111", "41111111.1111111", "٤١١١١١١١١", "411111111111111\x00", "411111******1111",
	} {
		n, err := pan.Parse(text)
		if !errors.Is(err, pan.ErrInvalid) {
			t.Errorf("Parse(%q): error %v, want ErrInvalid", text, err)
		}
		if !n.IsZero() {
			t.Errorf("Parse(%q) gave a number beside its error", text)
		}
		if err != nil && strings.Contains(err.Error(), "4111") {
			t.Errorf("the error of Parse(%q) tells its text: %v", text, err)
		}
	}
}

func TestPartsOfANumber(t *testing.T) {
	t.Parallel()
	n := mustParse(t, visaTest)
	for count, want := range map[int]string{-1: "", 0: "", 6: "411111", 8: "41111111", 9: "41111111", 99: "41111111"} {
		if got := n.BIN(count); got != want {
			t.Errorf("BIN(%d) = %q, want %q", count, got, want)
		}
	}
	if got := n.Last4(); got != "1111" {
		t.Errorf("Last4 = %q, want 1111", got)
	}
	if got := n.Reveal(); got != visaTest {
		t.Error("Reveal does not give back what Parse read")
	}
	if n.Len() != 16 || n.IsZero() {
		t.Errorf("Len = %d, IsZero = %v, want 16 and false", n.Len(), n.IsZero())
	}
}

func TestZeroValueIsNoCard(t *testing.T) {
	t.Parallel()
	var n pan.Number
	if !n.IsZero() || n.Len() != 0 || n.LuhnValid() {
		t.Error("the zero value passes for a card")
	}
	if got := n.String() + n.BIN(6) + n.Last4() + n.Reveal(); got != "" {
		t.Errorf("the zero value shows %q", got)
	}
	if !n.Equal(pan.Number{}) || n.Equal(mustParse(t, visaTest)) {
		t.Error("the zero value must equal itself and nothing else")
	}
}

func TestEqualComparesDigitsAndLength(t *testing.T) {
	t.Parallel()
	a := mustParse(t, visaTest)
	if !a.Equal(mustParse(t, visaTest)) {
		t.Error("two parses of the same digits differ")
	}
	for _, other := range []string{"4111111111111112", "5111111111111111", "411111111111111", "41111111111111110"} {
		if a.Equal(mustParse(t, other)) {
			t.Errorf("equal to a number of %d digits that differs", len(other))
		}
	}
}

func TestLuhnKnowsPublishedTestNumbers(t *testing.T) {
	t.Parallel()
	for _, digits := range []string{visaTest, "5555555555554444", "378282246310005", "6011111111111117", "3530111333300000"} {
		n := mustParse(t, digits)
		if !n.LuhnValid() {
			t.Errorf("%s does not pass", n)
		}
		want := digits[len(digits)-1]
		got, err := pan.CheckDigit(digits[:len(digits)-1])
		if err != nil || got != want {
			t.Errorf("CheckDigit for %s = %c, %v, want %c", n, got, err, want)
		}
		for d := byte('0'); d <= '9'; d++ {
			if n := mustParse(t, digits[:len(digits)-1]+string(d)); n.LuhnValid() != (d == want) {
				t.Errorf("%s with check digit %c: LuhnValid = %v", n, d, n.LuhnValid())
			}
		}
	}
}

func TestCheckDigitRefusesWhatIsNoPrefix(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"", "4111111111", "4111111111111111111", "41111111111x", "41111111 111"} {
		if _, err := pan.CheckDigit(prefix); !errors.Is(err, pan.ErrPrefix) {
			t.Errorf("CheckDigit(%q): error %v, want ErrPrefix", prefix, err)
		}
	}
}

type holder struct{ n pan.Number }

type exported struct {
	N pan.Number
	P *pan.Number
	M map[string]pan.Number
	S []pan.Number
	I any
}

// Goal: no formatter of the standard library shows the digits, wherever the
// number sits. Method: every shape by every verb, searched for a run of digits
// that the mask does not have.
func TestNoFormatterShowsTheDigits(t *testing.T) {
	t.Parallel()
	n := mustParse(t, visaTest)
	shapes := map[string]any{
		"value": n, "pointer": &n, "slice": []pan.Number{n}, "array": [1]pan.Number{n},
		"map value": map[string]pan.Number{"card": n}, "map key": map[pan.Number]int{n: 1},
		"unexported field": holder{n}, "pointer to struct": &holder{n},
		"nested": []any{map[string]any{"a": &holder{n}}, holder{n}},
		"exported field": exported{
			N: n, P: &n, M: map[string]pan.Number{"a": n}, S: []pan.Number{n}, I: n,
		},
		"error": fmt.Errorf("card %v: %w", n, errors.ErrUnsupported),
	}
	for shape, value := range shapes {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%p", "%c", "%U", "%b", "%08v", "%40s", "%.3s"} {
			if out := fmt.Sprintf(verb, value); leaks(out) {
				t.Errorf("%s printed by %s shows the digits: %s", shape, verb, out)
			}
		}
		if out := fmt.Sprint(value) + fmt.Sprintln(value); leaks(out) {
			t.Errorf("%s printed by Sprint shows the digits: %s", shape, out)
		}
	}
}

func TestNoEncoderShowsTheDigits(t *testing.T) {
	t.Parallel()
	n := mustParse(t, visaTest)
	value := exported{N: n, P: &n, M: map[string]pan.Number{"a": n}, S: []pan.Number{n}, I: n}
	out, err := json.Marshal(value)
	if err != nil || leaks(string(out)) || strings.Count(string(out), visaMask) != 5 {
		t.Errorf("JSON %s, %v: want the mask five times", out, err)
	}
	if out, err = json.Marshal(map[pan.Number]int{n: 1}); err != nil || leaks(string(out)) {
		t.Errorf("JSON key %s, %v", out, err)
	}
	if out, err = xml.Marshal(n); err != nil || leaks(string(out)) || !strings.Contains(string(out), visaMask) {
		t.Errorf("XML %s, %v", out, err)
	}
	var buf bytes.Buffer
	// Gob knows none of the methods, and must refuse.
	if err := gob.NewEncoder(&buf).Encode(value); err == nil || leaks(buf.String()) {
		t.Errorf("gob %q, %v: want it refused", buf.String(), err)
	}
	var back pan.Number
	//lint:ignore SA9005 that it cannot be read in is what is tested
	if err := json.Unmarshal([]byte(`"`+visaTest+`"`), &back); err == nil {
		t.Error("a number could be read from JSON, past Parse")
	}
}

func TestNoLoggerShowsTheDigits(t *testing.T) {
	t.Parallel()
	n := mustParse(t, visaTest)
	var buf bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&buf, nil), slog.NewJSONHandler(&buf, nil)} {
		slog.New(handler).Info("m", "pan", n, "pointer", &n, "slice", []pan.Number{n},
			"holder", holder{n}, "group", slog.GroupValue(slog.Any("pan", n)), slog.Any("exported", exported{N: n}))
	}
	if leaks(buf.String()) || !strings.Contains(buf.String(), visaMask) {
		t.Errorf("log shows the digits, or no mask: %s", buf.String())
	}
}

func TestMaskKeepsSixAndFour(t *testing.T) {
	t.Parallel()
	for digits, want := range map[string]string{
		"123456789012":        "123456**9012",
		visaTest:              visaMask,
		"1234567890123456789": "123456*********6789",
	} {
		if got := mustParse(t, digits).String(); got != want {
			t.Errorf("mask of %d digits = %q, want %q", len(digits), got, want)
		}
	}
}

// address is a pointer as %b prints it, which has eight ones in a row now and then.
var address = regexp.MustCompile(`\b[01]{36,64}\b`)

// leaks finds the planted digits as they are, in hex, or as a list of bytes.
func leaks(out string) bool {
	out = address.ReplaceAllString(out, "")
	for _, form := range []string{
		hidden, fmt.Sprintf("%x", hidden), "49 49 49 49 49 49 49 49",
		strings.Repeat("0x31, ", 8), strings.Repeat("31 ", 8), strings.Repeat("U+0031 ", 8),
	} {
		if strings.Contains(out, form) {
			return true
		}
	}
	return false
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{visaTest, "", "123456789012", "1234567890123456789", "41111111111111x1", "４１１１"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := pan.Parse(text)
		if err != nil {
			if !n.IsZero() || err.Error() != pan.ErrInvalid.Error() {
				t.Fatalf("refused, but gave %v, %v", n, err)
			}
			return
		}
		if n.Reveal() != text || n.Len() != len(text) {
			t.Fatal("Reveal differs from the text that was parsed")
		}
		mask := n.String()
		if len(mask) != len(text) || mask[:6] != n.BIN(6) || mask[len(mask)-4:] != n.Last4() ||
			strings.Trim(mask[6:len(mask)-4], "*") != "" {
			t.Fatalf("mask %q does not hide the middle", mask)
		}
		digit, err := pan.CheckDigit(text[:len(text)-1])
		if err != nil || (digit == text[len(text)-1]) != n.LuhnValid() {
			t.Fatalf("CheckDigit %c, %v disagrees with LuhnValid %v", digit, err, n.LuhnValid())
		}
	})
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pan.Parse(visaTest); err != nil {
			b.Fatal(err)
		}
	}
}
