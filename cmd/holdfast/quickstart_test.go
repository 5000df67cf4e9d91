package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Goal: what the README says about the first payment is true: ten commands or fewer, as they stand there. Method: the lines
// are run by a shell in a folder like a clone, on other ports.
func TestQuickStart(t *testing.T) {
	for _, tool := range []string{"bash", "curl", "openssl", "grep"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool + " is not installed")
		}
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(readme), "### From nothing to an approved payment by the API")
	_, text, _ = strings.Cut(text, "```sh\n")
	text, _, found := strings.Cut(text, "```")
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if !found || len(lines) > 10 || len(lines) < 5 {
		t.Fatalf("the quick start has %d lines", len(lines))
	}
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "bin", "holdfast"), ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	root, err := filepath.Abs("../..")
	if err == nil {
		err = os.Symlink(filepath.Join(root, "testdata"), filepath.Join(dir, "testdata"))
	}
	if err != nil {
		t.Fatal(err)
	}
	secure := freeAddress(t)
	settings := "listeners: [{address: \"127.0.0.1:0\"}]\nmanagement: {public: \"127.0.0.1:0\", ops: \"127.0.0.1:0\", secure: \"" + secure + "\"}\n"
	if err := os.WriteFile(filepath.Join(dir, "settings.yaml"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	script := strings.ReplaceAll(strings.Join(lines, "\n"), "127.0.0.1:8444", secure)
	script = "set -euo pipefail\ntrap 'kill %1 && wait' EXIT\n" + script
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-c", script)
	shell.Dir, shell.WaitDelay = dir, 10*time.Second
	shell.Env = append(os.Environ(), "HOLDFAST_CONFIG=settings.yaml")
	out, err := shell.CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"approved":true`) {
		t.Errorf("%v:\n%s", err, out)
	}
}

// freeAddress is one that nobody listens on just now. Its port is below those that the kernel gives to others meanwhile.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(10_000)))
		if err == nil {
			defer ln.Close()
			return ln.Addr().String()
		}
	}
	t.Fatal("there is no free port")
	return ""
}
