// Package planted proves that the checks can fail: a list of bugs, each a small change to one file, and for each the
// check that must catch it.
//
// A bug is planted by an overlay of the go command: the house is built once more with one file changed, and nothing
// of that is in the program. An ordinary test run sees that each bug can still be planted; behind the build tag
// planted each of them is, and has to be caught. HOLDFAST_PLANTED chooses some by a part of their names.
package planted

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Bug is a change that must not go unnoticed.
type Bug struct {
	Name string // what the programmer has forgotten
	File string
	Old  string // stands in the file once
	New  string
	// Package and Test are what catches it, by the words of Says in its output.
	Package, Test, Says string
}

// Plant returns the file with the bug in it.
func (b *Bug) Plant(root string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(b.File)))
	if err != nil {
		return nil, fmt.Errorf("plant %q: %w", b.Name, err)
	}
	if n := bytes.Count(text, []byte(b.Old)); n != 1 {
		return nil, fmt.Errorf("plant %q: its place is in %s %d times: where the code has changed, so must the bug", b.Name, b.File, n)
	}
	return bytes.Replace(text, []byte(b.Old), []byte(b.New), 1), nil
}

// Overlay writes the file with the bug, and what tells the go command to take it, into a folder. It returns the path
// of the latter.
func (b *Bug) Overlay(root, folder string) (string, error) {
	text, err := b.Plant(root)
	if err != nil {
		return "", err
	}
	changed, overlay := filepath.Join(folder, "changed"+filepath.Ext(b.File)), filepath.Join(folder, "overlay.json")
	original, err := filepath.Abs(filepath.Join(root, filepath.FromSlash(b.File)))
	if err != nil {
		return "", err
	}
	what, err := json.Marshal(map[string]map[string]string{"Replace": {original: changed}})
	if err == nil {
		err = os.WriteFile(changed, text, 0o600)
	}
	if err == nil {
		err = os.WriteFile(overlay, what, 0o600)
	}
	return overlay, err
}
