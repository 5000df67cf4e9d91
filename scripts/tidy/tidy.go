package tidy

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Finding is one breach of a rule, or a warning that one is near.
type Finding struct {
	Path    string // from the top of the house
	Line    int    // 0 when it concerns the whole file or package
	Rule    string // a short name, as the tests of this package list them
	Text    string // what is wrong
	Warning bool
}

// String is the finding as compilers write them, so that editors can jump there.
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", f.Path, max(f.Line, 1), f.Rule, f.Text)
}

// source is one Go file of the house.
type source struct {
	path   string
	folder string // also the name of its package's room
	test   bool
	lines  []string
	syntax *ast.File
	files  *token.FileSet
}

func (s *source) line(node ast.Node) int { return s.files.Position(node.Pos()).Line }

// report collects findings.
type report struct {
	findings []Finding
}

func (r *report) add(path string, line int, rule, format string, args ...any) {
	r.findings = append(r.findings, Finding{Path: path, Line: line, Rule: rule, Text: fmt.Sprintf(format, args...)})
}

// Check applies every rule to the house and returns what it found, by path. The
// error says that a file could not be read or parsed.
func Check(house fs.FS) ([]Finding, error) {
	r := &report{}
	rooms := map[string][]*source{}
	err := fs.WalkDir(house, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if skipFolder(name) {
				return fs.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() || name == ".git" { // in a linked work tree it is a file with a path
			return nil
		}
		content, err := fs.ReadFile(house, name)
		if err != nil {
			return err
		}
		checkText(r, name, content)
		if path.Ext(name) != ".go" {
			return nil
		}
		s, err := parse(name, content)
		if err != nil {
			return err
		}
		rooms[s.folder] = append(rooms[s.folder], s)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the house: %w", err)
	}
	for folder, sources := range rooms {
		checkRoom(r, folder, sources)
		for _, s := range sources {
			checkImports(r, s)
			checkSizes(r, s)
			checkSource(r, s)
		}
	}
	slices.SortFunc(r.findings, func(a, b Finding) int {
		if order := strings.Compare(a.Path, b.Path); order != 0 {
			return order
		}
		return a.Line - b.Line
	})
	return r.findings, nil
}

// skipFolder leaves out what is not ours to judge: hidden folders but for the
// one of the continuous integration, what a build makes, and data of a run.
func skipFolder(name string) bool {
	base := path.Base(name)
	if base == "." || base == ".ci" {
		return false
	}
	return strings.HasPrefix(base, ".") || slices.Contains(builtFolders, name)
}

func parse(name string, content []byte) (*source, error) {
	files := token.NewFileSet()
	syntax, err := parser.ParseFile(files, name, content, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &source{
		path: name, folder: path.Dir(name), test: strings.HasSuffix(name, "_test.go"),
		lines: strings.Split(strings.TrimSuffix(string(content), "\n"), "\n"), syntax: syntax, files: files,
	}, nil
}
