package tidy_test

import (
	"maps"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"holdfast/scripts/tidy"
)

func TestHouse(t *testing.T) {
	findings, err := tidy.Check(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, finding := range findings {
		if finding.Warning {
			t.Log("warning:", finding)
		} else {
			t.Error(finding)
		}
	}
}

// cleanHouse breaks no rule; each planted breach changes one file of it.
var cleanHouse = map[string]string{
	"authz/pan/pan.go":            "// Package pan is a leaf.\npackage pan\n",
	"authz/authz.go":              "// Package authz decides.\npackage authz\n\nimport _ \"holdfast/authz/pan\"\n",
	"authz/authz_test.go":         "package authz_test\n\nimport _ \"holdfast/store/storetest\"\nimport _ \"go.uber.org/goleak\"\n",
	"store/storetest/suite.go":    "// Package storetest is a suite.\npackage storetest\n\nimport _ \"holdfast/authz\"\n",
	"cmd/holdfast/main.go":        "// Command holdfast is the program.\npackage main\n\nimport _ \"holdfast/authz\"\n\nfunc main() {}\n",
	"README.md":                   "A test card: 4111111111111111. Ours: 9999990000000009. A unit: 9007199254740991.\n",
	"go.sum":                      "a checksum " + card + "\n",
	"x/testdata/vectors/a.jsonl":  "a published message " + card + "\n",
	".git/config":                 "/" + "root/somewhere " + card + "\n",
	"bin/holdfast":                "" + card + "\n",
	"switch/iso/tables.go":        "package iso\n" + strings.Repeat("// row\n", 800),
	"switch/iso/doc.go":           "// Package iso has a table.\npackage iso\n",
	"switch/server/server.go":     "// Package server serves.\npackage server\n\nfunc run() {\n\t// owned by run\n\tgo run()\n\tgo run() // owned by run\n}\n",
	"switch/server/time_test.go":  "package server\n\nimport (\n\t\"testing/synctest\"\n\t\"time\"\n)\n\nvar _, _ = synctest.Wait, time.Sleep\n",
	"authz/keystore/keystore.go":  "// Package keystore has a clock.\npackage keystore\n\nimport \"time\"\n\nvar _ = time.Now\n",
	"authz/keystore/mark.go":      "package keystore\n\n// " + mark + "(#12): later\n",
	"authz/keystore/reveal.go":    "package keystore\n\nfunc f(n interface{ Reveal() string }) string { return n.Reveal() }\n",
	"authz/authz_reveal_test.go":  "package authz\n\nfunc f(n interface{ Reveal() string }) string { return n.Reveal() }\n",
	"authz/money/money.go":        "// Package money uses a library.\npackage money\n\nimport _ \"github.com/moov-io/iso4217\"\n",
	"switch/client/client.go":     "// Package client has a home.\npackage client\n\nimport _ \"github.com/moov-io/iso8583-connection\"\n",
	"switch/client/sub_import.go": "package client\n\nimport _ \"github.com/moov-io/iso8583/encoding\"\n",
}

const (
	mark = "TO" + "DO"
	card = "4012888" + "888881881" // passes Luhn, in no list
)

func TestALinkedWorkTreeIsNoBreach(t *testing.T) {
	files := house(nil)
	delete(files, ".git/config")
	files[".git"] = &fstest.MapFile{Data: []byte("gitdir: /" + "root/somewhere\n")}
	if found, err := tidy.Check(files); err != nil || len(found) > 0 {
		t.Errorf("found %v, error %v", found, err)
	}
}

func house(changes map[string]string) fstest.MapFS {
	files := maps.Clone(cleanHouse)
	maps.Copy(files, changes)
	fsys := fstest.MapFS{}
	for name, content := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return fsys
}

func TestACleanHouseHasNoFindings(t *testing.T) {
	t.Parallel()
	findings, err := tidy.Check(house(nil))
	if err != nil || len(findings) != 0 {
		t.Errorf("%v, %v", findings, err)
	}
}

// Goal: every rule catches its breach, and only its own. Method: one breach at a
// time is planted in the clean house.
func TestEveryRuleCatchesAPlantedBreach(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("\t_ = 0\n", 70)
	for _, test := range []struct{ rule, name, content string }{
		{"row", "mgmt/nothing/nothing.go", "// Package nothing is not in the table.\npackage nothing\n"},
		{"row", "switch/a.go", "// Package switch cannot be.\npackage authsw\n"},
		{"comment", "authz/pan/pan.go", "package pan\n"},
		{"name", "authz/pan/pan.go", "// Package card is elsewhere.\npackage card\n"},
		{"name", "cmd/holdfast/main.go", "// Package holdfast is no program.\npackage holdfast\n"},
		{"import", "authz/pan/b.go", "package pan\n\nimport _ \"holdfast/authz/money\"\n"},
		{"import", "authz/b.go", "package authz\n\nimport _ \"holdfast/store/memholds\"\n"},
		{"import", "switch/server/b.go", "package server\n\nimport _ \"holdfast/authz\"\n"},
		{"import", "cmd/holdfast/b.go", "package main\n\nimport _ \"holdfast/store/storetest\"\n"},
		{"home", "authz/b.go", "package authz\n\nimport _ \"github.com/moov-io/iso8583\"\n"},
		{"home", "switch/iso/b.go", "package iso\n\nimport _ \"github.com/moov-io/iso8583-connection\"\n"},
		{"home", "authz/b.go", "package authz\n\nimport _ \"github.com/unknown/library\"\n"},
		{"home", "authz/b_test.go", "package authz\n\nimport _ \"github.com/unknown/library\"\n"},
		{"home", "authz/b.go", "package authz\n\nimport _ \"go.uber.org/goleak\"\n"},
		{"home", "authz/b.go", "package authz\n\nimport _ \"database/sql\"\n"},
		{"home", "cmd/holdfast/b_test.go", "package main\n\nimport _ \"github.com/jackc/pgx/v5/stdlib\"\n"},
		{"file size", "authz/b.go", "package authz\n\nfunc f() {}\n" + strings.Repeat("// more\n", 498)},
		{"file size", "authz/b.go", "package authz\n" + strings.Repeat("// row\n", 900)},
		{"file size", "authz/b_test.go", "package authz\n\nfunc f() {}\n" + strings.Repeat("// more\n", 898)},
		{"function size", "authz/b.go", "package authz\n\nfunc f() {\n" + long + "}\n"},
		{"line width", "authz/b.go", "package authz\n\n// " + strings.Repeat("x", 138) + "\n"},
		{"line width", "authz/b_test.go", "package authz\n\n// " + strings.Repeat("x", 238) + "\n"},
		{"file name", "authz/helpers.go", "package authz\n"},
		{"unfinished", "authz/b.go", "package authz\n\n// " + mark + ": later\n"},
		{"unfinished", "authz/b.go", "package authz\n\n// " + mark + "\n"},
		{"unfinished", "authz/b.go", "package authz\n\n/* FIX" + "ME (soon) */\n"},
		{"unfinished", "scripts/x.sh", "# " + mark + "(me) later\n"},
		{"goroutine", "authz/b.go", "package authz\n\nfunc f() {\n\tgo f()\n}\n"},
		{"goroutine", "authz/b.go", "package authz\n\nfunc f() {\n\t// owned by nobody near\n\n\tgo func() {}()\n}\n"},
		{"reveal", "authz/b.go", "package authz\n\nfunc f(n interface{ Reveal() string }) string { return n.Reveal() }\n"},
		{"clock", "authz/b.go", "package authz\n\nimport \"time\"\n\nvar _ = time.Now\n"},
		{"clock", "authz/money/b.go", "package money\n\nimport when \"time\"\n\nvar _ = when.Since\n"},
		{"sleep", "authz/b_test.go", "package authz\n\nimport \"time\"\n\nvar _ = time.Sleep\n"},
		{"card number", "README.md", "A card: 4012888" + "888881881.\n"},
		{"card number", "testdata/traces/day.jsonl", "{\"pan\":\"4012888" + "888881881\"}\n"},
		{"machine path", "README.md", "See /" + "home/me/notes.\n"},
		{"machine path", "Makefile", "all:\n\tcd /" + "root/x\n"},
		{"registry", "Makefile", "export GO" + "PROXY=http://10.0.0.1:8080\n"},
		{"registry", ".ci/run", "GO" + "SUMDB=off make test\n"},
	} {
		findings, err := tidy.Check(house(map[string]string{test.name: test.content}))
		if err != nil {
			t.Fatal(err)
		}
		caught := false
		for _, finding := range findings {
			caught = caught || finding.Rule == test.rule && !finding.Warning
			// A package that cannot be named is caught twice; nothing else may be.
			if finding.Rule != test.rule && test.name != "switch/a.go" {
				t.Errorf("%s planted in %s, but found %s", test.rule, test.name, finding)
			}
		}
		if !caught {
			t.Errorf("%s planted in %s was not caught: %v", test.rule, test.name, findings)
		}
	}
}

func TestALargeFileIsWarnedOf(t *testing.T) {
	t.Parallel()
	findings, err := tidy.Check(house(map[string]string{
		"authz/b.go": "package authz\n\nfunc f() {}\n" + strings.Repeat("// more\n", 450),
	}))
	if err != nil || len(findings) != 1 || !findings[0].Warning || findings[0].Rule != "file size" {
		t.Errorf("%v, %v", findings, err)
	}
}

func TestAFileThatDoesNotParseIsAnError(t *testing.T) {
	t.Parallel()
	if findings, err := tidy.Check(house(map[string]string{"authz/b.go": "pakage authz\n"})); err == nil {
		t.Errorf("no error, %v", findings)
	}
}
