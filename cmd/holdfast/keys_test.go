package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

// Goal: an operator rotates the keys of a data folder by the commands, and every card still pays. Method: the demo's
// day before and after, and the old keys destroyed in between.
func TestKeysAreRotatedByCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	do := func(args ...string) string {
		t.Helper()
		status, out, errs := runHoldfast(t, append(args, "--data", dir)...)
		if status != exitOK {
			t.Fatalf("%v: status %d: %s", args, status, errs)
		}
		return out
	}
	do("demo", "--exit", "--port", "0")
	list := do("keys", "list")
	for _, usage := range []string{"pan-aead", "pan-tag"} {
		was := regexp.MustCompile(`(?m)^(\d+) +` + usage + ` +active`).FindStringSubmatch(list)
		added := regexp.MustCompile(`^key (\d+) is pending\n$`).FindStringSubmatch(do("keys", "add", usage))
		if was == nil || added == nil {
			t.Fatalf("%s: no ids in\n%s", usage, list)
		}
		do("keys", "activate", added[1])
		if out := do("keys", "reseal"); !strings.HasSuffix(out, "put under the active keys 0\n") || !strings.Contains(out, "cards 19") {
			t.Errorf("%s: %s", usage, out)
		}
		do("keys", "drop", was[1])
	}
	do("demo", "--exit", "--port", "0")
	if status, _, errs := runHoldfast(t, "keys", "add", "zmk", "--data", dir); status != exitUsage || errs == "" {
		t.Errorf("a usage that has no random keys: status %d: %s", status, errs)
	}
}

func TestKeysImport(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if status, _, errs := runHoldfast(t, "demo", "--exit", "--port", "0", "--data", dir); status != exitOK {
		t.Fatal(errs)
	}
	const key = "FEDCBA98 76543210 01234567 89ABCDEF"
	for _, c := range []struct {
		input  string
		args   []string
		status int
	}{{key, []string{"cvk", "expiry=MMYY"}, exitOK}, {key, []string{"zmk", "peer=shop"}, exitOK},
		{key, []string{"zmk"}, exitUsage}, {"secret", []string{"cvk"}, exitUsage}, {"", []string{"cvk"}, exitUsage},
		{key, []string{"pan-aead"}, exitUsage}} {
		var out, errs bytes.Buffer
		status := run(&env{ctx: t.Context(), stdin: strings.NewReader(c.input), stdout: &out, stderr: &errs},
			append(append([]string{"keys", "import"}, c.args...), "--data", dir))
		if status != c.status || strings.Contains(errs.String(), "FEDC") || strings.Contains(errs.String(), "secret") {
			t.Errorf("import %v: status %d, want %d: %s", c.args, status, c.status, errs.String())
		}
	}
}
