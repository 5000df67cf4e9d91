package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

// runCommand runs the program with arguments, and holds all it prints against the one rule that has no exception.
func runCommand(t *testing.T, stdin string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(&env{ctx: t.Context(), stdin: strings.NewReader(stdin), stdout: &out, stderr: &errs}, args)
	if all := out.String() + errs.String(); strings.Contains(all, decodePAN) || strings.Contains(all, hex.EncodeToString([]byte(decodePAN))) {
		t.Errorf("the output holds the card number:\n%s", all)
	}
	return out.String(), errs.String(), status
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// purchaseIn is a sample request of a dialect in bytes.
func purchaseIn(t *testing.T, dialect string) []byte {
	t.Helper()
	d, err := iso.Builtin(dialect)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := isotest.Purchase(d).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestDialectListNamesAllOfThem(t *testing.T) {
	t.Parallel()
	out, _, status := runCommand(t, "", "dialect", "list")
	for _, name := range iso.Names() {
		if status != exitOK || !strings.Contains(out, name+" ") {
			t.Errorf("status %d, no %s in\n%s", status, name, out)
		}
	}
}

func TestDialectShowTellsElementsAndPlaces(t *testing.T) {
	t.Parallel()
	out, _, status := runCommand(t, "", "dialect", "show", "visa-like")
	for _, want := range []string{"vmlh+base1", "62.2", "126.10.3-6", "primary account number", "n..19, bcd, length of 1 binary bytes", "parts as bitmap"} {
		if status != exitOK || !strings.Contains(out, want) {
			t.Errorf("status %d, no %q in\n%s", status, want, out)
		}
	}
	text, _, status := runCommand(t, "", "dialect", "show", "--file", "visa-like")
	if _, err := iso.Parse("again", []byte(text)); status != exitOK || err != nil {
		t.Errorf("status %d, the file does not load again: %v", status, err)
	}
	if _, errs, status := runCommand(t, "", "dialect", "show", "visa-lik"); status != exitUsage || !strings.Contains(errs, "visa-like") {
		t.Errorf("a mistyped name: status %d, %s", status, errs)
	}
}

func TestDialectCheckSaysWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	good := hex.EncodeToString(purchaseIn(t, "iso87-ascii"))
	long := strings.Replace(good, hex.EncodeToString([]byte("TERM0001")), hex.EncodeToString([]byte("TERM00012")), 1)
	date := strings.Replace(good, hex.EncodeToString([]byte("0314092653")), hex.EncodeToString([]byte("1314092653")), 1)
	frames := writeFile(t, "frames", strings.Join([]string{good, long, date, good + "30", good[:100], "30313030", "31" + good[2:]}, "\n"))
	file := writeFile(t, "peer.yaml", "base: iso87\nmti: ascii\nbitmap: hex\nnumeric: ascii\ntext: ascii\nlength: {encoding: ascii}\n")
	out, _, status := runCommand(t, "", "dialect", "check", file, "--frames", frames)
	for _, want := range []string{
		"peer: 126 elements of ISO 8583:1987, framing bin2",
		"frame 2: offset 223: element 49: wrong characters (currency, transaction: n3, ascii)",
		"frame 3: element 7: impossible date",
		"frame 4: offset 226: decode message: bytes after the last element",
		"frame 5: offset 44: element 4: message ends too early (amount, transaction: n12, ascii)",
		"frame 6: offset 4: bitmap: message ends too early",
		"frame 7: offset 0: the message type 1100 is none of ISO 8583:1987",
		"1 of 7 frames fit",
	} {
		if !strings.Contains(out, want+"\n") && !strings.Contains(out, want+" (") {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if status != exitFailed {
		t.Errorf("status %d", status)
	}
	framed := writeFile(t, "framed", "\x01\x7f")
	if _, errs, status := runCommand(t, "", "dialect", "check", file, "--frames", framed, "--framing", "bin2"); status != exitUsage ||
		!strings.Contains(errs, "not made of bin2 frames") {
		t.Errorf("half a frame: status %d, %s", status, errs)
	}
	bad := writeFile(t, "bad.yaml", "base: iso87\nmti: runes\n")
	if _, errs, status := runCommand(t, "", "dialect", "check", bad); status != exitFailed || !strings.Contains(errs, `mti: "runes"`) {
		t.Errorf("a faulty file: status %d, %s", status, errs)
	}
	if out, _, status := runCommand(t, "", "dialect", "check", file); status != exitOK || !strings.Contains(out, "126 elements") {
		t.Errorf("no frames: status %d, %s", status, out)
	}
}

func TestDialectGuessRanks(t *testing.T) {
	t.Parallel()
	raw := purchaseIn(t, "mastercard-like")
	out, errs, status := runCommand(t, hex.EncodeToString(raw)+"\n"+hex.EncodeToString(raw), "dialect", "guess", "--json", "--top", "2")
	var first guessed
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&first); err != nil || status != exitOK {
		t.Fatalf("status %d, %v, %s", status, err, errs)
	}
	if first.Dialect != "mastercard-like" || first.Framing != "none" || first.Decoded != 2 || strings.Count(out, "\n") != 2 {
		t.Errorf("ranked\n%s", out)
	}
	binary := append([]byte{0, 0, 0, byte(len(raw))}, raw...)
	out, _, status = runCommand(t, "", "dialect", "guess", writeFile(t, "capture", string(binary)))
	if status != exitOK || !strings.HasPrefix(out, "1. mastercard-like, framing bin4: ") || !strings.Contains(out, "card numbers pass their check digit") {
		t.Errorf("status %d:\n%s", status, out)
	}
	digits := "0800" + "0020000000800000" + "000101" + "12345678" // packed, the terminal would be cut off
	if out, _, status := runCommand(t, digits+"\n", "dialect", "guess"); status != exitOK || !strings.HasPrefix(out, "1. iso87-ascii, framing none: ") {
		t.Errorf("digits alone: status %d:\n%s", status, out)
	}
	if _, errs, status := runCommand(t, "zz", "dialect", "guess"); status != exitFailed || !strings.Contains(errs, "no dialect explains") {
		t.Errorf("noise: status %d, %s", status, errs)
	}
	if _, _, status := runCommand(t, "00", "dialect", "guess", "--dialect", "gone.yaml"); status != exitUsage {
		t.Errorf("a dialect that is not there: status %d", status)
	}
}
