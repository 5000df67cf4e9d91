package main

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/switch/iso/isotest"
)

// TestAnotherImplementationExchangesMessagesWithUs has the npm module iso_8583 write requests, send them to a served
// folder and read the answers. The module must be where node finds it, as by NODE_PATH.
func TestAnotherImplementationExchangesMessagesWithUs(t *testing.T) {
	t.Parallel()
	isotest.NeedTool(t, "node")
	if err := exec.CommandContext(t.Context(), "node", "-e", "require('iso_8583')").Run(); err != nil {
		if os.Getenv("HOLDFAST_REQUIRE_REFEREES") != "" {
			t.Fatal("node does not find iso_8583, and HOLDFAST_REQUIRE_REFEREES asks for it")
		}
		t.Skip("node does not find iso_8583")
	}
	dir := t.TempDir()
	if status, _, errs := runHoldfast(t, "seed", "--data", dir, filepath.Join("..", "..", "testdata", "worlds", "demo.yaml")); status != exitOK {
		t.Fatal(errs)
	}
	_, port, err := net.SplitHostPort(serveFolderAs(t, dir, listenerConfig{Address: "127.0.0.1:0", Settings: peerSettings{Dialect: "iso87-ascii-binbmp"}}))
	if err != nil {
		t.Fatal(err)
	}
	purchase := map[string]string{"0": "0100", "2": decodePAN, "3": "000000", "4": "000000001234", "7": "0314092653", "11": "000101",
		"12": "092653", "13": "0314", "14": "4912", "18": "5411", "22": "011", "25": "00", "32": "123456", "37": "607309000101",
		"41": "TERM0001", "42": "MERCHANT0000001", "43": "ACME STORE               WARSZAWA     PL", "49": "978"}
	unknown := map[string]string{"2": "9999991000076191", "11": "000102"}
	for de, v := range purchase {
		if unknown[de] == "" {
			unknown[de] = v
		}
	}
	requests := []map[string]string{{"0": "0800", "7": "0314092653", "11": "000100", "70": "301"}, purchase, unknown}
	want := []map[string]string{
		{"0": "0810", "7": "0314092653", "11": "000100", "39": "00", "70": "301"},
		{"0": "0110", "2": decodePAN, "4": "000000001234", "37": "607309000101", "39": "00", "49": "978"},
		{"0": "0110", "11": "000102", "39": "14"},
	}
	var stdin, stderr bytes.Buffer
	for _, r := range requests {
		if err := json.NewEncoder(&stdin).Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	node := exec.CommandContext(t.Context(), "node", filepath.Join("testdata", "referee.js"), port)
	node.Stdin, node.Stderr = &stdin, &stderr
	out, err := node.Output()
	if err != nil {
		t.Fatalf("node: %v: %s", err, stderr.String())
	}
	answers := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(answers) != len(want) {
		t.Fatalf("%d answers, want %d", len(answers), len(want))
	}
	for i, line := range answers {
		var answer map[string]string
		if err := json.Unmarshal([]byte(line), &answer); err != nil {
			t.Fatal(err)
		}
		for de, v := range want[i] {
			if answer[de] != v {
				t.Errorf("answer %d: the module reads element %s as %q, want %q", i+1, de, answer[de], v)
			}
		}
	}
}
