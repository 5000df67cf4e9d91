package keystore_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"holdfast/authz/keystore"
)

func TestPassphraseSealsTheKeys(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.json")
	s, err := keystore.Create(path, []byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	n := number(t, testCard)
	again, err := keystore.Open(path, []byte("correct horse"))
	if err != nil || again.Tag(n) != s.Tag(n) {
		t.Fatalf("the right passphrase: %v", err)
	}
	for passphrase, want := range map[string]error{
		"": keystore.ErrPassphrase, "wrong horse": keystore.ErrAltered, "correct horse ": keystore.ErrAltered,
	} {
		if s, err := keystore.Open(path, []byte(passphrase)); s != nil || !errors.Is(err, want) {
			t.Errorf("passphrase %q: %v, want %v", passphrase, err, want)
		}
	}
	_, clearPath := create(t)
	if _, err := keystore.Open(clearPath, []byte("correct horse")); !errors.Is(err, keystore.ErrPassphrase) {
		t.Errorf("a passphrase for a file that is not sealed: %v", err)
	}
}

// Goal: a key cannot change its usage, state, age or company. Method: edits that
// keep the JSON sound, in a sealed file and in one in clear.
func TestAlteredFileIsRefused(t *testing.T) {
	t.Parallel()
	for name, passphrase := range map[string]string{"in clear": "", "sealed": "correct horse"} {
		path := filepath.Join(t.TempDir(), "keys.json")
		if _, err := keystore.Create(path, []byte(passphrase)); err != nil {
			t.Fatal(err)
		}
		original, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for edit, apply := range map[string]func(string) string{
			"usages swapped": func(s string) string {
				return strings.NewReplacer(`"pan-tag"`, `"dup"`, `"dup"`, `"pan-tag"`).Replace(s)
			},
			"created changed":  replace(`"created": "2`, `"created": "1`),
			"id changed":       replace(`"id": 4`, `"id": 5`),
			"id repeated":      replace(`"id": 4`, `"id": 3`),
			"id zero":          replace(`"id": 4`, `"id": 0`),
			"usage unknown":    replace(`"dup"`, `"cvv"`),
			"no active key":    replace(`"active"`, `"decrypt-only"`),
			"state unknown":    replace(`"active"`, `"destroyed"`),
			"version unknown":  replace(`"version": 1`, `"version": 2`),
			"another key":      replace(`"version"`, `"remark": "", "version"`),
			"something behind": func(s string) string { return s + "{}" },
			"cut short":        func(s string) string { return s[:len(s)/2] },
			"empty":            func(string) string { return "" },
			"not JSON":         func(string) string { return "\x00\xff" },
			"very long":        func(s string) string { return s + strings.Repeat(" ", 1<<20) },
			"material altered": func(s string) string { return alter(s, `"material": "`) },
			"mac altered":      func(s string) string { return alter(s, `"mac": "`) },
			"material emptied": func(s string) string {
				return regexp.MustCompile(`"material": "[^"]*"`).ReplaceAllString(s, `"material": ""`)
			},
			"sealing dropped": func(s string) string {
				return regexp.MustCompile(`(?s)"sealing": \{.*?\},|"version": 1,`).ReplaceAllString(s, "")
			},
			"few iterations": func(s string) string {
				if passphrase == "" {
					return "" // nothing to edit in this one
				}
				return strings.Replace(s, "600000", "1", 1)
			},
		} {
			edited := []byte(apply(string(original)))
			if bytes.Equal(edited, original) {
				t.Errorf("%s, %s: the edit changed nothing", name, edit)
			}
			if err := os.WriteFile(path, edited, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := keystore.OpenOrCreate(path, []byte(passphrase))
			known := errors.Is(err, keystore.ErrAltered) || errors.Is(err, keystore.ErrFormat) || errors.Is(err, keystore.ErrPassphrase)
			if s != nil || !known {
				t.Errorf("%s, %s: opened %v, error %v", name, edit, s != nil, err)
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, edited) {
				t.Errorf("%s, %s: the file that does not open was replaced", name, edit)
			}
		}
	}
}

func replace(old, with string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, with, 1) }
}

// alter changes one base64 character behind a mark.
func alter(s, mark string) string {
	at := strings.Index(s, mark) + len(mark) + 4
	with := "A"
	if s[at] == 'A' {
		with = "B"
	}
	return s[:at] + with + s[at+1:]
}

func TestFileIsForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	_, path := create(t)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("created with mode %v, %v", info.Mode(), err)
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o660, 0o644, 0o610, 0o777} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := keystore.Open(path, nil); !errors.Is(err, keystore.ErrPermissions) {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := keystore.Open(path, nil); err != nil {
		t.Errorf("mode 0400: %v", err)
	}
	if _, err := keystore.Open(filepath.Dir(path), nil); !errors.Is(err, keystore.ErrPermissions) {
		t.Errorf("a folder: %v", err)
	}
}

func TestCreateNeverReplacesKeys(t *testing.T) {
	t.Parallel()
	s, path := create(t)
	if _, err := keystore.Create(path, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("created over a file: %v", err)
	}
	again, err := keystore.OpenOrCreate(path, nil)
	if err != nil || again.CheckValue() != s.CheckValue() {
		t.Errorf("OpenOrCreate has other keys: %v", err)
	}
	if _, err := keystore.OpenOrCreate(filepath.Join(path, "x", "y"), nil); err == nil {
		t.Error("created where there is no folder")
	}
}

// Goal: a start that died half way harms no later one. Method: what such a start
// leaves (a temporary file, whole or torn, and no key file) is put there.
func TestCrashBetweenWritingAndNaming(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "keys.json")
	for name, content := range map[string]string{".keys-1.tmp": `{"version": 1, "ke`, ".keys-2.tmp": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := keystore.Open(path, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is no key file yet: %v", err)
	}
	first, err := keystore.OpenOrCreate(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	second, err := keystore.OpenOrCreate(path, nil)
	if err != nil || first.CheckValue() != second.CheckValue() {
		t.Errorf("the next start has other keys: %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("%d files, %v: a start that went well must leave only the key file behind", len(entries), err)
	}
}

func TestTwoFirstStartsAtOnceShareOneFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.json")
	const starts = 16
	var values [starts]string
	var group sync.WaitGroup
	for i := range starts {
		group.Go(func() {
			s, err := keystore.OpenOrCreate(path, nil)
			if err != nil {
				t.Error(err)
				return
			}
			values[i] = s.CheckValue()
		})
	}
	group.Wait()
	for _, value := range values {
		if value != values[0] {
			t.Fatalf("two starts use different keys: %v", values)
		}
	}
}
