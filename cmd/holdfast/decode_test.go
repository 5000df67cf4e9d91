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
)

// decodePAN is a published test number; no output may hold it.
const decodePAN = "4111111111111111"

// decodeMessage is a small 0100 in a built-in dialect.
func decodeMessage(t *testing.T, dialect string) []byte {
	t.Helper()
	d, err := iso.Builtin(dialect)
	if err != nil {
		t.Fatal(err)
	}
	m := d.New("0100")
	for de, v := range map[int]string{2: decodePAN, 4: "000000001234", 11: "000042", 41: "TERM0001"} {
		if err := m.Set(de, v); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// runDecode runs the command and holds its output against the one rule that has no exception.
func runDecode(t *testing.T, c decodeCmd, stdin string) (string, error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	err := c.Run(&env{ctx: t.Context(), stdin: strings.NewReader(stdin), stdout: &stdout, stderr: &stderr})
	all := stdout.String() + stderr.String()
	if err != nil {
		all += err.Error()
	}
	if strings.Contains(all, decodePAN) || strings.Contains(all, hex.EncodeToString([]byte(decodePAN))) {
		t.Errorf("the output holds the card number:\n%s", all)
	}
	return stdout.String(), err
}

func TestDecodeFindsTheDialect(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"iso87-ascii", "iso87-ascii-binbmp", "iso87-bcd"} {
		out, err := runDecode(t, decodeCmd{Hex: []string{hex.EncodeToString(decodeMessage(t, name))}}, "")
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range []string{"dialect " + name + "\n", "411111******1111", "systems trace audit number", "000042", "TERM0001"} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in\n%s", name, want, out)
			}
		}
	}
}

func TestDecodeTakesEveryFormOfInput(t *testing.T) {
	t.Parallel()
	ascii, bcd := decodeMessage(t, "iso87-ascii"), decodeMessage(t, "iso87-bcd")
	spaced := "0x" + strings.ToUpper(hex.EncodeToString(bcd[:5])) + " " + hex.EncodeToString(bcd[5:])
	framed := append([]byte{0, byte(len(bcd))}, bcd...)
	file := filepath.Join(t.TempDir(), "messages")
	if err := os.WriteFile(file, []byte(spaced+"\n\n"+hex.EncodeToString(ascii)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	digitsOnly := "08000220000000000000" + "0314092653" + "000101"
	cases := []struct {
		name  string
		cmd   decodeCmd
		stdin string
		want  int
	}{
		{"two arguments", decodeCmd{Hex: []string{spaced, hex.EncodeToString(ascii)}}, "", 2},
		{"a file of lines", decodeCmd{File: file}, "", 2},
		{"lines on standard input", decodeCmd{}, spaced + "\r\n" + spaced, 2},
		{"raw text with a line end", decodeCmd{}, string(ascii) + "\n", 1},
		{"raw bytes", decodeCmd{}, string(bcd), 1},
		{"raw bytes, framed", decodeCmd{Framing: "bin2"}, string(framed) + "\x00\x00" + string(framed), 2},
		{"hexadecimal digits, framed", decodeCmd{Framing: "bin2"}, hex.EncodeToString(framed) + "\n" + hex.EncodeToString(framed), 2},
		{"raw text of digits alone", decodeCmd{}, digitsOnly + "\n", 1},
		{"the same said to be raw", decodeCmd{Raw: true}, digitsOnly, 1},
		{"a dialect by name", decodeCmd{Dialect: "iso87-bcd"}, spaced, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out, err := runDecode(t, c.cmd, c.stdin)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Count(out, "message type"); got != c.want {
				t.Errorf("%d messages, want %d:\n%s", got, c.want, out)
			}
		})
	}
}

func TestDecodeNamesTheElementAtFault(t *testing.T) {
	t.Parallel()
	raw := decodeMessage(t, "iso87-ascii")
	raw = bytes.Replace(raw, []byte("000000001234"), []byte("-00000001234"), 1)
	good := hex.EncodeToString(decodeMessage(t, "iso87-bcd"))
	out, err := runDecode(t, decodeCmd{JSON: true}, good+"\n"+hex.EncodeToString(raw))
	if err == nil || !strings.Contains(err.Error(), "1 of 2") {
		t.Errorf("error %v, want 1 of 2", err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines:\n%s", len(lines), out)
	}
	var got decoded
	if err := json.Unmarshal([]byte(lines[1]), &got); err != nil {
		t.Fatal(err)
	}
	if got.Message != 2 || got.Dialect != "iso87-ascii" || got.Fault != "element 4: wrong characters" || len(got.Elements) != 2 {
		t.Errorf("got %+v", got)
	}
	if strings.Contains(lines[1], "000042") || got.Elements[1].Value != "(16 bytes)" {
		t.Errorf("a message that may have been misread shows content: %s", lines[1])
	}
	if out, err := runDecode(t, decodeCmd{}, string(raw)); err == nil || !strings.Contains(out, "element 4: wrong characters") {
		t.Errorf("%v:\n%s", err, out)
	}
}

func TestDecodeRefusesWhatCannotBeDone(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		cmd   decodeCmd
		stdin string
		want  string
	}{
		{"nothing to decode", decodeCmd{}, "\n\n", "no message"},
		{"an unknown dialect", decodeCmd{Dialect: "iso87-x"}, "00", "iso87-x"},
		{"an unknown framing", decodeCmd{Framing: "bin9"}, "00", "bin9"},
		{"two sources", decodeCmd{File: "x", Hex: []string{"00"}}, "", "--file"},
		{"no such file", decodeCmd{File: filepath.Join(t.TempDir(), "gone")}, "", "gone"},
		{"half a frame", decodeCmd{Framing: "bin2", Raw: true}, "\x00\x10abc", "inside a frame"},
		{"garbage", decodeCmd{}, "garbage", "1 of 1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if _, err := runDecode(t, c.cmd, c.stdin); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want it to name %q", err, c.want)
			}
		})
	}
}
