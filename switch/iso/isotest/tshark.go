package isotest

import (
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"holdfast/switch/iso"
)

// tsharkOptions are the preferences with which Wireshark's dissector reads a dialect. It knows no others.
var tsharkOptions = map[string][2]string{
	"iso87-ascii":        {"Digits represented as ASCII Characters", "Bin data represented as Hex Ascii characters"},
	"iso87-ascii-binbmp": {"Digits represented as ASCII Characters", "Bin data not encoded"},
	"iso87-bcd":          {"Digits represented in nibbles", "Bin data not encoded"},
	"iso93-ascii":        {"Digits represented as ASCII Characters", "Bin data represented as Hex Ascii characters"},
	"iso93-ascii-binbmp": {"Digits represented as ASCII Characters", "Bin data not encoded"},
	"iso93-bcd":          {"Digits represented in nibbles", "Bin data not encoded"},
}

// NeedTool skips the test when a program is not installed, and fails it when HOLDFAST_REQUIRE_REFEREES is set.
func NeedTool(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv("HOLDFAST_REQUIRE_REFEREES") != "" {
		t.Fatalf("%s is not installed, and HOLDFAST_REQUIRE_REFEREES asks for it", name)
	}
	t.Skipf("%s is not installed", name)
}

// TsharkReads has Wireshark's dissector read messages of the dialect, and fails the test when it finds one malformed, or
// reads another message type, or other elements, than the message has. Values are compared but for those of the elements
// in unlike, in which the dissector's formats are not those of the standard. The test is skipped without tshark.
func TsharkReads(t testing.TB, d *iso.Dialect, messages []*iso.Message, unlike ...int) {
	t.Helper()
	NeedTool(t, "tshark")
	NeedTool(t, "text2pcap")
	options, ok := tsharkOptions[d.Name()]
	if !ok {
		t.Fatalf("tshark does not read %s", d.Name())
	}
	dir := t.TempDir()
	text, capture := filepath.Join(dir, "frames.txt"), filepath.Join(dir, "frames.pcap")
	var dump strings.Builder
	for _, m := range messages {
		body := encode(m)
		framed := append([]byte{byte(len(body) >> 8), byte(len(body))}, body...)
		for at := 0; at < len(framed); at += 16 {
			fmt.Fprintf(&dump, "%06x % x\n", at, framed[at:min(at+16, len(framed))])
		}
	}
	if err := os.WriteFile(text, []byte(dump.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "text2pcap", "-q", "-T", "40000,5070", text, capture).CombinedOutput(); err != nil {
		t.Fatalf("text2pcap: %v: %s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), "tshark", "-r", capture, "-d", "tcp.port==5070,iso8583",
		"-o", "iso8583.len_endian:Big endian", "-o", "iso8583.charset:"+options[0], "-o", "iso8583.binencode:"+options[1],
		"-V", "-O", "iso8583").Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	frames := strings.Split(string(out), "\nFrame ")
	if len(frames) != len(messages) {
		t.Fatalf("tshark sees %d frames, want %d", len(frames), len(messages))
	}
	for i, frame := range frames {
		compareTshark(t, messages[i], frame, unlike)
	}
}

var tsharkLine = regexp.MustCompile(`(?m)^    (MTI|Bit (\d+)): (.*)$`)

// compareTshark holds one frame of tshark's output against the message.
func compareTshark(t testing.TB, m *iso.Message, frame string, unlike []int) {
	t.Helper()
	what := m.Dialect().Name() + " " + m.MTI()
	if strings.Contains(strings.ToLower(frame), "malformed") {
		t.Errorf("%s: malformed, says tshark", what)
	}
	seen := map[int]string{}
	for _, line := range tsharkLine.FindAllStringSubmatch(frame, -1) {
		de, _ := strconv.Atoi(line[2]) // the message type has none, and stands at 0
		seen[de] = strings.TrimSpace(line[3])
	}
	if seen[0] != m.MTI() {
		t.Errorf("%s: tshark reads the message type %q", what, seen[0])
	}
	skip := map[int]bool{}
	for _, de := range unlike {
		skip[de] = true
	}
	for _, de := range m.Elements() {
		got, there := seen[de]
		want := strings.TrimSpace(m.Get(de))
		if !there || !skip[de] && got != want && !strings.EqualFold(got, hex.EncodeToString([]byte(m.Get(de)))) {
			t.Errorf("%s: tshark does not read element %d as we wrote it (there: %t)", what, de, there)
		}
	}
}
