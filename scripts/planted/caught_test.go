//go:build planted

package planted_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"holdfast/scripts/planted"
)

// Goal: every check can fail. Method: each bug is planted, alone, and its check is run as everyone runs it.
func TestEachPlantedBugIsCaught(t *testing.T) {
	chosen := os.Getenv("HOLDFAST_PLANTED")
	for i := range planted.Bugs {
		b := &planted.Bugs[i]
		if !strings.Contains(b.Name, chosen) {
			continue
		}
		began := time.Now()
		said, failed := check(t, b)
		took := time.Since(began).Round(time.Second / 10)
		switch {
		case failed && bytes.Contains(said, []byte(b.Says)):
			t.Logf("caught  %-62s %s %q (%v)", b.Name, b.Package, b.Says, took)
		case failed:
			t.Errorf("MISSED  %-62s %s failed, but did not say %q:\n%s", b.Name, b.Package, b.Says, head(said))
		default:
			t.Errorf("MISSED  %-62s %s passed", b.Name, b.Package)
		}
	}
}

// check runs the check of a bug on a house that has it.
func check(t *testing.T, b *planted.Bug) (said []byte, failed bool) {
	t.Helper()
	overlay, err := b.Overlay(root, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "test", "-count=1", "-failfast", "-timeout=5m", "-vet=off", "-overlay="+overlay, "-run="+b.Test, b.Package)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "HOLDFAST_SIM_SEED=1", "HOLDFAST_SIM_RUNS=200")
	said, err = cmd.CombinedOutput()
	if bytes.Contains(said, []byte("[build failed]")) {
		t.Fatalf("with %q the house does not build:\n%s", b.Name, said)
	}
	return said, err != nil
}

// head is the beginning of a long output.
func head(said []byte) []byte { return said[:min(len(said), 1500)] }
